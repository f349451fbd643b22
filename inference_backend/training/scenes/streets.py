"""Car parks and sport grounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, circle, placed, rectangle, strip
from inference_backend.training.scenes.craft import vehicle
from inference_backend.training.scenes.palette import ASPHALT, colour_name, pick
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED, SEMANTIC_ROAD, road

if TYPE_CHECKING:
    from inference_backend.training.scenes.frame import Frame

SEMANTIC_SPORT = 11
# Ends of lines, as shares of a court's length and width.
_FRAME_LINES = (
    ((-0.5, -0.5), (-0.5, 0.5)),
    ((0.5, -0.5), (0.5, 0.5)),
    ((-0.5, -0.5), (0.5, -0.5)),
    ((-0.5, 0.5), (0.5, 0.5)),
    ((0.0, -0.5), (0.0, 0.5)),
)
_TENNIS_LINES = (
    *_FRAME_LINES,
    ((-0.5, -0.375), (0.5, -0.375)),
    ((-0.5, 0.375), (0.5, 0.375)),
    ((-0.27, -0.375), (-0.27, 0.375)),
    ((0.27, -0.375), (0.27, 0.375)),
    ((-0.27, 0.0), (0.27, 0.0)),
)
_PITCH_LINES = _FRAME_LINES + tuple(
    line
    for s in (-1, 1)
    for deep, half in ((0.157, 0.296), (0.052, 0.135))
    for line in (
        ((s * 0.5, -half), (s * (0.5 - deep), -half)),
        ((s * 0.5, half), (s * (0.5 - deep), half)),
        ((s * (0.5 - deep), -half), (s * (0.5 - deep), half)),
    )
)
__all__ = [
    "SEMANTIC_PAVED",
    "SEMANTIC_ROAD",
    "SEMANTIC_SPORT",
    "court",
    "parking",
    "road",
    "tarmac",
]


def tarmac(canvas: Canvas) -> np.ndarray:
    """The grey of paved ground: often that of the streets around, so that the two are hard to tell apart."""
    rng = canvas.rng
    if canvas.tarmac is not None and rng.random() < 0.6:
        return np.clip(canvas.tarmac * rng.uniform(0.9, 1.12), 10, 250)
    return pick(rng, ASPHALT)


def parking(
    canvas: Canvas, cx: float, cy: float, length: float, depth: float, angle: float
) -> None:
    """A car park: paved lot, bays with lines, cars in some of them."""
    rng = canvas.rng
    ring = rectangle(cx, cy, length, depth, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return
    number = canvas.new_id("parking lot")
    canvas.paint(
        patch,
        canvas.speckle(patch, tarmac(canvas), 0.05),
        number=number,
        semantic=SEMANTIC_PAVED,
    )
    c, s = np.cos(angle), np.sin(angle)
    full = rng.uniform(0.1, 0.95)
    bay = rng.uniform(2.4, 2.8)
    v = -depth / 2 + 2.7
    flip = False
    while v < depth / 2 - 2.5:
        lines = []
        for u in np.arange(-length / 2 + bay, length / 2 - bay, bay):
            x, y = cx + u * c - v * s, cy + u * s + v * c
            lines.append(rectangle(x - bay / 2 * c, y - bay / 2 * s, 0.12, 5.0, angle))
            if rng.random() < full:
                jitter = rng.normal(0, 0.15, 2)
                kind = "van" if rng.random() < 0.1 else "car"
                vehicle(
                    canvas,
                    x + jitter[0],
                    y + jitter[1],
                    angle + np.pi / 2 * rng.choice([-1, 1]) + rng.normal(0, 0.03),
                    kind,
                )
        if lines and canvas.gsd_m < 0.35:
            marks = canvas.patch(lines)
            if marks is not None:
                keep = canvas.semantic[marks.window] == SEMANTIC_PAVED
                marks.alpha *= keep
                canvas.paint(marks, np.full(3, 215, np.float32), number=None, opacity=0.7)
        v += 11.5 if flip else 5.2
        flip = not flip


def kerbside(canvas: Canvas, frame: Frame, cuts_b: np.ndarray, width: float) -> None:
    """Cars parked along the kerbs of some streets."""
    rng = canvas.rng
    for b in cuts_b:
        if rng.random() < 0.5:
            continue
        share, side = rng.uniform(0.1, 0.6), rng.choice([-1, 1])
        for a in np.arange(-frame.reach, frame.reach, 6.2):
            x, y = frame.xy(a, b + side * (width / 2 - 1.1))
            seen = -3 < x < canvas.side_m + 3 and -3 < y < canvas.side_m + 3
            if seen and rng.random() < share:
                turn = frame.heading(a) + (np.pi if side > 0 else 0.0)
                vehicle(canvas, x, y, turn, "van" if rng.random() < 0.1 else "car")


def court(
    canvas: Canvas,
    cx: float,
    cy: float,
    angle: float,
    kind: str,
    *,
    size: float | None = None,
    tone: np.ndarray | None = None,
) -> int:
    """A tennis court or a pitch with its lines; `size` 1 is a full pitch."""
    rng = canvas.rng
    if kind == "tennis court":
        out, inner, size = (36.6, 18.3), (23.8, 11.0), 1.0  # metres
        tones = ((72, 108, 130), (90, 126, 92), (176, 96, 70), (110, 120, 126))
    else:
        size = size or rng.uniform(0.4, 1.0)
        out, inner = (112 * size, 76 * size), (104 * size, 68 * size)
        tones = ((84, 128, 64), (100, 138, 78), (72, 116, 70))
    patch = canvas.patch([rectangle(cx, cy, *out, angle)])
    if patch is None:
        return 0
    tone = pick(rng, tones) if tone is None else tone
    number = canvas.new_id(kind, colour=colour_name(tone))
    u, _ = patch.local(cx, cy, angle)
    colour = canvas.speckle(patch, tone, 0.04)
    if kind != "tennis court" and rng.random() < 0.5:
        colour = colour * (1 + 0.06 * np.sign(np.sin(u * 2 * np.pi / 11)))[..., None]
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_SPORT)
    if kind == "tennis court" and rng.random() < 0.7:
        court_tone = pick(rng, tones)
        inside = canvas.patch([rectangle(cx, cy, *inner, angle)])
        canvas.paint(inside, court_tone, number=None)
    rings = [
        placed(strip(np.array(ends) * inner, 0.15), cx, cy, angle)
        for ends in (_TENNIS_LINES if kind == "tennis court" else _PITCH_LINES)
    ]
    if kind != "tennis court":
        middle = circle(0, 0, 9.15 * size, 32)
        rings.append(placed(strip(np.vstack([middle, middle[:1]]), 0.25), cx, cy, angle))
    canvas.paint(canvas.patch(rings), np.full(3, 232, np.float32), number=None, opacity=0.85)
    return number
