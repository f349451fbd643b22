"""Rasters of a cloud as GeoTIFF: the ground, and the heights above it, in the cloud's CRS."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as FileWindow

from inference_backend.cancel import CancelToken
from inference_backend.imagery.ground import horizontal
from inference_backend.points.metric import MetricFrame
from inference_backend.vector.cloud_rasters import CloudEvidence, Window
from inference_backend.vector.write import TargetProblem, check_writable, explain, replacing

NODATA = -9999.0
_BLOCK = 256
_STRIP = 512

Block = tuple[FileWindow, np.ndarray]


def check_raster_target(path: str | os.PathLike[str]) -> None:
    """Raise TargetProblem, before any work is done, where no GeoTIFF can be written."""
    target = Path(path)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise TargetProblem(f"The raster '{target.name}' is a GeoTIFF; end its name with .tif.")
    check_writable(target)


def write_dtm(
    path: str | os.PathLike[str],
    dtm_m: np.ndarray,
    cell_m: float,
    corner_m: tuple[float, float],
    frame: MetricFrame,
    crs: pyproj.CRS | None,
    cancel: CancelToken | None = None,
) -> None:
    """Write the ground, (rows, cols) in the metric frame with row 0 the lowest y; NaN is no data.

    Heights in the file are the cloud's own: its unit and its datum. Raises TargetProblem, DiskProblem, Cancelled.
    """
    rows, cols = dtm_m.shape
    z0 = frame.origin_source[2]

    def blocks() -> Iterator[Block]:
        for top in range(0, rows, _STRIP):
            count = min(_STRIP, rows - top)
            # North is up in the file: its first row is the last of the array.
            strip = dtm_m[rows - top - count : rows - top][::-1]
            yield FileWindow(0, top, cols, count), strip.astype(np.float64) / frame.z_unit_m + z0

    transform = Affine(*frame.raster_transform(cell_m, corner_m, rows))
    _write(Path(path), (rows, cols), transform, crs, blocks(), cancel or CancelToken())


def write_hag(
    path: str | os.PathLike[str],
    evidence: CloudEvidence,
    frame: MetricFrame,
    crs: pyproj.CRS | None,
    cancel: CancelToken | None = None,
) -> None:
    """Write the greatest height above ground of each cell of the evidence, in metres; cells without a point have no data.

    Raises TargetProblem, DiskProblem, Cancelled.
    """

    def blocks() -> Iterator[Block]:
        for top in range(0, evidence.rows, _STRIP):
            count = min(_STRIP, evidence.rows - top)
            window = Window(evidence.rows - top - count, 0, count, evidence.cols)
            values = evidence.layers(("above_ground",), window)["above_ground"][::-1]
            yield FileWindow(0, top, evidence.cols, count), values

    corner_m = (evidence.x0_m, evidence.y0_m)
    transform = Affine(*frame.raster_transform(evidence.cell_m, corner_m, evidence.rows))
    shape = (evidence.rows, evidence.cols)
    _write(Path(path), shape, transform, crs, blocks(), cancel or CancelToken())


def _write(
    target: Path,
    shape: tuple[int, int],
    transform: Affine,
    crs: pyproj.CRS | None,
    blocks: Iterator[Block],
    cancel: CancelToken,
) -> None:
    check_raster_target(target)
    flat = None if crs is None else rasterio.crs.CRS.from_wkt(horizontal(crs).to_wkt())
    profile = {
        "driver": "GTiff",
        "height": shape[0],
        "width": shape[1],
        "count": 1,
        "dtype": "float32",
        "nodata": NODATA,
        "crs": flat,
        "transform": transform,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "predictor": 3,
        "bigtiff": "if_safer",
    }
    with replacing(target) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(temporary, "w", **profile) as dataset:
                for window, values in blocks:
                    cancel.check()
                    known = np.where(np.isfinite(values), values, NODATA).astype(np.float32)
                    dataset.write(known, 1, window=window)
            _verify(temporary, target, cancel)
        except RasterioError as error:
            raise explain(target, error) from error


def _verify(temporary: Path, target: Path, cancel: CancelToken) -> None:
    """Read every block back: what a full disk swallowed shows only then."""
    try:
        with rasterio.open(temporary) as dataset:
            for _, window in dataset.block_windows(1):
                cancel.check()
                dataset.read(1, window=window)
    except RasterioError as error:
        raise explain(target, error) from error
