"""What stands where: one function a kind of place, on a street grid that may curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from inference_backend.training.scenes import nature, streets
from inference_backend.training.scenes.buildings import add_building, add_round_building, choose
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle, strip
from inference_backend.training.scenes.palette import ASPHALT, PAVING, ROOFS, Biome, pick
from inference_backend.training.scenes.solar import solar_farm


class Frame:
    """A rotated and gently curved coordinate frame (a, b) in metres about the middle of the canvas."""

    def __init__(self, canvas: Canvas, curviness: float = 1.0) -> None:
        rng = canvas.rng
        self.middle = np.array([canvas.side_m, canvas.side_m]) / 2
        self.angle = rng.uniform(0, 2 * np.pi)
        self.bend = rng.uniform(0, 6) * curviness * (rng.random() < 0.5)
        self.wave = 2 * np.pi / rng.uniform(120, 300)
        self.phase = rng.uniform(0, 6.3)
        self.reach = canvas.side_m * 0.72

    def xy(self, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
        """(…, 2) canvas metres."""
        b = b + self.bend * np.sin(np.asarray(a) * self.wave + self.phase)
        a = a + np.zeros_like(b)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.stack([a * c - b * s, a * s + b * c], -1) + self.middle

    def heading(self, a: float) -> float:
        """Direction of the a axis at `a`, radians."""
        return self.angle + float(np.arctan(self.bend * self.wave * np.cos(a * self.wave + self.phase)))

    def along_a(self, b: float) -> np.ndarray:
        a = np.linspace(-self.reach, self.reach, 24)
        return self.xy(a, np.full_like(a, b))

    def along_b(self, a: float) -> np.ndarray:
        b = np.linspace(-self.reach, self.reach, 6)
        return self.xy(np.full_like(b, a), b)


def _cuts(rng: np.random.Generator, reach: float, low: float, high: float) -> np.ndarray:
    """Positions from -reach to reach whose gaps lie between `low` and `high`."""
    at, out = -reach - rng.uniform(0, high), []
    while at < reach + high:
        out.append(at)
        at += rng.uniform(low, high)
    return np.array(out)


def _inside(canvas: Canvas, xy: np.ndarray, margin: float) -> bool:
    return bool((xy > -margin).all() and (xy < canvas.side_m + margin).all())


def _street_grid(canvas: Canvas, frame: Frame, cuts_a: np.ndarray, cuts_b: np.ndarray, width: float, colour: np.ndarray, unpaved: bool) -> None:
    number = canvas.new_id("road", surface="unpaved" if unpaved else "paved")
    for b in cuts_b:
        streets.road(canvas, frame.along_a(b), width, number, colour, unpaved=unpaved)
    for a in cuts_a:
        streets.road(canvas, frame.along_b(a), width * canvas.rng.uniform(0.7, 1.0), number, colour, unpaved=unpaved)


def _traffic(canvas: Canvas, frame: Frame, cuts_b: np.ndarray, width: float, per_100m: float) -> None:
    rng = canvas.rng
    for b in cuts_b:
        for _ in range(rng.poisson(per_100m * 2 * frame.reach / 100)):
            a = rng.uniform(-frame.reach, frame.reach)
            lane = rng.choice([-0.25, 0.25, -0.42, 0.42])
            x, y = frame.xy(a, b + lane * width)
            kind = choose(rng, (("car", 0.8), ("van", 0.08), ("truck", 0.06), ("bus", 0.03), ("motorbike", 0.03)))
            streets.vehicle(canvas, x, y, frame.heading(a) + (np.pi if lane > 0 else 0), kind)


def _lots(canvas: Canvas, frame: Frame, cuts_a: np.ndarray, cuts_b: np.ndarray, road_w: float, lot_w: tuple[float, float]) -> Iterator[tuple[float, float, float, float]]:
    """Lots (centre a, centre b, width, depth) in two rows back to back in each block."""
    rng = canvas.rng
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        depth = (b1 - b0 - road_w) / 2
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            for side in (0, 1):
                a = a0 + road_w / 2
                centre_b = b0 + road_w / 2 + depth * (0.5 + side)
                while a + lot_w[0] < a1 - road_w / 2:
                    width = min(rng.uniform(*lot_w), a1 - road_w / 2 - a)
                    if _inside(canvas, frame.xy(a + width / 2, centre_b), max(width, depth)):
                        yield a + width / 2, centre_b, width, depth
                    a += width


def suburb(canvas: Canvas, biome: Biome) -> None:
    """Detached and terraced houses with gardens along streets."""
    rng = canvas.rng
    frame = Frame(canvas)
    road_w = rng.uniform(5, 9)
    unpaved = biome.name in ("tropical", "desert") and rng.random() < 0.5
    cuts_a, cuts_b = _cuts(rng, frame.reach, 70, 200), _cuts(rng, frame.reach, 48, 85)
    colour = pick(rng, biome.soil if unpaved else ASPHALT)
    _street_grid(canvas, frame, cuts_a, cuts_b, road_w, colour, unpaved)
    _traffic(canvas, frame, cuts_b, road_w, 1.5)
    solar = rng.choice([0.05, 0.25, 0.7])
    terraced = rng.random() < 0.2
    lot_w = (6, 9) if terraced else (14, 28)
    style = "desert" if biome.name == "desert" and rng.random() < 0.8 else "house"
    common = pick(rng, ROOFS[choose(rng, (("tile", 0.5), ("shingle", 0.5)))])
    uniform = rng.random() < 0.4
    for a, b, width, depth in list(_lots(canvas, frame, cuts_a, cuts_b, road_w, lot_w)):
        heading = frame.heading(a)
        x, y = frame.xy(a, b)
        if rng.random() < 0.7:
            lot = rectangle(x, y, width, depth, heading)
            tone = pick(rng, biome.grass if rng.random() < biome.lushness + 0.1 else biome.soil)
            nature.surface(canvas, lot, tone, 0.07, nature.SEMANTIC_GRASS, "lawn" if rng.random() < 0.5 else None)
        if rng.random() < 0.5 and not terraced:
            u = frame.xy(a + width * 0.35, b)
            nature.surface(canvas, rectangle(*u, 3.2, depth * 0.9, heading), pick(rng, PAVING), 0.03, streets.SEMANTIC_PAVED)
            if rng.random() < 0.6:
                streets.vehicle(canvas, *u, heading + np.pi / 2 * rng.choice([-1, 1]), "car")
        if rng.random() < 0.09:
            nature.pool(canvas, *frame.xy(a - width * 0.2, b + depth * 0.3 * rng.choice([-1, 1])), heading)
        if rng.random() < 0.25:
            edge = frame.xy(np.full(4, a - width / 2), np.linspace(b - depth / 2, b + depth / 2, 4))
            if rng.random() < 0.5:
                nature.hedge(canvas, edge, rng.uniform(0.5, 1.4), biome)
            else:
                canvas.paint(canvas.patch([strip(edge, 0.25)]), pick(rng, PAVING), number=0)
    for a, b, width, depth in list(_lots(canvas, frame, cuts_a, cuts_b, road_w, lot_w)):
        if rng.random() < 0.06:
            continue
        x, y = frame.xy(a + rng.normal(0, 0.5), b + rng.normal(0, 1.0))
        heading = frame.heading(a) + rng.choice([0, 0, 0, np.pi / 2]) + rng.normal(0, 0.02)
        room_a, room_b = (width, depth) if abs(np.cos(heading - frame.heading(a))) > 0.5 else (depth, width)
        fill = 1.0 if terraced else rng.uniform(0.6, 0.85)
        length = min(room_a * fill, rng.uniform(10, 22) if not terraced else width)
        house_w = min(room_b * (0.75 if terraced else fill), rng.uniform(7, 13))
        base = np.clip(common * rng.uniform(0.9, 1.1), 10, 250) if uniform and rng.random() < 0.8 else None
        add_building(canvas, x, y, max(length, 4), max(house_w, 4), heading, style, solar_chance=solar, base=base, shape="rect" if terraced else None)
        if rng.random() < 0.25 and not terraced:
            shed = frame.xy(a + width * 0.3 * rng.choice([-1, 1]), b + depth * 0.38)
            add_building(canvas, *shed, rng.uniform(2, 5), rng.uniform(2, 4), heading, "shack", height_m=2.4, shape="rect", solar_chance=0)
        for _ in range(rng.poisson(1.0 * biome.lushness + 0.3)):
            t = frame.xy(a + rng.uniform(-0.5, 0.5) * width, b + depth * rng.choice([-0.45, 0.42]))
            nature.add_tree(canvas, *t, rng.uniform(0.8, 4.2), biome)


def informal(canvas: Canvas, biome: Biome) -> None:
    """A dense settlement: abutting roofs of tin in every direction, earth lanes between."""
    rng = canvas.rng
    frame = Frame(canvas)
    earth = pick(rng, biome.soil) * rng.uniform(0.6, 1.0)
    nature.surface(canvas, rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach), earth, 0.1, nature.SEMANTIC_BARE)
    cuts_b = _cuts(rng, frame.reach, 25, 70)
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        streets.road(canvas, frame.along_a(b), rng.uniform(2.5, 7), number, pick(rng, biome.soil), unpaved=True)
        _traffic(canvas, frame, np.array([b]), 5, 2)
    for _ in range(int(canvas.side_m**2 / 60)):
        xy = rng.uniform(0, canvas.side_m, 2)
        size = rng.uniform(0.2, 1.4)
        canvas.paint(canvas.patch([rectangle(*xy, size, size * rng.uniform(0.3, 1), rng.uniform(0, 3))]), pick(rng, ROOFS["tin"] + ((60, 90, 150), (40, 36, 34))), number=0, opacity=0.8)
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
                if rng.random() < density and _inside(canvas, np.array([x, y]), 15):
                    heading = frame.heading(a) + turned + rng.normal(0, 0.03)
                    add_building(canvas, x, y, width * rng.uniform(0.85, 1.08), depth * rng.uniform(0.85, 1.1), heading, "shack", height_m=rng.uniform(2.2, 4.5),
                                 shape="rect" if rng.random() < 0.85 else None, solar_chance=0.03)
                    if rng.random() < 0.03 and biome.lushness > 0.2:
                        nature.add_tree(canvas, *(np.array([x, y]) + rng.normal(0, 4, 2)), rng.uniform(1, 3.5), biome)
                a += width + (rng.uniform(0, 0.6) if rng.random() < 0.7 else rng.uniform(0.8, 4))
            b += depth + (rng.uniform(0, 0.5) if rng.random() < 0.6 else rng.uniform(0.8, 3))


def village(canvas: Canvas, biome: Biome) -> None:
    """Loose plots with houses of tin, tile or concrete, walls, earth and trees: a town's edge seen by drone."""
    rng = canvas.rng
    frame = Frame(canvas, 2.0)
    unpaved = rng.random() < 0.7
    cuts_b = _cuts(rng, frame.reach, 35, 60)
    cuts_a = _cuts(rng, frame.reach, 80, 160)
    colour = pick(rng, biome.soil if unpaved else ASPHALT)
    road_w = rng.uniform(3.5, 7)
    _street_grid(canvas, frame, cuts_a, cuts_b, road_w, colour, unpaved)
    _traffic(canvas, frame, cuts_b, road_w, 1.2)
    for a, b, width, depth in list(_lots(canvas, frame, cuts_a, cuts_b, road_w, (14, 26))):
        lot = rectangle(*frame.xy(a, b), width, depth, frame.heading(a))
        tone = pick(rng, biome.grass if rng.random() < biome.lushness else biome.soil)
        if rng.random() < 0.8:
            nature.surface(canvas, lot, tone, 0.1, nature.SEMANTIC_BARE)
        if rng.random() < 0.4:
            wall = np.vstack([lot, lot[:1]])
            for start, end in zip(wall[:-1], wall[1:], strict=True):
                canvas.paint(canvas.patch([strip(np.stack([start, end]), 0.3)]), pick(rng, PAVING), number=0)
        for _ in range(int(rng.integers(1, 4))):
            x, y = frame.xy(a + rng.uniform(-0.25, 0.25) * width, b + rng.uniform(-0.25, 0.25) * depth)
            heading = frame.heading(a) + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1)
            style = choose(rng, (("shack", 0.5), ("house", 0.4), ("block", 0.1)))
            add_building(canvas, x, y, rng.uniform(5, 17), rng.uniform(4, 9), heading, style, height_m=rng.uniform(2.5, 5), solar_chance=0.12)
        if rng.random() < 0.3:
            streets.vehicle(canvas, *frame.xy(a, b - depth * 0.4), rng.uniform(0, 6.3), choose(rng, (("car", 0.8), ("van", 0.1), ("truck", 0.1))))
        if rng.random() < 0.5:
            nature.grove(canvas, *frame.xy(a - width * 0.4, b + depth * 0.35), 2.5, int(rng.integers(1, 5)), biome)


