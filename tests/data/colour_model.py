"""A real, small model for tests: what has the colour of the prompted place and hangs together with it.

It fills the interface of `PromptableModel` without weights, and its answers can be reckoned by hand: on a scene of
uniform shapes the mask is the shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from inference_backend.models.base import Embedding, MaskPrediction, ModelCard, PromptableModel
from inference_backend.prompts import Prompt

_TOLERANCE = 24


class ColourModel(PromptableModel):
    """Connected region of like colour; prompts with label 0 take regions away."""

    card = ModelCard(
        id="colour-test",
        title="Connected colour",
        prompts=("point", "box", "scribble", "lasso"),
        input_px=256,
        licence="GPL-2.0-or-later",
        memory_mb=1,
    )
    weights_id = "none"
    device = "cpu"

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        shown = np.ones(rgb.shape[:2], bool) if valid is None else valid
        return Embedding(key, *rgb.shape[:2], {"rgb": rgb.astype(np.int16), "valid": shown})

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        mask = np.zeros((embedding.height_px, embedding.width_px), bool)
        for prompt in sorted(prompts, key=lambda given: -given.label):
            for place in _places(prompt):
                region = _region(embedding, place)
                mask = mask | region if prompt.label else mask & ~region
        # The edge runs between the pixels, as a trained model's soft edge does.
        probability = ndimage.uniform_filter(mask.astype(np.float32), 3)
        return [MaskPrediction(probability, float(mask.any()), probability)]


def _places(prompt: Prompt) -> np.ndarray:
    if prompt.kind in ("box", "lasso", "mask"):
        return prompt.xy.mean(axis=0, keepdims=True)
    return prompt.xy


def _region(embedding: Embedding, place: np.ndarray) -> np.ndarray:
    rgb, valid = embedding.tensors["rgb"], embedding.tensors["valid"]
    col, row = np.floor(place).astype(int)
    empty = np.zeros(valid.shape, bool)
    if not (0 <= row < valid.shape[0] and 0 <= col < valid.shape[1]) or not valid[row, col]:
        return empty
    alike = (np.abs(rgb - rgb[row, col]).max(axis=2) <= _TOLERANCE) & valid
    labels, _ = ndimage.label(alike)
    return labels == labels[row, col]
