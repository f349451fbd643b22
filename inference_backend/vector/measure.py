"""Areas and lengths on the ground.

Degrees and Mercator coordinates are measured on the ellipsoid: a square metre of EPSG:3857 at 50 degrees north is
0.41 m² of ground. Every other projected CRS is measured in its plane and converted to metres. Without a CRS the
numbers are in the source's own units (pixels, for a plain image).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import GroundMetres, geodetic, horizontal, planar_unit_m

__all__ = ["GroundMetres", "area_m2", "perimeter_m"]


def area_m2(geometry: BaseGeometry, crs: pyproj.CRS | None) -> float:
    """Area of polygons in the source frame, in ground square metres."""
    unit_m = _unit(crs)
    if unit_m is not None:
        return float(geometry.area) * unit_m**2
    total = 0.0
    for ring, sign in _rings(geometry):
        lon, lat, geod = _lonlat(ring, crs)
        total += sign * abs(geod.polygon_area_perimeter(lon, lat)[0])
    return total


def perimeter_m(geometry: BaseGeometry, crs: pyproj.CRS | None) -> float:
    """Length of all rings, holes included, in ground metres."""
    unit_m = _unit(crs)
    if unit_m is not None:
        return float(geometry.length) * unit_m
    return sum(float(geod.line_length(lon, lat)) for lon, lat, geod in _lonlat_rings(geometry, crs))


def _unit(crs: pyproj.CRS | None) -> float | None:
    """Metres a unit in the plane; None where the ellipsoid must be asked."""
    if crs is None:
        return 1.0
    flat = horizontal(crs)
    unit_m = planar_unit_m(flat)
    return 1.0 if unit_m is None and geodetic(flat) is None else unit_m


def _rings(geometry: BaseGeometry) -> Iterator[tuple[np.ndarray, int]]:
    """Each ring's (n, 2) coordinates with +1 for an outline and -1 for a hole."""
    for part in shapely.get_parts(geometry):
        if part.is_empty or part.geom_type != "Polygon":
            continue
        yield shapely.get_coordinates(part.exterior), 1
        for hole in part.interiors:
            yield shapely.get_coordinates(hole), -1


def _lonlat_rings(
    geometry: BaseGeometry, crs: pyproj.CRS | None
) -> Iterator[tuple[np.ndarray, np.ndarray, pyproj.Geod]]:
    for ring, _ in _rings(geometry):
        yield _lonlat(ring, crs)


def _lonlat(ring: np.ndarray, crs: pyproj.CRS | None) -> tuple[np.ndarray, np.ndarray, pyproj.Geod]:
    """Longitudes and latitudes in degrees, and the ellipsoid they lie on."""
    flat = horizontal(pyproj.CRS(crs))
    base = geodetic(flat) or flat
    x, y = ring[:, 0], ring[:, 1]
    if not flat.is_geographic:
        x, y = pyproj.Transformer.from_crs(flat, base, always_xy=True).transform(x, y)
    # A few CRS count in grads: the axis says how many radians its unit has.
    degrees = base.axis_info[0].unit_conversion_factor * 180.0 / np.pi
    return (
        np.asarray(x) * degrees,
        np.asarray(y) * degrees,
        flat.get_geod() or pyproj.Geod(ellps="WGS84"),
    )
