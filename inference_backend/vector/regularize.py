"""Footprints as a surveyor draws them: few straight walls, parallel and square where the roof is.

An outline is cut into stretches, and each stretch gets the wall that fits it best. What a set of walls costs is how far the
outline lies from them (squared, in units of its own noise, over its length), a price for each wall, and a further price for
each wall that is neither parallel nor square to the building's main directions. Starting from many short stretches, the
change that saves most is made until none saves anything: two walls become one, three become one (a step that is noise), or a
short wall is shared out among its neighbours (a corner that the raster rounded off). Walls meet where their lines cross.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from inference_backend.vector.clean import polygonal
from inference_backend.vector.directions import Direction, main_directions
from inference_backend.vector.simplify import simplify
from inference_backend.vector.walls import Outline, fit_walls

# An outline's distance from the wall it stands for: what the raster adds, and the points' own noise, whatever the cell.
_NOISE_CELLS = 0.35
_NOISE_M = 0.1
# The regularised outline is kept only where it is still the same building.
_LEAST_IOU = 0.85
_MOST_AREA_CHANGE = 0.05
# With less noise assumed, walls follow the outline more closely.
_RETRIES = (1.0, 0.5)
_LEAST_HOLE_CELLS = 8.0


@dataclass(frozen=True)
class Regularized:
    """`polygon` and how: "walls", or "outline" where no set of walls was the same building."""

    polygon: Polygon
    how: str


def regularize(polygon: Polygon, cell_m: float) -> Regularized:
    """`polygon` (metres, any position) with straight walls; valid, and within a few percent of its area.

    `cell_m` is the raster cell the outline came from: its noise and the least wall follow from it.
    """
    directions = main_directions(polygon, cell_m)
    noise_m = float(np.hypot(_NOISE_CELLS * cell_m, _NOISE_M))
    for share in _RETRIES:
        found = _walled(polygon, cell_m, share * noise_m, directions)
        if found is not None:
            return Regularized(found, "walls")
    simpler = simplify(polygon, cell_m)
    part = max(shapely.get_parts(simpler), key=lambda one: one.area, default=polygon)
    return Regularized(part, "outline")


def _walled(
    polygon: Polygon, cell_m: float, noise_m: float, directions: list[Direction]
) -> Polygon | None:
    """None where the walls make no polygon or another building."""
    rings = []
    for number, ring in enumerate([polygon.exterior, *polygon.interiors]):
        if number and Polygon(ring).area < _LEAST_HOLE_CELLS * cell_m**2:
            continue
        corners = fit_walls(Outline.of(ring, cell_m), directions, noise_m)
        if corners is None:
            if number:
                continue
            return None
        rings.append(corners)
    whole = _assembled(rings)
    if whole is None or not is_same_building(whole, polygon):
        return None
    return whole


def _assembled(rings: list[np.ndarray]) -> Polygon | None:
    outer = Polygon(rings[0])
    if not outer.is_valid or outer.area == 0:
        return None
    shape: BaseGeometry = outer
    for ring in rings[1:]:
        hole = Polygon(ring)
        shape = shape.difference(hole if hole.is_valid else polygonal(hole))
    shape = polygonal(shape)
    if isinstance(shape, MultiPolygon):
        shape = max(shape.geoms, key=lambda part: part.area)
    return None if shape.is_empty else shape


def is_same_building(candidate: Polygon, raw: Polygon) -> bool:
    """Whether area and place are still those of the outline."""
    both = candidate.intersection(raw).area
    either = candidate.area + raw.area - both
    return (
        both >= _LEAST_IOU * either
        and abs(candidate.area - raw.area) <= _MOST_AREA_CHANGE * raw.area
    )