def downtown(canvas: Canvas, biome: Biome) -> None:
    """Blocks with flat roofs, courtyards and towers, wide streets, trees in rows."""
    rng = canvas.rng
    frame = Frame(canvas, 0.4)
    road_w = rng.uniform(9, 20)
    cuts_a, cuts_b = _cuts(rng, frame.reach, 60, 130), _cuts(rng, frame.reach, 50, 100)
    nature.surface(canvas, rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach), pick(rng, PAVING), 0.05, streets.SEMANTIC_PAVED)
    _street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    _traffic(canvas, frame, cuts_b, road_w, 6)
    for b in cuts_b:
        if rng.random() < 0.5:
            for a in np.arange(-frame.reach, frame.reach, 9):
                nature.add_tree(canvas, *frame.xy(a, b + road_w / 2 + 1), rng.uniform(1.5, 3), biome)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            if not _inside(canvas, frame.xy(a, b), 80):
                continue
            length, depth = a1 - a0 - road_w - 6, b1 - b0 - road_w - 6
            what = choose(rng, (("court", 0.25), ("slabs", 0.35), ("tower", 0.15), ("park", 0.1), ("parking", 0.15)))
            if what == "park":
                nature.surface(canvas, rectangle(*frame.xy(a, b), length, depth, frame.heading(a)), pick(rng, biome.grass), 0.06, nature.SEMANTIC_GRASS, "park")
                nature.grove(canvas, *frame.xy(a, b), length / 4, 16, biome)
            elif what == "parking":
                streets.parking(canvas, *frame.xy(a, b), length, depth, frame.heading(a))
            elif what == "court":
                add_building(canvas, *frame.xy(a, b), length, depth, frame.heading(a), "block", height_m=rng.uniform(10, 22), shape="court", solar_chance=0.2)
            else:
                parts = 1 if what == "tower" else int(rng.integers(2, 5))
                for part in range(parts):
                    at = a - length / 2 + (part + 0.5) * length / parts
                    size = length / parts * (rng.uniform(0.85, 1.0) if what == "slabs" else 0.6)
                    add_building(canvas, *frame.xy(at, b), size, depth * rng.uniform(0.6, 1), frame.heading(a), "block", height_m=rng.uniform(8, 30), solar_chance=0.3)


