"""A real, small cloud model for tests: heights above ground and flatness of a cell say what a point is.

It fills the interface of `CitySegModel` without weights, and its answers can be reckoned by hand.
"""

from __future__ import annotations

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.models.base import ModelCard
from inference_backend.models.cityseg.classes import ClassSet
from inference_backend.points.blocks import BlockPoints

LOW_M, FLAT_M, CELL_M = 0.5, 0.6, 2.0
SURE = 0.9


class RuleCloudModel:
    """Below `LOW_M` it is open ground; above, flat cells are flat roof and rough ones broadleaf tree. Sure to 0.9."""

    card = ModelCard("rule-test", "Height and flatness", ("classes",), 0, "GPL-2.0-or-later", 1)
    weights_id = "none"
    device = "cpu"

    def predict_block(
        self,
        block: BlockPoints,
        classes: ClassSet,
        cancel: CancelToken | None = None,
        density: float | None = None,
    ) -> np.ndarray:
        if cancel is not None:
            cancel.check()
        names = [column.name for column in classes.columns]
        out = np.full((len(block), len(names)), (1 - SURE) / (len(names) - 1), np.float16)
        for name, rows in self.answers(block).items():
            out[rows, names.index(name)] = SURE
        return out

    def answers(self, block: BlockPoints) -> dict[str, np.ndarray]:
        """bool (N,) of the points of each leaf."""
        high = block.hag_m > LOW_M
        flat = _spread(block) < FLAT_M
        return {"open ground": ~high, "flat roof": high & flat, "broadleaf tree": high & ~flat}


def _spread(block: BlockPoints) -> np.ndarray:
    """Standard deviation (N,) of the heights above `LOW_M` in each point's cell; cells lie as the metric frame does."""
    place = np.floor((block.xyz_m[:, :2] + np.array(block.corner_m[:2])) / CELL_M).astype(np.int64)
    _, cell = np.unique(place, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    high = (block.hag_m > LOW_M).astype(np.float64)
    count = np.maximum(np.bincount(cell, high), 1)
    mean = np.bincount(cell, high * block.hag_m) / count
    square = np.bincount(cell, high * block.hag_m.astype(np.float64) ** 2) / count
    return np.sqrt(np.maximum(square - mean**2, 0))[cell]
