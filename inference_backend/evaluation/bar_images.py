"""Images with known masks for the bars: what they are, and hand-drawn labels read from JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from affine import Affine

from inference_backend.errors import InvalidInput
from inference_backend.training.real_sets import read_rgb

IGNORE = 255
BAR_CRS = "EPSG:32636"
"""Every bar image lies somewhere in this frame, north up, in metres: texts about north and metres need one."""
RIM_M = 0.3
"""No hand is surer of an edge than this, so that pixels so near to a drawn edge do not count."""


@dataclass
class BarImage:
    """`rgb` uint8 (H, W, 3); `truth` text or concept → uint8 (H, W) of 0, 1 and IGNORE; `instances` int32 (H, W)."""

    name: str
    rgb: np.ndarray
    gsd_m: float
    truth: dict[str, np.ndarray]
    instances: np.ndarray | None = None
    transform: Affine = field(init=False)

    def __post_init__(self) -> None:
        self.transform = Affine(self.gsd_m, 0, 450_000, 0, -self.gsd_m, 40_000)


@dataclass(frozen=True)
class BarPrompt:
    """A text, and the key of its masks in `BarImage.truth`. A question's `like` is the class prompt it is held against."""

    text: str
    task: Literal["referring", "reasoning"]
    truth: str
    like: str = ""


@dataclass
class BarSet:
    """Images and prompts: each prompt is asked of every image that has its truth. `goal` is None where no bar stands."""

    name: str
    measure: Literal["class_iou", "giou", "absent", "present", "questions"]
    goal: float | None
    images: list[BarImage]
    prompts: list[BarPrompt]

    def cases(self) -> Iterator[tuple[BarImage, BarPrompt]]:
        """Image by image, so that an embedding is made once."""
        for image in self.images:
            for prompt in self.prompts:
                if prompt.truth in image.truth:
                    yield image, prompt


def resampled(rgb: np.ndarray, gsd_m: float, to_gsd_m: float) -> np.ndarray:
    """uint8 (h, w, 3) with pixels of `to_gsd_m`."""
    size = tuple(max(round(side * gsd_m / to_gsd_m), 1) for side in rgb.shape[1::-1])
    shrinks = to_gsd_m > gsd_m
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def resampled_mask(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Nearest neighbours of `mask` (H, W) on the grid of `like` (h, w, …)."""
    ys = (np.arange(like.shape[0]) + 0.5) * mask.shape[0] / like.shape[0]
    xs = (np.arange(like.shape[1]) + 0.5) * mask.shape[1] / like.shape[1]
    return np.ascontiguousarray(mask[ys.astype(int)][:, xs.astype(int)])


def read_photo(path: Path) -> np.ndarray:
    """uint8 (H, W, 3). Raises InvalidInput where it is missing."""
    import rasterio

    if not path.is_file():
        raise InvalidInput(f"'{path}' is missing; give the folder that holds the real sets.")
    if path.suffix != ".tif":
        return read_rgb(path)
    with rasterio.open(path) as dataset:
        return np.ascontiguousarray(dataset.read([1, 2, 3]).transpose(1, 2, 0))


def hand_labelled(root: Path, labels: Path, to_gsd_m: float) -> list[BarImage]:
    """The images of a file of hand-drawn polygons, at `to_gsd_m`. Raises InvalidInput where one is not usable."""
    try:
        entries = json.loads(labels.read_text(encoding="utf-8"))["images"]
        return [_drawn(root, entry, to_gsd_m) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"'{labels}' is not a file of drawn polygons: {error}") from error


def _drawn(root: Path, entry: dict, to_gsd_m: float) -> BarImage:
    rgb = read_photo(root / entry["file"])
    if entry["window"]:
        x, y, width, height = entry["window"]
        rgb = rgb[y : y + height, x : x + width]
    small = resampled(rgb, entry["gsd_m"], to_gsd_m)
    scale = np.array(small.shape[1::-1]) / rgb.shape[1::-1]
    mask = _filled(small.shape[:2], entry["polygons"], scale)
    size = 2 * max(round(RIM_M / to_gsd_m), 1) + 1
    rim = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((size, size), np.uint8))
    unsure = _filled(small.shape[:2], entry["ignore"], scale)
    truth = np.where((rim > 0) | (unsure > 0), IGNORE, mask).astype(np.uint8)
    instances = np.zeros(mask.shape, np.int32)
    for ident, ring in enumerate(entry["polygons"], 1):
        instances[_filled(mask.shape, [ring], scale) > 0] = ident
    name = Path(entry["file"]).stem
    return BarImage(name, small, to_gsd_m, {entry["concept"]: truth}, instances)


def _filled(shape: tuple[int, ...], rings: list, scale: np.ndarray) -> np.ndarray:
    """uint8 (H, W): 1 inside any ring, of pixel-frame coordinates times `scale`."""
    mask = np.zeros(shape, np.uint8)
    for ring in rings:
        # OpenCV counts from pixel centres, in sixteenths here.
        corners = np.round((np.array(ring, float) * scale - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, shift=4)
    return mask
