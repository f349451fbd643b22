"""Harbours: sea, quay, ships, cranes and containers, or a marina full of boats."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, streets
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import (
    ASPHALT,
    PAVING,
    ROOFS,
    WATER,
    Biome,
    colour_name,
    pick,
)
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED, slabs
from inference_backend.training.scenes.ships import ship
from inference_backend.training.scenes.storage import tank_group

_SEA = (
    *WATER,
    (22, 56, 66),
    (30, 74, 86),
    (16, 40, 58),
    (44, 92, 100),
    (60, 104, 96),
    (20, 48, 46),
)


def harbour(canvas: Canvas, biome: Biome) -> None:
    """A port, or a marina: the shore runs through the picture."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    shore = rng.uniform(-0.25, 0.2) * canvas.side_m
    marina = rng.random() < 0.45
    sea = open_sea(canvas, frame, shore)
    _land(canvas, frame, shore, biome, marina)
    if marina:
        _marina(canvas, frame, shore, sea)
    else:
        _port(canvas, frame, shore)


def open_sea(canvas: Canvas, frame: Frame, shore: float) -> int:
    """Water of the sea where b > `shore`; returns its id."""
    rng = canvas.rng
    reach = 2 * frame.reach
    middle = frame.xy(0.0, shore + reach)
    patch = canvas.patch([rectangle(*middle, 2 * reach, 2 * reach, frame.angle)])
    if patch is None:
        return 0
    tone = pick(rng, _SEA)
    number = canvas.new_id("sea", colour=colour_name(tone))
    canvas.paint(patch, water_tone(canvas, patch.alpha.shape, tone), number=number, semantic=5)
    return number


def water_tone(canvas: Canvas, shape: tuple[int, int], tone: np.ndarray) -> np.ndarray:
    """Sea of colour `tone`: swell, ripples and a little glitter, (rows, cols, 3)."""
    rng = canvas.rng
    value = 1 + rng.uniform(0.02, 0.12) * noise(rng, *shape, "cloud")
    value += rng.uniform(0.01, 0.10) * noise(rng, *shape, "ground")
    value += rng.uniform(0.0, 0.08) * noise(rng, *shape, "grain")
    glitter = np.clip(noise(rng, *shape, "grain") - rng.uniform(1.5, 3.5), 0, 1)
    return tone * value[..., None] + 60 * glitter[..., None]


def _land(canvas: Canvas, frame: Frame, shore: float, biome: Biome, marina: bool) -> None:
    """Paved ground behind the quay, and the edge of the quay."""
    rng = canvas.rng
    reach = 2 * frame.reach
    depth = rng.uniform(15, 40) if marina else reach
    ring = rectangle(*frame.xy(0.0, shore - depth / 2), 2 * reach, depth, frame.angle)
    patch = canvas.patch([ring])
    if patch is None:
        return
    tone = pick(rng, PAVING + ASPHALT)
    canvas.tarmac = tone
    colour = slabs(canvas, patch, tone, frame.angle, rng.uniform(4, 9))
    canvas.paint(patch, colour, number=0, semantic=SEMANTIC_PAVED)
    canvas.cast_shadow([ring], rng.uniform(1.0, 3.0), 0.8)
    canvas.shadow[patch.window] *= 1 - patch.alpha
    edge = canvas.patch([rectangle(*frame.xy(0.0, shore - 0.5), 2 * reach, 1.0, frame.angle)])
    canvas.paint(edge, tone * rng.choice([0.7, 1.25]), number=None)
    if marina:
        road = canvas.new_id("road", surface="paved")
        streets.road(
            canvas, frame.along_a(shore - depth - 8), rng.uniform(6, 10), road, pick(rng, ASPHALT)
        )
        for a in np.arange(-frame.reach, frame.reach, rng.uniform(20, 40)):
            xy = frame.xy(a, shore - depth - 30)
            if inside(canvas, xy, 20):
                size = (rng.uniform(12, 22), rng.uniform(9, 16))
                add_building(
                    canvas, *xy, *size, frame.angle, choose(rng, (("house", 0.6), ("block", 0.4)))
                )
        if rng.random() < 0.6:
            streets.parking(
                canvas, *frame.xy(0.0, shore - depth / 2), reach, depth * 0.7, frame.angle
            )


def _marina(canvas: Canvas, frame: Frame, shore: float, sea: int) -> None:
    """Main piers out from the quay, boats side by side on both sides, some with fingers between."""
    rng = canvas.rng
    long = rng.uniform(8, 16)
    gap = 2 * long + rng.uniform(6, 16)
    berth = long * rng.uniform(0.3, 0.42) + 0.5
    fingers, full = rng.random() < 0.5, rng.uniform(0.5, 1.0)
    reach = rng.uniform(40, 140)
    tone = pick(rng, PAVING + ((140, 116, 88), (120, 108, 96)))
    width = rng.uniform(1.4, 3.0)
    for a in np.arange(-frame.reach + rng.uniform(0, gap), frame.reach, gap):
        line = frame.xy(np.array([a, a]), np.array([shore - 1, shore + reach]))
        rings = [strip(line, width)]
        places = np.arange(shore + 4, shore + reach - 2, berth)
        if fingers:
            rings += [
                strip(frame.xy(np.array([a - long * 0.8, a + long * 0.8]), np.array([b, b])), 0.6)
                for b in places[::2] + berth / 2
            ]
        if rng.random() < 0.5:
            head = shore + reach
            rings.append(
                strip(frame.xy(np.array([a - long, a + long]), np.array([head, head])), width)
            )
        deck = canvas.patch(rings)
        if deck is None:
            continue
        canvas.cast_flat_shadow(rings, 0.8)
        number = canvas.new_id("pier", colour=colour_name(tone))
        colour = canvas.speckle(deck, tone, 0.08, "grain")
        canvas.paint(deck, colour, number=number, semantic=SEMANTIC_PAVED, above_shadow=True)
        for b in places:
            for side in (-1, 1):
                xy = frame.xy(a + side * (width / 2 + long * 0.52 + rng.normal(0, 0.3)), b)
                if rng.random() < full and inside(canvas, xy, long):
                    bow = frame.angle + (0 if (rng.random() < 0.5) else np.pi)
                    craft.boat(
                        canvas, *xy, bow + rng.normal(0, 0.04), long * rng.uniform(0.65, 1.0)
                    )
    for _ in range(int(rng.integers(0, 4))):
        xy = frame.xy(rng.uniform(-1, 1) * frame.reach, shore + reach + rng.uniform(10, 60))
        craft.boat(canvas, *xy, rng.uniform(0, 6.3))


