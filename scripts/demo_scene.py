"""The demo's own raster: a generated suburb with exact truth, and prompts as a user would give them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from shapely.affinity import affine_transform
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from inference_backend.evaluation.metrics import centre_click
from inference_backend.training.scenes import Scene, make_scene, make_truth_polygons

SEED, SIZE_PX, GSD_M = 9010, 1280, 0.2
# What the demo asks of its scene.
WORDS = "buildings with a red roof larger than 100 m²"
CRS = "EPSG:32631"
TRANSFORM = Affine(GSD_M, 0, 448_000, 0, -GSD_M, 5_412_000)
TRUTH_CLASSES = ("building", "solar array", "pool", "car", "tree")
# How each demo object is prompted; "corrected" is a click, a click that removes beside it, and another that adds.
PLAN = (
    ("building", "click"),
    ("building", "click"),
    ("building", "corrected"),
    ("building", "corrected"),
    ("building", "box"),
    ("building", "box"),
    ("building", "scribble"),
    ("building", "lasso"),
    ("solar array", "box"),
    ("pool", "click"),
)
_LEAST_M2 = {"building": 70, "solar array": 12, "pool": 15}
_APART_PX = 70


@dataclass(frozen=True)
class SceneFiles:
    """What `write_scene` leaves."""

    raster: Path
    prompts: Path
    truth: Path


def write_scene(folder: Path, seed: int = SEED, size_px: int = SIZE_PX) -> SceneFiles:
    """scene.tif, prompts.geojson and truth.gpkg in `folder`."""
    scene = make_scene(seed, size_px, GSD_M, "suburb")
    files = SceneFiles(folder / "scene.tif", folder / "prompts.geojson", folder / "truth.gpkg")
    _write_raster(files.raster, scene.rgb)
    truth = make_truth_polygons(scene, TRUTH_CLASSES)
    chosen = _choose(scene, truth)
    numbers = {row["object"]: number for number, (row, _) in enumerate(chosen, 1)}
    _frame([_truth_row(row, numbers) for row in truth]).to_file(
        files.truth, layer="truth", driver="GPKG"
    )
    prompts = [
        {"object": number, "class": row["class"], "label": label, "geometry": geometry}
        for number, (row, way) in enumerate(chosen, 1)
        for geometry, label in _prompts(scene.instances == row["object"], way)
    ]
    _frame(prompts).to_file(files.prompts, driver="GeoJSON")
    return files


def _write_raster(path: Path, rgb: np.ndarray) -> None:
    height, width = rgb.shape[:2]
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=3, dtype="uint8", crs=CRS, transform=TRANSFORM,
        photometric="RGB", compress="deflate", predictor=2, tiled=True, blockxsize=256, blockysize=256,
    ) as out:  # fmt: skip
        out.write(np.moveaxis(rgb, 2, 0))


def _frame(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    """Rows in pixels as a table in the scene's CRS."""
    moved = [{**row, "geometry": _to_ground(row["geometry"])} for row in rows]
    return gpd.GeoDataFrame(moved, geometry="geometry", crs=CRS)


def _to_ground(geometry: BaseGeometry) -> BaseGeometry:
    t = TRANSFORM
    return affine_transform(geometry, [t.a, t.b, t.d, t.e, t.c, t.f])


def _truth_row(row: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    return {
        "truth_id": row["object"],
        "object": numbers.get(row["object"]),
        "class": row["class"],
        "colour": row.get("colour", ""),
        "roof": row.get("roof", ""),
        "area_m2": row["area_m2"],
        "geometry": row["geometry"],
    }


def _choose(scene: Scene, truth: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """An object for each line of the plan: whole, in the middle of the scene, apart from the others."""
    middle, reach = scene.rgb.shape[0] / 2, scene.rgb.shape[0] * 0.31
    # A roof with an array on it is two objects; which of them a click means is the user's secret.
    covered = {row.get("on_building") for row in truth}
    free = [row for row in truth if row["object"] not in covered and _is_plain(row, middle, reach)]
    chosen: list[tuple[dict[str, Any], str]] = []
    for name, way in PLAN:
        for row in free:
            fits = row["class"] == name and row["area_m2"] >= _LEAST_M2[name]
            winding = row.get("shape") in ("L", "T", "U", "Z")
            if fits and (way != "corrected" or winding) and _is_apart(row, chosen):
                chosen.append((row, way))
                break
    return chosen


def _is_plain(row: dict[str, Any], middle: float, reach: float) -> bool:
    geometry = row["geometry"]
    centre = geometry.centroid
    inside = abs(centre.x - middle) < reach and abs(centre.y - middle) < reach
    return (
        not row["at_edge"] and inside and geometry.geom_type == "Polygon" and not geometry.interiors
    )


def _is_apart(row: dict[str, Any], chosen: list[tuple[dict[str, Any], str]]) -> bool:
    centre = row["geometry"].centroid
    return all(centre.distance(other["geometry"].centroid) > _APART_PX for other, _ in chosen)


def _prompts(mask: np.ndarray, way: str) -> list[tuple[BaseGeometry, int]]:
    """Geometries in pixels with their labels, in the order a user gives them."""
    centre = _click(mask)
    if way == "click":
        return [(centre, 1)]
    if way == "box":
        rows, cols = np.nonzero(mask)
        return [(box(cols.min() - 1, rows.min() - 1, cols.max() + 2, rows.max() + 2), 1)]
    if way == "corrected":
        elsewhere = mask & ~_disc(mask.shape, centre, 0.45 * np.sqrt(mask.sum()))
        ring = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
        grown = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        return [(centre, 1), (_click(ring & ~grown), 0), (_click(elsewhere), 1)]
    if way == "scribble":
        return [(_scribble(mask), 1)]
    rings, _ = cv2.findContours(
        cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)),
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE,
    )
    ring = cv2.approxPolyDP(max(rings, key=cv2.contourArea), 2.0, True)[:, 0] + 0.5
    return [(Polygon(ring), 1)]


def _click(mask: np.ndarray) -> Point:
    click = centre_click(mask)
    return Point(click.x, click.y)


def _disc(shape: tuple[int, ...], centre: Point, radius: float) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(x + 0.5 - centre.x, y + 0.5 - centre.y) <= radius


def _scribble(mask: np.ndarray) -> LineString:
    """A wavy line along the object's long axis, over the middle half of it."""
    rows, cols = np.nonzero(mask)
    xy = np.stack([cols, rows], 1) + 0.5
    centre = xy.mean(0)
    _, spread, axes = np.linalg.svd(xy - centre, full_matrices=False)
    along, across = axes[0], axes[1]
    half = spread[0] / np.sqrt(len(xy))
    at = np.linspace(-half, half, 7)
    wave = 0.15 * half * np.sin(np.linspace(0, 2 * np.pi, 7))
    return LineString(centre + at[:, None] * along + wave[:, None] * across)
