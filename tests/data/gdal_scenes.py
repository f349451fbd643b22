"""Small rasters with known rectangles, written with GDAL's own Python, which QGIS brings along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()

# (column, row) of the corners of the two roofs, each of one colour on grey ground.
RED, BLUE = (40, 60, 100, 100), (150, 120, 210, 200)
UTM, UTM_ORIGIN, UTM_GSD = "EPSG:32632", (500_000.0, 5_000_000.0), 0.5
UTM_TRANSFORM = (UTM_ORIGIN[0], UTM_GSD, 0.0, UTM_ORIGIN[1], 0.0, -UTM_GSD)
SIZE = 256


def roofs(dtype: type = np.uint8, scale: int = 1) -> np.ndarray:
    """(3, 256, 256): a red and a blue rectangle on grey."""
    image = np.full((3, SIZE, SIZE), 90 * scale, dtype)
    for (col0, row0, col1, row1), colour in ((RED, (200, 40, 30)), (BLUE, (30, 60, 210))):
        image[:, row0:row1, col0:col1] = (np.array(colour) * scale).astype(dtype)[:, None, None]
    return image


def write(
    path: Path,
    bands: np.ndarray,
    transform: tuple[float, ...] | None = UTM_TRANSFORM,
    crs: str = UTM,
    driver: str = "GTiff",
) -> Path:
    """`bands` (n, rows, cols); `transform` in GDAL's order, None for a plain image."""
    count, rows, cols = bands.shape
    kinds = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "float32": gdal.GDT_Float32}
    options = ["PHOTOMETRIC=RGB"] if driver == "GTiff" and count == 3 else []
    dataset = gdal.GetDriverByName(driver).Create(
        str(path), cols, rows, count, kinds[bands.dtype.name], options
    )
    if transform is not None:
        dataset.SetGeoTransform(transform)
    if crs:
        reference = osr.SpatialReference()
        reference.SetFromUserInput(crs)
        dataset.SetProjection(reference.ExportToWkt())
    for number, band in enumerate(bands, 1):
        dataset.GetRasterBand(number).WriteArray(band)
    dataset.FlushCache()
    return path


def place(col: float, row: float) -> tuple[float, float]:
    """Map position (UTM) of a pixel position."""
    return UTM_ORIGIN[0] + col * UTM_GSD, UTM_ORIGIN[1] - row * UTM_GSD


def middle(rectangle: tuple[int, int, int, int]) -> tuple[float, float]:
    """Pixel position of a rectangle's centre."""
    col0, row0, col1, row1 = rectangle
    return (col0 + col1) / 2, (row0 + row1) / 2


def rectangle_wkt(rectangle: tuple[int, int, int, int]) -> str:
    """The rectangle in UTM."""
    col0, row0, col1, row1 = rectangle
    corners = [
        place(*corner) for corner in ((col0, row0), (col1, row0), (col1, row1), (col0, row1))
    ]
    ring = ", ".join(f"{x} {y}" for x, y in [*corners, corners[0]])
    return f"POLYGON(({ring}))"
