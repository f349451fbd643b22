"""Two models as one: the first finds what words mean, the second draws the outlines of what the first found.

The class mask of the first is split into parts, the frame of each part is a box prompt for the second, and its mask is taken
where it shows the same thing. What is no single object (a net of roads) stays as the first one drew it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy import ndimage
from skimage.segmentation import watershed

from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    PromptableModel,
    TextAnswer,
    TextQuery,
)
from inference_backend.models.joined import JOINT, joint_card
from inference_backend.prompts import Prompt

MOST_OBJECTS = 64
"""In one image; a decoding of SAM takes a tenth of a second on a CPU. Smaller ones stay as they are."""
# An outline that overlaps what the words found by less is of another thing.
_LEAST_IOU = 0.4
_LEAST_PX = 16
_BOX_MARGIN_PX = 1.0
_CORE_DEPTH_PX = 2.0


@dataclass
class _Object:
    """One outline by the second model: `probability` (h, w) in the window that begins at (row, column)."""

    row: int
    column: int
    probability: np.ndarray
    score: float


class WordsThenEdges(PromptableModel):
    """Words by `words`, outlines and clicks by `edges`."""

    def __init__(self, words: PromptableModel, edges: PromptableModel) -> None:
        self.words, self.edges = words, edges
        self.card = joint_card(words.card, edges.card)
        self.weights_id = f"{words.weights_id}{JOINT}{edges.weights_id}"

    @property
    def device(self) -> str:
        """Where the outlines are drawn; either model may have gone to the CPU on its own."""
        return self.edges.device

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        """The image itself: each model encodes it when it is first asked. Where nothing is found, the second never is."""
        tensors = {"rgb": torch.from_numpy(np.ascontiguousarray(rgb))}
        if valid is not None:
            tensors["valid"] = torch.from_numpy(np.ascontiguousarray(valid))
        return Embedding(key, rgb.shape[0], rgb.shape[1], tensors)

    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        return self.edges.predict(
            _seen_by(self.edges, "edges", embedding), prompts, previous_logits
        )

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        found = self.words.predict_text(_seen_by(self.words, "words", embedding), queries)
        return [self._outlined(embedding, answer) for answer in found]

    def _outlined(self, embedding: Embedding, answer: TextAnswer) -> TextAnswer:
        parts = single_parts(answer.probability, answer.core)
        boxes = ndimage.find_objects(parts)
        sizes = np.bincount(parts.ravel())
        largest = np.argsort(-sizes[1:], kind="stable")[:MOST_OBJECTS] + 1
        probability, core = answer.probability.copy(), np.zeros_like(answer.probability)
        scores, replaced = [], np.zeros(len(sizes), bool)
        objects = []
        for label in largest:
            if sizes[label] < _LEAST_PX:
                break
            drawn = self._draw(embedding, parts == label, boxes[label - 1])
            if drawn is not None:
                objects.append(drawn)
                scores.append(drawn.score)
                replaced[label] = True
        # What the words alone called the object, outside its outline, is just not it.
        probability[replaced[parts]] = np.minimum(probability[replaced[parts]], 0.49)
        for drawn in objects:
            rows, columns = drawn.probability.shape
            place = np.s_[drawn.row : drawn.row + rows, drawn.column : drawn.column + columns]
            probability[place] = np.maximum(probability[place], drawn.probability)
            core[place] = np.maximum(core[place], _core(drawn.probability))
        if answer.core is not None:
            core = np.where(replaced[parts], core, np.maximum(core, answer.core))
        score = float(np.mean(scores)) if scores else answer.score
        has_cores = bool(objects) or answer.core is not None
        return TextAnswer(
            probability, answer.presence, score, core if has_cores else None, answer.understood
        )

    def _draw(
        self, embedding: Embedding, part: np.ndarray, window: tuple[slice, slice]
    ) -> _Object | None:
        """The second model's outline of a part, within twice its frame; None where it is of another thing."""
        rows, columns = window
        low = np.array([columns.start, rows.start]) - _BOX_MARGIN_PX
        high = np.array([columns.stop, rows.stop]) + _BOX_MARGIN_PX
        limit = np.array([embedding.width_px, embedding.height_px], float)
        box = Prompt("box", np.stack([low.clip(0), np.minimum(high, limit)]))
        best = self.predict(embedding, [box])[0]
        drawn = best.probability > 0.5
        if (drawn & part).sum() < _LEAST_IOU * (drawn | part).sum():
            return None
        half = np.array([rows.stop - rows.start, columns.stop - columns.start]) // 2 + 1
        row, column = max(rows.start - half[0], 0), max(columns.start - half[1], 0)
        cut = best.probability[row : rows.stop + half[0], column : columns.stop + half[1]]
        return _Object(int(row), int(column), cut.copy(), best.score)


def single_parts(probability: np.ndarray, core: np.ndarray | None) -> np.ndarray:
    """Labels, 1 to n, of the parts of `probability > 0.5` (H, W): grown from the cores where there are some."""
    mask = probability > 0.5
    parts, count = ndimage.label(mask)
    if core is None or not count:
        return parts
    seeds, cores = ndimage.label((core > 0.5) & mask)
    seeded = np.zeros(count + 1, bool)
    seeded[np.unique(parts[seeds > 0])] = True
    seeded[0] = False
    grown = watershed(-core, seeds, mask=mask & seeded[parts])
    labels = np.where(grown > 0, grown, np.where(mask & ~seeded[parts], parts + cores, 0))
    # From 0 for the outside, present or not, without gaps.
    numbers = np.cumsum(np.bincount(labels.ravel())[1:] > 0)
    return np.concatenate([[0], numbers])[labels]


def _seen_by(model: PromptableModel, role: str, embedding: Embedding) -> Embedding:
    """The image as one of the models sees it; encoded at the first question and kept beside the image."""
    mark = f"{role}/"
    kept = {n.removeprefix(mark): t for n, t in embedding.tensors.items() if n.startswith(mark)}
    if not kept:
        valid = embedding.tensors.get("valid")
        made = model.embed(
            embedding.tensors["rgb"].numpy(), None if valid is None else valid.numpy()
        )
        kept = made.tensors
        embedding.tensors |= {f"{mark}{name}": tensor for name, tensor in kept.items()}
    return Embedding(embedding.key, embedding.height_px, embedding.width_px, kept)


def _core(probability: np.ndarray) -> np.ndarray:
    """The inside of an object, away from its outline: float32 (h, w), 1 inside."""
    inside = np.pad((probability > 0.5).astype(np.uint8), 1)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return (depth > min(_CORE_DEPTH_PX, float(depth.max()) / 2)).astype(np.float32)
