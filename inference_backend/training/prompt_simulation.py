"""A simulated user: first prompts on an object, and the next corrected click after an answer (RITM protocol)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from inference_backend.models.unigeoseg.prompt_maps import PromptTensors

MOST_CLICKS = 8


@dataclass(frozen=True)
class PromptMix:
    """Shares of the first prompt; what is left over is a lasso."""

    click: float = 0.50
    box: float = 0.30
    box_and_click: float = 0.07
    scribble: float = 0.06
    mask_and_click: float = 0.03


def distance_inside(mask: np.ndarray) -> np.ndarray:
    """Distance to the mask's edge in pixels; the image's border counts as an edge."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]


def central_click(mask: np.ndarray, rng: np.random.Generator, spread: float) -> tuple[float, float]:
    """(x, y) drawn among pixels at least `1 - spread` of the greatest distance from the edge."""
    distance = distance_inside(mask)
    ys, xs = np.nonzero(distance >= max((1 - spread) * distance.max(), 0.5))
    pick = int(rng.integers(len(ys)))
    return float(xs[pick]) + 0.5, float(ys[pick]) + 0.5


class PromptSet:
    """One object's prompts while it is trained on: numpy, grown by clicks, turned into tensors a batch at a time."""

    def __init__(self, mask: np.ndarray, rng: np.random.Generator, mix: PromptMix) -> None:
        size = mask.shape[0]
        self.clicks: list[tuple[float, float, int]] = []
        self.box: np.ndarray | None = None
        self.drawn = np.zeros((2, size // 4, size // 4), np.float32)
        self.previous: np.ndarray | None = None
        draw = rng.random()
        edges = np.cumsum([mix.click, mix.box, mix.box_and_click, mix.scribble, mix.mask_and_click])
        kind = int(np.searchsorted(edges, draw))
        if kind in (0, 2, 4):
            spread = 0.15 if rng.random() < 0.5 else 1.0
            self.clicks.append((*central_click(mask, rng, spread), 1))
        if kind in (1, 2):
            self.box = _jittered_box(mask, rng)
        if kind == 3:
            self.drawn[0] = _shrunk(_scribble(mask, rng))
        if kind == 4:
            self.previous = _shrunk(_rough(mask, rng))
        if kind == 5:
            self.drawn[0] = _shrunk(_rough(mask, rng, grow=True))

    @classmethod
    def empty(cls, size: int) -> PromptSet:
        """No prompt at all over a window of `size` pixels: words alone."""
        prompts = cls.__new__(cls)
        prompts.clicks, prompts.box, prompts.previous = [], None, None
        prompts.drawn = np.zeros((2, size // 4, size // 4), np.float32)
        return prompts

    def add_click(self, xy: tuple[float, float], label: int) -> None:
        if len(self.clicks) < MOST_CLICKS:
            self.clicks.append((*xy, label))


def _jittered_box(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ys, xs = np.nonzero(mask)
    box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)
    side = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    return box + np.clip(rng.normal(0, 0.035, 4), -0.1, 0.1) * side * (rng.random() < 0.7)


def _scribble(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    canvas = np.zeros_like(mask, np.uint8)
    points = np.array([central_click(mask, rng, 0.7) for _ in range(int(rng.integers(2, 5)))])
    cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, 1, 4)
    return canvas * mask


def _rough(mask: np.ndarray, rng: np.random.Generator, grow: bool = False) -> np.ndarray:
    """The mask as a hasty hand draws it: moved, grown or shrunk, corners lost."""
    side = max(int(np.sqrt(mask.sum()) * rng.uniform(0.03, 0.2)), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * side + 1, 2 * side + 1))
    out = mask.astype(np.uint8)
    out = cv2.dilate(out, kernel) if grow or rng.random() < 0.5 else cv2.erode(out, kernel)
    move = rng.normal(0, side * 0.4, 2)
    return cv2.warpAffine(out, np.float32([[1, 0, move[0]], [0, 1, move[1]]]), out.shape[::-1])


def _shrunk(mask: np.ndarray) -> np.ndarray:
    size = mask.shape[0] // 4
    return cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def to_tensors(sets: list[PromptSet]) -> PromptTensors:
    """A batch of prompt sets as tensors."""
    count, size4 = len(sets), sets[0].drawn.shape[-1]
    clicks = np.zeros((count, MOST_CLICKS, 2), np.float32)
    labels = np.full((count, MOST_CLICKS), -1, np.int64)
    box, has_box = np.zeros((count, 4), np.float32), np.zeros(count, np.float32)
    previous, has_previous = (
        np.zeros((count, 1, size4, size4), np.float32),
        np.zeros(count, np.float32),
    )
    for i, prompts in enumerate(sets):
        for k, (x, y, label) in enumerate(prompts.clicks):
            clicks[i, k], labels[i, k] = (x, y), label
        if prompts.box is not None:
            box[i], has_box[i] = prompts.box, 1
        if prompts.previous is not None:
            previous[i, 0], has_previous[i] = prompts.previous, 1
    drawn = np.stack([prompts.drawn for prompts in sets])
    return PromptTensors(
        *map(torch.from_numpy, (clicks, labels, box, has_box, drawn, previous, has_previous))
    )


def correct(
    sets: list[PromptSet], masks: np.ndarray, probability: np.ndarray, rng: np.random.Generator
) -> None:
    """Add to every set the click that a user would make next, and remember the answer as the previous mask.

    `masks` uint8 (P, S, S); `probability` float32 (P, S/2, S/2).
    """
    half = probability.shape[-1]
    for prompts, mask, answer in zip(sets, masks, probability):
        truth = mask[::2, ::2][:half, :half] > 0
        found = answer > 0.5
        missed, extra = distance_inside(truth & ~found), distance_inside(found & ~truth)
        add = missed.max() >= extra.max()
        field = missed if add else extra
        prompts.previous = cv2.resize(answer, prompts.drawn.shape[1:], interpolation=cv2.INTER_AREA)
        if field.max() < 1:
            continue
        ys, xs = np.nonzero(field >= field.max() * rng.choice([0.5, 0.95]))
        pick = int(rng.integers(len(ys)))
        prompts.add_click((2.0 * float(xs[pick]) + 1, 2.0 * float(ys[pick]) + 1), int(add))
