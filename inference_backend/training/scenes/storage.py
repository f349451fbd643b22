"""Storage tanks: single, and in groups behind walls of earth."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import nature, streets
from inference_backend.training.scenes.buildings import SEMANTIC_BUILDING, add_building
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.palette import (
    ASPHALT,
    PAVING,
    ROOFS,
    Biome,
    colour_name,
    pick,
)

_SHELLS = (
    (236, 236, 232),
    (222, 224, 222),
    (206, 208, 204),
    (196, 190, 174),
    (160, 166, 170),
    (150, 96, 70),
)


def tank(canvas: Canvas, x: float, y: float, radius: float, height: float | None = None) -> int:
    """A tank with a cone or a dome, or with a roof that floats inside its shell."""
    rng = canvas.rng
    height = height or float(np.clip(radius * rng.uniform(0.5, 1.4), 3, 20))
    foot = circle(x, y, radius, 36)
    top = foot + canvas.sun.lean_per_m * height
    x, y = np.array([x, y]) + canvas.sun.lean_per_m * height
    patch = canvas.patch([top])
    if patch is None:
        return 0
    canvas.cast_shadow([foot], height)
    base = pick(rng, _SHELLS)
    hull = canvas.patch([np.asarray(foot), top])
    canvas.paint(hull, base * 0.72, number=0, semantic=0, above_shadow=True)
    floating = radius > 5 and rng.random() < 0.45
    roof = "floating" if floating else str(rng.choice(["cone", "dome", "flat"]))
    number = canvas.new_id("tank", colour=colour_name(base), roof=roof, height_m=round(height, 1))
    u, v = patch.local(x, y, 0.0)
    towards = (u * canvas.sun.direction[0] + v * canvas.sun.direction[1]) / radius
    r = np.hypot(u, v)
    if roof == "cone":
        light = 1 + 0.10 * np.divide(towards * radius, r + 0.1)
    else:
        light = 1 + (0.2 if roof == "dome" else 0.0) * towards
    light -= 0.18 * (r > radius - max(0.35, canvas.gsd_m))
    colour = canvas.speckle(patch, base, rng.uniform(0.015, 0.05), "ground") * light[..., None]
    canvas.paint(
        patch, np.clip(colour, 0, 252), number=number, semantic=SEMANTIC_BUILDING, above_shadow=True
    )
    if floating:
        _floating_roof(canvas, x, y, radius, height, base)
    elif canvas.gsd_m < 0.5:
        spokes = [
            strip(
                np.array([[x, y], [x + 0.97 * radius * np.cos(t), y + 0.97 * radius * np.sin(t)]]),
                0.15,
            )
            for t in np.arange(0, 2 * np.pi, np.pi / int(rng.integers(3, 9)))
        ]
        canvas.paint(canvas.patch(spokes), base * 0.8, number=None, opacity=rng.uniform(0.1, 0.6))
    _stair(canvas, x, y, radius, base)
    return number


def _floating_roof(
    canvas: Canvas, x: float, y: float, radius: float, height: float, base: np.ndarray
) -> None:
    """The deck inside the shell, with the shell's shadow on it and the ladder down to it."""
    rng = canvas.rng
    deck = canvas.patch([circle(x, y, radius - 0.5, 36)])
    if deck is None:
        return
    tone = base * rng.uniform(0.75, 1.05)
    canvas.paint(deck, canvas.speckle(deck, tone, rng.uniform(0.03, 0.1)), number=None)
    sunk = rng.uniform(0.1, 0.9) * height
    shift = canvas.sun.shadow_per_m * sunk
    gx, gy = deck.grid()
    lit = np.hypot(gx - x - shift[0], gy - y - shift[1]) < radius - 0.5
    deck.alpha *= ~lit
    canvas.shade(deck, rng.uniform(0.35, 0.55))
    end = np.array([x, y]) + 0.9 * radius * np.array([np.cos(3 * sunk), np.sin(3 * sunk)])
    ladder = canvas.patch([strip(np.stack([end, np.array([x, y])]), max(0.6, radius * 0.04))])
    canvas.paint(ladder, base * 0.6, number=None, opacity=0.8)


