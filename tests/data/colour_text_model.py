"""A real, small model for tests of words: each word means a colour, and a pixel is it as far as its colour is near.

It acts on single pixels (the core on five around), so that its answers on a whole image can be reckoned and must not
depend on how the image was cut into tiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    ModelCard,
    PromptableModel,
    TextAnswer,
    TextQuery,
    Understood,
)
from inference_backend.prompts import Prompt
from tests.data.colour_model import ColourModel

COLOURS = {
    "building": (200, 40, 30),
    "pool": (30, 60, 210),
    "tree": (40, 150, 50),
    "road": (150, 150, 160),
    "water": (10, 30, 90),
}
_MEANT = {"red": "building", "blue": "pool", "green": "tree"}
_NEAR, _SOFT = 60.0, 8.0
_CORE_PX = 5


class ColourTextModel(PromptableModel):
    """ "buildings" are red, "pools" blue, "trees" green, "roads" grey, "water" dark blue; nothing else is known."""

    weights_id = "none"
    device = "cpu"

    def __init__(self, tile_px: int = 512) -> None:
        self.card = ModelCard(
            id="colour-text-test",
            title="Words for colours",
            prompts=("point", "box", "scribble", "lasso", "text"),
            input_px=256,
            licence="GPL-2.0-or-later",
            memory_mb=1,
            extra={"text_tile_px": tile_px},
        )
        self.embedded = 0

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        self.embedded += 1
        return ColourModel().embed(rgb, valid, key)

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        """As `ColourModel`; words that come with a position narrow the answer to their colour."""
        (answer,) = ColourModel().predict(embedding, prompts, previous_logits)
        for text in {prompt.text for prompt in prompts if prompt.text}:
            (said,) = self.predict_text(embedding, [TextQuery(text)])
            answer.probability *= said.probability
        return [answer]

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        return [self._answer(embedding, query) for query in queries]

    def _answer(self, embedding: Embedding, query: TextQuery) -> TextAnswer:
        name = meaning(query.text)
        rgb, valid = embedding.tensors["rgb"].astype(np.float32), embedding.tensors["valid"]
        if name is None:
            nothing = np.zeros(valid.shape, np.float32)
            return TextAnswer(nothing, 0.0, 0.0, nothing)
        apart = np.sqrt(((rgb - np.array(COLOURS[name], np.float32)) ** 2).sum(axis=2))
        probability = (1 / (1 + np.exp((apart - _NEAR) / _SOFT))).astype(np.float32) * valid
        core = cv2.erode(probability, np.ones((2 * _CORE_PX + 1,) * 2, np.uint8))
        presence = float(probability.max(initial=0.0))
        return TextAnswer(
            probability, presence, presence, core, (Understood(name, 0.9, "by its colour"),)
        )


def meaning(text: str) -> str | None:
    """The name that stands in a text, or that a colour word in it means."""
    words = text.lower()
    for name in COLOURS:
        if name in words:
            return name
    return next((name for colour, name in _MEANT.items() if colour in words), None)
