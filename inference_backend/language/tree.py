"""Tagged phrases to a program: the grammar, and the nodes that its parts become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from lark.lexer import Lexer

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.explain import head
from inference_backend.language.lexicon import Tagged
from inference_backend.language.units import Quantity

_GRAMMAR = Path(__file__).with_name("grammar.lark")
# Terminals whose value the program has no use for; lark drops those with a leading underscore.
_SILENT = frozenset(
    [
        "COND_AND",
        "COND_OR",
        "REF_AND",
        "REF_OR",
        "FAR_AND",
        "EXCEPT",
        "WITHIN",
        "OF",
        "FROM",
        "TO",
        "THAT_ONE",
    ]
)
_ROOFS = frozenset(("roof", "roofs", "rooftop", "rooftops", "house roof", "house roofs"))
# "surrounded by trees and grass": the two together; "near roads and trees": both.
_TOGETHER = ("surrounded by", "inside", "on")
# "the largest buildings" are some; how many, the chip changes.
_SOME = 5
# A size without "more" or "less" is meant roughly.
_ABOUT = 0.1


class NotUnderstood(Exception):
    """The phrases make no program."""


class _Tags(Lexer):
    """Gives lark the tagged phrases as its tokens."""

    def __init__(self, _: Any) -> None:
        pass

    def lex(self, data: list[Tagged]) -> Iterator[Token]:
        for one in data:
            kind = f"_{one.kind}" if one.kind in _SILENT else one.kind
            yield Token(kind, one.value)


@dataclass(frozen=True)
class _Rank:
    """What stands before a noun about order. `key` "" waits for "from the left", "distance" for "to the pool"."""

    key: str
    end: str
    n: int
    ordinal: bool


@dataclass(frozen=True)
class _Mark:
    """A condition that says in which order, not which things: "closest to the pool", "from the left"."""

    key: str
    end: str
    to: nodes.Set | None = None


@dataclass(frozen=True)
class _Roof:
    """ "with a red roof": a colour of the building itself."""

    tests: tuple[nodes.Test, ...]


def program_root(tagged: list[Tagged]) -> nodes.Node:
    """The root of the program that coordinated phrases make. Raises NotUnderstood, or InvalidInput for what cannot be."""
    kinds = [one.kind for one in tagged]
    if not kinds or "UNKNOWN" in kinds:
        raise NotUnderstood
    try:
        tree = _parser().parse(tagged)
    except LarkError as error:
        raise NotUnderstood from error
    parts = list(tree.children)
    count = parts.pop(0) if isinstance(parts[0], Token) else None
    things = _things(parts[0].children)
    return things if count is None else nodes.Count(things, count.value)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer=_Tags)


def _things(parts: list) -> nodes.Set:
    """A list of things. In "cars and trucks on the road" both are on the road; sizes and colours are not shared."""
    sets = [_thing(part) for part in parts if isinstance(part, Tree)]
    joints = [part.type for part in parts if isinstance(part, Token)]
    *before, last = sets
    tests: list[nodes.Test] = []
    while isinstance(last, nodes.Filter) and _is_place(last.test):
        tests.insert(0, last.test)
        last = last.of
    bare = all(isinstance(one, nodes.Select) for one in (*before, last))
    if not before or not tests or not bare or joints[-1] != "SET_AND":
        return _union(sets)
    shared = _union([*before, last])
    for test in tests:
        shared = nodes.Filter(shared, test)
    return shared


def _is_place(test: nodes.Test) -> bool:
    return isinstance(
        test.test if isinstance(test, nodes.Not) else test, (nodes.Relate, nodes.Region)
    )


def _thing(tree: Tree) -> nodes.Set:
    if tree.data == "everything_but":
        return nodes.Except(None, _rest(tree.children[1], None))
    named = _named(tree.children[0].children, None)
    if len(tree.children) == 1:
        return named
    return nodes.Except(named, _rest(tree.children[1], named))


def _rest(tree: Tree, base: nodes.Set | None) -> nodes.Set:
    """What "except" leaves out; `base` is what "those" and "the largest" are of."""
    found = []
    for part in tree.children:
        if part.data == "left_out":
            found.append(_named(part.children, base))
            continue
        if base is None:
            raise NotUnderstood
        rank = _rank(part.children[0]) if part.data == "first_ones" else None
        conditions = part.children[-1] if part.children[-1].data == "conditions" else None
        found.append(_ranked(base, rank, conditions))
    return _union(found)


def _named(parts: list[Tree], base: nodes.Set | None) -> nodes.Set:
    """noun_phrase conditions?"""
    rank, inner = _noun_phrase(parts[0], base)
    return _ranked(inner, rank, parts[1] if len(parts) > 1 else None)


def _noun_phrase(tree: Tree, base: nodes.Set | None) -> tuple[_Rank | None, nodes.Set]:
    by_name = {part.data: part for part in tree.children}
    token = by_name["noun"].children[0]
    if token.type == "NOUN":
        inner: nodes.Set = nodes.Select(token.value.concept, token.value.words)
    elif base is not None:
        inner = base
    else:
        raise NotUnderstood
    for test in _adjectives(by_name["adjectives"]) if "adjectives" in by_name else ():
        inner = nodes.Filter(inner, test)
    rank = _rank(by_name["order"]) if "order" in by_name else None
    if (
        rank
        and len(by_name["order"].children) == 1
        and rank.n == 1
        and rank.key not in ("", "score")
    ):
        many = (
            token.type == "NOUN" and token.value.many and token.value.words != token.value.concept
        )
        rank = replace(rank, n=_SOME) if many and not rank.ordinal else rank
    return rank, inner


def _ranked(inner: nodes.Set, rank: _Rank | None, conditions: Tree | None) -> nodes.Set:
    """The set with its conditions, then its order: "the largest building near water" is the largest of those."""
    marks = []
    for test in _conditions(conditions) if conditions is not None else ():
        if isinstance(test, _Mark):
            marks.append(test)
        elif isinstance(test, _Roof):
            inner = _roofed(inner, test)
        else:
            inner = nodes.Filter(inner, test)
    if not marks and rank is None:
        return inner
    if len(marks) > 1:
        raise NotUnderstood
    return _order(inner, rank, marks[0] if marks else None)


def _roofed(inner: nodes.Set, roof: _Roof) -> nodes.Set:
    """ "pools next to houses with red roofs": the roof belongs to what has one."""
    if all(select.concept == "building" for select in head(inner)):
        for test in roof.tests:
            inner = nodes.Filter(inner, test)
        return inner
    near = inner.test if isinstance(inner, nodes.Filter) else None
    if not isinstance(near, nodes.Relate) or {s.concept for s in head(near.to)} != {"building"}:
        raise NotUnderstood
    return nodes.Filter(inner.of, replace(near, to=_roofed(near.to, roof)))


def _order(inner: nodes.Set, rank: _Rank | None, mark: _Mark | None) -> nodes.Set:
    rank = rank or _Rank("score", "most", 1, False)
    made = nodes.Ordinal if rank.ordinal else nodes.Superlative
    if mark is None:
        if rank.key == "distance":
            raise InvalidInput(
                "Say what it is closest to or farthest from: 'the tree closest to the pool'."
            )
        if rank.key == "":
            raise InvalidInput(
                "Say in which order to count: 'the second largest', or 'the second from the left'."
            )
        return made(inner, rank.key, rank.end, rank.n)
    if mark.key == "" and rank.key == "distance":
        return made(inner, "distance", rank.end, rank.n, mark.to)
    if mark.key == "distance" and rank.key == "score":
        return nodes.Superlative(inner, "distance", mark.end, rank.n, mark.to)
    if mark.to is None and rank.key in ("", "score"):
        return made(inner, mark.key, mark.end, rank.n)
    raise NotUnderstood


def _rank(tree: Tree) -> _Rank:
    said = {token.type: token.value for token in tree.children}
    n = said.get("RANK", said.get("NUMBER", 1))
    if float(n) != int(n) or not 1 <= n <= nodes.MOST_RANK:
        raise InvalidInput(
            f"'{n:g}' is no number of things; use a whole number from 1 to {nodes.MOST_RANK:,}."
        )
    if "RANK" in said and "NUMBER" in said:
        if said.pop("RANK") != 1:
            raise NotUnderstood
        # "the first five from the left"
        return _Rank(*said.get("ORDER", ("", "most")), int(said["NUMBER"]), False)
    if "ORDER" in said:
        key, end = said["ORDER"]
    elif "NEAREST" in said:
        key, end = "distance", said["NEAREST"]
    else:
        key, end = ("" if "RANK" in said else "score"), "most"
    return _Rank(key, end, int(n), "RANK" in said)


def _adjectives(tree: Tree) -> list[nodes.Test]:
    tests: list[nodes.Test] = []
    for part in tree.children:
        joint = part.children[0].type if part.data == "joined_adjective" else ""
        test = _adjective((part.children[1] if joint else part).children[0])
        if joint and isinstance(test, nodes.Colour) and isinstance(tests[-1], nodes.Colour):
            tests[-1] = nodes.Colour(tuple(dict.fromkeys((*tests[-1].names, *test.names))))
        elif joint == "ADJ_OR":
            tests[-1] = nodes.Or((tests[-1], test))
        elif test not in tests:
            tests.append(test)
    return tests


def _adjective(token: Token) -> nodes.Test:
    kinds = {
        "SIZE": nodes.Size,
        "SHAPE": nodes.Shape,
        "CROWD": nodes.Crowd,
        "REGION_WORD": nodes.Region,
    }
    if token.type == "COLOUR":
        return nodes.Colour((token.value,))
    return kinds[token.type](token.value)


def _conditions(tree: Tree) -> list[nodes.Test | _Mark]:
    alternatives = [
        [test for checked in part.children for test in _checked(checked)] for part in tree.children
    ]
    if len(alternatives) == 1:
        return alternatives[0]
    if any(isinstance(test, (_Mark, _Roof)) for tests in alternatives for test in tests):
        raise NotUnderstood
    return [nodes.Or(tuple(_all(tests) for tests in alternatives))]


def _checked(tree: Tree) -> list[nodes.Test | _Mark]:
    if tree.data == "checked":
        return _condition(tree.children[0])
    inner = _checked(tree.children[1])
    if len(inner) == 1 and isinstance(inner[0], _Roof):
        return [_Roof(tuple(nodes.Not(test) for test in inner[0].tests))]
    if any(isinstance(test, (_Mark, _Roof)) for test in inner):
        raise NotUnderstood
    return [nodes.Not(_all(inner))]


def _condition(tree: Tree) -> list[nodes.Test | _Mark]:
    made = _CONDITIONS[tree.data](tree.children)
    return made if isinstance(made, list) else [made]


def _relation(parts: list) -> list[nodes.Test] | nodes.Test:
    relation, far = parts[0].value, parts[1]
    if relation == "with" and far.data == "far":
        tests: list[nodes.Test] = []
        for part in far.children:
            tests.append(_roof(part) or nodes.Relate("with", _reference(part)))
        return tests
    return _relate(relation, far)


def _relate(relation: str, far: Tree, distance: Quantity | None = None) -> nodes.Test:
    ends = [_reference(part) for part in far.children]
    if far.data == "either" or relation in _TOGETHER:
        return nodes.Relate(relation, _union(ends), distance)
    return _all([nodes.Relate(relation, end, distance) for end in ends])


def _roof(reference: Tree) -> _Roof | None:
    """The colour of "a red roof"; None where the far end is no roof."""
    parts = {part.data: part for part in reference.children[0].children}
    token = parts["noun"].children[0]
    named_roof = token.type == "NOUN" and token.value.words in _ROOFS
    if not named_roof or "adjectives" not in parts:
        return None
    return _Roof(tuple(_adjectives(parts["adjectives"])))


def _without(parts: list) -> nodes.Test:
    ends = [_reference(part) for part in parts[1].children]
    return _all([nodes.Not(nodes.Relate("with", end)) for end in ends])


def _reference(tree: Tree) -> nodes.Set:
    rank, inner = _noun_phrase(tree.children[0], None)
    for test in _checked(tree.children[1]) if len(tree.children) > 1 else ():
        if isinstance(test, (_Mark, _Roof)):
            raise NotUnderstood
        inner = nodes.Filter(inner, test)
    return inner if rank is None else _order(inner, rank, None)


def _distance(parts: list) -> nodes.Test:
    (what, op), quantity, far = parts[0].value, parts[1].value, parts[-1]
    if what not in ("", "distance") or quantity.dimension != "length":
        raise NotUnderstood
    return _relate("near" if op in ("less", "at most") else "far from", far, quantity)


def _towards(parts: list) -> nodes.Test:
    relation = parts[1].value
    if relation in (*nodes.NEARNESS, *nodes.PLACINGS):
        raise NotUnderstood
    return _relate(relation, parts[-1], _length(parts[0].value))


def _measure(parts: list, what: str = "") -> nodes.Measure:
    (said, op), amount = parts[0].value, parts[1].value
    what = what or said
    if not isinstance(amount, Quantity):
        amount = Quantity(amount, "m" if what and what != "area" else "m²")
    return nodes.Measure(_measured(what, amount), op, amount)


def _range(parts: list, what: str = "") -> list[nodes.Test]:
    low, high = sorted(parts[0].value, key=lambda quantity: quantity.si)
    what = _measured(what, low)
    return [nodes.Measure(what, "at least", low), nodes.Measure(what, "at most", high)]


def _of_measure(parts: list) -> list[nodes.Test] | nodes.Test:
    what, compared = parts[0].value, parts[1].children
    if compared[0].type == "RANGE":
        return _range(compared, what)
    if compared[0].type == "QUANTITY":
        given = compared[0].value
        ends = (Quantity(given.value * (1 + step), given.unit) for step in (-_ABOUT, _ABOUT))
        return _range([Token("RANGE", tuple(ends))], what)
    return _measure(compared, what)


def _measured(what: str, quantity: Quantity) -> str:
    """What a size is of where the sentence does not say: an area, or the length."""
    if what == "distance":
        raise NotUnderstood
    if quantity.dimension == "area":
        return what or "area"
    # "an area of 20 m" cannot be; the node says so.
    return what or "length"


def _between(parts: list) -> nodes.Test:
    ends = [_union([_reference(part) for part in far.children]) for far in parts[1:]]
    return nodes.Relate("between", ends[0], None, ends[1] if len(ends) > 1 else None)


def _far_union(far: Tree) -> nodes.Set:
    return _union([_reference(part) for part in far.children])


_CONDITIONS: dict[str, Any] = {
    "relation": _relation,
    "without": _without,
    "within": lambda parts: _relate("near", parts[-1], _length(parts[0].value)),
    "towards": _towards,
    "distance": _distance,
    "measure": _measure,
    "of_measure": _of_measure,
    "range": _range,
    "between": _between,
    "region": lambda parts: nodes.Region(parts[0].value),
    "described": lambda parts: list(_adjectives(parts[0])),
    "nearest": lambda parts: _Mark("distance", parts[0].value, _far_union(parts[-1])),
    "to_far": lambda parts: _Mark("", "", _far_union(parts[-1])),
    "from_side": lambda parts: _Mark(*parts[0].value),
}


def _length(quantity: Quantity) -> Quantity:
    if quantity.dimension != "length":
        raise InvalidInput(f"A distance cannot be {quantity}; give it in metres or feet.")
    return quantity


def _all(tests: list[nodes.Test]) -> nodes.Test:
    return tests[0] if len(tests) == 1 else nodes.And(tuple(tests))


def _union(sets: list[nodes.Set]) -> nodes.Set:
    """All of them; "houses or sheds", one concept, is one set."""
    found: dict[object, nodes.Set] = {}
    for one in sets:
        found.setdefault(one.key if isinstance(one, nodes.Select) else one, one)
    unique = tuple(found.values())
    return unique[0] if len(unique) == 1 else nodes.Union(unique)
