"""Building sites: earth, a pit or a slab with the first walls, material, machines, a crane."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes import craft, nature
from inference_backend.training.scenes.canvas import Canvas, rectangle, strip
from inference_backend.training.scenes.frame import Plot
from inference_backend.training.scenes.palette import PAVING, Biome, pick

_MATERIAL = (
    (196, 170, 120),
    (170, 90, 66),
    (206, 206, 204),
    (120, 124, 130),
    (90, 110, 150),
    (150, 140, 120),
)
_MACHINE = ((222, 176, 40), (214, 120, 40), (200, 196, 186), (70, 74, 80))


def building_site(canvas: Canvas, block: Plot, biome: Biome) -> None:
    """One site; ground, slab, walls and material are all the site's."""
    rng = canvas.rng
    tone = pick(rng, biome.soil)
    number = nature.surface(
        canvas, block.ring(0.96), tone, 0.12, nature.SEMANTIC_BARE, "construction site"
    )
    if number == 0:
        return
    for _ in range(int(rng.integers(3, 12))):
        line = np.stack(
            [block.at(*rng.uniform(-0.45, 0.45, 2)), block.at(*rng.uniform(-0.45, 0.45, 2))]
        )
        rut = canvas.patch([strip(line, 0.6, side) for side in (-0.9, 0.9)])
        canvas.paint(rut, tone * rng.uniform(0.7, 1.15), number=None, opacity=0.5)
    share = rng.uniform(0.3, 0.7, 2)
    slab = rectangle(*block.at(), block.length * share[0], block.depth * share[1], block.heading)
    patch = canvas.patch([slab])
    if patch is not None:
        pit = rng.random() < 0.35
        ground = tone * 0.7 if pit else pick(rng, PAVING)
        canvas.paint(patch, canvas.speckle(patch, ground, 0.07), number=None)
        _grid_of_walls(canvas, block, share, pit)
    for _ in range(int(rng.integers(3, 16))):
        at = block.at(*rng.uniform(-0.44, 0.44, 2))
        ring = rectangle(
            *at,
            rng.uniform(1.5, 7),
            rng.uniform(0.8, 2.5),
            block.heading + rng.choice([0, np.pi / 2, 0.5]),
        )
        canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 0.7]), 0.55)
        canvas.paint(canvas.patch([ring]), pick(rng, _MATERIAL), number=None)
    for _ in range(int(rng.integers(1, 6))):
        nature.heap(
            canvas, *block.at(*rng.uniform(-0.42, 0.42, 2)), rng.uniform(1.5, 6), biome, number
        )
    for _ in range(int(rng.integers(1, 5))):
        at = block.at(*rng.uniform(-0.44, 0.44, 2))
        if rng.random() < 0.5:
            craft.vehicle(canvas, *at, rng.uniform(0, 6.3), "truck")
        else:
            _digger(canvas, *at)
    if rng.random() < 0.5:
        _tower_crane(canvas, *block.at(*rng.uniform(-0.35, 0.35, 2)))


def _grid_of_walls(canvas: Canvas, block: Plot, share: np.ndarray, pit: bool) -> None:
    """First walls or columns on the slab."""
    rng = canvas.rng
    rings = []
    for _ in range(int(rng.integers(4, 14))):
        u, v = rng.uniform(-0.48, 0.48, 2) * share
        length = rng.uniform(3, 0.3 * block.length + 3)
        rings.append(
            rectangle(*block.at(u, v), length, 0.35, block.heading + rng.choice([0, np.pi / 2]))
        )
    canvas.cast_shadow(rings, rng.uniform(1.0, 3.0))
    tone = pick(rng, PAVING + _MATERIAL)
    canvas.paint(canvas.patch(rings), tone * (0.8 if pit else 1.1), number=None, above_shadow=True)


def _digger(canvas: Canvas, x: float, y: float) -> None:
    """An excavator: tracks, cab, arm. A truck to the truth: a machine on wheels or tracks."""
    rng = canvas.rng
    turn = rng.uniform(0, 6.3)
    c, s = np.cos(turn), np.sin(turn)
    body = rectangle(x, y, 4.2, 2.8, turn)
    arm = rectangle(x + 4.0 * c, y + 4.0 * s, 5.0, 0.6, turn + rng.normal(0, 0.2))
    canvas.cast_shadow([body], 2.6)
    canvas.cast_flat_shadow([arm], 2.5)
    number = canvas.new_id("truck", colour="yellow", kind="excavator")
    tone = pick(rng, _MACHINE)
    patch = canvas.patch([body, arm])
    canvas.paint(patch, tone, number=number, semantic=craft.SEMANTIC_VEHICLE, above_shadow=True)
    canvas.paint(
        canvas.patch([rectangle(x - 0.5 * c, y - 0.5 * s, 2.2, 1.5, turn)]), tone * 0.6, number=None
    )


def _tower_crane(canvas: Canvas, x: float, y: float) -> None:
    """A slewing crane: the jib hides little, its shadow falls far. No id."""
    rng = canvas.rng
    turn, height = rng.uniform(0, 6.3), rng.uniform(18, 40)
    direction = np.array([np.cos(turn), np.sin(turn)])
    mast = np.array([x, y])
    top = mast + canvas.sun.lean_per_m * height
    jib = np.stack([top - 9 * direction, top + rng.uniform(22, 45) * direction])
    canvas.cast_shadow([rectangle(x, y, 1.6, 1.6, turn)], height)
    flat = [strip(jib - top + mast, 1.1)]
    canvas.cast_flat_shadow(flat, height)
    tone = pick(rng, ((224, 178, 50), (206, 70, 50), (214, 214, 210)))
    rings = [strip(jib, 1.0), strip(np.stack([mast, top + 0.01]), 1.4)]
    canvas.paint(canvas.patch(rings), tone, number=0, semantic=0, above_shadow=True, opacity=0.85)
