"""How dense a cloud is, and which grid the network looks at it with."""

from __future__ import annotations

import numpy as np

GRIDS_M = (0.25, 0.35, 0.5, 0.7, 1.0)
# A cell must hold several returns before its count says something of density.
RETURNS_A_CELL = 12.0
_COVERED_CELL_M = 4.0


def density_per_m2(count: np.ndarray, cell_m: float) -> float:
    """First returns a square metre where there are any, from their counts (rows, cols) in cells of `cell_m`.

    Gaps, water and the empty parts of a flight strip do not count: it is the median over occupied cells, on cells
    coarse enough to hold a dozen returns. 0.0 for a cloud without a return.
    """
    counts = np.asarray(count, np.float32)
    while True:
        seen = counts[counts > 0]
        if seen.size == 0:
            return 0.0
        if float(seen.mean()) >= RETURNS_A_CELL or min(counts.shape) < 8:
            # Cells at the edge of what was flown are half empty and pull the mean, not the median.
            return float(np.median(seen)) / cell_m**2
        counts = halve(counts)
        cell_m *= 2


def covered_density(xy_m: np.ndarray, return_number: np.ndarray) -> float:
    """First returns a square metre over the covered ground of loose points (N, 2), by cells of 4 m; 0.0 without points."""
    if not len(xy_m):
        return 0.0
    cells = np.floor(xy_m / _COVERED_CELL_M).astype(np.int64)
    covered = len(np.unique(cells[:, 0] * 1_000_003 + cells[:, 1]))
    return float((return_number <= 1).sum()) / (_COVERED_CELL_M**2 * covered)


def halve(counts: np.ndarray) -> np.ndarray:
    """Sums over 2 x 2 cells (rows, cols) -> (ceil(rows/2), ceil(cols/2))."""
    rows, cols = counts.shape
    even = np.pad(counts, ((0, rows % 2), (0, cols % 2)))
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def grid_for(density: float) -> float:
    """The network's voxel in metres for a density of first returns a square metre: about 2.5 points a voxel column."""
    wanted = np.clip(1.6 / np.sqrt(max(density, 1e-9)), GRIDS_M[0], GRIDS_M[-1])
    nearest = np.argmin(np.abs(np.log(np.array(GRIDS_M) / wanted)))
    return GRIDS_M[int(nearest)]
