"""The models that the backend offers, as the panel needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cityseg_qgis.core.prompts import KINDS, MASK

DEFAULT_MODEL = "default-2d"
TEXT = "text"


@dataclass(frozen=True)
class ModelChoice:
    """One model. `why_not` says what to do where it is not available."""

    id: str
    title: str
    # What is assumed of a model before the backend has shown its card.
    prompts: tuple[str, ...] = (*KINDS, MASK, TEXT)
    available: bool = True
    why_not: str = ""
    licence: str = ""
    memory_mb: int = 0

    @property
    def hears_words(self) -> bool:
        """Whether it can be asked in words."""
        return TEXT in self.prompts

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> ModelChoice:
        """From a card of the `models` answer."""
        name = str(card.get("id", ""))
        return cls(
            id=name,
            title=str(card.get("title") or name),
            prompts=tuple(str(kind) for kind in card.get("prompts") or KINDS),
            available=bool(card.get("available", True)),
            why_not=str(card.get("why_not", "")),
            licence=str(card.get("licence", "")),
            memory_mb=int(card.get("memory_mb") or 0),
        )


def read_models(result: Mapping[str, Any]) -> list[ModelChoice]:
    """The models for images in the answer of `models`; those that classify clouds take no prompt of a map."""
    cards = result.get("models")
    if not isinstance(cards, list):
        return []
    named = [card for card in cards if isinstance(card, Mapping) and card.get("id")]
    choices = [ModelChoice.of(card) for card in named]
    return [one for one in choices if set(one.prompts) & {*KINDS, MASK, TEXT}]
