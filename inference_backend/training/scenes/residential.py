"""Where people live: suburbs, dense settlements, villages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import (
    Frame,
    Plot,
    blocks,
    cuts,
    inside,
    lots,
    street_grid,
    traffic,
)
from inference_backend.training.scenes.palette import ASPHALT, PAVING, ROOFS, Biome, pick


@dataclass(frozen=True)
class _Quarter:
    """What the houses of one suburb share. `common` is the roofs' colour where they were built alike."""

    style: str
    terraced: bool
    dense: bool
    solar_chance: float
    common: np.ndarray | None

    @property
    def lot_m(self) -> tuple[float, float]:
        """Least and greatest width of a lot."""
        if self.terraced:
            return 6.0, 9.0
        return (10.0, 15.0) if self.dense else (14.0, 28.0)


def suburb(canvas: Canvas, biome: Biome) -> None:
    """Detached and terraced houses with gardens along streets."""
    rng = canvas.rng
    frame = Frame(canvas)
    road_w = rng.uniform(5, 9)
    unpaved = biome.name in ("tropical", "desert") and rng.random() < 0.5
    cuts_a, cuts_b = cuts(rng, frame.reach, 70, 200), cuts(rng, frame.reach, 48, 85)
    colour = pick(rng, biome.soil if unpaved else ASPHALT)
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, colour, unpaved)
    traffic(canvas, frame, cuts_b, road_w, 1.5)
    streets.kerbside(canvas, frame, cuts_b, road_w)
    roof = pick(rng, ROOFS[choose(rng, (("tile", 0.5), ("shingle", 0.5)))])
    quarter = _Quarter(
        style="desert" if biome.name == "desert" and rng.random() < 0.8 else "house",
        terraced=bool(rng.random() < 0.2),
        dense=bool(rng.random() < 0.35),
        solar_chance=float(rng.choice([0.05, 0.25, 0.7])),
        common=roof if rng.random() < 0.4 else None,
    )
    found = lots(canvas, blocks(canvas, frame, cuts_a, cuts_b, road_w), quarter.lot_m)
    for lot in found:
        _garden(canvas, lot, quarter, biome)
    for lot in found:
        if rng.random() > 0.06:
            _house(canvas, lot, quarter)
        for _ in range(rng.poisson(1.0 * biome.lushness + 0.3)):
            plant = trees.add_clump if rng.random() < 0.25 else trees.add_tree
            at = lot.at(rng.uniform(-0.5, 0.5), rng.choice([-0.45, 0.42]))
            plant(canvas, *at, rng.uniform(0.8, 4.2), biome)
    if rng.random() < 0.45:
        trees.avenue(canvas, [frame.along_a(b) for b in cuts_b], road_w / 2 + 1.2, biome)


def _garden(canvas: Canvas, lot: Plot, quarter: _Quarter, biome: Biome) -> None:
    """Lawn or earth, a drive with a car, perhaps a pool, a hedge or a wall."""
    rng = canvas.rng
    if rng.random() < 0.7:
        tone = pick(rng, biome.grass if rng.random() < biome.lushness + 0.1 else biome.soil)
        name = "lawn" if rng.random() < 0.5 else None
        nature.surface(canvas, lot.ring(), tone, 0.07, nature.SEMANTIC_GRASS, name)
    if rng.random() < 0.5 and not quarter.terraced:
        middle = lot.at(0.35)
        drive = rectangle(*middle, 3.2, lot.depth * 0.9, lot.heading)
        nature.surface(canvas, drive, pick(rng, PAVING), 0.03, streets.SEMANTIC_PAVED)
        if rng.random() < 0.6:
            craft.vehicle(canvas, *middle, lot.heading + np.pi / 2 * rng.choice([-1, 1]), "car")
    if rng.random() < 0.09:
        nature.pool(canvas, *lot.at(-0.2, 0.3 * rng.choice([-1, 1])), lot.heading)
    if rng.random() < 0.25:
        edge = np.stack([lot.at(-0.5, v) for v in np.linspace(-0.5, 0.5, 4)])
        if rng.random() < 0.5:
            nature.hedge(canvas, edge, rng.uniform(0.5, 1.4), biome)
        else:
            canvas.paint(canvas.patch([strip(edge, 0.25)]), pick(rng, PAVING), number=0)


def _house(canvas: Canvas, lot: Plot, quarter: _Quarter) -> None:
    rng = canvas.rng
    x, y = lot.at() + rng.normal(0, 0.8, 2)
    crosswise = bool(rng.random() < 0.25) and not quarter.terraced
    heading = lot.heading + (np.pi / 2 if crosswise else 0.0) + rng.normal(0, 0.02)
    room = (lot.depth, lot.length) if crosswise else (lot.length, lot.depth)
    fill = rng.uniform(0.75, 0.97) if quarter.dense else rng.uniform(0.6, 0.85)
    length = room[0] if quarter.terraced else min(room[0] * fill, rng.uniform(10, 22))
    width = min(room[1] * (0.75 if quarter.terraced else fill), rng.uniform(7, 13))
    base = None
    if quarter.common is not None and rng.random() < 0.8:
        base = np.clip(quarter.common * rng.uniform(0.9, 1.1), 10, 250)
    add_building(
        canvas,
        x,
        y,
        max(length, 4),
        max(width, 4),
        heading,
        quarter.style,
        solar_chance=quarter.solar_chance,
        base=base,
        shape="rect" if quarter.terraced else None,
    )
    if rng.random() < 0.25 and not quarter.terraced:
        shed = (*lot.at(0.3 * rng.choice([-1, 1]), 0.38), rng.uniform(2, 5), rng.uniform(2, 4))
        add_building(
            canvas, *shed, lot.heading, "shack", height_m=2.4, shape="rect", solar_chance=0
        )


