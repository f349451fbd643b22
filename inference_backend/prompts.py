"""What a user showed or drew, as numbers: the one prompt type that every model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from inference_backend.errors import InvalidInput

PromptKind = Literal["point", "box", "scribble", "lasso", "mask"]
KINDS: tuple[str, ...] = ("point", "box", "scribble", "lasso", "mask")
# A four-cornered polygon whose sides lean less than this is a box: a north-aligned rectangle leans by the
# convergence of the meridians, a few degrees, once it is in another CRS.
_BOX_LEAN = 0.1
# One millionth of a side: corners that lie on a straight side.
_COLLINEAR = 1e-6
_MIN_VERTICES = {"point": 1, "box": 2, "scribble": 2, "lasso": 3, "mask": 3}


@dataclass(frozen=True, eq=False)
class Prompt:
    """One prompt. `xy` is float64 (N, 2); the frame is the pixel frame unless a caller's name says otherwise.

    point: N = 1. box: N = 2, least and greatest corner. scribble: a polyline. lasso: the ring drawn round the
    object. mask: the ring of a mask to start from (the previous answer, or a polygon that is to be corrected).
    """

    kind: PromptKind
    xy: np.ndarray
    label: int = 1
    text: str = field(default="")

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, np.float64)
        if self.kind not in KINDS:
            raise InvalidInput(
                f"'{self.kind}' is not a prompt kind; use one of {', '.join(KINDS)}."
            )
        if xy.ndim != 2 or xy.shape[1:] != (2,) or len(xy) < _MIN_VERTICES[self.kind]:
            raise InvalidInput(
                f"A {self.kind} prompt needs at least {_MIN_VERTICES[self.kind]} (x, y) positions."
            )
        if not np.isfinite(xy).all():
            raise InvalidInput("A prompt has a coordinate that is not a number; draw it again.")
        if self.label not in (0, 1):
            raise InvalidInput(f"A prompt's label is 1 (add) or 0 (remove), not {self.label}.")
        if self.kind == "point" and len(xy) != 1:
            raise InvalidInput("A point prompt has exactly one position.")
        if self.kind == "box":
            xy = np.stack([xy.min(0), xy.max(0)])
        object.__setattr__(self, "xy", xy)

    def moved(self, scale: float, dx: float, dy: float) -> Prompt:
        """The prompt in another pixel frame: `xy * scale + (dx, dy)`."""
        return replace(self, xy=self.xy * scale + np.array([dx, dy]))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(xmin, ymin, xmax, ymax)."""
        (x0, y0), (x1, y1) = self.xy.min(0), self.xy.max(0)
        return float(x0), float(y0), float(x1), float(y1)


def union_bounds(prompts: Sequence[Prompt]) -> tuple[float, float, float, float]:
    """(xmin, ymin, xmax, ymax) over all prompts."""
    boxes = np.array([prompt.bounds for prompt in prompts])
    return (*map(float, boxes[:, :2].min(0)), *map(float, boxes[:, 2:].max(0)))


def box_corners(ring_px: np.ndarray) -> np.ndarray | None:
    """Least and greatest corner (2, 2) of an open ring (n, 2) that is a rectangle along the axes, or nearly; else None."""
    ring = _without_collinear(ring_px)
    if len(ring) != 4:
        return None
    sides = np.roll(ring, -1, axis=0) - ring
    lengths = np.hypot(*sides.T)
    along = np.abs(sides).argmax(axis=1)
    lean = np.abs(sides).min(axis=1) / np.maximum(lengths, 1e-12)
    if (
        lengths.min() <= 0
        or (lean > _BOX_LEAN).any()
        or along[0] == along[1]
        or (along != along[[2, 3, 0, 1]]).any()
    ):
        return None
    # The mean of the two corners of a side: a leaning box keeps its size.
    ordered = np.sort(ring, axis=0)
    return np.stack([ordered[:2].mean(axis=0), ordered[2:].mean(axis=0)])


def _without_collinear(ring: np.ndarray) -> np.ndarray:
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    scale = np.hypot(*before.T) * np.hypot(*after.T)
    return ring[turn > _COLLINEAR * np.maximum(scale, 1e-300)]
