"""Rasters of a whole cloud, gathered while it streams by: lowest and highest height, and first returns a cell.

Rows begin at the lowest y. Cells without a point are NaN in heights and 0 in counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.points.metric import finite

# The ground filter takes about 60 bytes a cell beside these rasters' 12: so many cells fit in 3 GB.
MAX_CELLS = 32_000_000
# Cells larger than this say nothing of ground: such bounds come from stray points or a wrong unit.
MAX_CELL_M = 12.0


def grid_shape(
    bounds_m: Sequence[float], cell_m: float, max_cells: int = MAX_CELLS
) -> tuple[int, int, float]:
    """(rows, cols, cell_m) of a grid over (xmin, ymin, xmax, ymax); the cell grows until it has at most `max_cells`.

    Edges of cells lie on multiples of the cell, so that an extent of a cloud has the cells of the whole.

    Raises:
        InvalidInput: the bounds are no numbers, or so wide that no useful cell is left.
    """
    xmin, ymin, xmax, ymax = (float(value) for value in bounds_m)
    if not all(math.isfinite(v) for v in (xmin, ymin, xmax, ymax)) or xmax < xmin or ymax < ymin:
        raise InvalidInput(
            "The cloud's bounds are no usable coordinates; repair the file's header first.",
            f"bounds {tuple(bounds_m)}",
        )
    while True:
        cols = math.floor(xmax / cell_m) - math.floor(xmin / cell_m) + 1
        rows = math.floor(ymax / cell_m) - math.floor(ymin / cell_m) + 1
        if rows * cols <= max_cells:
            return rows, cols, cell_m
        cell_m *= max(1.01, math.sqrt(rows * cols / max_cells))


def grid_corner(bounds_m: Sequence[float], cell_m: float) -> tuple[float, float]:
    """Lower left corner of the grid that `grid_shape` lays over the bounds."""
    return math.floor(bounds_m[0] / cell_m) * cell_m, math.floor(bounds_m[1] / cell_m) * cell_m


def refuse_absurd(bounds_m: Sequence[float]) -> None:
    """Raise `InvalidInput` where the bounds are wider than any cloud that can be classified at once."""
    *_, cell_m = grid_shape(bounds_m, 1.0)
    if cell_m > MAX_CELL_M:
        wide = (bounds_m[2] - bounds_m[0]) / 1000
        high = (bounds_m[3] - bounds_m[1]) / 1000
        raise InvalidInput(
            f"The points lie {wide:,.0f} km by {high:,.0f} km apart: some are strays or the unit is wrong. "
            "Remove the strays, or give the extent to classify.",
            f"bounds {tuple(bounds_m)}",
        )


class SurfaceGrid:
    """Lowest and highest z and first returns of each cell, filled in any order from chunks of points.

    `bounds_m` is (xmin, ymin, xmax, ymax) in the metric frame. `cell_m` grows when the bounds would need more than
    `MAX_CELLS` cells. Points outside of the bounds and points that are no numbers are left out.
    """

    def __init__(self, bounds_m: Sequence[float], cell_m: float = 1.0) -> None:
        refuse_absurd(bounds_m)
        self.rows, self.cols, self.cell_m = grid_shape(bounds_m, cell_m)
        self.corner_m = grid_corner(bounds_m, self.cell_m)
        self.points = 0
        cells = self.rows * self.cols
        self._low = np.full(cells, np.inf, np.float32)
        self._high = np.full(cells, -np.inf, np.float32)
        self._count = np.zeros(cells, np.float32)

    def cells_of(self, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(cell int64, inside bool), both (N,): the flat cell of each point, clamped for those outside."""
        with np.errstate(invalid="ignore"):
            col = np.floor((np.asarray(x_m) - self.corner_m[0]) / self.cell_m)
            row = np.floor((np.asarray(y_m) - self.corner_m[1]) / self.cell_m)
            inside = (col >= 0) & (col < self.cols) & (row >= 0) & (row < self.rows)
        row = np.where(inside, row, 0).astype(np.int64)
        col = np.where(inside, col, 0).astype(np.int64)
        return row * self.cols + col, inside

    def add(
        self,
        x_m: np.ndarray,
        y_m: np.ndarray,
        z_m: np.ndarray,
        first: np.ndarray | None = None,
    ) -> None:
        """Add points (N,); `first` bool (N,) says which are first returns (all, where it is None)."""
        cell, inside = self.cells_of(x_m, y_m)
        keep = inside & finite(x_m, y_m, z_m)
        if not keep.all():
            cell = cell[keep]
            z_m = np.asarray(z_m)[keep]
            first = None if first is None else np.asarray(first)[keep]
        height = np.asarray(z_m, np.float32)
        np.minimum.at(self._low, cell, height)
        np.maximum.at(self._high, cell, height)
        counted = cell if first is None else cell[np.asarray(first, bool)]
        np.add.at(self._count, counted, np.ones(len(counted), np.float32))
        self.points += len(cell)

    def low(self) -> np.ndarray:
        """Lowest z, float32 (rows, cols), NaN where there is no point."""
        return _unseen_as_nan(self._low, self.rows, self.cols)

    def high(self) -> np.ndarray:
        """Highest z, float32 (rows, cols), NaN where there is no point."""
        return _unseen_as_nan(self._high, self.rows, self.cols)

    def count(self) -> np.ndarray:
        """First returns, float32 (rows, cols)."""
        return self._count.reshape(self.rows, self.cols)

    def sample(self, raster: np.ndarray, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """`sample` on a raster (rows, cols) of this grid."""
        return sample(raster, self.cell_m, self.corner_m, x_m, y_m)


def _unseen_as_nan(flat: np.ndarray, rows: int, cols: int) -> np.ndarray:
    return np.where(np.isfinite(flat), flat, np.float32(np.nan)).reshape(rows, cols)


def sample(
    raster: np.ndarray,
    cell_m: float,
    corner_m: tuple[float, float],
    x_m: np.ndarray,
    y_m: np.ndarray,
) -> np.ndarray:
    """Bilinear value (N,) float32 at points; a cell's value lies in its middle, and the edge goes on outside."""
    rows, cols = raster.shape
    across = np.clip((np.asarray(x_m, np.float64) - corner_m[0]) / cell_m - 0.5, 0, cols - 1)
    up = np.clip((np.asarray(y_m, np.float64) - corner_m[1]) / cell_m - 0.5, 0, rows - 1)
    col = np.minimum(across.astype(np.int64), max(cols - 2, 0))
    row = np.minimum(up.astype(np.int64), max(rows - 2, 0))
    right = (across - col).astype(np.float32)
    above = (up - row).astype(np.float32)
    flat = np.ascontiguousarray(raster).reshape(-1)
    first = row * cols + col
    one, line = min(1, cols - 1), cols if rows > 1 else 0
    below = flat[first] + right * (flat[first + one] - flat[first])
    over = flat[first + line] + right * (flat[first + line + one] - flat[first + line])
    return below + above * (over - below)
