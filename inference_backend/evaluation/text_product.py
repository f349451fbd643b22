"""An evaluation that asks the way the panels, the wire and the command line ask."""

from __future__ import annotations

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.text_samples import Task
from inference_backend.evaluation.text_segmenters import (
    CACHE_BYTES,
    TextResult,
    clicked,
    named_prompts,
)
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.models.base import PromptableModel
from inference_backend.predict import AnswerOptions
from inference_backend.text_request import TextRequest
from inference_backend.text_run import answer_text
from inference_backend.text_understanding import PROGRAM, read_request


class ProductSegmenter:
    """The product's own way: words to a program where they are one, tiles, outlines; else the network on its own.

    With `program_only` what the grammar cannot read is refused, so that the two ways can be told apart.
    """

    def __init__(
        self, model: PromptableModel, threshold: float = 0.5, program_only: bool = False
    ) -> None:
        self.name = f"{model.card.id}, {'program' if program_only else 'as the product answers'}"
        self._model, self._program_only = model, program_only
        self._options = AnswerOptions(threshold=threshold)
        self._cache = EmbeddingCache(CACHE_BYTES)

    def segment(self, source: RasterSource, rgb: np.ndarray, text: str, task: Task) -> TextResult:
        """The union of the outlines found, on the image's pixels. InvalidInput: refused, as a user would see it."""
        if task == "interactive":
            prompts = named_prompts(text, rgb)
            mask = clicked(source, rgb, prompts, self._model, self._cache, self._options.threshold)
            return TextResult(mask, path="prompts")
        asked = {"ask": text} if task == "reasoning" else {"text": text}
        request = TextRequest(**asked, task=task, options=self._options)
        if self._program_only and read_request(request).path != PROGRAM:
            raise InvalidInput("The grammar makes no program of these words.")
        found = answer_text(source, request, self._model, self._cache)
        return TextResult(found.mask(source), path=found.reading.path)