def industrial(canvas: Canvas, biome: Biome) -> None:
    """Halls, tanks, containers, lorries and car parks on wide paved ground."""
    rng = canvas.rng
    frame = Frame(canvas, 0.3)
    road_w = rng.uniform(7, 12)
    cuts_a, cuts_b = _cuts(rng, frame.reach, 90, 170), _cuts(rng, frame.reach, 70, 130)
    if rng.random() < 0.7:
        tone = pick(rng, ASPHALT + PAVING + biome.soil)
        nature.surface(canvas, rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach), tone, 0.06, streets.SEMANTIC_PAVED)
    _street_grid(canvas, frame, cuts_a, cuts_b, road_w, pick(rng, ASPHALT), False)
    _traffic(canvas, frame, cuts_b, road_w, 2)
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            heading = frame.heading(a)
            length, depth = a1 - a0 - road_w, b1 - b0 - road_w
            if not _inside(canvas, frame.xy(a, b), 90):
                continue
            what = choose(rng, (("hall", 0.5), ("halls", 0.2), ("tanks", 0.12), ("yard", 0.1), ("parking", 0.08)))
            if what == "hall":
                add_building(canvas, *frame.xy(a - length * 0.12, b), length * 0.7, depth * rng.uniform(0.5, 0.85), heading, "hall", height_m=rng.uniform(6, 14), solar_chance=0.5)
                streets.parking(canvas, *frame.xy(a + length * 0.38, b), length * 0.2, depth * 0.8, heading)
            elif what == "halls":
                count = int(rng.integers(3, 7))
                for k in range(count):
                    at = a - length / 2 + (k + 0.5) * length / count
                    add_building(canvas, *frame.xy(at, b), depth * 0.8, length / count * rng.uniform(0.6, 0.98), heading + np.pi / 2, "hall", height_m=rng.uniform(4, 9), solar_chance=0.4, shape="rect")
            elif what == "tanks":
                radius = rng.uniform(3, 14)
                for at in np.arange(a - length / 2 + radius * 1.5, a + length / 2 - radius, radius * 2.8):
                    for bt in np.arange(b - depth / 2 + radius * 1.5, b + depth / 2 - radius, radius * 2.8):
                        add_round_building(canvas, *frame.xy(at, bt), radius, "tank")
            elif what == "yard":
                for at in np.arange(a - length / 2 + 7, a + length / 2 - 7, 13.0):
                    for bt in np.arange(b - depth / 2 + 4, b + depth / 2 - 4, rng.choice([2.7, 5.5])):
                        if rng.random() < 0.7:
                            streets.container(canvas, *frame.xy(at, bt), heading)
                for _ in range(6):
                    streets.vehicle(canvas, *frame.xy(a + rng.uniform(-0.5, 0.5) * length, b + rng.uniform(-0.5, 0.5) * depth), heading + rng.choice([0, np.pi / 2]), "truck")
            else:
                streets.parking(canvas, *frame.xy(a, b), length * 0.9, depth * 0.9, heading)
            if rng.random() < 0.5:
                nature.grove(canvas, *frame.xy(a0 + road_w, b0 + road_w), 4, int(rng.integers(2, 8)), biome)


