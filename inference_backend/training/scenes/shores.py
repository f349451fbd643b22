"""Beaches on the sea, and rivers with bends and bridges."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.canopy import canopy, shrubs
from inference_backend.training.scenes.canvas import Canvas, circle, rectangle
from inference_backend.training.scenes.countryside import rural
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, inside
from inference_backend.training.scenes.harbour import water_tone
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import (
    ASPHALT,
    PAVING,
    WATER,
    Biome,
    colour_name,
    pick,
)
from inference_backend.training.scenes.residential import suburb, village
from inference_backend.training.scenes.ships import ship
from inference_backend.training.scenes.transport import bridge
from inference_backend.training.scenes.wild import cover

_SAND = (
    (222, 208, 184),
    (206, 188, 158),
    (232, 222, 206),
    (190, 168, 136),
    (200, 190, 176),
    (170, 156, 136),
)
_DEEP = ((34, 74, 92), (40, 92, 104), (30, 60, 80), (60, 100, 104), (84, 112, 104))
SEMANTIC_BEACH = 15


def beach(canvas: Canvas, biome: Biome) -> None:
    """Sea with surf, wet and dry sand, dunes or a promenade behind."""
    rng = canvas.rng
    side = canvas.size_px
    frame = Frame(canvas, 0.0)
    x, y = canvas.whole().grid()
    c, s = np.cos(frame.angle), np.sin(frame.angle)
    along = (x - frame.middle[0]) * c + (y - frame.middle[1]) * s
    out = (y - frame.middle[1]) * c - (x - frame.middle[0]) * s
    wave = rng.uniform(60, 300)
    bend = rng.uniform(2, 14) * np.sin(along / wave + rng.uniform(0, 6))
    shore = out + bend - rng.uniform(-0.25, 0.25) * canvas.side_m
    ragged = shore + 1.2 * noise(rng, side, side, "cloud")
    width = rng.uniform(12, 70)
    _behind(canvas, biome, frame, shore + width)
    sand = pick(rng, _SAND)
    dry = cover(canvas, shore + width + 2.5 * noise(rng, side, side, "ground"))
    canvas.shadow[:] *= 1 - dry.alpha
    number = canvas.new_id("beach", colour=colour_name(sand))
    tone = 1 + rng.uniform(0.01, 0.05) * noise(rng, side, side, "ground")
    tone += rng.uniform(0.01, 0.04) * noise(rng, side, side, "grain")
    wet = np.clip((shore + rng.uniform(3, 12) + 1.5 * noise(rng, side, side, "cloud")) / 3, 0, 1)
    tone = tone * (1 - rng.uniform(0.15, 0.32) * wet)
    canvas.paint(dry, sand * tone[..., None], number=number, semantic=SEMANTIC_BEACH)
    _people(canvas, frame, shore, width, number)
    _surf(canvas, ragged, along, sand)
    for _ in range(int(rng.integers(0, 4))):
        xy = rng.uniform(0, canvas.side_m, 2)
        row, col = (xy[::-1] / canvas.gsd_m).astype(int)
        if ragged[row, col] > 25:
            craft.boat(canvas, *xy, rng.uniform(0, 6.3))
    if canvas.side_m > 200 and rng.random() < 0.3:
        xy = frame.xy(0.0, 0.35 * canvas.side_m)
        ship(canvas, *xy, rng.uniform(0, 6.3), length=rng.uniform(20, 90), wake=True)


def _surf(canvas: Canvas, out: np.ndarray, along: np.ndarray, sand: np.ndarray) -> None:
    """The sea: shallow near the shore, with bands of foam."""
    rng = canvas.rng
    side = canvas.size_px
    patch = cover(canvas, out)
    deep = pick(rng, _DEEP)
    shallow = 0.55 * deep + 0.45 * np.array([120, 150, 140], np.float32)
    t = np.clip(out / rng.uniform(25, 120), 0, 1)[..., None]
    colour = water_tone(canvas, (side, side), np.ones(3, np.float32)) * (
        shallow * (1 - t) + deep * t
    )
    near = np.exp(-np.clip(out, 0, None) / rng.uniform(2, 8))[..., None]
    colour = colour * (1 - 0.5 * near) + sand * 0.75 * 0.5 * near
    rough = noise(rng, side, side, "ground")
    lines = rng.uniform(9, 26)
    phase = out / lines + 0.35 * noise(rng, side, side, "cloud") + 0.05 * np.sin(along / 15)
    crest = np.clip(1 - np.abs(phase % 1 - 0.25) * rng.uniform(4, 10), 0, 1) * np.exp(
        -np.clip(out, 0, None) / rng.uniform(15, 60)
    )
    foam = np.clip(
        crest * 1.4 + 0.55 * rough * crest + 0.8 * np.exp(-np.abs(out) / 1.2) - 0.25, 0, 1
    )
    churn = np.clip(rough - rng.uniform(0.4, 1.6), 0, 1) * np.exp(-np.clip(out, 0, None) / 30)
    foam = np.clip(foam + churn, 0, 0.95)[..., None]
    colour = colour * (1 - foam) + np.array([226, 232, 232], np.float32) * foam
    number = canvas.new_id("sea", colour=colour_name(deep))
    canvas.paint(patch, colour, number=number, semantic=5)


def _people(canvas: Canvas, frame: Frame, shore: np.ndarray, width: float, number: int) -> None:
    """Parasols, towels and footprints on a busy beach."""
    rng = canvas.rng
    if canvas.gsd_m > 0.5 or rng.random() < 0.4:
        return
    bright = (
        (210, 60, 56),
        (60, 100, 190),
        (236, 230, 220),
        (230, 190, 60),
        (70, 150, 100),
        (220, 120, 60),
    )
    for _ in range(int(rng.choice([15, 60, 200]))):
        at = rng.uniform(0, canvas.side_m, 2)
        row, col = (at[::-1] / canvas.gsd_m).astype(int)
        if -width * 0.85 < shore[row, col] < -4 and canvas.instances[row, col] == number:
            ring = (
                circle(*at, rng.uniform(0.7, 1.5), 8)
                if rng.random() < 0.6
                else rectangle(*at, 1.8, 0.8, rng.uniform(0, 3))
            )
            canvas.cast_flat_shadow([ring], 1.8)
            canvas.paint(canvas.patch([ring]), pick(rng, bright), number=None, above_shadow=True)


def _behind(canvas: Canvas, biome: Biome, frame: Frame, inland: np.ndarray) -> None:
    """What lies behind the sand, where `inland` is negative."""
    rng = canvas.rng
    what = choose(rng, (("dunes", 0.3), ("town", 0.3), ("wood", 0.2), ("meadow", 0.2)))
    if what == "town":
        suburb(canvas, biome)
    elif what == "wood":
        canopy(
            canvas,
            cover(canvas, 10 * (noise(rng, *inland.shape, "cloud") + 0.8)),
            biome,
            rng.uniform(1.6, 4),
            0.8,
        )
    elif what == "dunes":
        shrubs(canvas, None, biome, rng.uniform(200, 1500))
    if rng.random() < 0.5:
        b = np.median(inland - frame_out(canvas, frame))
        line = frame.along_a(-b - rng.uniform(10, 25))
        streets.road(
            canvas,
            line,
            rng.uniform(5, 11),
            canvas.new_id("road", surface="paved"),
            pick(rng, ASPHALT + PAVING),
        )
        for a in np.arange(-frame.reach, frame.reach, 14):
            trees.add_tree(canvas, *frame.xy(a, -b - 5), rng.uniform(1.2, 3), biome)


def frame_out(canvas: Canvas, frame: Frame) -> np.ndarray:
    """(H, W) metres across the frame's axis at every pixel."""
    x, y = canvas.whole().grid()
    c, s = np.cos(frame.angle), np.sin(frame.angle)
    return (y - frame.middle[1]) * c - (x - frame.middle[0]) * s


