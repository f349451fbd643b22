"""What is evaluated: the product's own path from prompts to a mask, and what users have without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.interactive import segment_object
from inference_backend.models.base import PromptableModel
from inference_backend.prompts import Prompt

BASELINES = ("floodfill", "grabcut", "box")
TOLERANCES = (4, 8, 12, 16, 24, 32, 48, 64)
_CACHE_BYTES = 600_000_000


class Segmenter(Protocol):
    """Prompts on an image to a mask of it. `kinds` are the prompts it can be shown: "point", "box"."""

    name: str
    kinds: tuple[str, ...]

    def segment(
        self, source: RasterSource, rgb: np.ndarray, prompts: Sequence[Prompt]
    ) -> np.ndarray:
        """bool (H, W) of the whole image."""


class ModelSegmenter:
    """A model through `segment_object`, exactly as the command line and the plugin ask it."""

    kinds = ("point", "box")

    def __init__(self, model: PromptableModel, threshold: float = 0.5) -> None:
        self.name = model.card.id
        self._model, self._threshold = model, threshold
        self._cache = EmbeddingCache(_CACHE_BYTES)

    def segment(
        self, source: RasterSource, rgb: np.ndarray, prompts: Sequence[Prompt]
    ) -> np.ndarray:
        """bool (H, W): the probability, resampled to the image's pixels, above the threshold."""
        answer = segment_object(source, prompts, self._model, cache=self._cache)
        probability = on_pixels(answer.probability, answer.window, rgb.shape[:2])
        return probability >= self._threshold


def on_pixels(
    probability: np.ndarray, window: tuple[float, float, float, float], shape: tuple[int, int]
) -> np.ndarray:
    """`probability` (h, w) over `window` (col0, row0, cols, rows) on the image's own grid; 0 outside."""
    col0, row0, cols, rows = window
    height, width = probability.shape
    x_step, y_step = width / cols, height / rows
    # Pixel centres lie at halves in both frames.
    matrix = np.array(
        [
            [x_step, 0, (0.5 - col0) * x_step - 0.5],
            [0, y_step, (0.5 - row0) * y_step - 0.5],
        ]
    )
    # A padded rim keeps the outermost half pixel from fading to the border value.
    padded = cv2.copyMakeBorder(probability.astype(np.float32), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    matrix[:, 2] += 1
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    on = cv2.warpAffine(padded, matrix, (shape[1], shape[0]), flags=flags, borderValue=0)
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    inside_x, inside_y = (x >= col0) & (x < col0 + cols), (y >= row0) & (y < row0 + rows)
    return on * (inside_y[:, None] & inside_x)


class FloodFill:
    """The magic wand: every click floods its colour within a tolerance; clicks that remove, flood away."""

    kinds = ("point",)

    def __init__(self, tolerance: int) -> None:
        self.tolerance = tolerance
        self.name = f"floodfill, tolerance {tolerance}"

    def segment(
        self, source: RasterSource, rgb: np.ndarray, prompts: Sequence[Prompt]
    ) -> np.ndarray:
        """Union of the floods that add, without the floods that remove, in the order of the clicks."""
        mask = np.zeros(rgb.shape[:2], bool)
        for prompt in prompts:
            mask = np.where(self._flood(rgb, prompt.xy[0]), bool(prompt.label), mask)
        return mask

    def _flood(self, rgb: np.ndarray, xy: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        flooded = np.zeros((height + 2, width + 2), np.uint8)
        seed = (min(int(xy[0]), width - 1), min(int(xy[1]), height - 1))
        span = (self.tolerance,) * 3
        flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
        cv2.floodFill(np.ascontiguousarray(rgb), flooded, seed, 0, span, span, flags)
        return flooded[1:-1, 1:-1].astype(bool)


class GrabCut:
    """Rother et al. 2004 in the drawn box, on the box and as much again around it."""

    kinds = ("box",)
    name = "grabcut in the box"

    def segment(
        self, source: RasterSource, rgb: np.ndarray, prompts: Sequence[Prompt]
    ) -> np.ndarray:
        """Foreground after five rounds; the box itself where it is too small for colour models."""
        mask = np.zeros(rgb.shape[:2], bool)
        x0, y0, x1, y1 = _box_pixels(prompts, rgb.shape)
        margin = max(x1 - x0, y1 - y0, 8)
        left, top = max(x0 - margin, 0), max(y0 - margin, 0)
        crop = np.ascontiguousarray(rgb[top : y1 + margin, left : x1 + margin])
        if min(x1 - x0, y1 - y0) < 4 or crop.shape[:2] == (y1 - y0, x1 - x0):
            mask[y0:y1, x0:x1] = True
            return mask
        labels = np.zeros(crop.shape[:2], np.uint8)
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        rectangle = (x0 - left, y0 - top, x1 - x0, y1 - y0)
        cv2.setRNGSeed(0)
        cv2.grabCut(crop, labels, rectangle, background, foreground, 5, cv2.GC_INIT_WITH_RECT)
        found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        mask[top : top + found.shape[0], left : left + found.shape[1]] = found
        return mask


class BoxItself:
    """The drawn box taken as the mask: what a box prompt already says."""

    kinds = ("box",)
    name = "box itself"

    def segment(
        self, source: RasterSource, rgb: np.ndarray, prompts: Sequence[Prompt]
    ) -> np.ndarray:
        """The pixels of the box."""
        mask = np.zeros(rgb.shape[:2], bool)
        x0, y0, x1, y1 = _box_pixels(prompts, rgb.shape)
        mask[y0:y1, x0:x1] = True
        return mask


def _box_pixels(prompts: Sequence[Prompt], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    box = next((prompt for prompt in prompts if prompt.kind == "box"), None)
    if box is None:
        raise InvalidInput("This baseline answers boxes only.")
    x0, y0, x1, y1 = (int(round(value)) for value in box.bounds)
    return max(x0, 0), max(y0, 0), min(max(x1, x0 + 1), shape[1]), min(max(y1, y0 + 1), shape[0])


def baseline(name: str) -> list[Segmenter]:
    """The candidates of a baseline; of several, the best is meant. Raises InvalidInput."""
    if name == "floodfill":
        return [FloodFill(tolerance) for tolerance in TOLERANCES]
    if name == "grabcut":
        return [GrabCut()]
    if name == "box":
        return [BoxItself()]
    raise InvalidInput(f"'{name}' is not a baseline; use {', '.join(BASELINES)}.")
