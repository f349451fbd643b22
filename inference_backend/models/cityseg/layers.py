"""Layers of the cloud network in plain PyTorch: depthwise sparse convolution, window attention, local-global cross-attention.

Voxels are rows of a matrix. Neighbours come as a table `neighbours` int32 (27, V): the row of the voxel at each of the 27
offsets, or V where that place is empty. Its symmetry (the neighbour at offset k sees this voxel at offset 26 - k) makes the
backward pass gather, too: no scatter, and no (27 x V x C) tensor is ever kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 256
TAPS = 27
_CENTRE = 13
Blocks = Sequence[tuple[Tensor, Tensor, int]]


class _DepthwiseGather(torch.autograd.Function):
    """y[i] = sum over k of weight[k] * x[neighbours[k, i]]; empty places count nothing."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, neighbours)
        return _gathered(x, weight, neighbours)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, neighbours = ctx.saved_tensors
        grad = grad.contiguous()
        padded, padded_grad = _padded(x), _padded(grad)
        grad_x = weight[_CENTRE] * grad
        grad_weight = torch.empty_like(weight)
        row = torch.empty_like(grad)
        for k in range(TAPS):
            if k == _CENTRE:
                grad_weight[k] = (grad * x).sum(0)
                continue
            torch.index_select(padded, 0, neighbours[k], out=row)
            grad_weight[k] = row.mul_(grad).sum(0)
            torch.index_select(padded_grad, 0, neighbours[TAPS - 1 - k], out=row)
            grad_x.addcmul_(row, weight[k])
        return grad_x, grad_weight, None


def _padded(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_zeros(1, x.shape[1])])


def _gathered(x: Tensor, weight: Tensor, neighbours: Tensor) -> Tensor:
    padded, row = _padded(x), torch.empty_like(x)
    out = weight[_CENTRE] * x
    for k in range(TAPS):
        if k != _CENTRE:
            torch.index_select(padded, 0, neighbours[k], out=row)
            out.addcmul_(row, weight[k])
    return out


class SparseDepthwise(nn.Module):
    """Depthwise convolution over the 3 x 3 x 3 occupied neighbours of each voxel: (V, C) to (V, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(TAPS, channels) * 0.1)
        with torch.no_grad():
            self.weight[_CENTRE] += 0.5
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return _DepthwiseGather.apply(x, self.weight.to(x.dtype), neighbours) + self.bias
        return _gathered(x, self.weight.to(x.dtype), neighbours).add_(self.bias)


def mlp(channels: int, ratio: float) -> nn.Sequential:
    """Two linear layers, the first `ratio` times as wide as what goes in and comes out."""
    hidden = int(channels * ratio)
    return nn.Sequential(
        nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)
    )


class ConvBlock(nn.Module):
    """Sparse convolution, norm, and a small network a voxel: what the two fine stages are made of."""

    def __init__(self, channels: int, ratio: float = 2.0) -> None:
        super().__init__()
        self.conv = SparseDepthwise(channels)
        self.norm = nn.LayerNorm(channels)
        self.mlp = mlp(channels, ratio)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        return x + self.mlp(self.norm(self.conv(x, neighbours)))


class WindowAttention(nn.Module):
    """Self-attention inside windows of `WINDOW` voxels that follow each other on a space-filling curve."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, blocks: Blocks) -> Tensor:
        """`blocks`: for each block `windows` int64 (W, n), rows of its windows counted from its first row; `back` int64 (V,),
        where each row's answer lies in the flat windows; and its first row.
        """
        qkv = self.qkv(x)
        answers = []
        for windows, back, first in blocks:
            count, length = windows.shape
            mine = qkv[windows.reshape(-1) + first]
            q, k, v = mine.view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v)
            answers.append(y.transpose(1, 2).reshape(count * length, -1)[back])
        return self.out(torch.cat(answers))


class CrossAttention(nn.Module):
    """Voxels ask the bird's-eye tokens of the wide surroundings of their own block."""

    def __init__(self, channels: int, token_channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(token_channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        # Closed at first: the local path learns before the global one joins.
        self.gate = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, place: Tensor, tokens: Tensor, starts: list[int]) -> Tensor:
        """`place` (V, channels) position code of each voxel, `tokens` (B, T, token_channels), `starts` B + 1 row limits."""
        q, kv = self.q(x + place), self.kv(tokens)
        answers = []
        for block, (first, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
            mine = q[first:end].view(1, end - first, self.heads, -1).transpose(1, 2)
            k, v = (
                kv[block]
                .view(1, -1, 2, self.heads, q.shape[1] // self.heads)
                .permute(2, 0, 3, 1, 4)
            )
            y = F.scaled_dot_product_attention(mine, k, v)
            answers.append(y.transpose(1, 2).reshape(end - first, -1))
        return self.gate * self.out(torch.cat(answers))


class AttentionBlock(nn.Module):
    """Position by a sparse convolution, attention in a window, cross-attention to the global tokens, a small network."""

    def __init__(self, channels: int, token_channels: int, heads: int, ratio: float = 2.0) -> None:
        super().__init__()
        self.position = SparseDepthwise(channels)
        self.norm_local = nn.LayerNorm(channels)
        self.local = WindowAttention(channels, heads)
        self.norm_global = nn.LayerNorm(channels)
        self.world = CrossAttention(channels, token_channels, heads)
        self.norm_mlp = nn.LayerNorm(channels)
        self.mlp = mlp(channels, ratio)

    def forward(
        self,
        x: Tensor,
        neighbours: Tensor,
        windows: Blocks,
        place: Tensor,
        tokens: Tensor,
        starts: list[int],
    ) -> Tensor:
        x = x + self.position(x, neighbours)
        x = x + self.local(self.norm_local(x), windows)
        x = x + self.world(self.norm_global(x), place, tokens, starts)
        return x + self.mlp(self.norm_mlp(x))


def pooled(x: Tensor, parent: Tensor, count: int) -> Tensor:
    """Mean and maximum of the rows of each parent, side by side: (V, C) to (count, 2 C)."""
    index = parent[:, None].expand_as(x)
    mean = x.new_zeros(count, x.shape[1]).scatter_reduce(0, index, x, "mean", include_self=False)
    top = x.new_zeros(count, x.shape[1]).scatter_reduce(0, index, x, "amax", include_self=False)
    return torch.cat([mean, top], 1)


def place_code(xy_m: Tensor, channels: int) -> Tensor:
    """Sine and cosine code (N, channels) of places in metres, wavelengths from 8 to 512 m."""
    bands = channels // 4
    waves = 8.0 * 64.0 ** (torch.arange(bands, device=xy_m.device) / max(bands - 1, 1))
    angle = xy_m[:, :, None] * (2 * torch.pi / waves)
    code = torch.cat([angle.sin(), angle.cos()], 2).flatten(1)
    return F.pad(code, (0, channels - code.shape[1]))
