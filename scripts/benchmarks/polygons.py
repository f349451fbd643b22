"""Mask to polygons: our sub-pixel contour beside GDAL's polygonize (through rasterio) plus simplify, with the error of both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import shapely
from affine import Affine
from rasterio.features import shapes
from scipy.spatial import cKDTree

from inference_backend.vector.clean import clean
from inference_backend.vector.contour import polygonize
from scripts.benchmarks.report import Row

_TOLERANCE_PX = 0.5
# The least that takes the stair steps out of what GDAL traces.
_GDAL_TOLERANCE_PX = 1.0


def measure(quick: bool) -> list[Row]:
    """Rows of `Mask to polygons`, on discs whose true outline is known to the last digit."""
    rows = []
    for side, count in ((512, 1), (512, 40), (2048, 400)):
        probability, truth = _discs(side, count)
        runs = 3 if quick else 9
        ours_s, theirs_s, ours, theirs = _in_turns(
            runs, lambda p=probability: _ours(p), lambda p=probability: _gdal(p)
        )
        name = f"{count} object{'s' if count > 1 else ''}, {side} px"
        beside = "GDAL polygonize + simplify 1 px"
        rows += [
            Row(f"outline {name}", 1000 * ours_s, "ms", beside, 1000 * theirs_s),
            Row(
                f"farthest from the true outline, {name}",
                _farthest(ours, truth),
                "px",
                beside,
                _farthest(theirs, truth),
            ),
            Row(
                f"vertices, {name}",
                shapely.get_num_coordinates(ours),
                "",
                beside,
                shapely.get_num_coordinates(theirs),
            ),
        ]
    return rows


def _discs(side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probability (side, side) that falls over two pixels at each disc's edge, and (x, y, radius) of each."""
    rng = np.random.default_rng(count)
    cells = int(np.ceil(np.sqrt(count)))
    pitch = side / cells
    y, x = np.mgrid[:side, :side] + 0.5
    signed = np.full((side, side), -10.0)
    circles = []
    for k in range(count):
        row, column = divmod(k, cells)
        cx, cy = (np.array([column, row]) + 0.5 + rng.uniform(-0.05, 0.05, 2)) * pitch
        radius = pitch * rng.uniform(0.25, 0.38)
        rows, columns = (slice(int(n * pitch), int((n + 1) * pitch) + 1) for n in (row, column))
        near = radius - np.hypot(x[rows, columns] - cx, y[rows, columns] - cy)
        signed[rows, columns] = np.maximum(signed[rows, columns], near)
        circles.append((cx, cy, radius))
    return (1 / (1 + np.exp(-2 * signed))).astype(np.float32), np.array(circles)


def _ours(probability: np.ndarray) -> shapely.Geometry:
    return clean(polygonize(probability), Affine.identity(), _TOLERANCE_PX)


def _gdal(probability: np.ndarray) -> shapely.Geometry:
    mask = (probability > 0.5).astype(np.uint8)
    parts = [
        shapely.geometry.shape(geometry) for geometry, _ in shapes(mask, mask=mask.astype(bool))
    ]
    return shapely.MultiPolygon([part.simplify(_GDAL_TOLERANCE_PX) for part in parts])


def _farthest(geometry: shapely.Geometry, truth: np.ndarray) -> float:
    """Greatest distance (px) of the outline, every fifth of a pixel, from the circle that it belongs to."""
    points = shapely.get_coordinates(shapely.segmentize(geometry.boundary, 0.2))
    _, nearest = cKDTree(truth[:, :2]).query(points)
    centre, radius = truth[nearest, :2], truth[nearest, 2]
    return float(np.abs(np.hypot(*(points - centre).T) - radius).max())


def _in_turns(
    runs: int, ours: Callable[[], shapely.Geometry], theirs: Callable[[], shapely.Geometry]
) -> tuple[float, float, shapely.Geometry, shapely.Geometry]:
    times: tuple[list[float], list[float]] = ([], [])
    found = [ours(), theirs()]
    for _ in range(runs):
        for kept, run in zip(times, (ours, theirs), strict=True):
            began = time.perf_counter()
            run()
            kept.append(time.perf_counter() - began)
    return median(times[0]), median(times[1]), found[0], found[1]
