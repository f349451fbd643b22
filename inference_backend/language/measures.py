"""What one instance measures on the ground: length, width, shape, and what counts as large for its kind.

Shapes are shapely polygons in ground metres (or in pixels, where there is no CRS); all functions take arrays (N,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from inference_backend.language.ontology import concepts

# Side ratio from which people say "long" or "narrow"; roofs are mostly below 2.5.
LONG_RATIO = 3.0
# A square fills 0.64 of its least circle, a hexagon 0.83, a disc traced on a coarse grid about 0.85.
ROUND_FILL = 0.75
# Of the least rectangle that holds the shape; an L-shaped house fills about 0.7.
RECTANGLE_FILL = 0.85
SQUARE_RATIO = 1.25
COMPACT_RATIO = 1.5
# Of the convex hull.
IRREGULAR_FILL = 0.8


class Sides(NamedTuple):
    """Sides of the least rotated rectangles, float64 (N,) each."""

    length: np.ndarray
    width: np.ndarray


def sides(shapes: np.ndarray) -> Sides:
    """Length (the longer side) and width of the least rotated rectangle of each shape."""
    boxes = shapely.minimum_rotated_rectangle(shapes)
    first, second = np.zeros(len(shapes)), np.zeros(len(shapes))
    for index, box in enumerate(boxes):
        ring = shapely.get_coordinates(box)
        if len(ring) < 4:
            # A shape without width: its rectangle is a line or a point.
            first[index] = shapely.length(box)
            continue
        first[index], second[index] = np.hypot(*(ring[1] - ring[0])), np.hypot(*(ring[2] - ring[1]))
    return Sides(np.maximum(first, second), np.minimum(first, second))


def own_size(shapes: np.ndarray) -> np.ndarray:
    """Side of the square with the same area."""
    return np.sqrt(shapely.area(shapes))


def has_shape(shapes: np.ndarray, shape: str) -> np.ndarray:
    """Whether each shape is long, narrow, round, square, rectangular, compact or irregular: bool (N,).

    long, narrow: its least rectangle is three times as long as wide, or more. round: it fills three quarters of its
    least circle. rectangular: it fills 0.85 of its least rectangle. square: rectangular, and its sides differ by a
    quarter at most. compact: at most half as long again as wide. irregular: it fills less than 0.8 of its convex hull.
    """
    area = shapely.area(shapes)
    if shape == "round":
        radius = shapely.minimum_bounding_radius(shapes)
        return area >= ROUND_FILL * np.pi * np.maximum(radius, 1e-12) ** 2
    if shape == "irregular":
        return area < IRREGULAR_FILL * shapely.area(shapely.convex_hull(shapes))
    length, width = sides(shapes)
    if shape in ("long", "narrow"):
        return length >= LONG_RATIO * width
    if shape == "compact":
        return length <= COMPACT_RATIO * width
    filled = area >= RECTANGLE_FILL * length * width
    return filled & (length <= SQUARE_RATIO * width) if shape == "square" else filled


def size_limits_m2(concept: str) -> tuple[float, float] | None:
    """(small below, large above): the thirds of the usual sizes of one, by ratio; None for a free noun."""
    usual = next((known.area_m2 for known in concepts() if known.name == concept), None)
    if usual is None:
        return None
    low, high = max(usual[0], 1e-6), usual[1]
    third = (high / low) ** (1 / 3)
    return low * third, low * third * third
