"""Airports: runway, taxiways, apron with aircraft, terminal and hangars."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets
from inference_backend.training.scenes.aircraft import AIRCRAFT, aircraft
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.helipad import helipad
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import ASPHALT, Biome, pick
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED, slabs

_CONCRETE = ((188, 184, 174), (172, 170, 162), (200, 196, 188), (158, 156, 150), (206, 200, 184))
_FLEETS = (
    (("airliner", 0.8), ("wide-body", 0.2)),
    (("light aircraft", 0.85), ("business jet", 0.15)),
    (("business jet", 0.6), ("turboprop", 0.25), ("light aircraft", 0.15)),
    (("airliner", 0.6), ("turboprop", 0.4)),
)
_DIGITS = {  # strokes of a seven-segment digit
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc",
    "5": "afgcd", "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abfgcd",
}  # fmt: skip
_STROKES = {
    "a": (1, 0, 0.2, 1), "b": (0.75, 0.45, 0.5, 0.2), "c": (0.25, 0.45, 0.5, 0.2), "d": (0, 0, 0.2, 1),
    "e": (0.25, -0.45, 0.5, 0.2), "f": (0.75, -0.45, 0.5, 0.2), "g": (0.5, 0, 0.2, 1),
}  # fmt: skip


class Airfield:
    """Coordinates (a, b): along the runway from its threshold, and across; a chosen place lies mid-canvas."""

    def __init__(self, canvas: Canvas, a: float, b: float) -> None:
        self.frame, self.focus = Frame(canvas, 0.0), (a, b)
        self.canvas, self.angle = canvas, self.frame.angle

    def xy(self, a: float, b: float) -> np.ndarray:
        return self.frame.xy(a - self.focus[0], b - self.focus[1])

    def box(self, a0: float, a1: float, b0: float, b1: float) -> np.ndarray:
        """Ring of a rectangle in (a, b)."""
        return rectangle(*self.xy((a0 + a1) / 2, (b0 + b1) / 2), a1 - a0, b1 - b0, self.angle)

    def span(self, low: float, high: float) -> tuple[float, float]:
        """The part of an interval of a that can be seen."""
        reach = self.frame.reach
        return max(low, self.focus[0] - reach), min(high, self.focus[0] + reach)


def airport(canvas: Canvas, biome: Biome) -> None:
    """One part of an airport, or all of it where the pixels are coarse."""
    rng = canvas.rng
    fleet = _FLEETS[int(rng.integers(len(_FLEETS)))]
    largest = max(AIRCRAFT[kind][0] for kind, _ in fleet)
    width = rng.uniform(18, 30) if largest < 20 else rng.uniform(35, 60)
    taxi_b, apron_b = width / 2 + rng.uniform(60, 110), width / 2 + rng.uniform(135, 180)
    depth = largest * rng.uniform(2.0, 3.2)
    focus = choose(
        rng,
        (("runway", 0.2), ("threshold", 0.2), ("taxiway", 0.15), ("apron", 0.35), ("hangar", 0.1)),
    )
    a, b = {
        "runway": (rng.uniform(150, 900), rng.uniform(-0.3, 0.6) * width),
        "threshold": (rng.uniform(-20, 60), rng.uniform(-0.4, 0.4) * width),
        "taxiway": (rng.uniform(0, 600), taxi_b + rng.normal(0, 12)),
        "apron": (rng.uniform(100, 500), apron_b + rng.uniform(0.3, 0.6) * depth),
        "hangar": (rng.uniform(100, 500), apron_b + depth),
    }[focus]
    field = Airfield(canvas, a, b)
    turf = pick(rng, biome.grass)
    ring = rectangle(*field.frame.middle, 4 * field.frame.reach, 4 * field.frame.reach)
    nature.surface(canvas, ring, turf, 0.07, nature.SEMANTIC_GRASS)
    grey = pick(rng, ASPHALT + _CONCRETE)
    canvas.tarmac = grey
    _taxiways(field, width, taxi_b, apron_b, grey)
    _apron(field, fleet, apron_b, depth, biome)
    _runway(field, width, biome)


def _slab(field: Airfield, rings: list[np.ndarray], tone: np.ndarray, name: str | None) -> int:
    """Concrete or asphalt on the ground; an instance where it has a name."""
    canvas = field.canvas
    patch = canvas.patch(rings)
    if patch is None:
        return 0
    number = canvas.new_id(name) if name else 0
    if tone.mean() > 140:
        colour = slabs(canvas, patch, tone, field.angle, canvas.rng.uniform(4.5, 8))
    else:
        colour = canvas.speckle(patch, tone, 0.05)
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_PAVED)
    return number


def _lines(field: Airfield, rings: list[np.ndarray], tone: np.ndarray, opacity: float) -> None:
    if rings and field.canvas.gsd_m < 1.5:
        field.canvas.paint(field.canvas.patch(rings), tone, number=None, opacity=opacity)


def _runway(field: Airfield, width: float, biome: Biome) -> None:
    canvas, rng = field.canvas, field.canvas.rng
    a0, a1 = field.span(0, 2600)
    low, high = field.span(-rng.uniform(20, 80), 2660)
    tone = pick(rng, ASPHALT if rng.random() < 0.7 else _CONCRETE)
    half, shoulder = width / 2, rng.uniform(3, 9)
    _slab(
        field,
        [field.box(low, high, -half - shoulder, half + shoulder)],
        tone * rng.uniform(0.8, 1.15),
        None,
    )
    if a1 <= a0:
        return
    patch = canvas.patch([field.box(a0, a1, -half, half)])
    if patch is None:
        return
    number = canvas.new_id("runway", surface="asphalt" if tone.mean() < 140 else "concrete")
    _, v = patch.local(*field.xy(0, 0), field.angle)
    rubber = np.exp(-((v / (0.16 * width)) ** 2)) * (0.6 + 0.3 * noise(rng, *v.shape, "ground"))
    value = 1 - rng.uniform(0.05, 0.4) * rubber
    colour = (
        canvas.speckle(patch, tone, 0.05)
        if tone.mean() < 140
        else slabs(canvas, patch, tone, field.angle, rng.uniform(4, 9))
    )
    colour = colour * value[..., None]
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_PAVED)
    white = np.full(3, rng.uniform(205, 240), np.float32)
    rings = [field.box(a0, a1, side * half - 0.5, side * half + 0.5) for side in (-0.96, 0.96)]
    for a in np.arange(70 + (a0 // 50) * 50, a1, 50.0):
        if a > 60:
            rings.append(field.box(a, a + 30, -0.45, 0.45))
    if a0 <= 60:
        keys = np.arange(1.8, 0.9 * half, 3.6)
        rings += [field.box(6, 36, s * b, s * b + 1.8 * s) for b in keys for s in (-1, 1)]
        rings += [field.box(0, 1.8, -half, half)] if rng.random() < 0.5 else []
        rings += _number(field, rng, 44.0)
    for a, count in ((150, 3), (300, 2), (450, 2), (600, 1)):
        if a0 - 30 < a < a1:
            for s in (-1, 1):
                rings += [
                    field.box(a, a + 22.5, s * (4 + 3 * k), s * (6 + 3 * k)) for k in range(count)
                ]
    _lines(field, rings, white, rng.uniform(0.5, 0.95))


def _number(field: Airfield, rng: np.random.Generator, a: float) -> list[np.ndarray]:
    """The two digits of the runway's direction, 9 m tall."""
    rings = []
    for digit, middle in zip(f"{int(rng.integers(1, 37)):02d}", (-4.0, 4.0), strict=True):
        for stroke in _DIGITS[digit]:
            up, across, tall, wide = _STROKES[stroke]
            at, beside = a + 9 * up, middle + 3 * 2 * across / 0.9 * 0.45
            tall, wide = 9 * tall, 3 * wide if wide < 1 else 3.4
            rings.append(
                field.box(at - tall / 2, at + tall / 2, beside - wide / 2, beside + wide / 2)
            )
    return rings


