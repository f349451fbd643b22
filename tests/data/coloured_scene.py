"""Scenes of plain colours whose things the model of `colour_text_model` finds: what is where is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tests.data.colour_text_model import COLOURS

GROUND = (170, 150, 60)
_KINDS = ("building", "pool", "tree")


@dataclass(frozen=True)
class Scene:
    """`rgb` uint8 (rows, cols, 3); `boxes` has (name, col0, row0, col1, row1) of upright things."""

    rgb: np.ndarray
    boxes: tuple[tuple[str, int, int, int, int], ...] = ()


def drawn(rows: int, cols: int, *boxes: tuple[str, int, int, int, int]) -> Scene:
    """Upright rectangles on plain ground, their edges one pixel soft as a sensor's are."""
    rgb = np.full((rows, cols, 3), GROUND, np.uint8)
    for name, col0, row0, col1, row1 in boxes:
        rgb[row0:row1, col0:col1] = COLOURS[name]
    return Scene(cv2.GaussianBlur(rgb, (3, 3), 0.6), boxes)


def crowded(rows: int, cols: int, seed: int = 0, a_thing: int = 6000) -> Scene:
    """Turned houses, round pools and trees, one for `a_thing` pixels, many touching, and roads across."""
    rng = np.random.default_rng(seed)
    rgb = np.full((rows, cols, 3), GROUND, np.uint8)
    for number in range(3):
        first, last = rng.integers(0, (cols, rows), (2, 2)).tolist()
        cv2.line(rgb, first, last, COLOURS["road"], 9 + 4 * number)
    for number in range(rows * cols // a_thing):
        name = _KINDS[number % 3]
        x, y = (float(value) for value in rng.integers(0, (cols, rows)))
        if name == "building":
            size = tuple(float(side) for side in rng.integers(14, 70, 2))
            corners = cv2.boxPoints(((x, y), size, float(rng.integers(0, 90))))
            cv2.fillPoly(rgb, [corners.astype(np.int32)], COLOURS[name])
        else:
            cv2.circle(rgb, (int(x), int(y)), int(rng.integers(6, 24)), COLOURS[name], -1)
    return Scene(cv2.GaussianBlur(rgb, (0, 0), 1.0))
