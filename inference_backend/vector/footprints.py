"""Blocks of buildings from the evidence of cells: a cleaned share of building whose contour at a half is the outline."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

HALF = 0.5
GAP_M = 1.0
"""Gaps up to this are closed: between the points of a roof, not between houses."""
LEAST_HOLE_M2 = 4.0
LEAST_AREA_M2 = 10.0
# Narrower than this is a wall or a row of points along a facade.
_LEAST_WIDTH_M = 1.5
# Balconies and bays reach so far out, and lie at least so far below the eaves.
_LEDGE_M = 1.25
_LEDGE_STEP_M = 2.0
_SMOOTH_CELLS = 0.8
# Points' worth of a guess "no building" in every cell, and in cells with hardly a point around: the shadow beside a house
# is no part of it.
_NOTHING = 0.05
_HARDLY_A_POINT = 0.6
# Where cleaning changed a cell, it is moved to this side of the half, by so much.
_MOVED = 0.35


def halo_cells(cell_m: float) -> int:
    """How far beyond a window cells must be known for the window's own to be the same as in the whole."""
    hole = math.ceil(LEAST_HOLE_M2 / cell_m**2)
    return int(
        math.ceil((GAP_M + _LEAST_WIDTH_M + 2 * _LEDGE_M) / cell_m)
        + min(hole, 40)
        + 4 * _SMOOTH_CELLS
        + 2
    )


def building_share(
    inside: np.ndarray, seen: np.ndarray, roof_m: np.ndarray, cell_m: float
) -> np.ndarray:
    """Share (rows, cols) of each cell that is roof, float32 from 0 to 1, without gaps, specks and threads.

    `inside` is the sum of the probability of high building points, `seen` the weight of all that count, `roof_m` the
    greatest height of the former, not finite where there is none. Cells without points get what their neighbours say.
    """
    above = ndimage.gaussian_filter(inside.astype(np.float32), _SMOOTH_CELLS)
    below = ndimage.gaussian_filter(seen.astype(np.float32), _SMOOTH_CELLS)
    share = above / (below + np.maximum(_NOTHING, _HARDLY_A_POINT - below))
    raw = share > HALF
    mask = _cleaned(raw & ~_ledges(roof_m, raw, cell_m), cell_m)
    moved = np.where(mask, HALF + _MOVED, HALF - _MOVED)
    return np.where(mask != raw, moved, share).astype(np.float32)


def without_outliers(height_m: np.ndarray) -> np.ndarray:
    """Heights (rows, cols) with gaps (NaN) filled from the nearest cell, and single cells that stick out levelled."""
    known = np.isfinite(height_m)
    if not known.any():
        return np.zeros(height_m.shape, np.float32)
    if not known.all():
        nearest = ndimage.distance_transform_edt(
            ~known, return_distances=False, return_indices=True
        )
        height_m = height_m[tuple(nearest)]
    return ndimage.median_filter(height_m.astype(np.float32), 3)


def _ledges(roof_m: np.ndarray, mask: np.ndarray, cell_m: float) -> np.ndarray:
    """Cells of balconies, cornices and facades: a narrow strip far below the roof beside it, with nothing behind."""
    reach = _disk(_LEDGE_M / cell_m)
    known = np.isfinite(roof_m) & mask
    if not known.any():
        return np.zeros(mask.shape, bool)
    # A leaf above the roof that was taken for roof would make a ledge of all round it.
    level = without_outliers(np.where(known, roof_m, np.nan))
    top = np.where(known, level, -np.inf)
    highest = ndimage.grey_dilation(top, footprint=reach)
    below = mask & np.isfinite(top)
    below[below] = highest[below] - top[below] > _LEDGE_STEP_M
    # A lower roof goes on beyond the strip: there is a cell at its own height that is not under the higher one.
    own = np.where(mask & np.isfinite(top) & ~below, top, np.inf)
    lowest = ndimage.grey_erosion(own, footprint=_disk((_LEDGE_M + cell_m) / cell_m))
    return below & ~(lowest < top + _LEDGE_STEP_M / 2)


def _cleaned(mask: np.ndarray, cell_m: float) -> np.ndarray:
    closed = ndimage.binary_closing(np.pad(mask, 4, mode="edge"), _disk(0.5 * GAP_M / cell_m))[
        4:-4, 4:-4
    ]
    filled = _without_small(~(closed | mask), LEAST_HOLE_M2 / cell_m**2, 4)
    return ndimage.binary_opening(~filled, _disk(0.5 * _LEAST_WIDTH_M / cell_m))


def _without_small(mask: np.ndarray, least_cells: float, edge: int) -> np.ndarray:
    """`mask` without connected parts of fewer cells; parts at the array's edge stay, for they may go on."""
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    kept = sizes >= least_cells
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        kept[side] = True
    kept[0] = False
    return kept[labels]


def _disk(radius: float) -> np.ndarray:
    reach = max(1, round(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return x * x + y * y <= max(radius, 1.0) ** 2 + 0.01
