"""How things stand to each other on the ground: what each relation means, exactly.

All shapes are polygons in one ground frame, in metres (in pixels where there is no CRS). Distances are between the
nearest points of two outlines, 0 where they overlap. A thing has no relation to itself.

* near: at most 30 m away, or the distance given. far from: more than 100 m away, or the distance given.
* next to: at most 5 m away, or at most half its own size (the side of a square of its area), whichever is more.
* touching, crossing: at most 1 m away: outlines of two classes meet with the gap that a pixel leaves.
* on, inside: at least half of its area lies on the reference, or three fifths of its outline to within half a metre. The
  outline counts because a class that a model sees leaves a hole in the one below: a parked car lies in a hole, or a bite,
  of the parking lot.
* with: a reference lies on it, or within 15 m of it and nearer to it than to any other of its kind.
* surrounded by: of a line 5 m around it, at least three quarters lie on the reference.
* between: seen from its centre, the nearest points of the two references lie at least 120° apart. With one reference
  ("between the roads"): within 60° of straight across from the nearest point there is more of it, at most 200 m away or
  ten times as far as the nearest point.
* north of (and all compass directions; left, right, above, below in the view): from the nearest point of the reference
  to its centre it goes north, within 45° (northeast and the like: within 22.5°); or it lies wholly beyond the northern end of the nearest reference, and its
  centre not further sideways than the reference reaches.

Without metres, the distances that are ours become multiples of the thing's own size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import STRtree

from inference_backend.language.measures import own_size
from inference_backend.language.nodes import COMPASS, SIDES
from inference_backend.language.references import References

MEANINGS: dict[str, str] = {
    "near": "Near: at most 30 m away.",
    "far from": "Far from: more than 100 m away.",
    "next to": "Next to: at most 5 m away, or half its own size.",
    "touching": "Touching: at most 1 m apart.",
    "crossing": "Crossing: overlapping, or at most 1 m apart.",
    "on": "On: at least half of its area, or three fifths of its outline, lies on it.",
    "inside": "Inside: at least half of its area, or three fifths of its outline, lies in it.",
    "with": "With: one lies on it, or within 15 m and nearer to it than to any other.",
    "surrounded by": "Surrounded by: three quarters of a line 5 m around it lie in it.",
    "between": "Between: the nearest points of the two lie on opposite sides of it.",
    **{
        f"{way} of": f"{way.capitalize()} of: {way} of the nearest point of it, within {22.5 if east and north else 45}°."
        for way, (east, north) in COMPASS.items()
    },
    **{
        side: f"{side.capitalize()}: in the view, from the nearest point of it, within 45°."
        for side in SIDES
    },
    "alone": "Alone: no other of its kind within 20 m.",
    "grouped": "In a group: three others of its kind have their centres within 30 m.",
}
# Relation -> (metres, multiples of its own size where there are no metres).
DISTANCES: dict[str, tuple[float, float]] = {
    "near": (30.0, 3.0),
    "far from": (100.0, 10.0),
    "next to": (5.0, 0.5),
    "with": (15.0, 1.5),
    "alone": (20.0, 2.0),
    "grouped": (30.0, 3.0),
    "surrounded by": (5.0, 0.5),
}
TOUCH_M = 1.0
_OUTLINE_POINTS = 24
_HALF, _OUTLINE_ON, _THREE_QUARTERS = 0.5, 0.6, 0.75
_OUTLINE_M = 0.5
_CONE, _NARROW_CONE = np.cos(np.pi / 4) - 1e-9, np.cos(np.pi / 8) - 1e-9
_APART = np.cos(np.radians(120)) + 1e-9
# How far "between the roads" looks across: this far, or so many times as far as the nearest one is.
_ACROSS_M, _ACROSS_TIMES = 200.0, 10.0
_TURNS = (0, 15, -15, 30, -30, 45, -45, 60, -60)


@dataclass(frozen=True)
class Frame:
    """The ground frame's directions: unit vectors to the north (None without a CRS) and up in the view.

    `metres` says whether its unit is the metre; `reach` is longer than the view.
    """

    north: tuple[float, float] | None
    up: tuple[float, float]
    metres: bool
    reach: float

    def direction(self, relation: str) -> np.ndarray:
        """Unit vector of "north of", "above", …; north must be known for the compass."""
        side = relation in SIDES
        across, along = SIDES[relation] if side else COMPASS[relation.removesuffix(" of")]
        up = np.asarray(self.up if side or self.north is None else self.north, np.float64)
        vector = along * up + across * np.array([up[1], -up[0]])
        return vector / np.hypot(*vector)


def reach(relation: str, shapes: np.ndarray, given: float | None, frame: Frame) -> np.ndarray:
    """The distance within which a relation holds, for each shape: given, or ours."""
    if given is not None:
        return np.full(len(shapes), given)
    metres, sizes = DISTANCES.get(relation, (TOUCH_M, 0.0))
    if relation == "next to":
        return np.maximum(metres if frame.metres else 0.0, sizes * own_size(shapes))
    if frame.metres or not sizes:
        return np.full(len(shapes), metres)
    return sizes * own_size(shapes)


def related(
    relation: str, shapes: np.ndarray, to: References, given: float | None, frame: Frame
) -> np.ndarray:
    """Whether each shape stands in `relation` to a reference: bool (N,). Not for "with" and "between" two sets."""
    if not len(to.shapes):
        return np.full(len(shapes), relation == "far from")
    if relation in SIDES or relation.removesuffix(" of") in COMPASS:
        narrow = all(COMPASS.get(relation.removesuffix(" of"), (0, 0)))
        cone = _NARROW_CONE if narrow else _CONE
        return _in_direction(shapes, to, frame.direction(relation), cone, given)
    if relation in ("on", "inside"):
        return _lies_on(shapes, to)
    if relation == "surrounded by":
        return _surrounded(shapes, to, reach(relation, shapes, given, frame))
    if relation == "between":
        return between_parts(shapes, to, frame)
    close = to.within(shapes, reach(relation, shapes, given, frame))
    return ~close if relation == "far from" else close


def belongs(
    population: np.ndarray, to: References, given: float | None, frame: Frame
) -> np.ndarray:
    """Which of a population have one of the references: bool (N,). `to.own` is of the population."""
    found = np.zeros(len(population), bool)
    if not len(population) or not len(to.shapes):
        return found
    member, piece = to.tree.query(population, predicate="intersects")
    other = to.owner[piece] != to.own[member]
    member, piece = member[other], piece[other]
    overlap = shapely.area(shapely.intersection(population[member], to.pieces[piece]))
    found[member[overlap > 0]] = True
    tree = STRtree(population)
    exclusive = bool((to.own >= 0).any())
    (index, nearest), away = tree.query_nearest(
        to.shapes, return_distance=True, all_matches=True, exclusive=exclusive
    )
    limit = reach("with", population, given, frame)[nearest]
    found[nearest[away <= limit]] = True
    return found


def between_two(shapes: np.ndarray, one: References, other: References) -> np.ndarray:
    """Whether the nearest points of two sets of references lie at least 120° apart, seen from each centre: bool (N,)."""
    first, second = _to_nearest(shapes, one), _to_nearest(shapes, other)
    lengths = np.hypot(*first.T) * np.hypot(*second.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (first * second).sum(axis=1) / lengths <= _APART


def between_parts(shapes: np.ndarray, to: References, frame: Frame) -> np.ndarray:
    """Whether references lie on opposite sides of each shape: the nearest point, and one within 60° of straight across."""
    near = _to_nearest(shapes, to)
    length = np.hypot(*near.T)
    found = np.zeros(len(shapes), bool)
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    with np.errstate(invalid="ignore", divide="ignore"):
        away = -near / length[:, None]
    seen = np.isfinite(away).all(axis=1)
    across = np.minimum(np.maximum(_ACROSS_M, _ACROSS_TIMES * length), frame.reach)
    for turn in np.radians(_TURNS):
        left = np.flatnonzero(seen & ~found)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        ends = centres[left] + away[left] @ rotation * across[left, None]
        rays = shapely.linestrings(np.stack([centres[left], ends], axis=1))
        ray, piece = to.tree.query(rays, predicate="intersects")
        found[left[ray][to.owner[piece] != to.own[left[ray]]]] = True
    return found


def grouped(shapes: np.ndarray, distance: np.ndarray, others: int = 3) -> np.ndarray:
    """Whether at least `others` more have their centres within `distance` (N,) of its own: bool (N,)."""
    from scipy.spatial import cKDTree

    if len(shapes) <= others:
        return np.zeros(len(shapes), bool)
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    away, _ = cKDTree(centres).query(centres, k=others + 1)
    return away[:, -1] <= distance


def _to_nearest(shapes: np.ndarray, to: References) -> np.ndarray:
    """Vector from each centre to the nearest point of the references, (N, 2); not-a-number without one."""
    centres = shapely.centroid(shapes)
    vectors = np.full((len(shapes), 2), np.nan)
    pieces = _nearest_piece(shapes, centres, to)
    known = pieces >= 0
    lines = shapely.shortest_line(centres[known], to.pieces[pieces[known]])
    ends = shapely.get_coordinates(lines).reshape(-1, 2, 2)
    vectors[known] = ends[:, 1] - ends[:, 0]
    return vectors


def _nearest_piece(shapes: np.ndarray, centres: np.ndarray, to: References) -> np.ndarray:
    """Piece nearest to each centre, itself aside; -1 where there is none."""
    _, pieces = to.nearest(centres)
    itself = (pieces >= 0) & (to.owner[np.maximum(pieces, 0)] == to.own)
    if itself.any():
        # The nearest to a thing's own centre is the thing: ask for its outline instead, which excludes the equal.
        pieces[itself] = to.nearest(shapes[itself])[1]
    return pieces


def _in_direction(
    shapes: np.ndarray, to: References, way: np.ndarray, cone: float, given: float | None
) -> np.ndarray:
    centres = shapely.centroid(shapes)
    pieces = _nearest_piece(shapes, centres, to)
    from_nearest = -_to_nearest(shapes, to)
    length = np.hypot(*from_nearest.T)
    with np.errstate(invalid="ignore"):
        found = (length > 0) & (from_nearest @ way >= cone * length)
    across = np.array([way[1], -way[0]])
    ahead_ref, side_ref = _extent(to.shapes, way), _extent(to.shapes, across)
    owner = to.owner[np.maximum(pieces, 0)]
    sideways = shapely.get_coordinates(centres) @ across
    beyond = _extent(shapes, way)[0] >= ahead_ref[1][owner]
    beyond &= (sideways >= side_ref[0][owner]) & (sideways <= side_ref[1][owner])
    found |= beyond & (pieces >= 0)
    if given is not None:
        found &= to.within(shapes, np.full(len(shapes), given))
    return found


def _extent(shapes: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(least, greatest) position of each shape along a direction."""
    xy, index = shapely.get_coordinates(shapes, return_index=True)
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    along = xy @ way
    low, high = np.full(len(shapes), np.inf), np.full(len(shapes), -np.inf)
    if len(starts):
        low[index[starts]] = np.minimum.reduceat(along, starts)
        high[index[starts]] = np.maximum.reduceat(along, starts)
    return low, high


