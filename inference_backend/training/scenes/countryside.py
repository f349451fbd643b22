"""Fields, solar farms, rivers, lakes and harbours."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building, add_round_building
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle, strip
from inference_backend.training.scenes.farming import glasshouse, plantation
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, Plot, blocks, cuts, inside
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, pick
from inference_backend.training.scenes.residential import suburb
from inference_backend.training.scenes.solar import solar_farm

_LAND_USE = (
    ("crop", 0.5),
    ("orchard", 0.1),
    ("farm", 0.16),
    ("wood", 0.1),
    ("meadow", 0.08),
    ("greenhouses", 0.06),
)


def rural(canvas: Canvas, biome: Biome) -> None:
    """Fields, orchards, farmsteads, greenhouses, woods and a track."""
    rng = canvas.rng
    frame = Frame(canvas)
    cuts_a, cuts_b = cuts(rng, frame.reach, 50, 150), cuts(rng, frame.reach, 40, 110)
    plots = blocks(canvas, frame, cuts_a, cuts_b, 2.0)
    uses = [choose(rng, _LAND_USE) for _ in plots]
    for plot, use in zip(plots, uses, strict=True):
        rows = plot.heading + rng.choice([0, np.pi / 2])
        if use == "crop":
            nature.crop_field(canvas, plot.ring(), rows)
        elif use == "orchard":
            plantation(canvas, plot.ring(), rows, rng.uniform(3.5, 7), biome)
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        line, colour = frame.along_a(b), pick(rng, biome.soil + ASPHALT[:2])
        streets.road(
            canvas, line, rng.uniform(3, 6), number, colour, unpaved=bool(rng.random() < 0.6)
        )
    for plot, use in zip(plots, uses, strict=True):
        if use == "wood":
            for _ in range(int(plot.length * plot.depth / 30)):
                at = plot.at(*rng.uniform(-0.5, 0.5, 2))
                trees.add_tree(canvas, *at, rng.uniform(1.8, 5), biome)
        elif use == "greenhouses":
            glasshouse(canvas, plot, bool(rng.random() < 0.6))
        elif use == "farm":
            _farm(canvas, plot, biome)
        elif use == "meadow":
            count = int(rng.integers(2, 20))
            trees.grove(canvas, *plot.at(), plot.length * 0.25, count, biome)


def _farm(canvas: Canvas, plot: Plot, biome: Biome) -> None:
    """A yard with barns and a house, trees and perhaps a silo."""
    rng = canvas.rng
    ground = pick(rng, biome.soil + PAVING)
    nature.surface(canvas, plot.ring(0.7), ground, 0.08, nature.SEMANTIC_BARE)
    for _ in range(int(rng.integers(2, 6))):
        style = choose(rng, (("hall", 0.5), ("house", 0.5)))
        size = (rng.uniform(10, 35), rng.uniform(7, 16))
        turned = plot.heading + rng.choice([0, np.pi / 2])
        at = plot.at(*rng.uniform(-0.3, 0.3, 2))
        add_building(canvas, *at, *size, turned, style, solar_chance=0.4)
    trees.grove(canvas, *plot.at(), plot.length * 0.3, int(rng.integers(4, 16)), biome)
    if rng.random() < 0.4:
        add_round_building(canvas, *plot.at(0.3), rng.uniform(2, 5), "tank")


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
        _harbour(canvas, frame, water)


def _harbour(canvas: Canvas, frame: Frame, water: int) -> None:
    """Piers out into the `water` with boats on both sides."""
    rng = canvas.rng
    side = canvas.side_m
    quay = rng.uniform(-0.2, 0.2) * side
    across = np.array([np.cos(frame.angle), np.sin(frame.angle)])
    for a in np.arange(-0.4, 0.4, rng.uniform(0.1, 0.3)) * side:
        pier = frame.xy(np.array([a, a]), np.array([quay, quay + rng.uniform(15, 40)]))
        deck = canvas.patch([strip(pier, rng.uniform(1.5, 3))])
        if deck is None:
            continue
        berths = [
            (pier[0] * (1 - t) + pier[1] * t + turn * 6 * across, turn)
            for t in np.arange(0.1, 1, 0.12)
            for turn in (-1, 1)
        ]
        afloat = [berth for berth in berths if _is_on(canvas, berth[0], water)]
        deck.alpha *= canvas.instances[deck.window] == water
        colour = canvas.speckle(deck, pick(rng, PAVING), 0.05)
        canvas.paint(deck, colour, number=canvas.new_id("pier"), semantic=streets.SEMANTIC_PAVED)
        for at, turn in afloat:
            if rng.random() < 0.8:
                heading = frame.angle + (np.pi if turn < 0 else 0) + rng.normal(0, 0.05)
                craft.boat(canvas, *at, heading)


def _is_on(canvas: Canvas, xy: np.ndarray, number: int) -> bool:
    col, row = (xy / canvas.gsd_m).astype(int)
    inside_canvas = 0 <= col < canvas.size_px and 0 <= row < canvas.size_px
    return bool(inside_canvas and canvas.instances[row, col] == number)
