"""The metric frame of a cloud: metres from a local origin, in which all arithmetic on points is done.

`metric = (source - origin_source) * unit` on each axis; unit is 0.3048 or 1200/3937 for clouds in feet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_backend.errors import InvalidInput

# No place on earth is higher or deeper; beyond it the origin of z moves so that float32 keeps its millimetres.
HIGHEST_M = 20_000.0

BoundsM = tuple[float, float, float, float]


@dataclass(frozen=True)
class MetricFrame:
    """Where the metric frame lies in the source frame.

    `origin_source` is (x, y, z) in the file's own coordinates; `bounds_m` is (xmin, ymin, xmax, ymax) of the
    points, in metres of this frame.
    """

    origin_source: tuple[float, float, float]
    xy_unit_m: float
    z_unit_m: float
    bounds_m: BoundsM

    @classmethod
    def of(
        cls, bounds_source: Sequence[float], xy_unit_m: float = 1.0, z_unit_m: float = 1.0
    ) -> MetricFrame:
        """The frame of a cloud with the bounds minx miny minz maxx maxy maxz.

        The origin is the lower-left corner, rounded down to whole metres; z keeps its datum.

        Raises:
            InvalidInput: the bounds or the units are no usable numbers.
        """
        bounds = np.asarray(bounds_source, dtype=np.float64)
        if bounds.shape != (6,) or not np.isfinite(bounds).all() or np.any(bounds[:3] > bounds[3:]):
            raise InvalidInput(
                "The cloud's bounds are no usable coordinates; repair the file's header first.",
                f"bounds {bounds_source}",
            )
        if not (0 < xy_unit_m < 1e4 and 0 < z_unit_m < 1e4):
            raise InvalidInput(
                "The cloud's unit of length is unknown; give its coordinate system.",
                f"units {xy_unit_m} {z_unit_m}",
            )
        lengths = bounds * np.array([xy_unit_m, xy_unit_m, z_unit_m] * 2)
        origin = np.array([np.floor(lengths[0]), np.floor(lengths[1]), 0.0])
        if np.abs(lengths[[2, 5]]).max() > HIGHEST_M:
            origin[2] = np.floor(lengths[2])
        corners = lengths.reshape(2, 3) - origin
        return cls(
            (
                float(origin[0] / xy_unit_m),
                float(origin[1] / xy_unit_m),
                float(origin[2] / z_unit_m),
            ),
            float(xy_unit_m),
            float(z_unit_m),
            (
                float(corners[0, 0]),
                float(corners[0, 1]),
                float(corners[1, 0]),
                float(corners[1, 1]),
            ),
        )

    def to_metric(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source coordinates (N,) as float64 metres of this frame."""
        x0, y0, z0 = self.origin_source
        return (
            (np.asarray(x, np.float64) - x0) * self.xy_unit_m,
            (np.asarray(y, np.float64) - y0) * self.xy_unit_m,
            (np.asarray(z, np.float64) - z0) * self.z_unit_m,
        )

    def to_source(
        self, x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Metric coordinates (N,) as float64 coordinates of the file."""
        x0, y0, z0 = self.origin_source
        return (
            np.asarray(x_m, np.float64) / self.xy_unit_m + x0,
            np.asarray(y_m, np.float64) / self.xy_unit_m + y0,
            np.asarray(z_m, np.float64) / self.z_unit_m + z0,
        )

    def raster_transform(
        self, cell_m: float, corner_m: tuple[float, float] = (0.0, 0.0), rows: int = 0
    ) -> tuple[float, float, float, float, float, float]:
        """Affine (a, b, c, d, e, f) of a raster with north up, flipped from rows that begin at the lowest y."""
        cell = cell_m / self.xy_unit_m
        left = corner_m[0] / self.xy_unit_m + self.origin_source[0]
        top = (corner_m[1] + rows * cell_m) / self.xy_unit_m + self.origin_source[1]
        return (cell, 0.0, left, 0.0, -cell, top)


def finite(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Which points (N,) have coordinates that are numbers."""
    return np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
