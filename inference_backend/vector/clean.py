"""From a raw contour to an outline fit to keep: fewer vertices, no specks, no spurs, valid, in the source frame.

The order matters: specks go first (cheap), then simplification within its stated bound, then spurs, then validity.
"""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from shapely import MultiPolygon, Polygon
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import GroundMetres
from inference_backend.vector.simplify import simplify

# Half a pixel: less keeps the pixel grid's trace in the outline, more is seen on the map.
DEFAULT_TOLERANCE_PX = 0.5
# A spur is a tongue (or a neck between two parts) narrower than a pixel, and longer than wide.
SPUR_WIDTH_PX = 1.0
# Mitred corners are restored up to this ratio when a polygon is shrunk and grown again.
_MITRE_LIMIT = 10.0
# What is smaller than this share of a pixel comes from rounding.
SLIVER_PX = 1e-4


def clean(
    geometry: BaseGeometry,
    transform: Affine,
    tolerance_m: float | None = None,
    min_area_m2: float = 0.0,
    min_hole_m2: float | None = None,
    metres: GroundMetres | None = None,
    spur_width_m: float | None = None,
) -> Polygon | MultiPolygon:
    """Clean polygons of an array's pixel frame and take them to the source frame by `transform`.

    Simplification moves no point of an outline by more than `tolerance_m` (default: half a pixel), both ways: it
    bounds the Hausdorff distance of the boundaries. Parts below `min_area_m2`, holes below `min_hole_m2` (default:
    the same) and spurs narrower than `spur_width_m` (default: a pixel; 0 keeps them) are removed. The result is
    valid, its outlines counter-clockwise, and maybe empty.
    """
    metres = metres or GroundMetres.at(None, 0, 0)
    to_metres = metres.pixel_matrix(transform)
    gsd_m = metres.gsd_m(transform)
    tolerance_m = DEFAULT_TOLERANCE_PX * gsd_m if tolerance_m is None else tolerance_m
    spur_width_m = SPUR_WIDTH_PX * gsd_m if spur_width_m is None else spur_width_m
    min_hole_m2 = min_area_m2 if min_hole_m2 is None else min_hole_m2

    shape = drop_specks(_linear(geometry, to_metres), min_area_m2, min_hole_m2)
    shape = simplify(shape, tolerance_m)
    shape = drop_spurs(shape, spur_width_m)
    shape = drop_specks(polygonal(shape), min_area_m2, min_hole_m2)
    t = transform
    placed = affine_transform(
        _linear(shape, np.linalg.inv(to_metres)), [t.a, t.b, t.d, t.e, t.c, t.f]
    )
    if not placed.is_valid:
        # Large coordinates round: a pinched ring may come apart into itself and slivers.
        unit_m2 = abs(np.linalg.det(metres.matrix))
        least = max(min_area_m2, SLIVER_PX * gsd_m**2) / unit_m2
        placed = drop_specks(polygonal(placed), least * (1 - 1e-6), min_hole_m2 / unit_m2)
    return shapely.orient_polygons(placed)


def drop_specks(geometry: BaseGeometry, min_area: float, min_hole: float) -> Polygon | MultiPolygon:
    """Without parts smaller than `min_area`, and holes smaller than `min_hole` filled."""
    kept = []
    for part in shapely.get_parts(geometry):
        if part.is_empty or part.area < min_area or part.area == 0:
            continue
        holes = [hole for hole in part.interiors if Polygon(hole).area >= min_hole]
        kept.append(part if len(holes) == len(part.interiors) else Polygon(part.exterior, holes))
    return _assemble(kept)


def drop_spurs(geometry: BaseGeometry, width: float) -> BaseGeometry:
    """Without tongues and necks narrower than `width` and longer than that; corners stay as they are.

    What is thin as a whole (a fence, a road at coarse resolution) is no spur and stays.
    """
    if width <= 0 or geometry.is_empty:
        return geometry
    kept = [_without_spurs(part, width) for part in shapely.get_parts(geometry)]
    return _assemble([piece for part in kept for piece in shapely.get_parts(part)])


def _without_spurs(part: Polygon, width: float) -> BaseGeometry:
    mitred = {"join_style": "mitre", "mitre_limit": _MITRE_LIMIT}
    core = part.buffer(-width / 2, **mitred)
    if core.is_empty:
        return part
    # Grown a little more than it was shrunk, so that rounding leaves no slivers along straight sides.
    rest = shapely.get_parts(part.difference(core.buffer(width / 2 * 1.02, **mitred)))
    spurs = rest[shapely.area(rest) > width * width]
    if not len(spurs):
        return part
    return polygonal(part.difference(shapely.union_all(spurs)))


def polygonal(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The same area as valid polygons; lines and points that a repair leaves behind are dropped."""
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry)
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return _assemble([part for part in parts if part.geom_type == "Polygon" and part.area > 0])


def _assemble(parts: list[Polygon]) -> Polygon | MultiPolygon:
    if not parts:
        return Polygon()
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _linear(geometry: BaseGeometry, matrix: np.ndarray) -> BaseGeometry:
    return affine_transform(geometry, [*matrix[0], *matrix[1], 0.0, 0.0])
