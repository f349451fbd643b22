"""What the parts of a sentence mean: noun phrases, ranks and conditions, from the grammar's tree to nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lark import Token, Tree

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.units import Quantity

_ROOFS = frozenset(("roof", "roofs", "rooftop", "rooftops", "house roof", "house roofs"))
# "surrounded by trees and grass": the two together; "near roads and trees": both.
_TOGETHER = ("surrounded by", "inside", "on")
# "the largest buildings" are some; how many, the chip changes.
_SOME = 5
# A size without "more" or "less" is meant roughly.
_ABOUT = 0.1


class NotUnderstood(Exception):
    """The phrases make no program."""


@dataclass(frozen=True)
class Rank:
    """What stands before a noun about order. `key` "" waits for "from the left", "distance" for "to the pool"."""

    key: str
    end: str
    n: int
    ordinal: bool


@dataclass(frozen=True)
class Mark:
    """A condition that says in which order, not which things: "closest to the pool", "from the left"."""

    key: str
    end: str
    to: nodes.Set | None = None


@dataclass(frozen=True)
class Roof:
    """ "with a red roof": a colour of the building itself."""

    tests: tuple[nodes.Test, ...]


def noun_phrase(tree: Tree, base: nodes.Set | None) -> tuple[Rank | None, nodes.Set]:
    """(rank, set) of a noun with its adjectives; `base` is what "ones" and "those" are."""
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
    rank = rank_of(by_name["order"]) if "order" in by_name else None
    if rank and len(by_name["order"].children) == 1 and rank.key not in ("", "score"):
        # "aircraft" is one or many, and then means one.
        many = (
            token.type == "NOUN" and token.value.many and token.value.words != token.value.concept
        )
        rank = replace(rank, n=_SOME) if many else rank
    return rank, inner


def ordered(inner: nodes.Set, rank: Rank | None, mark: Mark | None) -> nodes.Set:
    """The first, or the n-th, of a set. Raises InvalidInput where a sentence does not say in which order."""
    rank = rank or Rank("score", "most", 1, False)
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


def rank_of(tree: Tree) -> Rank:
    """What numbers and superlatives before a noun say. Raises InvalidInput for "0 buildings"."""
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
        return Rank(*said.get("ORDER", ("", "most")), int(said["NUMBER"]), False)
    if "ORDER" in said:
        key, end = said["ORDER"]
    elif "NEAREST" in said:
        key, end = "distance", said["NEAREST"]
    else:
        key, end = ("" if "RANK" in said else "score"), "most"
    return Rank(key, end, int(n), "RANK" in said)


def conditions_of(tree: Tree) -> list[nodes.Test | Mark | Roof]:
    """The conditions of a thing, all of which hold; alternatives are one `Or`."""
    alternatives = [
        [test for checked in part.children for test in _checked(checked)] for part in tree.children
    ]
    if len(alternatives) == 1:
        return alternatives[0]
    if any(isinstance(test, (Mark, Roof)) for tests in alternatives for test in tests):
        raise NotUnderstood
    return [nodes.Or(tuple(_all(tests) for tests in alternatives))]


def union(sets: list[nodes.Set]) -> nodes.Set:
    """All of them; "houses or sheds", one concept, is one set."""
    found: dict[object, nodes.Set] = {}
    for one in sets:
        found.setdefault(one.key if isinstance(one, nodes.Select) else one, one)
    unique = tuple(found.values())
    return unique[0] if len(unique) == 1 else nodes.Union(unique)


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


def _checked(tree: Tree) -> list[nodes.Test | Mark]:
    if tree.data == "checked":
        return _condition(tree.children[0])
    inner = _checked(tree.children[1])
    if len(inner) == 1 and isinstance(inner[0], Roof):
        return [Roof(tuple(nodes.Not(test) for test in inner[0].tests))]
    if any(isinstance(test, (Mark, Roof)) for test in inner):
        raise NotUnderstood
    return [nodes.Not(_all(inner))]


def _condition(tree: Tree) -> list[nodes.Test | Mark]:
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
        return nodes.Relate(relation, union(ends), distance)
    return _all([nodes.Relate(relation, end, distance) for end in ends])


def _roof(reference: Tree) -> Roof | None:
    """The colour of "a red roof"; None where the far end is no roof."""
    parts = {part.data: part for part in reference.children[0].children}
    token = parts["noun"].children[0]
    named_roof = token.type == "NOUN" and token.value.words in _ROOFS
    if not named_roof or "adjectives" not in parts:
        return None
    return Roof(tuple(_adjectives(parts["adjectives"])))


def _without(parts: list) -> nodes.Test:
    ends = [_reference(part) for part in parts[1].children]
    return _all([nodes.Not(nodes.Relate("with", end)) for end in ends])


def _reference(tree: Tree) -> nodes.Set:
    rank, inner = noun_phrase(tree.children[0], None)
    for test in _checked(tree.children[1]) if len(tree.children) > 1 else ():
        if isinstance(test, (Mark, Roof)):
            raise NotUnderstood
        inner = nodes.Filter(inner, test)
    return inner if rank is None else ordered(inner, rank, None)


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
    ends = [union([_reference(part) for part in far.children]) for far in parts[1:]]
    return nodes.Relate("between", ends[0], None, ends[1] if len(ends) > 1 else None)


def _far_union(far: Tree) -> nodes.Set:
    return union([_reference(part) for part in far.children])


def _length(quantity: Quantity) -> Quantity:
    if quantity.dimension != "length":
        raise InvalidInput(f"A distance cannot be {quantity}; give it in metres or feet.")
    return quantity


def _all(tests: list[nodes.Test]) -> nodes.Test:
    return tests[0] if len(tests) == 1 else nodes.And(tuple(tests))


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
    "nearest": lambda parts: Mark("distance", parts[0].value, _far_union(parts[-1])),
    "to_far": lambda parts: Mark("", "", _far_union(parts[-1])),
    "from_side": lambda parts: Mark(*parts[0].value),
}
