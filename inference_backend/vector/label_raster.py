"""Outlines to a label raster on the source's grid, by windows, so that its size does not matter."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import rasterize
from rasterio.windows import Window
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.imagery.ground import Georeferenced
from inference_backend.vector.write import TargetProblem, check_writable, explain, replacing

_TILE_PX = 512
_LARGEST = 2**32 - 1


def check_label_target(path: str | os.PathLike[str]) -> None:
    """Raise TargetProblem, before any work is done, where no label raster can be written."""
    target = Path(path)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise TargetProblem(f"The mask '{target.name}' is a GeoTIFF; end its name with .tif.")
    check_writable(target)


def label_values(object_ids: Sequence[int | str]) -> list[int]:
    """What stands for each object: its own number where all have one from 1 up, else 1, 2, 3 in order."""
    own = [value for value in object_ids if isinstance(value, int) and 0 < value <= _LARGEST]
    return own if len(own) == len(object_ids) else list(range(1, len(object_ids) + 1))


def write_labels(
    path: str | os.PathLike[str],
    grid: Georeferenced,
    labelled: Sequence[tuple[BaseGeometry, int]],
    cancel: CancelToken | None = None,
) -> None:
    """Write polygons (source frame) with their values; a later one covers an earlier one. 0 is no object.

    Compressed GeoTIFF of the smallest unsigned type; tiles without an object take no space. Raises
    TargetProblem, DiskProblem, Cancelled.
    """
    target = Path(path)
    check_label_target(target)
    inverse = ~grid.transform
    order = [inverse.a, inverse.b, inverse.d, inverse.e, inverse.c, inverse.f]
    shapes = [(affine_transform(geometry, order), value) for geometry, value in labelled]
    dtype = np.min_scalar_type(max((value for _, value in shapes), default=1)).name
    with replacing(target) as temporary:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                _write_tiles(temporary, grid, shapes, dtype, cancel)
                _verify(temporary, grid, shapes)
        except RasterioError as error:
            raise explain(target, error) from error


def _write_tiles(
    path: Path,
    grid: Georeferenced,
    shapes: Sequence[tuple[BaseGeometry, int]],
    dtype: str,
    cancel: CancelToken | None,
) -> None:
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": 1,
        "dtype": dtype,
        "nodata": 0,
        "crs": None if grid.crs is None else rasterio.crs.CRS.from_wkt(grid.crs.to_wkt()),
        "tiled": True,
        "blockxsize": _TILE_PX,
        "blockysize": _TILE_PX,
        "compress": "deflate",
        "sparse_ok": True,
        "bigtiff": "if_safer",
    }
    if not grid.transform.is_identity:
        profile["transform"] = grid.transform
    with rasterio.open(path, "w", **profile) as dataset:
        for window, labels in _tiles(grid, shapes, dtype):
            if cancel is not None:
                cancel.check()
            dataset.write(labels, 1, window=window)


def _tiles(
    grid: Georeferenced, shapes: Sequence[tuple[BaseGeometry, int]], dtype: str
) -> Iterator[tuple[Window, np.ndarray]]:
    """The windows that an object touches, row by row, with their labels."""
    tree = shapely.STRtree([geometry for geometry, _ in shapes])
    for row in range(0, grid.height, _TILE_PX):
        rows = min(_TILE_PX, grid.height - row)
        if not len(tree.query(shapely.box(0, row, grid.width, row + rows))):
            continue
        for col in range(0, grid.width, _TILE_PX):
            cols = min(_TILE_PX, grid.width - col)
            touched = sorted(tree.query(shapely.box(col, row, col + cols, row + rows)))
            if not touched:
                continue
            window = Window(col, row, cols, rows)
            labels = rasterize(
                [shapes[index] for index in touched],
                out_shape=(rows, cols),
                transform=rasterio.Affine.translation(col, row),
                dtype=dtype,
            )
            yield window, labels


def _verify(path: Path, grid: Georeferenced, shapes: Sequence[tuple[BaseGeometry, int]]) -> None:
    """Read the written tiles back: what a full disk swallowed shows only then."""
    with rasterio.open(path) as dataset:
        for window, labels in _tiles(grid, shapes, dataset.dtypes[0]):
            if not np.array_equal(dataset.read(1, window=window), labels):
                raise explain(path.parent.parent / path.name, OSError("labels were lost"))
