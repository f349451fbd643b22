"""Roads as they look from above: pavement, surface with wear and repairs, kerbs, markings, crossings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle, rectangle, strip
from inference_backend.training.scenes.noise import cell_value, noise
from inference_backend.training.scenes.palette import PAVING, pick

SEMANTIC_ROAD, SEMANTIC_PAVED = 3, 10


@dataclass(frozen=True)
class Road:
    """One road: axis (N, 2) in metres, and how it was built and marked."""

    line: np.ndarray
    width: float
    colour: np.ndarray
    unpaved: bool
    concrete: bool
    walk_m: float  # pavement on both sides together, 0 where there is none
    walk: np.ndarray
    paint: np.ndarray | None  # the colour of markings
    fresh: float  # how much of them is left, 0..1
    wear: float


def plan_road(
    canvas: Canvas, line: np.ndarray, width: float, colour: np.ndarray, unpaved: bool = False
) -> Road:
    """Draw by chance what the road has beside and on it."""
    rng = canvas.rng
    marking = np.full(3, rng.uniform(185, 240), np.float32)
    if rng.random() < 0.3:
        marking = marking * np.array([1.0, 0.85, 0.35], np.float32)
    # Pavements are often of the road's own grey.
    walk = colour * rng.uniform(0.9, 1.25) if rng.random() < 0.4 else pick(rng, PAVING)
    return Road(
        line,
        width,
        np.clip(colour * rng.uniform(0.93, 1.07), 10, 250),
        unpaved,
        bool(rng.random() < 0.15) and not unpaved,
        float(rng.uniform(1.5, 5)) if rng.random() < 0.6 and not unpaved else 0.0,
        walk,
        marking if rng.random() < 0.65 and not unpaved else None,
        float(rng.uniform(0.3, 0.95)),
        float(rng.uniform(0.2, 1.0)),
    )


def road(
    canvas: Canvas,
    line: np.ndarray,
    width: float,
    number: int,
    colour: np.ndarray,
    *,
    unpaved: bool = False,
) -> None:
    """One road on its own. `number` is the network's id."""
    network(canvas, [plan_road(canvas, line, width, colour, unpaved)], number)


def network(canvas: Canvas, roads: list[Road], number: int) -> None:
    """Roads that cross: pavements below, then surfaces, then markings, so that none cuts another."""
    for each in roads:
        if each.walk_m:
            _walk(canvas, each)
    for each in roads:
        _surface(canvas, each, number)
    for each in roads:
        if each.paint is not None and canvas.gsd_m < 0.6:
            _markings(canvas, each)


def _walk(canvas: Canvas, road_: Road) -> None:
    patch = canvas.patch([strip(road_.line, road_.width + road_.walk_m)])
    if patch is not None:
        tone = canvas.speckle(patch, road_.walk, 0.04)
        canvas.paint(patch, tone, number=0, semantic=SEMANTIC_PAVED)


def _surface(canvas: Canvas, road_: Road, number: int) -> None:
    rng = canvas.rng
    patch = canvas.patch([strip(road_.line, road_.width)])
    if patch is None:
        return
    amount = 0.10 if road_.unpaved else rng.uniform(0.025, 0.07)
    colour = canvas.speckle(patch, road_.colour, amount)
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_ROAD)
    if road_.unpaved:
        tone = road_.colour * rng.uniform(0.8, 1.15)
        tracks = [
            strip(road_.line, road_.width * 0.15, side * road_.width) for side in (-0.22, 0.22)
        ]
        canvas.paint(canvas.patch(tracks), tone, number=None, opacity=0.5)
        return
    _wear(canvas, road_)
    if canvas.gsd_m < 0.35 and rng.random() < 0.5:
        kerb = np.clip(road_.walk * rng.uniform(0.85, 1.2), 20, 245)
        edges = [strip(road_.line, 0.3, side * (road_.width - 0.3)) for side in (-0.5, 0.5)]
        canvas.paint(canvas.patch(edges), kerb, number=None, opacity=rng.uniform(0.3, 0.9))


