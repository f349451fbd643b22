"""The paper's own parts: connector, task-adaptive text enhancement, latent knowledge memory, description projector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference_backend.models.base import TextTask
from inference_backend.models.unigeoseg.full.shapes import FullShapes

COORDINATES = 4
"""Numbers in a row of coordinates: a box, or a point and two zeros."""


class Connector(nn.Module):
    """The coarsest map of the image → tokens for the language model, a quarter as many as it has cells."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        width, cells = shapes.llm_hidden, shapes.cells
        self.mix = nn.Conv2d(shapes.channels[-1], width, 3, padding=1)
        self.mix_norm = nn.LayerNorm([width, cells, cells])
        self.halve = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.halve_norm = nn.LayerNorm([width, cells // 2, cells // 2])
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, coarse: Tensor) -> Tensor:
        """(B, C, cells, cells) → (B, cells² / 4, hidden)."""
        mixed = self.mix_norm(self.mix(coarse))
        return self.out(self.halve_norm(self.halve(mixed))).flatten(2).transpose(1, 2)


class TaskAdaptiveText(nn.Module):
    """TATE: each task has a branch, and the task is known."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        width = shapes.llm_hidden
        self.referring_query = nn.Parameter(0.01 * torch.randn(width))
        self.reasoning_queries = nn.Parameter(0.01 * torch.randn(shapes.reasoning_queries, width))
        self.reasoning_global = nn.Linear(width, width)
        self.reasoning_join = nn.Linear(2 * width, width)
        self.reasoning_norm = nn.LayerNorm(width)
        self.place = nn.Linear(COORDINATES, width)
        self.place_join = nn.Linear(2 * width, width)

    def forward(self, text: Tensor, task: TextTask, coordinates: Tensor) -> Tensor:
        """What a task adds to `text` (n, hidden): (n, hidden). `coordinates` (m, 4), 0 to 1; m may be 0."""
        if task == "interactive":
            places = torch.zeros_like(text)
            rows = self.place(coordinates.to(text.dtype))[: len(text)]
            places[: len(rows)] = rows
            return self.place_join(torch.cat([text, places], -1))
        if task == "referring":
            return attended(self.referring_query[None], text).expand_as(text)
        pooled = attended(self.reasoning_queries, text).mean(0)
        joined = self.reasoning_join(torch.cat([pooled, self.reasoning_global(text).mean(0)]))
        return self.reasoning_norm(joined).expand_as(text)

    def as_released(self, text: Tensor, task: TextTask, coordinates: Tensor) -> Tensor:
        """The same on the words before the instruction, in place of them; referring only weighs them."""
        if task != "referring":
            return self(text, task, coordinates)
        return weights_of(self.referring_query[None], text)[0, :, None] * text


class KnowledgeMemory(nn.Module):
    """LKM: slots whose mixture is added to what was understood; not for positions, which need no knowledge."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        self.slots = nn.Parameter(0.01 * torch.randn(shapes.slots, shapes.llm_hidden))
        self.share = shapes.slot_share

    def forward(self, pooled: Tensor, task: TextTask) -> Tensor:
        """(hidden,) → (hidden,)."""
        if task == "interactive":
            return pooled
        mixture = (self.slots @ pooled).softmax(0) @ self.slots
        return (1 - self.share) * pooled + self.share * mixture


class DescriptionProjector(nn.Module):
    """What was understood, looked up in the image, becomes the one query of the mask decoder."""

    def __init__(self, shapes: FullShapes) -> None:
        super().__init__()
        width = shapes.perceiver_width
        self.plain = nn.Linear(shapes.llm_hidden, width)
        self.token = nn.Linear(shapes.llm_hidden, width)
        self.image = nn.Linear(shapes.channels[-1], width)
        self.look = Perceiver(width, shapes.perceiver_heads)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(2 * width, shapes.query_width)

    def forward(self, pooled: Tensor, coarse: Tensor) -> Tensor:
        """`pooled` (hidden,) and the coarsest map (C, h, w) → (query_width,).

        The other tokens of the instruction never meet the pooled one here, so that they need no computing.
        """
        token = self.token(pooled)[None]
        looked = self.norm(self.look(token, self.image(coarse.flatten(1).T)))[0]
        return self.query(torch.cat([self.plain(pooled), looked]))


class Perceiver(nn.Module):
    """One block of cross-attention from tokens to an image and themselves, and a feed-forward part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_token, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, tokens: Tensor, image: Tensor) -> Tensor:
        """(n, width), (m, width) → (n, width)."""
        asked = self.norm_token(tokens)
        k, v = self.kv(torch.cat([self.norm_image(image), asked])).chunk(2, -1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(0, 1) for x in (self.q(asked), k, v))
        found = functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
        tokens = tokens + self.out(found)
        return tokens + self.feed_forward(tokens)


def weights_of(queries: Tensor, text: Tensor) -> Tensor:
    """How much each query (q, d) attends to each token (n, d): (q, n)."""
    return (queries @ text.T / math.sqrt(text.shape[-1])).softmax(-1)


def attended(queries: Tensor, text: Tensor) -> Tensor:
    """(q, d) out of (n, d)."""
    return weights_of(queries, text) @ text