def rural(canvas: Canvas, biome: Biome) -> None:
    """Fields, orchards, farmsteads, greenhouses, woods and a track."""
    rng = canvas.rng
    frame = Frame(canvas)
    cuts_a, cuts_b = _cuts(rng, frame.reach, 50, 150), _cuts(rng, frame.reach, 40, 110)
    farms = []
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            corners = frame.xy(np.array([a0 + 1, a1 - 1, a1 - 1, a0 + 1]), np.array([b0 + 1, b0 + 1, b1 - 1, b1 - 1]))
            a, b = (a0 + a1) / 2, (b0 + b1) / 2
            if not _inside(canvas, frame.xy(a, b), 100):
                continue
            what = choose(rng, (("crop", 0.5), ("orchard", 0.1), ("farm", 0.16), ("wood", 0.1), ("meadow", 0.08), ("greenhouses", 0.06)))
            if what in ("crop", "orchard"):
                nature.crop_field(canvas, corners, frame.heading(a) + rng.choice([0, np.pi / 2]), biome if what == "orchard" else None)
            elif what == "wood":
                for _ in range(int((a1 - a0) * (b1 - b0) / 30)):
                    nature.add_tree(canvas, *frame.xy(rng.uniform(a0, a1), rng.uniform(b0, b1)), rng.uniform(1.8, 5), biome)
            else:
                farms.append((what, a, b, a1 - a0, b1 - b0))
    number = canvas.new_id("road", surface="unpaved")
    for b in cuts_b[1::2]:
        streets.road(canvas, frame.along_a(b), rng.uniform(3, 6), number, pick(rng, biome.soil + ASPHALT[:2]), unpaved=rng.random() < 0.6)
    for what, a, b, length, depth in farms:
        heading = frame.heading(a)
        if what == "greenhouses":
            for k in range(int(depth / 11)):
                add_building(canvas, *frame.xy(a, b - depth / 2 + 6 + k * 11), length * 0.8, 9, heading, "hall", height_m=3.5, shape="rect", solar_chance=0,
                             base=pick(rng, ((214, 220, 220), (196, 206, 204))), material="membrane", form="gable")
        elif what == "farm":
            nature.surface(canvas, rectangle(*frame.xy(a, b), length * 0.7, depth * 0.7, heading), pick(rng, biome.soil + PAVING), 0.08, nature.SEMANTIC_BARE)
            for _ in range(int(rng.integers(2, 6))):
                at = frame.xy(a + rng.uniform(-0.3, 0.3) * length, b + rng.uniform(-0.3, 0.3) * depth)
                style = choose(rng, (("hall", 0.5), ("house", 0.5)))
                add_building(canvas, *at, rng.uniform(10, 35), rng.uniform(7, 16), heading + rng.choice([0, np.pi / 2]), style, solar_chance=0.4)
            nature.grove(canvas, *frame.xy(a, b), length * 0.3, int(rng.integers(4, 16)), biome)
            if rng.random() < 0.4:
                add_round_building(canvas, *frame.xy(a + length * 0.3, b), rng.uniform(2, 5), "tank")
        else:
            nature.grove(canvas, *frame.xy(a, b), length * 0.25, int(rng.integers(2, 20)), biome)


