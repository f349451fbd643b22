"""The walls of one ring or line: stretches of it, each with the straight line that stands for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from shapely import LineString

from inference_backend.vector.directions import Direction

# Prices in units of squared noise a metre of independent outline.
_WALL = 7.0
_SLANTED = 6.0
# A wall shorter than this many cells is rather noise; the shorter, the dearer.
_SHORT = 10.0
_SHORT_CELLS = 3.0
# Noise of an outline is alike over about this many cells, so that so much of it is one measurement.
_ALIKE_CELLS = 2.0
_HALF_RIGHT = np.pi / 4
# A corner of flatter walls than this is not where their lines cross: that may be anywhere.
_FLAT_SINE = 0.26
_SPIKE_CELLS = 6.0
# Parallel walls nearer than this are one wall's two measurements.
_STEP_CELLS = 0.5
# Hardly any wall is square to it: one corner only lies furthest out.
_ODD_DIRECTION = np.array([0.83, 0.557])
_PARALLEL_SINE = 0.05


@dataclass(frozen=True)
class Outline:
    """A closed ring: `xy` (n, 2) from its first vertex on, and running moments to fit lines to any stretch of it."""

    xy: np.ndarray
    moments: np.ndarray
    cell_m: float
    starts: tuple[int, ...]

    @classmethod
    def of(cls, line: LineString, cell_m: float) -> Outline:
        """A ring, or a line that ends, with vertices no further apart than a cell, and the stretches to begin with."""
        rough = shapely.get_coordinates(shapely.simplify(_from_corner(line), 0.3 * cell_m))
        xy, starts = [], []
        for one, other in zip(rough, rough[1:]):
            count = max(1, math.ceil(float(np.hypot(*(other - one))) / cell_m))
            starts.append(len(xy))
            xy.extend(one + (other - one) * (k / count) for k in range(count))
        closed = bool((rough[0] == rough[-1]).all())
        points = np.array(xy if closed else [*xy, rough[-1]])
        centre = points.mean(axis=0)
        return cls(points, _running(points - centre), cell_m, tuple(starts))

    def sums(self, start: int, end: int) -> tuple[float, ...]:
        """Length, and integrals of x, y, xx, yy, xy along the stretch; `end` may lie beyond the ring's first vertex."""
        n = len(self.xy)
        last = self.moments[n] if end > n else self.moments[end]
        total = last - self.moments[start]
        if end > n:
            total = total + self.moments[end - n]
        return tuple(total.tolist())


def _from_corner(line: LineString) -> LineString:
    """A ring counter-clockwise from a corner of its hull: where it happened to start, no wall should show."""
    xy = shapely.get_coordinates(line)
    if not (xy[0] == xy[-1]).all():
        return line
    ring = xy[:-1] if shapely.is_ccw(line) else xy[-2::-1]
    first = int(np.argmax(ring @ _ODD_DIRECTION))
    ring = np.roll(ring, -first, axis=0)
    return LineString(np.concatenate([ring, ring[:1]]))


def _running(points: np.ndarray) -> np.ndarray:
    step = np.roll(points, -1, axis=0) - points
    length, middle = np.hypot(*step.T), points + step / 2
    terms = np.column_stack(
        [
            length,
            length * middle[:, 0],
            length * middle[:, 1],
            length * (middle[:, 0] ** 2 + step[:, 0] ** 2 / 12),
            length * (middle[:, 1] ** 2 + step[:, 1] ** 2 / 12),
            length * (middle[:, 0] * middle[:, 1] + step[:, 0] * step[:, 1] / 12),
        ]
    )
    return np.concatenate([np.zeros((1, 6)), np.cumsum(terms, axis=0)])


@dataclass(frozen=True)
class Wall:
    """The line of a stretch: through (`x`, `y`) (from the ring's middle) along `angle`; `price` is what it costs."""

    start: int
    end: int
    x: float
    y: float
    angle: float
    slanted: bool
    length: float
    price: float


