"""Places for sport: running tracks, courts, diamonds, playgrounds."""

from __future__ import annotations

from functools import partial

import numpy as np

from inference_backend.training.scenes import nature, streets, trees
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canvas import Canvas, circle, placed, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.palette import ASPHALT, TURF, Biome, colour_name, pick

SEMANTIC_SPORT = streets.SEMANTIC_SPORT
_TARTAN = ((168, 82, 62), (150, 70, 58), (186, 104, 80), (140, 84, 72), (70, 100, 150))
_COURT = (
    (72, 108, 130),
    (90, 126, 92),
    (176, 96, 70),
    (110, 120, 126),
    (150, 110, 90),
    (84, 84, 130),
)
_SAND = ((190, 164, 124), (206, 182, 144), (176, 146, 108), (166, 126, 92), (204, 192, 168))


def _stadium(straight: float, radius: float, steps: int = 24) -> np.ndarray:
    """Two straights and two half circles, (2 steps, 2), about the origin."""
    t = np.linspace(-np.pi / 2, np.pi / 2, steps)
    right = np.stack([straight / 2 + radius * np.cos(t), radius * np.sin(t)], 1)
    return np.vstack([right, -right])


def running_track(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A running track of red (or blue) lanes with a pitch inside it."""
    rng = canvas.rng
    lanes, size = int(rng.integers(4, 9)), rng.uniform(0.6, 1.05)
    straight, inner = 84.4 * size, 36.5 * size
    ring = placed(_stadium(straight, inner + 1.22 * lanes), x, y, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    tone = pick(rng, _TARTAN)
    number = canvas.new_id("running track", colour=colour_name(tone))
    canvas.paint(patch, canvas.speckle(patch, tone, 0.05), number=number, semantic=SEMANTIC_SPORT)
    white = np.full(3, 225, np.float32)
    for lane in range(lanes + 1):
        line = placed(_stadium(straight, inner + 1.22 * lane), x, y, angle)
        closed = np.vstack([line, line[:1]])
        canvas.paint(canvas.patch([strip(closed, 0.1)]), white, number=None, opacity=0.7)
    field = canvas.patch([placed(_stadium(straight, inner), x, y, angle)])
    turf = pick(rng, TURF)
    if field is not None:
        grass = canvas.speckle(field, turf, 0.06)
        canvas.paint(field, grass, number=0, semantic=nature.SEMANTIC_GRASS)
    streets.court(canvas, x, y, angle, "sport field", size=min(0.72, 0.9 * size), tone=turf)
    return number


def basketball(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A basketball court: key, arcs, middle line."""
    rng = canvas.rng
    patch = canvas.patch([rectangle(x, y, 32, 19, angle)])
    if patch is None:
        return 0
    tone = pick(rng, _COURT + ASPHALT)
    number = canvas.new_id("basketball court", colour=colour_name(tone))
    canvas.paint(patch, canvas.speckle(patch, tone, 0.04), number=number, semantic=SEMANTIC_SPORT)
    if rng.random() < 0.6:
        inner = canvas.patch([rectangle(x, y, 28, 15, angle)])
        canvas.paint(inner, pick(rng, _COURT), number=None)
    lines = [_outline(28, 15), np.array([[0, -7.5], [0, 7.5]]), _round(0, 0, 1.8)]
    key = pick(rng, _COURT)
    for s in (-1, 1):
        box = np.array([[14, -2.45], [8.2, -2.45], [8.2, 2.45], [14, 2.45]]) * (s, 1)
        if rng.random() < 0.6:
            canvas.paint(canvas.patch([placed(box, x, y, angle)]), key, number=None)
        t = np.linspace(-1.2, 1.2, 14)
        lines += [
            box,
            np.stack([s * (12.4 - 6.75 * np.cos(t)), 6.75 * np.sin(t)], 1),
            _round(s * 8.2, 0, 1.8),
        ]
    _draw(canvas, lines, x, y, angle)
    return number


def _outline(length: float, width: float) -> np.ndarray:
    ring = rectangle(0, 0, length, width)
    return np.vstack([ring, ring[:1]])


def _round(x: float, y: float, radius: float) -> np.ndarray:
    ring = circle(x, y, radius, 20)
    return np.vstack([ring, ring[:1]])


def _draw(canvas: Canvas, lines: list[np.ndarray], x: float, y: float, angle: float) -> None:
    """White lines 10 cm wide, piece by piece so that corners stay sharp."""
    rings = [
        strip(placed(np.stack([p, q]), x, y, angle), 0.12)
        for line in lines
        for p, q in zip(line[:-1], line[1:], strict=True)
    ]
    canvas.paint(canvas.patch(rings), np.full(3, 228, np.float32), number=None, opacity=0.85)


def baseball(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A baseball diamond: sand infield with its arc, mound, base paths; turf beyond."""
    rng = canvas.rng
    side = rng.choice([18.3, 27.4])
    t = np.linspace(-np.pi / 4, np.pi / 4, 24)
    home = np.array([[-0.1 * side, 0.0]])
    out = np.vstack([home, np.stack([np.cos(t), np.sin(t)], 1) * side * 3.4])
    arc = np.stack(
        [0.9 * side * np.cos(2 * t) * 1.05 + 0.72 * side, 1.05 * side * np.sin(2 * t)], 1
    )
    infield = np.vstack([home - (0.15 * side, 0), arc])
    patch = canvas.patch([placed(out, x, y, angle)])
    if patch is None:
        return 0
    turf, sand = pick(rng, TURF), pick(rng, _SAND)
    canvas.paint(patch, canvas.speckle(patch, turf, 0.07), number=0, semantic=nature.SEMANTIC_GRASS)
    dirt = canvas.patch(
        [placed(infield, x, y, angle), placed(circle(0, 0, 0.18 * side, 16), x, y, angle)]
    )
    if dirt is None:
        return 0
    number = canvas.new_id("baseball diamond", colour=colour_name(sand))
    canvas.paint(dirt, canvas.speckle(dirt, sand, 0.06), number=number, semantic=SEMANTIC_SPORT)
    half = side / np.sqrt(2)
    square = np.array([[0.12, 0], [1, 0.88], [1.88, 0], [1, -0.88]]) * half
    if rng.random() < 0.7:
        grass = canvas.patch([placed(square, x, y, angle)])
        if grass is not None:
            canvas.paint(grass, canvas.speckle(grass, turf, 0.06), number=None)
        mound = canvas.patch([placed(circle(half, 0, 2.6, 16), x, y, angle)])
        canvas.paint(mound, sand, number=None)
    base = [
        rectangle(u, v, 0.6, 0.6) for u, v in ((0, 0), (half, half), (2 * half, 0), (half, -half))
    ]
    canvas.paint(
        canvas.patch([placed(ring, x, y, angle) for ring in base]),
        np.full(3, 235, np.float32),
        number=None,
    )
    foul = [np.stack([np.zeros(2), np.array([2.4 * side, s * 2.4 * side])]) for s in (-1, 1)]
    _draw(canvas, foul, x, y, angle)
    return number


def playground(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """Sand, bark or coloured rubber with swings, slides and a carousel."""
    rng = canvas.rng
    radius = rng.uniform(5, 13)
    ring = placed(
        circle(0, 0, radius, 20, 1 + 0.14 * np.sin(np.linspace(0, 9.4, 20))) * (1, 0.75),
        x,
        y,
        angle,
    )
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    tone = pick(rng, (*_SAND, (168, 90, 70), (80, 120, 150), (130, 104, 80)))
    number = canvas.new_id("playground", colour=colour_name(tone))
    canvas.paint(patch, canvas.speckle(patch, tone, 0.07), number=number, semantic=0)
    bright = (
        (210, 60, 50),
        (50, 100, 190),
        (230, 190, 50),
        (60, 150, 80),
        (220, 120, 40),
        (200, 200, 200),
    )
    for _ in range(int(rng.integers(4, 12))):
        at = placed(rng.uniform(-0.55, 0.55, (1, 2)) * radius, x, y, angle)[0]
        thing = (
            circle(*at, rng.uniform(0.6, 1.8), 12)
            if rng.random() < 0.35
            else rectangle(*at, rng.uniform(1, 5), rng.uniform(0.4, 2), rng.uniform(0, 3))
        )
        canvas.cast_flat_shadow([thing], rng.uniform(0.5, 2.5))
        canvas.paint(canvas.patch([thing]), pick(rng, bright), number=None, above_shadow=True)
    return number


_SPORTS = {
    "running track": (0.14, running_track, (190.0, 110.0)),
    "basketball": (0.18, basketball, (36.0, 24.0)),
    "baseball": (0.16, baseball, (100.0, 110.0)),
    "tennis": (0.18, partial(streets.court, kind="tennis court"), (40.0, 22.0)),
    "pitch": (0.14, partial(streets.court, kind="sport field"), (116.0, 80.0)),
    "playground": (0.2, playground, (34.0, 28.0)),
}


def sports(canvas: Canvas, biome: Biome) -> None:
    """A sports park: courts in rows, a track or a diamond, club house, car park, trees."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    turf = pick(rng, biome.grass)
    ring = rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach)
    nature.surface(canvas, ring, turf, 0.08, nature.SEMANTIC_GRASS)
    canvas.tarmac = pick(rng, ASPHALT)
    path = canvas.new_id("road", surface="paved")
    weights = tuple((name, row[0]) for name, row in _SPORTS.items())
    b = -frame.reach + rng.uniform(0, 30)
    while b < frame.reach:
        what = choose(rng, (*weights, ("club", 0.08), ("parking", 0.1)))
        size = _SPORTS[what][2] if what in _SPORTS else (50.0, 40.0)
        a = -frame.reach + rng.uniform(0, 40)
        while a < frame.reach:
            xy = frame.xy(a + size[0] / 2, b + size[1] / 2)
            if inside(canvas, xy, max(size)):
                _place(canvas, what, xy, frame.angle, size, biome)
            a += size[0] + (rng.uniform(2, 10) if rng.random() < 0.7 else rng.uniform(15, 40))
        b += size[1] + rng.uniform(4, 12)
        if rng.random() < 0.4:
            streets.road(canvas, frame.along_a(b), rng.uniform(2.5, 6), path, canvas.tarmac)
            b += 7
    for _ in range(int(rng.integers(3, 14))):
        at = rng.uniform(0, canvas.side_m, 2)
        col, row = np.minimum((at / canvas.gsd_m).astype(int), canvas.size_px - 1)
        if canvas.instances[row, col] == 0:
            trees.grove(canvas, *at, 4, int(rng.integers(1, 6)), biome)


def _place(
    canvas: Canvas, what: str, xy: np.ndarray, angle: float, size: tuple[float, float], biome: Biome
) -> None:
    rng = canvas.rng
    if what == "club":
        add_building(
            canvas,
            *xy,
            rng.uniform(16, 40),
            rng.uniform(10, 20),
            angle,
            "block",
            height_m=rng.uniform(4, 9),
        )
    elif what == "parking":
        streets.parking(canvas, *xy, 46, 34, angle)
    elif what == "baseball":
        start = xy - 35 * np.array([np.cos(angle), np.sin(angle)])
        baseball(canvas, *start, angle)
    else:
        _SPORTS[what][1](canvas, *xy, angle)
