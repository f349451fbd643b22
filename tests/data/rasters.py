"""Small rasters with known shapes, made with a seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

UTM = "EPSG:32632"
UTM_GRID = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
# (col0, row0, col1, row1) and colour of the two rectangles of `two_roofs`.
RED_ROOF, BLUE_ROOF = (40, 60, 100, 100), (150, 120, 210, 200)


def two_roofs(size: tuple[int, int] = (256, 256)) -> np.ndarray:
    """uint8 (3, rows, cols): a red and a blue rectangle on textured ground."""
    rng = np.random.default_rng(7)
    image = np.full((3, *size), 90, np.uint8) + rng.integers(0, 9, (3, *size), dtype=np.uint8)
    for (col0, row0, col1, row1), colour in ((RED_ROOF, (200, 40, 30)), (BLUE_ROOF, (30, 60, 210))):
        image[:, row0:row1, col0:col1] = np.array(colour, np.uint8)[:, None, None]
    return image


def write_tif(
    path: Path,
    bands: np.ndarray,
    transform: Affine | None = UTM_GRID,
    crs: str | None = UTM,
    **profile: Any,
) -> Path:
    """`bands` (n, rows, cols) as GeoTIFF; extra members go to the profile."""
    count, rows, cols = bands.shape
    place = {} if transform is None else {"transform": transform}
    settings = {"driver": "GTiff", "count": count, "height": rows, "width": cols}
    settings |= {"dtype": bands.dtype.name, "crs": crs} | place | profile
    with rasterio.open(path, "w", **settings) as dataset:
        dataset.write(bands)
    return path


def write_gcps(path: Path, bands: np.ndarray, transform: Affine, crs: str) -> Path:
    """A raster that is placed by ground control points only."""
    _, rows, cols = bands.shape
    corners = ((0, 0), (cols, 0), (cols, rows), (0, rows))
    points = [
        GroundControlPoint(
            row=row, col=col, x=(transform * (col, row))[0], y=(transform * (col, row))[1]
        )
        for col, row in corners
    ]
    write_tif(path, bands, None, None)
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = (points, rasterio.crs.CRS.from_user_input(crs))
    return path


def write_geojson(
    path: Path, features: Sequence[tuple[dict[str, Any] | None, dict[str, Any]]], **members: Any
) -> Path:
    """Features of (geometry, properties); extra members, such as `crs`, go to the collection."""
    records = [{"type": "Feature", "properties": p, "geometry": g} for g, p in features]
    document = {"type": "FeatureCollection", "features": records, **members}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


def box(x0: float, y0: float, x1: float, y1: float) -> dict[str, Any]:
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    return {"type": "Polygon", "coordinates": [ring]}


def named_crs(name: str) -> dict[str, Any]:
    """The `crs` member of GeoJSON from before RFC 7946."""
    return {"type": "name", "properties": {"name": name}}
