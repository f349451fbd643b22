"""What the points of a cloud say of each cell, gathered tile by tile: the evidence that vectors are drawn from.

Coordinates are the metric frame (metres, y up); row 0 of every raster is the lowest y.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.vector.panels import PANEL_CELLS, PanelStore

KINDS = ("building", "tree", "water", "road", "wire")
"""What `CloudEvidence.add` takes a probability of."""

# Layer and what a cell has that no point fell in.
_LAYERS: Mapping[str, float] = {
    "inside": 0.0,  # sum of the building probability of points that are roof rather than not
    "seen": 0.0,  # weight of all points that speak for or against a building
    "roof_top": -np.inf,
    "roof_sum": 0.0,
    "roof_count": 0.0,
    "ground_sum": 0.0,
    "count": 0.0,
    "above_ground": -np.inf,  # the greatest height above ground
    "canopy": -np.inf,
    "tree_sum": 0.0,
    "tree_count": 0.0,
    "near_ground": 0.0,
    "water": 0.0,
    "road": 0.0,
}
_NUMBERS = {name: number for number, name in enumerate(_LAYERS)}
_CELLS_M = (0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
# A cell then holds about three points: enough that few inside a roof are empty.
_CELL_TIMES_ROOT_DENSITY = 1.8
_ROOF_M = 2.0
# A tree or a crane above a roof hides it and says little against it.
_HIDING_WEIGHT = 0.1
# Points this near to the ground show what it is covered with.
_NEAR_GROUND_M = 1.5
_SURE = 0.5
# A conductor is thinner than any cell: its points are kept, one in each of these boxes.
_WIRE_BOX_M = 0.25
_MOST_WIRE_POINTS = 4_000_000


def pick_cell_m(density: float) -> float:
    """Side of a cell for a cloud of `density` points a square metre."""
    wanted = _CELL_TIMES_ROOT_DENSITY / np.sqrt(max(density, 1e-6))
    return min(_CELLS_M, key=lambda cell: abs(np.log(cell / wanted)))


@dataclass(frozen=True)
class Window:
    """A rectangle of cells: the first row and column, and how many."""

    row: int
    col: int
    rows: int
    cols: int

    def grown(self, cells: int) -> Window:
        """`cells` more on each side, also beyond the grid."""
        return Window(
            self.row - cells, self.col - cells, self.rows + 2 * cells, self.cols + 2 * cells
        )


class CloudEvidence:
    """Layers of cells and the points of wires; close it to free its file.

    What is kept on disk and in memory follows the ground that points cover, not the bounds.
    """

    def __init__(
        self,
        bounds_m: tuple[float, float, float, float],
        cell_m: float = 0.5,
        folder: Path | None = None,
    ) -> None:
        """`bounds_m` is (xmin, ymin, xmax, ymax); `folder` is where cells go that are too many for memory."""
        self.x0_m, self.y0_m = float(bounds_m[0]), float(bounds_m[1])
        self.cell_m = float(cell_m)
        self.cols = max(1, int(np.floor((bounds_m[2] - bounds_m[0]) / cell_m)) + 1)
        self.rows = max(1, int(np.floor((bounds_m[3] - bounds_m[1]) / cell_m)) + 1)
        self.kinds: set[str] = set()
        """The kinds that a probability was given of."""
        self._store = PanelStore(tuple(_LAYERS.values()), folder)
        self._base_z: float | None = None
        # (x, y, z, height above ground, probability) of points of conductors.
        self._wires: list[np.ndarray] = []
        self._wire_box_m = _WIRE_BOX_M

    def __enter__(self) -> CloudEvidence:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._store.close()
        self._wires.clear()

    def add(
        self,
        x_m: np.ndarray,
        y_m: np.ndarray,
        z_m: np.ndarray,
        hag_m: np.ndarray,
        probabilities: Mapping[str, np.ndarray],
    ) -> None:
        """Points (N,) in the metric frame, their height above ground, and the probability (N,) of each of `KINDS` asked for.

        Each point once. Points with a coordinate or height that is not finite are left out. Raises OSError where the disk is full.
        """
        unknown = sorted(set(probabilities) - set(KINDS))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is none of {', '.join(KINDS)}")
        self.kinds.update(probabilities)
        x, y, z, hag = (np.asarray(v, np.float64) for v in (x_m, y_m, z_m, hag_m))
        given = {
            name: np.nan_to_num(np.asarray(p, np.float32)) for name, p in probabilities.items()
        }
        good = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(hag)
        if not good.all():
            x, y, z, hag = x[good], y[good], z[good], hag[good]
            given = {name: p[good] for name, p in given.items()}
        if not len(x):
            return
        if self._base_z is None:
            # Sums of heights stay small, so that float32 keeps their millimetres.
            self._base_z = float(np.floor(np.median(z)))
        if "wire" in given:
            wire = given["wire"] > _SURE
            self._keep_wires(np.column_stack([x, y, z, hag, given["wire"]])[wire])
        col = np.clip((x - self.x0_m) / self.cell_m, 0, self.cols - 1).astype(np.int64)
        row = np.clip((y - self.y0_m) / self.cell_m, 0, self.rows - 1).astype(np.int64)
        sums, tops = _contributions(z - self._base_z, hag, given)
        self._scatter(row, col, sums, tops)

    def _scatter(
        self,
        row: np.ndarray,
        col: np.ndarray,
        sums: dict[str, np.ndarray],
        tops: dict[str, np.ndarray],
    ) -> None:
        panels_across = self.cols // PANEL_CELLS + 1
        panel = row // PANEL_CELLS * panels_across + col // PANEL_CELLS
        cell = row % PANEL_CELLS * PANEL_CELLS + col % PANEL_CELLS
        order = np.argsort(panel, kind="stable")
        numbers, starts = np.unique(panel[order], return_index=True)
        for number, members in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            layers = self._store.to_change(divmod(number, panels_across))
            flat = layers.reshape(len(_LAYERS), -1)
            here = cell[members]
            for name, values in sums.items():
                flat[_NUMBERS[name]] += np.bincount(here, values[members], flat.shape[1])
            for name, values in tops.items():
                np.maximum.at(flat[_NUMBERS[name]], here, values[members].astype(np.float32))

    def _keep_wires(self, found: np.ndarray) -> None:
        if not len(found):
            return
        self._wires.append(_one_a_box(found, self._wire_box_m))
        while sum(map(len, self._wires)) > _MOST_WIRE_POINTS:
            self._wire_box_m *= 2
            self._wires = [_one_a_box(np.concatenate(self._wires), self._wire_box_m)]

    def wire_points(self) -> np.ndarray:
        """(N, 5) float64: x, y, z, height above ground and probability of points of conductors, one in 0.25 m."""
        return np.concatenate(self._wires) if self._wires else np.zeros((0, 5))

    def layers(self, names: tuple[str, ...], window: Window) -> dict[str, np.ndarray]:
        """Layers (rows, cols) as they were summed, of a window that may reach beyond the grid. Heights are above `base_z_m`."""
        stack = self._store.window(
            [_NUMBERS[name] for name in names], window.row, window.col, window.rows, window.cols
        )
        return dict(zip(names, stack, strict=True))

    @property
    def base_z_m(self) -> float:
        """What heights in the layers are counted from."""
        return self._base_z or 0.0

    def ground_m(self, window: Window) -> np.ndarray:
        """Height of the ground, float32; NaN where no point fell."""
        layers = self.layers(("ground_sum", "count"), window)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (layers["ground_sum"] / layers["count"] + self.base_z_m).astype(np.float32)

    def occupied(self) -> list[Window]:
        """Windows of the panels that hold points, from the lowest row up, clipped to the grid."""
        windows = []
        for row, col in self._store.places():
            r0, c0 = row * PANEL_CELLS, col * PANEL_CELLS
            rows, cols = min(PANEL_CELLS, self.rows - r0), min(PANEL_CELLS, self.cols - c0)
            windows.append(Window(r0, c0, rows, cols))
        return windows


def _contributions(
    z: np.ndarray, hag: np.ndarray, given: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What each point adds to its cell's sums, and what may be its cell's top."""
    sums = {"count": np.ones(len(z)), "ground_sum": z - hag}
    tops = {"above_ground": hag}
    low = np.abs(hag) < _NEAR_GROUND_M
    if "building" in given:
        building = given["building"]
        high = hag > _ROOF_M
        # Under a wide roof the ground filter may fail and call it ground: what is surely building counts at any height.
        roof = building > _SURE
        sums["inside"] = np.where(roof, building, 0.0)
        against = np.where(high, _HIDING_WEIGHT, 1.0) * (1.0 - building)
        sums["seen"] = sums["inside"] + against
        sums["roof_count"] = roof.astype(np.float64)
        sums["roof_sum"] = np.where(roof, z, 0.0)
        tops["roof_top"] = np.where(roof, z, -np.inf)
    if "tree" in given:
        tree = given["tree"] > _SURE
        tops["canopy"] = np.where(tree, z, -np.inf)
        sums["tree_sum"] = np.where(tree, given["tree"], 0.0)
        sums["tree_count"] = tree.astype(np.float64)
    for kind in ("water", "road"):
        if kind in given:
            sums[kind] = np.where(low, given[kind], 0.0)
    if "water" in given or "road" in given:
        sums["near_ground"] = low.astype(np.float64)
    return sums, tops


def _one_a_box(points: np.ndarray, box_m: float) -> np.ndarray:
    keys = np.floor(points[:, :3] / box_m).astype(np.int64)
    return points[np.sort(np.unique(keys, axis=0, return_index=True)[1])]
