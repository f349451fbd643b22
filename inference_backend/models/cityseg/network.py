"""The cloud network, CitySeg-style: sparse convolution at fine voxels, window attention and local-global cross-attention at
coarse ones, an embedding a voxel that is compared with the prototypes of a label graph.

Source: CitySeg (arXiv 2508.09470), whose details are not public; the split into convolution early and attention late follows
what LitePT found. All lengths in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference_backend.models.cityseg.graph_encoder import GraphEncoder
from inference_backend.models.cityseg.layers import AttentionBlock, ConvBlock, place_code, pooled
from inference_backend.models.cityseg.shape import SHAPES
from inference_backend.models.cityseg.voxels import FEATURES, LEVELS, Voxels

CONTEXT_BANDS = 4
CONTEXT_M = 256.0
DOMAIN = 3


@dataclass(frozen=True)
class CloudConfig:
    """Sizes of the network. `widths` and `depths` per stage, fine to coarse; the last two have attention."""

    widths: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (1, 2, 2, 3)
    token_width: int = 128
    embedding: int = 64
    heads: int = 4
    features: int = FEATURES

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CloudConfig:
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass
class BatchLevel:
    """A level of several blocks, one after the other; see `voxels.Level`. `starts` are the row limits of the blocks."""

    neighbours: Tensor
    parent: Tensor | None
    windows: list[tuple[Tensor, Tensor]]
    starts: list[int]
    centres_m: Tensor
    shape: Tensor


@dataclass
class VoxelBatch:
    """Blocks as tensors. `features` (V, F), `context` (B, 4, 64, 64), `domain` (B, 3)."""

    features: Tensor
    levels: list[BatchLevel]
    context: Tensor
    domain: Tensor
    inverses: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, blocks: Sequence[Voxels], device: str = "cpu") -> VoxelBatch:
        """Put blocks together: their rows follow each other, and no table crosses from one to another."""
        levels = [_joined(blocks, level, device) for level in range(LEVELS)]
        features = torch.from_numpy(np.concatenate([b.features for b in blocks])).to(device)
        context = torch.from_numpy(np.stack([b.context for b in blocks])).to(device)
        domain = torch.from_numpy(np.stack([b.domain for b in blocks])).to(device)
        return cls(features, levels, context, domain, [b.inverse for b in blocks])


def _joined(blocks: Sequence[Voxels], level: int, device: str) -> BatchLevel:
    parts = [block.levels[level] for block in blocks]
    starts = np.cumsum([0, *[part.count for part in parts]]).tolist()
    above = np.cumsum([0, *[b.levels[min(level + 1, LEVELS - 1)].count for b in blocks]])
    tables = []
    for part, start in zip(parts, starts[:-1], strict=True):
        table = part.neighbours + np.int32(start)
        table[part.neighbours == part.count] = starts[-1]
        tables.append(table)
    parent = None
    if parts[0].parent is not None:
        parent = np.concatenate([p.parent + a for p, a in zip(parts, above, strict=False)])
    windows = [
        (torch.from_numpy(p.windows).to(device), torch.from_numpy(p.back).to(device))
        for p in parts
        if p.windows is not None
    ]
    centres = np.concatenate([block.centres_m(level) for block in blocks])
    return BatchLevel(
        torch.from_numpy(np.concatenate(tables, 1)).to(device),
        None if parent is None else torch.from_numpy(parent).to(device),
        windows,
        starts,
        torch.from_numpy(centres).to(device),
        torch.from_numpy(np.concatenate([part.shape for part in parts])).to(device),
    )


class ContextTokens(nn.Module):
    """The wide surroundings as tokens: context rasters (B, 4, 64, 64) of 256 m to (B, 256, width), one token 16 m."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(CONTEXT_BANDS, 32, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, width, 3, 1, 1),
        )
        self.mix = nn.TransformerEncoderLayer(
            width, heads, 2 * width, 0.0, batch_first=True, norm_first=True
        )
        step = CONTEXT_M / 16
        axis = torch.arange(16) * step + step / 2 - CONTEXT_M / 2
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        places = torch.stack([x, y], 2).view(-1, 2)
        self.register_buffer("places", place_code(places, width), persistent=False)

    def forward(self, context: Tensor) -> Tensor:
        tokens = self.stem(context).flatten(2).transpose(1, 2)
        return self.mix(tokens + self.places)


