"""Which square of the source a model looks at for some prompts, and at what zoom.

Windows come from a pyramid of zoom levels (half octaves) and snap to a quarter of their own size, so that neighbouring clicks
share one embedding. They depend on the prompts and the source alone, never on what the canvas shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.imagery.source import RasterSource
from inference_backend.models.base import ModelCard
from inference_backend.prompts import Prompt, union_bounds

LEVELS_AN_OCTAVE = 2
CLOSEST_LEVEL, FARTHEST_LEVEL = 4, -14
"""Zoom 2^(level / LEVELS_AN_OCTAVE): from 4 network pixels a source pixel to 1 for 128."""
SNAP = 4
USUAL_GSD_M = 0.2
"""First look at a click: about this much ground a pixel shows most roofs whole (chosen on held-out roofs)."""
OBJECT_PX = 90
"""Long side at which the network sees objects best: the middle of what it was trained on."""
SMALL_PX, LARGE_PX = 60.0, 200.0
LOOKS = (0.5, 1.0, 2.0)
"""Zooms of the first looks at a click, as factors (chosen on held-out roofs)."""
MOST_OF_A_WINDOW = 0.7
EDGE = 0.1
TELLS_SIZE = ("box", "lasso", "mask")


@dataclass(frozen=True)
class CropWindow:
    """A square of `side_native` source pixels from (`col0`, `row0`), read as `size_px` x `size_px`."""

    col0: float
    row0: float
    side_native: float
    size_px: int

    @property
    def scale(self) -> float:
        """Crop pixels a source pixel."""
        return self.size_px / self.side_native

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """(col0, row0, cols, rows) in source pixels."""
        return self.col0, self.row0, self.side_native, self.side_native

    @property
    def name(self) -> str:
        return f"{self.col0:.3f},{self.row0:.3f},{self.side_native:.3f}@{self.size_px}"

    def to_crop(self, prompt: Prompt) -> Prompt:
        """The prompt in the crop's pixel frame."""
        return prompt.moved(self.scale, -self.col0 * self.scale, -self.row0 * self.scale)


def plan_window(source: RasterSource, first: Prompt, card: ModelCard) -> CropWindow:
    """The window for a first look at an object that `first` shows (pixel frame of the source)."""
    x0, y0, x1, y1 = first.bounds
    zooms = _zooms(card)
    extent_px = max(x1 - x0, y1 - y0, 1.0)
    if zooms and first.kind in TELLS_SIZE:
        scale = OBJECT_PX / extent_px
    elif zooms and source.gsd_m:
        scale = source.gsd_m / USUAL_GSD_M
    else:
        scale = 1.0
    scale = min(scale, MOST_OF_A_WINDOW * card.input_px / extent_px)
    return _window((x0 + x1) / 2, (y0 + y1) / 2, scale, card)


def first_looks(source: RasterSource, first: Prompt, card: ModelCard) -> list[CropWindow]:
    """Windows from which to look at an object before its size is known: one if the prompt or the model settles it."""
    window = plan_window(source, first, card)
    if not _zooms(card) or first.kind in TELLS_SIZE:
        return [window]
    x0, y0, x1, y1 = first.bounds
    centre = (x0 + x1) / 2, (y0 + y1) / 2
    looks = [_window(*centre, window.scale * factor, card) for factor in LOOKS]
    return [look for look in looks if _holds(look, first)] or [window]


def zoomed_window(
    window: CropWindow, mask: np.ndarray, first: Prompt, card: ModelCard
) -> CropWindow | None:
    """A window whose zoom suits the object found, or None where the first look was right.

    `mask` bool (h, w) over `window`. Only for first looks that a click or a stroke chose: a box or a lasso has told
    the size already.
    """
    if not _zooms(card) or first.kind in TELLS_SIZE:
        return None
    found = _component_box(mask, window.to_crop(first).xy)
    if found is None:
        return None
    x0, y0, x1, y1 = found
    long_px = max(x1 - x0, y1 - y0)
    if SMALL_PX <= long_px <= LARGE_PX:
        return None
    centre_x = window.col0 + (x0 + x1) / 2 / window.scale
    centre_y = window.row0 + (y0 + y1) / 2 / window.scale
    closer = _window(centre_x, centre_y, window.scale * OBJECT_PX / long_px, card)
    return None if closer == window or not _holds(closer, first) else closer


def covering_window(window: CropWindow, prompts: Sequence[Prompt], card: ModelCard) -> CropWindow:
    """`window`, or a wider one where a later prompt lies outside it or at its very edge."""
    if all(_holds(window, prompt) for prompt in prompts):
        return window
    x0, y0, x1, y1 = union_bounds(prompts)
    scale = min(window.scale, MOST_OF_A_WINDOW * card.input_px / max(x1 - x0, y1 - y0, 1.0))
    return _window((x0 + x1) / 2, (y0 + y1) / 2, scale, card)


def _zooms(card: ModelCard) -> bool:
    return bool(card.extra.get("zooms", False))


def _holds(window: CropWindow, prompt: Prompt) -> bool:
    x0, y0, x1, y1 = prompt.bounds
    edge = EDGE * window.side_native
    return (
        x0 >= window.col0 + edge
        and y0 >= window.row0 + edge
        and x1 <= window.col0 + window.side_native - edge
        and y1 <= window.row0 + window.side_native - edge
    )


def _window(x: float, y: float, scale: float, card: ModelCard) -> CropWindow:
    """The window of the nearest zoom level, snapped so that (x, y) lies in its middle quarter."""
    level = round(LEVELS_AN_OCTAVE * math.log2(scale))
    closest = CLOSEST_LEVEL if _zooms(card) else 0
    level = min(max(level, FARTHEST_LEVEL), closest)
    side = card.input_px / 2 ** (level / LEVELS_AN_OCTAVE)
    step = side / SNAP
    col0, row0 = (round((value - side / 2) / step) * step for value in (x, y))
    return CropWindow(col0, row0, side, card.input_px)


def _component_box(
    mask: np.ndarray, xy_crop: np.ndarray
) -> tuple[float, float, float, float] | None:
    """Box of the connected part of `mask` under the prompt's positions, else of the largest part; None if empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    inside = xy_crop[((xy_crop >= 0) & (xy_crop < mask.shape[::-1])).all(1)].astype(int)
    hit = labels[inside[:, 1], inside[:, 0]]
    hit = hit[hit > 0]
    part = (
        int(np.bincount(hit).argmax())
        if len(hit)
        else 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    )
    x, y, width, height = stats[part, :4]
    return float(x), float(y), float(x + width), float(y + height)
