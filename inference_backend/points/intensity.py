"""Intensity as ranks within the file: sensors differ in scale and curve, the order of surfaces is what is left."""

from __future__ import annotations

import numpy as np

LEVELS = 65_536


class IntensityRanks:
    """Histogram of a whole file's intensities, then each intensity's share of points below it."""

    def __init__(self) -> None:
        self._counts = np.zeros(LEVELS, np.int64)
        self._ranks: np.ndarray | None = None

    def add(self, intensity: np.ndarray) -> None:
        """Add intensities uint16 (N,)."""
        self._counts += np.bincount(np.asarray(intensity, np.uint16), minlength=LEVELS)
        self._ranks = None

    @property
    def absent(self) -> bool:
        """True where the file says nothing: no point, or one value for all."""
        return int(np.count_nonzero(self._counts)) < 2

    def rank(self, intensity: np.ndarray) -> np.ndarray | None:
        """float32 (N,) in 0..1: points below plus half of the equals, over all; None where intensity is absent."""
        if self.absent:
            return None
        if self._ranks is None:
            upto = np.cumsum(self._counts)
            self._ranks = ((upto - self._counts / 2) / upto[-1]).astype(np.float32)
        return self._ranks[np.asarray(intensity, np.uint16)]
