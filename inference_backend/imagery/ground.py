"""Ground metres: what a step in a CRS measures on the ground, near one place.

Degrees and Mercator metres are not ground metres. For those the geodesic is used; every other projected CRS is
taken at its word (its own unit, converted to metres), as surveyors and other GIS programs do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyproj
from affine import Affine

_STEP_M = 10.0
_MAX_LATITUDE = 89.9


def planar_unit_m(crs: pyproj.CRS) -> float | None:
    """Metres in one unit of `crs`, or None where planar units are no ground metres (degrees, Mercator)."""
    if crs.is_geographic or crs.is_geocentric or _is_mercator(crs):
        return None
    return _axis_unit(crs)


def horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """The two-dimensional part of a compound or bound CRS."""
    if crs.is_bound and crs.source_crs is not None:
        return horizontal(crs.source_crs)
    if crs.is_compound and crs.sub_crs_list:
        return horizontal(crs.sub_crs_list[0])
    return crs


def geodetic(crs: pyproj.CRS) -> pyproj.CRS | None:
    """The longitude-latitude CRS that `crs` is built on; None for a local engineering CRS."""
    return crs if crs.is_geographic else crs.geodetic_crs


def _axis_unit(crs: pyproj.CRS) -> float:
    axes = crs.axis_info
    return float(axes[0].unit_conversion_factor) if axes and axes[0].unit_conversion_factor else 1.0


def _is_mercator(crs: pyproj.CRS) -> bool:
    operation = crs.coordinate_operation if crs.is_projected else None
    method = operation.method_name if operation is not None else ""
    return "Mercator" in method and not any(word in method for word in ("Transverse", "Oblique"))


class Georeferenced(Protocol):
    """What has a grid on the ground: a `RasterSource`."""

    width: int
    height: int
    transform: Affine
    crs: pyproj.CRS | None


@dataclass(frozen=True)
class GroundMetres:
    """`matrix` (2, 2) takes a small step in the source frame to metres (east, north) on the ground.

    `known` is False without a CRS: the source's units then stand in for metres.
    """

    matrix: np.ndarray
    known: bool = True

    @classmethod
    def at(cls, crs: pyproj.CRS | None, x: float, y: float) -> GroundMetres:
        """The steps near (x, y) of the source frame."""
        if crs is None:
            return cls(np.eye(2), known=False)
        crs = horizontal(crs)
        unit_m = planar_unit_m(crs)
        if unit_m is None:
            matrix = _geodesic_steps(crs, x, y)
            if matrix is not None:
                return cls(matrix)
            unit_m = _axis_unit(crs)
        return cls(np.eye(2) * unit_m)

    @classmethod
    def of(cls, source: Georeferenced) -> GroundMetres:
        """The steps near the centre of a raster."""
        centre = source.transform * (source.width / 2, source.height / 2)
        return cls.at(source.crs, *centre)

    def pixel_matrix(self, transform: Affine) -> np.ndarray:
        """(2, 2): a step of one column or one row, in metres, of a grid with this transform."""
        steps = np.array([[transform.a, transform.b], [transform.d, transform.e]])
        return self.matrix @ steps

    def gsd_m(self, transform: Affine) -> float:
        """Ground sampling distance: the side of a square with a pixel's ground area."""
        return float(np.sqrt(abs(np.linalg.det(self.pixel_matrix(transform)))))


def _geodesic_steps(crs: pyproj.CRS, x: float, y: float) -> np.ndarray | None:
    """Metres (east, north) per unit of x and of y, by differences over a few metres; None outside the CRS."""
    base, geod = geodetic(crs), crs.get_geod()
    if base is None or geod is None:
        return None
    # Ten metres in the CRS's own unit: short enough to be straight, long enough for float64.
    step = _STEP_M / (geod.a * np.pi / 180.0) if crs.is_geographic else _STEP_M / _axis_unit(crs)
    xs = np.array([x - step, x + step, x, x])
    ys = np.array([y, y, y - step, y + step])
    if not crs.is_geographic:
        to_lonlat = pyproj.Transformer.from_crs(crs, base, always_xy=True)
        xs, ys = to_lonlat.transform(xs, ys)
    degrees = _axis_unit(base) * 180.0 / np.pi
    lon, lat = (
        np.asarray(xs) * degrees,
        np.clip(np.asarray(ys) * degrees, -_MAX_LATITUDE, _MAX_LATITUDE),
    )
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    azimuth, _, metres = geod.inv(lon[[0, 2]], lat[[0, 2]], lon[[1, 3]], lat[[1, 3]])
    bearing = np.radians(azimuth)
    steps = np.stack([np.sin(bearing), np.cos(bearing)]) * (metres / (2 * step))
    return steps if np.isfinite(steps).all() and abs(np.linalg.det(steps)) > 0 else None
