"""Ground, fields, trees, hedges and water."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, circle, placed, rectangle, strip
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import FIELD, WATER, Biome, colour_name, pick
from inference_backend.training.scenes.trees import SEMANTIC_TREE

_EARTH = ((150, 126, 96), (128, 108, 86), (104, 92, 80), (168, 148, 122), (140, 116, 96))
SEMANTIC_WATER, SEMANTIC_FIELD, SEMANTIC_GRASS, SEMANTIC_BARE = 5, 6, 7, 8


def ground(canvas: Canvas, biome: Biome) -> None:
    """Grass and soil mixed by noise over the whole canvas; no ids."""
    rng = canvas.rng
    side = canvas.size_px
    grass, soil = pick(rng, biome.grass), pick(rng, biome.soil)
    field = noise(rng, side, side, "ground") + (biome.lushness - 0.5) * 3 + rng.normal(0, 0.4)
    share = np.clip(field * rng.uniform(0.8, 2.5) + 0.5, 0, 1)[..., None]
    value = 1 + rng.uniform(0.03, 0.10) * noise(rng, side, side, "ground")
    value += rng.uniform(0.0, 0.06) * noise(rng, side, side, "grain")
    canvas.rgb[:] = (grass * share + soil * (1 - share)) * value[..., None]
    canvas.semantic[:] = np.where(share[..., 0] > 0.5, SEMANTIC_GRASS, SEMANTIC_BARE)


def clutter(canvas: Canvas, biome: Biome) -> None:
    """Shrubs, tufts, stones and worn patches on open ground, by thresholds of noise: no ids."""
    rng = canvas.rng
    side = canvas.size_px
    for _ in range(int(rng.integers(1, 4))):
        where = noise(rng, side, side, "ground") + 0.8 * noise(rng, side, side, "cloud")
        cover = np.clip((where - rng.uniform(0.8, 2.2)) * rng.uniform(1.5, 6), 0, 1)[..., None]
        tone = pick(rng, biome.tree if rng.random() < 0.5 else biome.soil + biome.grass)
        value = 1 + rng.uniform(0.1, 0.3) * noise(rng, side, side, "grain")
        canvas.rgb += (
            cover * (tone * value[..., None] - canvas.rgb) * np.float32(rng.uniform(0.4, 0.95))
        )
    density = rng.choice([0.0, 0.01, 0.03])
    for _ in range(min(int(density * canvas.side_m**2), 600)):
        x, y = rng.uniform(0, canvas.side_m, 2)
        ring = circle(x, y, rng.uniform(0.15, 0.9), 7, rng.uniform(0.6, 1.3, 7))
        canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 0.5]), 0.6)
        canvas.paint(
            canvas.patch([ring]), pick(rng, biome.tree + biome.soil), number=None, opacity=0.9
        )


def weather(canvas: Canvas) -> None:
    """Fine texture over everything, stronger on plants and earth than on roofs and roads."""
    rng = canvas.rng
    side = canvas.size_px
    amount = np.full(32, 0.05, np.float32)
    amount[[SEMANTIC_TREE, SEMANTIC_FIELD, SEMANTIC_GRASS, SEMANTIC_BARE]] = (
        0.16,
        0.09,
        0.10,
        0.09,
    )
    amount[[SEMANTIC_WATER, 2, 9]] = (0.02, 0.025, 0.02)
    strength = amount[canvas.semantic] * np.float32(rng.uniform(0.2, 1.3))
    mix = rng.uniform(0.3, 1.0)
    texture = mix * noise(rng, side, side, "grain") + (1 - mix) * noise(rng, side, side, "ground")
    canvas.rgb *= np.clip(1 + strength * texture, 0.3, 1.9)[..., None]


def surface(
    canvas: Canvas,
    ring: np.ndarray,
    colour: np.ndarray,
    amount: float,
    semantic: int,
    name: str | None = None,
    kind: str = "ground",
) -> int:
    """A polygon of one textured colour on the ground (lawn, bare earth, sand, paving)."""
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    number = canvas.new_id(name, colour=colour_name(colour)) if name else 0
    canvas.paint(
        patch, canvas.speckle(patch, colour, amount, kind), number=number, semantic=semantic
    )
    return number


def crop_field(canvas: Canvas, ring: np.ndarray, angle: float) -> int:
    """A field with rows, tramlines and patches."""
    rng = canvas.rng
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    colour = pick(rng, FIELD)
    number = canvas.new_id("field", colour=colour_name(colour))
    centre = ring.mean(0)
    u, v = patch.local(*centre, angle)
    period = rng.choice([0.5, 0.75, 1.2, 2.0, 3.0])
    fade = float(np.clip(period / canvas.gsd_m / 2 - 0.6, 0, 1))
    wave = np.sin(v * np.float32(2 * np.pi / period) + 0.4 * noise(rng, *v.shape, "cloud"))
    value = 1 + rng.uniform(0.02, 0.22) * fade * wave
    if rng.random() < 0.4:
        # Rows of plants with earth between them.
        leaf = np.clip(0.5 + fade * wave * rng.uniform(0.3, 0.9), 0, 1)[..., None]
        colour = pick(rng, FIELD[1:9:2]) * leaf + pick(rng, _EARTH) * (1 - leaf)
    value += rng.uniform(0.03, 0.1) * noise(rng, *v.shape, "ground")
    if rng.random() < 0.5:
        value -= 0.15 * (np.abs((v / 18) % 1 - 0.5) < 0.02)
    canvas.paint(patch, colour * value[..., None], number=number, semantic=SEMANTIC_FIELD)
    return number


def hedge(canvas: Canvas, line: np.ndarray, width: float, biome: Biome) -> int:
    """A clipped hedge along a polyline."""
    ring = strip(line, width)
    patch = canvas.patch([ring], even_odd=True)
    if patch is None:
        return 0
    canvas.cast_shadow([rectangle(*line.mean(0), 0.1, 0.1)], 0.1)
    colour = pick(canvas.rng, biome.tree)
    number = canvas.new_id("hedge", colour=colour_name(colour))
    canvas.paint(
        patch, canvas.speckle(patch, colour, 0.15, "grain"), number=number, semantic=SEMANTIC_TREE
    )
    return number


def water_body(canvas: Canvas, ring: np.ndarray, name: str, biome: Biome) -> int:
    """A lake, a river or a basin with a bank and ripples."""
    rng = canvas.rng
    patch = canvas.patch([ring], even_odd=True)
    if patch is None:
        return 0
    colour = pick(rng, WATER)
    bank = pick(rng, biome.soil)
    centre = ring.mean(0)
    wide = canvas.patch([centre + (ring - centre) * 1.04], even_odd=True)
    if wide is not None and rng.random() < 0.7:
        canvas.paint(wide, canvas.speckle(wide, bank, 0.08), number=0, semantic=SEMANTIC_BARE)
    number = canvas.new_id(name, colour=colour_name(colour))
    rows, cols = patch.alpha.shape
    value = (
        1
        + rng.uniform(0.0, 0.12) * noise(rng, rows, cols, "cloud")
        + rng.uniform(0.0, 0.06) * noise(rng, rows, cols, "grain")
    )
    canvas.paint(patch, colour * value[..., None], number=number, semantic=SEMANTIC_WATER)
    return number


def heap(canvas: Canvas, x: float, y: float, radius: float, biome: Biome, number: int = 0) -> None:
    """A heap of earth or sand, lit from the sun's side; part of the object `number`."""
    rng = canvas.rng
    ring = circle(x, y, radius, 16, rng.uniform(0.75, 1.2, 16))
    patch = canvas.patch([ring])
    if patch is None:
        return
    canvas.cast_shadow([ring], 0.4 * radius, 0.6)
    u, v = patch.local(x, y, 0.0)
    sun = canvas.sun.direction
    light = 1 + 0.35 * np.clip((u * sun[0] + v * sun[1]) / radius, -1, 1)
    colour = canvas.speckle(patch, pick(rng, biome.soil), 0.10) * light[..., None]
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BARE, above_shadow=True)


