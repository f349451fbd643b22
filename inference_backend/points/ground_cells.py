"""Steps of the ground filter on rasters of lowest heights, NaN where nothing is known."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

# Enough cells must hold a point for a window of a few cells to see the ground.
WANTED_SHARE = 0.8
MAX_FACTOR = 16
# Gaps of thin sampling, in cells from the nearest known one.
NARROW_GAP = 2.5
# A storey above the lie of the land: what is higher at the border or the water stands there, it is no land.
HIGHEST_GAP_M = 3.0
# Strays under the ground come one by one: the fifth lowest cell of a neighbourhood is none.
PIT_BLOCK = 8
PIT_RANK = 4
PIT_DEPTH_M = 1.5


def coarsen_factor(low: np.ndarray) -> int:
    """By how much cells must grow so that most of those in and about the data hold a point."""
    known = np.isfinite(low)
    for factor in range(1, MAX_FACTOR):
        rows, cols = -(-low.shape[0] // factor), -(-low.shape[1] // factor)
        pooled = np.zeros((rows * factor, cols * factor), bool)
        pooled[: low.shape[0], : low.shape[1]] = known
        pooled = pooled.reshape(rows, factor, cols, factor).any(axis=(1, 3))
        share = cv2.blur(pooled.astype(np.float32), (7, 7), borderType=cv2.BORDER_REFLECT)
        if min(rows, cols) < 4 or float(np.median(share[pooled])) >= WANTED_SHARE:
            return factor
    return MAX_FACTOR


def low_outliers(low: np.ndarray, cell_m: float) -> np.ndarray:
    """bool (rows, cols): cells far under the fifth lowest of the 24 x 24 cells about them."""
    rows, cols = low.shape
    filled = np.where(np.isfinite(low), low, np.inf).astype(np.float32)
    filled = np.pad(
        filled, ((0, -rows % PIT_BLOCK), (0, -cols % PIT_BLOCK)), constant_values=np.inf
    )
    high, wide = filled.shape[0] // PIT_BLOCK, filled.shape[1] // PIT_BLOCK
    blocks = filled.reshape(high, PIT_BLOCK, wide, PIT_BLOCK).swapaxes(1, 2)
    lowest = np.partition(blocks.reshape(high, wide, -1), PIT_RANK, axis=2)[..., : PIT_RANK + 1]
    padded = np.pad(lowest, ((1, 1), (1, 1), (0, 0)), constant_values=np.inf)
    around = [padded[r : r + high, c : c + wide] for r in range(3) for c in range(3)]
    fifth = np.partition(np.concatenate(around, axis=2), PIT_RANK, axis=2)[..., PIT_RANK]
    # Where the land is steep, the lowest cells of a neighbourhood differ by a few cells' rise.
    smooth = np.where(np.isfinite(fifth), fifth, 0)
    steep = np.zeros(smooth.shape)
    for axis in (0, 1):
        if smooth.shape[axis] > 1:
            steep += np.abs(np.gradient(smooth, PIT_BLOCK * cell_m, axis=axis))
    limit = fifth - PIT_DEPTH_M - 3 * cell_m * np.minimum(steep, 2.0)
    limit = np.where(np.isfinite(fifth), limit, -np.inf)
    fine = limit.repeat(PIT_BLOCK, axis=0).repeat(PIT_BLOCK, axis=1)[:rows, :cols]
    return low < fine


def repeat(values: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    """Coarse cells as step x step fine ones, cut to `shape`."""
    if step == 1:
        return values
    return values.repeat(step, axis=0).repeat(step, axis=1)[: shape[0], : shape[1]]


def fill_low(values: np.ndarray, reach: int) -> np.ndarray:
    """Heights above the lie of the land (rows, cols) with NaN filled: by the nearest value in narrow gaps, by low ones in wide gaps and outside.

    What stands at the water or at the border must not go on there: its windows shall find lower ground. `reach` is how
    many cells away the lowest value is looked for.
    """
    known = np.isfinite(values)
    if known.all():
        return values
    distance, (rows, cols) = ndimage.distance_transform_edt(~known, return_indices=True)
    high = np.where(known, values, np.inf).astype(np.float32)
    lowest = cv2.erode(high, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    beyond = np.minimum(lowest[rows, cols], HIGHEST_GAP_M)
    return np.where(distance > NARROW_GAP, beyond, values[rows, cols])


def fill_smooth(values: np.ndarray) -> np.ndarray:
    """Values (rows, cols) with NaN filled evenly from all sides: means pulled up a pyramid, pushed down again."""
    known = np.isfinite(values)
    if known.all():
        return values.astype(np.float32)
    if not known.any():
        return np.zeros(values.shape, np.float32)
    weight = known.astype(np.float32)
    coarse = _mean_of_four(np.where(known, values, 0).astype(np.float32), weight)
    below = fill_smooth(coarse)
    rows, cols = values.shape
    even = cv2.resize(
        below, (below.shape[1] * 2, below.shape[0] * 2), interpolation=cv2.INTER_LINEAR
    )
    return np.where(known, values, even[:rows, :cols]).astype(np.float32)


def _mean_of_four(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rows, cols = values.shape
    pad = ((0, rows % 2), (0, cols % 2))
    values, weight = np.pad(values, pad), np.pad(weight, pad)

    def total(raster: np.ndarray) -> np.ndarray:
        return raster[::2, ::2] + raster[1::2, ::2] + raster[::2, 1::2] + raster[1::2, 1::2]

    weights = total(weight)
    return np.where(weights > 0, total(values) / np.maximum(weights, 1), np.nan)
