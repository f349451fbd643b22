"""What stands together settles together: what a voxel above the ground is follows what its neighbours above the ground are.

Only the choice among the groups at the top of the label graph (building, vegetation, vehicle, ...) is averaged over the 3 x 3 x 3
voxels of two coarser levels, one after the other, and only between what stands; terrain and water keep their probability, and
within a group the leaves keep their shares. And what grows no higher than a hand is ground. docs/benchmarks.md has what both are
worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference_backend.models.cityseg.voxels import Voxels

GRASS_M = 0.15
"""What grows no higher than this over the ground is ground: less than a ground filter and a scanner's noise can tell."""

SHARES = {1: 0.8, 2: 0.6}
"""How much of a voxel's choice among what stands is its neighbourhood's, by the level whose voxels are the neighbourhood."""
_LEAST_MOVED = 0.01


@dataclass(frozen=True)
class Neighbourhood:
    """`parent` int64 (V,) rows of a coarser level for the fine voxels, its `neighbours` (27, C), and `share` of SHARES."""

    parent: Tensor
    neighbours: Tensor
    share: float

    @classmethod
    def of(cls, voxels: Voxels, device: str = "cpu") -> list[Neighbourhood]:
        """Those of a block, finest first."""
        found, rows = [], None
        for level, share in SHARES.items():
            step = torch.from_numpy(voxels.levels[level - 1].parent).to(device)
            rows = step if rows is None else step[rows]
            table = torch.from_numpy(voxels.levels[level].neighbours).to(device)
            found.append(cls(rows, table, share))
        return found


def settled(
    probability: Tensor, groups: Tensor, lying: Tensor, around: Sequence[Neighbourhood]
) -> Tensor:
    """`probability` (V, K) of fine voxels; `groups` (K, G) ones where a column belongs to a group; `lying` bool (G,) groups that
    are left alone. Rows still sum to one.
    """
    before = probability @ groups
    group = before
    for place in around:
        group = _mixed(group, lying, place)
    scale = (group / before.clamp_min(1e-7)) @ groups.T
    answer = probability * scale
    return answer / answer.sum(1, keepdim=True).clamp_min(1e-9)


def grass_is_ground(
    probability: np.ndarray, hag_m: np.ndarray, low: np.ndarray, terrain: np.ndarray
) -> None:
    """Move the probability (N, K) of low plants to the terrain, in place, where a point lies less than GRASS_M over the ground.

    `low` and `terrain` bool (K,): columns of low plants and of terrain. Nothing is done where either is not asked for.
    """
    if not low.any() or not terrain.any():
        return
    rows = np.flatnonzero(hag_m < GRASS_M)
    # Most points near the ground are no grass to anybody: they are left as they are.
    rows = rows[probability[np.ix_(rows, np.flatnonzero(low))].sum(1) > _LEAST_MOVED]
    some = probability[rows].astype(np.float32)
    moved = some[:, low].sum(1, keepdims=True)
    ground = some[:, terrain]
    # Shared among the kinds of terrain as they were; evenly where none was thought of.
    share = (ground + 1e-6) / (ground + 1e-6).sum(1, keepdims=True)
    some[:, terrain] = ground + moved * share
    some[:, low] = 0
    probability[rows] = some.astype(probability.dtype)


def _mixed(group: Tensor, lying: Tensor, place: Neighbourhood) -> Tensor:
    stands = (1 - group[:, lying].sum(1, keepdim=True)).clamp_min(0)
    share = group.masked_fill(lying, 0)
    count = place.neighbours.shape[1]
    summed = share.new_zeros(count + 1, share.shape[1])
    # What is surely ground says nothing of what stands beside it.
    summed.index_add_(0, place.parent, share * stands)
    around = torch.zeros_like(summed[:count])
    for row in place.neighbours:
        around += summed[row.long()]
    around = around / around.sum(1, keepdim=True).clamp_min(1e-9)
    mixed = (1 - place.share) * share + place.share * stands * around[place.parent]
    return torch.where(lying, group, mixed)