def informal(canvas: Canvas, biome: Biome) -> None:
    """A dense settlement: abutting roofs of tin in every direction, earth lanes between."""
    rng = canvas.rng
    frame = Frame(canvas)
    earth = pick(rng, biome.soil) * rng.uniform(0.6, 1.0)
    side = 4 * frame.reach
    ground = rectangle(*frame.middle, side, side)
    nature.surface(canvas, ground, earth, 0.1, nature.SEMANTIC_BARE)
    cuts_b = cuts(rng, frame.reach, 25, 70)
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        lane, width = frame.along_a(b), rng.uniform(2.5, 7)
        streets.road(canvas, lane, width, number, pick(rng, biome.soil), unpaved=True)
        traffic(canvas, frame, np.array([b]), 5, 2)
    _litter(canvas)
    density, tilt = rng.uniform(0.55, 1.0), rng.normal(0, 0.05)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        b = b0 + rng.uniform(1.5, 4)
        while b + 3 < b1 - 1.5:
            depth = min(rng.uniform(4, 10), b1 - 1.5 - b)
            _row_of_shacks(canvas, frame, b, depth, density, rng.normal(0, 0.08) + tilt, biome)
            b += depth + (rng.uniform(0, 0.5) if rng.random() < 0.6 else rng.uniform(0.8, 3))


def _litter(canvas: Canvas) -> None:
    """Planks, sheets, tarpaulins and rubbish on the ground."""
    rng = canvas.rng
    colours = ROOFS["tin"] + ((60, 90, 150), (40, 36, 34))
    for _ in range(min(int(canvas.side_m**2 / 60), 700)):
        xy = rng.uniform(0, canvas.side_m, 2)
        size = rng.uniform(0.2, 1.4)
        ring = rectangle(*xy, size, size * rng.uniform(0.3, 1), rng.uniform(0, 3))
        canvas.paint(canvas.patch([ring]), pick(rng, colours), number=0, opacity=0.8)


def _row_of_shacks(
    canvas: Canvas,
    frame: Frame,
    b: float,
    depth: float,
    density: float,
    turned: float,
    biome: Biome,
) -> None:
    """Roofs side by side along the frame at `b`, most of them touching."""
    rng = canvas.rng
    a = -frame.reach
    while a < frame.reach:
        width = rng.uniform(4, 14)
        xy = frame.xy(a + width / 2, b + depth / 2)
        if rng.random() < density and inside(canvas, xy, 15):
            size = (width * rng.uniform(0.85, 1.08), depth * rng.uniform(0.85, 1.1))
            add_building(
                canvas,
                *xy,
                *size,
                frame.heading(a) + turned + rng.normal(0, 0.03),
                "shack",
                height_m=rng.uniform(2.2, 4.5),
                shape="rect" if rng.random() < 0.85 else None,
                solar_chance=0.03,
            )
            if rng.random() < 0.03 and biome.lushness > 0.2:
                trees.add_tree(canvas, *(xy + rng.normal(0, 4, 2)), rng.uniform(1, 3.5), biome)
        a += width + (rng.uniform(0, 0.6) if rng.random() < 0.7 else rng.uniform(0.8, 4))


def village(canvas: Canvas, biome: Biome) -> None:
    """Loose plots with houses of tin, tile or concrete, walls, earth and trees: a town's edge seen by drone."""
    rng = canvas.rng
    frame = Frame(canvas, 2.0)
    unpaved = rng.random() < 0.7
    cuts_a, cuts_b = cuts(rng, frame.reach, 80, 160), cuts(rng, frame.reach, 35, 60)
    colour = pick(rng, biome.soil if unpaved else ASPHALT)
    road_w = rng.uniform(3.5, 7)
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, colour, unpaved)
    traffic(canvas, frame, cuts_b, road_w, 1.2)
    for lot in lots(canvas, blocks(canvas, frame, cuts_a, cuts_b, road_w), (14, 26)):
        _yard(canvas, lot, biome)
        for _ in range(int(rng.integers(1, 4))):
            style = choose(rng, (("shack", 0.5), ("house", 0.4), ("block", 0.1)))
            size = (rng.uniform(5, 17), rng.uniform(4, 9))
            heading = lot.heading + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1)
            at, height = lot.at(*rng.uniform(-0.25, 0.25, 2)), rng.uniform(2.5, 5)
            add_building(canvas, *at, *size, heading, style, height_m=height, solar_chance=0.12)
        if rng.random() < 0.3:
            kind = choose(rng, (("car", 0.8), ("van", 0.1), ("truck", 0.1)))
            craft.vehicle(canvas, *lot.at(0, -0.4), rng.uniform(0, 6.3), kind)
        if rng.random() < 0.5:
            trees.grove(canvas, *lot.at(-0.4, 0.35), 2.5, int(rng.integers(1, 5)), biome)


def _yard(canvas: Canvas, lot: Plot, biome: Biome) -> None:
    """Grass or earth, and perhaps a wall round it."""
    rng = canvas.rng
    ring = lot.ring()
    if rng.random() < 0.8:
        tone = pick(rng, biome.grass if rng.random() < biome.lushness else biome.soil)
        nature.surface(canvas, ring, tone, 0.1, nature.SEMANTIC_BARE)
    if rng.random() < 0.4:
        for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            wall = strip(np.stack([start, end]), 0.3)
            canvas.paint(canvas.patch([wall]), pick(rng, PAVING), number=0)
