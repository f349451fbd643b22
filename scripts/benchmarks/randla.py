"""A point network on nearest neighbours in the manner of RandLA-Net (arXiv 1911.11236), written anew, for comparison of cost only.

Same widths and depth as the voxel network; random weights, as only its time is asked. Neighbours by scipy's k-d tree.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F

NEIGHBOURS = 16
_KEEP = 4  # one point in four goes to the next stage


class LocalAggregation(nn.Module):
    """Local spatial encoding with attentive pooling over the neighbours of each point: (N, C_in) to (N, C_out)."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        half = wide_out // 2
        self.entry = nn.Linear(wide_in, half)
        self.place = nn.ModuleList([nn.Linear(10, half), nn.Linear(half, half)])
        self.score = nn.ModuleList([nn.Linear(wide_out, wide_out) for _ in range(2)])
        self.pool = nn.ModuleList([nn.Linear(wide_out, half), nn.Linear(wide_out, wide_out)])
        self.short = nn.Linear(wide_in, wide_out)

    def forward(self, x: Tensor, xyz: Tensor, near: Tensor) -> Tensor:
        own, others = xyz[:, None].expand(-1, near.shape[1], -1), xyz[near]
        offset = own - others
        code = torch.cat([own, others, offset, offset.norm(dim=2, keepdim=True)], 2)
        y = F.leaky_relu(self.entry(x), 0.2)
        for place, score, pool in zip(self.place, self.score, self.pool, strict=True):
            code = F.leaky_relu(place(code), 0.2)
            joined = torch.cat([y[near], code], 2)
            weight = score(joined).softmax(1)
            y = F.leaky_relu(pool((weight * joined).sum(1)), 0.2)
        return F.leaky_relu(y + self.short(x), 0.2)


class RandLaLike(nn.Module):
    """Four stages down by random sampling, nearest-neighbour interpolation up, a score a class and point."""

    def __init__(self, features: int, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        entries = (widths[0], *widths[:-1])
        self.entry = nn.Linear(features, widths[0])
        self.down = nn.ModuleList(
            LocalAggregation(a, b) for a, b in zip(entries, widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Linear(widths[k] + widths[k - 1], widths[k - 1])
            for k in range(len(widths) - 1, 0, -1)
        )
        self.head = nn.Sequential(nn.Linear(widths[0], 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, features: Tensor, xyz: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Scores (N, classes); the neighbour search is part of the network's work."""
        x, places, kept = F.leaky_relu(self.entry(features), 0.2), [xyz], []
        skips = []
        for stage, layer in enumerate(self.down):
            here = places[-1]
            count = min(NEIGHBOURS, len(here))
            near = cKDTree(here).query(here, count, workers=1)[1].reshape(len(here), -1)
            x = layer(x, torch.from_numpy(here), torch.from_numpy(near))
            skips.append(x)
            if stage < len(self.down) - 1:
                keep = np.sort(rng.permutation(len(here))[: max(len(here) // _KEEP, 1)])
                kept.append(keep)
                places.append(here[keep])
                x = x[torch.from_numpy(keep)]
        for layer, fine, coarse, skip in zip(
            self.up, places[-2::-1], places[:0:-1], skips[-2::-1], strict=True
        ):
            nearest = cKDTree(coarse).query(fine, 1, workers=1)[1]
            x = F.leaky_relu(layer(torch.cat([x[torch.from_numpy(nearest)], skip], 1)), 0.2)
        return self.head(x)
