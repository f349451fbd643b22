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

REMEMBERED_BYTES = 64 << 20
OBJECT_THRESHOLD = 0.5
LARGE_PART = 0.6
"""A part that no click lies on stays from this share of the largest shown part on (chosen on held-out roofs)."""
LARGE_PART_IN_BOX = 0.25
PINHOLE = 0.03
"""Holes below this share of the object are chimneys and noise to whoever asked for the object."""


class NoImageData(InvalidInput):
    """All that the model would look at is no-data or not a number."""


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

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._kept: OrderedDict[str, MaskPrediction] = OrderedDict()

    def get(self, key: str) -> MaskPrediction | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, answer: MaskPrediction) -> None:
        """Copies: the arrays of one candidate are views that would keep those of all candidates."""
        kept = MaskPrediction(answer.probability.copy(), answer.score, answer.logits.copy())
        with self._lock:
            self._kept[key] = kept
            held = sum(_nbytes(other) for other in self._kept.values())
            while held > self._most_bytes and len(self._kept) > 1:
                held -= _nbytes(self._kept.popitem(last=False)[1])


def _nbytes(answer: MaskPrediction) -> int:
    return answer.probability.nbytes + answer.logits.nbytes


_memory = _Memory(REMEMBERED_BYTES)


def segment_object(
    source: RasterSource,
    prompts: Sequence[Prompt],
    model: PromptableModel,
    *,
    cache: EmbeddingCache,
    cancel: CancelToken | None = None,
) -> ObjectMask:
    """The mask of the object that `prompts` (pixel frame of `source`, in the order given) show.

    Raises InvalidInput, NoImageData where there is nothing to see, Cancelled.
    """
    _check(source, prompts)
    asking = _Asking(source, model, cache, cancel or CancelToken())
    opening = prompts[: _steps(prompts)[0]]
    window = covering_window(asking.best_look(opening), prompts, model.card)
    answer = asking.replay(window, prompts)
    covering = asking.cover_clicks(window, prompts, answer.probability)
    probability = shown_parts(covering, [window.to_crop(p) for p in prompts])
    return ObjectMask(probability, window.extent, answer.score, asking.timings_ms, asking.replayed)


def shown_parts(probability: np.ndarray, prompts: Sequence[Prompt]) -> np.ndarray:
    """`probability` (h, w) of the object alone: without stray parts and pinholes. Prompts are in the array's pixel frame.

    Look-alikes a little away are what a click network gets wrong most. A part that an added click or stroke lies on
    stays; another stays if it is nearly as large as the largest shown (an object may be in two pieces), or, where a box
    or a lasso says where the object ends, if it is not small. An outline to start from says which object is meant, so
    that of others, which words beside it bring in, nothing stays. Pinholes are filled unless a removing prompt lies in them.
    """
    added = [p for p in prompts if p.label == 1]
    outlines = [p for p in added if p.kind == "mask"]
    bounded = any(p.kind in ("box", "lasso") for p in added)
    strokes = [p for p in added if p.kind in ("point", "scribble")]
    mask = (probability > OBJECT_THRESHOLD).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    shown = (_labels_under(labels, strokes) | _labels_within(labels, outlines)) - {0}
    if count < 2 or not (shown or bounded):
        return probability
    if outlines and shown:
        least = np.inf
    elif bounded:
        least = LARGE_PART_IN_BOX * max(areas[1:])
    else:
        least = LARGE_PART * max(areas[part] for part in shown)
    dropped = [part for part in range(1, count) if part not in shown and areas[part] < least]
    kept = np.where(np.isin(labels, dropped), np.float32(0), probability)
    return _without_pinholes(kept, [p for p in prompts if p.label == 0])


def _without_pinholes(probability: np.ndarray, removing: Sequence[Prompt]) -> np.ndarray:
    outside = (probability <= OBJECT_THRESHOLD).astype(np.uint8)
    most = PINHOLE * (outside.size - int(outside.sum()))
    framed = np.pad(outside, 1, constant_values=1)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(framed, connectivity=4)
    holes = set(np.nonzero(stats[:, cv2.CC_STAT_AREA] < most)[0].tolist()) - {0}
    holes -= _labels_under(labels[1:-1, 1:-1], removing)
    inside = np.isin(labels[1:-1, 1:-1], sorted(holes))
    return np.where(inside, np.float32(1), probability)


