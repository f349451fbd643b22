"""What answers texts in an evaluation: the bare network, the product's whole way, and floors that need no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.segmenters import on_pixels
from inference_backend.evaluation.text_coordinates import prompts_in
from inference_backend.evaluation.text_samples import Task
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.interactive import segment_object
from inference_backend.models.base import Embedding, PromptableModel, TextQuery
from inference_backend.prompts import Prompt

PATHS = ("auto", "network", "program")
BASELINES = ("nothing", "everything")
DEFAULT_TILE_PX = 512
# The bare network sees an image whole, at most so many tile sides long: relations need the whole scene.
_MOST_TILES = 2
CACHE_BYTES = 300_000_000


@dataclass(frozen=True)
class TextResult:
    """An answer. `mask` bool (H, W) is what was found; `said_absent` that it was said not to be there (None: not
    said, an empty mask says it). `path` is the way that answered."""

    mask: np.ndarray
    said_absent: bool | None = None
    path: str = ""

    @property
    def shown(self) -> np.ndarray:
        """What a user gets: nothing where the thing was said to be absent."""
        return np.zeros_like(self.mask) if self.said_absent else self.mask


class TextSegmenter(Protocol):
    """Answers a text about an image."""

    name: str

    def segment(self, source: RasterSource, rgb: np.ndarray, text: str, task: Task) -> TextResult:
        """The answer on the pixels of `rgb` uint8 (H, W, 3), the whole of `source`. InvalidInput: refused."""


class NetworkSegmenter:
    """The network alone on the whole image, without program, tiles or ground units: what an ablation measures."""

    def __init__(
        self, model: PromptableModel, threshold: float = 0.5, presence: float = 0.5
    ) -> None:
        self.name = f"{model.card.id}, network"
        self._model, self._threshold, self._presence = model, threshold, presence
        self._seen: tuple[str, Embedding] | None = None
        self._cache = EmbeddingCache(CACHE_BYTES)

    def segment(self, source: RasterSource, rgb: np.ndarray, text: str, task: Task) -> TextResult:
        """The probability above the threshold; absent where the presence is below its own threshold."""
        if task == "interactive":
            prompts = named_prompts(text, rgb)
            mask = clicked(source, rgb, prompts, self._model, self._cache, self._threshold)
            return TextResult(mask, path="prompts")
        (answer,) = self._model.predict_text(self._embedding(source, rgb), [TextQuery(text, task)])
        size = rgb.shape[1], rgb.shape[0]
        probability = cv2.resize(answer.probability, size, interpolation=cv2.INTER_LINEAR)
        mask = probability >= self._threshold
        return TextResult(mask, bool(answer.presence < self._presence), "network")

    def _embedding(self, source: RasterSource, rgb: np.ndarray) -> Embedding:
        """One a picture: the texts of an image come one after the other."""
        if self._seen is None or self._seen[0] != source.key:
            longest = self._model.card.extra.get("text_tile_px", DEFAULT_TILE_PX) * _MOST_TILES
            scale = min(longest / max(rgb.shape[:2]), 1.0)
            cols, rows = (max(round(side * scale), 1) for side in rgb.shape[1::-1])
            small = cv2.resize(rgb, (cols, rows), interpolation=cv2.INTER_AREA)
            self._seen = source.key, self._model.embed(small, key=source.key)
        return self._seen[1]


def named_prompts(text: str, rgb: np.ndarray) -> list[Prompt]:
    """The points or the box that an interactive text names, in pixels. Raises InvalidInput where it names none."""
    prompts = prompts_in(text, rgb.shape[1], rgb.shape[0])
    if not prompts:
        raise InvalidInput("The words name no point and no box.")
    return prompts


def clicked(
    source: RasterSource,
    rgb: np.ndarray,
    prompts: Sequence[Prompt],
    model: PromptableModel,
    cache: EmbeddingCache,
    threshold: float,
) -> np.ndarray:
    """What the interactive half of the model answers to prompts, bool (H, W)."""
    answer = segment_object(source, prompts, model, cache=cache)
    return on_pixels(answer.probability, answer.window, rgb.shape[:2]) >= threshold


class Fixed:
    """The same answer to every text: what a data set gives away for free."""

    def __init__(self, name: str) -> None:
        if name not in BASELINES:
            raise InvalidInput(f"'{name}' is not a baseline; use {' or '.join(BASELINES)}.")
        self.name, self._whole = name, name == "everything"

    def segment(self, source: RasterSource, rgb: np.ndarray, text: str, task: Task) -> TextResult:
        """Every pixel, or none."""
        return TextResult(np.full(rgb.shape[:2], self._whole), path="baseline")


def model_segmenter(
    model: PromptableModel, path: str, threshold: float, presence: float
) -> TextSegmenter:
    """How a model is asked: "network" alone, or by the product's way. Raises InvalidInput."""
    if path not in PATHS:
        raise InvalidInput(f"'{path}' is not a path; use {', '.join(PATHS)}.")
    if "text" not in model.card.prompts:
        raise InvalidInput(
            f"'{model.card.id}' hears no text; choose a model that does, see 'cityseg models list'."
        )
    if path == "network":
        return NetworkSegmenter(model, threshold, presence)
    from inference_backend.evaluation.text_product import ProductSegmenter

    return ProductSegmenter(model, threshold, program_only=path == "program")
