"""Points of a block as voxels: features, neighbour tables, the pyramid, windows along a space-filling curve. numpy only.

Voxels of a level are sorted by their key (x, y, z; z fastest). Occupied places are looked up in a dense volume of the block,
which is far quicker than searching sorted keys (0.04 s against 5 s for 336,000 voxels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.models.cityseg.shape import (
    parent_moments,
    point_moments,
    shape_features,
)
from inference_backend.points.blocks import BlockPoints
from inference_backend.points.density import covered_density

LEVELS = 4
FEATURES = 25
MOST_LAYERS = 384
"""Layers of voxels from the lowest point up; what is higher shares the top layer."""
_WINDOW = 256
_OFFSETS = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
_ATTENTION_LEVELS = (2, 3)


@dataclass
class Level:
    """Voxels of one level. `ijk` int32 (V, 3); `neighbours` int32 (27, V), V where empty; `parent` int64 (V,) row in the next
    level (None in the last); `shape` float32 (V, SHAPES) of the surface round each voxel; `windows` int64 (W, n) and `back`
    int64 (V,) where the level has attention.
    """

    ijk: np.ndarray
    neighbours: np.ndarray
    parent: np.ndarray | None
    shape: np.ndarray
    windows: np.ndarray | None = None
    back: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.ijk)


@dataclass
class Voxels:
    """A block as the network takes it. `features` float32 (V, FEATURES); `inverse` int64 (N,) voxel of each point;
    `domain` float32 (3,): log density, log grid, has returns; `context` float32 (4, 64, 64); `side_m` of the block.
    """

    features: np.ndarray
    inverse: np.ndarray
    levels: list[Level]
    grid_m: float
    domain: np.ndarray
    context: np.ndarray
    side_m: float

    def centres_m(self, level: int) -> np.ndarray:
        """Horizontal middles (V, 2) of a level's voxels, metres from the block's middle."""
        size = self.grid_m * 2**level
        return ((self.levels[level].ijk[:, :2] + 0.5) * size - self.side_m / 2).astype(np.float32)


def voxelise(block: BlockPoints, grid_m: float) -> Voxels:
    """The voxels of `block` at `grid_m`; the block must hold at least one point."""
    xyz = block.xyz_m
    ijk = np.floor(xyz / grid_m).astype(np.int32)
    np.maximum(ijk[:, :2], 0, out=ijk[:, :2])
    # Whole coarse voxels from the lowest point, so that the layers of all levels agree.
    ijk[:, 2] = np.minimum(ijk[:, 2] - ijk[:, 2].min(), MOST_LAYERS - 1)
    inside = xyz / grid_m
    inside -= np.floor(inside)
    ijk, inverse, levels = _pyramid(ijk, inside)
    density = float(np.clip(covered_density(xyz[:, :2], block.return_number), 0.05, 500.0))
    features = _features(block, ijk, inside, inverse, grid_m, density)
    returns = float((block.number_of_returns > 1).any())
    domain = np.array([np.log(density) / 4, np.log2(grid_m / 0.5), returns], np.float32)
    return Voxels(features, inverse, levels, grid_m, domain, block.context, block.side_m)


def _pyramid(
    points_ijk: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Level]]:
    """Unique voxels of the points, the voxel of each point, and all levels; `inside` (N, 3) place in the voxel, 0 to 1."""
    ijk, inverse, lookup = _unique(points_ijk)
    first, levels = ijk, []
    moments = point_moments(inside, inverse, len(ijk))
    for level in range(LEVELS):
        neighbours = _neighbours(ijk, lookup)
        windows = back = parent = None
        if level in _ATTENTION_LEVELS:
            windows, back = curve_windows(ijk, swapped=level % 2 == 1)
        above, shape = ijk, shape_features(moments, neighbours)
        if level < LEVELS - 1:
            ijk, parent, lookup = _unique(above >> 1)
            moments = parent_moments(moments, above, parent, len(ijk))
        levels.append(Level(above, neighbours, parent, shape, windows, back))
    return first, inverse, levels


def _unique(ijk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unique rows in key order, the row of each input, and the volume (with an empty rim) that gives the row of a place."""
    shape = ijk.max(0).astype(np.int64) + 3
    keys = _keys(ijk, shape)
    volume = np.zeros(int(shape.prod()), bool)
    volume[keys] = True
    occupied = np.flatnonzero(volume)
    lookup = np.full(len(volume), len(occupied), np.int32)
    lookup[occupied] = np.arange(len(occupied), dtype=np.int32)
    rest, z = np.divmod(occupied, shape[2])
    x, y = np.divmod(rest, shape[1])
    unique = np.stack([x - 1, y - 1, z - 1], 1).astype(np.int32)
    return unique, lookup[keys].astype(np.int64), lookup.reshape(shape)


