"""Returns that belong to no surface: isolated far below or far above everything near them.

Only what no network needs to see is marked here: multipath under the ground, birds and cloud high up. What stands
close to objects is left to the network, so that wires and tips of masts are never lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KEEP, LOW, HIGH = 0, 7, 18


@dataclass(frozen=True)
class NoiseRules:
    """Limits in metres; `crowd` is the number of points in and round a cell from which on it is a surface."""

    cell_m: float = 10.0
    spread: float = 6.0
    below_m: float = 2.0
    above_m: float = 40.0
    crowd: int = 3


def noise_mask(
    x_m: np.ndarray,
    y_m: np.ndarray,
    z_m: np.ndarray,
    hag_m: np.ndarray | None = None,
    rules: NoiseRules | None = None,
) -> np.ndarray:
    """uint8 (N,): 0 keep, 7 low noise, 18 high noise; x, y, z in metres, a block with its halo at a time.

    A point is noise when two things hold. It is isolated: no more than `crowd` points lie in its cube and the 26 round
    it, the cube's side following the density. And it is far off: outside of the median ± `spread` deviations of its
    10 m cell and `below_m` under (`above_m` over) all of the middle nine tenths there; with `hag_m`, heights above
    ground take the place of z, so that a slope is no spread.
    """
    rules = rules or NoiseRules()
    height = np.asarray(z_m if hag_m is None else hag_m, np.float64)
    mask = np.zeros(len(height), np.uint8)
    if len(height) <= rules.crowd:
        return mask
    low, high = _limits(x_m, y_m, height, rules)
    if hag_m is not None:
        low = np.minimum(low, -rules.below_m)
    below, above = height < low, height > high
    off = np.flatnonzero(below | above)
    if len(off):
        alone = off[_isolated(x_m, y_m, np.asarray(z_m, np.float64), off, rules)]
        mask[alone] = np.where(below[alone], LOW, HIGH)
    return mask


def _limits(
    x_m: np.ndarray, y_m: np.ndarray, height: np.ndarray, rules: NoiseRules
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest height (N,) that points near each point make believable."""
    cell, cells = _cells(x_m, y_m, rules.cell_m)
    order = np.lexsort((height, cell))
    ordered, starts = height[order], np.searchsorted(cell[order], np.arange(cells))
    counts = np.diff(np.append(starts, len(height)))

    def quantile(share: float) -> np.ndarray:
        return ordered[starts + np.round(share * (counts - 1)).astype(np.int64)]

    median, bottom, top = quantile(0.5), quantile(0.05), quantile(0.95)
    deviation = np.abs(height - median[cell])
    by_deviation = deviation[np.lexsort((deviation, cell))]
    mad = 1.4826 * by_deviation[starts + (counts - 1) // 2]
    low = np.minimum(median - rules.spread * mad, bottom - rules.below_m)
    high = np.maximum(median + rules.spread * mad, top + rules.above_m)
    # Few points make no statistics: such cells believe what the whole block does.
    few = counts < 8
    low[few] = min(float(np.quantile(height, 0.02)) - rules.below_m, float(low.min(initial=np.inf)))
    high[few] = float(np.quantile(height, 0.98)) + rules.above_m
    return low[cell], high[cell]


def _cells(x_m: np.ndarray, y_m: np.ndarray, side_m: float) -> tuple[np.ndarray, int]:
    col = np.floor((x_m - x_m.min()) / side_m).astype(np.int64)
    row = np.floor((y_m - y_m.min()) / side_m).astype(np.int64)
    _, cell = np.unique(row * (int(col.max()) + 1) + col, return_inverse=True)
    return cell, int(cell.max()) + 1


def _isolated(
    x_m: np.ndarray, y_m: np.ndarray, z_m: np.ndarray, which: np.ndarray, rules: NoiseRules
) -> np.ndarray:
    """bool (len(which),): no more than `crowd` points in the cube of each and the 26 round it."""
    side = _cube_side(x_m, y_m)
    cubes = np.stack([np.floor((axis - axis.min()) / side) for axis in (x_m, y_m, z_m)], axis=1)
    cubes = cubes.astype(np.int64) + 1
    size = cubes.max(axis=0) + 2
    steps = np.array([size[1] * size[2], size[2], 1])
    keys, counts = np.unique(cubes @ steps, return_counts=True)
    around = np.zeros(len(which), np.int64)
    own = cubes[which] @ steps
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            for dz in (-1, 0, 1):
                wanted = own + np.array([dx, dy, dz]) @ steps
                at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
                around += np.where(keys[at] == wanted, counts[at], 0)
    return around <= rules.crowd


def _cube_side(x_m: np.ndarray, y_m: np.ndarray) -> float:
    """Side of a cube in which a surface leaves about four points: 2 m for dense clouds, up to 12 m for thin ones."""
    cell, cells = _cells(x_m, y_m, 4.0)
    density = len(cell) / (cells * 16.0)
    return float(np.clip(2.0 / np.sqrt(density), 2.0, 12.0))
