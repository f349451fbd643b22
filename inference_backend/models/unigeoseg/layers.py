"""Building blocks of the network: convolutions, attention, position codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; the size divided by `stride`."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions round a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class Context(nn.Module):
    """Image-wide gain a channel (squeeze and excitation): cheap global context at stride 32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 4),
            nn.ReLU(inplace=True),
            nn.Linear(channels // 4, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean((2, 3))))[..., None, None]


def up(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def fourier(xy_px: Tensor, frequencies: Tensor) -> Tensor:
    """Random Fourier features (Tancik et al. 2020) of positions relative to the prompt, in pixels."""
    angle = (xy_px.float() / 128.0) @ frequencies
    return torch.cat([angle.sin(), angle.cos()], -1)


class Attention(nn.Module):
    """Multi-head attention; `mask` (B, N) is true for keys that count."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        b, n, d = q.shape

        def split(t: Tensor) -> Tensor:
            return t.view(b, -1, self.heads, d // self.heads).transpose(1, 2)

        # written out: with this few tokens on one side the fused CPU kernel is several times slower
        weights = split(self.q(q)) @ split(self.k(k)).transpose(-1, -2) * (d // self.heads) ** -0.5
        if mask is not None:
            weights = weights.masked_fill(~mask[:, None, None, :], -1e4)
        x = weights.softmax(-1).to(q.dtype) @ split(self.v(v)).to(q.dtype)
        return self.out(x.transpose(1, 2).reshape(b, n, d))


class TwoWayBlock(nn.Module):
    """Tokens attend to each other and to the image, then the image attends to the tokens (unigeoseg 4.2; after SAM)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.token_self, self.token_image, self.image_token = (
            Attention(dim, heads) for _ in range(3)
        )
        self.mlp = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Linear(2 * dim, dim)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(4))

    def forward(
        self, tokens: Tensor, image: Tensor, token_pos: Tensor, image_pos: Tensor, keep: Tensor
    ) -> tuple[Tensor, Tensor]:
        q = tokens + token_pos
        tokens = self.norms[0](tokens + self.token_self(q, q, tokens, keep))
        tokens = self.norms[1](
            tokens + self.token_image(tokens + token_pos, image + image_pos, image)
        )
        tokens = self.norms[2](tokens + self.mlp(tokens))
        update = self.image_token(image + image_pos, tokens + token_pos, tokens, keep)
        return tokens, self.norms[3](image + update)
