"""What lies around a block: rasters of 4 m over the whole cloud, cut to 256 m for the network's global tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference_backend.points.ground import Ground
from inference_backend.points.metric import finite
from inference_backend.points.surface import grid_corner, grid_shape

CELL_M = 4.0
SIDE = 64
# 256 km2 at 4 m; wider clouds get coarser cells, from which the 4 m window is read.
MAX_CELLS = 16_000_000


class ContextGrid:
    """Sums of each 4 m cell, filled from chunks; `finish` turns them into the four channels.

    Channels: mean HAG / 10, max HAG / 10, log1p(first returns a m2) / 4, share of first returns with others behind
    them. 0 where nothing is known.
    """

    def __init__(self, bounds_m: Sequence[float]) -> None:
        self.rows, self.cols, self.cell_m = grid_shape(bounds_m, CELL_M, MAX_CELLS)
        self.corner_m = grid_corner(bounds_m, self.cell_m)
        cells = self.rows * self.cols
        self._points = np.zeros(cells, np.float32)
        self._first = np.zeros(cells, np.float32)
        self._first_of_many = np.zeros(cells, np.float32)
        self._sum = np.zeros(cells, np.float64)
        self._high = np.full(cells, -np.inf, np.float32)
        self._channels: np.ndarray | None = None

    def add(
        self,
        x_m: np.ndarray,
        y_m: np.ndarray,
        z_m: np.ndarray,
        return_number: np.ndarray,
        number_of_returns: np.ndarray,
    ) -> None:
        """Add points (N,) of the metric frame. A return number of 0 counts as first."""
        with np.errstate(invalid="ignore"):
            col = np.floor((np.asarray(x_m, np.float64) - self.corner_m[0]) / self.cell_m)
            row = np.floor((np.asarray(y_m, np.float64) - self.corner_m[1]) / self.cell_m)
            keep = (col >= 0) & (col < self.cols) & (row >= 0) & (row < self.rows)
        keep &= finite(x_m, y_m, z_m)
        cell = (row[keep] * self.cols + col[keep]).astype(np.int64)
        height = np.asarray(z_m, np.float32)[keep]
        first = np.asarray(return_number)[keep] <= 1
        many = first & (np.asarray(number_of_returns)[keep] > 1)
        np.add.at(self._points, cell, np.ones(len(cell), np.float32))
        np.add.at(self._first, cell, first.astype(np.float32))
        np.add.at(self._first_of_many, cell, many.astype(np.float32))
        np.add.at(self._sum, cell, height.astype(np.float64))
        np.maximum.at(self._high, cell, height)

    def finish(self, ground: Ground) -> None:
        """Heights become heights above this ground. No points may be added afterwards."""
        known = self._points > 0
        at = np.flatnonzero(known)
        row, col = np.divmod(at, self.cols)
        dtm = ground.at(
            self.corner_m[0] + (col + 0.5) * self.cell_m,
            self.corner_m[1] + (row + 0.5) * self.cell_m,
        )
        channels = np.zeros((4, self.rows * self.cols), np.float32)
        channels[0, at] = (self._sum[at] / self._points[at] - dtm) / 10
        channels[1, at] = (self._high[at] - dtm) / 10
        channels[2, at] = np.log1p(self._first[at] / self.cell_m**2) / 4
        channels[3, at] = self._first_of_many[at] / np.maximum(self._first[at], 1)
        self._channels = channels.reshape(4, self.rows, self.cols)
        self._sum = self._high = self._points = self._first = np.empty(0, np.float32)
        self._first_of_many = self._sum

    def window(self, middle_m: tuple[float, float]) -> np.ndarray:
        """float32 (4, 64, 64): 256 m around a place; row 0 is the lowest y, cell (32, 32) begins at the place."""
        if self._channels is None:
            raise RuntimeError("ContextGrid.finish comes before window")
        steps = (np.arange(SIDE) - SIDE / 2 + 0.5) * CELL_M
        col = np.floor((middle_m[0] + steps - self.corner_m[0]) / self.cell_m).astype(np.int64)
        row = np.floor((middle_m[1] + steps - self.corner_m[1]) / self.cell_m).astype(np.int64)
        inside_col = (col >= 0) & (col < self.cols)
        inside_row = (row >= 0) & (row < self.rows)
        window = np.zeros((4, SIDE, SIDE), np.float32)
        at_row, at_col = row[inside_row][:, None], col[inside_col][None, :]
        window[:, inside_row.nonzero()[0][:, None], inside_col.nonzero()[0]] = self._channels[
            :, at_row, at_col
        ]
        return window
