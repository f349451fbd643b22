"""A block cut into its parts: straight lines along the steps of its roof, and polygons that fill the block exactly.

Neighbouring parts share their border to the last digit: they neither overlap nor leave a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from inference_backend.vector.directions import Direction
from inference_backend.vector.walls import Outline, fit_line

# A line between cells goes up and down, and where a roof's step lies is known less well than where the roof ends.
_NOISE_CELLS = 1.0
# The block's outline was drawn again: a line must reach across what that moved.
_REACH_M = 1.5
_REACH_CELLS = 3.0
_LEAST_LINE_CELLS = 3.0
# A part that is nowhere wider is a strip between two lines that mean the same step.
_LEAST_WIDTH_M = 1.5
_SAME_AREA = 1e-6


@dataclass(frozen=True)
class LabelGrid:
    """Labels (rows, cols) int, 0 outside; `x0_m`, `y0_m` is the corner of the first cell, rows go up."""

    labels: np.ndarray
    x0_m: float
    y0_m: float
    cell_m: float


def cut_block(
    block: Polygon, grid: LabelGrid, directions: list[Direction], least_m2: float
) -> list[Polygon]:
    """The parts of `block`, one or more polygons that tile it; none smaller than `least_m2` unless the block is."""
    if grid.labels.max() < 2:
        return [block]
    lines = [
        line for raw in step_lines(grid) for line in [_straightened(raw, grid.cell_m, directions)]
    ]
    if not lines:
        return [block]
    network = shapely.union_all([block.boundary, *lines])
    faces = [
        face
        for face in shapely.get_parts(shapely.polygonize(shapely.get_parts(network)))
        if block.contains(face.representative_point())
    ]
    parts = _joined(faces, [_label_of(face, grid) for face in faces], least_m2)
    off = abs(sum(part.area for part in parts) - block.area)
    return parts if off <= _SAME_AREA * block.area else [block]


def step_lines(grid: LabelGrid) -> list[LineString]:
    """Lines along the cells' sides between two labels, in metres; each between two junctions."""
    labels = grid.labels
    segments: dict[tuple[int, int], list[tuple[tuple[float, float], tuple[float, float]]]] = {}
    for axis in (0, 1):
        one = labels[:-1] if axis == 0 else labels[:, :-1]
        other = labels[1:] if axis == 0 else labels[:, 1:]
        for row, col in np.argwhere((one != other) & (one > 0) & (other > 0)).tolist():
            pair = sorted((int(one[row, col]), int(other[row, col])))
            if axis == 0:
                ends = ((col, row + 1), (col + 1, row + 1))
            else:
                ends = ((col + 1, row), (col + 1, row + 1))
            segments.setdefault((pair[0], pair[1]), []).append(ends)
    lines: list[LineString] = []
    for pieces in segments.values():
        merged = shapely.line_merge(shapely.multilinestrings(np.array(pieces, float)))
        lines.extend(shapely.get_parts(merged))
    origin = (grid.x0_m, grid.y0_m)
    placed = [shapely.transform(line, lambda xy: xy * grid.cell_m + origin) for line in lines]
    return [line for line in placed if line.length >= _LEAST_LINE_CELLS * grid.cell_m]


def _straightened(line: LineString, cell_m: float, directions: list[Direction]) -> BaseGeometry:
    # The middles of the cells' sides lie on both sides of the step, its corners on one.
    xy = shapely.get_coordinates(line)
    if line.is_closed:
        return line.simplify(1.5 * cell_m)
    smooth = np.concatenate([xy[:1], (xy[:-1] + xy[1:]) / 2, xy[-1:]])
    reach_m = max(_REACH_M, _REACH_CELLS * cell_m)
    outline = Outline.of(LineString(smooth), cell_m)
    return LineString(fit_line(outline, directions, _NOISE_CELLS * cell_m, reach_m))


def _label_of(face: Polygon, grid: LabelGrid) -> int:
    """The label most cells in the face have; 0 where it holds no cell's middle."""
    xmin, ymin, xmax, ymax = face.bounds
    rows, cols = grid.labels.shape
    c0, c1 = _span(xmin - grid.x0_m, xmax - grid.x0_m, grid.cell_m, cols)
    r0, r1 = _span(ymin - grid.y0_m, ymax - grid.y0_m, grid.cell_m, rows)
    x = grid.x0_m + (np.arange(c0, c1) + 0.5) * grid.cell_m
    y = grid.y0_m + (np.arange(r0, r1) + 0.5) * grid.cell_m
    if not len(x) or not len(y):
        return 0
    shapely.prepare(face)
    inside = shapely.contains_xy(face, *np.meshgrid(x, y))
    counts = np.bincount(grid.labels[r0:r1, c0:c1][inside], minlength=1)
    counts[0] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def _span(low: float, high: float, cell_m: float, count: int) -> tuple[int, int]:
    first, last = int(np.floor(low / cell_m)), int(np.ceil(high / cell_m))
    return min(max(first, 0), count), min(max(last, 0), count)


def _joined(faces: list[Polygon], labels: list[int], least_m2: float) -> list[Polygon]:
    """Faces of a label as one part, and small parts with the neighbour they share the longest border with."""
    parts = [
        piece
        for label in sorted(set(labels))
        for piece in _pieces(
            [face for face, own in zip(faces, labels, strict=True) if own == label], label
        )
    ]
    while len(parts) > 1:
        small = [n for n, part in enumerate(parts) if _is_sliver(part, least_m2)]
        if not small:
            break
        index = min(small, key=lambda n: parts[n].area)
        part = parts.pop(index)
        shared = [part.boundary.intersection(other.boundary).length for other in parts]
        into = int(np.argmax(shared))
        if shared[into] <= 0:
            parts.append(part)
            break
        parts[into] = shapely.union_all([parts[into], part])
    return [piece for part in parts for piece in shapely.get_parts(part)]


def _pieces(faces: list[Polygon], label: int) -> Iterable[Polygon]:
    # Faces without a cell belong to no part yet: each goes to a neighbour of its own.
    return faces if label == 0 else shapely.get_parts(shapely.union_all(faces))


def _is_sliver(part: Polygon, least_m2: float) -> bool:
    return part.area < least_m2 or part.buffer(-_LEAST_WIDTH_M / 2).is_empty
