"""Trees of the NEON plots: heights above ground from the lidar, agreed with the drawn crowns and with the light in the photo."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree  # nosec B405 - files of a set that the trainer chose
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import cKDTree

from inference_backend.errors import ResourceProblem
from inference_backend.training.text_sets import NEVER_INLAND, UNKNOWN, TextImage, leaf_index

if TYPE_CHECKING:
    from laspy import LasData

GSD_M = 0.1
HELD_OUT_SITE = "OSBS"
HELD_OUT_PLOTS = ("TEAK_052", "TEAK_055", "TEAK_058", "TEAK_061")
"""The plots at the north, the south and the east of the Californian site; the Floridan site is held out as a whole."""
TREE_COMPLETE = frozenset(["tree", "building", "road", "vehicle", "car", "water", "pool", "boat"])
TREE_M, GROUND_M = 2.5, 1.5
GROUND_CLASS, NOISE_CLASS = 2, 7


def neon_trees(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Plots of 40 m; a plot without lidar has its crown boxes only, and nothing is known near them."""
    for path in sorted((root / "neon_trees" / "rgb").glob("*.tif")):
        plot = path.stem
        if (plot.startswith(HELD_OUT_SITE) or plot in HELD_OUT_PLOTS) != held_out:
            continue
        rgb = _read_tiff(path)
        crowns = crown_boxes(root / "neon_trees" / "annotations" / f"{plot}.xml")
        cloud = root / "neon_trees" / "lidar" / f"{plot}.laz"
        heights = canopy_heights(cloud, path) if cloud.is_file() else None
        yield TextImage(
            rgb,
            tree_leaves(rgb, crowns, heights),
            GSD_M,
            f"neon/{plot}",
            complete=TREE_COMPLETE | NEVER_INLAND,
        )


def _read_tiff(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as dataset:
        return np.ascontiguousarray(dataset.read([1, 2, 3]).transpose(1, 2, 0))


def crown_boxes(path: Path) -> np.ndarray:
    """float (N, 4) of x0, y0, x1, y1 in pixels."""
    tree = ElementTree.parse(path)  # nosec B314 - see above
    names = ("xmin", "ymin", "xmax", "ymax")
    boxes = [[float(box.findtext(n, "0")) for n in names] for box in tree.iter("bndbox")]
    return np.array(boxes, float).reshape(-1, 4)


def read_points(cloud: Path) -> LasData:
    """The points of a LAS or LAZ file. Raises ResourceProblem where the reader is not installed."""
    try:
        import laspy
    except ImportError as error:
        raise ResourceProblem(
            "Lidar plots need the package laspy with lazrs; install 'laspy[lazrs]' beside the backend.",
            str(error),
        ) from error
    return laspy.read(cloud)


def canopy_heights(cloud: Path, photo: Path) -> np.ndarray:
    """float32 (H, W) on the photo's grid: the highest return within 0.4 m, above the median ground near it; metres."""
    import rasterio.transform

    points = read_points(cloud)
    kept = np.asarray(points.classification) != NOISE_CLASS
    xyz = np.stack([np.asarray(points[axis], float) for axis in "xyz"], 1)[kept]
    ground = xyz[np.asarray(points.classification)[kept] == GROUND_CLASS]
    _, near = cKDTree(ground[:, :2]).query(xyz[:, :2], k=6)
    above = xyz[:, 2] - np.median(ground[near, 2], 1)
    with rasterio.open(photo) as dataset:
        rows, columns = rasterio.transform.rowcol(dataset.transform, xyz[:, 0], xyz[:, 1])
        heights = np.zeros(dataset.shape, np.float32)
    columns, rows = np.asarray(columns, int), np.asarray(rows, int)
    inside = (columns >= 0) & (columns < heights.shape[1]) & (rows >= 0) & (rows < heights.shape[0])
    np.maximum.at(heights, (rows[inside], columns[inside]), above[inside])
    return cv2.dilate(heights, _disc(0.4))


def tree_leaves(rgb: np.ndarray, crowns: np.ndarray, heights: np.ndarray | None) -> np.ndarray:
    """uint8 (H, W): tree where it is high and lit or boxed, other where all is low, unknown between.

    The photo shows crowns leaning and their shadows, which the heights do not: both are left unknown.
    """
    boxed = np.zeros(rgb.shape[:2], np.uint8)
    hearts = np.zeros(rgb.shape[:2], np.uint8)
    for x0, y0, x1, y1 in np.round(crowns).astype(int):
        cv2.rectangle(boxed, (x0, y0), (x1 - 1, y1 - 1), 1, cv2.FILLED)
        centre, half = (
            ((x0 + x1) // 2, (y0 + y1) // 2),
            (int((x1 - x0) * 0.45), int((y1 - y0) * 0.45)),
        )
        cv2.ellipse(hearts, centre, half, 0, 0, 360, 1, cv2.FILLED)
    lit = cv2.GaussianBlur(rgb, (0, 0), 3).max(2) > 95
    near_box = cv2.dilate(boxed, _disc(0.8)) > 0
    if heights is None:
        tree, low = (hearts > 0) & lit, ~(cv2.dilate(boxed, _disc(1.5)) > 0)
    else:
        high = cv2.morphologyEx((heights > TREE_M).astype(np.uint8), cv2.MORPH_CLOSE, _disc(0.4))
        deep = cv2.erode(high, _disc(0.5)) > 0
        tree = ((hearts > 0) & (high > 0)) | (deep & lit & _leafy(rgb))
        low = (cv2.dilate((heights > GROUND_M).astype(np.uint8), _disc(0.4)) == 0) & ~near_box
    leaves = np.full(rgb.shape[:2], UNKNOWN, np.uint8)
    leaves[low] = leaf_index("other")
    leaves[tree] = leaf_index("tree")
    return leaves


def _leafy(rgb: np.ndarray) -> np.ndarray:
    """bool (H, W): greener than the red earth and the white logs of these plots."""
    soft = cv2.GaussianBlur(rgb, (0, 0), 4).astype(np.float32)
    return soft[..., 1] * 2 - soft[..., 0] - soft[..., 2] > 8


def _disc(radius_m: float) -> np.ndarray:
    size = 2 * round(radius_m / GSD_M) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
