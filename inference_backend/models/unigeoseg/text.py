"""Words for the mask decoder: task-adaptive text enhancement (TATE) and a latent knowledge memory (LKM).

After UniGeoSeg (arXiv 2511.23332, method section). The frozen encoder is MiniLM instead of a language model with a
billion weights; TATE works on the instruction itself, with a residual, as the paper describes it; the memory is an ontology
whose keys come from text and whose concept distribution is supervised, so that it can say what it understood.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference_backend.models.unigeoseg.layers import Attention

TEXT_DIM = 384
MOST_TOKENS = 48
REASONING_QUERIES = 4
REFERRING, INTERACTIVE, REASONING = 0, 1, 2
TASKS = ("referring", "interactive", "reasoning")
EMBEDDING_DIM = 64
PROTOTYPES = 4
# The published mixing weights (LKM): 0.2 for referring and reasoning, nothing for interactive. Ours start there and are learned.
LAMBDA_START = (0.2, 0.02, 0.2)


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the text half and the switches of the ablations.

    `concepts` names the slots of the memory; `memory` is "ontology", "random" (learned keys, no supervision) or "off".
    """

    concepts: tuple[str, ...]
    keys_a_concept: int
    tate: bool = True
    memory: str = "ontology"
    presence: bool = True


@dataclass
class TextTensors:
    """P instructions. tokens (P, T, 384) with real (P, T) bool; sentence (P, 384) unit; task (P,) of `TASKS`; has (P,) 0 or 1."""

    tokens: Tensor
    real: Tensor
    sentence: Tensor
    task: Tensor
    has: Tensor

    def to(self, device: str) -> TextTensors:
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def row(self, index: int) -> TextTensors:
        """One of the instructions, as a batch of one."""
        return replace(
            self, **{f.name: getattr(self, f.name)[index : index + 1] for f in fields(self)}
        )


@dataclass
class TextContext:
    """What the decoder hears. tokens (P, N, dim) with keep (P, N) bool; prototypes (P, PROTOTYPES, EMBEDDING_DIM) unit;
    bias (P,); has (P,); concept_logits (P, C) or None without a memory."""

    tokens: Tensor
    keep: Tensor
    prototypes: Tensor
    bias: Tensor
    has: Tensor
    concept_logits: Tensor | None


def masked_softmax(logits: Tensor, real: Tensor) -> Tensor:
    """Softmax over the last axis where `real`; an all-false row gives zeros."""
    weights = logits.float().masked_fill(~real, -1e4).softmax(-1)
    return (weights * real).to(logits.dtype)


