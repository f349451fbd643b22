"""Motorways with overpasses, and roundabouts."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, trees
from inference_backend.training.scenes.buildings import add_building
from inference_backend.training.scenes.canopy import canopy
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle, strip
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, colour_name, pick
from inference_backend.training.scenes.residential import suburb
from inference_backend.training.scenes.roadway import SEMANTIC_PAVED, SEMANTIC_ROAD, dashes, road
from inference_backend.training.scenes.wild import cover

_FLEET = (("car", 0.72), ("van", 0.1), ("truck", 0.14), ("bus", 0.03), ("motorbike", 0.01))


def carriageway(
    canvas: Canvas, line: np.ndarray, width: float, number: int, tone: np.ndarray, lanes: int
) -> None:
    """One direction of a motorway: hard shoulders, wheel tracks, lane marks, edge lines."""
    rng = canvas.rng
    patch = canvas.patch([strip(line, width)])
    if patch is None:
        return
    canvas.paint(patch, canvas.speckle(patch, tone, 0.04), number=number, semantic=SEMANTIC_ROAD)
    lane = (width - 4.0) / lanes
    middles = (np.arange(lanes) + 0.5 - lanes / 2) * lane
    stain = canvas.patch([strip(line, 0.9, m) for m in middles])
    canvas.paint(
        stain, tone * rng.choice([0.84, 0.92, 1.06]), number=None, opacity=rng.uniform(0.2, 0.8)
    )
    shoulder = canvas.patch([strip(line, 1.7, side * (width / 2 - 0.85)) for side in (-1, 1)])
    canvas.paint(shoulder, tone * rng.uniform(0.85, 1.12), number=None, opacity=0.7)
    if tone.mean() > 135 and canvas.gsd_m < 0.4:
        _joints(canvas, line, width, tone)
    if canvas.gsd_m < 0.7:
        rings = [strip(line, 0.2, side * (width / 2 - 1.9)) for side in (-1, 1)]
        for k in range(1, lanes):
            rings += dashes(canvas, line, (k - lanes / 2) * lane, mark_m=4.0, every_m=12.0)
        white = np.full(3, rng.uniform(200, 240), np.float32)
        canvas.paint(canvas.patch(rings), white, number=None, opacity=rng.uniform(0.35, 0.9))


def _joints(canvas: Canvas, line: np.ndarray, width: float, tone: np.ndarray) -> None:
    """Joints across concrete, every few metres."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    s = np.arange(0, length[-1], canvas.rng.uniform(4.5, 7))
    at = np.stack([np.interp(s, length, line[:, k]) for k in (0, 1)], 1)
    turn = np.arctan2(*(np.gradient(at, axis=0).T[::-1]))
    rings = [
        rectangle(*xy, 0.1, width, angle)
        for xy, angle in zip(at, turn, strict=True)
        if inside(canvas, xy, width)
    ]
    if rings:
        canvas.paint(canvas.patch(rings), tone * 0.7, number=None, opacity=0.5)


def bridge(
    canvas: Canvas, line: np.ndarray, width: float, tone: np.ndarray, height: float = 6.0
) -> int:
    """A road deck above what is painted so far: its shadow, parapets, markings. Returns its id."""
    rng = canvas.rng
    deck = strip(line, width)
    patch = canvas.patch([deck])
    if patch is None:
        return 0
    shift = canvas.sun.shadow_per_m * height
    fallen = canvas.patch([deck + shift * 0.35, deck + shift * 0.7, deck + shift])
    if fallen is not None:
        below = canvas.shadow[fallen.window]
        np.maximum(below, fallen.alpha, out=below)
    number = canvas.new_id("bridge", colour=colour_name(tone), height_m=round(height, 1))
    surface = canvas.speckle(patch, tone, 0.04)
    canvas.paint(patch, surface, number=number, semantic=SEMANTIC_ROAD, above_shadow=True)
    rails = [strip(line, 0.5, side * (width / 2 - 0.25)) for side in (-1, 1)]
    canvas.paint(canvas.patch(rails), np.clip(tone * rng.uniform(1.1, 1.4), 0, 240), number=None)
    if canvas.gsd_m < 0.7:
        rings = dashes(canvas, line, 0.0) + [
            strip(line, 0.18, s * (width / 2 - 1.2)) for s in (-1, 1)
        ]
        canvas.paint(
            canvas.patch(rings),
            np.full(3, 220, np.float32),
            number=None,
            opacity=rng.uniform(0.3, 0.9),
        )
    return number


def drive(canvas: Canvas, frame: Frame, b: float, per_100m: float, turned: bool) -> None:
    """Traffic along the line at `b`."""
    rng = canvas.rng
    for _ in range(rng.poisson(per_100m * 2 * frame.reach / 100)):
        a = rng.uniform(-1, 1) * frame.reach
        xy = frame.xy(a, b)
        if inside(canvas, xy, 8):
            craft.vehicle(
                canvas, *xy, frame.heading(a) + (np.pi if turned else 0), choose(rng, _FLEET)
            )


