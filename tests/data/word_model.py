"""A real, small model for tests that hears words: the pixels of the colour that a text names.

Like `ColourModel` it fills the interface without weights, and its answers can be reckoned by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inference_backend.models.base import Embedding, TextAnswer, TextQuery
from tests.data.colour_model import ColourModel

COLOURS = {"red": (200, 30, 30), "blue": (20, 40, 210), "grey": (128, 128, 128)}
# What a text may mean by a thing.
THINGS = {**COLOURS, "building": COLOURS["red"], "pool": COLOURS["blue"]}
_TOLERANCE = 24


class WordModel(ColourModel):
    """Finds named colours, and red buildings and blue pools; what has none of the colour is absent. Counts its encodings."""

    card = replace(ColourModel.card, id="word-test", prompts=(*ColourModel.card.prompts, "text"))

    def __init__(self) -> None:
        self.encoded = 0
        self.heard: list[TextQuery] = []

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        self.encoded += 1
        return super().embed(rgb, valid, key)

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        self.heard += queries
        return [self._answer(embedding, query.text) for query in queries]

    def _answer(self, embedding: Embedding, text: str) -> TextAnswer:
        rgb = embedding.tensors["rgb"]
        mask = np.zeros(rgb.shape[:2], bool)
        for name, colour in THINGS.items():
            if name in text:
                mask |= np.abs(rgb - np.array(colour)).max(axis=2) <= _TOLERANCE
        presence = 0.9 if mask.any() else 0.1
        # What is absent is drawn all the same, faintly everywhere, as a network might.
        probability = (
            mask.astype(np.float32) if mask.any() else np.full(mask.shape, 0.6, np.float32)
        )
        return TextAnswer(probability, presence, presence)