def _wear(canvas: Canvas, road_: Road) -> None:
    """Wheel tracks, repairs, cracks, joints and manholes."""
    rng = canvas.rng
    lanes = max(1, round(road_.width / 3.4))
    middles = ((np.arange(lanes) + 0.5) / lanes - 0.5) * road_.width
    tracks = [strip(road_.line, 0.7, m + side) for m in middles for side in (-0.8, 0.8)]
    tone = road_.colour * rng.choice([0.88, 0.94, 1.06])
    canvas.paint(canvas.patch(tracks), tone, number=None, opacity=0.6 * road_.wear)
    at, heading = _stations(road_.line, canvas)
    if not len(at) or canvas.gsd_m > 0.6:
        return
    for _ in range(min(rng.poisson(0.012 * len(at) * road_.wear), 6)):
        i = int(rng.integers(len(at)))
        off = rng.uniform(-0.4, 0.4) * road_.width
        size = (rng.uniform(1, 14), min(rng.uniform(0.6, 3.4), road_.width / 2))
        x, y = at[i] + off * np.array([-np.sin(heading[i]), np.cos(heading[i])])
        repair = canvas.patch([rectangle(x, y, *size, heading[i])])
        canvas.shade(_on_road(canvas, repair), rng.choice([0.8, 0.88, 1.08]))
    if canvas.gsd_m < 0.35:
        rings = _cracks(rng, road_, at, heading)
        if road_.concrete:
            every = int(rng.integers(4, 7))
            rings += [
                rectangle(*xy, 0.08, road_.width, turn)
                for xy, turn in zip(at[::every], heading[::every], strict=True)
            ]
        for _ in range(rng.poisson(0.01 * len(at))):
            i = int(rng.integers(len(at)))
            rings.append(circle(*(at[i] + rng.normal(0, road_.width / 6, 2)), 0.4, 8))
        if rings:
            canvas.shade(_on_road(canvas, canvas.patch(rings)), rng.uniform(0.55, 0.85))


def _cracks(
    rng: np.random.Generator, road_: Road, at: np.ndarray, heading: np.ndarray
) -> list[np.ndarray]:
    rings = []
    if rng.random() < 0.4:
        rings.append(strip(road_.line, 0.1, rng.normal(0, 0.1)))
    for _ in range(rng.poisson(0.04 * len(at) * road_.wear)):
        i = int(rng.integers(len(at)))
        steps = int(rng.integers(3, 9))
        turn = heading[i] + rng.choice([0, np.pi / 2]) + np.cumsum(rng.normal(0, 0.35, steps))
        moves = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.4, 1.3, (steps, 1))
        start = at[i] + rng.normal(0, road_.width / 5, 2)
        rings.append(strip(start + np.cumsum(moves, 0), rng.uniform(0.05, 0.12)))
    return rings


def _on_road(canvas: Canvas, patch: Patch | None) -> Patch | None:
    if patch is not None:
        patch.alpha *= canvas.semantic[patch.window] == SEMANTIC_ROAD
    return patch