class CitySegNet(nn.Module):
    """Voxels to unit embeddings (V, embedding); scores are `temperature` times the cosine with a prototype."""

    def __init__(self, config: CloudConfig) -> None:
        super().__init__()
        self.config = config
        w, tokens = config.widths, config.token_width
        self.stem = nn.Linear(config.features, w[0])
        self.film = nn.Linear(DOMAIN, 2 * w[0])
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        self.norm = nn.LayerNorm(w[0])
        self.shape = nn.ModuleList(nn.Linear(SHAPES, width) for width in w)
        for layer in self.shape:
            # Closed at first, so that older weights of the rest can go on from where they were.
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.fine = nn.ModuleList(
            nn.ModuleList([ConvBlock(w[s]) for _ in range(config.depths[s])]) for s in (0, 1)
        )
        self.coarse = nn.ModuleList(
            nn.ModuleList(
                [AttentionBlock(w[s], tokens, config.heads) for _ in range(config.depths[s])]
            )
            for s in (2, 3)
        )
        self.down = nn.ModuleList(nn.Linear(2 * w[s], w[s + 1]) for s in range(LEVELS - 1))
        self.up = nn.ModuleList(nn.Linear(w[s + 1], w[s]) for s in range(LEVELS - 1))
        self.skip = nn.ModuleList(nn.Linear(w[s], w[s]) for s in range(LEVELS - 1))
        self.after = nn.ModuleList(nn.LayerNorm(w[s]) for s in range(LEVELS - 1))
        self.context = ContextTokens(tokens, config.heads)
        self.to_tokens = nn.Linear(w[2], tokens)
        self.back_to_tokens = nn.Linear(w[3], tokens)
        self.second_look = AttentionBlock(w[2], tokens, config.heads)
        self.head = nn.Sequential(
            nn.Linear(w[0], 2 * w[0]), nn.ReLU(inplace=True), nn.Linear(2 * w[0], config.embedding)
        )
        self.graph = GraphEncoder(config.embedding)
        self.log_temperature = nn.Parameter(torch.tensor(2.7))

    @property
    def temperature(self) -> Tensor:
        return self.log_temperature.clamp(max=4.0).exp()

    def forward(self, batch: VoxelBatch) -> Tensor:
        """Unit embeddings (V, embedding) of the fine voxels of all blocks."""
        x, skips = self._into(batch), []
        for s in (0, 1):
            for block in self.fine[s]:
                x = block(x, batch.levels[s].neighbours)
            skips.append(x)
            x = self._pool(x, batch, s)
        tokens = self.context(batch.context)
        tokens = tokens + self._from_voxels(x, batch, 2, self.to_tokens, tokens)
        x = self._attend(self.coarse[0], x, batch, 2, tokens)
        skips.append(x)
        x = self._pool(x, batch, 2)
        x = self._attend(self.coarse[1], x, batch, 3, tokens)
        tokens = tokens + self._from_voxels(x, batch, 3, self.back_to_tokens, tokens)
        for s in (2, 1, 0):
            level = batch.levels[s]
            x = self.after[s](self.skip[s](skips[s]) + self.up[s](x)[level.parent])
            if s == 2:
                x = self._attend([self.second_look], x, batch, 2, tokens)
            x = F.relu(x)
        return F.normalize(self.head(x), dim=1)

    def _into(self, batch: VoxelBatch) -> Tensor:
        x = self.norm(self.stem(batch.features) + self.shape[0](batch.levels[0].shape))
        scale, shift = self.film(batch.domain).chunk(2, 1)
        starts = batch.levels[0].starts
        sizes = torch.tensor(np.diff(starts), device=x.device)
        scale, shift = (v.repeat_interleave(sizes, 0) for v in (scale, shift))
        return F.relu(x * (1 + scale) + shift)

    def _pool(self, x: Tensor, batch: VoxelBatch, stage: int) -> Tensor:
        above = batch.levels[stage + 1]
        mixed = self.down[stage](pooled(x, batch.levels[stage].parent, above.starts[-1]))
        return F.relu(mixed + self.shape[stage + 1](above.shape))

    def _attend(
        self, blocks: Sequence[nn.Module], x: Tensor, batch: VoxelBatch, stage: int, tokens: Tensor
    ) -> Tensor:
        level = batch.levels[stage]
        place = place_code(level.centres_m, self.config.widths[stage])
        windows = _one_after_another(level)
        for block in blocks:
            x = block(x, level.neighbours, windows, place, tokens, level.starts)
        return x

    def _from_voxels(
        self, x: Tensor, batch: VoxelBatch, stage: int, project: nn.Module, tokens: Tensor
    ) -> Tensor:
        """Mean of the voxels over each token's 16 m, projected: (B, 256, width), 0 where there are none."""
        level = batch.levels[stage]
        cell = ((level.centres_m + CONTEXT_M / 2) / (CONTEXT_M / 16)).long().clamp_(0, 15)
        blocks = torch.arange(len(level.starts) - 1, device=x.device)
        sizes = torch.tensor(np.diff(level.starts), device=x.device)
        row = (blocks.repeat_interleave(sizes) * 256) + cell[:, 1] * 16 + cell[:, 0]
        values = project(x)
        out = values.new_zeros(len(sizes) * 256, values.shape[1])
        index = row[:, None].expand_as(values)
        return out.scatter_reduce(0, index, values, "mean", include_self=False).view_as(tokens)


def _one_after_another(level: BatchLevel) -> list[tuple[Tensor, Tensor, int]]:
    """The windows of each block with the row at which the block begins."""
    return [
        (windows, back, start)
        for (windows, back), start in zip(level.windows, level.starts[:-1], strict=True)
    ]
