"""The rules by which published numbers were counted, each under the name of the code that counts so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.metrics import DEFAULT_PRECISION_AT, EmptyRule, MaskMetrics

Canvas = Literal["image", "square512", "squash480"]
CANVASES: tuple[Canvas, ...] = ("image", "square512", "squash480")


@dataclass(frozen=True)
class Protocol:
    """How samples are counted. `canvas`: the pixels that are counted, the image's own unless said.

    `sentences`: whether every sentence of an object is a sample of its own, or the first one stands for all.
    """

    name: str
    about: str
    empty: EmptyRule
    precision_at: tuple[float, ...] = DEFAULT_PRECISION_AT
    strict: bool = False
    epsilon: float = 0.0
    union_epsilon: float = 0.0
    canvas: Canvas = "image"
    sentences: Literal["all", "first"] = "all"

    def metrics(self) -> MaskMetrics:
        """An empty count by these rules."""
        return MaskMetrics(
            self.empty, self.precision_at, self.strict, self.epsilon, self.union_epsilon
        )


_ALL = (
    Protocol(
        "lisa",
        "the image's own pixels; nothing there and nothing found is right; Pr@X by >=",
        "lisa",
        epsilon=1e-5,
        union_epsilon=1e-10,
    ),
    Protocol(
        "unigeoseg",
        "as UniGeoSeg and SegEarth-R1 count: padded 512 x 512 canvas, first sentence, Pr@X by >",
        "lisa",
        strict=True,
        epsilon=1e-5,
        union_epsilon=1e-10,
        canvas="square512",
        sentences="first",
    ),
    Protocol(
        "rmsin",
        "as LAVT and RMSIN count: squashed to 480 x 480, every sentence, an empty union scores 0",
        "rmsin",
        canvas="squash480",
    ),
    Protocol(
        "gres",
        "as gRefCOCO counts: 'no target' is an answer, Pr@X over present targets only",
        "gres",
        precision_at=(0.7, 0.8, 0.9),
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name. Raises InvalidInput with the names there are."""
    if name not in PROTOCOLS:
        raise InvalidInput(f"'{name}' is not a protocol; use one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def on_canvas(mask: np.ndarray, canvas: Canvas) -> np.ndarray:
    """`mask` (H, W) of the image as the pixels that are counted.

    "square512": the long side becomes 512, the rest is padded with nothing, in the middle. "squash480": both sides
    become 480, whatever the shape was. Neither interpolates.
    """
    if canvas == "image":
        return mask
    pixels = np.asarray(mask).astype(np.uint8)
    if canvas == "squash480":
        # Sampled at pixel centres, as Pillow resizes.
        way = cv2.INTER_NEAREST_EXACT
        return cv2.resize(pixels, (480, 480), interpolation=way).astype(mask.dtype)
    height, width = pixels.shape
    longest = max(height, width)
    rows, cols = max(int(height * (512 / longest)), 1), max(int(width * (512 / longest)), 1)
    # Sampled at pixel corners, as OpenCV's nearest does.
    small = cv2.resize(pixels, (cols, rows), interpolation=cv2.INTER_NEAREST)
    top, left = (512 - rows) // 2, (512 - cols) // 2
    square = np.zeros((512, 512), mask.dtype)
    square[top : top + rows, left : left + cols] = small
    return square
