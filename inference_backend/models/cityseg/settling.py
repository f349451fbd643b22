"""What stands together settles together: what a voxel above the ground is follows what its neighbours above the ground are.

Only the choice among the groups at the top of the label graph (building, vegetation, vehicle, ...) is averaged over the 3 x 3 x 3
voxels of two coarser levels, one after the other, and only between what stands; terrain and water keep their probability, and
within a group the leaves keep their shares. docs/benchmarks.md has what it is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference_backend.models.cityseg.voxels import Voxels

SHARES = {1: 0.8, 2: 0.6}
"""How much of a voxel's choice among what stands is its neighbourhood's, by the level whose voxels are the neighbourhood."""


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
