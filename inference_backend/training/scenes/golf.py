"""Golf courses."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import nature, streets, trees
from inference_backend.training.scenes.canopy import canopy
from inference_backend.training.scenes.canvas import Canvas, circle, placed, strip
from inference_backend.training.scenes.frame import Frame
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import ASPHALT, TURF, Biome, colour_name, pick
from inference_backend.training.scenes.wild import cover


def golf(canvas: Canvas, biome: Biome) -> None:
    """Rough, fairways with a mower's stripes, greens, bunkers, ponds, a path, groups of trees."""
    rng = canvas.rng
    side, size = canvas.size_px, canvas.side_m
    turf = pick(rng, biome.grass[:1] + TURF)
    number = canvas.new_id("golf course", colour=colour_name(turf))
    whole = canvas.whole()
    rough = canvas.speckle(whole, turf * 0.88, rng.uniform(0.05, 0.13))
    canvas.paint(whole, rough, number=number, semantic=nature.SEMANTIC_GRASS)
    frame = Frame(canvas, 6.0)
    for b in np.arange(-frame.reach, frame.reach, rng.uniform(60, 95)):
        line = frame.along_a(b + rng.normal(0, 8))
        width = rng.uniform(18, 36)
        patch = canvas.patch([strip(line, width)])
        if patch is not None:
            u, _ = patch.local(*frame.middle, frame.angle + rng.uniform(-0.3, 0.3))
            stripes = 1.08 + 0.04 * np.sign(np.sin(u * np.pi / 5))
            fairway = canvas.speckle(patch, turf, 0.05) * stripes[..., None]
            canvas.paint(patch, fairway, number=None)
        at = line[int(rng.integers(6, 18))] + rng.normal(0, 5, 2)
        _green(canvas, at, turf)
    if rng.random() < 0.4:
        xy = rng.uniform(0.1, 0.9, 2) * size
        wobble = 1 + 0.2 * np.sin(np.linspace(0, 4 * np.pi, 40, endpoint=False) + rng.uniform(0, 6))
        nature.water_body(
            canvas, circle(*xy, rng.uniform(8, 0.2 * size), 40, wobble), "lake", biome
        )
    path = canvas.patch([strip(frame.along_a(rng.uniform(-0.3, 0.3) * size), rng.uniform(2, 3))])
    if path is not None and rng.random() < 0.7:
        tone = canvas.speckle(path, pick(rng, ASPHALT), 0.04)
        canvas.paint(
            path,
            tone,
            number=canvas.new_id("road", surface="paved"),
            semantic=streets.SEMANTIC_ROAD,
        )
    field = noise(rng, side, side, "cloud") - rng.uniform(0.5, 1.5)
    field[canvas.instances != number] = -1
    canopy(canvas, cover(canvas, field * 10), biome, rng.uniform(2, 4.5), 0.8)
    for _ in range(int(rng.integers(4, 30))):
        trees.add_tree(canvas, *rng.uniform(0, size, 2), rng.uniform(1.5, 5), biome)


def _green(canvas: Canvas, at: np.ndarray, turf: np.ndarray) -> None:
    """A green, its collar, and bunkers of sand round it."""
    rng = canvas.rng
    radius = rng.uniform(8, 15)
    wobble = 1 + 0.15 * np.sin(np.linspace(0, 4 * np.pi, 28, endpoint=False) + rng.uniform(0, 6))
    for share, light in ((1.25, 1.05), (1.0, 1.22)):
        patch = canvas.patch([circle(*at, share * radius, 28, wobble)])
        if patch is not None:
            canvas.paint(patch, canvas.speckle(patch, turf * light, 0.02), number=None)
    sand = pick(rng, ((226, 214, 188), (214, 200, 170), (236, 230, 214), (200, 182, 146)))
    for _ in range(int(rng.integers(1, 6))):
        turn = rng.uniform(0, 2 * np.pi)
        middle = at + (radius * 1.25 + rng.uniform(2, 9)) * np.array([np.cos(turn), np.sin(turn)])
        t = np.linspace(0, 2 * np.pi, 22, endpoint=False)
        bean = circle(
            0, 0, rng.uniform(2, 5.5), 22, 1 + 0.3 * np.cos(2 * t + 0.6) + 0.15 * np.cos(3 * t)
        )
        ring = placed(bean * (1.3, 0.8), *middle, turn + np.pi / 2)
        canvas.paint(
            canvas.patch([placed(bean * (1.5, 1.0), *middle, turn + np.pi / 2)]),
            turf * 0.9,
            number=None,
            opacity=0.8,
        )
        patch = canvas.patch([ring])
        if patch is not None:
            canvas.paint(patch, canvas.speckle(patch, sand, 0.03), number=None)
    hole = canvas.patch([circle(*(at + rng.normal(0, 2, 2)), 0.3, 8)])
    canvas.paint(hole, np.full(3, 235, np.float32), number=None)
