"""The parts of a program that a user may change, one chip each, and the program after a change.

A chip's `id` is the path to its part ("find.test.than"), so it stays the same while the program keeps its form.
Kinds: class, colour, comparison, number, size, shape, grouping, region, relation, direction, order, count, negation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.colours import NAMES as COLOURS
from inference_backend.language.colours import SPELLINGS as COLOUR_SPELLINGS
from inference_backend.language.explain import ORDER_WORDS, order_word, plural, rank
from inference_backend.language.ontology import concept_of, concepts
from inference_backend.language.relations import DISTANCES
from inference_backend.language.units import SPELLINGS, Quantity, units_of

_ROOT = "find"
_DIRECTIONS = (*(f"{way} of" for way in nodes.COMPASS), *nodes.SIDES)
_OTHERS = tuple(name for name in nodes.RELATIONS if name not in _DIRECTIONS)
# Fields whose chip is a choice among words: (kind, choices).
_CHOICES: dict[tuple[type, str], tuple[str, tuple[str, ...]]] = {
    (nodes.Measure, "op"): ("comparison", nodes.OPERATORS),
    (nodes.Size, "size"): ("size", nodes.SIZES),
    (nodes.Shape, "shape"): ("shape", nodes.SHAPES),
    (nodes.Crowd, "crowd"): ("grouping", nodes.CROWDS),
    (nodes.Region, "region"): ("region", (*nodes.REGIONS, nodes.EDGE)),
    (nodes.Count, "what"): ("count", nodes.COUNTS),
}


def chips(root: nodes.Node) -> list[dict[str, Any]]:
    """All chips, in the order in which the program reads. `removable`: a value of None takes the condition away."""
    return list(_chips(root, (_ROOT,), False))


def with_chip(root: nodes.Node, chip_id: str, value: Any) -> nodes.Node:
    """The program's root with one chip set to `value`; None removes the condition it belongs to."""
    chip = next((known for known in chips(root) if known["id"] == chip_id), None)
    if chip is None:
        raise InvalidInput(
            f"This program has no part {str(chip_id)[:60]!r}; ask for its chips again."
        )
    path = chip_id.split(".")[1:]
    if value is None:
        if not chip["removable"]:
            raise InvalidInput(f"'{chip['text']}' cannot be taken away; change it instead.")
        while path[-1] != "test" or not isinstance(_at(root, path[:-1]), nodes.Filter):
            path = path[:-1]
        return _put(root, path[:-1], _at(root, path[:-1]).of)
    if chip["kind"] == "negation":
        return _put(root, path, _at(root, path) if _truth(value) else _at(root, path).test)
    if chip["kind"] == "class":
        return _put(root, path, _select(_at(root, path), value))
    if chip["kind"] == "order":
        return _put(root, path, _reorder(_at(root, path), value))
    return _put(root, path, _value(_at(root, path), _at(root, path[:-1]), path[-1], chip, value))


def _chips(node: Any, path: tuple[str, ...], removable: bool) -> Iterator[dict[str, Any]]:
    if isinstance(node, tuple):
        for index, part in enumerate(node):
            yield from _chips(part, (*path, str(index)), removable)
    elif isinstance(node, nodes.Filter):
        yield from _chips(node.of, (*path, "of"), False)
        yield from _chips(node.test, (*path, "test"), True)
    elif hasattr(node, "__dataclass_fields__") and not isinstance(node, Quantity):
        yield from _own(node, path, removable)
        for field in fields(node):
            part = getattr(node, field.name)
            # A reference is a set of its own: without it the relation would have no far end.
            inner = removable and field.name in ("test", "tests")
            if isinstance(part, tuple) or hasattr(part, "__dataclass_fields__"):
                yield from _chips(part, (*path, field.name), inner)


