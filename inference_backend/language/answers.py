"""What a run of a program found, in one or two sentences: also why nothing was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from inference_backend.language import nodes
from inference_backend.language.explain import (
    describe,
    head,
    joined,
    order_word,
    plural,
    rank,
    reference,
    singular,
    test,
)
from inference_backend.language.ontology import concepts
from inference_backend.language.units import number

if TYPE_CHECKING:
    from inference_backend.language.execute import Instance, Run

__all__ = ["describe", "head", "sentence"]

# From here on, hectares are read more easily than square metres.
_HECTARES_FROM_M2 = 100_000.0
_UNKNOWN = {
    "height": "How tall things are cannot be seen in this image.",
    "lightness": "The colours of these things are not known.",
}


def sentence(
    root: nodes.Node, found: Sequence[Instance], considered: Sequence[Instance], run: Run
) -> str:
    """The answer for the user."""
    inner = root.of if isinstance(root, nodes.Count) else root
    if not considered:
        return f"No {_kinds(inner, 'or', one=True)} was found here."
    if not found:
        return _nothing(inner, considered, run)
    said = (
        _counted(root, found, considered, run)
        if isinstance(root, nodes.Count)
        else _found(root, found, considered, run)
    )
    return " ".join([said, *_notes(inner, run)])


def _found(
    root: nodes.Set, found: Sequence[Instance], considered: Sequence[Instance], run: Run
) -> str:
    if isinstance(root, nodes.Except) and root.of is None:
        return f"{_start(describe(root))}: {_ground(found, run)}."
    if isinstance(root, (nodes.Superlative, nodes.Ordinal)):
        return _ranked(root, found, run)
    if isinstance(root, nodes.Filter):
        return f"{_of_all(found, considered, head(root))} {_are(found)} {_tests(root)}."
    if isinstance(root, nodes.Except):
        return (
            f"{_of_all(found, considered, head(root))} {'is' if len(found) == 1 else 'are'} left."
        )
    return _list(root, found, run)


def _list(root: nodes.Set, found: Sequence[Instance], run: Run) -> str:
    """12 buildings and 3 roads were found."""
    parts = root.sets if isinstance(root, nodes.Union) else (root,)
    said = []
    for part in parts:
        things = run.find(part)
        said.append(
            _number_of(things, head(part)) if things else f"no {_kinds(part, 'or', one=True)}"
        )
    one = len(parts) == 1 and len(found) == 1
    area = "" if len(parts) > 1 or _countable(head(root)) else f", {_ground(found, run)}"
    return f"{_start(joined(said))} {'was' if one else 'were'} found{area}."


def _counted(
    root: nodes.Count, found: Sequence[Instance], considered: Sequence[Instance], run: Run
) -> str:
    what = describe(root.of)
    if root.what == "area":
        return f"{_start(what)}: {_ground(found, run)}."
    if isinstance(root.of, nodes.Filter):
        lead = _found(root.of, found, considered, run)
    elif not isinstance(root.of, (nodes.Select, nodes.Union)):
        lead = f"{len(found):,}: {what}."
    else:
        is_one = len(found) == 1
        lead = f"There {'is' if is_one else 'are'} {_number_of(found, head(root.of))} here."
    return f"Yes. {lead}" if root.what == "any" else lead


def _ranked(root: nodes.Superlative | nodes.Ordinal, found: Sequence[Instance], run: Run) -> str:
    among = run.find(root.of)
    kinds = head(root)
    word = order_word(root)
    value = _value(root, found, run)
    one = isinstance(root, nodes.Ordinal) or root.n == 1
    lead = f"{rank(root.n)} {word}" if isinstance(root, nodes.Ordinal) and root.n > 1 else word
    if root.to is not None:
        lead += f" {'from' if root.end == 'most' else 'to'} {reference(root.to)}"
    of = _those(root.of, among)
    if one and len(among) == 1 and not isinstance(root.of, nodes.Select):
        return f"The only one of the {describe(root.of).removeprefix('the ')}{value}."
    if one and len(found) > 1:
        return f"{len(found):,} {plural(kinds[0])} share the rank of the {lead}{value}."
    if one:
        return f"The {lead} of {of}{value}."
    if len(among) <= root.n:
        return f"Only {_number_of(among, kinds)} {_were(among)} found, so all are among the {root.n:,} {word}."
    more = len(found) - root.n
    tied = f"; {more:,} more {'ties' if more == 1 else 'tie'} with the last" if more > 0 else ""
    return f"The {root.n:,} {lead} of {of}{tied}."


def _value(root: nodes.Superlative | nodes.Ordinal, found: Sequence[Instance], run: Run) -> str:
    things = run.find(root.of)
    value = float(run.values(root)[next(i for i, thing in enumerate(things) if thing is found[0])])
    unit = "m" if run.view.metres else "pixels"
    if root.key == "area":
        return f" covers {_area(value, run)}" if len(found) == 1 else f", {_area(value, run)} each"
    if not np.isfinite(value) or root.key not in ("length", "width", "height", "distance"):
        return ""
    words = {"length": "long", "width": "wide", "height": "tall", "distance": "away"}
    return f": {number(float(f'{value:.3g}'))} {unit} {words[root.key]}"


def _nothing(node: nodes.Set, considered: Sequence[Instance], run: Run) -> str:
    kinds = head(node)
    if isinstance(node, (nodes.Superlative, nodes.Ordinal)) and not run.find(node.of):
        return _nothing(node.of, considered, run)
    for part in _walk(node):
        if isinstance(part, (nodes.Superlative, nodes.Ordinal)):
            said = _no_rank(part, run)
            if said:
                return said
        if isinstance(part, nodes.Measure) and part.what == "height" and not _heights(considered):
            return _UNKNOWN["height"]
    for relate in _wanted_relations(node):
        for to in (relate.to, relate.and_to):
            if to is not None and not run.find(to) and relate.relation != "far from":
                return f"No {_kinds(to, 'or', one=True)} was found here, so nothing can {_verb(relate)}."
    all_found = _number_of(considered, kinds)
    if isinstance(node, nodes.Filter):
        none = "none of them is" if len(considered) != 1 else "it is not"
        return f"{_start(all_found)} {_were(considered)} found here, but {none} {_tests(node)}."
    return (
        f"{_start(all_found)} {_were(considered)} found here, but none is left of {describe(node)}."
    )


def _no_rank(node: nodes.Superlative | nodes.Ordinal, run: Run) -> str:
    among = run.find(node.of)
    kinds = head(node)
    if node.to is not None and not run.find(node.to):
        missing = _kinds(node.to, "or", one=True)
        away = "farthest from" if node.end == "most" else "closest to"
        return (
            f"No {missing} was found here, so no {_kinds(node, 'or', one=True)} can be {away} it."
        )
    if among and np.isnan(run.values(node)).all():
        return _UNKNOWN.get(node.key, f"No {singular(kinds[0])} has a known {node.key}.")
    if isinstance(node, nodes.Ordinal) and among and node.n > len(among):
        return f"Only {_those(node.of, among)} {_were(among)} found here, so there is no {rank(node.n)} {order_word(node)}."
    return ""


def _notes(node: nodes.Set, run: Run) -> list[str]:
    """References that a "not", "without" or "far from" names and that are not there: all things pass by them."""
    wanted = set(map(id, _wanted_relations(node)))
    notes = []
    for part in _walk(node):
        if isinstance(part, nodes.Relate) and (
            id(part) not in wanted or part.relation == "far from"
        ):
            notes += [
                f"No {_kinds(to, 'or', one=True)} was found here."
                for to in (part.to, part.and_to)
                if to is not None and not run.find(to)
            ]
    return list(dict.fromkeys(notes))


def _wanted_relations(node: Any, wanted: bool = True) -> Iterator[nodes.Relate]:
    """Relations that must hold for something to be found, in order of reading."""
    if isinstance(node, nodes.Relate):
        if wanted:
            yield node
            yield from _wanted_relations(node.to)
    elif isinstance(node, nodes.Not):
        yield from _wanted_relations(node.test, not wanted)
    elif isinstance(node, nodes.Except):
        yield from _wanted_relations(node.of, wanted)
    elif isinstance(node, nodes.Or):
        return
    else:
        for part in _children(node):
            yield from _wanted_relations(part, wanted)


def _walk(node: Any) -> Iterator[Any]:
    """A node and all below it; the inner set before its test."""
    for part in _children(node):
        yield from _walk(part)
    if not isinstance(node, tuple):
        yield node


def _children(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return [part for part in node if hasattr(part, "__dataclass_fields__")]
    if not hasattr(node, "__dataclass_fields__"):
        return []
    values = [getattr(node, part.name) for part in fields(node)]
    return [v for v in values if isinstance(v, tuple) or hasattr(v, "__dataclass_fields__")]


def _tests(node: nodes.Filter) -> str:
    tests: list[str] = []
    inner: nodes.Set = node
    while isinstance(inner, nodes.Filter):
        tests.insert(0, test(inner.test))
        inner = inner.of
    if not isinstance(inner, (nodes.Select, nodes.Union)):
        tests.insert(0, f"among {describe(inner)}")
    return joined(tests)


def _verb(relate: nodes.Relate) -> str:
    words = test(relate).replace(reference(relate.to), _it(relate.to))
    if relate.relation == "with":
        return f"have {_it(relate.to)}"
    return f"be {words}" if relate.relation != "touching" else f"touch {_it(relate.to)}"


def _it(node: nodes.Set) -> str:
    mass = isinstance(node, nodes.Select) and reference(node).startswith("the ")
    return "it" if mass or not _countable(head(node)) else "one"


def _kinds(node: nodes.Set, word: str, one: bool = False) -> str:
    selects = head(node) or head(getattr(node, "without", node))
    names = [singular(select) if one else plural(select) for select in selects]
    return joined(list(dict.fromkeys(names)), word)


def _number_of(things: Sequence[Instance], kinds: Sequence[nodes.Select]) -> str:
    """12 buildings; 4 areas of water, where nobody counts."""
    names = list(dict.fromkeys(kinds))
    if not _countable(names):
        what = joined([plural(select) for select in names])
        return f"{len(things):,} area{'' if len(things) == 1 else 's'} of {what}"
    words = [singular(select) if len(things) == 1 else plural(select) for select in names]
    return f"{len(things):,} {joined(words, 'or')}"


def _those(node: nodes.Set, things: Sequence[Instance]) -> str:
    """12 buildings that are red; 1 of the buildings that are red."""
    if isinstance(node, nodes.Select):
        return _number_of(things, head(node))
    if isinstance(node, nodes.Filter) and len(things) > 1 and isinstance(node.of, nodes.Select):
        return f"{len(things):,} {describe(node)}"
    return f"{len(things):,} of the {describe(node).removeprefix('the ')}"


def _of_all(
    found: Sequence[Instance], considered: Sequence[Instance], kinds: Sequence[nodes.Select]
) -> str:
    if len(found) == len(considered):
        return (
            f"All {_number_of(considered, kinds)}"
            if len(found) > 1
            else f"The only {_kinds_one(kinds)}"
        )
    return f"{len(found):,} of {_number_of(considered, kinds)}"


def _kinds_one(kinds: Sequence[nodes.Select]) -> str:
    return joined(list(dict.fromkeys(singular(select) for select in kinds)), "or")


def _countable(kinds: Sequence[nodes.Select]) -> bool:
    known = {concept.name: concept.countable for concept in concepts()}
    return all(known.get(select.concept, True) for select in kinds)


def _heights(things: Sequence[Instance]) -> bool:
    return any(str(key).startswith("height") for thing in things for key in thing.attributes)


def _ground(things: Sequence[Instance], run: Run) -> str:
    return _area(float(shapely.area(shapely.union_all([t.geometry for t in things]))), run)


def _area(value: float, run: Run) -> str:
    if not run.view.metres:
        return f"{number(float(f'{value:.4g}'))} square pixels"
    if value >= _HECTARES_FROM_M2:
        return f"{number(float(f'{value / 1e4:.4g}'))} ha"
    return f"{number(float(f'{value:.4g}'))} m²"


def _are(things: Sequence[Instance]) -> str:
    return "is" if len(things) == 1 else "are"


def _were(things: Sequence[Instance]) -> str:
    return "was" if len(things) == 1 else "were"


def _start(words: str) -> str:
    return words[:1].upper() + words[1:]
