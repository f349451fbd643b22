"""Truth from classified lidar: an orthophoto tile of Montpellier, its roofs and its trees as the points say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from inference_backend.evaluation.bar_images import (
    IGNORE,
    BarImage,
    BarPrompt,
    BarSet,
    read_photo,
    resampled,
    resampled_mask,
)
from inference_backend.training.neon_canopy import read_points

GSD_M, TREE_GSD_M = 0.2, 0.5
GROUND, HIGH_PLANTS, BUILDING = 2, 5, 6
REACH_M = 0.6
FOLDER, TILE = Path("lidar") / "montpellier", "laz_test_data_77055_627760_LA93_IGN69.laz"


def montpellier_sets(root: Path) -> list[BarSet]:
    """ "trees" and "buildings" on one tile of 50 m: no bars, but truth that no hand drew. Edges do not count."""
    photo = root / FOLDER / "ortho" / "test_data_rgb.tif"
    rgb = read_photo(photo)
    classes = point_classes(root / FOLDER / TILE, photo)
    small = resampled(rgb, GSD_M, TREE_GSD_M)
    trees = resampled_mask(sure_mask(classes, HIGH_PLANTS), small)
    roofs = sure_mask(classes, BUILDING)
    return [
        BarSet(
            "trees by lidar",
            "class_iou",
            None,
            [BarImage("montpellier trees", small, TREE_GSD_M, {"tree": trees})],
            [BarPrompt("trees", "referring", "tree")],
        ),
        BarSet(
            "buildings by lidar",
            "class_iou",
            None,
            [BarImage("montpellier roofs", rgb, GSD_M, {"building": roofs})],
            [BarPrompt("buildings", "referring", "building")],
        ),
    ]


def point_classes(cloud: Path, photo: Path) -> np.ndarray:
    """uint8 (H, W): the class of the nearest point, of the highest where several are as near; 0 where none is in reach."""
    import rasterio.transform

    points = read_points(cloud)
    order = np.argsort(-np.asarray(points.z, float))
    xy = np.stack([np.asarray(points.x, float), np.asarray(points.y, float)], 1)[order]
    labels = np.asarray(points.classification)[order].astype(np.uint8)
    with rasterio.open(photo) as dataset:
        rows, columns = np.mgrid[: dataset.height, : dataset.width]
        xs, ys = rasterio.transform.xy(dataset.transform, rows.ravel(), columns.ravel())
    # What is seen from above is the highest of the points around.
    away, near = cKDTree(xy).query(np.stack([xs, ys], 1), k=4, distance_upper_bound=REACH_M)
    highest = np.where(np.isfinite(away), near, len(labels)).min(1)
    return np.append(labels, 0).astype(np.uint8)[highest].reshape(rows.shape)


def sure_mask(classes: np.ndarray, wanted: int) -> np.ndarray:
    """uint8 (H, W): 1 the class, 0 ground and the other of roofs and trees, IGNORE low plants, the unclassified and edges."""
    kernel = np.ones((5, 5), np.uint8)
    mask = (classes == wanted).astype(np.uint8)
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    unsure = ~np.isin(classes, (GROUND, HIGH_PLANTS, BUILDING)) & (mask == 0)
    edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, kernel) > 0
    return np.where(edge | unsure, IGNORE, mask).astype(np.uint8)
