"""What a mouse does between press and release, as one prompt: a click, a box, a scribble or a lasso. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Optional

from cityseg_qgis.core.prompts import ADD, BOX, LASSO, POINT, SCRIBBLE, Position

IDLE, PRESSED = "idle", "pressed"
# A lasso that encloses less than this was a click with Ctrl held by accident.
_LEAST_LASSO_PX2 = 60.0
_STEP_PX = 3.0


@dataclass(frozen=True)
class Sketch:
    """What is being drawn, in map coordinates."""

    kind: str
    xy: tuple[Position, ...]
    label: int


@dataclass
class Gesture:
    """From press to release. Pixels decide what it is, map positions what it says: the map may zoom meanwhile.

    `drag_px` is how far the mouse must move before a click becomes a box.
    """

    drag_px: float = 6.0
    state: str = IDLE
    label: int = ADD
    _pixels: list[Position] = field(default_factory=list)
    _places: list[Position] = field(default_factory=list)
    _last: tuple[Position, Position] = ((0.0, 0.0), (0.0, 0.0))

    @property
    def active(self) -> bool:
        """Whether a button is down for us."""
        return self.state != IDLE

    def press(self, pixel: Position, place: Position, label: int, mode: str = "") -> None:
        """Begin; `mode` SCRIBBLE or LASSO draws at once, otherwise moving and waiting decide."""
        self.state = mode if mode in (SCRIBBLE, LASSO) else PRESSED
        self.label = label
        self._pixels, self._places = [pixel], [place]
        self._last = (pixel, place)

    def hold(self) -> bool:
        """The button was held without moving: a scribble begins. True where it does."""
        if self.state == PRESSED:
            self.state = SCRIBBLE
            return True
        return False

    def move(self, pixel: Position, place: Position) -> None:
        """The mouse moved."""
        self._last = (pixel, place)
        if self.state == PRESSED and _distance(pixel, self._pixels[0]) > self.drag_px:
            self.state = BOX
        if self.state in (SCRIBBLE, LASSO) and _distance(pixel, self._pixels[-1]) >= _STEP_PX:
            self._pixels.append(pixel)
            self._places.append(place)

    def release(self, pixel: Position, place: Position) -> Optional[Sketch]:
        """The finished prompt."""
        if not self.active:
            return None
        self.move(pixel, place)
        sketch = self.sketch()
        click = Sketch(POINT, (self._places[0],), self.label)
        clicked = self.state == PRESSED or len(self._places) < 2 and self.state != BOX
        if self.state == LASSO and abs(_area(self._pixels)) < _LEAST_LASSO_PX2:
            clicked = True
        self.cancel()
        return click if clicked else sketch

    def cancel(self) -> None:
        """Forget it."""
        self.state = IDLE
        self._pixels, self._places = [], []

    def sketch(self) -> Optional[Sketch]:
        """What there is so far; None before it is more than a click."""
        if self.state == BOX:
            return Sketch(BOX, (self._places[0], self._last[1]), self.label)
        if self.state in (SCRIBBLE, LASSO):
            return Sketch(self.state, tuple(self._places), self.label)
        return None


def _distance(a: Position, b: Position) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])


def _area(ring: list[Position]) -> float:
    following = ring[1:] + ring[:1]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, following)) / 2
