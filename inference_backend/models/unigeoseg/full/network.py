"""The full UniGeoSeg: Swin, connector, Phi, the paper's parts, and Mask2Former's decoders with one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerMaskedAttentionDecoder,
    Mask2FormerPixelDecoder,
    Mask2FormerSinePositionEmbedding,
)
from transformers.models.phi.modeling_phi import PhiForCausalLM
from transformers.models.swin.modeling_swin import SwinBackbone

from inference_backend.models.base import TextTask
from inference_backend.models.unigeoseg.full.parts import (
    Connector,
    DescriptionProjector,
    KnowledgeMemory,
    TaskAdaptiveText,
    attended,
)
from inference_backend.models.unigeoseg.full.shapes import FullShapes

LEVELS = 3
EXACT = ("pixel_decoder.", "mask_decoder.")
"""Parts that stay in float32 whatever the rest is in: at the paper's size the pixel decoder gives no numbers in bfloat16."""


@dataclass(frozen=True)
class Instruction:
    """One question in tokens: what stands before the image, between image and instruction, and the instruction itself.

    Each int64 (n,). `coordinates` float32 (m, 4), 0 to 1. What follows the instruction in the paper's dialogue cannot
    change the mask, since the language model looks back only, and is left out.
    """

    before: Tensor
    between: Tensor
    words: Tensor
    task: TextTask
    coordinates: Tensor


class OneQueryDecoder(nn.Module):
    """Mask2Former's masked-attention decoder for a query that comes from words."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        self.layers = Mask2FormerMaskedAttentionDecoder(shapes.mask2former())
        self.level_embed = nn.Embedding(LEVELS, shapes.query_width)
        self.positions = Mask2FormerSinePositionEmbedding(shapes.query_width // 2, normalize=True)

    def forward(self, query: Tensor, levels: list[Tensor], mask_features: Tensor) -> Tensor:
        """(B, C), coarse to fine (B, C, h, w) each, (B, C, H, W) → mask logits (B, H, W)."""
        places = [
            self.positions(level.shape, level.device, level.dtype).flatten(2).permute(2, 0, 1)
            for level in levels
        ]
        seen = [
            (level.flatten(2) + self.level_embed.weight[k][None, :, None]).permute(2, 0, 1)
            for k, level in enumerate(levels)
        ]
        output = self.layers(
            inputs_embeds=query[None],
            multi_stage_positional_embeddings=places,
            pixel_embeddings=mask_features,
            encoder_hidden_states=seen,
            query_position_embeddings=torch.zeros_like(query[None]),
            feature_size_list=[level.shape[-2:] for level in levels],
            return_dict=True,
        )
        return output.masks_queries_logits[-1][:, 0]


class FullNet(nn.Module):
    """`see` an image once, `answer` instructions on it."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        self.shapes = shapes
        self.backbone = SwinBackbone(shapes.swin())
        self.pixel_decoder = Mask2FormerPixelDecoder(shapes.mask2former(), list(shapes.channels))
        nn.init.normal_(self.pixel_decoder.level_embed)
        self.connector = Connector(shapes)
        self.llm = PhiForCausalLM(shapes.phi())
        self.tate = TaskAdaptiveText(shapes)
        self.memory = KnowledgeMemory(shapes)
        self.projector = DescriptionProjector(shapes)
        self.mask_decoder = OneQueryDecoder(shapes)

    def see(self, image: Tensor) -> dict[str, Tensor]:
        """What is kept of an image (1, 3, image_px, image_px), normalised."""
        maps = self.backbone(image).feature_maps
        exact = [found.float() for found in maps]
        decoded = self.pixel_decoder(exact, output_hidden_states=False, return_dict=True)
        levels = {f"level{k}": level for k, level in enumerate(decoded.multi_scale_features)}
        tokens = self.connector(maps[-1])
        return {
            "coarse": maps[-1],
            "tokens": tokens,
            "mask_features": decoded.mask_features,
            **levels,
        }

    def answer(self, seen: Mapping[str, Tensor], asked: Instruction) -> Tensor:
        """Mask logits (image_px / 4, image_px / 4)."""
        understood = self.memory(self.understand(seen, asked), asked.task)
        query = self.projector(understood, seen["coarse"][0])
        levels = [seen[f"level{k}"] for k in range(LEVELS)]
        return self.mask_decoder(query[None].float(), levels, seen["mask_features"])[0]

    def understand(self, seen: Mapping[str, Tensor], asked: Instruction) -> Tensor:
        """The instruction after the language model has read it beside the image: (hidden,)."""
        embed = self.llm.get_input_embeddings()
        before, between, words = (embed(ids) for ids in (asked.before, asked.between, asked.words))
        if self.shapes.tate_on == "instruction":
            words = words + self.tate(words, asked.task, asked.coordinates)
        else:
            between = self.tate.as_released(between, asked.task, asked.coordinates)
        dialogue = torch.cat([before, seen["tokens"][0], between, words])
        hidden = self.llm.model(inputs_embeds=dialogue[None], use_cache=False).last_hidden_state
        # The query that enhances references also sums up: the released model shares it.
        return attended(self.tate.referring_query[None], hidden[0, -len(words) :])[0]


def dtype_of(name: str, dtype: torch.dtype) -> torch.dtype:
    """In which precision the tensor of that name is kept."""
    return torch.float32 if name.startswith(EXACT) else dtype


def build(shapes: FullShapes) -> FullNet:
    """The network without memory behind its weights: on the meta device. `fill_buffers` before use."""
    with torch.device("meta"):
        return FullNet(shapes).eval().requires_grad_(False)


def fill_buffers(net: FullNet) -> None:
    """Tables that follow from the shapes and that no file holds: made by the library's own classes, at the least size."""
    rotary = net.llm.model.rotary_emb
    net.llm.model.rotary_emb = type(rotary)(net.llm.config)
    shapes = replace(net.shapes, swin_embed=4, swin_depths=(1, 1, 1, 1), swin_heads=(1, 1, 1, 1))
    index = next(
        buffer
        for name, buffer in SwinBackbone(shapes.swin()).named_buffers()
        if name.endswith("relative_position_index")
    )
    for module in net.backbone.modules():
        if "relative_position_index" in dict(module.named_buffers(recurse=False)):
            module.relative_position_index = index.clone()
