"""Large stores in their sea of cars."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import nature, streets, trees
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, pick


def shopping(canvas: Canvas, biome: Biome) -> None:
    """A large store in its sea of cars: bays, islands with trees, lamp posts, delivery yard."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    canvas.tarmac = tone = pick(rng, ASPHALT)
    ring = rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach)
    nature.surface(canvas, ring, tone * rng.uniform(0.92, 1.08), 0.05, streets.SEMANTIC_PAVED)
    split = rng.uniform(-0.45, 0.25) * canvas.side_m
    number = canvas.new_id("road", surface="paved")
    depth = float(np.clip(rng.uniform(0.4, 0.9) * canvas.side_m, 35, 140))
    b = split + 8
    reach = 2 * frame.reach
    bays = frame.xy(0.0, b + depth / 2)
    streets.parking(canvas, *bays, reach, depth, frame.angle)
    for a in np.arange(-frame.reach, frame.reach, rng.uniform(18, 40)):
        for c in np.arange(b + 8.1, b + depth, 16.7):
            xy = frame.xy(a, c)
            if inside(canvas, xy, 4) and rng.random() < 0.7:
                island = canvas.patch([rectangle(*xy, 2.4, rng.uniform(4, 10), frame.angle)])
                canvas.paint(
                    island,
                    pick(rng, biome.grass + PAVING),
                    number=0,
                    semantic=nature.SEMANTIC_GRASS,
                )
                if rng.random() < 0.8:
                    trees.add_tree(canvas, *xy, rng.uniform(1, 2.8), biome)
    streets.road(canvas, frame.along_a(b + depth + 7), rng.uniform(7, 14), number, tone)
    for a in np.arange(-frame.reach, frame.reach, rng.uniform(60, 110)):
        length, deep = rng.uniform(40, 90), rng.uniform(30, 70)
        xy = frame.xy(a, split - deep / 2)
        if inside(canvas, xy, 80):
            add_building(
                canvas,
                *xy,
                length,
                deep,
                frame.angle,
                choose(rng, (("block", 0.6), ("hall", 0.4))),
                height_m=rng.uniform(6, 12),
                solar_chance=0.35,
            )
