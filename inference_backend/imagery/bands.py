"""One band of a raster as it is, by windows: label rasters and masks, whose values no stretch may touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.windows import Window
from scipy import ndimage

from inference_backend.errors import InvalidInput
from inference_backend.imagery.damage import SoundReading

STRIP_PX = 1 << 22
"""4 megapixels: some tens of megabytes in work, and few enough strips that their number costs nothing."""


@dataclass(frozen=True)
class Box:
    """A window in whole pixels."""

    col: int
    row: int
    cols: int
    rows: int

    @property
    def size(self) -> int:
        """Its pixels."""
        return self.cols * self.rows

    def grown(self, px: int, width: int, height: int) -> Box:
        """So many pixels more on each side, as far as the raster goes."""
        col0, row0 = max(self.col - px, 0), max(self.row - px, 0)
        col1, row1 = min(self.col + self.cols + px, width), min(self.row + self.rows + px, height)
        return Box(col0, row0, col1 - col0, row1 - row0)

    def union(self, other: Box) -> Box:
        """The least box round both."""
        col0, row0 = min(self.col, other.col), min(self.row, other.row)
        col1 = max(self.col + self.cols, other.col + other.cols)
        row1 = max(self.row + self.rows, other.row + other.rows)
        return Box(col0, row0, col1 - col0, row1 - row0)

    def strips(self) -> Iterator[Box]:
        """It in pieces from top to bottom, small enough to work on."""
        step = max(1, STRIP_PX // max(self.cols, 1))
        for row in range(self.row, self.row + self.rows, step):
            yield Box(self.col, row, self.cols, min(step, self.row + self.rows - row))


class BandReader:
    """Reads one band (counted from 1) of an open dataset. Raises InvalidInput for a band that cannot be read."""

    def __init__(self, dataset: rasterio.DatasetReader, band: int) -> None:
        if not 1 <= band <= dataset.count:
            raise InvalidInput(
                f"'{dataset.name}' has no band {band}; its bands are 1 to {dataset.count}."
            )
        kind = np.dtype(dataset.dtypes[band - 1]).kind
        if kind == "c":
            raise InvalidInput(
                f"'{dataset.name}' holds complex numbers; convert it to amplitudes first."
            )
        self._dataset, self._band, self._is_float = dataset, band, kind == "f"
        self._sound = SoundReading(dataset)
        self._masked = MaskFlags.all_valid not in dataset.mask_flag_enums[band - 1]

    def read(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Values in the band's own type and bool of those that are data, (rows, cols)."""
        window = Window(box.col, box.row, box.cols, box.rows)
        with self._sound.one():
            values = self._dataset.read(self._band, window=window)
            mask = self._dataset.read_masks(self._band, window=window) if self._masked else None
        valid = np.ones(values.shape, bool) if mask is None else mask > 0
        if self._is_float:
            valid &= np.isfinite(values)
        return values, valid

    def labels(self, box: Box, background: float) -> Iterator[tuple[int, Box]]:
        """Each whole number in the window but the background, and where it lies. Raises InvalidInput for fractions."""
        values, valid = self.read(box)
        wanted = valid & (values != background)
        if not wanted.any():
            return
        found, index = np.unique(values[wanted], return_inverse=True)
        if self._is_float and (found != np.floor(found)).any():
            raise InvalidInput(
                f"'{self._dataset.name}' holds fractions, which are no labels; give a threshold from which a pixel belongs "
                "to the objects."
            )
        numbered = np.zeros(values.shape, np.int32)
        numbered[wanted] = index.reshape(-1) + 1
        for value, (rows, cols) in zip(found, ndimage.find_objects(numbered)):
            place = Box(
                box.col + cols.start,
                box.row + rows.start,
                cols.stop - cols.start,
                rows.stop - rows.start,
            )
            yield int(value), place