def _stair(canvas: Canvas, x: float, y: float, radius: float, base: np.ndarray) -> None:
    if canvas.gsd_m > 0.4 or canvas.rng.random() < 0.4:
        return
    at = canvas.rng.uniform(0, 6.3)
    theta = np.linspace(at, at + 0.8, 8)
    line = np.stack([x + (radius + 0.6) * np.cos(theta), y + (radius + 0.6) * np.sin(theta)], 1)
    canvas.paint(canvas.patch([strip(line, 0.7)]), base * 0.55, number=0, semantic=0, opacity=0.8)


def tank_group(canvas: Canvas, frame: Frame, b: float, half: float) -> None:
    """Tanks in rows about the line `b`, `half` metres to both sides, walls of earth round them, pipes."""
    rng = canvas.rng
    radius = rng.uniform(4, 9) if canvas.side_m < 120 else rng.uniform(6, 24)
    step = radius * rng.uniform(2.6, 3.8)
    wall = pick(rng, ((190, 180, 160), (150, 140, 120), (170, 170, 166), (120, 124, 90)))
    cells = [
        (a, c)
        for a in np.arange(-frame.reach, frame.reach, step)
        for c in np.arange(b - half, b + half, step)
    ]
    if rng.random() < 0.7:
        ends = np.array([-frame.reach, frame.reach])
        lines = [
            strip(frame.xy(ends, np.full(2, c - step / 2)), 1.6)
            for c in np.arange(b - half, b + half, step)
        ]
        every = int(rng.integers(1, 3))
        lines += [
            strip(
                frame.xy(np.full(2, a - step / 2), np.array([b - half - step / 2, b + half])), 1.6
            )
            for a in np.arange(-frame.reach, frame.reach, step * every)
        ]
        canvas.cast_shadow(lines, 1.2, 0.7)
        canvas.paint(
            canvas.patch(lines), wall, number=0, semantic=nature.SEMANTIC_BARE, above_shadow=True
        )
    pipes = [
        strip(
            frame.xy(np.array([-frame.reach, frame.reach]), np.full(2, b - half + step * 0.5 + k)),
            0.4,
        )
        for k in (0, 0.9, 1.8)
    ]
    canvas.paint(
        canvas.patch(pipes), np.full(3, rng.uniform(130, 210), np.float32), number=0, opacity=0.9
    )
    common = rng.random() < 0.6
    for a, c in cells:
        xy = frame.xy(a, c)
        if inside(canvas, xy, radius) and rng.random() < 0.88:
            tank(canvas, *xy, radius if common else radius * rng.uniform(0.55, 1.15))


def tank_farm(canvas: Canvas, biome: Biome) -> None:
    """A refinery's or a depot's tanks, its roads and sheds."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    tone = pick(rng, biome.soil + PAVING + biome.grass)
    ring = rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach)
    nature.surface(canvas, ring, tone, 0.08, nature.SEMANTIC_BARE)
    canvas.tarmac = pick(rng, ASPHALT)
    split = rng.uniform(-0.3, 0.3) * canvas.side_m
    number = canvas.new_id("road", surface="paved")
    streets.road(canvas, frame.along_a(split), rng.uniform(5, 8), number, canvas.tarmac)
    tank_group(canvas, frame, split + 8 + frame.reach * 0.4, frame.reach * 0.36)
    if rng.random() < 0.5:
        tank_group(canvas, frame, split - 8 - frame.reach * 0.4, frame.reach * 0.36)
        return
    for a in np.arange(-frame.reach, frame.reach, 40):
        xy = frame.xy(a, split - rng.uniform(20, 50))
        if rng.random() < 0.7 and inside(canvas, xy, 30):
            style = choose(rng, (("hall", 0.7), ("block", 0.3)))
            base = pick(rng, ROOFS["metal"] + ROOFS["membrane"])
            add_building(
                canvas, *xy, rng.uniform(12, 30), rng.uniform(8, 18), frame.angle, style, base=base
            )