def _port(canvas: Canvas, frame: Frame, shore: float) -> None:
    """Ships along the quay; cranes, containers, sheds or tanks on it."""
    rng = canvas.rng
    small = canvas.side_m < 120
    a = -frame.reach + rng.uniform(0, 60)
    berthed = []
    while a < frame.reach:
        length = rng.uniform(18, 90) if small else rng.uniform(40, 240)
        beam = length * (0.15 if length > 50 else 0.24)
        xy = frame.xy(a + length / 2, shore + beam / 2 + rng.uniform(1, 3))
        if rng.random() < 0.85 and inside(canvas, xy, length):
            kind = (
                None
                if length > 80
                else choose(
                    rng, (("ferry", 0.3), ("barge", 0.25), ("trawler", 0.25), ("tanker", 0.2))
                )
            )
            ship(canvas, *xy, frame.angle + rng.choice([0, np.pi]), kind, length)
            berthed.append(a + length / 2)
        a += length + rng.uniform(8, 40)
    for _ in range(int(rng.integers(0, 3))):
        xy = frame.xy(rng.uniform(-1, 1) * frame.reach, shore + rng.uniform(60, 300))
        if inside(canvas, xy, 30):
            ship(canvas, *xy, rng.uniform(0, 6.3), length=rng.uniform(15, 90), wake=True)
    use = choose(rng, (("containers", 0.45), ("sheds", 0.3), ("tanks", 0.25)))
    if use == "containers":
        _stacks(canvas, frame, shore - 45)
    elif use == "sheds":
        _sheds(canvas, frame, shore - 30)
    else:
        tank_group(canvas, frame, shore - 30 - frame.reach * 0.5, frame.reach * 0.45)
    if use != "tanks":
        for at in berthed:
            _crane(canvas, frame, at + rng.normal(0, 8), shore)


def _stacks(canvas: Canvas, frame: Frame, b: float) -> None:
    """Blocks of containers, lanes between them, lorries in the lanes."""
    rng = canvas.rng
    while b > -frame.reach:
        rows = int(rng.integers(3, 7))
        for row in range(rows):
            for a in np.arange(-frame.reach, frame.reach, 12.8):
                xy = frame.xy(a, b - row * 2.7)
                if rng.random() < 0.8 and inside(canvas, xy, 7):
                    craft.container(canvas, *xy, frame.angle, 12.2)
        b -= rows * 2.7 + 9
        for _ in range(3):
            xy = frame.xy(rng.uniform(-1, 1) * frame.reach, b + 5)
            craft.vehicle(canvas, *xy, frame.angle, "truck")
        if canvas.side_m > 250:
            b -= rng.uniform(0, 40)


def _sheds(canvas: Canvas, frame: Frame, b: float) -> None:
    rng = canvas.rng
    while b > -frame.reach:
        deep = rng.uniform(18, 40)
        for a in np.arange(-frame.reach, frame.reach, rng.uniform(50, 90)):
            xy = frame.xy(a, b - deep / 2)
            if inside(canvas, xy, 50):
                base = pick(rng, ROOFS["metal"] + ROOFS["membrane"])
                add_building(
                    canvas, *xy, rng.uniform(35, 60), deep, frame.angle, "hall",
                    height_m=rng.uniform(6, 11), shape="rect", base=base,
                )  # fmt: skip
        b -= deep + rng.uniform(15, 30)


def _crane(canvas: Canvas, frame: Frame, a: float, shore: float) -> None:
    """A gantry crane: legs on the quay, a boom out over the ship. No id; it hides what is below."""
    rng = canvas.rng
    tone = pick(rng, ((50, 90, 150), (200, 60, 44), (220, 170, 50), (190, 196, 200), (60, 120, 90)))
    boom = [
        strip(
            frame.xy(np.array([a + d, a + d]), np.array([shore - 35, shore + rng.uniform(25, 40)])),
            1.0,
        )
        for d in (-2.0, 2.0)
    ]
    legs = [
        strip(frame.xy(np.array([a - 9, a + 9]), np.array([b, b])) + shore * 0, 1.6)
        for b in (shore - 4, shore - 22)
    ]
    house = rectangle(*frame.xy(a, shore - 20), 5, 9, frame.angle)
    canvas.cast_flat_shadow([*boom, house], 30)
    canvas.cast_shadow(legs, 6)
    canvas.paint(canvas.patch([*legs, *boom]), tone, number=0, semantic=0, above_shadow=True)
    canvas.paint(canvas.patch([house]), tone * 0.85, number=0, semantic=0, above_shadow=True)
