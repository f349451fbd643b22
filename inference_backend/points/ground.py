"""The ground under a cloud: progressive opening of its lowest surface, and heights above what is left.

After the simple morphological filter (Pingel, Clarke and McBride 2013): the lowest point of each cell is opened with
growing windows; what an opening lowers by more than the terrain may rise within the window is an object. Ours opens
what is left above the lie of the land, so that hillsides are no objects, and looks at steps all round for halls that
are wider than any window.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.points.ground_cells import (
    coarsen_factor,
    fill_low,
    fill_smooth,
    low_outliers,
    repeat,
)
from inference_backend.points.ground_trend import pool_lowest, trend
from inference_backend.points.plateaus import raised_plateaus
from inference_backend.points.surface import sample

# Wider windows are opened in cells twice as large: a sixteenth of the work, and their thresholds are metres.
WIDEST_KERNEL = 7
ROUNDS = 2


@dataclass(frozen=True)
class GroundRules:
    """Parameters of the filter, in metres and metres a metre."""

    slope: float = 0.15
    step_m: float = 0.1
    steep_share: float = 0.2
    window_m: float = 30.0
    below_m: float = 0.5
    above_m: float = 0.2
    slope_share: float = 0.5
    # Gaps are taken to be as low as the lowest cell within so far: water, and what lies beyond the border.
    gap_m: float = 6.0
    # In thin clouds: how far above the ground of coarse cells a fine one may lie and be ground.
    lay_m: float = 0.5


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
        return slope_of(self.dtm, self.cell_m)

    def is_ground(
        self, x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray, tolerance: float | None = None
    ) -> np.ndarray:
        """bool (N,): no more than `tolerance` metres above the ground, more where it is steep, and not far below."""
        tolerance = self.rules.above_m if tolerance is None else tolerance
        steep = sample(self.slope(), self.cell_m, self.corner_m, x_m, y_m)
        more = self.rules.slope_share * self.cell_m * steep
        height = self.height_above(x_m, y_m, z_m)
        return (height <= tolerance + more) & (height >= -self.rules.below_m - more)


def slope_of(heights: np.ndarray, cell_m: float) -> np.ndarray:
    """Rise a metre, float32 (rows, cols), of heights without NaN."""
    rise = np.zeros(heights.shape, np.float32)
    for axis in (0, 1):
        if heights.shape[axis] > 1:
            rise += np.gradient(heights, cell_m, axis=axis) ** 2
    return np.sqrt(rise)


def filter_ground(
    low: np.ndarray,
    cell_m: float,
    corner_m: tuple[float, float] = (0.0, 0.0),
    rules: GroundRules | None = None,
) -> Ground:
    """The ground of a whole cloud from its lowest heights (rows, cols) with NaN where there is no point.

    Objects of thin clouds are looked for in cells large enough to hold a point each.
    """
    rules = rules or GroundRules()
    low = np.asarray(low, np.float32)
    if not np.isfinite(low).any():
        return Ground(np.zeros(low.shape, np.float32), cell_m, corner_m, rules)
    low = np.where(low_outliers(low, cell_m), np.float32(np.nan), low)
    factor = coarsen_factor(low)
    seen = low
    for _ in range(ROUNDS):
        # What large buildings did to the lie of the land in one round is gone in the next.
        land = trend(seen, cell_m)
        left = low - land
        coarse = pool_lowest(left, factor) if factor > 1 else left
        objects = _objects(coarse, _allowed(land, factor, cell_m, rules), cell_m * factor, rules)
        seen = np.where(repeat(objects, factor, low.shape), np.float32(np.nan), low)
    land = trend(seen, cell_m)
    left = low - land
    coarse = pool_lowest(left, factor) if factor > 1 else left
    bare = np.where(objects, np.float32(np.nan), coarse)
    if factor > 1:
        bare = _lay_down(left, bare, factor, cell_m, rules)
    return Ground(fill_smooth(bare) + land, cell_m, corner_m, rules)


def _lay_down(
    left: np.ndarray, bare: np.ndarray, factor: int, cell_m: float, rules: GroundRules
) -> np.ndarray:
    """Fine cells (rows, cols) that lie on the ground found in coarse ones, NaN elsewhere."""
    rows, cols = left.shape
    wide = fill_smooth(bare)
    size = (wide.shape[1] * factor, wide.shape[0] * factor)
    under = cv2.resize(wide, size, interpolation=cv2.INTER_LINEAR)[:rows, :cols]
    above = left - under
    near = (above <= rules.lay_m) & (above >= -rules.below_m * factor)
    return np.where(near, left, np.float32(np.nan))


def _allowed(land: np.ndarray, factor: int, cell_m: float, rules: GroundRules) -> np.ndarray:
    """Rise a metre (rows, cols) in coarse cells that is still land: more where the land itself is steep."""
    steep = slope_of(land, cell_m)
    if factor > 1:
        steep = -pool_lowest(-steep, factor)
    return (rules.slope + rules.steep_share * steep).astype(np.float32)


def _objects(
    left: np.ndarray, allowed: np.ndarray, cell_m: float, rules: GroundRules
) -> np.ndarray:
    """bool (rows, cols): what openings with windows up to `window_m` lower by more than the slope allows."""
    radius = max(1, round(rules.window_m / cell_m))
    padded = np.pad(left, radius, constant_values=np.nan)
    allowed = np.pad(allowed, radius, mode="edge")
    filled = fill_low(padded, max(1, round(rules.gap_m / cell_m)))
    found = np.zeros(filled.shape, bool)
    last, step = filled, 1
    for reach in _reaches(radius):
        if reach > WIDEST_KERNEL * step:
            pooled = pool_lowest(last, 2)
            # What only the larger cells take away is taken away all the same: the rim of a roof beside its feet.
            rim = last - repeat(pooled, 2, last.shape) > rules.step_m + allowed * reach * cell_m
            found |= repeat(rim, step, found.shape)
            last, step = pooled, step * 2
            allowed = -pool_lowest(-allowed, 2)
        wide = max(1, round(reach / step))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * wide + 1, 2 * wide + 1))
        opened = cv2.morphologyEx(last, cv2.MORPH_OPEN, kernel)
        lowered = last - opened > rules.step_m + allowed * reach * cell_m
        found |= repeat(lowered, step, found.shape)
        last = opened
    bare = np.where(found, repeat(last, step, found.shape), filled)
    found |= raised_plateaus(filled, bare, np.isfinite(padded), cell_m)
    return found[radius:-radius, radius:-radius]


def _reaches(radius: int) -> list[int]:
    reaches = [1]
    while reaches[-1] < radius:
        reaches.append(min(radius, max(reaches[-1] + 1, int(reaches[-1] * 1.35))))
    return reaches
