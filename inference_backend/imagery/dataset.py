"""Opening a raster file: why it cannot be, which bands to look at, where it lies."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from affine import Affine
from pyproj.exceptions import CRSError
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import from_gcps

from inference_backend.errors import InvalidInput
from inference_backend.imagery.damage import check_length
from inference_backend.imagery.ground import horizontal

_POINT_CLOUDS = (".las", ".laz", ".copc", ".ept", ".e57", ".ply")


def open_dataset(name: str) -> rasterio.DatasetReader:
    """The dataset of a path or GDAL name, with at least one band. Raises InvalidInput."""
    if name.lower().endswith(_POINT_CLOUDS):
        raise InvalidInput(
            f"'{name}' is a point cloud, and this version segments rasters; give a raster."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(name)
    except (RasterioError, OSError, ValueError, TypeError) as error:
        raise InvalidInput(_why_not(name), detail=str(error)) from error
    if dataset.count == 0:
        inner = dataset.subdatasets
        dataset.close()
        hint = f"name one of its parts, for example {inner[0]}" if inner else "choose another file"
        raise InvalidInput(f"'{name}' has no raster band; {hint}.")
    try:
        check_length(dataset)
    except InvalidInput:
        dataset.close()
        raise
    return dataset


def _why_not(name: str) -> str:
    path = Path(name)
    if not name:
        return "The raster has no name; give a raster file."
    try:
        if path.is_dir():
            return f"'{name}' is a folder; give a raster file in it."
        if path.is_file():
            if path.stat().st_size == 0:
                return f"'{name}' is empty; copy or export it again."
            if not os.access(path, os.R_OK):
                return f"'{name}' may not be read by you; change its permissions."
            return f"'{name}' cannot be read as a raster: it is damaged, incomplete or of a format that GDAL lacks."
    except (OSError, ValueError):
        return f"'{name}' cannot be opened; check the path."
    return f"'{name}' does not exist; check the path."


def choose_bands(
    dataset: rasterio.DatasetReader, wish: Sequence[int] | None
) -> tuple[int, int, int]:
    """Red, green and blue, 1-based: those asked for, else by colour roles, else the first three or grey."""
    if wish is not None:
        chosen = [int(band) for band in wish]
        if len(chosen) == 1:
            chosen *= 3
        if len(chosen) != 3:
            raise InvalidInput(f"Give one band or three, not {len(chosen)}.")
        outside = [band for band in chosen if not 1 <= band <= dataset.count]
        if outside:
            raise InvalidInput(
                f"'{dataset.name}' has no band {outside[0]}; its bands are 1 to {dataset.count}."
            )
    else:
        chosen = _default_bands(dataset)
    if any(np.dtype(dataset.dtypes[band - 1]).kind == "c" for band in chosen):
        raise InvalidInput(
            f"'{dataset.name}' holds complex numbers; convert it to amplitudes first."
        )
    red, green, blue = chosen
    return red, green, blue


def _default_bands(dataset: rasterio.DatasetReader) -> list[int]:
    roles = {role: band for band, role in reversed(list(enumerate(dataset.colorinterp, 1)))}
    colours = [roles.get(role) for role in (ColorInterp.red, ColorInterp.green, ColorInterp.blue)]
    if None not in colours:
        return [int(band) for band in colours if band is not None]
    plain = [band for band, role in enumerate(dataset.colorinterp, 1) if role != ColorInterp.alpha]
    return plain[:3] if len(plain) >= 3 else [(plain or [1])[0]] * 3


def georeference(dataset: rasterio.DatasetReader) -> tuple[Affine, pyproj.CRS | None]:
    """Pixel frame to source frame (the identity where unknown), and the CRS, maybe from ground control points."""
    transform, crs = dataset.transform, dataset.crs
    if transform.is_identity:
        points, points_crs = dataset.gcps
        if len(points) >= 3:
            transform, crs = from_gcps(points), points_crs or crs
    if transform.determinant == 0 or not np.isfinite(tuple(transform)[:6]).all():
        raise InvalidInput(
            f"'{dataset.name}' has a geotransform that maps it to no area; georeference it again."
        )
    return transform, parse_crs(crs.to_wkt() if crs else None)


def parse_crs(wkt: str | None) -> pyproj.CRS | None:
    """The horizontal CRS of a WKT, None for none. Raises InvalidInput."""
    if not wkt:
        return None
    try:
        return horizontal(pyproj.CRS.from_user_input(wkt))
    except CRSError as error:
        raise InvalidInput(
            "The source's CRS cannot be understood; assign it again.", detail=str(error)
        ) from error