def river(canvas: Canvas, biome: Biome) -> None:
    """A winding river with sand bars, trees on its banks and bridges."""
    rng = canvas.rng
    side = canvas.size_px
    base = choose(rng, (("rural", 0.3), ("village", 0.2), ("suburb", 0.15), ("open", 0.35)))
    {"rural": rural, "village": village, "suburb": suburb}.get(base, lambda *_: None)(canvas, biome)
    frame = Frame(canvas, 0.0)
    x, y = canvas.whole().grid()
    c, s = np.cos(frame.angle), np.sin(frame.angle)
    along = (x - frame.middle[0]) * c + (y - frame.middle[1]) * s
    out = (y - frame.middle[1]) * c - (x - frame.middle[0]) * s
    waves = [
        (
            rng.uniform(0.03, 0.16) * canvas.side_m / k,
            rng.uniform(0.2, 0.6) * canvas.side_m / k,
            rng.uniform(0, 6.3),
        )
        for k in (1.0, 2.2)
    ]
    bend = sum(h * np.sin(along / w + p) for h, w, p in waves)
    # The width across the current, not across the frame.
    slope = sum(h / w * np.cos(along / w + p) for h, w, p in waves)
    half = float(np.clip(rng.uniform(0.03, 0.14) * canvas.side_m, 2.5, 60))
    across = (out - bend) / np.sqrt(1 + slope**2)
    signed = (
        half * (1 + 0.15 * np.sin(along / (3 * half) + 1))
        - np.abs(across)
        + 0.05 * half * noise(rng, side, side, "ground")
    )
    curve = -sum(h / w**2 * np.sin(along / w + p) for h, w, p in waves)
    inner = np.clip(np.sign(curve) * np.sign(across) * np.abs(curve) * 40 * half, -0.2, 1)
    shore = rng.uniform(0.1, 0.5) * half
    bar = pick(rng, (*biome.soil, *_SAND[:3], (176, 170, 160)))
    banks = cover(canvas, signed + shore * (0.5 + inner))
    canvas.shadow[:] *= 1 - banks.alpha
    canvas.paint(banks, canvas.speckle(banks, bar, 0.09), number=0, semantic=nature.SEMANTIC_BARE)
    tone = pick(rng, WATER + ((110, 120, 96), (132, 122, 92)))
    patch = cover(canvas, signed)
    water = (
        water_tone(canvas, (side, side), tone)
        * (1 + 0.25 * np.clip(1 - signed / (0.4 * half), 0, 1))[..., None]
    )
    number = canvas.new_id("river", colour=colour_name(tone), width_m=round(2 * half, 1))
    canvas.paint(patch, water, number=number, semantic=5)
    if rng.random() < 0.75:
        belt = np.minimum(
            rng.uniform(4, 25) - np.abs(np.abs(across) - half - shore),
            14 * (noise(rng, side, side, "ground") + rng.uniform(-0.6, 0.9)),
        )
        belt[(canvas.instances > 0) & (canvas.semantic != 5) & (canvas.semantic != 7)] = -1
        canopy(canvas, cover(canvas, belt), biome, rng.uniform(1.4, 3.5), rng.uniform(0.4, 0.9))
    if half > 12:
        for _ in range(int(rng.integers(0, 4))):
            a = rng.uniform(-0.5, 0.5) * canvas.side_m
            b = float(sum(h * np.sin(a / w + p) for h, w, p in waves))
            slope_here = float(sum(h / w * np.cos(a / w + p) for h, w, p in waves))
            turn = frame.angle + float(np.arctan(slope_here))
            _afloat(canvas, frame.xy(a, b + rng.uniform(-0.4, 0.4) * half), turn, half)
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        _crossing(canvas, frame, rng.uniform(-0.35, 0.35) * canvas.side_m, half, number)