def _taxiways(
    field: Airfield, width: float, taxi_b: float, apron_b: float, grey: np.ndarray
) -> None:
    rng = field.canvas.rng
    half = rng.uniform(6, 12)
    a0, a1 = field.span(-60, 2600)
    crossings = [a for a in np.arange(10, 2600, rng.uniform(130, 300)) if a0 - 40 < a < a1 + 40]
    rings = [field.box(a0, a1, taxi_b - half, taxi_b + half)]
    rings += [field.box(a - half, a + half, 0, apron_b + 5) for a in crossings]
    for a in crossings:  # fillets
        for s in (-1, 1):
            rings.append(
                np.stack(
                    [
                        field.xy(a + s * half, taxi_b - half),
                        field.xy(a + s * (half + 18), taxi_b - half),
                        field.xy(a + s * half, taxi_b - half - 18),
                    ]
                )
            )
    _slab(field, rings, grey, "taxiway")
    yellow = np.array([206, 172, 60], np.float32) * rng.uniform(0.85, 1.1)
    marks = [field.box(a0, a1, taxi_b - 0.2, taxi_b + 0.2)]
    marks += [field.box(a - 0.2, a + 0.2, 0, apron_b) for a in crossings]
    hold = width / 2 + 45
    for a in crossings:
        marks += [field.box(a - half, a + half, hold + k, hold + k + 0.4) for k in (0, 0.9, 1.8)]
    _lines(field, marks, yellow, rng.uniform(0.5, 0.9))


