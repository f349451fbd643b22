"""The ground frame in which relations are reckoned: metres, x to the right and y up as the map shows the source.

Without a CRS it is pixels with y up: then nothing is known of metres or of north.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import Georeferenced, geodetic, horizontal, planar_unit_m

_NORTH_STEP_DEGREES = 1e-4


@dataclass(frozen=True)
class GroundFrame:
    """Takes shapes of the source frame to ground metres and back. `north` is a unit vector, None without a CRS.

    Where the source's own units are ground metres (or feet), they are scaled; degrees and Mercator go to an equal-area
    projection round the middle of what is looked at, so that areas are exact and distances nearly so.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    to_local: pyproj.Transformer | None = None
    north: tuple[float, float] | None = None
    metres: bool = False

    @classmethod
    def around(cls, source: Georeferenced, middle: tuple[float, float]) -> GroundFrame:
        """The frame for what lies near `middle` of the source frame."""
        if source.crs is None:
            # In pixels y runs downwards; a source without a CRS may still have a transform whose y runs up.
            return cls(scale=(1.0, 1.0 if source.transform.e < 0 else -1.0))
        crs = horizontal(source.crs)
        unit_m = planar_unit_m(crs)
        if unit_m is not None:
            return cls((unit_m, unit_m), None, _north(crs, middle), True)
        local = _local(crs, middle)
        if local is None:
            return cls((1.0, 1.0), None, (0.0, 1.0), True)
        return cls((1.0, 1.0), local, (0.0, 1.0), True)

    def to_ground(self, geometry: BaseGeometry) -> BaseGeometry:
        """A shape of the source frame in the ground frame."""
        if self.to_local is not None:
            return shapely.transform(geometry, self.to_local.transform, interleaved=False)
        return shapely.transform(geometry, lambda xy: xy * self.scale)

    def to_source(self, geometry: BaseGeometry) -> BaseGeometry:
        """The way back."""
        if self.to_local is not None:

            def back(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                return self.to_local.transform(x, y, direction="INVERSE")

            return shapely.transform(geometry, back, interleaved=False)
        return shapely.transform(geometry, lambda xy: xy / self.scale)


def _local(crs: pyproj.CRS, middle: tuple[float, float]) -> pyproj.Transformer | None:
    """Lambert's equal-area projection on the CRS's own ellipsoid; None outside the CRS."""
    base = geodetic(crs)
    if base is None:
        return None
    try:
        lon, lat = _lonlat(crs, base, middle)
        if not np.isfinite([lon, lat]).all():
            return None
        geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
        sphere = {"R": geod.a} if not geod.f else {"a": geod.a, "rf": 1 / geod.f}
        wanted = pyproj.CRS.from_dict({"proj": "laea", "lat_0": lat, "lon_0": lon, **sphere})
        # Both are on one ellipsoid: a datum would only be asked for shifts that cancel.
        return pyproj.Transformer.from_crs(crs, wanted, always_xy=True)
    except ProjError:
        return None


def _lonlat(crs: pyproj.CRS, base: pyproj.CRS, place: tuple[float, float]) -> tuple[float, float]:
    """Longitude and latitude in degrees."""
    to_base = pyproj.Transformer.from_crs(crs, base, always_xy=True)
    degrees = base.axis_info[0].unit_conversion_factor * 180.0 / np.pi
    lon, lat = to_base.transform(*place)
    return lon * degrees, lat * degrees


def _north(crs: pyproj.CRS, middle: tuple[float, float]) -> tuple[float, float]:
    """True north in a projected CRS, which differs from grid north by the convergence of the meridians."""
    base = geodetic(crs)
    if base is None:
        return 0.0, 1.0
    try:
        to_base = pyproj.Transformer.from_crs(crs, base, always_xy=True)
        lon, lat = to_base.transform(*middle)
        x, y = to_base.transform(lon, lat + _NORTH_STEP_DEGREES, direction="INVERSE")
    except ProjError:
        return 0.0, 1.0
    step = np.array([x - middle[0], y - middle[1]])
    length = float(np.hypot(*step))
    if not np.isfinite(length) or length == 0:
        return 0.0, 1.0
    east, up = (step / length).tolist()
    return east, up