def verge(canvas: Canvas, biome: Biome, keep_off: np.ndarray, chance: float) -> None:
    """Woods and bushes where nothing was built."""
    rng = canvas.rng
    if rng.random() > chance:
        return
    side = canvas.size_px
    field = 10 * (noise(rng, side, side, "cloud") + rng.uniform(-1.2, 0.5))
    field[keep_off] = -1
    canopy(canvas, cover(canvas, field), biome, rng.uniform(1.4, 4.0), rng.uniform(0.4, 1.0))


def motorway(canvas: Canvas, biome: Biome) -> None:
    """Two carriageways, a strip between, perhaps a bridge across, slip roads, woods and sheds beside."""
    rng = canvas.rng
    frame = Frame(canvas, 2.0)
    lanes = int(rng.integers(2, 6))
    width = lanes * rng.uniform(3.5, 3.9) + 4.0
    gap = rng.uniform(1.0, 3.0) if rng.random() < 0.5 else rng.uniform(4, 14)
    tone = pick(rng, ASPHALT + PAVING[:4])
    canvas.tarmac = tone
    shift = rng.uniform(-0.2, 0.2) * canvas.side_m
    number = canvas.new_id("road", surface="paved", kind="motorway")
    if gap < 3:
        strip_ = canvas.patch([strip(frame.along_a(shift), gap + 1)])
        canvas.paint(strip_, tone * 0.85, number=0, semantic=SEMANTIC_PAVED)
    if rng.random() < 0.6:
        off = (width + gap / 2 + rng.uniform(6, 16)) * rng.choice([-1, 1])
        _slip(canvas, frame, shift + off, number, tone)
    sides = (-1, 1)
    for side in sides:
        b = shift + side * (gap + width) / 2
        carriageway(canvas, frame.along_a(b), width, number, tone * rng.uniform(0.96, 1.04), lanes)
    if gap < 3:
        barrier = strip(frame.along_a(shift), 0.6)
        canvas.cast_flat_shadow([barrier], 0.9)
        canvas.paint(canvas.patch([barrier]), np.clip(tone * 1.3, 0, 235), number=0, semantic=0)
    busy = rng.choice([1.0, 2.5, 5.0])
    for side in sides:
        for k in range(lanes):
            b = shift + side * ((gap + width) / 2 + (k + 0.5 - lanes / 2) * (width - 4) / lanes)
            drive(canvas, frame, b, busy, side > 0)
    _beside(canvas, frame, shift, gap / 2 + width, biome)
    verge(canvas, biome, (canvas.instances > 0) | (canvas.semantic == SEMANTIC_ROAD), 0.8)
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        _overpass(canvas, frame, tone)


def _slip(canvas: Canvas, frame: Frame, b: float, number: int, tone: np.ndarray) -> None:
    """A slip road or a frontage road beside."""
    rng = canvas.rng
    line = frame.along_a(b)
    if rng.random() < 0.6:
        t = np.linspace(0, 1, len(line))[:, None]
        line = line * (1 - t) + frame.along_a(b * 0.6) * t
    road(canvas, line, rng.uniform(5, 8), number, tone)


def _overpass(canvas: Canvas, frame: Frame, tone: np.ndarray) -> None:
    rng = canvas.rng
    a = rng.uniform(-0.3, 0.3) * canvas.side_m
    lean = rng.uniform(-0.5, 0.5)
    b = np.linspace(-frame.reach, frame.reach, 12)
    c, s = np.cos(frame.angle + lean), np.sin(frame.angle + lean)
    middle = frame.xy(a, 0.0)
    line = middle + np.stack([-s * b, c * b], 1)
    width = rng.uniform(8, 22)
    bridge(canvas, line, width, np.clip(tone * rng.uniform(0.85, 1.2), 20, 235), rng.uniform(5, 8))
    for _ in range(rng.poisson(3)):
        k = rng.uniform(-0.6, 0.6) * frame.reach
        lane = rng.choice([-0.22, 0.22]) * width
        xy = middle + k * np.array([-s, c]) + lane * np.array([c, s])
        turn = np.arctan2(c, -s) + (np.pi if lane < 0 else 0)
        craft.vehicle(canvas, *xy, turn, choose(rng, _FLEET))


def _beside(canvas: Canvas, frame: Frame, shift: float, half: float, biome: Biome) -> None:
    """Houses or sheds behind a hedge or a noise barrier."""
    rng = canvas.rng
    style = choose(rng, (("none", 0.4), ("house", 0.35), ("hall", 0.25)))
    if rng.random() < 0.5:
        line = frame.along_a(shift + rng.choice([-1, 1]) * (half + rng.uniform(3, 8)))
        nature.hedge(canvas, line, rng.uniform(2, 6), biome)
    if style == "none":
        return
    for side in (-1, 1):
        for a in np.arange(-frame.reach, frame.reach, 26 if style == "house" else 60):
            xy = frame.xy(a, shift + side * (half + rng.uniform(20, 45)))
            size = (14, 10) if style == "house" else (40, 24)
            if inside(canvas, xy, 30) and rng.random() < 0.75:
                add_building(
                    canvas, *xy, *(np.array(size) * rng.uniform(0.7, 1.1)), frame.angle, style
                )


