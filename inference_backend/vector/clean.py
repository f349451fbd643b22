"""From a raw contour to an outline fit to keep: fewer vertices, no specks, no spurs, valid, in the source frame.

The order matters: specks go first (cheap), then simplification within its stated bound, then spurs, then validity.
"""

from __future__ import annotations

import numpy as np
import shapely
from affine import Affine
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import GroundMetres
from inference_backend.vector.parts import assembled, geometry_array
from inference_backend.vector.simplify import simplify_all

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
    one = geometry_array([geometry])
    return clean_all(one, transform, tolerance_m, min_area_m2, min_hole_m2, metres, spur_width_m)[0]


def clean_all(
    geometries: np.ndarray,
    transform: Affine,
    tolerance_m: float | None = None,
    min_area_m2: float = 0.0,
    min_hole_m2: float | None = None,
    metres: GroundMetres | None = None,
    spur_width_m: float | None = None,
) -> np.ndarray:
    """`clean` of each of an array of geometries. Many at once cost a fifth of one after the other."""
    metres = metres or GroundMetres.at(None, 0, 0)
    to_metres = metres.pixel_matrix(transform)
    gsd_m = metres.gsd_m(transform)
    tolerance_m = DEFAULT_TOLERANCE_PX * gsd_m if tolerance_m is None else tolerance_m
    spur_width_m = SPUR_WIDTH_PX * gsd_m if spur_width_m is None else spur_width_m
    min_hole_m2 = min_area_m2 if min_hole_m2 is None else min_hole_m2

    shapes = _drop_specks(_linear(geometries, to_metres), min_area_m2, min_hole_m2)
    shapes = simplify_all(shapes, tolerance_m)
    shapes = _polygonal(_drop_spurs(shapes, spur_width_m))
    shapes = _drop_specks(shapes, min_area_m2, min_hole_m2)
    t = transform
    steps = np.array([[t.a, t.b], [t.d, t.e]])
    placed = _linear(_linear(shapes, np.linalg.inv(to_metres)), steps, (t.c, t.f))
    bad = ~shapely.is_valid(placed)
    if bad.any():
        # Large coordinates round: a pinched ring may come apart into itself and slivers.
        unit_m2 = abs(np.linalg.det(metres.matrix))
        least = max(min_area_m2, SLIVER_PX * gsd_m**2) / unit_m2
        placed[bad] = _drop_specks(
            _polygonal(placed[bad]), least * (1 - 1e-6), min_hole_m2 / unit_m2
        )
    return shapely.orient_polygons(placed)


def drop_specks(geometry: BaseGeometry, min_area: float, min_hole: float) -> Polygon | MultiPolygon:
    """Without parts smaller than `min_area`, and holes smaller than `min_hole` filled."""
    return _drop_specks(geometry_array([geometry]), min_area, min_hole)[0]


def _drop_specks(geometries: np.ndarray, min_area: float, min_hole: float) -> np.ndarray:
    parts, owner = shapely.get_parts(geometries, return_index=True)
    area = shapely.area(parts)
    large = (area >= min_area) & (area > 0)
    parts, owner = parts[large], owner[large]
    for index in np.flatnonzero(shapely.get_num_interior_rings(parts)).tolist():
        holes = shapely.get_rings(parts[index])[1:]
        kept = holes[shapely.area(shapely.polygons(holes)) >= min_hole]
        if len(kept) < len(holes):
            parts[index] = Polygon(parts[index].exterior, list(kept))
    return assembled(parts, owner, len(geometries))


def drop_spurs(geometry: BaseGeometry, width: float) -> BaseGeometry:
    """Without tongues and necks narrower than `width` and longer than that; corners stay as they are.

    What is thin as a whole (a fence, a road at coarse resolution) is no spur and stays.
    """
    return _drop_spurs(geometry_array([geometry]), width)[0]


def _drop_spurs(geometries: np.ndarray, width: float) -> np.ndarray:
    if width <= 0:
        return geometries
    parts, owner = shapely.get_parts(geometries, return_index=True)
    mitred = {"join_style": "mitre", "mitre_limit": _MITRE_LIMIT}
    core = shapely.buffer(parts, -width / 2, **mitred)
    thick = np.flatnonzero(~shapely.is_empty(core))
    # Grown a little more than it was shrunk, so that rounding leaves no slivers along straight sides.
    grown = shapely.buffer(core[thick], width / 2 * 1.02, **mitred)
    try:
        left = shapely.difference(parts[thick], grown)
    except shapely.errors.GEOSException:
        # A mitred buffer may cross itself, and only then is a repair worth its time.
        left = shapely.difference(parts[thick], shapely.make_valid(grown))
    rest, of = shapely.get_parts(left, return_index=True)
    long = shapely.area(rest) > width * width
    for index in np.unique(of[long]).tolist():
        spurs = shapely.union_all(rest[long & (of == index)])
        parts[thick[index]] = polygonal(parts[thick[index]].difference(spurs))
    pieces, piece_of = shapely.get_parts(parts, return_index=True)
    return assembled(pieces, owner[piece_of], len(geometries))


def polygonal(geometry: BaseGeometry) -> Polygon | MultiPolygon:
    """The same area as valid polygons; lines and points that a repair leaves behind are dropped."""
    return _polygonal(geometry_array([geometry]))[0]


def _polygonal(geometries: np.ndarray) -> np.ndarray:
    bad = ~shapely.is_valid(geometries)
    if bad.any():
        geometries = geometries.copy()
        geometries[bad] = shapely.make_valid(geometries[bad])
    parts, owner = shapely.get_parts(geometries, return_index=True)
    parts, part_of = shapely.get_parts(parts, return_index=True)
    kept = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) > 0)
    return assembled(parts[kept], owner[part_of][kept], len(geometries))


def _linear(
    geometries: np.ndarray, matrix: np.ndarray, offset: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    (a, b), (d, e) = matrix
    c, f = offset

    def moved(xy: np.ndarray) -> np.ndarray:
        x, y = xy.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    return shapely.transform(geometries, moved)
