"""The forward pass of a BERT encoder (Devlin et al. 2019, post-norm) over the tensors of a safetensors file.

Ours, because importing `transformers` takes ten seconds and a text answer should not. Texts of equal length are run
together: nothing is padded, so no mask is needed and an answer does not depend on its neighbours in the batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

# One group is as many texts as fit here: larger gains nothing on a CPU and costs memory in the wide layer.
_GROUP_TOKENS = 4096
_UNUSED = ("pooler.", "embeddings.position_ids")


@dataclass(frozen=True)
class _Layer:
    """One block's weights; query, key and value are stacked so that they are one product."""

    qkv: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]
    norm1: tuple[Tensor, Tensor]
    wide: tuple[Tensor, Tensor]
    narrow: tuple[Tensor, Tensor]
    norm2: tuple[Tensor, Tensor]


class Bert:
    """A frozen BERT encoder. Raises OSError, KeyError, ValueError or SafetensorError where `folder` is not one."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """`folder` holds config.json and model.safetensors, with the names that the authors of BERT gave."""
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.device = torch.device(device)
        self.width = int(config["hidden_size"])
        self._heads = int(config["num_attention_heads"])
        self._eps = float(config["layer_norm_eps"])
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            names = [name for name in file.keys() if not name.startswith(_UNUSED)]  # noqa: SIM118 - it has no iterator
            named = {name: file.get_tensor(name) for name in names}
        self._weights = {name: tensor.to(self.device).float() for name, tensor in named.items()}
        self._layers = [self._layer(index) for index in range(int(config["num_hidden_layers"]))]

    @torch.inference_mode()
    def hidden(self, ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Last hidden states, float32 (T_i, width) on the device, of texts as token numbers with [CLS] and [SEP]."""
        answers: list[Tensor | None] = [None] * len(ids)
        for group in _groups([len(text) for text in ids]):
            batch = torch.tensor([list(ids[index]) for index in group], device=self.device)
            for index, states in zip(group, self._forward(batch), strict=True):
                answers[index] = states
        return [answer for answer in answers if answer is not None]

    def _forward(self, ids: Tensor) -> Tensor:
        weights = self._weights
        states = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
        states = states + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        states = states + weights["embeddings.token_type_embeddings.weight"][0]
        states = self._norm(states, self._pair("embeddings.LayerNorm"))
        for layer in self._layers:
            states = self._block(states, layer)
        return states

    def _block(self, states: Tensor, layer: _Layer) -> Tensor:
        texts, length, width = states.shape
        split = functional.linear(states, *layer.qkv).view(texts, length, 3, self._heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(query, key, value)
        heard = heard.transpose(1, 2).reshape(texts, length, width)
        states = self._norm(states + functional.linear(heard, *layer.out), layer.norm1)
        wide = functional.gelu(functional.linear(states, *layer.wide))
        return self._norm(states + functional.linear(wide, *layer.narrow), layer.norm2)

    def _norm(self, states: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(states, (self.width,), *pair, self._eps)

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]

    def _layer(self, index: int) -> _Layer:
        start = f"encoder.layer.{index}"
        three = [self._pair(f"{start}.attention.self.{part}") for part in ("query", "key", "value")]
        return _Layer(
            qkv=(torch.cat([pair[0] for pair in three]), torch.cat([pair[1] for pair in three])),
            out=self._pair(f"{start}.attention.output.dense"),
            norm1=self._pair(f"{start}.attention.output.LayerNorm"),
            wide=self._pair(f"{start}.intermediate.dense"),
            narrow=self._pair(f"{start}.output.dense"),
            norm2=self._pair(f"{start}.output.LayerNorm"),
        )


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of texts of equal length, at most _GROUP_TOKENS tokens a group."""
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    groups = []
    for length, members in by_length.items():
        size = max(1, _GROUP_TOKENS // max(length, 1))
        groups += [members[start : start + size] for start in range(0, len(members), size)]
    return groups