def roundabout(canvas: Canvas, biome: Biome) -> None:
    """A ring with three to five arms, an island with grass or trees, houses beyond."""
    rng = canvas.rng
    if rng.random() < 0.5:
        suburb(canvas, biome)
    middle = np.array([canvas.side_m, canvas.side_m]) / 2 + rng.normal(0, 0.1 * canvas.side_m, 2)
    outer = float(np.clip(rng.uniform(0.1, 0.25) * canvas.side_m, 11, 38))
    lane = rng.uniform(5, 9) if outer < 20 else rng.uniform(8, 13)
    tone = canvas.tarmac if canvas.tarmac is not None else pick(rng, ASPHALT)
    canvas.tarmac = tone
    number = canvas.new_id("road", surface="paved", kind="roundabout")
    arms = int(rng.integers(3, 6))
    turns = rng.uniform(0, 6.3) + np.arange(arms) * 2 * np.pi / arms + rng.normal(0, 0.12, arms)
    clearing = canvas.patch([circle(*middle, outer + 14, 40)])
    if clearing is not None:
        canvas.shadow[clearing.window] *= 1 - clearing.alpha
        canvas.paint(
            clearing,
            canvas.speckle(clearing, pick(rng, biome.grass), 0.08),
            number=0,
            semantic=nature.SEMANTIC_GRASS,
        )
    walk = canvas.patch([circle(*middle, outer + 3, 48)])
    canvas.paint(walk, pick(rng, PAVING), number=0, semantic=SEMANTIC_PAVED)
    width = rng.uniform(7, 12)
    reach = 1.5 * canvas.side_m
    for turn in turns:
        s = np.linspace(outer * 0.7, reach, 24)[:, None]
        bow = (
            0.00005
            * rng.normal()
            * canvas.side_m
            * s**2
            * np.array([[-np.sin(turn), np.cos(turn)]])
            * 0.1
        )
        road(canvas, middle + s * np.array([np.cos(turn), np.sin(turn)]) + bow, width, number, tone)
    ring = canvas.patch([circle(*middle, outer, 64)])
    if ring is not None:
        canvas.shadow[ring.window] *= 1 - ring.alpha
        canvas.paint(ring, canvas.speckle(ring, tone, 0.04), number=number, semantic=SEMANTIC_ROAD)
    _island(canvas, middle, outer - lane, biome)
    _splitters(canvas, middle, outer, turns, biome)
    for _ in range(int(rng.integers(0, 7))):
        at = rng.uniform(0, 6.3)
        xy = middle + (outer - lane / 2) * np.array([np.cos(at), np.sin(at)])
        craft.vehicle(canvas, *xy, at - np.pi / 2, choose(rng, _FLEET))
    for turn in turns:
        for s in np.arange(outer + 8, reach, 1):
            if rng.random() < 0.02:
                xy = (
                    middle
                    + s * np.array([np.cos(turn), np.sin(turn)])
                    + 0.25 * width * np.array([-np.sin(turn), np.cos(turn)])
                )
                if inside(canvas, xy, 6):
                    craft.vehicle(canvas, *xy, turn, choose(rng, _FLEET))


def _island(canvas: Canvas, middle: np.ndarray, radius: float, biome: Biome) -> None:
    rng = canvas.rng
    apron = canvas.patch([circle(*middle, radius + rng.uniform(0.5, 2), 48)])
    canvas.paint(apron, pick(rng, PAVING + ((150, 90, 76),)), number=0, semantic=SEMANTIC_PAVED)
    island = canvas.patch([circle(*middle, radius, 48)])
    if island is None:
        return
    tone = pick(rng, biome.grass + biome.soil[:1])
    canvas.paint(
        island, canvas.speckle(island, tone, 0.08), number=0, semantic=nature.SEMANTIC_GRASS
    )
    trees.grove(canvas, *middle, radius * 0.35, int(rng.integers(0, 9)), biome)


def _splitters(
    canvas: Canvas, middle: np.ndarray, outer: float, turns: np.ndarray, biome: Biome
) -> None:
    """Islands that part the lanes of each arm, and zebra stripes."""
    rng = canvas.rng
    tone = pick(rng, PAVING + biome.grass[:1])
    for turn in turns:
        u = np.array([np.cos(turn), np.sin(turn)])
        v = np.array([-u[1], u[0]])
        base = middle + (outer + 1) * u
        ring = np.stack([base + 1.3 * v, base + 11 * u, base - 1.3 * v])
        canvas.paint(canvas.patch([ring]), tone, number=0, semantic=SEMANTIC_PAVED)
        if rng.random() < 0.5 and canvas.gsd_m < 0.5:
            at = base + 5.5 * u
            rings = [rectangle(*(at + k * v), 3.0, 0.5, turn) for k in (-4, -3, -2, 2, 3, 4)]
            canvas.paint(canvas.patch(rings), np.full(3, 220, np.float32), number=None, opacity=0.7)
