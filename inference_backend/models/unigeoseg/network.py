"""The network of the compact UniGeoSeg: a prompt-independent encoder and a light, promptable mask decoder.

After UniGeoSeg (arXiv 2511.23332): one image encoding serves every later prompt. Ours is small and convolutional so that
two CPU cores answer a click while the hand is still on the mouse. Dense 3x3 convolutions throughout: on CPUs they train
about ten times faster in bf16 than depthwise ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference_backend.models.unigeoseg.prompt_maps import (
    DENSE_CHANNELS,
    REGION_COUNT,
    PromptTensors,
    dense_maps,
    region_weights,
)

FOURIER_BANDS = 16
PROMPT_TYPES = 5  # positive click, negative click, box corner least, box corner greatest, padding
MASK_HEADS = 4  # one single-mask head, then three that share the blame of an ambiguous click


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the encoder at strides 2, 4, 8, 16, 32, and of the neck and decoder."""

    widths: tuple[int, int, int, int, int] = (32, 64, 128, 224, 288)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 2)
    neck: tuple[int, int, int, int] = (24, 56, 80, 128)
    matching: int = 24
    attention_heads: int = 4
    attention_blocks: int = 2

    def as_dict(self) -> dict:
        return asdict(self)


def _conv_bn(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv_bn(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class _Context(nn.Module):
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


class ImageEncoder(nn.Module):
    """RGB (B, 3, H, W) normalised, H and W multiples of 32 → features at strides 2, 4, 8, 16 and unit vectors for matching."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        w, n = config.widths, config.neck
        self.stem = nn.Sequential(_conv_bn(3, w[0], stride=2), _conv_bn(w[0], w[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                _conv_bn(w[i], w[i + 1], stride=2),
                *[_Residual(w[i + 1]) for _ in range(config.blocks[i])],
            )
            for i in range(4)
        )
        self.context = _Context(w[4])
        self.lateral = nn.ModuleList(
            [nn.Conv2d(w[1], n[1], 1), nn.Conv2d(w[2], n[2], 1), nn.Conv2d(w[3], n[3], 1)]
        )
        self.top = nn.Conv2d(w[4], n[3], 1)
        self.reduce = nn.ModuleList([nn.Conv2d(n[2], n[1], 1), nn.Conv2d(n[3], n[2], 1)])
        self.smooth = nn.ModuleList(
            [_conv_bn(n[1], n[1]), _conv_bn(n[2], n[2]), _conv_bn(n[3], n[3])]
        )
        self.fine = nn.Conv2d(w[0], n[0], 1)
        self.match = nn.ModuleList(
            [nn.Conv2d(n[1], config.matching, 1), nn.Conv2d(n[2], config.matching, 1)]
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        s2 = self.stem(x)
        s4 = self.stages[0](s2)
        s8 = self.stages[1](s4)
        s16 = self.stages[2](s8)
        s32 = self.context(self.stages[3](s16))
        f16 = self.smooth[2](self.lateral[2](s16) + _up(self.top(s32)))
        f8 = self.smooth[1](self.lateral[1](s8) + _up(self.reduce[1](f16)))
        f4 = self.smooth[0](self.lateral[0](s4) + _up(self.reduce[0](f8)))
        return {
            "f2": self.fine(s2),
            "f4": f4,
            "f8": f8,
            "f16": f16,
            "m4": F.normalize(self.match[0](f4).float(), dim=1),
            "m8": F.normalize(self.match[1](f8).float(), dim=1),
            "rgb4": F.avg_pool2d(x.float(), 4),
            "rgb2": F.avg_pool2d(x.float(), 2),
        }


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _fourier(xy_px: Tensor, frequencies: Tensor) -> Tensor:
    """Random Fourier features (Tancik et al. 2020) of positions relative to the prompt, in pixels."""
    angle = (xy_px.float() / 128.0) @ frequencies
    return torch.cat([angle.sin(), angle.cos()], -1)


class _Attention(nn.Module):
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
            _Attention(dim, heads) for _ in range(3)
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


class MaskDecoder(nn.Module):
    """Features and prompts → MASK_HEADS logits at stride 2 and an IoU estimate a head.

    Prompts come in three forms. Dense maps say where they are. Matching maps say which pixels look like what was
    shown: unit features and colours averaged under each prompt region, compared with every pixel; they are what
    carries a click to kinds of object that no training image had. Tokens carry exact positions through two-way attention.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        n, dim = config.neck, config.neck[3]
        maps = DENSE_CHANNELS + 2 * REGION_COUNT
        self.token_type = nn.Embedding(PROMPT_TYPES, dim)
        self.output_tokens = nn.Parameter(torch.randn(2, dim) * 0.02)
        self.register_buffer(
            "frequencies", torch.randn(2, dim // 2, generator=torch.Generator().manual_seed(1))
        )
        self.join16 = _conv_bn(n[3] + maps, dim)
        self.blocks = nn.ModuleList(
            TwoWayBlock(dim, config.attention_heads) for _ in range(config.attention_blocks)
        )
        self.join8 = nn.Sequential(_conv_bn(dim + n[2] + maps, n[2]), _conv_bn(n[2], n[2]))
        self.join4 = nn.Sequential(_conv_bn(n[2] + n[1] + maps, n[1]), _conv_bn(n[1], n[1]))
        self.gain4 = nn.Linear(2 * dim, n[1])
        self.coarse = nn.Conv2d(n[1], MASK_HEADS, 1)
        self.narrow = nn.Conv2d(n[1], n[0], 1)
        self.join2 = nn.Sequential(_conv_bn(2 * n[0] + 3 + MASK_HEADS, n[0]), _conv_bn(n[0], n[0]))
        self.final = nn.Conv2d(n[0], MASK_HEADS, 1)
        self.quality = nn.Sequential(
            nn.Linear(2 * n[1] + 4, 64), nn.ReLU(inplace=True), nn.Linear(64, 1)
        )
        self.matching_scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, features: dict[str, Tensor], prompts: PromptTensors) -> dict[str, Tensor]:
        maps4 = self._maps(features, prompts, "m4", 4)
        maps8 = self._maps(features, prompts, "m8", 8)
        maps16 = F.avg_pool2d(maps8, 2)
        x, tokens = self._attend(self.join16(torch.cat([features["f16"], maps16], 1)), prompts)
        x = self.join8(torch.cat([_up(x), features["f8"], maps8], 1))
        x = self.join4(torch.cat([_up(x), features["f4"], maps4], 1))
        x = x * (1 + torch.tanh(self.gain4(tokens.flatten(1))))[..., None, None]
        coarse = self.coarse(x)
        y = torch.cat(
            [_up(self.narrow(x)), features["f2"], features["rgb2"].to(x.dtype), _up(coarse)], 1
        )
        logits = self.final(self.join2(y)) + _up(coarse)
        return {"logits": logits.float(), "coarse": coarse.float(), "iou": self._quality(x, coarse)}

    def _maps(
        self, features: dict[str, Tensor], prompts: PromptTensors, match: str, stride: int
    ) -> Tensor:
        """(P, DENSE_CHANNELS + 2 REGION_COUNT, h, w): where the prompts are, and what looks like them."""
        vectors = features[match]
        height, width = vectors.shape[-2:]
        dense = dense_maps(prompts, height, width, stride)
        weights = region_weights(prompts, dense)  # (P, R, h, w)
        present = (weights.sum((2, 3)) > 1e-3).float()[..., None, None]
        rgb = features["rgb4"] if stride == 4 else F.avg_pool2d(features["rgb4"], stride // 4)
        norm = weights / weights.sum((2, 3), keepdim=True).clamp_min(1e-3)
        prototype = F.normalize(torch.einsum("prhw,pchw->prc", norm, vectors), dim=-1)
        likeness = torch.einsum("prc,pchw->prhw", prototype, vectors) * present
        colour = torch.einsum("prhw,pchw->prc", norm, rgb)
        # |rgb - colour|^2 expanded, so that no (P, R, 3, h, w) tensor is made
        distance = (
            rgb.square().sum(1)[:, None]
            - 2 * torch.einsum("prc,pchw->prhw", colour, rgb)
            + colour.square().sum(-1)[..., None, None]
        ).clamp_min(0)
        alike = torch.exp(-self.matching_scale.abs() * distance) * present
        return torch.cat([dense, likeness, alike], 1).to(features["f16"].dtype)

    def _attend(self, x: Tensor, prompts: PromptTensors) -> tuple[Tensor, Tensor]:
        p, dim, h, w = x.shape
        centre = prompts.centre[:, None]
        token_pos = _fourier(prompts.token_xy - centre, self.frequencies).to(x.dtype)
        tokens = self.token_type(prompts.token_type).to(x.dtype)
        out = self.output_tokens.to(x.dtype).expand(p, -1, -1)
        tokens = torch.cat([out, tokens], 1)
        token_pos = torch.cat([torch.zeros_like(token_pos[:, :1]).expand(-1, 2, -1), token_pos], 1)
        real = prompts.token_type != PROMPT_TYPES - 1
        keep = torch.cat([torch.ones_like(real[:, :1]).expand(-1, 2), real], 1)
        ys, xs = torch.meshgrid(
            torch.arange(h, device=x.device) * 16.0 + 8,
            torch.arange(w, device=x.device) * 16.0 + 8,
            indexing="ij",
        )
        grid = torch.stack([xs, ys], -1).view(1, h * w, 2) - centre
        image_pos = _fourier(grid, self.frequencies).to(x.dtype)
        image = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens, image = block(tokens, image, token_pos, image_pos, keep)
        return image.transpose(1, 2).reshape(p, dim, h, w), tokens[:, :2]

    def _quality(self, x: Tensor, coarse: Tensor) -> Tensor:
        """IoU a head (P, MASK_HEADS), from features averaged inside and outside each mask and how sure the mask is."""
        prob = torch.sigmoid(coarse.float())
        flat = x.float().flatten(2)
        inside = prob.flatten(2)
        area = inside.sum(-1, keepdim=True)
        outside = 1 - inside
        mean_in = inside @ flat.transpose(1, 2) / area.clamp_min(1e-3)
        mean_out = outside @ flat.transpose(1, 2) / outside.sum(-1, keepdim=True).clamp_min(1e-3)
        sure = (inside * inside).sum(-1, keepdim=True) / area.clamp_min(1e-3)
        doubt = (inside * outside).sum(-1, keepdim=True) / area.clamp_min(1e-3)
        head = (
            torch.linspace(0, 1, MASK_HEADS, device=x.device)
            .view(1, -1, 1)
            .expand(x.shape[0], -1, 1)
        )
        cells = torch.log1p(area) / 8
        return torch.sigmoid(
            self.quality(torch.cat([mean_in, mean_out, sure, doubt, cells, head], -1))
        ).squeeze(-1)


class UniGeoSegNet(nn.Module):
    """Encoder and decoder. `expand` repeats an image's features for each of its prompts."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        self.encoder = ImageEncoder(self.config)
        self.decoder = MaskDecoder(self.config)

    def forward(
        self, image: Tensor, prompts: PromptTensors, prompts_an_image: int = 1
    ) -> dict[str, Tensor]:
        return self.decoder(expand(self.encoder(image), prompts_an_image), prompts)


def expand(features: dict[str, Tensor], times: int) -> dict[str, Tensor]:
    """(B, …) features → (B * times, …), image-major."""
    if times == 1:
        return features
    return {name: value.repeat_interleave(times, 0) for name, value in features.items()}
