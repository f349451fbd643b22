"""Outlines end where the raster ends: a model looks at windows that may reach beyond it."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import Georeferenced, GroundMetres
from inference_backend.vector.clean import SLIVER_PX, drop_specks, polygonal


def footprint(source: Georeferenced) -> Polygon:
    """The raster's own rectangle, in the source frame."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (source.width, source.height)
    t = source.transform
    steps = np.array([[t.a, t.b], [t.d, t.e]])
    return Polygon(corners @ steps.T + (t.c, t.f))


def clipped(
    geometry: BaseGeometry, area: BaseGeometry, source: Georeferenced, min_area_m2: float = 0.0
) -> Polygon | MultiPolygon:
    """What of `geometry` lies inside `area`, both in the source frame, without the specks that the cut leaves."""
    if geometry.is_empty or area.covers(geometry):
        return geometry
    inside = polygonal(geometry.intersection(area))
    unit_m2 = abs(np.linalg.det(GroundMetres.of(source).matrix))
    sliver = SLIVER_PX * abs(source.transform.determinant)
    return shapely.orient_polygons(drop_specks(inside, max(min_area_m2 / unit_m2, sliver), 0.0))
