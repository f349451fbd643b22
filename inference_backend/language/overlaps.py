"""The same thing found under two names: a car that is a vehicle too, a bush that looks like a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import STRtree

if TYPE_CHECKING:
    from inference_backend.language.execute import Instance

# Intersection over union from which two outlines are one thing; masks of one thing under two names agree roughly.
SAME_IOU = 0.5
# Share of a thing that lies on what is left out, from which it goes too.
LEFT_OUT_SHARE = 0.5


def distinct(kinds: Sequence[Sequence[Instance]]) -> list[Instance]:
    """All things of several kinds, each once: of two under different names that are the same, the first stays."""
    kept: list[Instance] = []
    seen: set[int] = set()
    for things in kinds:
        new = [thing for thing in things if id(thing) not in seen]
        doubled = _doubled(new, kept)
        kept += [thing for thing, twice in zip(new, doubled, strict=True) if not twice]
        seen.update(map(id, new))
    return kept


def left_over(things: Sequence[Instance], without: Sequence[Instance]) -> list[Instance]:
    """`things` without those in `without`, and without those that lie half or more on others' of another kind."""
    gone = set(map(id, without))
    rest = [thing for thing in things if id(thing) not in gone]
    thing, other, shared = _overlaps(rest, without)
    covered = np.zeros(len(rest))
    np.add.at(covered, thing, shared)
    area = np.maximum(shapely.area(_shapes(rest)), 1e-12)
    return [one for one, share in zip(rest, covered / area, strict=True) if share < LEFT_OUT_SHARE]


def _doubled(things: Sequence[Instance], others: Sequence[Instance]) -> np.ndarray:
    """Which things are one of the others under another name: bool (N,)."""
    twice = np.zeros(len(things), bool)
    thing, other, shared = _overlaps(things, others)
    if len(thing):
        one_area, other_area = shapely.area(_shapes(things)), shapely.area(_shapes(others))
        union = one_area[thing] + other_area[other] - shared
        twice[thing[shared >= SAME_IOU * union]] = True
    return twice


def _overlaps(
    things: Sequence[Instance], others: Sequence[Instance]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of a thing and another of a different kind that overlap, and the area they share."""
    empty = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    if not things or not others:
        return empty
    ours, theirs = _shapes(things), _shapes(others)
    thing, other = STRtree(theirs).query(ours, predicate="intersects")
    names = [np.array([one.concept for one in group], dtype=object) for group in (things, others)]
    differ = names[0][thing] != names[1][other]
    thing, other = thing[differ], other[differ]
    return thing, other, shapely.area(shapely.intersection(ours[thing], theirs[other]))


def _shapes(things: Sequence[Instance]) -> np.ndarray:
    shapes = np.empty(len(things), dtype=object)
    shapes[:] = [thing.geometry for thing in things]
    return shapes