def _lies_on(shapes: np.ndarray, to: References) -> np.ndarray:
    found = to.area_within(shapes) >= _HALF
    close = ~found & to.within(shapes, np.full(len(shapes), _OUTLINE_M))
    if close.any():
        outlines = shapely.boundary(shapes[close])
        found[close] = _share_near(outlines, to, close, _OUTLINE_M) >= _OUTLINE_ON
    return found


def _surrounded(shapes: np.ndarray, to: References, distance: np.ndarray) -> np.ndarray:
    lines = shapely.boundary(shapely.buffer(shapes, distance))
    everything = np.ones(len(shapes), bool)
    return _share_near(lines, to, everything, 0.0) >= _THREE_QUARTERS


def _share_near(lines: np.ndarray, to: References, chosen: np.ndarray, within: float) -> np.ndarray:
    """Share of evenly spaced points of each line that lie within a distance of a reference other than the thing."""
    steps = np.arange(_OUTLINE_POINTS) / _OUTLINE_POINTS
    longest = np.array([max(shapely.get_parts(line), key=shapely.length) for line in lines])
    points = shapely.line_interpolate_point(longest[:, None], steps[None], normalized=True).ravel()
    index, piece = to.tree.query(points, predicate="dwithin", distance=within)
    own = np.repeat(to.own[chosen], _OUTLINE_POINTS)
    near = np.zeros(len(points), bool)
    near[index[to.owner[piece] != own[index]]] = True
    return near.reshape(-1, _OUTLINE_POINTS).mean(axis=1)