def energy(canvas: Canvas, biome: Biome) -> None:
    """A solar farm, or halls whose roofs are covered with modules."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    if rng.random() < 0.5:
        streets.road(canvas, frame.along_a(0.0), 4, canvas.new_id("road", surface="unpaved"), pick(rng, biome.soil), unpaved=True)
        for side in (-1, 1):
            depth = rng.uniform(0.5, 0.9) * frame.reach
            solar_farm(canvas, *frame.xy(0.0, side * (depth / 2 + 5)), 2 * frame.reach * rng.uniform(0.5, 1), depth, frame.angle)
    else:
        nature.surface(canvas, rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach), pick(rng, ASPHALT + biome.grass), 0.06, streets.SEMANTIC_PAVED)
        size = rng.uniform(18, 60)
        for a in _cuts(rng, frame.reach, size, size * 1.5):
            for b in _cuts(rng, frame.reach, size * 0.6, size):
                if _inside(canvas, frame.xy(a, b), size):
                    add_building(canvas, *frame.xy(a, b), size * rng.uniform(0.5, 0.9), size * rng.uniform(0.3, 0.5), frame.angle, choose(rng, (("hall", 0.4), ("house", 0.4), ("block", 0.2))),
                                 solar_chance=0.95, height_m=rng.uniform(4, 9))
    nature.grove(canvas, *frame.xy(frame.reach * 0.5, frame.reach * 0.5), 10, 12, biome)


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
        wobble = 1 + 0.15 * np.sin(np.linspace(0, 2 * np.pi, 40, endpoint=False) * int(rng.integers(2, 5)) + rng.uniform(0, 6)) + 0.02 * rng.standard_normal(40)
        ring, name = circle(*rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0.15, 0.4) * side, 40, wobble), "lake"
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
            canvas.paint(deck, canvas.speckle(deck, pick(rng, PAVING), 0.05), number=canvas.new_id("pier"), semantic=streets.SEMANTIC_PAVED)
            for t in np.arange(0.1, 1, 0.12):
                xy = pier[0] * (1 - t) + pier[1] * t
                col, row = (xy / canvas.gsd_m).astype(int)
                if 0 <= col < canvas.size_px and 0 <= row < canvas.size_px and rng.random() < 0.8:
                    for s in (-1, 1):
                        streets.boat(canvas, *(xy + s * 5 * np.array([np.cos(frame.angle), np.sin(frame.angle)])), frame.angle + (np.pi if s < 0 else 0) + rng.normal(0, 0.05))


def leisure(canvas: Canvas, biome: Biome) -> None:
    """Sport fields, courts, pools, a school and car parks among lawns."""
    rng = canvas.rng
    frame = Frame(canvas, 0.5)
    streets.road(canvas, frame.along_a(0.0), rng.uniform(6, 10), canvas.new_id("road", surface="paved"), pick(rng, ASPHALT))
    for a in _cuts(rng, frame.reach, 45, 70):
        for b in _cuts(rng, frame.reach, 45, 70):
            xy = frame.xy(a, b)
            if abs(b) < 28 or not _inside(canvas, xy, 60):
                continue
            what = choose(rng, (("tennis court", 0.25), ("sport field", 0.2), ("school", 0.25), ("parking", 0.15), ("trees", 0.15)))
            if what in ("tennis court", "sport field"):
                streets.court(canvas, *xy, frame.angle + rng.choice([0, np.pi / 2]), what)
            elif what == "school":
                add_building(canvas, *xy, rng.uniform(20, 45), rng.uniform(15, 35), frame.angle, "block", height_m=rng.uniform(4, 10), shape=choose(rng, (("U", 1), ("L", 1), ("T", 1), ("step", 1))), solar_chance=0.4)
            elif what == "parking":
                streets.parking(canvas, *xy, 40, 34, frame.angle)
            else:
                nature.grove(canvas, *xy, 10, 14, biome)
            if rng.random() < 0.15:
                nature.pool(canvas, *(xy + 20), frame.angle)


LAYOUTS: dict[str, tuple[Callable[[Canvas, Biome], None], float]] = {
    "suburb": (suburb, 0.24), "informal": (informal, 0.16), "village": (village, 0.16), "downtown": (downtown, 0.1),
    "industrial": (industrial, 0.1), "rural": (rural, 0.08), "energy": (energy, 0.07), "waterside": (waterside, 0.05), "leisure": (leisure, 0.04),
}
