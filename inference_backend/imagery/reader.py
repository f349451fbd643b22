"""Cells of three bands out of a file (by windows, through rasterio) or out of an array in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.windows import Window

from inference_backend.imagery.damage import SoundReading

# GDAL's own default is 5 % of the machine's memory, which a process beside QGIS should not take; megabytes.
os.environ.setdefault("GDAL_CACHEMAX", "256")


class CellReader(Protocol):
    """Reads cells of several pixels: the average of each. `files` are what it reads from."""

    files: tuple[str, ...]

    def cells(
        self, col0: int, row0: int, cols: int, rows: int, factor_x: int, factor_y: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Values float32 (3, h, w) and cover float32 (h, w), 0 to 1, or None where all is data.

        The window is inside the raster; `cols` is a multiple of `factor_x`, or less (one narrow cell); rows alike.
        """

    def close(self) -> None: ...


class ArrayReader:
    """An RGB image in memory."""

    files: tuple[str, ...] = ()

    def __init__(self, rgb: np.ndarray, valid: np.ndarray | None = None) -> None:
        self._bands = np.moveaxis(rgb, 2, 0)
        self._valid = valid

    def cells(
        self, col0: int, row0: int, cols: int, rows: int, factor_x: int, factor_y: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        window = np.s_[row0 : row0 + rows, col0 : col0 + cols]
        values = self._bands[(slice(None), *window)].astype(np.float32)
        cover = None if self._valid is None else self._valid[window].astype(np.float32)
        if factor_x == factor_y == 1:
            return values, cover
        step = (min(factor_y, rows), min(factor_x, cols))
        if cover is None:
            return _block_mean(values, step), None
        share = _block_mean(cover[None], step)[0]
        means = _block_mean(values * cover, step) / np.where(share > 0, share, 1)
        return means, share

    def close(self) -> None:
        return None


def _block_mean(values: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    bands, rows, cols = values.shape
    blocks = values.reshape(bands, rows // step[0], step[0], cols // step[1], step[1])
    return blocks.mean(axis=(2, 4), dtype=np.float32)


class FileReader:
    """Three bands of an open dataset, with its nodata, mask bands, alpha or palette."""

    def __init__(self, dataset: rasterio.DatasetReader, bands: Sequence[int]) -> None:
        self._dataset, self._sound = dataset, SoundReading(dataset)
        self.files = tuple(dataset.files)
        self._bands = list(bands)
        self._distinct = list(dict.fromkeys(bands))
        self._order = [self._distinct.index(band) for band in bands]
        self._palette = _palette(dataset, bands)
        self._masked = _has_mask(dataset, self._distinct)
        self._float = any(np.dtype(dataset.dtypes[band - 1]).kind == "f" for band in self._distinct)
        # A GDAL dataset may be used from any thread, but by one at a time.
        self._lock = threading.Lock()

    def cells(
        self, col0: int, row0: int, cols: int, rows: int, factor_x: int, factor_y: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        shape = (max(rows // factor_y, 1), max(cols // factor_x, 1))
        window = Window(col0, row0, cols, rows)
        with self._lock, self._sound.one():
            return self._read(window, shape)

    def _read(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        if self._palette is not None:
            return self._read_colours(window, shape)
        whole = shape == (window.height, window.width)
        averaging = Resampling.nearest if whole else Resampling.average
        # A band read alone: a list of bands of mixed types is an error in rasterio.
        raw = [
            self._dataset.read(band, window=window, out_shape=shape, resampling=averaging)
            for band in self._distinct
        ]
        cover = self._cover(window, shape, averaging) if self._masked else None
        with np.errstate(over="ignore"):
            # A float64 beyond float32 becomes infinite, which is no data.
            values = np.stack(raw).astype(np.float32)
        if self._float:
            finite = np.isfinite(values).all(axis=0)
            if not finite.all():
                values[:, ~finite] = 0
                cover = finite.astype(np.float32) * (1 if cover is None else cover)
        if cover is not None and (cover == 1).all():
            cover = None
        return values[self._order] if self._order != [0, 1, 2] else values, cover

    def _read_colours(
        self, window: Window, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Colours of a palette. Indices cannot be averaged: up to two by two a cell are looked up, then averaged."""
        step = (min(2, window.height // shape[0]), min(2, window.width // shape[1]))
        finer = (shape[0] * step[0], shape[1] * step[1])
        index = self._dataset.read(self._distinct[0], window=window, out_shape=finer)
        colours = self._palette[np.minimum(index, len(self._palette) - 1)].astype(np.float32)
        cover = (colours[..., 3] > 0).astype(np.float32)
        if self._masked:
            cover *= self._cover(window, finer, Resampling.nearest)
        share = _block_mean(cover[None], step)[0]
        values = np.moveaxis(colours[..., :3], 2, 0)
        return _block_mean(values * cover, step) / np.where(share > 0, share, 1), share

    def _cover(self, window: Window, shape: tuple[int, int], averaging: Resampling) -> np.ndarray:
        """Valid where any of the three bands is: black in one band of a colour is a colour, not a gap."""
        masks = [
            self._dataset.read_masks(band, window=window, out_shape=shape, resampling=averaging)
            for band in self._distinct
        ]
        return np.max(masks, axis=0).astype(np.float32) / 255

    def close(self) -> None:
        with self._lock:
            self._dataset.close()


def _has_mask(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> bool:
    return any(MaskFlags.all_valid not in dataset.mask_flag_enums[band - 1] for band in bands)


def _palette(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> np.ndarray | None:
    """RGBA uint8 (n, 4) by index, where one palette band stands for all three."""
    band = bands[0]
    if len(set(bands)) > 1 or dataset.colorinterp[band - 1] != ColorInterp.palette:
        return None
    try:
        colours = dataset.colormap(band)
    except ValueError:
        return None
    table = np.zeros((max(colours) + 1, 4), np.uint8)
    for index, rgba in colours.items():
        table[index] = rgba
    return table