def _apron(
    field: Airfield, fleet: tuple[tuple[str, float], ...], b0: float, depth: float, biome: Biome
) -> None:
    canvas, rng = field.canvas, field.canvas.rng
    a0, a1 = field.span(-40, 1400)
    if a1 <= a0:
        return
    _slab(field, [field.box(a0, a1, b0, b0 + depth)], pick(rng, _CONCRETE + ASPHALT[:1]), None)
    yellow = np.array([206, 172, 60], np.float32)
    nose_in = rng.choice([-1, 1])
    heading = field.angle + np.pi / 2 * nose_in
    stand_b = b0 + depth * rng.uniform(0.5, 0.62)
    a, marks = a0 + rng.uniform(0, 20), [field.box(a0, a1, b0 + 7.8, b0 + 8.2)]
    while a < a1:
        kind = choose(rng, fleet)
        length, span, *_ = AIRCRAFT[kind]
        a += span * 0.62
        marks.append(field.box(a - 0.15, a + 0.15, b0 + 8, stand_b))
        xy = field.xy(a, stand_b + rng.normal(0, 1.5))
        if rng.random() < 0.75 and inside(canvas, xy, length):
            _service(canvas, xy, heading, length)
            aircraft(canvas, *xy, heading + rng.normal(0, 0.03), kind)
        a += span * rng.uniform(0.55, 0.8)
    _lines(field, marks, yellow, rng.uniform(0.4, 0.9))
    if rng.random() < 0.25:
        helipad(
            canvas, *field.xy((a0 + a1) / 2 + rng.uniform(-30, 30), b0 + depth * 0.85), field.angle
        )
    _behind(field, b0 + depth, biome)


def _service(canvas: Canvas, xy: np.ndarray, heading: float, length: float) -> None:
    """Tugs, lorries and carts round a stand."""
    rng = canvas.rng
    for _ in range(int(rng.integers(0, 6)) if length > 15 else 0):
        at = xy + rng.uniform(-0.55, 0.55, 2) * length
        kind = choose(rng, (("van", 0.6), ("truck", 0.3), ("car", 0.1)))
        craft.vehicle(canvas, *at, heading + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3), kind)


def _behind(field: Airfield, b: float, biome: Biome) -> None:
    """Terminal or hangars beyond the apron, and a car park."""
    canvas, rng = field.canvas, field.canvas.rng
    a0, a1 = field.span(-40, 1400)
    ring = field.box(a0, a1, b, b + 60)
    nature.surface(canvas, ring, streets.tarmac(canvas), 0.05, SEMANTIC_PAVED)
    a = a0 + rng.uniform(0, 30)
    while a < a1:
        length, deep = rng.uniform(25, 70), rng.uniform(20, 45)
        xy = field.xy(a + length / 2, b + 4 + deep / 2)
        if inside(canvas, xy, 70) and rng.random() < 0.85:
            add_building(
                canvas, *xy, length, deep, field.angle, choose(rng, (("hall", 0.75), ("block", 0.25))),
                height_m=rng.uniform(7, 16), shape="rect", solar_chance=0.15,
            )  # fmt: skip
        a += length + rng.uniform(6, 30)
    xy = field.xy((a0 + a1) / 2, b + 85)
    if inside(canvas, xy, 60):
        streets.parking(canvas, *xy, a1 - a0, 40, field.angle)
