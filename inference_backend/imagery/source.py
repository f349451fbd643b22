"""The raster behind a request: anything GDAL reads, or pixels sent inline, behind one interface."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from affine import Affine

from inference_backend.errors import InvalidInput
from inference_backend.imagery.dataset import choose_bands, georeference, open_dataset, parse_crs
from inference_backend.imagery.ground import GroundMetres
from inference_backend.imagery.reader import ArrayReader, CellReader, FileReader
from inference_backend.imagery.resample import axis_weights, resample
from inference_backend.imagery.sampling import sample_values
from inference_backend.imagery.stretch import Stretch, from_samples, parse_stretch

# Whether a window holds data is looked at with at most this many cells on a side.
_LOOK_CELLS = 512


class RasterSource:
    """Three bands of a raster as 8-bit RGB, read by windows in the pixel frame. One thread at a time."""

    def __init__(
        self,
        reader: CellReader,
        *,
        path: str,
        width: int,
        height: int,
        count: int,
        dtype: str,
        transform: Affine,
        crs: pyproj.CRS | None,
        bands: tuple[int, int, int],
        stretch: Stretch,
        identity: str,
    ) -> None:
        self._reader = reader
        self.path, self.width, self.height, self.count, self.dtype = (
            path,
            width,
            height,
            count,
            dtype,
        )
        self.transform, self.crs, self.bands, self.stretch = transform, crs, bands, stretch
        self.has_georeference = not transform.is_identity
        self.key = _digest(identity, bands, stretch)

    @property
    def ground(self) -> GroundMetres:
        """Ground metres near the raster's centre."""
        return GroundMetres.of(self)

    @property
    def gsd_m(self) -> float | None:
        """Ground metres a pixel at the raster's centre; None without a CRS."""
        ground = self.ground
        return ground.gsd_m(self.transform) if ground.known else None

    def read_rgb(
        self, col0: float, row0: float, cols: float, rows: float, out_rows: int, out_cols: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The window (pixel frame; fractions, and parts outside the raster, are allowed) on a grid of its own.

        Returns rgb uint8 (out_rows, out_cols, 3) and valid bool (out_rows, out_cols): False, and black, where
        there are no data. Averages when shrinking, bilinear when enlarging. Raises InvalidInput.
        """
        if min(cols, rows) <= 0 or min(out_rows, out_cols) < 1:
            raise InvalidInput("A window of no size was asked for; draw the prompt again.")
        step_x, step_y = cols / out_cols, rows / out_rows
        edges_x, factor_x = _cells(col0, cols, step_x, self.width)
        edges_y, factor_y = _cells(row0, rows, step_y, self.height)
        if len(edges_x) < 2 or len(edges_y) < 2:
            return np.zeros((out_rows, out_cols, 3), np.uint8), np.zeros((out_rows, out_cols), bool)
        values, cover = self._block(edges_x, edges_y, factor_x, factor_y)
        weights_y = axis_weights(row0, step_y, out_rows, edges_y)
        weights_x = axis_weights(col0, step_x, out_cols, edges_x)
        out, valid = resample(values, cover, weights_y, weights_x)
        rgb = self.stretch.apply(out)
        rgb[~valid] = 0
        return rgb, valid

    def has_data(self, col0: float, row0: float, col1: float, row1: float) -> bool:
        """Whether any pixel between these corners (pixel frame) is valid; a large window is looked at decimated."""
        x0, x1 = np.clip((col0, col1), 0, self.width)
        y0, y1 = np.clip((row0, row1), 0, self.height)
        step = max(1.0, max(x1 - x0, y1 - y0) / _LOOK_CELLS)
        edges_x, factor_x = _cells(x0, x1 - x0, step, self.width)
        edges_y, factor_y = _cells(y0, y1 - y0, step, self.height)
        if len(edges_x) < 2 or len(edges_y) < 2:
            return False
        _, cover = self._block(edges_x, edges_y, factor_x, factor_y)
        return cover is None or bool((cover > 0).any())

    def _block(
        self, edges_x: np.ndarray, edges_y: np.ndarray, factor_x: int, factor_y: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Cells between the edges; the narrower last cell of a raster is read by itself."""
        parts = [
            (row_part, col_part)
            for row_part in _parts(edges_y, factor_y)
            for col_part in _parts(edges_x, factor_x)
        ]
        shape = (len(edges_y) - 1, len(edges_x) - 1)
        values, cover = np.empty((3, *shape), np.float32), np.ones(shape, np.float32)
        for (row0, rows, at_y), (col0, cols, at_x) in parts:
            part, share = self._reader.cells(col0, row0, cols, rows, factor_x, factor_y)
            if len(parts) == 1:
                return part, share
            values[:, at_y, at_x] = part
            cover[at_y, at_x] = 1 if share is None else share
        return values, cover

    @property
    def files(self) -> tuple[str, ...]:
        """The files behind it: the tiles of a mosaic too; none for pixels in memory."""
        return self._reader.files

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    def __enter__(self) -> RasterSource:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _cells(start: float, span: float, step: float, size: int) -> tuple[np.ndarray, int]:
    """Edges (pixels) of the cells to read on one axis, and their size `factor`.

    Cells begin at multiples of the factor whatever the window, so that two crops at one scale see the same cells.
    """
    factor = max(1, math.floor(step + 1e-9))
    margin = 1 if step < 1 else 0
    first = max(0, math.floor(start / factor) - margin)
    last = min(math.ceil(size / factor), math.ceil((start + span) / factor) + margin)
    edges = np.minimum(np.arange(first, last + 1) * factor, size).astype(np.float64)
    return edges, factor


def _parts(edges: np.ndarray, factor: int) -> list[tuple[int, int, slice]]:
    """(first pixel, pixels, slice of the cells): whole cells, then a narrower last one if there is one."""
    first, last, count = int(edges[0]), int(edges[-1]), len(edges) - 1
    if (last - first) % factor == 0:
        return [(first, last - first, slice(0, count))]
    tail = (last, int(edges[-2]))
    parts = [(tail[1], tail[0] - tail[1], slice(count - 1, count))]
    if count > 1:
        parts.insert(0, (first, tail[1] - first, slice(0, count - 1)))
    return parts


def open_raster(
    path: str | os.PathLike[str],
    bands: Sequence[int] | None = None,
    stretch: str | Mapping[str, Any] | Stretch | None = None,
) -> RasterSource:
    """Open a raster by its path or GDAL name; nothing is read but what the stretch needs.

    `bands`: one or three, 1-based; by default those marked red, green and blue, else the first three, else the
    first. `stretch`: see `parse_stretch`; by default none for 8 bits, else percentiles 2 to 98 of the whole
    raster. Raises InvalidInput.
    """
    name = os.fspath(path)
    dataset = open_dataset(name)
    try:
        chosen = choose_bands(dataset, bands)
        reader = FileReader(dataset, chosen)
        limits = _choose_stretch(dataset, reader, chosen, stretch)
        transform, crs = georeference(dataset)
        return RasterSource(
            reader,
            path=name,
            width=dataset.width,
            height=dataset.height,
            count=dataset.count,
            dtype=dataset.dtypes[chosen[0] - 1],
            transform=transform,
            crs=crs,
            bands=chosen,
            stretch=limits,
            identity=_identity(name),
        )
    except BaseException:
        dataset.close()
        raise


def pixels_source(
    rgb: np.ndarray,
    transform: Affine | Sequence[float] | None = None,
    crs_wkt: str | None = None,
    key: str = "",
    valid: np.ndarray | None = None,
) -> RasterSource:
    """The same interface over an RGB image uint8 (H, W, 3) that was sent inline, such as a rendered web layer."""
    image = np.asarray(rgb)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InvalidInput("Pixels sent inline must be 8-bit RGB with at least one pixel.")
    if transform is not None and not isinstance(transform, Affine):
        transform = Affine(*transform[:6])
    height, width = image.shape[:2]
    return RasterSource(
        ArrayReader(image, valid),
        path="",
        width=width,
        height=height,
        count=3,
        dtype="uint8",
        transform=transform or Affine.identity(),
        crs=parse_crs(crs_wkt),
        bands=(1, 2, 3),
        stretch=Stretch("none"),
        identity=key or hashlib.sha256(np.ascontiguousarray(image).data).hexdigest(),
    )


def _choose_stretch(
    dataset: rasterio.DatasetReader,
    reader: FileReader,
    bands: tuple[int, int, int],
    wish: str | Mapping[str, Any] | Stretch | None,
) -> Stretch:
    request = parse_stretch(wish)
    if request is not None and request.limits is not None:
        return request.limits
    eight_bit = all(dataset.dtypes[band - 1] == "uint8" for band in bands)
    kind = request.kind if request else ("none" if eight_bit else "percentile")
    if kind == "none":
        return Stretch("none")
    samples = sample_values(
        reader, dataset.width, dataset.height, bool(dataset.overviews(bands[0]))
    )
    if not len(samples):
        raise InvalidInput(
            f"'{dataset.name}' has no valid pixel: every value is no-data or not a number."
        )
    return from_samples(samples, request.percentiles if request else (2.0, 98.0))


def _identity(name: str) -> str:
    try:
        path = Path(name).resolve()
        facts = path.stat()
    except (OSError, ValueError):
        return name
    return f"{path}|{facts.st_size}|{facts.st_mtime_ns}"


def _digest(identity: str, bands: tuple[int, ...], stretch: Stretch) -> str:
    return hashlib.sha256(f"{identity}|{bands}|{stretch}".encode()).hexdigest()
