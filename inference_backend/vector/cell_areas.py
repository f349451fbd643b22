"""Outlines of a field over the cells of a cloud, window by window: memory follows a window, and no window's edge shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Polygon

from inference_backend.cancel import CancelToken
from inference_backend.vector.cloud_rasters import CloudEvidence, Window
from inference_backend.vector.panels import PANEL_CELLS
from inference_backend.vector.seams import SeamMerger

_STRIP_ROWS = 2 * PANEL_CELLS
_BAND_COLS = 8 * PANEL_CELLS
_CARRIED_CELLS = 32
_THRESHOLD = 0.5

Field = Callable[[Window], np.ndarray]
"""Values float32 (rows, cols) of a window, the same for a cell whatever window it is in."""


@dataclass(frozen=True)
class CellArea:
    """One connected part above a half: its polygon in metres, and the mean of the field inside."""

    polygon: Polygon
    mean: float


def cell_areas(
    evidence: CloudEvidence, field: Field, cancel: CancelToken, least_m2: float = 0.0
) -> Iterator[CellArea]:
    """Parts of `field` above a half, as soon as they are complete; smaller ones than `least_m2` are left out."""
    merger = SeamMerger(_THRESHOLD, 1)
    occupied = evidence.occupied()
    if not occupied:
        return
    row0 = min(window.row for window in occupied)
    row1 = max(window.row + window.rows for window in occupied)
    panels = {(window.row // PANEL_CELLS, window.col // PANEL_CELLS) for window in occupied}
    for col in range(0, evidence.cols, _BAND_COLS):
        cols = min(_BAND_COLS, evidence.cols - col)
        shares = col + cols < evidence.cols
        merger.begin_panel(col, shares)
        for row in range(row0 // _STRIP_ROWS * _STRIP_ROWS, row1, _STRIP_ROWS):
            cancel.check()
            window = Window(row, col, min(_STRIP_ROWS, evidence.rows - row), cols + shares)
            values = np.zeros((window.rows, window.cols), np.float32)
            if not panels.isdisjoint(_panels_near(window)):
                values = field(window)
            yield from _polygons(evidence, merger.add(values, row, [values]), least_m2)
        yield from _polygons(evidence, merger.end_panel(), least_m2)
    yield from _polygons(evidence, merger.finish(), least_m2)


def _panels_near(window: Window) -> Iterator[tuple[int, int]]:
    """Panels in the window and a little round it: smoothing carries what they hold across their edge."""
    near = window.grown(_CARRIED_CELLS)
    for row in range(near.row // PANEL_CELLS, (near.row + near.rows - 1) // PANEL_CELLS + 1):
        for col in range(near.col // PANEL_CELLS, (near.col + near.cols - 1) // PANEL_CELLS + 1):
            yield row, col


def _polygons(evidence: CloudEvidence, areas: list, least_m2: float) -> Iterator[CellArea]:
    origin = (evidence.x0_m, evidence.y0_m)
    for area in areas:
        mean = float(area.sums[1] / max(area.sums[0], 1.0))
        for part in area.parts():
            polygon = shapely.transform(part, lambda xy: xy * evidence.cell_m + origin)
            if polygon.area >= least_m2 and polygon.area > 0:
                yield CellArea(polygon, min(max(mean, 0.0), 1.0))


def window_of(evidence: CloudEvidence, polygon: Polygon, margin_cells: int = 1) -> Window:
    """The cells under a polygon's bounds, and a margin."""
    xmin, ymin, xmax, ymax = polygon.bounds
    col = int(np.floor((xmin - evidence.x0_m) / evidence.cell_m)) - margin_cells
    row = int(np.floor((ymin - evidence.y0_m) / evidence.cell_m)) - margin_cells
    cols = int(np.ceil((xmax - evidence.x0_m) / evidence.cell_m)) + margin_cells - col
    rows = int(np.ceil((ymax - evidence.y0_m) / evidence.cell_m)) + margin_cells - row
    return Window(row, col, rows, cols)


def cells_in(evidence: CloudEvidence, window: Window, polygon: Polygon) -> np.ndarray:
    """bool (rows, cols): cells of the window whose middle lies in the polygon."""
    x = evidence.x0_m + (window.col + np.arange(window.cols) + 0.5) * evidence.cell_m
    y = evidence.y0_m + (window.row + np.arange(window.rows) + 0.5) * evidence.cell_m
    shapely.prepare(polygon)
    return shapely.contains_xy(polygon, *np.meshgrid(x, y))
