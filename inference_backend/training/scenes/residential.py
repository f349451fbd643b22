"""Where people live: suburbs, dense settlements, villages."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, cuts, inside, lots, street_grid, traffic
from inference_backend.training.scenes.palette import ASPHALT, PAVING, ROOFS, Biome, pick


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
    solar = rng.choice([0.05, 0.25, 0.7])
    terraced = rng.random() < 0.2
    dense = rng.random() < 0.35
    lot_w = (6, 9) if terraced else (10, 15) if dense else (14, 28)
    style = "desert" if biome.name == "desert" and rng.random() < 0.8 else "house"
    common = pick(rng, ROOFS[choose(rng, (("tile", 0.5), ("shingle", 0.5)))])
    uniform = rng.random() < 0.4
    for a, b, width, depth in list(lots(canvas, frame, cuts_a, cuts_b, road_w, lot_w)):
        heading = frame.heading(a)
        x, y = frame.xy(a, b)
        if rng.random() < 0.7:
            lot = rectangle(x, y, width, depth, heading)
            tone = pick(rng, biome.grass if rng.random() < biome.lushness + 0.1 else biome.soil)
            nature.surface(
                canvas,
                lot,
                tone,
                0.07,
                nature.SEMANTIC_GRASS,
                "lawn" if rng.random() < 0.5 else None,
            )
        if rng.random() < 0.5 and not terraced:
            u = frame.xy(a + width * 0.35, b)
            nature.surface(
                canvas,
                rectangle(*u, 3.2, depth * 0.9, heading),
                pick(rng, PAVING),
                0.03,
                streets.SEMANTIC_PAVED,
            )
            if rng.random() < 0.6:
                craft.vehicle(canvas, *u, heading + np.pi / 2 * rng.choice([-1, 1]), "car")
        if rng.random() < 0.09:
            nature.pool(
                canvas, *frame.xy(a - width * 0.2, b + depth * 0.3 * rng.choice([-1, 1])), heading
            )
        if rng.random() < 0.25:
            edge = frame.xy(np.full(4, a - width / 2), np.linspace(b - depth / 2, b + depth / 2, 4))
            if rng.random() < 0.5:
                nature.hedge(canvas, edge, rng.uniform(0.5, 1.4), biome)
            else:
                canvas.paint(canvas.patch([strip(edge, 0.25)]), pick(rng, PAVING), number=0)
    for a, b, width, depth in list(lots(canvas, frame, cuts_a, cuts_b, road_w, lot_w)):
        if rng.random() < 0.06:
            continue
        x, y = frame.xy(a + rng.normal(0, 0.5), b + rng.normal(0, 1.0))
        heading = frame.heading(a) + rng.choice([0, 0, 0, np.pi / 2]) + rng.normal(0, 0.02)
        room_a, room_b = (
            (width, depth) if abs(np.cos(heading - frame.heading(a))) > 0.5 else (depth, width)
        )
        fill = 1.0 if terraced else rng.uniform(0.75, 0.97) if dense else rng.uniform(0.6, 0.85)
        length = min(room_a * fill, rng.uniform(10, 22) if not terraced else width)
        house_w = min(room_b * (0.75 if terraced else fill), rng.uniform(7, 13))
        base = (
            np.clip(common * rng.uniform(0.9, 1.1), 10, 250)
            if uniform and rng.random() < 0.8
            else None
        )
        add_building(
            canvas,
            x,
            y,
            max(length, 4),
            max(house_w, 4),
            heading,
            style,
            solar_chance=solar,
            base=base,
            shape="rect" if terraced else None,
        )
        if rng.random() < 0.25 and not terraced:
            shed = frame.xy(a + width * 0.3 * rng.choice([-1, 1]), b + depth * 0.38)
            add_building(
                canvas,
                *shed,
                rng.uniform(2, 5),
                rng.uniform(2, 4),
                heading,
                "shack",
                height_m=2.4,
                shape="rect",
                solar_chance=0,
            )
        for _ in range(rng.poisson(1.0 * biome.lushness + 0.3)):
            t = frame.xy(a + rng.uniform(-0.5, 0.5) * width, b + depth * rng.choice([-0.45, 0.42]))
            plant = trees.add_clump if rng.random() < 0.25 else trees.add_tree
            plant(canvas, *t, rng.uniform(0.8, 4.2), biome)


def informal(canvas: Canvas, biome: Biome) -> None:
    """A dense settlement: abutting roofs of tin in every direction, earth lanes between."""
    rng = canvas.rng
    frame = Frame(canvas)
    earth = pick(rng, biome.soil) * rng.uniform(0.6, 1.0)
    nature.surface(
        canvas,
        rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach),
        earth,
        0.1,
        nature.SEMANTIC_BARE,
    )
    cuts_b = cuts(rng, frame.reach, 25, 70)
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        streets.road(
            canvas,
            frame.along_a(b),
            rng.uniform(2.5, 7),
            number,
            pick(rng, biome.soil),
            unpaved=True,
        )
        traffic(canvas, frame, np.array([b]), 5, 2)
    for _ in range(int(canvas.side_m**2 / 60)):
        xy = rng.uniform(0, canvas.side_m, 2)
        size = rng.uniform(0.2, 1.4)
        canvas.paint(
            canvas.patch([rectangle(*xy, size, size * rng.uniform(0.3, 1), rng.uniform(0, 3))]),
            pick(rng, ROOFS["tin"] + ((60, 90, 150), (40, 36, 34))),
            number=0,
            opacity=0.8,
        )
    density = rng.uniform(0.55, 1.0)
    tilt = rng.normal(0, 0.05)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        b = b0 + rng.uniform(1.5, 4)
        while b + 3 < b1 - 1.5:
            depth = min(rng.uniform(4, 10), b1 - 1.5 - b)
            a = -frame.reach
            turned = rng.normal(0, 0.08) + tilt
            while a < frame.reach:
                width = rng.uniform(4, 14)
                x, y = frame.xy(a + width / 2, b + depth / 2)
                if rng.random() < density and inside(canvas, np.array([x, y]), 15):
                    heading = frame.heading(a) + turned + rng.normal(0, 0.03)
                    add_building(
                        canvas,
                        x,
                        y,
                        width * rng.uniform(0.85, 1.08),
                        depth * rng.uniform(0.85, 1.1),
                        heading,
                        "shack",
                        height_m=rng.uniform(2.2, 4.5),
                        shape="rect" if rng.random() < 0.85 else None,
                        solar_chance=0.03,
                    )
                    if rng.random() < 0.03 and biome.lushness > 0.2:
                        trees.add_tree(
                            canvas,
                            *(np.array([x, y]) + rng.normal(0, 4, 2)),
                            rng.uniform(1, 3.5),
                            biome,
                        )
                a += width + (rng.uniform(0, 0.6) if rng.random() < 0.7 else rng.uniform(0.8, 4))
            b += depth + (rng.uniform(0, 0.5) if rng.random() < 0.6 else rng.uniform(0.8, 3))


def village(canvas: Canvas, biome: Biome) -> None:
    """Loose plots with houses of tin, tile or concrete, walls, earth and trees: a town's edge seen by drone."""
    rng = canvas.rng
    frame = Frame(canvas, 2.0)
    unpaved = rng.random() < 0.7
    cuts_b = cuts(rng, frame.reach, 35, 60)
    cuts_a = cuts(rng, frame.reach, 80, 160)
    colour = pick(rng, biome.soil if unpaved else ASPHALT)
    road_w = rng.uniform(3.5, 7)
    street_grid(canvas, frame, cuts_a, cuts_b, road_w, colour, unpaved)
    traffic(canvas, frame, cuts_b, road_w, 1.2)
    for a, b, width, depth in list(lots(canvas, frame, cuts_a, cuts_b, road_w, (14, 26))):
        lot = rectangle(*frame.xy(a, b), width, depth, frame.heading(a))
        tone = pick(rng, biome.grass if rng.random() < biome.lushness else biome.soil)
        if rng.random() < 0.8:
            nature.surface(canvas, lot, tone, 0.1, nature.SEMANTIC_BARE)
        if rng.random() < 0.4:
            wall = np.vstack([lot, lot[:1]])
            for start, end in zip(wall[:-1], wall[1:], strict=True):
                canvas.paint(
                    canvas.patch([strip(np.stack([start, end]), 0.3)]), pick(rng, PAVING), number=0
                )
        for _ in range(int(rng.integers(1, 4))):
            x, y = frame.xy(
                a + rng.uniform(-0.25, 0.25) * width, b + rng.uniform(-0.25, 0.25) * depth
            )
            heading = frame.heading(a) + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1)
            style = choose(rng, (("shack", 0.5), ("house", 0.4), ("block", 0.1)))
            add_building(
                canvas,
                x,
                y,
                rng.uniform(5, 17),
                rng.uniform(4, 9),
                heading,
                style,
                height_m=rng.uniform(2.5, 5),
                solar_chance=0.12,
            )
        if rng.random() < 0.3:
            craft.vehicle(
                canvas,
                *frame.xy(a, b - depth * 0.4),
                rng.uniform(0, 6.3),
                choose(rng, (("car", 0.8), ("van", 0.1), ("truck", 0.1))),
            )
        if rng.random() < 0.5:
            trees.grove(
                canvas,
                *frame.xy(a - width * 0.4, b + depth * 0.35),
                2.5,
                int(rng.integers(1, 5)),
                biome,
            )