def _afloat(canvas: Canvas, xy: np.ndarray, turn: float, half: float) -> None:
    """A boat, or a barge where the river is wide, along the current."""
    rng = canvas.rng
    if half > 25 and rng.random() < 0.4:
        ship(canvas, *xy, turn, "barge", rng.uniform(35, 70))
    else:
        craft.boat(canvas, *xy, turn + rng.choice([0, np.pi]))


def _crossing(canvas: Canvas, frame: Frame, a: float, half: float, river_id: int) -> None:
    """A road that crosses on a bridge; the bridge is what lies over the water and a little more."""
    rng = canvas.rng
    lean = rng.normal(0, 0.2)
    c, s = np.cos(frame.angle + lean), np.sin(frame.angle + lean)
    b = np.arange(-frame.reach, frame.reach, 1.0)
    line = frame.xy(a, 0.0) + np.stack([-s * b, c * b], 1)
    tone = pick(rng, ASPHALT + PAVING[:2])
    width = rng.uniform(4, 14)
    px = np.clip((line / canvas.gsd_m).astype(int), 0, canvas.size_px - 1)
    wet = np.flatnonzero(canvas.instances[px[:, 1], px[:, 0]] == river_id)
    keep = np.flatnonzero([inside(canvas, xy, 0) for xy in line])
    wet = np.intersect1d(wet, keep)
    streets.road(canvas, line, width, canvas.new_id("road", surface="paved"), tone)
    if len(wet) < 3:
        return
    first, last = max(wet[0] - 4, 0), min(wet[-1] + 4, len(line) - 1)
    bridge(
        canvas,
        line[first : last + 1],
        width + rng.uniform(0.5, 3),
        np.clip(tone * rng.uniform(0.95, 1.3), 20, 235),
        rng.uniform(3, 8),
    )
    for _ in range(rng.poisson(2)):
        k = int(rng.integers(len(line)))
        craft.vehicle(
            canvas, *(line[k] + 0.25 * width * np.array([c, s])), np.arctan2(c, -s), "car"
        )