def _labels_under(labels: np.ndarray, prompts: Sequence[Prompt]) -> set[int]:
    if not prompts:
        return set()
    positions = np.concatenate([p.xy for p in prompts]).astype(int)
    height, width = labels.shape
    inside = ((positions >= 0) & (positions < (width, height))).all(1)
    return set(labels[positions[inside, 1], positions[inside, 0]].tolist())


def _labels_within(labels: np.ndarray, prompts: Sequence[Prompt]) -> set[int]:
    """The parts that meet the inside of any of these rings."""
    inside = np.zeros(labels.shape, np.uint8)
    for prompt in prompts:
        cv2.fillPoly(inside, [np.floor(prompt.xy).astype(np.int32)], 1)
    return set(np.unique(labels[inside > 0]).tolist())


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
        """Answer the first prompt, give the answer to the second, and so on; begin at the last answer still known."""
        embedding = self._embedding(window)
        steps = _steps(prompts)
        names = _prefix_names(embedding.key, prompts, steps)
        done, answer = self._remembered(names)
        self.replayed += min(done, len(steps) - 1)
        for end, name in zip(steps[done:], names[done:]):
            self.cancel.check()
            answer = self._decode(embedding, window, prompts[:end], answer)
            _memory.put(name, answer)
        if answer is None:
            raise InvalidInput("There is no prompt; click on the object first.")
        return answer

    @staticmethod
    def _remembered(names: Sequence[str]) -> tuple[int, MaskPrediction | None]:
        """How many steps the longest known prefix has, and its answer."""
        for done in range(len(names), 0, -1):
            known = _memory.get(names[done - 1])
            if known is not None:
                return done, known
        return 0, None

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

    def cover_clicks(
        self, window: CropWindow, prompts: Sequence[Prompt], probability: np.ndarray
    ) -> np.ndarray:
        """`probability` with what each added click shows, also where the network let go of it.

        A click that adds is a promise: if the joint answer leaves it out (an object apart from the first), the answer to
        that click alone is united with it.
        """
        removing = [p for p in prompts if p.label == 0]
        for prompt in prompts:
            if prompt.kind != "point" or prompt.label == 0:
                continue
            x, y = window.to_crop(prompt).xy[0].astype(int)
            if not (0 <= y < probability.shape[0] and 0 <= x < probability.shape[1]):
                continue
            if probability[y, x] <= OBJECT_THRESHOLD:
                alone = self.replay(window, [prompt, *removing]).probability
                probability = np.maximum(probability, shown_parts(alone, [window.to_crop(prompt)]))
        return probability

    def _embedding(self, window: CropWindow) -> Embedding:
        key = f"{self.source.key}|{self.model.card.id}|{self.model.weights_id}|{window.name}"
        return self.cache.get_or_compute(key, lambda: self._embed(window, key))

    def _embed(self, window: CropWindow, key: str) -> Embedding:
        self.cancel.check()
        began = time.perf_counter()
        rgb, valid = self.source.read_rgb(*window.extent, window.size_px, window.size_px)
        read = time.perf_counter()
        self.cancel.check()
        if not valid.any():
            raise NoImageData(
                "There are no image data around the prompt (no-data or not a number); click where the image shows something."
            )
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


def _prefix_names(key: str, prompts: Sequence[Prompt], steps: Sequence[int]) -> list[str]:
    """A name for each step, which depends on the embedding and on every prompt up to there."""
    names, name, start = [], key, 0
    for end in steps:
        digest = hashlib.blake2b(name.encode(), digest_size=16)
        for prompt in prompts[start:end]:
            digest.update(
                f"{prompt.kind}{prompt.label}{prompt.text}".encode() + prompt.xy.tobytes()
            )
        name, start = digest.hexdigest(), end
        names.append(name)
    return names
