"""The interface that every promptable 2D model fills: embed an image once, answer prompts on the embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference_backend.prompts import Prompt


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
