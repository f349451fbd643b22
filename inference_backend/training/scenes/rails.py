"""Railways: ballast, sleepers, rails, trains, platforms."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, streets
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.noise import cell_value, noise
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, colour_name, pick
from inference_backend.training.scenes.residential import suburb
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED, SEMANTIC_ROAD, road
from inference_backend.training.scenes.transport import bridge, verge

SEMANTIC_RAILWAY = 14
_BALLAST = ((128, 116, 104), (144, 136, 126), (112, 100, 90), (150, 132, 114), (120, 120, 118))
_COACH = (
    (190, 194, 198),
    (160, 164, 170),
    (60, 84, 130),
    (150, 50, 48),
    (214, 212, 204),
    (90, 110, 90),
    (70, 70, 76),
)


def tracks(canvas: Canvas, frame: Frame, at: np.ndarray, number: int) -> None:
    """Tracks along the frame at every b in `at`, all one railway."""
    rng = canvas.rng
    tone = pick(rng, _BALLAST)
    beds = [strip(frame.along_a(b), rng.uniform(3.4, 4.6)) for b in at]
    low, high = at.min() - 2.2, at.max() + 2.2
    if len(at) > 1 and rng.random() < 0.7:
        beds = [strip(frame.along_a((low + high) / 2), high - low)]
    patch = canvas.patch(beds)
    if patch is None:
        return
    bed = canvas.speckle(patch, tone, rng.uniform(0.05, 0.12), "grain")
    canvas.paint(patch, bed, number=number, semantic=SEMANTIC_RAILWAY)
    concrete = rng.random() < 0.5
    for b in at:
        line = frame.along_a(b)
        middle = canvas.patch([strip(line, 2.6)])
        if middle is None:
            continue
        if canvas.gsd_m < 0.3:
            u, _ = middle.local(*frame.middle, frame.angle)
            beat = np.clip(0.8 - np.abs((u / 0.62) % 1 - 0.5) * 3, 0, 1) * (
                1 if canvas.gsd_m < 0.18 else 0.5
            )
            shade = tone * (1.25 if concrete else 0.62)
            sleepers = tone + (shade - tone) * beat[..., None]
            canvas.paint(middle, sleepers, number=None, opacity=0.8)
        else:
            canvas.paint(middle, tone * 0.86, number=None, opacity=0.5)
        steel = tone * rng.choice([0.55, 0.7, 1.35])
        rails = [strip(line, 0.16, side * 0.72) for side in (-1, 1)]
        canvas.paint(canvas.patch(rails), np.clip(steel, 0, 235), number=None, opacity=0.95)


def train(canvas: Canvas, frame: Frame, a: float, b: float) -> int:
    """Carriages or wagons coupled along the track at `b`, from `a` on; one id."""
    rng = canvas.rng
    goods = rng.random() < 0.5
    long = rng.uniform(12, 17) if goods else rng.uniform(18, 26)
    tone = pick(rng, _COACH)
    load = (
        choose(rng, (("boxes", 0.3), ("hopper", 0.3), ("tank", 0.2), ("van", 0.2)))
        if goods
        else "coach"
    )
    number = canvas.new_id(
        "train", colour=colour_name(tone), kind="goods" if goods else "passenger"
    )
    for k in range(int(rng.integers(2, 16))):
        x, y = frame.xy(a, b)
        turn = frame.heading(a)
        ring = rectangle(x, y, long - 0.9, 2.9, turn)
        patch = canvas.patch([ring]) if inside(canvas, np.array([x, y]), long) else None
        a += long
        if patch is None:
            continue
        canvas.cast_shadow([ring], 3.8)
        colour = (
            pick(rng, _COACH + ((150, 90, 60), (110, 70, 56)))
            if goods and k and load != "coach"
            else tone
        )
        u, v = patch.local(x, y, turn)
        value = 1 + 0.10 * cell_value(np.floor(u / 3), np.zeros_like(u), int(rng.integers(999)))
        value = 1 + 0.3 * (value - 1) - 0.18 * (np.abs(v) > 1.15)
        if load == "hopper" and k:
            inner = (np.abs(v) < 1.1) & (np.abs(u) < long / 2 - 1.2)
            value = np.where(inner, 0.5 + 0.1 * noise(rng, *u.shape, "grain"), value)
        if load == "coach":
            unit = (np.abs(v) < 0.8) & (np.abs((u / (long / 3)) % 1 - 0.5) < 0.16)
            value = np.where(unit, value * 0.8, value)
        canvas.paint(
            patch,
            np.clip(colour * value[..., None], 8, 246),
            number=number,
            semantic=0,
            above_shadow=True,
        )
    return number


def railway(canvas: Canvas, biome: Biome) -> None:
    """One to nine tracks; a station, a bridge or a level crossing; houses, sheds or bushes beside."""
    rng = canvas.rng
    if rng.random() < 0.4:
        suburb(canvas, biome)
    frame = Frame(canvas, 3.0)
    count = int(rng.choice([1, 2, 2, 3, 4, 6, 9]))
    spacing = rng.uniform(4.2, 5.2)
    shift = rng.uniform(-0.2, 0.2) * canvas.side_m
    at = shift + (np.arange(count) - (count - 1) / 2) * spacing
    half = count * spacing / 2 + rng.uniform(4, 9)
    bank = canvas.patch([strip(frame.along_a(shift), 2 * half)])
    if bank is not None:
        canvas.shadow[bank.window] *= 1 - bank.alpha
        tone = pick(rng, biome.grass + biome.soil)
        grassy = 8 if rng.random() < 0.5 else 7
        canvas.paint(bank, canvas.speckle(bank, tone, 0.1), number=0, semantic=grassy)
    if rng.random() < 0.3:
        _level_crossing(canvas, frame)
    tracks(canvas, frame, at, canvas.new_id("railway", tracks=count))
    if rng.random() < 0.35:
        _station(canvas, frame, at.max() + spacing / 2 + 1)
    else:
        _sheds(canvas, frame, shift, half)
    _masts(canvas, frame, shift, half)
    for b in at:
        if rng.random() < 0.5:
            train(canvas, frame, rng.uniform(-1.2, 0.5) * frame.reach, b)
    verge(
        canvas,
        biome,
        (canvas.instances > 0) | np.isin(canvas.semantic, (SEMANTIC_RAILWAY, SEMANTIC_ROAD, 1)),
        0.6,
    )
    if rng.random() < 0.3:
        tone = pick(rng, ASPHALT + PAVING[:2])
        bridge(
            canvas, frame.along_b(rng.uniform(-0.3, 0.3) * canvas.side_m), rng.uniform(7, 16), tone
        )


def _level_crossing(canvas: Canvas, frame: Frame) -> None:
    tone = pick(canvas.rng, ASPHALT)
    number = canvas.new_id("road", surface="paved")
    road(
        canvas,
        frame.along_b(canvas.rng.uniform(-0.4, 0.4) * canvas.side_m),
        canvas.rng.uniform(5, 9),
        number,
        tone,
    )


def _station(canvas: Canvas, frame: Frame, b: float) -> None:
    """Platforms with a roof, a building, a car park."""
    rng = canvas.rng
    deck = canvas.patch([strip(frame.along_a(b + 2.5), 5)])
    if deck is None:
        return
    canvas.paint(
        deck, canvas.speckle(deck, pick(rng, PAVING), 0.04), number=0, semantic=SEMANTIC_PAVED
    )
    a = rng.uniform(-0.2, 0.2) * canvas.side_m
    add_building(
        canvas,
        *frame.xy(a, b + 2.5),
        rng.uniform(25, 70),
        4.2,
        frame.heading(a),
        "hall",
        height_m=4,
        shape="rect",
        solar_chance=0.1,
    )
    add_building(
        canvas,
        *frame.xy(a, b + 14),
        rng.uniform(15, 40),
        rng.uniform(9, 14),
        frame.heading(a),
        "block",
        height_m=rng.uniform(5, 11),
    )
    streets.parking(canvas, *frame.xy(a + 50, b + 24), 50, 22, frame.heading(a))


def _sheds(canvas: Canvas, frame: Frame, shift: float, half: float) -> None:
    rng = canvas.rng
    if rng.random() < 0.5:
        return
    side = rng.choice([-1, 1])
    for a in np.arange(-frame.reach, frame.reach, 38):
        xy = frame.xy(a, shift + side * (half + rng.uniform(9, 16)))
        if inside(canvas, xy, 30) and rng.random() < 0.7:
            add_building(
                canvas,
                *xy,
                rng.uniform(14, 32),
                rng.uniform(8, 18),
                frame.heading(a),
                "hall",
                height_m=rng.uniform(4, 9),
            )
        elif rng.random() < 0.3:
            craft.container(canvas, *xy, frame.heading(a))


def _masts(canvas: Canvas, frame: Frame, shift: float, half: float) -> None:
    """Catenary masts: thin, but their shadows are seen."""
    if canvas.rng.random() < 0.5 or canvas.gsd_m > 0.5:
        return
    for a in np.arange(-frame.reach, frame.reach, 45):
        for side in (-1, 1):
            foot = rectangle(*frame.xy(a, shift + side * (half - 3)), 0.4, 0.4, frame.angle)
            canvas.cast_shadow([foot], 7.5)
            canvas.paint(canvas.patch([foot]), np.full(3, 120, np.float32), number=0, semantic=0)
