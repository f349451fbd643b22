"""Wind turbines among fields."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import nature, streets
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle
from inference_backend.training.scenes.frame import Frame, blocks, cuts
from inference_backend.training.scenes.palette import PAVING, Biome, pick


def wind_farm(canvas: Canvas, biome: Biome) -> None:
    """Fields with one to three turbines, their pads and tracks."""
    rng = canvas.rng
    frame = Frame(canvas, 1.0)
    cuts_a, cuts_b = cuts(rng, frame.reach, 90, 260), cuts(rng, frame.reach, 60, 180)
    for plot in blocks(canvas, frame, cuts_a, cuts_b, 2.0):
        if rng.random() < 0.8:
            nature.crop_field(canvas, plot.ring(), plot.heading + rng.choice([0, np.pi / 2]))
    track = canvas.new_id("road", surface="unpaved")
    b = rng.uniform(-0.15, 0.15) * canvas.side_m
    streets.road(
        canvas,
        frame.along_a(b),
        rng.uniform(3, 5),
        track,
        pick(rng, biome.soil + PAVING[:2]),
        unpaved=True,
    )
    rotor = rng.uniform(9, 22) if canvas.side_m < 160 else rng.uniform(22, 55)
    facing = rng.uniform(0, 2 * np.pi)
    if canvas.sun.lean_per_m @ canvas.sun.lean_per_m < 0.003:
        canvas.sun.lean_per_m = rng.uniform(0.05, 0.3) * np.array([np.cos(facing), np.sin(facing)])
    for a in np.arange(
        -0.25 * canvas.side_m, 0.5 * canvas.side_m, max(3.2 * rotor, 0.4 * canvas.side_m)
    ):
        xy = frame.xy(a + rng.normal(0, 8), b + rng.uniform(6, 16))
        pad = rectangle(*xy, rng.uniform(14, 30), rng.uniform(10, 22), frame.angle)
        nature.surface(canvas, pad, pick(rng, biome.soil + PAVING), 0.07, nature.SEMANTIC_BARE)
        turbine(canvas, *xy, rotor, facing + rng.normal(0, 0.05))


def turbine(canvas: Canvas, x: float, y: float, rotor: float, facing: float) -> int:
    """A wind turbine: tower and blades as the view's lean shows them, and their long shadow."""
    rng = canvas.rng
    height = rotor * rng.uniform(1.5, 2.2)
    foot = np.array([x, y])
    n = np.array([np.cos(facing), np.sin(facing)])
    across = np.array([-n[1], n[0]])
    turns = rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
    thick = max(0.03 * rotor, 0.5)

    def seen(per_m: np.ndarray) -> list[np.ndarray]:
        """Rings of tower, nacelle and blades where one metre of height is moved by `per_m`."""
        hub = foot + per_m * height + n * thick * 1.5
        ends = [hub + rotor * (np.cos(t) * across + np.sin(t) * per_m) for t in turns]
        rings = [_taper(foot, foot + per_m * height, 1.6 * thick, thick)]
        rings.append(_taper(hub - n * thick * 3.5, hub, 1.5 * thick, 1.2 * thick))
        return rings + [_taper(hub, end, 1.1 * thick, 0.25 * thick) for end in ends]

    shade = canvas.patch(seen(canvas.sun.shadow_per_m))
    if shade is not None:
        below = canvas.shadow[shade.window]
        np.maximum(below, shade.alpha, out=below)
    rings = [*seen(canvas.sun.lean_per_m), circle(x, y, 1.4 * thick, 14)]
    patch = canvas.patch(rings)
    if patch is None:
        return 0
    tone = np.full(3, rng.uniform(215, 246), np.float32)
    number = canvas.new_id(
        "wind turbine",
        colour="white",
        height_m=round(float(height), 1),
        rotor_m=round(2 * rotor, 1),
    )
    canvas.paint(patch, tone, number=number, semantic=0, above_shadow=True)
    return number


def _taper(start: np.ndarray, end: np.ndarray, width0: float, width1: float) -> np.ndarray:
    """A bar from `start` to `end` that gets thinner."""
    along = end - start
    norm = float(np.hypot(*along))
    side = np.array([-along[1], along[0]]) / max(norm, 1e-6)
    return np.stack(
        [
            start + side * width0 / 2,
            end + side * width1 / 2,
            end - side * width1 / 2,
            start - side * width0 / 2,
        ]
    )
