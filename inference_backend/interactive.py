"""One object from its prompts: choose the window, embed it once, replay the prompts, give the best mask.

A request holds all it needs. The same prompts on the same source give the same mask, whatever was asked before, whatever
the canvas shows and whether the process was started a second ago: answers are only remembered, never relied upon.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.imagery.crop import CropWindow, covering_window, first_looks, zoomed_window
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.models.base import Embedding, MaskPrediction, PromptableModel
from inference_backend.prompts import Prompt

REMEMBERED = 64
OBJECT_THRESHOLD = 0.5
LARGE_PART = 0.6
"""A part that no click lies on stays from this share of the largest shown part on (chosen on held-out roofs)."""


@dataclass(eq=False)
class ObjectMask:
    """`probability` float32 (h, w) over `window`, (col0, row0, cols, rows) in source pixels; outside it is no object."""

    probability: np.ndarray
    window: tuple[float, float, float, float]
    score: float
    timings_ms: dict[str, float] = field(default_factory=dict)
    replayed: int = 0


class _Memory:
    """Answers to prefixes of prompt lists, so that the fifth click costs one decoding and not five."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: OrderedDict[str, MaskPrediction] = OrderedDict()

    def get(self, key: str) -> MaskPrediction | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, answer: MaskPrediction) -> None:
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


_memory = _Memory(REMEMBERED)


def segment_object(
    source: RasterSource,
    prompts: Sequence[Prompt],
    model: PromptableModel,
    *,
    cache: EmbeddingCache,
    cancel: CancelToken | None = None,
) -> ObjectMask:
    """The mask of the object that `prompts` (pixel frame of `source`, in the order given) show. Raises InvalidInput, Cancelled."""
    _check(source, prompts)
    asking = _Asking(source, model, cache, cancel or CancelToken())
    opening = prompts[: _steps(prompts)[0]]
    window = covering_window(asking.best_look(opening), prompts, model.card)
    answer = asking.replay(window, prompts)
    probability = shown_parts(answer.probability, [window.to_crop(p) for p in prompts])
    return ObjectMask(probability, window.extent, answer.score, asking.timings_ms, asking.replayed)


def shown_parts(probability: np.ndarray, prompts: Sequence[Prompt]) -> np.ndarray:
    """`probability` (h, w) without the parts that no added click or stroke (pixel frame of the array) lies on.

    Look-alikes a little away are what a click network gets wrong most; a part nearly as large as the largest one shown
    stays, since an object may be in two pieces. Boxes and lassos say where the object ends, so nothing is taken there.
    """
    strokes = [p for p in prompts if p.label == 1]
    if any(p.kind not in ("point", "scribble") for p in strokes):
        return probability
    mask = (probability > OBJECT_THRESHOLD).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    positions = np.concatenate([p.xy for p in strokes]).astype(int)
    height, width = mask.shape
    inside = ((positions >= 0) & (positions < (width, height))).all(1)
    shown = set(labels[positions[inside, 1], positions[inside, 0]].tolist()) - {0}
    if count < 3 or not shown:
        return probability
    areas = stats[:, cv2.CC_STAT_AREA]
    least = LARGE_PART * max(areas[part] for part in shown)
    dropped = [part for part in range(1, count) if part not in shown and areas[part] < least]
    return np.where(np.isin(labels, dropped), np.float32(0), probability)


def _check(source: RasterSource, prompts: Sequence[Prompt]) -> None:
    if not any(p.label == 1 for p in prompts):
        raise InvalidInput(
            "All prompts remove; click on the object (left button) to say what is wanted."
        )
    for prompt in prompts:
        x0, y0, x1, y1 = prompt.bounds
        if x1 < 0 or y1 < 0 or x0 > source.width or y0 > source.height:
            raise InvalidInput(
                f"A {prompt.kind} prompt lies outside the raster (column {x0:.7g}, row {y0:.7g} of "
                f"{source.width} x {source.height}); click on the image."
            )


class _Asking:
    """One request under way: where its time went, and how much was remembered."""

    def __init__(
        self,
        source: RasterSource,
        model: PromptableModel,
        cache: EmbeddingCache,
        cancel: CancelToken,
    ) -> None:
        self.source, self.model, self.cache, self.cancel = source, model, cache, cancel
        self.timings_ms = {"read": 0.0, "embed": 0.0, "decode": 0.0}
        self.replayed = 0

    def replay(self, window: CropWindow, prompts: Sequence[Prompt]) -> MaskPrediction:
        """Answer the first prompt, give the answer to the second, and so on."""
        embedding = self._embedding(window)
        steps = _steps(prompts)
        answer: MaskPrediction | None = None
        name = f"{embedding.key}"
        for end in steps:
            name = _extended(name, prompts[:end])
            known = _memory.get(name)
            if known is None:
                self.cancel.check()
                known = self._decode(embedding, window, prompts[:end], answer)
                _memory.put(name, known)
            elif end != steps[-1]:
                self.replayed += 1
            answer = known
        if answer is None:
            raise InvalidInput("There is no prompt; click on the object first.")
        return answer

    def best_look(self, opening: Sequence[Prompt]) -> CropWindow:
        """The window in which the model is surest of its answer to the first prompt, at a zoom that suits the object.

        A click does not tell how large the object is, and the network knows objects of a certain size best: so it
        looks from near and from far, closes in on what it found, and the estimated IoU decides.
        """
        shown = opening[-1]
        looks: list[tuple[float, CropWindow]] = []
        for window in first_looks(self.source, shown, self.model.card):
            answer = self.replay(window, opening)
            closer = zoomed_window(
                window, answer.probability > OBJECT_THRESHOLD, shown, self.model.card
            )
            if closer is not None:
                window, answer = closer, self.replay(closer, opening)
            looks.append((answer.score, window))
        return max(looks, key=lambda look: look[0])[1]

    def _embedding(self, window: CropWindow) -> Embedding:
        key = f"{self.source.key}|{self.model.card.id}|{self.model.weights_id}|{window.name}"
        return self.cache.get_or_compute(key, lambda: self._embed(window, key))

    def _embed(self, window: CropWindow, key: str) -> Embedding:
        self.cancel.check()
        began = time.perf_counter()
        rgb, valid = self.source.read_rgb(*window.extent, window.size_px, window.size_px)
        read = time.perf_counter()
        self.cancel.check()
        embedding = self.model.embed(rgb, valid, key)
        self.timings_ms["read"] += 1000 * (read - began)
        self.timings_ms["embed"] += 1000 * (time.perf_counter() - read)
        return embedding

    def _decode(
        self,
        embedding: Embedding,
        window: CropWindow,
        prompts: Sequence[Prompt],
        before: MaskPrediction | None,
    ) -> MaskPrediction:
        began = time.perf_counter()
        inside = [window.to_crop(prompt) for prompt in prompts]
        answer = self.model.predict(embedding, inside, before.logits if before else None)[0]
        self.timings_ms["decode"] += 1000 * (time.perf_counter() - began)
        return answer


def _steps(prompts: Sequence[Prompt]) -> list[int]:
    """How many prompts each answer sees. What comes before the first added prompt has no answer of its own."""
    first = next(i for i, prompt in enumerate(prompts) if prompt.label == 1)
    return list(range(first + 1, len(prompts) + 1))


def _extended(name: str, prompts: Sequence[Prompt]) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=16)
    for prompt in prompts:
        digest.update(f"{prompt.kind}{prompt.label}{prompt.text}".encode() + prompt.xy.tobytes())
    return digest.hexdigest()
