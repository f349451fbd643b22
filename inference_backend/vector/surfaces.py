"""Water and roads: what the points near the ground say, smoothed, without specks; gaps in water without an echo are water."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from scipy import ndimage
from shapely import Polygon

from inference_backend.cancel import CancelToken
from inference_backend.vector.cell_areas import cell_areas, cells_in, window_of
from inference_backend.vector.clean import drop_specks, drop_spurs, polygonal
from inference_backend.vector.cloud_rasters import CloudEvidence, Window
from inference_backend.vector.simplify import simplify


@dataclass(frozen=True)
class SurfaceRules:
    """How one kind of surface is drawn, in metres: smoothing, how far it reaches into cells without points, least sizes."""

    kind: str
    smooth_m: float
    reach_m: float
    least_m2: float
    least_hole_m2: float
    least_width_m: float


WATER = SurfaceRules("water", 1.0, 4.0, 25.0, 25.0, 1.5)
ROAD = SurfaceRules("road", 1.0, 1.0, 40.0, 15.0, 2.0)
RULES = {rules.kind: rules for rules in (WATER, ROAD)}
# Points' worth of a guess "something else" in every cell, and under roofs and crowns, where hardly a point reached the ground.
_NOTHING = 1e-3
_HARDLY_A_POINT = 0.5
# A hole in water with fewer points a cell than this is water that gave no echo.
_ECHOLESS = 0.1
# Outlines keep to this many cells of what the points show.
_TOLERANCE_CELLS = 0.7
_LARGEST_HOLE_CELLS = 4096


@dataclass(frozen=True)
class Surface:
    """An area of one kind in the metric frame; `ground_m` is its median height there, None where no point fell."""

    polygon: Polygon
    score: float
    ground_m: float | None
    n_points: int


def find_surfaces(
    evidence: CloudEvidence,
    rules: SurfaceRules,
    cancel: CancelToken,
    progress: Callable[[float], None] | None = None,
) -> list[Surface]:
    """All areas of one kind."""
    least_m2 = max(rules.least_m2, 4 * evidence.cell_m**2)
    found = []
    for area in cell_areas(evidence, lambda w: _share(evidence, rules, w), cancel, least_m2):
        cancel.check()
        for polygon in _drawn(evidence, rules, area.polygon, least_m2):
            found.append(_measured(evidence, polygon, area.mean))
        if progress is not None:
            progress(min(1.0, area.polygon.bounds[3] / max(evidence.rows * evidence.cell_m, 1e-9)))
    return found


def _share(evidence: CloudEvidence, rules: SurfaceRules, window: Window) -> np.ndarray:
    cell_m = evidence.cell_m
    halo = int(np.ceil(4 * max(rules.smooth_m, rules.reach_m) / cell_m)) + 2
    layers = evidence.layers((rules.kind, "near_ground", "count"), window.grown(halo))
    if not layers[rules.kind].any():
        return np.zeros((window.rows, window.cols), np.float32)
    share = surface_share(layers[rules.kind], layers["near_ground"], layers["count"], rules, cell_m)
    return share[halo:-halo, halo:-halo]


def surface_share(
    summed: np.ndarray, low: np.ndarray, count: np.ndarray, rules: SurfaceRules, cell_m: float
) -> np.ndarray:
    """Share (rows, cols) float32 from 0 to 1 of a surface.

    `summed` is its probability over the `low` points of each cell, those near the ground; `count` are all its points.
    """
    sigma = max(rules.smooth_m / cell_m, 0.7)
    share = _ratio(summed, low, sigma, _HARDLY_A_POINT)
    if rules.reach_m > rules.smooth_m:
        bare = ndimage.gaussian_filter(count.astype(np.float32), sigma) < _HARDLY_A_POINT
        wide = _ratio(summed, low, rules.reach_m / cell_m, 0.0)
        share = np.where(bare, wide, share)
    return share.astype(np.float32)


def _ratio(summed: np.ndarray, count: np.ndarray, sigma: float, least: float) -> np.ndarray:
    """Smoothed share; where fewer than `least` points lie around, what lacks counts as something else."""
    above = ndimage.gaussian_filter(summed.astype(np.float32), sigma, truncate=4.0)
    below = ndimage.gaussian_filter(count.astype(np.float32), sigma, truncate=4.0)
    return above / (below + np.maximum(_NOTHING, least - below))


def _drawn(
    evidence: CloudEvidence, rules: SurfaceRules, polygon: Polygon, least_m2: float
) -> list[Polygon]:
    kept = [
        hole
        for hole in polygon.interiors
        if Polygon(hole).area >= rules.least_hole_m2
        and not (rules.kind == "water" and _is_echoless(evidence, Polygon(hole)))
    ]
    shape = simplify(Polygon(polygon.exterior, kept), _TOLERANCE_CELLS * evidence.cell_m)
    shape = polygonal(drop_spurs(shape, max(rules.least_width_m, evidence.cell_m)))
    shape = drop_specks(shape, least_m2, rules.least_hole_m2)
    return [part for part in shapely.get_parts(shape) if not part.is_empty]


def _is_echoless(evidence: CloudEvidence, hole: Polygon) -> bool:
    """Whether hardly any point fell in the hole, its rim aside."""
    window = window_of(evidence, hole)
    if max(window.rows, window.cols) > _LARGEST_HOLE_CELLS:
        return False
    inner = hole.buffer(-2 * evidence.cell_m)
    cells = cells_in(evidence, window, hole if inner.is_empty else inner)
    count = evidence.layers(("count",), window)["count"]
    return bool(cells.any()) and float(count[cells].mean()) < _ECHOLESS


def _measured(evidence: CloudEvidence, polygon: Polygon, score: float) -> Surface:
    window = window_of(evidence, polygon)
    heights, points = [], 0.0
    # A river is read in strips: its bounds may hold most of the cloud.
    for row in range(window.row, window.row + window.rows, 256):
        strip = Window(row, window.col, min(256, window.row + window.rows - row), window.cols)
        cells = cells_in(evidence, strip, polygon)
        points += float(evidence.layers(("near_ground",), strip)["near_ground"][cells].sum())
        known = evidence.ground_m(strip)[cells]
        heights.append(
            known[np.isfinite(known)][::7] if known.size > 7 else known[np.isfinite(known)]
        )
    all_heights = np.concatenate(heights) if heights else np.zeros(0)
    ground = float(np.median(all_heights)) if all_heights.size else None
    return Surface(polygon, score, ground, round(points))
