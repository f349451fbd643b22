"""The ground under a cloud: progressive opening of its lowest surface, and heights above what is left.

After the simple morphological filter (Pingel, Clarke and McBride 2013): the lowest point of each cell is opened with
growing windows; what an opening lowers by more than the terrain may rise within the window is an object.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from inference_backend.points.surface import sample


@dataclass(frozen=True)
class GroundRules:
    """Parameters of the filter, in metres and metres a metre."""

    slope: float = 0.15
    window_m: float = 20.0
    tolerance_m: float = 0.5
    slope_share: float = 1.25
    pit_slope: float = 5.0


@dataclass(frozen=True)
class Ground:
    """Ground heights float32 (rows, cols) without NaN, in cells of `cell_m`; row 0 is the lowest y."""

    dtm: np.ndarray
    cell_m: float
    corner_m: tuple[float, float] = (0.0, 0.0)
    rules: GroundRules = GroundRules()

    def at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Ground height float32 (N,), bilinear."""
        return sample(self.dtm, self.cell_m, self.corner_m, x_m, y_m)

    def height_above(self, x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray) -> np.ndarray:
        """Height above ground float32 (N,)."""
        return (np.asarray(z_m, np.float64) - self.at(x_m, y_m)).astype(np.float32)

    def slope(self) -> np.ndarray:
        """Rise a metre, float32 (rows, cols)."""
        return _slope(self.dtm, self.cell_m)

    def is_ground(
        self, x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray, tolerance: float | None = None
    ) -> np.ndarray:
        """bool (N,): within `tolerance` metres of the ground, more where it is steep."""
        tolerance = self.rules.tolerance_m if tolerance is None else tolerance
        steep = sample(self.slope(), self.cell_m, self.corner_m, x_m, y_m)
        off = np.abs(self.height_above(x_m, y_m, z_m))
        return off <= tolerance + self.rules.slope_share * steep * 0.5


def filter_ground(
    low: np.ndarray,
    cell_m: float,
    corner_m: tuple[float, float] = (0.0, 0.0),
    rules: GroundRules | None = None,
) -> Ground:
    """The ground of a whole cloud from its lowest heights (rows, cols) with NaN where there is no point."""
    rules = rules or GroundRules()
    low = np.asarray(low, np.float32)
    known = np.isfinite(low)
    if not known.any():
        return Ground(np.zeros(low.shape, np.float32), cell_m, corner_m, rules)
    surface = _nearest(low, known)
    pits = _objects(-surface, 1, rules.pit_slope, cell_m)
    surface = _nearest(surface, known & ~pits)
    radius = max(1, round(rules.window_m / cell_m))
    objects = _objects(surface, radius, rules.slope, cell_m)
    dtm = _nearest(surface, known & ~pits & ~objects)
    return Ground(dtm, cell_m, corner_m, rules)


def _objects(surface: np.ndarray, radius: int, slope: float, cell_m: float) -> np.ndarray:
    """bool (rows, cols): what openings with windows up to `radius` cells lower by more than `slope` allows."""
    found = np.zeros(surface.shape, bool)
    last = surface
    for reach in _reaches(radius):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        opened = cv2.morphologyEx(last, cv2.MORPH_OPEN, kernel)
        found |= last - opened > slope * reach * cell_m
        last = opened
    return found


def _reaches(radius: int) -> list[int]:
    reaches = [1]
    while reaches[-1] < radius:
        reaches.append(min(radius, max(reaches[-1] + 1, int(reaches[-1] * 1.35))))
    return reaches


def _nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    if known.all() or not known.any():
        return values
    rows, cols = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[rows, cols]


def _slope(dtm: np.ndarray, cell_m: float) -> np.ndarray:
    rise = np.zeros(dtm.shape, np.float32)
    for axis in (0, 1):
        if dtm.shape[axis] > 1:
            rise += np.gradient(dtm, cell_m, axis=axis) ** 2
    return np.sqrt(rise)
