"""Fields, solar farms, rivers, lakes and harbours."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building, add_round_building
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, cuts, inside
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, pick
from inference_backend.training.scenes.residential import suburb
from inference_backend.training.scenes.solar import solar_farm


def rural(canvas: Canvas, biome: Biome) -> None:
    """Fields, orchards, farmsteads, greenhouses, woods and a track."""
    rng = canvas.rng
    frame = Frame(canvas)
    cuts_a, cuts_b = cuts(rng, frame.reach, 50, 150), cuts(rng, frame.reach, 40, 110)
    farms = []
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            corners = frame.xy(
                np.array([a0 + 1, a1 - 1, a1 - 1, a0 + 1]),
                np.array([b0 + 1, b0 + 1, b1 - 1, b1 - 1]),
            )
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            if not inside(canvas, frame.xy(a, b), 100):
                continue
            what = choose(
                rng,
                (
                    ("crop", 0.5),
                    ("orchard", 0.1),
                    ("farm", 0.16),
                    ("wood", 0.1),
                    ("meadow", 0.08),
                    ("greenhouses", 0.06),
                ),
            )
            if what in ("crop", "orchard"):
                nature.crop_field(
                    canvas,
                    corners,
                    frame.heading(a) + rng.choice([0, np.pi / 2]),
                    biome if what == "orchard" else None,
                )
            elif what == "wood":
                for _ in range(int((a1 - a0) * (b1 - b0) / 30)):
                    trees.add_tree(
                        canvas,
                        *frame.xy(rng.uniform(a0, a1), rng.uniform(b0, b1)),
                        rng.uniform(1.8, 5),
                        biome,
                    )
            else:
                farms.append((what, a, b, a1 - a0, b1 - b0))
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        streets.road(
            canvas,
            frame.along_a(b),
            rng.uniform(3, 6),
            number,
            pick(rng, biome.soil + ASPHALT[:2]),
            unpaved=rng.random() < 0.6,
        )
    for what, a, b, length, depth in farms:
        heading = frame.heading(a)
        if what == "greenhouses":
            for k in range(int(depth / 11)):
                add_building(
                    canvas,
                    *frame.xy(a, b - depth / 2 + 6 + k * 11),
                    length * 0.8,
                    9,
                    heading,
                    "hall",
                    height_m=3.5,
                    shape="rect",
                    solar_chance=0,
                    base=pick(rng, ((214, 220, 220), (196, 206, 204))),
                    material="membrane",
                    form="gable",
                )
        elif what == "farm":
            nature.surface(
                canvas,
                rectangle(*frame.xy(a, b), length * 0.7, depth * 0.7, heading),
                pick(rng, biome.soil + PAVING),
                0.08,
                nature.SEMANTIC_BARE,
            )
            for _ in range(int(rng.integers(2, 6))):
                at = frame.xy(
                    a + rng.uniform(-0.3, 0.3) * length, b + rng.uniform(-0.3, 0.3) * depth
                )
                style = choose(rng, (("hall", 0.5), ("house", 0.5)))
                add_building(
                    canvas,
                    *at,
                    rng.uniform(10, 35),
                    rng.uniform(7, 16),
                    heading + rng.choice([0, np.pi / 2]),
                    style,
                    solar_chance=0.4,
                )
            trees.grove(canvas, *frame.xy(a, b), length * 0.3, int(rng.integers(4, 16)), biome)
            if rng.random() < 0.4:
                add_round_building(
                    canvas, *frame.xy(a + length * 0.3, b), rng.uniform(2, 5), "tank"
                )
        else:
            trees.grove(canvas, *frame.xy(a, b), length * 0.25, int(rng.integers(2, 20)), biome)


def energy(canvas: Canvas, biome: Biome) -> None:
    """A solar farm, or halls whose roofs are covered with modules."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    if rng.random() < 0.5:
        streets.road(
            canvas,
            frame.along_a(0.0),
            4,
            canvas.new_id("road", surface="unpaved"),
            pick(rng, biome.soil),
            unpaved=True,
        )
        for side in (-1, 1):
            depth = rng.uniform(0.5, 0.9) * frame.reach
            solar_farm(
                canvas,
                *frame.xy(0.0, side * (depth / 2 + 5)),
                2 * frame.reach * rng.uniform(0.5, 1),
                depth,
                frame.angle,
            )
    else:
        nature.surface(
            canvas,
            rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach),
            pick(rng, ASPHALT + biome.grass),
            0.06,
            streets.SEMANTIC_PAVED,
        )
        size = rng.uniform(18, 60)
        for a in cuts(rng, frame.reach, size, size * 1.5):
            for b in cuts(rng, frame.reach, size * 0.6, size):
                if inside(canvas, frame.xy(a, b), size):
                    add_building(
                        canvas,
                        *frame.xy(a, b),
                        size * rng.uniform(0.5, 0.9),
                        size * rng.uniform(0.3, 0.5),
                        frame.angle,
                        choose(rng, (("hall", 0.4), ("house", 0.4), ("block", 0.2))),
                        solar_chance=0.95,
                        height_m=rng.uniform(4, 9),
                    )
    trees.grove(canvas, *frame.xy(frame.reach * 0.5, frame.reach * 0.5), 10, 12, biome)


def waterside(canvas: Canvas, biome: Biome) -> None:
    """A river, a lake or a harbour with houses and boats near it."""
    rng = canvas.rng
    if rng.random() < 0.5:
        suburb(canvas, biome)
    else:
        rural(canvas, biome)
    frame = Frame(canvas, 4.0)
    side = canvas.side_m
    if rng.random() < 0.5:
        width = rng.uniform(0.15, 0.6) * side
        ring, name = strip(frame.along_a(rng.uniform(-0.3, 0.3) * side), width), "river"
    else:
        wobble = (
            1
            + 0.15
            * np.sin(
                np.linspace(0, 2 * np.pi, 40, endpoint=False) * int(rng.integers(2, 5))
                + rng.uniform(0, 6)
            )
            + 0.02 * rng.standard_normal(40)
        )
        ring, name = (
            circle(*rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0.15, 0.4) * side, 40, wobble),
            "lake",
        )
    patch = canvas.patch([ring], even_odd=True)
    if patch is not None:
        canvas.shadow[patch.window] *= 1 - patch.alpha
    water = nature.water_body(canvas, ring, name, biome)
    if rng.random() < 0.6:
        quay = rng.uniform(-0.2, 0.2) * side
        for at in np.arange(-0.4, 0.4, rng.uniform(0.1, 0.3)) * side:
            pier = frame.xy(np.array([at, at]), np.array([quay, quay + rng.uniform(15, 40)]))
            deck = canvas.patch([strip(pier, rng.uniform(1.5, 3))])
            if deck is None:
                continue
            deck.alpha *= canvas.instances[deck.window] == water
            canvas.paint(
                deck,
                canvas.speckle(deck, pick(rng, PAVING), 0.05),
                number=canvas.new_id("pier"),
                semantic=streets.SEMANTIC_PAVED,
            )
            for t in np.arange(0.1, 1, 0.12):
                xy = pier[0] * (1 - t) + pier[1] * t
                col, row = (xy / canvas.gsd_m).astype(int)
                if 0 <= col < canvas.size_px and 0 <= row < canvas.size_px and rng.random() < 0.8:
                    for s in (-1, 1):
                        craft.boat(
                            canvas,
                            *(xy + s * 5 * np.array([np.cos(frame.angle), np.sin(frame.angle)])),
                            frame.angle + (np.pi if s < 0 else 0) + rng.normal(0, 0.05),
                        )
