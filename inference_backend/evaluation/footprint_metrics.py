"""Scores of building footprints against mapped ones: areas, single buildings, and where the walls stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

MATCH_IOU = 0.5
# Walls are compared at points this far apart.
_STEP_M = 0.25


@dataclass(frozen=True)
class FootprintScores:
    """`area_iou` of all found against all mapped area. `completeness` and `correctness` are the shares of mapped and of found
    buildings that have a partner at IoU 0.5 or more (one to one), `quality` matches over all. `boundary_rmse_m` is the distance of
    the found outlines from the mapped ones, in metres, both ways, over buildings that overlap; None where none does.
    `vertices` a found building, on average.
    """

    found: int
    mapped: int
    area_iou: float
    completeness: float
    correctness: float
    quality: float
    mean_iou: float
    boundary_rmse_m: float | None
    vertices: float
    mapped_vertices: float

    def to_json(self) -> dict[str, float | int | None]:
        """The scores by name."""
        return asdict(self)


def footprint_scores(
    found: Sequence[BaseGeometry],
    mapped: Sequence[BaseGeometry],
    within: BaseGeometry | None = None,
) -> FootprintScores:
    """Score polygons in metres; with `within`, only what lies inside of it counts on both sides.

    Where both are empty, all shares are 1.
    """
    ours, theirs = _clipped(found, within), _clipped(mapped, within)
    pairs = matches(ours, theirs)
    either = len(ours) + len(theirs) - len(pairs)
    our_area, their_area = shapely.union_all(ours), shapely.union_all(theirs)
    return FootprintScores(
        found=len(ours),
        mapped=len(theirs),
        area_iou=polygon_iou(our_area, their_area),
        completeness=_share(len(pairs), len(theirs)),
        correctness=_share(len(pairs), len(ours)),
        quality=_share(len(pairs), either),
        mean_iou=_share(sum(iou for *_, iou in pairs), len(pairs)),
        boundary_rmse_m=_boundary_rmse(our_area, their_area, within),
        vertices=_mean_vertices(found),
        mapped_vertices=_mean_vertices(mapped),
    )


def polygon_iou(one: BaseGeometry, other: BaseGeometry) -> float:
    """Intersection over union of areas; 1 where both are empty."""
    both = one.intersection(other).area
    either = one.area + other.area - both
    return both / either if either else 1.0


def matches(
    found: Sequence[BaseGeometry], mapped: Sequence[BaseGeometry], least: float = MATCH_IOU
) -> list[tuple[int, int, float]]:
    """(found, mapped, IoU) one to one, the best first, of pairs with an IoU of at least `least`."""
    if not len(found) or not len(mapped):
        return []
    candidates = []
    for ours, theirs in shapely.STRtree(list(mapped)).query(list(found)).T.tolist():
        iou = polygon_iou(found[ours], mapped[theirs])
        if iou >= least:
            candidates.append((iou, ours, theirs))
    pairs, used_ours, used_theirs = [], set(), set()
    for iou, ours, theirs in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
        if ours not in used_ours and theirs not in used_theirs:
            used_ours.add(ours)
            used_theirs.add(theirs)
            pairs.append((ours, theirs, iou))
    return pairs


def _clipped(shapes: Sequence[BaseGeometry], within: BaseGeometry | None) -> list[BaseGeometry]:
    valid = [shape if shape.is_valid else shapely.make_valid(shape) for shape in shapes]
    if within is not None:
        valid = [shape.intersection(within) for shape in valid]
    return [shape for shape in valid if shape.area > 0]


def _boundary_rmse(
    found: BaseGeometry, mapped: BaseGeometry, within: BaseGeometry | None
) -> float | None:
    """Only of walls: where `within` cut an area there is none."""
    ours = [part for part in shapely.get_parts(found) if part.intersects(mapped)]
    theirs = [part for part in shapely.get_parts(mapped) if part.intersects(found)]
    lines = [_walls(parts, within) for parts in (ours, theirs)]
    if any(line.is_empty for line in lines):
        return None
    squares = []
    for one, other in (lines, lines[::-1]):
        count = max(1, int(one.length / _STEP_M))
        spots = [
            shapely.line_interpolate_point(part, np.arange(0, part.length, _STEP_M))
            for part in shapely.get_parts(shapely.line_merge(one))
        ]
        distance = shapely.distance(np.concatenate(spots), other)
        squares.append(float(np.mean(distance**2)) if count else 0.0)
    return float(np.sqrt(np.mean(squares)))


def _walls(parts: Sequence[BaseGeometry], within: BaseGeometry | None) -> BaseGeometry:
    lines = shapely.union_all([part.boundary for part in parts])
    if within is None:
        return lines
    inner = within.buffer(-_STEP_M)
    return lines.intersection(inner) if not inner.is_empty else lines


def _mean_vertices(shapes: Sequence[BaseGeometry]) -> float:
    counts = [
        sum(
            len(ring.coords) - 1
            for part in shapely.get_parts(shape)
            if isinstance(part, Polygon) and not part.is_empty
            for ring in (part.exterior, *part.interiors)
        )
        for shape in shapes
    ]
    return float(np.mean(counts)) if counts else 0.0


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
