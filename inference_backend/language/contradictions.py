"""What no thing can be: larger than 200 m² and smaller than 100 m², red and not red.

Only the tests that one instance must pass together are compared; "or" branches are checked each with what stands
around them. A program that says nothing impossible may still find nothing.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations, product
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.language import explain
from inference_backend.language.colours import overlap
from inference_backend.language.nodes import (
    REGIONS,
    And,
    Colour,
    Crowd,
    Filter,
    Measure,
    Not,
    Or,
    Region,
    Relate,
    Size,
    Test,
)

# More alternatives than this are not multiplied out: nobody writes them, a hostile file might.
_MOST_ALTERNATIVES = 256


def check(node: Any) -> None:
    """Raises InvalidInput with one sentence where a set inside `node` can hold nothing."""
    if isinstance(node, tuple):
        for part in node:
            check(part)
        return
    if not hasattr(node, "__dataclass_fields__"):
        return
    if isinstance(node, Filter):
        _check_chain(node)
    for field in fields(node):
        check(getattr(node, field.name))


def _check_chain(node: Filter) -> None:
    tests: list[Test] = []
    inner: Any = node
    while isinstance(inner, Filter):
        tests.append(inner.test)
        inner = inner.of
    faults = []
    for together in _alternatives(And(tuple(tests)) if len(tests) > 1 else tests[0], True):
        fault = next(filter(None, (_clash(a, b) for a, b in combinations(together, 2))), None)
        if fault is None:
            return
        faults.append(fault)
    one, other = faults[0]
    raise InvalidInput(
        f"Nothing can be both {explain.test(one)} and {explain.test(other)}; change one of the two."
    )


def _alternatives(test: Test, wanted: bool) -> list[tuple[Test, ...]]:
    """Disjunctive normal form: each alternative is a tuple of tests without and, or, or double negation."""
    if isinstance(test, Not):
        return _alternatives(test.test, not wanted)
    if isinstance(test, (And, Or)):
        parts = [_alternatives(part, wanted) for part in test.tests]
        if isinstance(test, Or) == wanted:
            return [one for part in parts for one in part]
        total = 1
        for part in parts:
            total *= len(part)
        if total > _MOST_ALTERNATIVES:
            raise InvalidInput("The conditions have too many alternatives; ask in two steps.")
        return [sum(choice, ()) for choice in product(*parts)]
    return [(test if wanted else Not(test),)]


def _clash(a: Test, b: Test) -> tuple[Test, Test] | None:
    """The two, in the order of reading, where no instance passes both."""
    pair = (b, a)
    if isinstance(a, Not) or isinstance(b, Not):
        return pair if _denied(a, b) or _denied(b, a) else None
    if type(a) is not type(b):
        return None
    if isinstance(a, Colour):
        possible = any(overlap(one, other) for one in a.names for other in b.names)
        return None if possible else pair
    if isinstance(a, Measure):
        return pair if a.what == b.what and (_too_small(a, b) or _too_small(b, a)) else None
    if isinstance(a, Size):
        return pair if a.size != b.size else None
    if isinstance(a, Crowd):
        return pair if a.crowd != b.crowd else None
    if isinstance(a, Region):
        return pair if _apart(a.region, b.region) else None
    if isinstance(a, Relate):
        return pair if _far_and_near(a, b) else None
    return None


def _too_small(least: Measure, most: Measure) -> bool:
    """Whether what `most` allows ends where `least` begins, or before."""
    if least.op not in ("more", "at least") or most.op not in ("less", "at most"):
        return False
    both_meet = least.op == "at least" and most.op == "at most"
    return least.than.si > most.than.si if both_meet else least.than.si >= most.than.si


def _denied(a: Test, b: Test) -> bool:
    """Whether `a` denies just what `b` asks for."""
    if not isinstance(a, Not):
        return False
    if isinstance(a.test, Colour) and isinstance(b, Colour):
        return set(b.names) <= set(a.test.names)
    return a.test == b


def _apart(one: str, other: str) -> bool:
    """Opposite halves, in the same frame of directions."""
    if one not in REGIONS or other not in REGIONS or one.endswith("part") != other.endswith("part"):
        return False
    return any(p * q < 0 for p, q in zip(REGIONS[one], REGIONS[other], strict=True))


def _far_and_near(a: Relate, b: Relate) -> bool:
    if a.to != b.to or {a.relation, b.relation} != {"near", "far from"}:
        return False
    near, far = (a, b) if a.relation == "near" else (b, a)
    if near.distance is None or far.distance is None:
        return near.distance is None and far.distance is None
    return near.distance.si <= far.distance.si
