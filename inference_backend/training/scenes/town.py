"""Where people work and play: city blocks, industry, sport."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building, add_round_building
from inference_backend.training.scenes.canvas import Canvas, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, cuts, inside, street_grid, traffic
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, pick


def downtown(canvas: Canvas, biome: Biome) -> None:
    """Blocks with flat roofs, courtyards and towers, wide streets, trees in rows."""
    rng = canvas.rng
    frame = Frame(canvas, 0.4)
    road_w = rng.uniform(9, 20)
    cuts_a, cuts_b = cuts(rng, frame.reach, 60, 130), cuts(rng, frame.reach, 50, 100)
    nature.surface(
        canvas,
        rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach),
        pick(rng, PAVING),
        0.05,
        streets.SEMANTIC_PAVED,
    )
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    traffic(canvas, frame, cuts_b, road_w, 6)
    for b in cuts_b:
        if rng.random() < 0.5:
            for a in np.arange(-frame.reach, frame.reach, 9):
                trees.add_tree(canvas, *frame.xy(a, b + road_w / 2 + 1), rng.uniform(1.5, 3), biome)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            if not inside(canvas, frame.xy(a, b), 80):
                continue
            length, depth = a1 - a0 - road_w - 6, b1 - b0 - road_w - 6
            what = choose(
                rng,
                (
                    ("court", 0.25),
                    ("slabs", 0.35),
                    ("tower", 0.15),
                    ("park", 0.1),
                    ("parking", 0.15),
                ),
            )
            if what == "park":
                nature.surface(
                    canvas,
                    rectangle(*frame.xy(a, b), length, depth, frame.heading(a)),
                    pick(rng, biome.grass),
                    0.06,
                    nature.SEMANTIC_GRASS,
                    "park",
                )
                trees.grove(canvas, *frame.xy(a, b), length / 4, 16, biome)
            elif what == "parking":
                streets.parking(canvas, *frame.xy(a, b), length, depth, frame.heading(a))
            elif what == "court":
                add_building(
                    canvas,
                    *frame.xy(a, b),
                    length,
                    depth,
                    frame.heading(a),
                    "block",
                    height_m=rng.uniform(10, 22),
                    shape="court",
                    solar_chance=0.2,
                )
            else:
                parts = 1 if what == "tower" else int(rng.integers(2, 5))
                for part in range(parts):
                    at = a - length / 2 + (part + 0.5) * length / parts
                    size = length / parts * (rng.uniform(0.85, 1.0) if what == "slabs" else 0.6)
                    add_building(
                        canvas,
                        *frame.xy(at, b),
                        size,
                        depth * rng.uniform(0.6, 1),
                        frame.heading(a),
                        "block",
                        height_m=rng.uniform(8, 30),
                        solar_chance=0.3,
                    )


def industrial(canvas: Canvas, biome: Biome) -> None:
    """Halls, tanks, containers, lorries and car parks on wide paved ground."""
    rng = canvas.rng
    frame = Frame(canvas, 0.3)
    road_w = rng.uniform(7, 12)
    cuts_a, cuts_b = cuts(rng, frame.reach, 90, 170), cuts(rng, frame.reach, 70, 130)
    if rng.random() < 0.7:
        tone = pick(rng, ASPHALT + PAVING + biome.soil)
        nature.surface(
            canvas,
            rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach),
            tone,
            0.06,
            streets.SEMANTIC_PAVED,
        )
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    traffic(canvas, frame, cuts_b, road_w, 2)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            heading = frame.heading(a)
            length, depth = a1 - a0 - road_w, b1 - b0 - road_w
            if not inside(canvas, frame.xy(a, b), 90):
                continue
            what = choose(
                rng,
                (("hall", 0.5), ("halls", 0.2), ("tanks", 0.12), ("yard", 0.1), ("parking", 0.08)),
            )
            if what == "hall":
                add_building(
                    canvas,
                    *frame.xy(a - length * 0.12, b),
                    length * 0.7,
                    depth * rng.uniform(0.5, 0.85),
                    heading,
                    "hall",
                    height_m=rng.uniform(6, 14),
                    solar_chance=0.5,
                )
                streets.parking(
                    canvas, *frame.xy(a + length * 0.38, b), length * 0.2, depth * 0.8, heading
                )
            elif what == "halls":
                count = int(rng.integers(3, 7))
                for k in range(count):
                    at = a - length / 2 + (k + 0.5) * length / count
                    add_building(
                        canvas,
                        *frame.xy(at, b),
                        depth * 0.8,
                        length / count * rng.uniform(0.6, 0.98),
                        heading + np.pi / 2,
                        "hall",
                        height_m=rng.uniform(4, 9),
                        solar_chance=0.4,
                        shape="rect",
                    )
            elif what == "tanks":
                radius = rng.uniform(3, 14)
                for at in np.arange(
                    a - length / 2 + radius * 1.5, a + length / 2 - radius, radius * 2.8
                ):
                    for bt in np.arange(
                        b - depth / 2 + radius * 1.5, b + depth / 2 - radius, radius * 2.8
                    ):
                        add_round_building(canvas, *frame.xy(at, bt), radius, "tank")
            elif what == "yard":
                for at in np.arange(a - length / 2 + 7, a + length / 2 - 7, 13.0):
                    for bt in np.arange(
                        b - depth / 2 + 4, b + depth / 2 - 4, rng.choice([2.7, 5.5])
                    ):
                        if rng.random() < 0.7:
                            craft.container(canvas, *frame.xy(at, bt), heading)
                for _ in range(6):
                    craft.vehicle(
                        canvas,
                        *frame.xy(
                            a + rng.uniform(-0.5, 0.5) * length, b + rng.uniform(-0.5, 0.5) * depth
                        ),
                        heading + rng.choice([0, np.pi / 2]),
                        "truck",
                    )
            else:
                streets.parking(canvas, *frame.xy(a, b), length * 0.9, depth * 0.9, heading)
            if rng.random() < 0.5:
                trees.grove(
                    canvas, *frame.xy(a0 + road_w, b0 + road_w), 4, int(rng.integers(2, 8)), biome
                )


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
                streets.court(canvas, *xy, frame.angle + rng.choice([0, np.pi / 2]), what)
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
            if rng.random() < 0.15:
                nature.pool(canvas, *(xy + 20), frame.angle)
