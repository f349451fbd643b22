"""The interface that every promptable 2D model fills: embed an image once, answer prompts on the embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from inference_backend.errors import ModelProblem
from inference_backend.prompts import Prompt

TextTask = Literal["referring", "reasoning", "interactive"]


@dataclass(frozen=True)
class ModelCard:
    """What a panel and `cityseg models` show of a model."""

    id: str
    title: str
    prompts: tuple[str, ...]
    input_px: int
    licence: str
    memory_mb: int
    needs_download: bool = False
    source: str = ""
    available: bool = True
    why_not: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Embedding:
    """An image as a model sees it. `tensors` belongs to the model that made it."""

    key: str
    height_px: int
    width_px: int
    tensors: dict[str, Any]

    @property
    def nbytes(self) -> int:
        return sum(
            t.numel() * t.element_size() if hasattr(t, "element_size") else getattr(t, "nbytes", 0)
            for t in self.tensors.values()
        )


@dataclass
class MaskPrediction:
    """One candidate answer: `probability` float32 (H, W) on the embedded image's pixels; `score` estimates its IoU, 0 to 1.

    `logits` (low resolution, model's own shape) may be given back as `previous_logits` of the next call.
    """

    probability: np.ndarray
    score: float
    logits: np.ndarray


@dataclass(frozen=True)
class TextQuery:
    """Words for a model. The task routes them: a name or a description, or a question."""

    text: str
    task: TextTask = "referring"


@dataclass(frozen=True)
class Understood:
    """What a model took words to mean: a concept, how sure it is (0 to 1), and why ("where aircraft take off")."""

    concept: str
    probability: float
    because: str = ""


@dataclass
class TextAnswer:
    """The answer to a `TextQuery`. `probability` float32 (H, W) on the embedded image's pixels; `presence` 0 to 1: is any of it
    here; `score` estimates the IoU; `core` float32 (H, W) marks the insides of single objects, seeds that tell touching ones
    apart, None where the model knows none; `understood` best first.
    """

    probability: np.ndarray
    presence: float
    score: float
    core: np.ndarray | None = None
    understood: tuple[Understood, ...] = ()


class PromptableModel(ABC):
    """A 2D model. Knows no file and no CRS."""

    card: ModelCard
    weights_id: str
    device: str

    @abstractmethod
    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        """Encode `rgb` uint8 (H, W, 3); `valid` bool (H, W) is False where there are no data."""

    @abstractmethod
    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        """Answer `prompts` (pixel frame of the embedded image), best candidate first."""

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        """Answer words, one answer a query. Raises ModelProblem where `card.prompts` lacks "text"."""
        raise ModelProblem(
            f"The model '{self.card.id}' takes no text; choose one that does, or show it what you want with a click."
        )
