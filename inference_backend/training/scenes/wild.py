"""Land that nobody built on, or that somebody dug: woods, shrub land, quarries, landslides."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.scenes import craft, streets
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canopy import canopy, shrubs
from inference_backend.training.scenes.canvas import Canvas, Patch, circle, strip
from inference_backend.training.scenes.frame import Frame
from inference_backend.training.scenes.nature import SEMANTIC_BARE
from inference_backend.training.scenes.noise import noise, streaks
from inference_backend.training.scenes.palette import ASPHALT, Biome, colour_name, pick

_ROCK = (
    (196, 184, 166),
    (176, 166, 152),
    (200, 192, 180),
    (168, 144, 118),
    (150, 146, 142),
    (196, 160, 124),
)


def cover(canvas: Canvas, signed_m: np.ndarray) -> Patch:
    """The whole canvas as a patch, covered where `signed_m` (metres, H x W) is positive."""
    alpha = np.clip(signed_m / np.float32(canvas.gsd_m) + 0.5, 0, 1).astype(np.float32)
    return Patch(0, 0, alpha, canvas.gsd_m)


def _lane(canvas: Canvas, biome: Biome, frame: Frame) -> None:
    """A road or a track through it."""
    rng = canvas.rng
    unpaved = bool(rng.random() < 0.6)
    number = canvas.new_id("road", surface="unpaved" if unpaved else "paved")
    tone = pick(rng, biome.soil if unpaved else ASPHALT)
    line = frame.along_a(rng.uniform(-0.4, 0.4) * canvas.side_m)
    streets.road(canvas, line, rng.uniform(2.5, 8), number, tone, unpaved=unpaved)


def forest(canvas: Canvas, biome: Biome) -> None:
    """A wood with clearings, perhaps a track, a stream of meadow or a hut."""
    rng = canvas.rng
    side = canvas.size_px
    frame = Frame(canvas, 4.0)
    if rng.random() < 0.6:
        _lane(canvas, biome, frame)
    if rng.random() < 0.25:
        xy = rng.uniform(0.2, 0.8, 2) * canvas.side_m
        add_building(
            canvas, *xy, rng.uniform(6, 16), rng.uniform(5, 10), rng.uniform(0, 3), "house"
        )
    field = noise(rng, side, side, "cloud") + rng.uniform(0.1, 2.2)
    keep = np.where(canvas.semantic == streets.SEMANTIC_ROAD, -1.0, 1.0)
    keep[canvas.instances > 0] = -1
    open_ = cv2.boxFilter(keep.astype(np.float32), -1, (5, 5))
    signed = np.minimum(field * 12, open_ * 3)
    kinds = int(rng.integers(1, 3))
    for k in range(kinds):
        part = signed if k == 0 else np.minimum(signed, 14 * noise(rng, side, side, "cloud"))
        canopy(canvas, cover(canvas, part), biome, rng.uniform(1.6, 5.0), rng.uniform(0.3, 1.0))


def chaparral(canvas: Canvas, biome: Biome) -> None:
    """Dry ground with shrubs, tracks and a few trees."""
    rng = canvas.rng
    side = canvas.size_px
    tone = pick(rng, biome.soil + ((178, 160, 116), (160, 146, 104), (190, 172, 130)))
    patch = canvas.whole()
    bare = canvas.speckle(patch, tone, rng.uniform(0.04, 0.12))
    canvas.paint(patch, bare, number=0, semantic=SEMANTIC_BARE)
    if rng.random() < 0.5:
        _lane(canvas, biome, Frame(canvas, 6.0))
    free = canvas.instances == 0
    shrubs(canvas, free, biome, rng.uniform(150, 1500))
    if rng.random() < 0.5:
        where = free & (noise(rng, side, side, "cloud") > rng.uniform(-0.5, 0.8))
        shrubs(canvas, where, biome, rng.uniform(500, 4000))


def quarry(canvas: Canvas, biome: Biome) -> None:
    """A pit with benches, a haul road, heaps, lorries, perhaps water on the floor."""
    rng = canvas.rng
    side, size = canvas.size_px, canvas.side_m
    _surroundings(canvas, biome)
    x, y = canvas.whole().grid()
    cx, cy = rng.uniform(0.3, 0.7, 2) * size
    reach = rng.uniform(0.35, 0.75) * size
    r = np.hypot(x - cx, y - cy) + 0.14 * reach * noise(rng, side, side, "cloud")
    patch = cover(canvas, reach - r)
    rock = pick(rng, _ROCK)
    number = canvas.new_id("quarry", colour=colour_name(rock))
    steps = int(rng.integers(3, 8))
    depth = np.clip((reach - r) / reach * 1.6, 0, 0.999) * steps
    level, frac = np.floor(depth), depth - np.floor(depth)
    wall = np.exp(-((frac - 0.06) ** 2) / 0.006) * (level < steps)
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(r, (0, 0), 3))
    norm = np.hypot(slope_x, slope_y) + 1e-3
    # Walls look towards the middle of the pit.
    facing = -(slope_x * canvas.sun.direction[0] + slope_y * canvas.sun.direction[1]) / norm
    value = 1 + wall * (0.45 * facing - 0.12) + 0.05 * np.sin(level * 2.1)
    value += rng.uniform(0.04, 0.12) * noise(rng, side, side, "ground")
    value += rng.uniform(0.02, 0.08) * noise(rng, side, side, "grain")
    canvas.paint(
        patch, rock * value[..., None], number=number, semantic=SEMANTIC_BARE, above_shadow=True
    )
    if rng.random() < 0.4:
        ring = circle(
            cx, cy, reach * rng.uniform(0.12, 0.3), 40, 1 + 0.12 * np.sin(np.linspace(0, 12.6, 40))
        )
        water = canvas.patch([ring])
        tone = pick(rng, ((70, 130, 130), (96, 150, 140), (60, 90, 90), (120, 150, 130)))
        if water is not None:
            lake = canvas.new_id("lake", colour=colour_name(tone))
            canvas.paint(water, canvas.speckle(water, tone, 0.04, "cloud"), number=lake, semantic=5)
    turn = np.linspace(0, rng.uniform(1.5, 4), 30)
    spiral = np.stack(
        [
            cx + (0.35 + 0.17 * turn) * reach * np.cos(turn),
            cy + (0.35 + 0.17 * turn) * reach * np.sin(turn),
        ],
        1,
    )
    canvas.paint(
        canvas.patch([strip(spiral, rng.uniform(5, 9))]), rock * 1.12, number=None, opacity=0.7
    )
    for _ in range(int(rng.integers(2, 9))):
        at = np.array([cx, cy]) + rng.normal(0, 0.3 * reach, 2)
        _spoil(canvas, *at, rng.uniform(3, 11), rock, number)
    for _ in range(int(rng.integers(1, 5))):
        k = int(rng.integers(len(spiral)))
        col, row = np.clip(spiral[k] / canvas.gsd_m, 0, side - 1).astype(int)
        if canvas.instances[row, col] == number:
            craft.vehicle(canvas, *spiral[k], turn[k] + np.pi / 2, "truck")
    if rng.random() < 0.5:
        at = np.array([cx, cy]) + rng.normal(0, 0.45 * reach, 2)
        add_building(
            canvas, *at, rng.uniform(10, 30), rng.uniform(6, 12), rng.uniform(0, 3), "hall"
        )


def _spoil(
    canvas: Canvas, x: float, y: float, radius: float, rock: np.ndarray, number: int
) -> None:
    """A cone of crushed stone, part of the quarry."""
    ring = circle(x, y, radius, 20, canvas.rng.uniform(0.85, 1.12, 20))
    patch = canvas.patch([ring])
    if patch is None:
        return
    patch.alpha *= canvas.instances[patch.window] == number
    canvas.cast_shadow([circle(x, y, 0.3 * radius, 8)], 0.55 * radius, 0.8)
    u, v = patch.local(x, y, 0.0)
    sun = canvas.sun.direction
    light = 1 + 0.4 * np.clip((u * sun[0] + v * sun[1]) / (np.hypot(u, v) + 0.3), -1, 1)
    tone = rock * canvas.rng.uniform(0.75, 1.15)
    canvas.paint(
        patch, canvas.speckle(patch, tone, 0.05) * light[..., None], number=None, above_shadow=True
    )


def _surroundings(canvas: Canvas, biome: Biome) -> None:
    """Woods, shrubs or meadow."""
    rng = canvas.rng
    side = canvas.size_px
    if rng.random() < 0.7:
        field = noise(rng, side, side, "cloud") + rng.uniform(-0.6, 1.2)
        canopy(
            canvas, cover(canvas, field * 10), biome, rng.uniform(1.6, 4.5), rng.uniform(0.3, 1.0)
        )
    else:
        shrubs(canvas, None, biome, rng.uniform(100, 900))


def landslide(canvas: Canvas, biome: Biome) -> None:
    """Bare earth that ran down a green slope: a scar that widens downhill, streaks, rubble, a lobe."""
    rng = canvas.rng
    side, size = canvas.size_px, canvas.side_m
    _surroundings(canvas, biome)
    if rng.random() < 0.5:
        _lane(canvas, biome, Frame(canvas, 6.0))
    x, y = canvas.whole().grid()
    for _ in range(int(rng.choice([1, 1, 1, 2]))):
        angle = rng.uniform(0, 2 * np.pi)
        cx, cy = rng.uniform(0.3, 0.7, 2) * size
        length = rng.uniform(0.35, 1.0) * size
        width = length * rng.uniform(0.12, 0.35)
        c, s = np.cos(angle), np.sin(angle)
        u = ((x - cx) * c + (y - cy) * s) / length
        v = (y - cy) * c - (x - cx) * s + 0.12 * length * np.sin(4 * u + rng.uniform(0, 6))
        half = (
            width * (0.35 + 0.4 * np.clip(u + 0.5, 0, 1)) * np.sqrt(np.clip(1 - (2 * u) ** 6, 0, 1))
        )
        signed = half - np.abs(v) + 0.12 * width * noise(rng, side, side, "ground")
        patch = cover(canvas, np.where(np.abs(u) < 0.5, signed, -1.0))
        soil = pick(rng, (*biome.soil, *_ROCK, (170, 130, 92), (150, 116, 88)))
        number = canvas.new_id("landslide", colour=colour_name(soil))
        streak = _streaks(rng, u * length, v)
        value = 1 + rng.uniform(0.06, 0.16) * streak + 0.08 * noise(rng, side, side, "ground")
        value += rng.uniform(0.02, 0.10) * noise(rng, side, side, "grain")
        rim = np.exp(-np.clip(signed, 0, None) / (0.08 * width))
        facing = np.sign(v) * (-s * canvas.sun.direction[0] + c * canvas.sun.direction[1])
        value += -0.3 * rim * facing
        other = pick(rng, biome.soil + biome.grass)
        mix = np.clip(0.3 * noise(rng, side, side, "cloud") + 0.1, 0, 0.7)[..., None]
        colour = (soil * (1 - mix) + other * mix) * np.clip(value, 0.4, 1.6)[..., None]
        canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BARE, above_shadow=True)
        for _ in range(int(rng.integers(0, 60))):
            at = rng.normal(0, 0.2, 2) * (length, width)
            ring = circle(
                cx + at[0] * c - at[1] * s,
                cy + at[0] * s + at[1] * c,
                rng.uniform(0.4, 1.8),
                7,
                rng.uniform(0.6, 1.3, 7),
            )
            canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 0.6]), 0.6)
            canvas.paint(canvas.patch([ring]), soil * rng.uniform(0.7, 1.2), number=None)


def _streaks(rng: np.random.Generator, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Noise drawn out along the run."""
    return streaks(rng, across, along, rng.uniform(0.8, 2.5), rng.uniform(12, 40))