def _keys(ijk: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return ((ijk[:, 0].astype(np.int64) + 1) * shape[1] + ijk[:, 1] + 1) * shape[2] + ijk[:, 2] + 1


def _neighbours(ijk: np.ndarray, lookup: np.ndarray) -> np.ndarray:
    shape = np.array(lookup.shape)
    keys, flat = _keys(ijk, shape), lookup.reshape(-1)
    table = np.empty((len(_OFFSETS), len(ijk)), np.int32)
    for k, (x, y, z) in enumerate(_OFFSETS):
        table[k] = flat[keys + (x * shape[1] + y) * shape[2] + z]
    return table


def curve_windows(ijk: np.ndarray, swapped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Windows of voxels that follow each other on a Morton curve: rows (W, n), and where each row stands in them.

    The last window reaches back into the one before rather than being padded.
    """
    order = np.argsort(_morton(ijk[:, [1, 0, 2]] if swapped else ijk), kind="stable")
    count = len(order)
    length = min(_WINDOW, count)
    windows = -(-count // length)
    starts = np.minimum(np.arange(windows) * length, count - length)
    places = starts[:, None] + np.arange(length)
    back = np.empty(count, np.int64)
    back[order[places.reshape(-1)]] = np.arange(places.size)
    return order[places], back


def _morton(ijk: np.ndarray) -> np.ndarray:
    code = np.zeros(len(ijk), np.int64)
    for axis in range(3):
        value = ijk[:, axis].astype(np.int64)
        for bit in range(10):
            code |= ((value >> bit) & 1) << (3 * bit + axis)
    return code


def _features(
    block: BlockPoints,
    ijk: np.ndarray,
    inside: np.ndarray,
    inverse: np.ndarray,
    grid_m: float,
    density: float,
) -> np.ndarray:
    """float32 (V, FEATURES). Means over a voxel's points; heights over ground in tens of metres."""
    count = np.bincount(inverse, minlength=len(ijk)).astype(np.float32)

    def mean(values: np.ndarray) -> np.ndarray:
        return (np.bincount(inverse, values, minlength=len(ijk)) / count).astype(np.float32)

    out = np.zeros((len(ijk), FEATURES), np.float32)
    hag = mean(block.hag_m)
    out[:, 0] = np.clip(hag / 10, -2, 8)
    out[:, 1] = np.log1p(np.maximum(hag, 0))
    out[:, 2] = np.clip(hag, -1, 3)
    for axis in range(3):
        out[:, 3 + axis] = mean(inside[:, axis]) - 0.5
    out[:, 6] = np.sqrt(np.maximum(mean(inside[:, 2] ** 2) - mean(inside[:, 2]) ** 2, 0))
    out[:, 7] = np.log1p(count) / 2
    returns = np.maximum(block.number_of_returns, 1).astype(np.float32)
    out[:, 8] = mean(np.clip(block.return_number / returns, 0, 1))
    out[:, 9] = mean((returns - 1) / 4)
    out[:, 10] = mean((returns == 1).astype(np.float32))
    if block.intensity_rank is not None:
        out[:, 11] = mean(block.intensity_rank) - 0.5
        out[:, 12] = 1
    if block.rgb is not None:
        for band in range(3):
            out[:, 13 + band] = mean(block.rgb[:, band]) - 0.5
        out[:, 16] = 1
    out[:, 17:22] = _column_features(ijk, hag)
    out[:, 22] = float((returns > 1).any())
    out[:, 23], out[:, 24] = np.log2(grid_m / 0.5), np.log(density) / 4
    return out


def _column_features(ijk: np.ndarray, hag: np.ndarray) -> np.ndarray:
    """(V, 5): depth below the column's top, height over its bottom, voxels in it, is the top, is the bottom.

    Voxels are sorted with z fastest: a column is a run of rows.
    """
    same = (ijk[1:, 0] == ijk[:-1, 0]) & (ijk[1:, 1] == ijk[:-1, 1])
    first = np.concatenate([[True], ~same])
    starts = np.flatnonzero(first)
    column = np.cumsum(first) - 1
    ends = np.append(starts[1:], len(ijk)) - 1
    top, bottom = hag[ends][column], hag[starts][column]
    out = np.empty((len(ijk), 5), np.float32)
    out[:, 0] = np.clip((top - hag) / 10, 0, 5)
    out[:, 1] = np.clip((hag - bottom) / 10, 0, 5)
    out[:, 2] = np.minimum((ends - starts + 1)[column], 24) / 8
    out[:, 3] = np.arange(len(ijk)) == ends[column]
    out[:, 4] = first
    return out