def _own(node: Any, path: tuple[str, ...], removable: bool) -> Iterator[dict[str, Any]]:
    """The chips of one node, those of its parts aside."""

    def chip(
        kind: str, field: str, text: str, value: Any, choices: Any = None, **more: Any
    ) -> dict:
        return {
            "id": ".".join((*path, field) if field else path),
            "kind": kind,
            "text": text,
            "value": value,
            "editable": True,
            "removable": removable,
            "choices": list(choices) if choices else None,
            **more,
        }

    def quantity(field: str, given: Quantity) -> dict:
        units = units_of(given.dimension)
        return chip("number", field, str(given), given.value, unit=given.unit, units=list(units))

    if isinstance(node, nodes.Select):
        yield chip("class", "", plural(node), node.key, [known.name for known in concepts()])
    elif isinstance(node, nodes.Not):
        yield chip("negation", "", "not", True, (True, False))
    elif isinstance(node, nodes.Colour):
        names = ", ".join(node.names)
        yield chip("colour", "names", " or ".join(node.names), names, COLOURS)
    elif isinstance(node, nodes.Relate):
        turned = node.relation in _DIRECTIONS
        choices = ("between",) if node.and_to is not None else _DIRECTIONS if turned else _OTHERS
        kind = "direction" if turned else "relation"
        yield chip(kind, "relation", node.relation, node.relation, choices)
    elif isinstance(node, (nodes.Superlative, nodes.Ordinal)):
        words = [
            word
            for key, pair in ORDER_WORDS.items()
            if (key == "distance") == (node.to is not None)
            for word in pair
        ]
        yield chip("order", "", order_word(node), order_word(node), words)
        text = rank(node.n) if isinstance(node, nodes.Ordinal) else f"{node.n:,}"
        yield chip("number", "n", text, node.n, unit="")
    for (kind, field), (name, choices) in _CHOICES.items():
        if isinstance(node, kind):
            value = getattr(node, field)
            yield chip(name, field, value, value, choices)
    if isinstance(node, nodes.Measure):
        yield quantity("than", node.than)
    elif isinstance(node, (nodes.Relate, nodes.Crowd)):
        name = node.relation if isinstance(node, nodes.Relate) else node.crowd
        usual = Quantity(DISTANCES[name][0], "m") if name in DISTANCES else None
        if node.distance or usual:
            yield quantity("distance", node.distance or usual)


def _at(node: Any, path: list[str]) -> Any:
    for step in path:
        node = node[int(step)] if isinstance(node, tuple) else getattr(node, step)
    return node


def _put(node: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node, tuple):
        index = int(step)
        return (*node[:index], _put(node[index], rest, value), *node[index + 1 :])
    return replace(node, **{step: _put(getattr(node, step), rest, value)})


def _value(old: Any, owner: Any, field: str, chip: dict[str, Any], value: Any) -> Any:
    if field == "n":
        number = float(value) if isinstance(value, str) and value.strip().isdigit() else value
        whole = isinstance(number, (int, float)) and float(number).is_integer()
        return int(number) if whole and not isinstance(value, bool) else value
    if field == "names":
        words = value.split(",") if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)):
            raise InvalidInput("Give colours as words, with commas between them.")
        said = [str(word).strip().lower() for word in words]
        return tuple(dict.fromkeys(COLOUR_SPELLINGS.get(word, word) for word in said if word))
    if chip["kind"] == "number":
        return _quantity(value, old.unit if old is not None else "m")
    if not isinstance(value, str):
        raise InvalidInput(f"Choose one of {', '.join(chip['choices'])}.")
    return value


def _quantity(value: Any, unit: str) -> Quantity:
    """A number in the unit it had, a text with a unit ("0.5 ha"), or a value and a unit."""
    if isinstance(value, dict) and set(value) == {"value", "unit"}:
        return Quantity(value["value"], str(value["unit"]))
    if isinstance(value, str):
        split = next((i for i, sign in enumerate(value) if sign.isalpha()), len(value))
        words = value[split:].lower().split()
        if words:
            unit = SPELLINGS.get(tuple(words), " ".join(words))
        try:
            value = float(value[:split].replace(",", ""))
        except ValueError:
            raise InvalidInput(
                f"'{value[:40]}' is no size or distance; write it like 50 m."
            ) from None
    return Quantity(value, unit)


def _select(old: nodes.Select, value: Any) -> nodes.Select:
    if value == old.key:
        return old
    known = concept_of(value) if isinstance(value, str) else None
    if known is None:
        raise InvalidInput(
            f"I do not know '{str(value)[:40]}'. I know {', '.join(c.plural for c in concepts()[:8])} and more; choose one of the list."
        )
    return nodes.Select(known.name, " ".join(value.lower().split()))


def _reorder(node: nodes.Superlative | nodes.Ordinal, value: Any) -> Any:
    for key, words in ORDER_WORDS.items():
        if value in words and (key == "distance") == (node.to is not None):
            return replace(node, key=key, end=nodes.ENDS[words.index(value)])
    raise InvalidInput(f"'{str(value)[:40]}' is no order here; choose one of the list.")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("A negation is on or off.")
    return value
