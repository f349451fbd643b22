"""Aircraft from above, with the shadow that tells their shape."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, circle, placed, strip
from inference_backend.training.scenes.palette import colour_name, pick

# Length, span, fuselage width (metres), how far wing tips lie behind the roots (share of half the span).
AIRCRAFT = {
    "wide-body": (62.0, 60.0, 6.0, 0.55),
    "airliner": (38.0, 35.0, 4.0, 0.48),
    "turboprop": (25.0, 27.0, 2.7, 0.04),
    "business jet": (19.0, 18.5, 2.3, 0.5),
    "light aircraft": (8.0, 10.8, 1.2, 0.0),
}
_LIVERY = (
    (40, 60, 120),
    (160, 40, 44),
    (220, 150, 40),
    (60, 110, 80),
    (70, 70, 76),
    (90, 150, 190),
)


def _wing(root_u: float, chord: float, half: float, sweep: float, tip: float) -> np.ndarray:
    """The right wing, (4, 2): `root_u` is the leading edge at the fuselage."""
    back = sweep * half
    return np.array(
        [
            [root_u, 0.0],
            [root_u - back, half],
            [root_u - back - tip * chord, half],
            [root_u - chord * (1 + 0.15 * (sweep > 0.2)), 0.0],
        ]
    )


def aircraft(canvas: Canvas, x: float, y: float, angle: float, kind: str) -> int:
    """One aircraft with its nose along `angle`; returns its id, 0 outside."""
    rng = canvas.rng
    length, span, body, sweep = np.array(AIRCRAFT[kind]) * (*rng.uniform(0.92, 1.08, 3), 1.0)
    jet = sweep > 0.2
    root = (0.14 if jet else 0.16) * length
    wings = [_wing(root, (0.22 if jet else 0.17) * length, span / 2, sweep, 0.28 if jet else 0.75)]
    wings.append(_wing(-0.38 * length, 0.1 * length, span * 0.18, sweep, 0.45))
    wings += [ring * (1, -1) for ring in wings]
    engines = [
        circle(u * length, side * v * span, 0.5, 10) * (1, 1)
        for u, v in _engine_places(kind)
        for side in (-1, 1)
    ]
    size = {"wide-body": 1.7, "airliner": 1.15, "business jet": 0.6}.get(kind, 0.5)
    engines = [(ring - ring.mean(0)) * (size * 2.8, size * 1.4) + ring.mean(0) for ring in engines]
    half = body / 2
    fuselage = np.array([[-0.5, 0.12], [-0.3, 0.8], [-0.2, 1], [0.36, 1], [0.45, 0.75], [0.5, 0.1]])
    fuselage = np.vstack([fuselage, (fuselage * (1, -1))[::-1]]) * (length, half)
    fin = strip(np.array([[-0.5, 0.0], [-0.33, 0.0]]) * length, max(0.25, 0.09 * body))

    def turned(shapes: list[np.ndarray]) -> list[np.ndarray]:
        return [placed(shape, x, y, angle) for shape in shapes]

    whole = canvas.patch(turned([fuselage, *wings, *engines]))
    if whole is None:
        return 0
    height = 0.085 * length
    canvas.cast_flat_shadow(turned([fuselage, *wings, *engines]), height)
    canvas.cast_shadow(turned([fin]), 0.28 * length)
    white = np.full(3, rng.uniform(205, 246), np.float32)
    colour = white if rng.random() < 0.8 else pick(rng, _LIVERY + ((150, 152, 150), (96, 104, 92)))
    accent = pick(rng, _LIVERY)
    number = canvas.new_id("aircraft", colour=colour_name(colour), kind=kind)
    canvas.paint(
        whole, colour * rng.uniform(0.82, 0.98), number=number, semantic=0, above_shadow=True
    )
    canvas.paint(canvas.patch(turned(engines)), colour * 0.75, number=None)
    hull = canvas.patch(turned([fuselage]))
    if hull is not None:
        _, v = hull.local(x, y, angle)
        across = np.array([-np.sin(angle), np.cos(angle)]) @ canvas.sun.direction
        light = 1 + 0.16 * np.clip(v / half, -1, 1) * across - 0.22 * (np.abs(v) > 0.75 * half)
        canvas.paint(hull, np.clip(colour * light[..., None] * 1.03, 0, 252), number=None)
    canvas.paint(canvas.patch(turned([fin])), accent, number=None, opacity=0.9)
    if canvas.gsd_m < 0.6 and kind != "light aircraft":
        nose = np.array([[0.455, -0.5], [0.475, -0.3], [0.475, 0.3], [0.455, 0.5]]) * (length, half)
        canvas.paint(canvas.patch(turned([nose])), np.full(3, 52, np.float32), number=None)
        if rng.random() < 0.5:
            tips = [
                np.array([[-0.42, -0.03], [-0.49, -0.03], [-0.49, 0.03], [-0.42, 0.03]])
                * (length, span * 0.6)
            ]
            canvas.paint(canvas.patch(turned(tips)), accent, number=None, opacity=0.8)
    return number


def _engine_places(kind: str) -> tuple[tuple[float, float], ...]:
    """(u, v) of the engines on one side, shares of length and span."""
    if kind == "wide-body":
        return ((0.10, 0.17), (0.0, 0.33))
    if kind == "airliner":
        return ((0.09, 0.17),)
    if kind == "turboprop":
        return ((0.17, 0.15),)
    return ((-0.27, 0.1),) if kind == "business jet" else ((0.42, 0.0),)


def helicopter(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A helicopter at rest: cabin, boom, rotor blades."""
    rng = canvas.rng
    size = rng.uniform(9, 13)
    cabin = circle(0.12 * size, 0, 0.5, 14) * (0.42 * size, 0.2 * size)
    boom = np.array([[0.0, -0.05], [-0.6, -0.02], [-0.6, 0.02], [0.0, 0.05]]) * size
    tail = np.array([[-0.55, -0.12], [-0.62, -0.12], [-0.62, 0.12], [-0.55, 0.12]]) * size
    phase = rng.uniform(0, np.pi)
    blades = [
        strip(np.array([[0.0, 0.0], [np.cos(t), np.sin(t)]]) * size * 0.5 + (0.1 * size, 0), 0.25)
        for t in phase + np.arange(4) * np.pi / 2
    ]
    rings = [placed(shape, x, y, angle) for shape in (cabin, boom, tail)]
    patch = canvas.patch(rings)
    if patch is None:
        return 0
    spun = [placed(shape, x, y, angle) for shape in blades]
    canvas.cast_flat_shadow(rings + spun, 2.5)
    colour = pick(rng, (*_LIVERY, (220, 220, 216), (200, 60, 40)))
    number = canvas.new_id("aircraft", colour=colour_name(colour), kind="helicopter")
    canvas.paint(patch, colour, number=number, semantic=0, above_shadow=True)
    canvas.paint(canvas.patch(spun), np.full(3, 60, np.float32), number=number, opacity=0.7)
    return number