def _stations(line: np.ndarray, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """A place (N, 2) and heading (N,) at every metre of the line that is on the canvas."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    s = np.arange(0.5, length[-1], 1.0)
    at = np.stack([np.interp(s, length, line[:, k]) for k in (0, 1)], 1)
    tangent = np.gradient(at, axis=0) if len(at) > 1 else np.ones_like(at)
    heading = np.arctan2(tangent[:, 1], tangent[:, 0])
    seen = ((at > 0) & (at < canvas.side_m)).all(1)
    return at[seen], heading[seen]


def _markings(canvas: Canvas, road_: Road) -> None:
    rng = canvas.rng
    rings: list[np.ndarray] = []
    if road_.width > 5:
        lanes = max(2, int(road_.width / 3.4))
        for lane in range(1, lanes):
            solid = lanes > 2 and lane == lanes // 2
            rings += dashes(canvas, road_.line, (lane / lanes - 0.5) * road_.width, solid)
        if rng.random() < 0.5:
            rings += [strip(road_.line, 0.15, side * (road_.width - 0.8)) for side in (-0.5, 0.5)]
    if rings:
        patch = _on_road(canvas, canvas.patch(rings))
        rows, cols = patch.alpha.shape if patch is not None else (1, 1)
        worn = np.clip(road_.fresh + 0.25 * noise(rng, rows, cols, "ground"), 0.05, 1)
        if patch is not None:
            patch.alpha *= worn
            canvas.paint(patch, road_.paint, number=None)


def dashes(
    canvas: Canvas,
    line: np.ndarray,
    offset: float,
    solid: bool = False,
    *,
    mark_m: float = 3.0,
    every_m: float = 9.0,
    width_m: float = 0.16,
) -> list[np.ndarray]:
    """Rings of a line beside the axis `line`, broken unless `solid`."""
    if solid:
        return [strip(line, 0.2, offset)]
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    rings = []
    for start in np.arange(0, length[-1] - mark_m, every_m):
        at = np.array([start, start + mark_m])
        piece = np.stack([np.interp(at, length, line[:, k]) for k in (0, 1)], 1)
        if (piece.max(0) > 0).all() and (piece.min(0) < canvas.side_m).all():
            rings.append(strip(piece, width_m, offset))
    return rings


def crossing(canvas: Canvas, xy: np.ndarray, angle: float, wide: float, deep: float) -> None:
    """Where two streets meet: bare surface with rounded corners, perhaps zebra stripes."""
    rng = canvas.rng
    patch = _on_road(canvas, canvas.patch([rectangle(*xy, wide, deep, angle)]))
    if patch is None:
        return
    inside = patch.alpha > 0.99
    if inside.any():
        # The colour that is there already, without its markings.
        tone = np.median(canvas.rgb[patch.window][inside], axis=0)
        canvas.paint(patch, canvas.speckle(patch, tone, 0.04), number=None)
    if canvas.gsd_m > 0.45 or rng.random() < 0.5:
        return
    rings = []
    for turn, reach, across in ((0.0, wide, deep), (np.pi / 2, deep, wide)):
        u = np.array([np.cos(angle + turn), np.sin(angle + turn)])
        v = np.array([-u[1], u[0]])
        for side in (-1, 1):
            if rng.random() < 0.6:
                for at in np.arange(-across / 2 + 0.5, across / 2, 1.0):
                    middle = xy + side * (reach / 2 + 1.6) * u + at * v
                    rings.append(rectangle(*middle, 2.6, 0.45, angle + turn))
    if rings:
        zebra = _on_road(canvas, canvas.patch(rings))
        white = np.full(3, 222, np.float32)
        canvas.paint(zebra, white, number=None, opacity=rng.uniform(0.3, 0.85))


def slabs(
    canvas: Canvas, patch: Patch, colour: np.ndarray, angle: float, size_m: float
) -> np.ndarray:
    """Concrete (rows, cols, 3) cast in squares of `size_m`: each with its own tone, joints between."""
    rng = canvas.rng
    u, v = patch.local(canvas.side_m / 2, canvas.side_m / 2, angle)
    u, v = u / np.float32(size_m), v / np.float32(size_m)
    iu, iv = np.floor(u), np.floor(v)
    value = 1 + rng.uniform(0.005, 0.03) * cell_value(iu, iv, int(rng.integers(9999)))
    edge = np.minimum(np.minimum(u - iu, iu + 1 - u), np.minimum(v - iv, iv + 1 - v)) * size_m
    joint = np.clip(1 - edge / max(0.07, canvas.gsd_m * 0.6), 0, 1)
    value -= joint * min(1.0, 0.12 / canvas.gsd_m) * rng.uniform(0.05, 0.25)
    value += rng.uniform(0.02, 0.06) * noise(rng, *patch.alpha.shape, "ground")
    return colour * value[..., None]
