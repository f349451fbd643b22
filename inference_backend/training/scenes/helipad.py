"""Landing places for helicopters, on roofs and on the ground."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.aircraft import helicopter
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle
from inference_backend.training.scenes.palette import ASPHALT, pick
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED

_TONES = ((188, 184, 174), (158, 156, 150), (70, 110, 80), (150, 80, 64))


def helipad(canvas: Canvas, x: float, y: float, angle: float, radius: float | None = None) -> int:
    """A landing place for helicopters: disc or square, ring and H, perhaps in use."""
    rng = canvas.rng
    radius = radius or rng.uniform(7, 13)
    square = rng.random() < 0.4
    ring = rectangle(x, y, 2 * radius, 2 * radius, angle) if square else circle(x, y, radius, 40)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    tone = pick(rng, ASPHALT + _TONES)
    number = canvas.new_id("helipad")
    canvas.paint(patch, canvas.speckle(patch, tone, 0.04), number=number, semantic=SEMANTIC_PAVED)
    white = (
        np.full(3, 232, np.float32) if rng.random() < 0.7 else np.array([216, 180, 60], np.float32)
    )
    u, v = patch.local(x, y, angle)
    r = np.hypot(u, v)
    wide, bar = max(0.35, 0.6 * canvas.gsd_m), radius * 0.3
    mark = np.abs(r - radius * 0.82) < wide
    legs = (np.abs(np.abs(v) - bar * 0.8) < wide) & (np.abs(u) < bar * 1.3)
    mark = mark | legs | ((np.abs(u) < wide) & (np.abs(v) < bar * 0.8))
    patch.alpha *= mark
    canvas.paint(patch, white, number=None, opacity=0.9)
    if rng.random() < 0.3:
        helicopter(canvas, x, y, rng.uniform(0, 6.3))
    return number