class TaskAdaptiveText(nn.Module):
    """TATE: three branches behind hard routing by task, each with a residual so that no word is lost.

    referring: one query weighs the words. reasoning: several queries make tokens of their own beside the words, and a global
    mean is added. interactive: the prompt's place is fused into the words.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.refer_query = nn.Parameter(torch.randn(dim) * 0.02)
        self.reason_queries = nn.Parameter(torch.randn(REASONING_QUERIES, dim) * 0.02)
        self.reason_global = nn.Linear(dim, dim)
        self.fuse_place = nn.Linear(2 * dim, dim)

    def forward(
        self, words: Tensor, real: Tensor, task: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor]:
        """words (P, T, dim), place (P, dim) → enhanced words and reasoning tokens (P, REASONING_QUERIES, dim)."""
        scale = words.shape[-1] ** -0.5
        count = real.sum(1)[:, None, None].to(words.dtype)
        attend = masked_softmax(words @ self.refer_query.to(words.dtype) * scale, real)
        referring = words * (1 + count * attend[..., None]) / 2
        queries = self.reason_queries.to(words.dtype)
        weights = masked_softmax(queries @ words.transpose(1, 2) * scale, real[:, None])
        thoughts = weights @ words
        mean = (words * real[..., None]).sum(1, keepdim=True) / count.clamp_min(1)
        reasoning = words + self.reason_global(mean)
        spread = place[:, None].expand_as(words).to(words.dtype)
        interactive = words + self.fuse_place(torch.cat([words, spread], -1))
        route = task[:, None, None]
        enhanced = torch.where(
            route == REFERRING, referring, torch.where(route == REASONING, reasoning, interactive)
        )
        return enhanced, thoughts


class KnowledgeMemory(nn.Module):
    """LKM: keys made of the ontology's texts, a learned value a concept, mixed into the instruction by a weight a task."""

    def __init__(self, config: TextConfig, dim: int) -> None:
        super().__init__()
        count = len(config.concepts)
        self.random = config.memory == "random"
        shape = (count, config.keys_a_concept, TEXT_DIM)
        keys = torch.randn(shape) * 0.05 if self.random else torch.zeros(shape)
        if self.random:
            self.keys = nn.Parameter(keys)
        else:
            self.register_buffer("keys", keys)
        self.register_buffer("key_real", torch.zeros(count, config.keys_a_concept))
        self.query = nn.Linear(dim + TEXT_DIM, dim)
        self.key = nn.Linear(TEXT_DIM, dim)
        self.values = nn.Parameter(torch.randn(count, dim) * 0.2)
        self.prototypes = nn.Parameter(torch.randn(count, PROTOTYPES * EMBEDDING_DIM) * 0.3)
        self.bias = nn.Parameter(torch.zeros(count))
        self.sharpness = nn.Parameter(torch.tensor([6.0, 6.0]))
        start = torch.tensor(LAMBDA_START)
        self.mix = nn.Parameter(torch.log(start / (1 - start)))

    def set_keys(self, keys: Tensor, real: Tensor) -> None:
        """Sentence vectors (C, K, 384) of the ontology's texts, and which of them exist (C, K)."""
        if not self.random:
            self.keys.copy_(keys)
        self.key_real.copy_(real)

    def forward(
        self, pooled: Tensor, sentence: Tensor, task: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """pooled (P, dim), sentence (P, 384) → mixed (P, dim), knowledge (P, dim), class prototypes, bias, concept logits (P, C)."""
        with torch.autocast(pooled.device.type, enabled=False):
            pooled32, sentence = pooled.float(), sentence.float()
            query = F.normalize(self.query(torch.cat([pooled32, sentence], -1)), dim=-1)
            keys = F.normalize(self.key(self.keys), dim=-1)
            learned = torch.einsum("pd,ckd->pck", query, keys)
            plain = torch.einsum("pd,ckd->pck", sentence, self.keys)
            gain = F.softplus(self.sharpness)
            alike = gain[0] * learned + gain[1] * plain
            alike = alike.masked_fill(self.key_real[None] == 0, -1e4)
            logits = alike.max(-1).values
            share = logits.softmax(-1)
            knowledge = share @ self.values
            weight = torch.sigmoid(self.mix)[task][:, None]
            mixed = (1 - weight) * pooled32 + weight * knowledge
            return mixed, knowledge, share @ self.prototypes, share @ self.bias, logits


class TextBranch(nn.Module):
    """Instruction → what the decoder hears, through TATE and LKM (each can be switched off)."""

    def __init__(self, config: TextConfig, dim: int, heads: int) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(TEXT_DIM, dim)
        self.norm = nn.LayerNorm(dim)
        self.position = nn.Parameter(torch.randn(MOST_TOKENS, dim) * 0.02)
        self.mix_words = Attention(dim, heads)
        self.think = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Linear(2 * dim, dim)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.tate = TaskAdaptiveText(dim) if config.tate else None
        self.pool = nn.Parameter(torch.randn(dim) * 0.02)
        self.memory = KnowledgeMemory(config, dim) if config.memory != "off" else None
        self.kind = nn.Embedding(3, dim)  # word, thought, knowledge
        self.to_prototypes = nn.Linear(dim, PROTOTYPES * EMBEDDING_DIM)
        self.to_bias = nn.Linear(dim, 1)

    def forward(self, text: TextTensors, place: Tensor) -> TextContext:
        """`place` (P, dim) is the code of where the prompts are, zeros without any."""
        words = self.norm(self.project(text.tokens)) + self.position[: text.tokens.shape[1]]
        words = words * text.real[..., None]
        words = self.norms[0](words + self.mix_words(words, words, words, text.real))
        words = self.norms[1](words + self.think(words))
        thoughts = words.new_zeros(len(words), REASONING_QUERIES, words.shape[-1])
        if self.tate is not None:
            words, thoughts = self.tate(words, text.real, text.task, place)
        attend = masked_softmax(words @ self.pool.to(words.dtype), text.real)
        pooled = self.norms[2]((attend[..., None] * words).sum(1)).float()
        mixed, knowledge, logits = pooled, torch.zeros_like(pooled), None
        prototypes: Tensor | float = 0.0
        bias: Tensor | float = 0.0
        if self.memory is not None:
            mixed, knowledge, prototypes, bias, logits = self.memory(
                pooled, text.sentence, text.task
            )
        prototypes = self.to_prototypes(mixed.to(words.dtype)).float() + prototypes
        bias = self.to_bias(mixed.to(words.dtype)).float()[:, 0] + bias
        unit = F.normalize(prototypes.view(-1, PROTOTYPES, EMBEDDING_DIM), dim=-1)
        kinds = self.kind.weight.to(words.dtype)
        tokens = torch.cat(
            [
                words + kinds[0],
                thoughts + kinds[1],
                (mixed + knowledge).to(words.dtype)[:, None] + kinds[2],
            ],
            1,
        )
        heard = (text.has > 0)[:, None]
        thinking = ((text.task == REASONING) & (self.tate is not None))[:, None]
        keep = torch.cat(
            [text.real & heard, (thinking & heard).expand(-1, REASONING_QUERIES), heard], 1
        )
        return TextContext(tokens, keep, unit, bias, text.has, logits)
