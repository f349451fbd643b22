"""Single trees in a canopy: tops that nothing near them overtops, and the crown round each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from scipy import ndimage
from shapely import Point, Polygon
from skimage.segmentation import watershed

from inference_backend.cancel import CancelToken
from inference_backend.vector.cloud_rasters import CloudEvidence, Window
from inference_backend.vector.contour import polygonize
from inference_backend.vector.panels import PANEL_CELLS
from inference_backend.vector.simplify import simplify

LEAST_HEIGHT_M = 2.5
# A taller tree has a wider crown: nothing within this radius is higher than a top.
_RADIUS_M = 1.2
_RADIUS_PER_M = 0.07
_WIDEST_M = 4.0
_SMOOTH_M = 0.6
# A crown ends where the canopy is lower than this share of its top.
_CROWN_SHARE = 0.35
_LEAST_CROWN_M2 = 2.0
_TREE_SHARE = 0.35
# No crown reaches further from its top; it is also what a window must see beyond its edge.
_REACH_M = 12.0
_WINDOW_CELLS = 2 * PANEL_CELLS


@dataclass(frozen=True)
class Tree:
    """A top in the metric frame, its height above ground, and its crown. `ground_m` is a height of the metric frame."""

    top: Point
    crown: Polygon
    height_m: float
    height_med_m: float
    ground_m: float
    score: float
    n_points: int


def find_trees(
    evidence: CloudEvidence, cancel: CancelToken, progress: Callable[[float], None] | None = None
) -> Iterator[Tree]:
    """Trees of the whole cloud, from the lowest row up; each belongs to the window its top lies in."""
    windows = _windows(evidence)
    for number, window in enumerate(windows):
        cancel.check()
        yield from _window(evidence, window)
        if progress is not None:
            progress((number + 1) / len(windows))


def _windows(evidence: CloudEvidence) -> list[Window]:
    places = {
        (row, col)
        for window in evidence.occupied()
        for row in range(
            window.row // _WINDOW_CELLS, (window.row + window.rows - 1) // _WINDOW_CELLS + 1
        )
        for col in range(
            window.col // _WINDOW_CELLS, (window.col + window.cols - 1) // _WINDOW_CELLS + 1
        )
    }
    return [
        Window(
            row * _WINDOW_CELLS,
            col * _WINDOW_CELLS,
            min(_WINDOW_CELLS, evidence.rows - row * _WINDOW_CELLS),
            min(_WINDOW_CELLS, evidence.cols - col * _WINDOW_CELLS),
        )
        for row, col in sorted(places)
    ]


def _window(evidence: CloudEvidence, window: Window) -> Iterator[Tree]:
    cell_m = evidence.cell_m
    halo = int(np.ceil(2 * _REACH_M / cell_m))
    wide = window.grown(halo)
    layers = evidence.layers(("canopy", "tree_sum", "tree_count", "roof_count"), wide)
    # A few points of a roof that were taken for a tree are none.
    trees, roofs = (
        ndimage.gaussian_filter(layers[name], 1.0) for name in ("tree_count", "roof_count")
    )
    seen = np.isfinite(layers["canopy"]) & (trees > _TREE_SHARE * (trees + roofs))
    if not seen.any():
        return
    ground = _ground(evidence, wide)
    canopy = np.where(seen, layers["canopy"] - ground, 0.0)
    height = smooth_canopy(canopy, seen, cell_m)
    rows, cols = tops(height, cell_m)
    crowns = grow_crowns(height, rows, cols, cell_m)
    boxes = ndimage.find_objects(crowns)
    for number, (row, col) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True), start=1):
        if not (0 <= row - halo < window.rows and 0 <= col - halo < window.cols):
            continue
        box = boxes[number - 1]
        if box is None:
            continue
        own = crowns[box] == number
        polygon = _crown(own, box, wide, evidence)
        if polygon is None:
            continue
        near = canopy[max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2]
        count = float(layers["tree_count"][box][own].sum())
        yield Tree(
            Point(
                evidence.x0_m + (wide.col + col + 0.5) * cell_m,
                evidence.y0_m + (wide.row + row + 0.5) * cell_m,
            ),
            polygon,
            float(near.max()),
            float(np.median(canopy[box][own & seen[box]]))
            if (own & seen[box]).any()
            else float(near.max()),
            float(ground[row, col]) + evidence.base_z_m,
            min(float(layers["tree_sum"][box][own].sum()) / max(count, 1.0), 1.0),
            round(count),
        )


def _ground(evidence: CloudEvidence, window: Window) -> np.ndarray:
    """Ground above `base_z_m`; where no point fell, that of the nearest cell."""
    ground = evidence.ground_m(window) - evidence.base_z_m
    known = np.isfinite(ground)
    if known.all():
        return ground
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return ground[tuple(nearest)]


def smooth_canopy(canopy_m: np.ndarray, seen: np.ndarray, cell_m: float) -> np.ndarray:
    """Height of the canopy (rows, cols) float32 without the pits between single leaves; 0 where there is none."""
    closed = ndimage.grey_closing(np.where(seen, canopy_m, 0.0), size=(3, 3))
    smooth = ndimage.gaussian_filter(closed.astype(np.float32), _SMOOTH_M / cell_m)
    weight = ndimage.gaussian_filter((closed > 0).astype(np.float32), _SMOOTH_M / cell_m)
    return np.where(weight > 0.4, smooth / np.maximum(weight, 0.4), 0.0).astype(np.float32)


def tops(height_m: np.ndarray, cell_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(rows, cols) of the cells that nothing within a radius, which grows with height, is higher than."""
    is_peak = (height_m >= LEAST_HEIGHT_M) & (height_m == ndimage.maximum_filter(height_m, 3))
    rows, cols = np.nonzero(is_peak)
    radius = np.minimum(_RADIUS_M + _RADIUS_PER_M * height_m[rows, cols], _WIDEST_M) / cell_m
    steps = np.maximum(1, np.rint(radius)).astype(int)
    kept = np.zeros(len(rows), bool)
    for reach in np.unique(steps).tolist():
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        highest = ndimage.maximum_filter(height_m, footprint=x * x + y * y <= reach * reach)
        here = steps == reach
        kept[here] = height_m[rows[here], cols[here]] >= highest[rows[here], cols[here]]
    return _one_a_plateau(rows[kept], cols[kept])


