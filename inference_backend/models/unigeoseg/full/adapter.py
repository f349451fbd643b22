"""The full UniGeoSeg behind the promptable interface, from a folder of weights that the user has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference_backend.errors import InvalidInput
from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    ModelCard,
    PromptableModel,
    TextAnswer,
    TextQuery,
    TextTask,
)
from inference_backend.models.device import autocast_dtype, or_on_cpu, require_module
from inference_backend.prompts import Prompt

if TYPE_CHECKING:
    from inference_backend.models.unigeoseg.full.folder import Speech
    from inference_backend.models.unigeoseg.full.network import FullNet

_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)
_MOST_POINTS = 3


@dataclass(frozen=True)
class Canvas:
    """Where an image of some size lies on the network's square: enlarged by `scale`, then moved by (left, top)."""

    side: int
    scale: float
    left: int
    top: int
    columns: int
    rows: int

    @classmethod
    def of(cls, height: int, width: int, side: int) -> Canvas:
        """The longest side fills the square; the rest is centred."""
        scale = side / max(height, width)
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        return cls(side, scale, (side - columns) // 2, (side - rows) // 2, columns, rows)

    def place(self, rgb: np.ndarray) -> np.ndarray:
        """uint8 (side, side, 3), zero beside the image."""
        square = np.zeros((self.side, self.side, 3), np.uint8)
        resized = cv2.resize(rgb, (self.columns, self.rows), interpolation=cv2.INTER_LINEAR)
        square[self.top : self.top + self.rows, self.left : self.left + self.columns] = resized
        return square

    def cut(self, square: Tensor, height: int, width: int) -> np.ndarray:
        """(side, side) → float32 (height, width) of the image."""
        inner = square[self.top : self.top + self.rows, self.left : self.left + self.columns]
        full = functional.interpolate(inner[None, None].float(), (height, width), mode="bilinear")
        return full[0, 0].cpu().numpy()

    def share(self, xy: np.ndarray) -> np.ndarray:
        """Pixels of the image (n, 2) → 0 to 1 on the square."""
        return (xy * self.scale + [self.left, self.top]) / self.side


class FullUniGeoSeg(PromptableModel):
    """Words, and points or a box said as words with coordinates, as in the paper. Load with `load`."""

    def __init__(
        self,
        net: FullNet,
        speech: Speech,
        card: ModelCard | None = None,
        weights_id: str = "random",
    ) -> None:
        self.net, self.speech, self.weights_id, self.device = net, speech, weights_id, "cpu"
        self.card = card_like(card, net.shapes.image_px)

    @classmethod
    def load(
        cls, folder: Path, device: str = "cpu", card: ModelCard | None = None
    ) -> FullUniGeoSeg:
        """Raises `InvalidInput` for a folder that is not one, `ModelProblem` without `transformers`."""
        require_module("transformers")
        from inference_backend.models.unigeoseg.full.folder import Speech, load_folder

        folder = Path(folder)
        speech = Speech(folder)
        net, _ = load_folder(folder, autocast_dtype(device) or torch.float32)
        model = cls(net, speech, card, folder.name)
        or_on_cpu(lambda: model.move(device), lambda: model.move("cpu"), device)
        return model

    @torch.inference_mode()
    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        if valid is not None and not valid.all():
            rgb = np.where(valid[..., None], rgb, np.uint8(0))
        canvas = Canvas.of(*rgb.shape[:2], self.net.shapes.image_px)
        square = (canvas.place(rgb).astype(np.float32) - np.float32(_MEAN)) / np.float32(_STD)
        image = torch.from_numpy(square).permute(2, 0, 1)[None]
        seen = or_on_cpu(
            lambda: self.net.see(image.to(self.device, self._dtype)),
            lambda: self.move("cpu"),
            self.device,
        )
        return Embedding(key, *rgb.shape[:2], {name: kept.cpu() for name, kept in seen.items()})

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        canvas = Canvas.of(embedding.height_px, embedding.width_px, self.net.shapes.image_px)
        text, coordinates = said(prompts, canvas)
        logits = self._logits(embedding, text, "interactive", coordinates)
        probability = self._to_image(logits, embedding)
        return [MaskPrediction(probability, _surety(probability), logits.float().cpu().numpy())]

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        answers = []
        for query in queries:
            logits = self._logits(embedding, query.text, query.task, torch.zeros(0, 4))
            probability = self._to_image(logits, embedding)
            # The model has no head for presence: what is not here is a mask of nothing.
            answers.append(TextAnswer(probability, float(probability.max()), _surety(probability)))
        return answers

    def move(self, device: str) -> None:
        """Take the network to another device; embeddings are on the CPU anyway."""
        self.net.to(device)
        self.device = device

    @property
    def _dtype(self) -> torch.dtype:
        return self.net.memory.slots.dtype

    @torch.inference_mode()
    def _logits(
        self, embedding: Embedding, text: str, task: TextTask, coordinates: Tensor
    ) -> Tensor:
        asked = self.speech.instruction(text, task, coordinates)

        def run() -> Tensor:
            seen = {n: kept.to(self.device) for n, kept in embedding.tensors.items()}
            placed = {
                n: value.to(self.device) if isinstance(value, Tensor) else value
                for n, value in vars(asked).items()
            }
            return self.net.answer(seen, type(asked)(**placed))

        return or_on_cpu(run, lambda: self.move("cpu"), self.device)

    def _to_image(self, logits: Tensor, embedding: Embedding) -> np.ndarray:
        side = self.net.shapes.image_px
        square = functional.interpolate(logits[None, None].float(), (side, side), mode="bilinear")
        height, width = embedding.height_px, embedding.width_px
        canvas = Canvas.of(height, width, side)
        return canvas.cut(square[0, 0].sigmoid(), height, width)


def said(prompts: Sequence[Prompt], canvas: Canvas) -> tuple[str, Tensor]:
    """Prompts as the paper says them: a sentence with coordinates from 0 to 1, and the same as float32 (m, 4).

    Raises `InvalidInput` for what the model was never taught: removals, strokes, rings, more than three points.
    """
    boxes = [p for p in prompts if p.kind == "box" and p.label == 1]
    points = [p for p in prompts if p.kind == "point" and p.label == 1]
    if len(boxes) + len(points) != len(prompts) or not prompts:
        raise InvalidInput(
            "The full UniGeoSeg takes points and boxes that add; draw a box, or choose another model for the rest."
        )
    words = next((f" {p.text.strip()}" for p in reversed(prompts) if p.text.strip()), "")
    if boxes:
        (x0, y0), (x1, y1) = canvas.share(boxes[-1].xy).round(3).tolist()
        sentence = f"Segment the target{words} in the box x0,y0=[{x0},{y0}], x1,y1=[{x1},{y1}]."
        return sentence, torch.tensor([[x0, y0, x1, y1]])
    if len(points) > _MOST_POINTS:
        raise InvalidInput(
            f"The full UniGeoSeg takes {_MOST_POINTS} points at most; draw a box, or choose another model."
        )
    places = [canvas.share(point.xy)[0].round(3).tolist() for point in points]
    listed = ", ".join(f"[{x},{y}]" for x, y in places)
    sentence = f"Segment the target{words} at the point{'s' if len(places) > 1 else ''} {listed}."
    return sentence, torch.tensor([[x, y, 0.0, 0.0] for x, y in places])


def card_like(card: ModelCard | None, image_px: int) -> ModelCard:
    """The card of a folder: what this model takes, under the name and path that `card` has."""
    return ModelCard(
        id=card.id if card else "unigeoseg-full",
        title=card.title if card else "UniGeoSeg (Swin-B, Phi-1.5, Mask2Former)",
        prompts=("point", "box", "text"),
        input_px=image_px,
        licence="the checkpoint's own",
        memory_mb=card.memory_mb if card else 8000,
        source=card.source if card else "",
        extra={**(card.extra if card else {}), "text_tile_px": image_px},
    )


def _surety(probability: np.ndarray) -> float:
    """The mean over what is masked; for an empty mask, how surely it is empty."""
    inside = probability[probability > 0.5]
    return float(inside.mean()) if len(inside) else 1 - float(probability.max())
