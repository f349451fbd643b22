"""A prompt as the user drew it: kind, positions and label, in the frame that its holder names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Callable

Position = tuple[float, float]

POINT, BOX, SCRIBBLE, LASSO = "point", "box", "scribble", "lasso"
# What a mouse can draw.
KINDS = (POINT, BOX, SCRIBBLE, LASSO)
# An outline that there is already, to start from.
MASK = "mask"
ADD, REMOVE = 1, 0
# The backend's own measure for rectangles of prompt files.
_BOX_LEAN = 0.1
_LEAST_POSITIONS = {POINT: 1, BOX: 2, SCRIBBLE: 2, LASSO: 3, MASK: 3}


@dataclass(frozen=True)
class Prompt:
    """One prompt. `label` is 1 (belongs to the object) or 0 (does not).

    point: one position. box: two opposite corners in a map frame, or four corners once it was transformed.
    scribble: a polyline. lasso and mask: a ring, not closed. `text` says in words what is meant.
    """

    kind: str
    xy: tuple[Position, ...]
    label: int = ADD
    text: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _LEAST_POSITIONS or self.label not in (ADD, REMOVE):
            raise ValueError(f"no such prompt: {self.kind} {self.label}")
        if len(self.xy) < _LEAST_POSITIONS[self.kind]:
            raise ValueError(f"a {self.kind} needs {_LEAST_POSITIONS[self.kind]} positions")

    @property
    def corners(self) -> tuple[Position, ...]:
        """The four corners of a box in order round it; the positions of any other kind."""
        if self.kind != BOX or len(self.xy) != 2:
            return self.xy
        (x0, y0), (x1, y1) = self.xy
        return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))

    def mapped(self, transform: Callable[[Position], Position]) -> Prompt:
        """The prompt in another frame. A box keeps all four corners, for it may be turned there."""
        return replace(self, xy=tuple(transform(position) for position in self.corners))

    def to_wire(self) -> dict[str, Any]:
        """As the backend reads it: a turned box becomes an upright one."""
        xy = self._upright() if self.kind == BOX else self.xy
        wire = {"kind": self.kind, "xy": [list(position) for position in xy], "label": self.label}
        return {**wire, "text": self.text} if self.text else wire

    def _upright(self) -> tuple[Position, Position]:
        """Least and greatest corner: of the same size where the box leans a little, else round all corners.

        Meridians converge: a box drawn on a web map leans by a few degrees on an image in UTM.
        """
        xs, ys = sorted(x for x, _ in self.xy), sorted(y for _, y in self.xy)
        if len(self.xy) != 4 or max(_lean(a, b) for a, b in zip(self.xy, self.xy[1:])) > _BOX_LEAN:
            return (xs[0], ys[0]), (xs[-1], ys[-1])
        return ((xs[0] + xs[1]) / 2, (ys[0] + ys[1]) / 2), ((xs[2] + xs[3]) / 2, (ys[2] + ys[3]) / 2)


def _lean(a: Position, b: Position) -> float:
    """How far the way from `a` to `b` leaves its axis, as a share of its length."""
    dx, dy = abs(b[0] - a[0]), abs(b[1] - a[1])
    return min(dx, dy) / max(math.hypot(dx, dy), 1e-300)


def summary(prompts: Iterable[Prompt]) -> str:
    """What was shown, in a few words, as in the `prompt` attribute: "2 point+, 1 box+"."""
    counts = Counter(f"{prompt.kind}{'+' if prompt.label else '-'}" for prompt in prompts)
    return ", ".join(f"{count} {name}" for name, count in counts.items())
