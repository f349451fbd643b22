"""A file of polygons as the area to look at: GeoJSON, GeoPackage or Shapefile, in any CRS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import RasterSource
from inference_backend.predict import transformed
from inference_backend.prompt_features import Feature, read_features
from inference_backend.text_request import area_of_polygons

_POLYGONAL = ("Polygon", "MultiPolygon", "GeometryCollection")


def read_area(path: Path, source: RasterSource, pixel: bool = False) -> BaseGeometry:
    """The polygons of the file, united, in the source frame. `pixel`: GeoJSON in (column, row). Raises InvalidInput."""
    polygons = []
    for feature in read_features(path, pixel):
        if feature.geometry is None or feature.geometry.is_empty:
            continue
        if feature.geometry.geom_type not in _POLYGONAL:
            raise InvalidInput(
                f"{feature.where} is a {feature.geometry.geom_type}, and an area is made of polygons; give polygons."
            )
        if feature.crs is None:
            polygons.append(transformed(feature.geometry, source.transform))
        else:
            polygons.append(_to_source(feature, source))
    if not polygons:
        raise InvalidInput(f"'{path.name}' holds no polygon; draw the area first.")
    return area_of_polygons(polygons)


def _to_source(feature: Feature, source: RasterSource) -> BaseGeometry:
    if source.crs is None:
        raise InvalidInput(
            f"'{Path(source.path).name}' has no CRS, so that an area of a map cannot be placed on it; "
            "assign its CRS, or give the area in (column, row) with --pixel."
        )
    try:
        to_source = pyproj.Transformer.from_crs(feature.crs, source.crs, always_xy=True)
        placed = shapely.transform(feature.geometry, to_source.transform, interleaved=False)
    except ProjError as error:
        raise InvalidInput(
            f"{feature.where} cannot be taken to the raster's CRS; check the CRS of both.",
            str(error),
        ) from error
    if not np.isfinite(shapely.get_coordinates(placed)).all():
        raise InvalidInput(
            f"{feature.where} lies where the raster's CRS is not defined; check its CRS."
        )
    return placed