class _Move(NamedTuple):
    """What a change saves, how many neighbouring walls it takes, and what it makes of them."""

    saved: float
    taken: int
    made: tuple[Wall, ...]


class _Fitter:
    """Walls of stretches of one outline, each fitted once."""

    def __init__(self, outline: Outline, directions: list[Direction], noise_m: float) -> None:
        self._outline = outline
        self._angles = [d.angle + k * np.pi / 2 for d in directions for k in (0, 1)]
        self._cost_per = 1.0 / (noise_m**2 * _ALIKE_CELLS * outline.cell_m)
        self._known: dict[tuple[int, int], Wall] = {}
        self._moves: dict[tuple[int, ...], list[_Move]] = {}

    def wall(self, start: int, end: int) -> Wall:
        n = len(self._outline.xy)
        start, end = start % n, start % n + (end - start)
        known = self._known.get((start, end))
        if known is None:
            known = self._known[(start, end)] = self._fit(start, end)
        return known

    def _fit(self, start: int, end: int) -> Wall:
        length, sx, sy, sxx, syy, sxy = self._outline.sums(start, end)
        length = max(length, 1e-9)
        cx, cy = sx / length, sy / length
        vxx, vyy, vxy = sxx - sx * cx, syy - sy * cy, sxy - sx * cy
        free = 0.5 * math.atan2(2 * vxy, vxx - vyy)
        best = (self._spread(vxx, vyy, vxy, free) + _SLANTED, free, True)
        for angle in self._angles:
            price = self._spread(vxx, vyy, vxy, angle)
            if price < best[0]:
                best = (price, angle, False)
        price, angle, slanted = best
        along = self._outline.xy[end % len(self._outline.xy)] - self._outline.xy[start]
        if along[0] * math.cos(angle) + along[1] * math.sin(angle) < 0:
            angle += math.pi
        short = max(0.0, 1 - length / (_SHORT_CELLS * self._outline.cell_m))
        return Wall(start, end, cx, cy, angle, slanted, length, price + _WALL + _SHORT * short)

    def _spread(self, vxx: float, vyy: float, vxy: float, angle: float) -> float:
        s, c = math.sin(angle), math.cos(angle)
        return max(0.0, s * s * vxx + c * c * vyy - 2 * s * c * vxy) * self._cost_per

    def _shared(self, one: Wall, short: Wall, other: Wall) -> tuple[Wall, Wall] | None:
        """`one` and `other` with the stretch of `short` shared out where it costs least."""
        best: tuple[float, Wall, Wall] | None = None
        span = short.end - short.start
        cuts = range(span + 1) if span <= 4 else (span // 4, span // 2, span - span // 4)
        for cut in cuts:
            first = self.wall(one.start, one.end + cut)
            second = self.wall(other.start - (span - cut), other.end)
            price = first.price + second.price
            if best is None or price < best[0]:
                best = (price, first, second)
        return None if best is None else best[1:]

    def moves(self, one: Wall, two: Wall, three: Wall, most: int) -> list[_Move]:
        """What may become of neighbouring walls if `most` of them may go."""
        key = (one.start, one.end, two.end, three.end, most)
        known = self._moves.get(key)
        if known is None:
            known = self._moves[key] = self._find_moves(one, two, three, most)
        return known

    def _find_moves(self, one: Wall, two: Wall, three: Wall, most: int) -> list[_Move]:
        both = self.wall(one.start, one.end + (two.end - two.start))
        found = [_Move(one.price + two.price - both.price, 2, (both,))]
        if most > 2:
            price = one.price + two.price + three.price
            span = (two.end - two.start) + (three.end - three.start)
            whole = self.wall(one.start, one.end + span)
            found.append(_Move(price - whole.price, 3, (whole,)))
        shared = self._shared(one, two, three)
        if shared is not None:
            gain = one.price + two.price + three.price - shared[0].price - shared[1].price
            found.append(_Move(gain, 3, shared))
        return found


def fit_walls(outline: Outline, directions: list[Direction], noise_m: float) -> np.ndarray | None:
    """Corners (k, 2) of the walls that cost least, in the outline's own frame; None where fewer than three are left."""
    fitter = _Fitter(outline, directions, noise_m)
    n = len(outline.xy)
    ends = [*outline.starts[1:], n]
    walls = [fitter.wall(start, end) for start, end in zip(outline.starts, ends, strict=True)]
    while len(walls) > 3:
        count = len(walls)
        best, at = None, 0
        for index in range(count):
            three = (walls[(index + k) % count] for k in range(3))
            for move in fitter.moves(*three, most=min(count - 2, 3)):
                if move.saved > (best.saved if best else 1e-9):
                    best, at = move, index
        if best is None:
            break
        walls = [*best.made, *(walls[(at + k) % count] for k in range(best.taken, count))]
    return _corners(walls, outline)


def fit_line(
    outline: Outline, directions: list[Direction], noise_m: float, reach_m: float
) -> np.ndarray:
    """Vertices (k, 2) of the walls along a line that ends, in its own frame; both ends reach `reach_m` further."""
    fitter = _Fitter(outline, directions, noise_m)
    ends = [*outline.starts[1:], len(outline.xy) - 1]
    walls = [fitter.wall(start, end) for start, end in zip(outline.starts, ends, strict=True)]
    while len(walls) > 1:
        best, at = None, 0
        for index in range(len(walls) - 1):
            three = walls[index : index + 3]
            for move in fitter.moves(*three, *[three[-1]] * (3 - len(three)), most=len(three)):
                if move.taken <= len(three) and move.saved > (best.saved if best else 1e-9):
                    best, at = move, index
        if best is None:
            break
        walls[at : at + best.taken] = best.made
    centre = outline.xy.mean(axis=0)
    corners = []
    for wall, following in zip(walls, walls[1:]):
        corners.extend(_corner(wall, following, outline.xy[wall.end] - centre, outline.cell_m))
    tips = []
    for wall, end, sign in ((walls[0], outline.xy[0], -1.0), (walls[-1], outline.xy[-1], 1.0)):
        along = np.array([math.cos(wall.angle), math.sin(wall.angle)])
        middle = np.array([wall.x, wall.y])
        tips.append(middle + ((end - centre - middle) @ along + sign * reach_m) * along)
    return np.array([tips[0], *corners, tips[1]]) + centre


def _corners(walls: list[Wall], outline: Outline) -> np.ndarray | None:
    if len(walls) < 3:
        return None
    centre = outline.xy.mean(axis=0)
    corners: list[np.ndarray] = []
    for wall, following in zip(walls, walls[1:] + walls[:1], strict=True):
        at = outline.xy[wall.end % len(outline.xy)] - centre
        corners.extend(_corner(wall, following, at, outline.cell_m))
    return np.array(corners) + centre if len(corners) >= 3 else None


def _corner(one: Wall, two: Wall, at: np.ndarray, cell_m: float) -> list[np.ndarray]:
    """Where two walls meet: one corner, or the two of a step between parallel walls."""
    first = np.array([math.cos(one.angle), math.sin(one.angle)])
    second = np.array([math.cos(two.angle), math.sin(two.angle)])
    p, q = np.array([one.x, one.y]), np.array([two.x, two.y])
    sine = first[0] * second[1] - first[1] * second[0]
    feet = [p + ((at - p) @ first) * first, q + ((at - q) @ second) * second]
    apart = float(np.hypot(*(feet[1] - feet[0])))
    if abs(sine) >= _FLAT_SINE:
        gap = q - p
        meeting = p + (gap[0] * second[1] - gap[1] * second[0]) / sine * first
        if np.hypot(*(meeting - at)) <= _SPIKE_CELLS * cell_m:
            return [meeting]
    # Two corners where one wall only leans away from the other would be a notch that is not there.
    if apart < _STEP_CELLS * cell_m or abs(sine) > _PARALLEL_SINE:
        return [(feet[0] + feet[1]) / 2]
    return feet
