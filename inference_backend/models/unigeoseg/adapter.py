"""`default-2d`: the compact UniGeoSeg behind the common interface."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from inference_backend.errors import ModelProblem
from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    ModelCard,
    PromptableModel,
    TextAnswer,
    TextQuery,
)
from inference_backend.models.device import autocast_dtype, or_on_cpu
from inference_backend.models.unigeoseg.network import UniGeoSegNet
from inference_backend.models.unigeoseg.normalise import MEAN, normalise
from inference_backend.models.unigeoseg.prompt_maps import PromptTensors
from inference_backend.models.unigeoseg.reduced import in_reduced_precision
from inference_backend.models.unigeoseg.text import TextContext, TextTensors
from inference_backend.models.unigeoseg.weights_file import load_network
from inference_backend.models.unigeoseg.words import text_answers, words_of
from inference_backend.prompts import Prompt, union_bounds

STRIDE_PX = 32
MOST_CLICKS = 24
SCRIBBLE_WIDTH_PX = 4
SAMPLES_OF_A_REMOVAL = 4
MOST_HEARD = 64
CARD = ModelCard(
    id="default-2d",
    title="CitySeg default",
    prompts=("point", "box", "scribble", "lasso", "mask", "text"),
    input_px=224,
    licence="GPL-2.0-or-later",
    memory_mb=600,
    source="trained by this project; see the model card",
    extra={"zooms": True, "text_tile_px": 512},
)


class UniGeoSegInteractive(PromptableModel):
    """Answers clicks, boxes, scribbles, lassos, masks to correct, and words, alone or together. Load with `load`."""

    card = CARD

    def __init__(
        self, net: UniGeoSegNet, device: str = "cpu", weights_id: str = "untrained"
    ) -> None:
        self.net = net.to(device).eval()
        self.device = device
        self.weights_id = weights_id
        self._dtype = autocast_dtype(device)
        self._heard: dict[TextQuery, TextContext] = {}

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> UniGeoSegInteractive:
        """Raises ModelProblem if the file is missing, damaged or of another version."""
        path = Path(path)
        model = cls(load_network(path), device, "")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
        model.weights_id = f"{path.stem}@{digest}"
        if device == "cpu" and model._dtype is not None:
            in_reduced_precision(model.net, model._dtype)
        return model

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        height, width = rgb.shape[:2]
        if valid is not None and not valid.all():
            rgb = np.where(valid[..., None], rgb, np.array(MEAN, np.uint8))
        bottom, right = -height % STRIDE_PX, -width % STRIDE_PX
        padded = cv2.copyMakeBorder(
            np.ascontiguousarray(rgb), 0, bottom, 0, right, cv2.BORDER_REPLICATE
        )
        image = torch.from_numpy(padded).permute(2, 0, 1)[None]
        features = or_on_cpu(lambda: self._encode(image), self._move_to_cpu, self.device)
        return Embedding(key, height, width, features)

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        height4, width4 = embedding.tensors["f4"].shape[-2:]
        tensors = prompt_tensors(prompts, height4, width4, previous_logits)
        words = self._words([TextQuery(text, "interactive")]) if (text := _said(prompts)) else None
        output = or_on_cpu(
            lambda: self._decode(embedding, tensors, words), self._move_to_cpu, self.device
        )
        probability = self._to_image(torch.sigmoid(output["logits"]), embedding)
        coarse = output["coarse"][0].float().cpu().numpy()
        scores = output["iou"][0].float().cpu().numpy()
        answers = [
            MaskPrediction(probability[h], float(scores[h]), coarse[h]) for h in range(len(scores))
        ]
        if _ambiguous(prompts, previous_logits):
            return sorted(answers, key=lambda answer: -answer.score)
        return [answers[0], *sorted(answers[1:], key=lambda answer: -answer.score)]

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        if not self.net.config.text:
            raise ModelProblem(
                f"These weights of '{self.card.id}' were trained without words; install the plugin again."
            )
        answers = []
        for query in queries:
            output = or_on_cpu(
                lambda query=query: self._decode(embedding, None, self._context(query)),
                self._move_to_cpu,
                self.device,
            )
            answers += text_answers(self.net, output, self._to_image, embedding)
        return answers

    @torch.inference_mode()
    def _context(self, query: TextQuery) -> TextContext:
        """What the decoder hears of words alone, which is the same on every tile."""
        heard = self._heard.get(query)
        if heard is None:
            words = words_of([query]).to(self.device)
            with self._autocast():
                heard = self.net.decoder.hear(words)
            if len(self._heard) >= MOST_HEARD:
                self._heard.clear()
            self._heard[query] = heard
        return heard

    def _words(self, queries: Sequence[TextQuery]) -> TextTensors | None:
        """None where the weights know no words: a word beside a click is then not heard, as in version 0.1."""
        return words_of(queries) if self.net.config.text else None

    @torch.inference_mode()
    def _encode(self, image: Tensor) -> dict[str, Tensor]:
        with self._autocast():
            features = self.net.encoder(normalise(image.to(self.device)))
        # As the other features lie in memory: joined with them, it would have all of them copied (a tenth of the decoding).
        features["rgb2"] = features["rgb2"].contiguous(memory_format=torch.channels_last)
        return features

    @torch.inference_mode()
    def _decode(
        self,
        embedding: Embedding,
        prompts: PromptTensors | None,
        words: TextTensors | TextContext | None = None,
    ) -> dict[str, Tensor]:
        """Embeddings of a disk cache, or of a GPU that ran full since, come to where the network is."""
        features = {name: value.to(self.device) for name, value in embedding.tensors.items()}
        placed = None
        if prompts is not None:
            placed = PromptTensors(**{k: v.to(self.device) for k, v in vars(prompts).items()})
        heard = words.to(self.device) if isinstance(words, TextTensors) else words
        with self._autocast():
            return self.net.decoder(features, placed, heard)

    def _move_to_cpu(self) -> None:
        self.net.to("cpu")
        self.device, self._dtype = "cpu", autocast_dtype("cpu")
        self._heard = {}

    def _to_image(self, probability: Tensor, embedding: Embedding) -> np.ndarray:
        """(1, heads, H/2, W/2) → float32 (heads, height, width) of the embedded image."""
        full = torch.nn.functional.interpolate(
            probability.float(), scale_factor=2.0, mode="bilinear"
        )
        return full[0, :, : embedding.height_px, : embedding.width_px].cpu().numpy()

    def _autocast(self) -> torch.autocast:
        reduced = self._dtype is not None
        return torch.autocast(self.device, self._dtype if reduced else torch.bfloat16, reduced)


def _said(prompts: Sequence[Prompt]) -> str:
    """The words given beside the positions; the latest counts."""
    return next((p.text.strip() for p in reversed(prompts) if p.text.strip()), "")


def _ambiguous(prompts: Sequence[Prompt], previous_logits: np.ndarray | None) -> bool:
    """One click may mean a thing or its part: then the candidate that is surest of itself comes first."""
    return previous_logits is None and len(prompts) == 1 and prompts[0].kind == "point"


def prompt_tensors(
    prompts: Sequence[Prompt], height4: int, width4: int, previous_logits: np.ndarray | None
) -> PromptTensors:
    """Prompts in pixels of the embedded image → what the decoder takes, over a grid of `height4` x `width4` cells of 4 px."""
    clicks: list[tuple[float, float, int]] = []
    drawn = np.zeros((2, height4, width4), np.float32)
    start: np.ndarray | None = None
    boxes = [p for p in prompts if p.kind == "box" and p.label == 1]
    for prompt in prompts:
        if prompt.kind == "point":
            clicks.append((*prompt.xy[0], prompt.label))
        elif prompt.kind == "mask":
            start = _filled(prompt.xy, height4, width4)
        elif prompt.label == 0:
            clicks += [(x, y, 0) for x, y in _samples(prompt)]
        elif prompt.kind == "scribble":
            drawn[0] = np.maximum(drawn[0], _stroke(prompt.xy, height4, width4))
        elif prompt.kind == "lasso":
            drawn[0] = np.maximum(drawn[0], _filled(prompt.xy, height4, width4))
    clicks = clicks[-MOST_CLICKS:]
    xy = np.zeros((1, max(len(clicks), 1), 2), np.float32)
    labels = np.full((1, max(len(clicks), 1)), -1, np.int64)
    for k, (x, y, label) in enumerate(clicks):
        xy[0, k], labels[0, k] = (x, y), label
    box = np.array([union_bounds(boxes) if boxes else (0, 0, 0, 0)], np.float32)
    if previous_logits is not None:
        start = torch.sigmoid(torch.from_numpy(previous_logits).float()).numpy()
    previous = np.zeros((1, 1, height4, width4), np.float32) if start is None else start[None, None]
    given = np.array([start is not None], np.float32)
    arrays = (xy, labels, box, np.array([bool(boxes)], np.float32), drawn[None], previous, given)
    return PromptTensors(*map(torch.from_numpy, arrays))


def _samples(prompt: Prompt) -> np.ndarray:
    """A few positions along a stroke, or the middle of an area, that stand for a removal."""
    if prompt.kind in ("box", "lasso"):
        return prompt.xy.mean(0, keepdims=True)
    along = np.linspace(0, len(prompt.xy) - 1, SAMPLES_OF_A_REMOVAL)
    return prompt.xy[np.round(along).astype(int)]


def _fixed(xy: np.ndarray) -> np.ndarray:
    """OpenCV's fixed-point coordinates (4 fractional bits): pixel centres are whole numbers there."""
    return np.round((xy - 0.5) * 16).astype(np.int32)


def _filled(xy: np.ndarray, height4: int, width4: int) -> np.ndarray:
    """float32 (height4, width4): how much of each cell a ring covers."""
    canvas = np.zeros((height4 * 4, width4 * 4), np.uint8)
    cv2.fillPoly(canvas, [_fixed(xy)], 255, shift=4)
    return (
        cv2.resize(canvas, (width4, height4), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    )


def _stroke(xy: np.ndarray, height4: int, width4: int) -> np.ndarray:
    canvas = np.zeros((height4 * 4, width4 * 4), np.uint8)
    cv2.polylines(canvas, [_fixed(xy)], False, 255, SCRIBBLE_WIDTH_PX, shift=4)
    return (
        cv2.resize(canvas, (width4, height4), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    )
