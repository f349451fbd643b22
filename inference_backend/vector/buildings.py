"""Buildings of a cloud: outlines of blocks, straightened, cut at roof steps, with heights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from scipy import ndimage
from shapely import Polygon

from inference_backend.cancel import CancelToken
from inference_backend.vector.cell_areas import cell_areas, cells_in, window_of
from inference_backend.vector.clean import drop_specks
from inference_backend.vector.cloud_rasters import CloudEvidence, Window
from inference_backend.vector.directions import main_directions
from inference_backend.vector.footprints import (
    LEAST_AREA_M2,
    LEAST_HOLE_M2,
    building_share,
    halo_cells,
)
from inference_backend.vector.partition import LabelGrid, cut_block
from inference_backend.vector.regularize import regularize
from inference_backend.vector.roof_steps import LEAST_PART_M2, roof_parts

# Of fewer cells nobody can tell what shape it is.
_LEAST_CELLS = 4
# What is larger is cut along a grid first: a block of a square kilometre is a fault of the classification.
_LARGEST_CELLS = 2048
_SPIKE_M = 1.0
_OVERLAP_M2 = 1e-6
# The ground of a building is what lies round it, so far out: under it no one has seen any.
_RING_M = 3.0
# What is lower is a car, a wall or a terrace.
_LEAST_HEIGHT_M = 2.0
_LAYERS = ("inside", "seen", "roof_top", "roof_sum", "roof_count")


@dataclass(frozen=True)
class Building:
    """A footprint in the metric frame. Heights are metres above `ground_m`, which is a height in the metric frame."""

    polygon: Polygon
    score: float
    height_max_m: float | None
    height_med_m: float | None
    ground_m: float | None
    n_points: int


def find_buildings(
    evidence: CloudEvidence, cancel: CancelToken, progress: Callable[[float], None] | None = None
) -> list[Building]:
    """All buildings, none overlapping another."""
    least_m2 = max(LEAST_AREA_M2, _LEAST_CELLS * evidence.cell_m**2)
    found: list[Building] = []
    for area in cell_areas(evidence, lambda window: _share(evidence, window), cancel, least_m2):
        for block in _manageable(area.polygon, evidence.cell_m):
            cancel.check()
            found.extend(_block(evidence, block, least_m2))
        if progress is not None:
            progress(min(1.0, area.polygon.bounds[3] / max(evidence.rows * evidence.cell_m, 1e-9)))
    return _apart(found, least_m2)


def _share(evidence: CloudEvidence, window: Window) -> np.ndarray:
    halo = halo_cells(evidence.cell_m)
    layers = evidence.layers(("inside", "seen", "roof_top"), window.grown(halo))
    if not layers["inside"].any():
        return np.zeros((window.rows, window.cols), np.float32)
    share = building_share(layers["inside"], layers["seen"], layers["roof_top"], evidence.cell_m)
    return share[halo:-halo, halo:-halo]


def _manageable(polygon: Polygon, cell_m: float) -> Iterator[Polygon]:
    """The polygon, or pieces of it along a grid where it is larger than any block."""
    holes_filled = drop_specks(polygon, 0.0, LEAST_HOLE_M2)
    xmin, ymin, xmax, ymax = polygon.bounds
    step = _LARGEST_CELLS * cell_m
    if xmax - xmin <= step and ymax - ymin <= step:
        yield from shapely.get_parts(holes_filled)
        return
    for x in np.arange(xmin, xmax, step):
        for y in np.arange(ymin, ymax, step):
            piece = holes_filled.intersection(shapely.box(x, y, x + step, y + step))
            yield from (part for part in shapely.get_parts(piece) if part.geom_type == "Polygon")


def _block(evidence: CloudEvidence, block: Polygon, least_m2: float) -> Iterator[Building]:
    cell_m = evidence.cell_m
    window = window_of(evidence, block, 1 + int(np.ceil(_RING_M / cell_m)))
    layers = evidence.layers(_LAYERS, window)
    roof = np.where(layers["roof_count"] > 0, layers["roof_top"], np.nan)
    ground = _open_ground(evidence, window, layers)
    straight = regularize(block, cell_m).polygon
    labels = roof_parts(roof, cells_in(evidence, window, block), cell_m)
    grid = LabelGrid(
        labels,
        evidence.x0_m + window.col * cell_m,
        evidence.y0_m + window.row * cell_m,
        cell_m,
    )
    least_part_m2 = max(LEAST_PART_M2, least_m2)
    for part in cut_block(straight, grid, main_directions(block, cell_m), least_part_m2):
        one = _measured(part, cells_in(evidence, window, part), layers, ground, evidence)
        low = one.height_med_m is not None and one.height_med_m < _LEAST_HEIGHT_M
        if part.area >= least_m2 and not low:
            yield one


def _open_ground(
    evidence: CloudEvidence, window: Window, layers: dict[str, np.ndarray]
) -> np.ndarray:
    """Ground above `base_z_m` in cells without a roof, from the nearest such cell elsewhere; NaN where there is none."""
    ground = evidence.ground_m(window) - evidence.base_z_m
    near_roof = ndimage.binary_dilation(layers["roof_count"] > 0)
    known = np.isfinite(ground) & ~near_roof
    if not known.any():
        known = np.isfinite(ground)
    if not known.any():
        return ground
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return ground[tuple(nearest)]


def _measured(
    polygon: Polygon,
    cells: np.ndarray,
    layers: dict[str, np.ndarray],
    ground: np.ndarray,
    evidence: CloudEvidence,
) -> Building:
    inside, seen = float(layers["inside"][cells].sum()), float(layers["seen"][cells].sum())
    count = layers["roof_count"]
    roofed = cells & (count > 0)
    points = round(float(count[cells].sum()))
    score = min(max(inside / seen, 0.0), 1.0) if seen > 0 else 0.0
    known = ground[cells & np.isfinite(ground)]
    if not roofed.any() or not known.size:
        return Building(polygon, score, None, None, None, points)
    base = float(np.median(known))
    top = float(_without_spikes(layers["roof_top"])[roofed].max())
    middle = float(np.median(layers["roof_sum"][roofed] / count[roofed]))
    return Building(polygon, score, top - base, middle - base, base + evidence.base_z_m, points)


def _without_spikes(top: np.ndarray) -> np.ndarray:
    """Tops, single cells lowered to a metre above the highest beside them: an aerial or a bird is no roof."""
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    return np.minimum(top, ndimage.maximum_filter(top, footprint=ring) + _SPIKE_M)


def _apart(found: list[Building], least_m2: float) -> list[Building]:
    """Without overlaps: straightening may move two near walls across each other; the smaller building gives way."""
    polygons = [building.polygon for building in found]
    if len(polygons) < 2:
        return found
    tree = shapely.STRtree(polygons)
    one, other = tree.query(polygons, predicate="intersects")
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        if a >= b or polygons[a].intersection(polygons[b]).area <= _OVERLAP_M2:
            continue
        keep, cut = (a, b) if polygons[a].area >= polygons[b].area else (b, a)
        left = shapely.get_parts(polygons[cut].difference(polygons[keep]))
        polygons[cut] = max(left, key=lambda part: part.area, default=Polygon())
    return [
        replace(building, polygon=polygon)
        for polygon, building in zip(polygons, found, strict=True)
        if polygon.geom_type == "Polygon" and polygon.area >= least_m2
    ]
