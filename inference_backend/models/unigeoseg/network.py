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

from inference_backend.models.unigeoseg.layers import (
    Context,
    Residual,
    TwoWayBlock,
    conv_bn,
    fourier,
    up,
)
from inference_backend.models.unigeoseg.prompt_maps import (
    DENSE_CHANNELS,
    REGION_COUNT,
    PromptTensors,
    dense_maps,
    region_weights,
)
from inference_backend.models.unigeoseg.text import (
    EMBEDDING_DIM,
    INTERACTIVE,
    TEXT_DIM,
    TextBranch,
    TextConfig,
    TextContext,
    TextTensors,
)

PROMPT_TYPES = 5  # positive click, negative click, box corner least, box corner greatest, padding
MASK_HEADS = 4  # one single-mask head, then three that share the blame of an ambiguous click
TEXT_MAPS = 2  # where it looks like the words, and whether there are words


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the encoder at strides 2, 4, 8, 16, 32, and of the neck and decoder; `text` None leaves out all words."""

    widths: tuple[int, int, int, int, int] = (32, 64, 128, 224, 288)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 2)
    neck: tuple[int, int, int, int] = (24, 56, 80, 128)
    matching: int = 24
    attention_heads: int = 4
    attention_blocks: int = 2
    text: TextConfig | None = None

    @classmethod
    def from_dict(cls, values: dict) -> NetworkConfig:
        """What `as_dict` gave, after a round trip through JSON."""
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if given.get("text"):
            text = dict(given["text"])
            given["text"] = TextConfig(**{**text, "concepts": tuple(text["concepts"])})
        return cls(**given)

    def as_dict(self) -> dict:
        return asdict(self)


class ImageEncoder(nn.Module):
    """RGB (B, 3, H, W) normalised, H and W multiples of 32 → features at strides 2, 4, 8, 16 and unit vectors for matching."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        w, n = config.widths, config.neck
        self.stem = nn.Sequential(conv_bn(3, w[0], stride=2), conv_bn(w[0], w[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv_bn(w[i], w[i + 1], stride=2),
                *[Residual(w[i + 1]) for _ in range(config.blocks[i])],
            )
            for i in range(4)
        )
        self.context = Context(w[4])
        self.lateral = nn.ModuleList(
            [nn.Conv2d(w[1], n[1], 1), nn.Conv2d(w[2], n[2], 1), nn.Conv2d(w[3], n[3], 1)]
        )
        self.top = nn.Conv2d(w[4], n[3], 1)
        self.reduce = nn.ModuleList([nn.Conv2d(n[2], n[1], 1), nn.Conv2d(n[3], n[2], 1)])
        self.smooth = nn.ModuleList([conv_bn(n[1], n[1]), conv_bn(n[2], n[2]), conv_bn(n[3], n[3])])
        self.fine = nn.Conv2d(w[0], n[0], 1)
        self.match = nn.ModuleList(
            [nn.Conv2d(n[1], config.matching, 1), nn.Conv2d(n[2], config.matching, 1)]
        )
        self.meaning = _Meaning(n) if config.text else None

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        s2 = self.stem(x)
        s4 = self.stages[0](s2)
        s8 = self.stages[1](s4)
        s16 = self.stages[2](s8)
        s32 = self.context(self.stages[3](s16))
        f16 = self.smooth[2](self.lateral[2](s16) + up(self.top(s32)))
        f8 = self.smooth[1](self.lateral[1](s8) + up(self.reduce[1](f16)))
        f4 = self.smooth[0](self.lateral[0](s4) + up(self.reduce[0](f8)))
        named = {} if self.meaning is None else {"s4": self.meaning(f4, f8, f16)}
        return named | {
            "f2": self.fine(s2),
            "f4": f4,
            "f8": f8,
            "f16": f16,
            "m4": F.normalize(self.match[0](f4).float(), dim=1),
            "m8": F.normalize(self.match[1](f8).float(), dim=1),
            "rgb4": F.avg_pool2d(x.float(), 4),
            "rgb2": F.avg_pool2d(x.float(), 2),
        }


class _Meaning(nn.Module):
    """Unit vectors at stride 4 that lie near the prototypes of what a pixel is: the auxiliary semantic head (unigeoseg 4.3),
    kept at run time because words are looked up in it."""

    def __init__(self, neck: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.wide = nn.Conv2d(neck[3], neck[2], 1)
        self.middle = conv_bn(neck[2], EMBEDDING_DIM)
        self.near = conv_bn(neck[1], EMBEDDING_DIM)
        self.out = nn.Conv2d(EMBEDDING_DIM, EMBEDDING_DIM, 1)

    def forward(self, f4: Tensor, f8: Tensor, f16: Tensor) -> Tensor:
        middle = self.middle(f8 + up(self.wide(f16)))
        return F.normalize(self.out(self.near(f4) + up(middle)).float(), dim=1)


class MaskDecoder(nn.Module):
    """Features and prompts → MASK_HEADS logits at stride 2 and an IoU estimate a head.

    Prompts come in four forms. Dense maps say where they are. Matching maps say which pixels look like what was
    shown: unit features and colours averaged under each prompt region, compared with every pixel; they are what
    carries a click to kinds of object that no training image had. A map of likeness to the words' prototypes does the same
    for text. Tokens carry exact positions and words through two-way attention.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        n, dim = config.neck, config.neck[3]
        maps = DENSE_CHANNELS + 2 * REGION_COUNT + (TEXT_MAPS if config.text else 0)
        self.outputs = 3 if config.text else 2
        self.token_type = nn.Embedding(PROMPT_TYPES, dim)
        self.output_tokens = nn.Parameter(torch.randn(self.outputs, dim) * 0.02)
        self.register_buffer(
            "frequencies", torch.randn(2, dim // 2, generator=torch.Generator().manual_seed(1))
        )
        self.join16 = conv_bn(n[3] + maps, dim)
        self.blocks = nn.ModuleList(
            TwoWayBlock(dim, config.attention_heads) for _ in range(config.attention_blocks)
        )
        self.join8 = nn.Sequential(conv_bn(dim + n[2] + maps, n[2]), conv_bn(n[2], n[2]))
        self.join4 = nn.Sequential(conv_bn(n[2] + n[1] + maps, n[1]), conv_bn(n[1], n[1]))
        self.gain4 = nn.Linear(2 * dim, n[1])
        self.coarse = nn.Conv2d(n[1], MASK_HEADS, 1)
        self.narrow = nn.Conv2d(n[1], n[0], 1)
        self.join2 = nn.Sequential(conv_bn(2 * n[0] + 3 + MASK_HEADS, n[0]), conv_bn(n[0], n[0]))
        self.final = nn.Conv2d(n[0], MASK_HEADS, 1)
        self.quality = nn.Sequential(
            nn.Linear(2 * n[1] + 4, 64), nn.ReLU(inplace=True), nn.Linear(64, 1)
        )
        self.matching_scale = nn.Parameter(torch.tensor(4.0))
        if config.text:
            self.text = TextBranch(config.text, dim, config.attention_heads)
            self.word_scale = nn.Parameter(torch.tensor(8.0))
            self.core = nn.Conv2d(n[0], 1, 1)
            self.presence = nn.Sequential(
                nn.Linear(dim + 4, 64), nn.ReLU(inplace=True), nn.Linear(64, 1)
            )

    def forward(
        self,
        features: dict[str, Tensor],
        prompts: PromptTensors | None,
        text: TextTensors | TextContext | None = None,
    ) -> dict[str, Tensor]:
        """Logits (P, MASK_HEADS, H/2, W/2), coarse logits at stride 4, iou (P, MASK_HEADS). No prompts: words alone.

        With a text half also core (P, H/2, W/2) logits of the insides of single objects, likeness (P, H/4, W/4) logits,
        presence (P,) logits, and concepts (P, C) logits where there is a memory.
        """
        shown = prompts
        if prompts is None:
            prompts = PromptTensors.nothing(len(features["f4"]), features["f4"].device)
        if text is None and self.outputs == 3:
            text = no_text(len(prompts.box), prompts.box.device)
        heard = self._hear(text, prompts, features) if isinstance(text, TextTensors) else text
        words4 = None if heard is None else self.likeness(features, heard)
        # In the layout of the features: joined with another layout, everything would be copied (a tile: 72 ms, and 65 so).
        maps4, maps8 = (
            _laid_out(self._maps(features, shown, name, stride))
            for name, stride in (("m4", 4), ("m8", 8))
        )
        if heard is not None and words4 is not None:
            said4 = heard.has[:, None, None, None].to(maps4.dtype).expand_as(words4[:, None])
            text4 = torch.cat([torch.sigmoid(words4)[:, None].to(maps4.dtype) * said4, said4], 1)
            text4 = _laid_out(text4)
            maps4 = torch.cat([maps4, text4], 1)
            maps8 = torch.cat([maps8, F.avg_pool2d(text4, 2)], 1)
        maps16 = F.avg_pool2d(maps8, 2)
        x, tokens = self._attend(
            self.join16(torch.cat([features["f16"], maps16], 1)), prompts, heard
        )
        x = self.join8(torch.cat([up(x), features["f8"], maps8], 1))
        x = self.join4(torch.cat([up(x), features["f4"], maps4], 1))
        x = x * (1 + torch.tanh(self.gain4(tokens[:, :2].flatten(1))))[..., None, None]
        coarse = self.coarse(x)
        coarse2 = up(coarse)
        y = self.join2(
            torch.cat(
                [up(self.narrow(x)), features["f2"], features["rgb2"].to(x.dtype), coarse2], 1
            )
        )
        logits = self.final(y) + coarse2
        output = {
            "logits": logits.float(),
            "coarse": coarse.float(),
            "iou": self._quality(x, coarse),
        }
        if heard is None or words4 is None:
            return output
        output |= {"core": self.core(y)[:, 0].float(), "likeness": words4}
        output["presence"] = self._presence(tokens[:, 2], words4, output["coarse"][:, 0])
        if heard.concept_logits is not None:
            output["concepts"] = heard.concept_logits
        return output

    def hear(self, text: TextTensors) -> TextContext:
        """Words alone, as `forward` takes them for any image."""
        dim = 2 * self.frequencies.shape[1]
        return self.text(text, torch.zeros(len(text.has), dim, device=text.tokens.device))

    def _hear(
        self, text: TextTensors, prompts: PromptTensors, features: dict[str, Tensor]
    ) -> TextContext:
        """Words with the place of the prompts in the window, as the interactive branch of TATE takes them."""
        height, width = (side * 4.0 for side in features["f4"].shape[-2:])
        middle = torch.tensor([width, height], device=prompts.box.device) / 2
        real = (prompts.token_type != PROMPT_TYPES - 1)[..., None]
        codes = fourier(prompts.token_xy - middle, self.frequencies)
        place = (codes * real).sum(1) / real.sum(1).clamp_min(1)
        return self.text(text, place)

    def likeness(self, features: dict[str, Tensor], heard: TextContext) -> Tensor:
        """(P, H/4, W/4) logits: how near each pixel's meaning lies to the nearest prototype of the words."""
        near = torch.einsum("pkc,pchw->pkhw", heard.prototypes, features["s4"])
        return self.word_scale * near.max(1).values + heard.bias[:, None, None]

    def _presence(self, token: Tensor, likeness: Tensor, coarse: Tensor) -> Tensor:
        """Is any of it here? Logit (P,) from a token and from how sure the surest parts of the two maps are."""
        stats = []
        for logits in (likeness, coarse):
            probability = torch.sigmoid(logits).flatten(1)
            most = probability.topk(max(probability.shape[1] // 100, 4), 1).values.mean(1)
            stats += [most, probability.mean(1)]
        return self.presence(torch.cat([token.float(), torch.stack(stats, 1)], 1))[:, 0].float()

    def _maps(
        self, features: dict[str, Tensor], prompts: PromptTensors | None, match: str, stride: int
    ) -> Tensor:
        """(P, DENSE_CHANNELS + 2 REGION_COUNT, h, w): where the prompts are, and what looks like them; else zeros."""
        vectors = features[match]
        height, width = vectors.shape[-2:]
        if prompts is None:
            shape = (len(vectors), DENSE_CHANNELS + 2 * REGION_COUNT, height, width)
            return vectors.new_zeros(shape, dtype=features["f16"].dtype)
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

    def _attend(
        self, x: Tensor, prompts: PromptTensors, heard: TextContext | None
    ) -> tuple[Tensor, Tensor]:
        p, dim, h, w = x.shape
        middle = torch.tensor([w * 8.0, h * 8.0], device=x.device)
        centre = torch.where(prompts.has_place[:, None], prompts.centre, middle)[:, None]
        place = fourier(prompts.token_xy - centre, self.frequencies).to(x.dtype)
        out = self.output_tokens.to(x.dtype).expand(p, -1, -1)
        real = prompts.token_type != PROMPT_TYPES - 1
        parts = [out, self.token_type(prompts.token_type).to(x.dtype)]
        places = [torch.zeros_like(place[:, :1]).expand(-1, self.outputs, -1), place]
        keeps = [torch.ones_like(real[:, :1]).expand(-1, self.outputs), real]
        if heard is not None:
            parts.append(heard.tokens.to(x.dtype))
            places.append(torch.zeros_like(parts[-1]))
            keeps.append(heard.keep)
        tokens, token_pos, keep = torch.cat(parts, 1), torch.cat(places, 1), torch.cat(keeps, 1)
        ys, xs = torch.meshgrid(
            torch.arange(h, device=x.device) * 16.0 + 8,
            torch.arange(w, device=x.device) * 16.0 + 8,
            indexing="ij",
        )
        grid = torch.stack([xs, ys], -1).view(1, h * w, 2) - centre
        image_pos = fourier(grid, self.frequencies).to(x.dtype)
        image = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens, image = block(tokens, image, token_pos, image_pos, keep)
        return image.reshape(p, h, w, dim).permute(0, 3, 1, 2), tokens[:, : self.outputs]

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
        self,
        image: Tensor,
        prompts: PromptTensors,
        prompts_an_image: int = 1,
        text: TextTensors | None = None,
    ) -> dict[str, Tensor]:
        return self.decoder(expand(self.encoder(image), prompts_an_image), prompts, text)


def _laid_out(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def no_text(count: int, device: torch.device | str) -> TextTensors:
    """`count` prompts without a word."""
    return TextTensors(
        torch.zeros(count, 1, TEXT_DIM, device=device),
        torch.zeros(count, 1, dtype=torch.bool, device=device),
        torch.zeros(count, TEXT_DIM, device=device),
        torch.full((count,), INTERACTIVE, dtype=torch.long, device=device),
        torch.zeros(count, device=device),
    )


def expand(features: dict[str, Tensor], times: int) -> dict[str, Tensor]:
    """(B, …) features → (B * times, …), image-major."""
    if times == 1:
        return features
    return {name: value.repeat_interleave(times, 0) for name, value in features.items()}
