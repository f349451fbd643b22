"""Vehicles, boats and containers, seen from above."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, circle, placed, rectangle
from inference_backend.training.scenes.palette import CAR, colour_name, pick

SEMANTIC_VEHICLE, SEMANTIC_BOAT = 9, 12
_SIZES = {
    "car": (4.4, 1.85),
    "van": (5.6, 2.1),
    "truck": (9.5, 2.5),
    "bus": (12.0, 2.55),
    "motorbike": (2.0, 0.8),
}
_BOAT_DECKS = (
    (170, 140, 100),
    (210, 205, 195),
    (90, 90, 95),
    (196, 188, 172),
    (150, 152, 150),
    (226, 224, 218),
)
_TARPAULINS = (
    (50, 84, 150),
    (36, 60, 110),
    (210, 206, 196),
    (80, 120, 110),
    (130, 60, 56),
    (60, 62, 66),
)


def vehicle(canvas: Canvas, x: float, y: float, angle: float, kind: str = "car") -> int:
    """One vehicle from above: body, windscreens, roof, shadow."""
    rng = canvas.rng
    length, width = np.array(_SIZES[kind]) * rng.uniform(0.9, 1.1)
    body = rectangle(x, y, length, width, angle)
    cut = 0.18 * width
    c, s = np.cos(angle), np.sin(angle)
    hl, hw = length / 2, width / 2
    outline = np.array(
        [
            [-hl, -hw + cut],
            [-hl + cut, -hw],
            [hl - 1.4 * cut, -hw],
            [hl, -hw + 1.4 * cut],
            [hl, hw - 1.4 * cut],
            [hl - 1.4 * cut, hw],
            [-hl + cut, hw],
            [-hl, hw - cut],
        ]
    )
    outline = outline @ np.array([[c, s], [-s, c]]) + (x, y)
    patch = canvas.patch([outline])
    if patch is None:
        return 0
    shift = canvas.sun.shadow_per_m * (1.4 if kind in ("car", "van") else 2.8)
    canvas.shade(canvas.patch([body + shift * 0.5, body + shift]), 0.5)
    colour = pick(rng, CAR, 6)
    number = canvas.new_id("car" if kind == "van" else kind, colour=colour_name(colour))
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_VEHICLE)
    if kind == "motorbike" or length / canvas.gsd_m < 7:
        return number
    glass = np.array([40, 46, 54], np.float32) * rng.uniform(0.7, 1.6)

    def part(u0: float, u1: float, w: float, tone: np.ndarray) -> None:
        cu = (u0 + u1) / 2 * length
        canvas.paint(
            canvas.patch([rectangle(x + cu * c, y + cu * s, (u1 - u0) * length, w * width, angle)]),
            tone,
            number=None,
            opacity=0.9,
        )

    if kind in ("car", "van"):
        part(-0.40 if kind == "car" else -0.48, 0.24, 0.86, glass)
        part(-0.27 if kind == "car" else -0.46, 0.10, 0.80, np.clip(colour * 1.12, 0, 255))
    elif kind == "truck":
        part(0.28, 0.33, 1.0, colour * 0.3)
        part(-0.5, 0.27, 0.98, pick(rng, CAR, 6))
    else:
        part(0.42, 0.48, 0.9, glass)
        for u in (-0.3, 0.0, 0.25):
            part(u - 0.05, u + 0.05, 0.5, colour * 0.8)
    return number


def boat(canvas: Canvas, x: float, y: float, angle: float, length: float | None = None) -> int:
    """A boat: pointed hull, deck, cabin, windscreen, tarpaulin or mast."""
    rng = canvas.rng
    length = length or rng.uniform(5, 14)
    width = length * rng.uniform(0.26, 0.36)
    hull = np.array(
        [[-0.5, -0.42], [0.1, -0.5], [0.36, -0.3], [0.5, 0], [0.36, 0.3], [0.1, 0.5], [-0.5, 0.42]]
    ) * (length, width)
    ring = placed(hull, x, y, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    colour = np.full(3, rng.uniform(190, 245), np.float32) if rng.random() < 0.8 else pick(rng, CAR)
    number = canvas.new_id("boat", colour=colour_name(colour))
    canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 1.2]), 0.6)
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BOAT, above_shadow=True)
    deck = canvas.patch([placed(hull * (0.8, 0.7), x, y, angle)])
    canvas.paint(deck, pick(rng, _BOAT_DECKS), number=None)

    def part(u0: float, u1: float, w: float, tone: np.ndarray) -> None:
        box = np.array([[u0, -w], [u1, -w * 0.9], [u1, w * 0.9], [u0, w]]) * (length, width)
        canvas.paint(canvas.patch([placed(box, x, y, angle)]), tone, number=None)

    part(-0.22, 0.14, 0.27, colour * rng.uniform(0.85, 1.0))
    if length / canvas.gsd_m > 25:
        part(0.14, 0.2, 0.26, np.array([48, 56, 64], np.float32))
        if rng.random() < 0.4:
            part(-0.44, -0.2, 0.36, pick(rng, _TARPAULINS))
        if rng.random() < 0.3:
            mast = placed(
                np.array([[-0.42, -0.015], [0.16, -0.015], [0.16, 0.015], [-0.42, 0.015]]) * length,
                x,
                y,
                angle,
            )
            canvas.cast_shadow(
                [placed(circle(0.1 * length, 0, 0.12, 6), x, y, angle)], 1.2 * length
            )
            canvas.paint(canvas.patch([mast]), np.full(3, 225, np.float32), number=None)
    return number


def container(canvas: Canvas, x: float, y: float, angle: float, length: float | None = None) -> int:
    """A shipping container."""
    ring = rectangle(x, y, length or float(canvas.rng.choice([6.1, 12.2])), 2.45, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    colour = pick(
        canvas.rng,
        (
            (160, 60, 48),
            (48, 86, 140),
            (62, 110, 84),
            (190, 190, 188),
            (196, 130, 52),
            (120, 72, 60),
        ),
    )
    canvas.cast_shadow([ring], 2.6)
    number = canvas.new_id("container", colour=colour_name(colour))
    u, _ = patch.local(x, y, angle)
    ribs = 1 + 0.06 * np.sin(u * 20) * float(canvas.gsd_m < 0.12)
    canvas.paint(
        patch,
        colour * np.asarray(ribs)[..., None],
        number=number,
        semantic=SEMANTIC_VEHICLE,
        above_shadow=True,
    )
    return number
