"""Blocks of points as the network sees them, and the voting of blocks that overlap.

A block is a square core and a halo round it; a halo point is also in the core of a neighbour. Both answers count, each
weighted by how far from its block's border the point lies, so that no block edge shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.points.context import ContextGrid
from inference_backend.points.ground import Ground, filter_ground
from inference_backend.points.intensity import IntensityRanks
from inference_backend.points.surface import SurfaceGrid


@dataclass(frozen=True)
class BlockPoints:
    """The points of one block.

    `index` int64 (N,): place in the input's order; `xyz_m` float32 (N, 3), relative to `corner_m` (x, y of the lower
    left corner with halo, z of the block's ground) in the metric frame; `intensity_rank` float32 (N,) in 0..1 or None;
    `return_number`, `number_of_returns` uint8 (N,); `rgb` float32 (N, 3) in 0..1 or None; `hag_m` float32 (N,) height
    above ground; `core` bool (N,): the block answers for it; `side_m`: side of the block with its halo; `context`
    float32 (4, 64, 64), see `ContextGrid`; `weight` float32 (N,): 1 in the core, down to 0 at the block's border;
    `owner` int32 (N,): tile in whose core the point lies, or None where there are no tiles.
    """

    index: np.ndarray
    xyz_m: np.ndarray
    intensity_rank: np.ndarray | None
    return_number: np.ndarray
    number_of_returns: np.ndarray
    rgb: np.ndarray | None
    hag_m: np.ndarray
    core: np.ndarray
    side_m: float
    context: np.ndarray
    corner_m: tuple[float, float, float]
    weight: np.ndarray | None = None
    owner: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Surroundings:
    """What was learned of the whole cloud before any block is made."""

    ground: Ground
    ranks: IntensityRanks
    context: ContextGrid


@dataclass(frozen=True)
class RawPoints:
    """Points of the metric frame as they were read: all arrays (N,), `rgb` (N, 3) uint16 or None, x, y, z float64."""

    index: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    intensity: np.ndarray
    return_number: np.ndarray
    number_of_returns: np.ndarray
    rgb: np.ndarray | None = None


def survey(points: RawPoints, cell_m: float = 1.0) -> Surroundings:
    """Learn ground, ranks and context of a cloud that is in memory as a whole (training, tests)."""
    bounds = (
        float(points.x.min()),
        float(points.y.min()),
        float(points.x.max()),
        float(points.y.max()),
    )
    grid = SurfaceGrid(bounds, cell_m)
    grid.add(points.x, points.y, points.z, points.return_number <= 1)
    ground = filter_ground(grid.low(), grid.cell_m, corner_m=grid.corner_m)
    ranks = IntensityRanks()
    ranks.add(points.intensity)
    context = ContextGrid(bounds)
    context.add(points.x, points.y, points.z, points.return_number, points.number_of_returns)
    context.finish(ground)
    return Surroundings(ground, ranks, context)


def make_block(
    points: RawPoints,
    around: Surroundings,
    core_m: tuple[float, float, float, float],
    halo_m: float,
    rgb_full: float = 65_535.0,
    owner: np.ndarray | None = None,
    core: np.ndarray | None = None,
) -> BlockPoints:
    """The block with the core (xmin, ymin, xmax, ymax) out of points that all lie within its halo.

    `rgb_full` is the value of full colour in the file; `core` says which points the block answers for, where that is
    known better than by place.
    """
    xmin, ymin, xmax, ymax = core_m
    left, low = xmin - halo_m, ymin - halo_m
    side = max(xmax - xmin, ymax - ymin) + 2 * halo_m
    hag = around.ground.height_above(points.x, points.y, points.z)
    base = float(np.median(points.z - hag)) if len(points.x) else 0.0
    if core is None:
        core = (points.x >= xmin) & (points.x < xmax) & (points.y >= ymin) & (points.y < ymax)
    return BlockPoints(
        index=np.asarray(points.index, np.int64),
        xyz_m=np.stack([points.x - left, points.y - low, points.z - base], axis=1).astype(
            np.float32
        ),
        intensity_rank=around.ranks.rank(points.intensity),
        return_number=np.asarray(points.return_number, np.uint8),
        number_of_returns=np.asarray(points.number_of_returns, np.uint8),
        rgb=None if points.rgb is None else (points.rgb / np.float32(rgb_full)).astype(np.float32),
        hag_m=hag,
        core=core,
        side_m=side,
        context=around.context.window(((xmin + xmax) / 2, (ymin + ymax) / 2)),
        corner_m=(left, low, base),
        weight=halo_weight(points.x, points.y, core_m, halo_m),
        owner=owner,
    )


def halo_weight(
    x_m: np.ndarray, y_m: np.ndarray, core_m: tuple[float, float, float, float], halo_m: float
) -> np.ndarray:
    """float32 (N,): min(1, distance to the block's border / halo); 1 all over where there is no halo."""
    if halo_m <= 0:
        return np.ones(len(x_m), np.float32)
    xmin, ymin, xmax, ymax = core_m
    inside = np.minimum(
        np.minimum(x_m - (xmin - halo_m), (xmax + halo_m) - x_m),
        np.minimum(y_m - (ymin - halo_m), (ymax + halo_m) - y_m),
    )
    return np.clip(inside / halo_m, 0.0, 1.0).astype(np.float32)
