"""CLIP by open_clip behind the promptable interface: words to a map, from a checkpoint that the user has."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.language.ontology import concept_of
from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    ModelCard,
    PromptableModel,
    TextAnswer,
    TextQuery,
    Understood,
)
from inference_backend.models.clip_words import captions, rivals, wordings
from inference_backend.models.device import autocast_dtype, or_on_cpu
from inference_backend.models.guided_filter import guided_filter
from inference_backend.models.openclip_checkpoint import ClipVariant, load_clip
from inference_backend.models.openclip_dense import dense_features, encode_words, stride_px
from inference_backend.prompts import Prompt

if TYPE_CHECKING:
    from open_clip import CLIP

LONG_SIDE_PX = 448
# OpenAI's constants of normalisation; RemoteCLIP and GeoRSCLIP keep them.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
# The summary of the image is in every patch; this share of what it says is taken from each.
_SUMMARY_SHARE = 0.3
# From a difference of cosines to one of log-odds.
_SHARPNESS = 50.0
# A thing is here where so small a share of the image shows it.
_PRESENT_SHARE = 0.01
_MOST_WORDINGS_KEPT = 2000
_CAPTIONS_AT_ONCE = 64


class OpenClipModel(PromptableModel):
    """One loaded CLIP. It hears words and sees no clicks. Load with `load`."""

    def __init__(
        self,
        clip: CLIP,
        variant: ClipVariant,
        *,
        card: ModelCard | None = None,
        weights_id: str = "untrained",
    ) -> None:
        import open_clip

        self.variant, self.device, self.weights_id = variant, "cpu", weights_id
        self.card = card or card_of(variant)
        self.catalogue_name = f"openai-{variant.name.lower()}" if variant.by_openai else ""
        self._clip = clip
        self._dtype = autocast_dtype("cpu")
        self._cell_px = stride_px(clip)
        self._tokenize = open_clip.get_tokenizer(variant.name)
        self._words: dict[str, Tensor] = {}

    @classmethod
    def load(cls, path: Path, device: str = "cpu", card: ModelCard | None = None) -> OpenClipModel:
        """Read a checkpoint of one of the known networks; raises `InvalidInput` for a file that is not one."""
        path = Path(path)
        clip, variant = load_clip(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:10]
        model = cls(clip, variant, card=card, weights_id=f"{path.stem}@{digest}")
        or_on_cpu(lambda: model.move(device), lambda: model.move("cpu"), device)
        return model

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
            raise InvalidInput(
                f"CLIP takes an image of 3 bands in 8 bits, not {rgb.shape} of {rgb.dtype}."
            )
        if valid is not None and not valid.all():
            rgb = np.where(valid[..., None], rgb, np.uint8(np.round(255 * np.array(_MEAN))))
        image = self._to_input(rgb)
        cells, whole = or_on_cpu(lambda: self._encode(image), self._move_to_cpu, self.device)
        tensors = {
            "cells": cells[0].float().cpu(),
            "whole": whole[0].float().cpu(),
            "rgb": torch.from_numpy(np.ascontiguousarray(rgb)),
        }
        return Embedding(key, rgb.shape[0], rgb.shape[1], tensors)

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        raise ModelProblem(
            f"The model '{self.card.id}' takes words only; choose another one for clicks, boxes and lassos."
        )

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        return [self._answer(embedding, query) for query in queries]

    def vectors_of(self, wording: str) -> Tensor:
        """The unit vector (D,) of a wording: the mean over its captions. Remembered."""
        if wording not in self._words:
            if len(self._words) >= _MOST_WORDINGS_KEPT:
                self._words.clear()
            self._hear([wording])
        return self._words[wording]

    def _answer(self, embedding: Embedding, query: TextQuery) -> TextAnswer:
        asked, others = wordings(query.text), rivals(query.text)
        self._hear([wording for wording in (*asked, *others) if wording not in self._words])
        margin = self._margin(embedding, self._stack(asked), self._stack(others))
        size = (embedding.width_px, embedding.height_px)
        rows, columns = margin.shape
        coarse = cv2.resize(margin, size, interpolation=cv2.INTER_LINEAR)
        radius = max(2, round(max(size[0] / columns, size[1] / rows)))
        edged = guided_filter(coarse, embedding.tensors["rgb"].numpy(), radius)
        probability = (1 / (1 + np.exp(-np.clip(edged, -30, 30)))).astype(np.float32)
        found = probability[probability > 0.5]
        known = concept_of(query.text)
        return TextAnswer(
            probability,
            presence=_top(probability),
            score=float(found.mean()) if len(found) else 1 - _top(probability),
            understood=()
            if known is None
            else (Understood(known.name, 1.0, (*known.functions, "")[0]),),
        )

    def _margin(self, embedding: Embedding, asked: Tensor, others: Tensor) -> np.ndarray:
        """Log-odds of each cell that it shows what is asked for and not the strongest rival: float32 (rows, columns)."""
        cells, whole = embedding.tensors["cells"], embedding.tensors["whole"]

        def similarity(words: Tensor) -> Tensor:
            return (cells @ words.T - _SUMMARY_SHARE * (whole @ words.T)).amax(-1)

        return (_SHARPNESS * (similarity(asked) - similarity(others))).numpy()

    def _stack(self, names: Sequence[str]) -> Tensor:
        return torch.stack([self.vectors_of(name) for name in names])

    def _hear(self, names: Sequence[str]) -> None:
        """Remember the vectors of wordings; texts of all of them go through the network together."""
        texts = [(name, caption) for name in names for caption in captions(name)]
        vectors: dict[str, list[Tensor]] = {name: [] for name in names}
        for first in range(0, len(texts), _CAPTIONS_AT_ONCE):
            part = texts[first : first + _CAPTIONS_AT_ONCE]
            tokens = self._tokenize([caption for _, caption in part])
            encoded = or_on_cpu(lambda t=tokens: self._say(t), self._move_to_cpu, self.device)
            for (name, _), vector in zip(part, encoded.float().cpu(), strict=True):
                vectors[name].append(vector)
        for name, found in vectors.items():
            self._words[name] = functional.normalize(torch.stack(found).mean(0), dim=0)

    @torch.inference_mode()
    def _encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        with self._autocast():
            return dense_features(self._clip, image.to(self.device))

    @torch.inference_mode()
    def _say(self, tokens: Tensor) -> Tensor:
        with self._autocast():
            return encode_words(self._clip, tokens.to(self.device))

    def _to_input(self, rgb: np.ndarray) -> Tensor:
        """Resized so that the long side is `LONG_SIDE_PX` and both are whole cells; normalised: float32 (1, 3, h, w)."""
        scale = LONG_SIDE_PX / max(rgb.shape[:2])
        height, width = (
            max(1, round(side * scale / self._cell_px)) * self._cell_px for side in rgb.shape[:2]
        )
        shrinks = height < rgb.shape[0]
        resized = cv2.resize(
            rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
        image = (resized.astype(np.float32) / 255 - np.float32(_MEAN)) / np.float32(_STD)
        return torch.from_numpy(image).permute(2, 0, 1)[None]

    def move(self, device: str) -> None:
        """Take the network to another device; embeddings and remembered words are on the CPU anyway."""
        self._clip.to(device)
        self.device, self._dtype = device, autocast_dtype(device)

    def _move_to_cpu(self) -> None:
        self.move("cpu")

    def _autocast(self) -> torch.autocast:
        reduced = self._dtype is not None
        return torch.autocast(self.device, self._dtype if reduced else torch.bfloat16, reduced)


def _top(probability: np.ndarray) -> float:
    """The mean over the share of pixels that shows it best."""
    count = max(1, int(_PRESENT_SHARE * probability.size))
    return float(np.partition(probability.ravel(), -count)[-count:].mean())


def card_of(variant: ClipVariant) -> ModelCard:
    """The card of a checkpoint that no catalogue knows."""
    return ModelCard(
        id=variant.name.lower(),
        title=variant.title,
        prompts=("text",),
        input_px=LONG_SIDE_PX,
        licence="the checkpoint's own",
        memory_mb=1500,
        extra={"text_tile_px": LONG_SIDE_PX},
    )
