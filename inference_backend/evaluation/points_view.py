"""A cloud seen from above: truth and answer of the highest point in each cell, for the picture sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

VIEW_PX = 320
_POINTS_A_CELL = 3


class View:
    """Gathers points chunk by chunk; `truth` uint16 and `label` uint8 (rows, columns), row 0 in the north."""

    def __init__(self, name: str, bounds: Sequence[float], count: int) -> None:
        """`bounds` are minx miny minz maxx maxy maxz in the frame of the `count` points."""
        self.name = name
        self._left, self._top = bounds[0], bounds[4]
        width, height = bounds[3] - bounds[0], bounds[4] - bounds[1]
        # Some points a cell: a sparse cloud is to look like a surface, too.
        sparse = math.sqrt(_POINTS_A_CELL * width * height / max(count, 1))
        self._cell = max(width / VIEW_PX, height / VIEW_PX, sparse) or 1.0
        shape = (int(height / self._cell) + 1, int(width / self._cell) + 1)
        self._z = np.full(shape, -np.inf)
        self.truth = np.zeros(shape, np.uint16)
        self.label = np.zeros(shape, np.uint8)

    @property
    def seen(self) -> np.ndarray:
        """Cells with a point, bool (rows, columns)."""
        return np.isfinite(self._z)

    def add(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray, truth: np.ndarray, label: np.ndarray
    ) -> None:
        """Points (N,) of the frame of the bounds."""
        rows = np.clip(((self._top - y) / self._cell).astype(int), 0, self._z.shape[0] - 1)
        columns = np.clip(((x - self._left) / self._cell).astype(int), 0, self._z.shape[1] - 1)
        # The last of several in a cell stays: so the highest comes last.
        order = np.argsort(z, kind="stable")
        rows, columns, z = rows[order], columns[order], np.asarray(z)[order]
        higher = z >= self._z[rows, columns]
        at = rows[higher], columns[higher]
        self._z[at] = z[higher]
        self.truth[at], self.label[at] = truth[order][higher], label[order][higher]
