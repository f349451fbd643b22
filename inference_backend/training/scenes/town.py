"""Where people work and play: city blocks, industry, sport."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building, add_round_building
from inference_backend.training.scenes.canvas import Canvas, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import (
    Frame,
    Plot,
    blocks,
    cuts,
    inside,
    street_grid,
    traffic,
)
from inference_backend.training.scenes.helipad import helipad
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, pick
from inference_backend.training.scenes.worksite import building_site


def _pave(canvas: Canvas, frame: Frame, colour: np.ndarray, amount: float) -> None:
    side = 4 * frame.reach
    ring = rectangle(*frame.middle, side, side)
    nature.surface(canvas, ring, colour, amount, streets.SEMANTIC_PAVED)


def downtown(canvas: Canvas, biome: Biome) -> None:
    """Blocks with flat roofs, courtyards and towers, wide streets, trees in rows."""
    rng = canvas.rng
    frame = Frame(canvas, 0.4)
    road_w = rng.uniform(9, 20)
    cuts_a, cuts_b = cuts(rng, frame.reach, 60, 130), cuts(rng, frame.reach, 50, 100)
    _pave(canvas, frame, pick(rng, PAVING), 0.05)
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    traffic(canvas, frame, cuts_b, road_w, 6)
    for b in cuts_b:
        if rng.random() < 0.5:
            for a in np.arange(-frame.reach, frame.reach, 9):
                at = frame.xy(a, b + road_w / 2 + 1)
                trees.add_tree(canvas, *at, rng.uniform(1.5, 3), biome)
    kinds = (
        ("court", 0.25),
        ("slabs", 0.35),
        ("tower", 0.15),
        ("park", 0.09),
        ("parking", 0.12),
        ("site", 0.06),
    )
    for block in blocks(canvas, frame, cuts_a, cuts_b, road_w + 6):
        what = choose(rng, kinds)
        xy = block.at()
        if what == "park":
            ring = rectangle(*xy, block.length, block.depth, block.heading)
            nature.surface(
                canvas, ring, pick(rng, biome.grass), 0.06, nature.SEMANTIC_GRASS, "park"
            )
            trees.grove(canvas, *xy, block.length / 4, 16, biome)
        elif what == "parking":
            streets.parking(canvas, *xy, block.length, block.depth, block.heading)
        elif what == "site":
            building_site(canvas, block, biome)
        elif what == "court":
            size = (block.length, block.depth, block.heading)
            height = rng.uniform(10, 22)
            add_building(
                canvas, *xy, *size, "block", height_m=height, shape="court", solar_chance=0.2
            )
        else:
            _slabs(canvas, block, what == "tower")


def _slabs(canvas: Canvas, block: Plot, tower: bool) -> None:
    """One tower, or houses side by side."""
    rng = canvas.rng
    parts = 1 if tower else int(rng.integers(2, 5))
    for part in range(parts):
        at = block.a - block.length / 2 + (part + 0.5) * block.length / parts
        length = block.length / parts * (0.6 if tower else rng.uniform(0.85, 1.0))
        add_building(
            canvas,
            *block.frame.xy(at, block.b),
            length,
            block.depth * rng.uniform(0.6, 1),
            block.heading,
            "block",
            height_m=rng.uniform(8, 30),
            solar_chance=0.3,
            helipad_chance=0.25 if tower else 0.08,
        )


def industrial(canvas: Canvas, biome: Biome) -> None:
    """Halls, tanks, containers, lorries, building sites and car parks on wide paved ground."""
    rng = canvas.rng
    frame = Frame(canvas, 0.3)
    road_w = rng.uniform(7, 12)
    cuts_a, cuts_b = cuts(rng, frame.reach, 90, 170), cuts(rng, frame.reach, 70, 130)
    if rng.random() < 0.7:
        _pave(canvas, frame, pick(rng, ASPHALT + PAVING + biome.soil), 0.06)
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    traffic(canvas, frame, cuts_b, road_w, 2)
    for block in blocks(canvas, frame, cuts_a, cuts_b, road_w):
        what = choose(rng, tuple((name, chance) for name, (chance, _) in _INDUSTRY.items()))
        _INDUSTRY[what][1](canvas, block, biome)
        if rng.random() < 0.5:
            corner = block.at(-0.5, -0.5)
            trees.grove(canvas, *corner, 4, int(rng.integers(2, 8)), biome)


def _hall(canvas: Canvas, block: Plot, biome: Biome) -> None:
    rng = canvas.rng
    add_building(
        canvas,
        *block.frame.xy(block.a - block.length * 0.12, block.b),
        block.length * 0.7,
        block.depth * rng.uniform(0.5, 0.85),
        block.heading,
        "hall",
        height_m=rng.uniform(6, 14),
        solar_chance=0.5,
    )
    beside = block.frame.xy(block.a + block.length * 0.38, block.b)
    streets.parking(canvas, *beside, block.length * 0.2, block.depth * 0.8, block.heading)


def _halls(canvas: Canvas, block: Plot, biome: Biome) -> None:
    rng = canvas.rng
    step = block.length / int(rng.integers(3, 7))
    for at in np.arange(-block.length / 2 + step / 2, block.length / 2, step):
        add_building(
            canvas,
            *block.frame.xy(block.a + at, block.b),
            block.depth * 0.8,
            step * rng.uniform(0.6, 0.98),
            block.heading + np.pi / 2,
            "hall",
            height_m=rng.uniform(4, 9),
            solar_chance=0.4,
            shape="rect",
        )


def _tanks(canvas: Canvas, block: Plot, biome: Biome) -> None:
    radius = canvas.rng.uniform(3, 14)
    low, step = 1.5 * radius, 2.8 * radius
    for at in np.arange(-block.length / 2 + low, block.length / 2 - radius, step):
        for bt in np.arange(-block.depth / 2 + low, block.depth / 2 - radius, step):
            add_round_building(canvas, *block.frame.xy(block.a + at, block.b + bt), radius, "tank")


def _yard(canvas: Canvas, block: Plot, biome: Biome) -> None:
    """Containers in rows, and lorries."""
    rng = canvas.rng
    step = rng.choice([2.7, 5.5])
    for at in np.arange(-block.length / 2 + 7, block.length / 2 - 7, 13.0):
        for bt in np.arange(-block.depth / 2 + 4, block.depth / 2 - 4, step):
            if rng.random() < 0.7:
                craft.container(canvas, *block.frame.xy(block.a + at, block.b + bt), block.heading)
    for _ in range(6):
        u, v = rng.uniform(-0.5, 0.5, 2) * (block.length, block.depth)
        turned = block.heading + rng.choice([0, np.pi / 2])
        craft.vehicle(canvas, *block.frame.xy(block.a + u, block.b + v), turned, "truck")


def _lot(canvas: Canvas, block: Plot, biome: Biome) -> None:
    xy = block.at()
    streets.parking(canvas, *xy, block.length * 0.9, block.depth * 0.9, block.heading)


_INDUSTRY = {
    "hall": (0.46, _hall),
    "halls": (0.18, _halls),
    "tanks": (0.12, _tanks),
    "yard": (0.09, _yard),
    "parking": (0.08, _lot),
    "site": (0.09, building_site),
}


def leisure(canvas: Canvas, biome: Biome) -> None:
    """Sport fields, courts, pools, a school and car parks among lawns."""
    rng = canvas.rng
    frame = Frame(canvas, 0.5)
    streets.road(
        canvas,
        frame.along_a(0.0),
        rng.uniform(6, 10),
        canvas.new_id("road", surface="paved"),
        pick(rng, ASPHALT),
    )
    for a in cuts(rng, frame.reach, 45, 70):
        for b in cuts(rng, frame.reach, 45, 70):
            xy = frame.xy(a, b)
            if abs(b) < 28 or not inside(canvas, xy, 60):
                continue
            what = choose(
                rng,
                (
                    ("tennis court", 0.25),
                    ("sport field", 0.2),
                    ("school", 0.25),
                    ("parking", 0.15),
                    ("trees", 0.15),
                ),
            )
            if what in ("tennis court", "sport field"):
                # A pitch across the road's direction needs more room than there is beside the road.
                turned = 0.0 if abs(b) < 64 else rng.choice([0, np.pi / 2])
                size = rng.uniform(0.4, 0.58) if abs(b) < 46 else None
                streets.court(canvas, *xy, frame.angle + turned, what, size=size)
            elif what == "school":
                add_building(
                    canvas,
                    *xy,
                    rng.uniform(20, 45),
                    rng.uniform(15, 35),
                    frame.angle,
                    "block",
                    height_m=rng.uniform(4, 10),
                    shape=choose(rng, (("U", 1), ("L", 1), ("T", 1), ("step", 1))),
                    solar_chance=0.4,
                )
            elif what == "parking":
                streets.parking(canvas, *xy, 40, 34, frame.angle)
            else:
                trees.grove(canvas, *xy, 10, 14, biome)
            if what in ("school", "trees") and rng.random() < 0.2:
                helipad(canvas, *(xy - 18), frame.angle)
            if rng.random() < 0.15:
                nature.pool(canvas, *(xy + 20), frame.angle)