def _one_a_plateau(rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal neighbours are one top: the first of them."""
    kept: dict[tuple[int, int], None] = {}
    for row, col in zip(rows.tolist(), cols.tolist(), strict=True):
        near = ((row + dr, col + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1))
        if not any(place in kept for place in near):
            kept[row, col] = None
    found = np.array(list(kept), int).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def grow_crowns(
    height_m: np.ndarray, rows: np.ndarray, cols: np.ndarray, cell_m: float
) -> np.ndarray:
    """Labels int32 (rows, cols): 1 to n in the order of the tops, 0 outside of all crowns."""
    seeds = np.zeros(height_m.shape, np.int32)
    seeds[rows, cols] = np.arange(1, len(rows) + 1)
    grown = watershed(-height_m, seeds, mask=height_m >= LEAST_HEIGHT_M * 0.8)
    own_top = np.concatenate([[0.0], height_m[rows, cols]])[grown]
    y, x = np.indices(height_m.shape, sparse=True)
    top_row, top_col = np.concatenate([[0], rows])[grown], np.concatenate([[0], cols])[grown]
    far = (y - top_row) ** 2 + (x - top_col) ** 2 > (_REACH_M / cell_m) ** 2
    return np.where((height_m < _CROWN_SHARE * own_top) | far, 0, grown).astype(np.int32)


def _crown(
    own: np.ndarray, box: tuple[slice, slice], wide: Window, evidence: CloudEvidence
) -> Polygon | None:
    """The outline of one label, smoothed; None where it is too small."""
    # Blurred labels never both exceed a half: neighbouring crowns do not overlap.
    soft = ndimage.gaussian_filter(np.pad(own, 2).astype(np.float32), 0.8)
    parts = shapely.get_parts(polygonize(soft))
    if not len(parts):
        return None
    largest = Polygon(max(parts, key=lambda part: part.area).exterior)
    slim = simplify(largest, 0.4)
    cell_m = evidence.cell_m
    origin = (
        evidence.x0_m + (wide.col + box[1].start - 2) * cell_m,
        evidence.y0_m + (wide.row + box[0].start - 2) * cell_m,
    )
    placed = shapely.transform(slim, lambda xy: xy * cell_m + origin)
    if placed.geom_type != "Polygon" or placed.area < max(_LEAST_CROWN_M2, 2 * cell_m**2):
        return None
    return placed
