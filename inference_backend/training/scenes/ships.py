"""Ships: long hulls with what they carry and the house of the crew."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, circle, placed, strip
from inference_backend.training.scenes.craft import SEMANTIC_BOAT
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.noise import cell_value, noise
from inference_backend.training.scenes.palette import colour_name, pick

_DECKS = (
    (140, 62, 50),
    (96, 110, 100),
    (120, 124, 128),
    (70, 100, 84),
    (150, 90, 66),
    (84, 92, 104),
)
_BOXES = np.array(
    [(160, 60, 48), (48, 86, 140), (62, 110, 84), (198, 198, 194), (196, 130, 52), (120, 72, 60)],
    np.float32,
)
_LENGTHS = {
    "container ship": (90, 260),
    "tanker": (70, 220),
    "bulk carrier": (80, 220),
    "ferry": (25, 120),
    "barge": (30, 80),
    "trawler": (15, 40),
}
_SORTS = (
    ("container ship", 0.2),
    ("tanker", 0.2),
    ("bulk carrier", 0.15),
    ("ferry", 0.2),
    ("barge", 0.1),
    ("trawler", 0.15),
)


def ship(
    canvas: Canvas,
    x: float,
    y: float,
    angle: float,
    kind: str | None = None,
    length: float | None = None,
    wake: bool = False,
) -> int:
    """One ship with its bow along `angle`."""
    rng = canvas.rng
    kind = kind or choose(rng, _SORTS)
    length = length or rng.uniform(*_LENGTHS[kind])
    beam = length * rng.uniform(0.13, 0.17) if length > 50 else length * rng.uniform(0.2, 0.27)
    hull = _hull(kind, length, beam)
    patch = canvas.patch([placed(hull, x, y, angle)])
    if patch is None:
        return 0
    if wake:
        _wake(canvas, x, y, angle, length, beam)
    height = 0.03 * length + 2
    canvas.cast_shadow([placed(hull, x, y, angle)], height, 0.7)
    deck = pick(rng, _DECKS) if kind != "ferry" else np.full(3, rng.uniform(190, 235), np.float32)
    number = canvas.new_id("ship", colour=colour_name(deck), kind=kind, length_m=round(length, 1))
    rim = deck * rng.choice([0.5, 1.35])
    canvas.paint(
        patch, np.clip(rim, 15, 240), number=number, semantic=SEMANTIC_BOAT, above_shadow=True
    )
    inner = canvas.patch([placed(hull * (0.97, 0.88), x, y, angle)])
    if inner is not None:
        canvas.paint(inner, canvas.speckle(inner, deck, 0.06), number=None)
    _LOADS[kind](canvas, x, y, angle, length, beam)
    return number


def _hull(kind: str, length: float, beam: float) -> np.ndarray:
    if kind == "barge":
        right = np.array([[-0.5, 0.5], [0.46, 0.5], [0.5, 0.4]])
    else:
        right = np.array(
            [
                [-0.5, 0.34],
                [-0.46, 0.45],
                [-0.35, 0.5],
                [0.28, 0.5],
                [0.38, 0.4],
                [0.46, 0.2],
                [0.5, 0.02],
            ]
        )
    return np.vstack([right, (right * (1, -1))[::-1]]) * (length, beam)


def _block(
    canvas: Canvas, at: tuple[float, float, float], box: tuple[float, float, float, float],
    height: float, tone: np.ndarray,
) -> None:  # fmt: skip
    """Something raised on the deck: `box` is u0, u1, v0, v1 in metres of the ship at (x, y, angle)."""
    u0, u1, v0, v1 = box
    ring = placed(np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]]), *at)
    shift = canvas.sun.shadow_per_m * height
    patch = canvas.patch([ring + shift * 0.5, ring + shift])
    if patch is not None:
        patch.alpha *= canvas.semantic[patch.window] == SEMANTIC_BOAT
        canvas.shade(patch, 0.55)
    canvas.paint(canvas.patch([ring]), tone, number=None)


def _house(
    canvas: Canvas, at: tuple[float, float, float], u: float, size: float, beam: float
) -> None:
    """The bridge and its decks, white, with a funnel behind."""
    rng = canvas.rng
    white = np.full(3, rng.uniform(205, 245), np.float32)
    _block(canvas, at, (u - size, u, -0.44 * beam, 0.44 * beam), 4, white * 0.93)
    _block(canvas, at, (u - 0.6 * size, u - 0.05 * size, -0.36 * beam, 0.36 * beam), 5, white)
    _block(canvas, at, (u - 0.25 * size, u - 0.12 * size, -0.5 * beam, 0.5 * beam), 2, white)
    funnel = pick(rng, ((60, 60, 64), (160, 50, 44), (50, 80, 140), (210, 150, 50)))
    _block(canvas, at, (u - 0.9 * size, u - 0.7 * size, -0.09 * beam, 0.09 * beam), 4, funnel)


def _boxes(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    rng = canvas.rng
    at = (x, y, angle)
    bay = rng.choice([6.5, 13.0])
    for u in np.arange(-0.24 * length, 0.36 * length - bay, bay + 1):
        if rng.random() < 0.1:
            continue
        half = 0.44 * beam * (1 if u < 0.22 * length else 0.75)
        ring = placed(np.array([[u, -half], [u + bay, -half], [u + bay, half], [u, half]]), *at)
        patch = canvas.patch([ring])
        if patch is None:
            continue
        lu, lv = patch.local(*at)
        cell = cell_value(np.floor(lv / 2.45), np.full_like(lu, round(u)), int(rng.integers(9999)))
        tones = _BOXES[(np.abs(cell) * 40).astype(int) % len(_BOXES)]
        line = 1 - 0.3 * (np.abs((lv / 2.45) % 1 - 0.5) > 0.44)
        canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 3]), 0.7)
        canvas.paint(patch, tones * (line * rng.uniform(0.8, 1.1))[..., None], number=None)
    _house(canvas, at, -0.3 * length, 0.1 * length, beam)


def _hatches(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    at, tone = (x, y, angle), pick(canvas.rng, _DECKS + ((170, 160, 140),))
    count = int(canvas.rng.integers(3, 8))
    step = 0.6 * length / count
    for k in range(count):
        u = -0.24 * length + k * step
        _block(canvas, at, (u, u + 0.7 * step, -0.3 * beam, 0.3 * beam), 1.5, tone)
    _house(canvas, at, -0.3 * length, 0.1 * length, beam)


def _pipes(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    at = (x, y, angle)
    lines = [
        strip(np.array([[-0.25, v], [0.38, v]]) * (length, beam), 0.5) for v in (-0.06, 0.0, 0.07)
    ]
    lines.append(strip(np.array([[0.05, -0.42], [0.05, 0.42]]) * (length, beam), 1.2))
    tone = np.full(3, canvas.rng.uniform(110, 190), np.float32)
    canvas.paint(canvas.patch([placed(ring, *at) for ring in lines]), tone, number=None)
    domes = [
        placed(circle(u * length, 0.27 * s * beam, 0.9, 8), *at)
        for u in (-0.1, 0.2)
        for s in (-1, 1)
    ]
    canvas.paint(canvas.patch(domes), tone * 1.2, number=None)
    _house(canvas, at, -0.3 * length, 0.1 * length, beam)


def _cabin(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    at, rng = (x, y, angle), canvas.rng
    white = np.full(3, rng.uniform(205, 245), np.float32)
    _block(canvas, at, (-0.42 * length, 0.3 * length, -0.4 * beam, 0.4 * beam), 3, white)
    _block(canvas, at, (-0.2 * length, 0.22 * length, -0.3 * beam, 0.3 * beam), 3, white * 0.95)
    tone = pick(rng, _DECKS)
    _block(canvas, at, (-0.16 * length, -0.05 * length, -0.12 * beam, 0.12 * beam), 3, tone)


def _cargo(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    at = (x, y, angle)
    load = pick(canvas.rng, ((60, 58, 56), (170, 150, 116), (120, 110, 100), (150, 90, 70)))
    _block(canvas, at, (-0.4 * length, 0.42 * length, -0.36 * beam, 0.36 * beam), 1, load)


def _gear(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    at, rng = (x, y, angle), canvas.rng
    u = rng.choice([-0.2, 0.25]) * length
    white = np.full(3, rng.uniform(190, 245), np.float32)
    _block(canvas, at, (u - 0.12 * length, u + 0.1 * length, -0.3 * beam, 0.3 * beam), 3, white)
    _block(
        canvas, at, (-0.4 * length, -0.3 * length, -0.25 * beam, 0.25 * beam), 1, pick(rng, _DECKS)
    )


_LOADS = {
    "container ship": _boxes,
    "tanker": _pipes,
    "bulk carrier": _hatches,
    "ferry": _cabin,
    "barge": _cargo,
    "trawler": _gear,
}


def _wake(canvas: Canvas, x: float, y: float, angle: float, length: float, beam: float) -> None:
    """Foam behind a ship under way."""
    reach = canvas.rng.uniform(0.8, 2.5) * length
    ring = np.array([[0.5 * length, 0], [-0.5 * length, 0.6 * beam], [-reach, beam * 1.3]])
    ring = np.vstack([ring, (ring * (1, -1))[::-1]])
    patch = canvas.patch([placed(ring, x, y, angle)])
    if patch is None:
        return
    u, _ = patch.local(x, y, angle)
    foam = 0.55 + 0.35 * noise(canvas.rng, *u.shape, "grain")
    patch.alpha *= np.clip(foam * (1 + (u + 0.5 * length) / reach), 0, 0.8)
    canvas.paint(patch, np.array([214, 224, 226], np.float32), number=None)