def pool(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A swimming pool on a deck."""
    rng = canvas.rng
    length = rng.uniform(4, 12)
    width = length * rng.uniform(0.4, 0.7)
    deck = rectangle(x, y, length + 3, width + 3, angle)
    surface(
        canvas,
        deck,
        np.array([200, 194, 182], np.float32) * rng.uniform(0.75, 1.1),
        0.04,
        SEMANTIC_BARE,
    )
    form = rng.random()
    theta = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    if form < 0.25:
        wobble = 1 + 0.15 * np.sin(2 * theta + rng.uniform(0, 6))
        ring = placed(circle(0, 0, 0.5, 28, wobble) * (length, width), x, y, angle)
    elif form < 0.4:
        # A kidney: drawn in on one side.
        wobble = 1 - rng.uniform(0.25, 0.45) * np.exp(-((theta - np.pi / 2) ** 2) / 0.5)
        ring = placed(circle(0, 0, 0.5, 28, wobble) * (length, width * 1.15), x, y, angle)
    elif form < 0.47:
        ring = circle(x, y, width / 2, 28)
    else:
        ring = rectangle(x, y, length, width, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    colour = np.array(
        [[92, 190, 208], [70, 160, 190], [110, 196, 190], [60, 120, 130]][int(rng.integers(4))],
        np.float32,
    )
    number = canvas.new_id("pool", colour=colour_name(colour))
    canvas.paint(
        patch,
        canvas.speckle(patch, colour * rng.uniform(0.8, 1.1), 0.05),
        number=number,
        semantic=SEMANTIC_WATER,
    )
    return number
