"""Ground, fields, trees, hedges and water."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle, rectangle, strip
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import FIELD, WATER, Biome, colour_name, pick

SEMANTIC_TREE, SEMANTIC_WATER, SEMANTIC_FIELD, SEMANTIC_GRASS, SEMANTIC_BARE = 4, 5, 6, 7, 8
_SPRITE_PX = 96


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


def surface(canvas: Canvas, ring: np.ndarray, colour: np.ndarray, amount: float, semantic: int, name: str | None = None, kind: str = "ground") -> int:
    """A polygon of one textured colour on the ground (lawn, bare earth, sand, paving)."""
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    number = canvas.new_id(name, colour=colour_name(colour)) if name else 0
    canvas.paint(patch, canvas.speckle(patch, colour, amount, kind), number=number, semantic=semantic)
    return number


def crop_field(canvas: Canvas, ring: np.ndarray, angle: float, orchard: Biome | None = None) -> int:
    """A field with rows, tramlines and patches, or an orchard of trees in rows."""
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
    value = 1 + rng.uniform(0.02, 0.22) * fade * np.sin(v * np.float32(2 * np.pi / period) + 0.4 * noise(rng, *v.shape, "cloud"))
    value += rng.uniform(0.03, 0.1) * noise(rng, *v.shape, "ground")
    if rng.random() < 0.5:
        value -= 0.15 * (np.abs((v / 18) % 1 - 0.5) < 0.02)
    canvas.paint(patch, colour * value[..., None], number=number, semantic=SEMANTIC_FIELD)
    if orchard is not None:
        low, high = ring.min(0), ring.max(0)
        step = rng.uniform(3.5, 7)
        c, s = np.cos(angle), np.sin(angle)
        reach = np.linalg.norm(high - low) / 2
        for a in np.arange(-reach, reach, step):
            for b in np.arange(-reach, reach, step * 0.8):
                x, y = centre[0] + a * c - b * s, centre[1] + a * s + b * c
                if cv2.pointPolygonTest(ring.astype(np.float32), (float(x), float(y)), True) > 1.5 and rng.random() > 0.06:
                    add_tree(canvas, x, y, step * rng.uniform(0.25, 0.4), orchard)
    return number


@lru_cache(maxsize=1)
def _crowns() -> tuple[np.ndarray, ...]:
    """Crowns (96, 96, 2): coverage and light, lit from +x. Broad-leaved, conifer, palm and bare kinds."""
    rng = np.random.default_rng(11)
    axis = (np.arange(_SPRITE_PX, dtype=np.float32) + 0.5) / _SPRITE_PX * 2.4 - 1.2
    x, y = np.meshgrid(axis, axis)
    theta, radius = np.arctan2(y, x), np.hypot(x, y)
    sprites = []
    for number in range(40):
        kind = ("broad", "broad", "broad", "conifer", "palm", "bare")[number % 6]
        edge = np.full_like(x, 0.92)
        lobes = rng.integers(6, 9) if kind == "palm" else 0
        for k in range(2, 14):
            edge += rng.normal(0, 0.16 / k**0.8) * np.cos(k * theta + rng.uniform(0, 6.3))
        if kind == "palm":
            edge = 0.45 + 0.5 * np.abs(np.cos(lobes * theta / 2 + rng.uniform(0, 6.3)))
        if kind == "conifer":
            edge = 0.85 + 0.08 * np.cos(rng.integers(9, 15) * theta)
        grain = cv2.resize(rng.standard_normal((14, 14)).astype(np.float32), (_SPRITE_PX, _SPRITE_PX), interpolation=cv2.INTER_CUBIC)
        fine = cv2.resize(rng.standard_normal((36, 36)).astype(np.float32), (_SPRITE_PX, _SPRITE_PX), interpolation=cv2.INTER_CUBIC)
        cover = np.clip((edge + 0.09 * grain - radius) * 14, 0, 1)
        if kind == "bare":
            cover *= np.clip(0.4 + 0.5 * fine + 0.2 * grain, 0.05, 0.9)
        relief = np.sqrt(np.clip(1.25 - radius**2, 0.05, None))
        height = relief * (1.0 if kind != "conifer" else 0.4) + 0.13 * grain + 0.05 * fine
        if kind == "conifer":
            height = 1.2 - radius + 0.05 * fine
        slope = np.gradient(height, axis, axis=1)
        light = np.clip(1 - 0.42 * slope + 0.10 * grain + 0.10 * fine, 0.3, 1.75)
        sprites.append(np.dstack([cover, light]).astype(np.float32))
    return tuple(sprites)


def add_tree(canvas: Canvas, x: float, y: float, radius: float, biome: Biome, name: str = "tree") -> int:
    """One crown with its shadow."""
    rng = canvas.rng
    margin = 1.2 * radius
    if not (-margin < x < canvas.side_m + margin and -margin < y < canvas.side_m + margin):
        return 0
    height = radius * rng.uniform(0.8, 2.2)
    shadow_at = np.array([x, y]) + canvas.sun.shadow_per_m * height * 0.6
    stretch = 1 + 0.5 * height / np.tan(canvas.sun.elevation_rad) / (2 * radius)
    sun_angle = float(np.arctan2(canvas.sun.direction[1], canvas.sun.direction[0]))
    wobble = 1 + 0.12 * rng.standard_normal(14)
    ring = circle(0, 0, radius * 0.95, 14, wobble) * (min(stretch, 2.2), 1.0)
    c, s = np.cos(sun_angle), np.sin(sun_angle)
    ring = ring @ np.array([[c, s], [-s, c]]) + shadow_at
    shadow = canvas.patch([ring])
    if shadow is not None:
        below = canvas.shadow[shadow.window]
        np.maximum(below, shadow.alpha * 0.9, out=below)
    side_px = 2 * margin / canvas.gsd_m
    col0, row0 = x / canvas.gsd_m - side_px / 2, y / canvas.gsd_m - side_px / 2
    c0, r0 = max(int(np.floor(col0)), 0), max(int(np.floor(row0)), 0)
    c1 = min(int(np.ceil(col0 + side_px)) + 1, canvas.size_px)
    r1 = min(int(np.ceil(row0 + side_px)) + 1, canvas.size_px)
    if c1 <= c0 or r1 <= r0:
        return 0
    scale = _SPRITE_PX / side_px
    # Inverse map: canvas pixel -> sprite pixel, the lit side turned to the sun.
    half = _SPRITE_PX / 2
    offset = np.array([c0 + 0.5 - x / canvas.gsd_m, r0 + 0.5 - y / canvas.gsd_m])
    turn = np.array([[c, s], [-s, c]]) * scale
    matrix = np.column_stack([turn, turn @ offset + half - 0.5])
    sprites = _crowns()
    sprite = sprites[int(rng.integers(len(sprites)))]
    if rng.random() < 0.5:
        sprite = sprite[::-1]
    if scale > 1.5:
        shrink = max(int(scale), 1)
        small = cv2.resize(sprite, (_SPRITE_PX // shrink, _SPRITE_PX // shrink), interpolation=cv2.INTER_AREA)
        matrix = matrix / shrink
        sprite = small
    drawn = cv2.warpAffine(np.ascontiguousarray(sprite), matrix, (c1 - c0, r1 - r0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    patch = Patch(r0, c0, np.ascontiguousarray(drawn[..., 0]), canvas.gsd_m)
    colour = pick(rng, biome.tree, 14)
    number = canvas.new_id(name, colour=colour_name(colour), height_m=round(float(height), 1))
    canvas.paint(patch, colour * drawn[..., 1:], number=number, semantic=SEMANTIC_TREE, above_shadow=True)
    return number


def grove(canvas: Canvas, x: float, y: float, spread: float, count: int, biome: Biome) -> None:
    """A loose group of trees."""
    for _ in range(count):
        dx, dy = canvas.rng.normal(0, spread, 2)
        add_tree(canvas, x + dx, y + dy, canvas.rng.uniform(1.2, 4.5), biome)


def hedge(canvas: Canvas, line: np.ndarray, width: float, biome: Biome) -> int:
    """A clipped hedge along a polyline."""
    ring = strip(line, width)
    patch = canvas.patch([ring], even_odd=True)
    if patch is None:
        return 0
    canvas.cast_shadow([rectangle(*line.mean(0), 0.1, 0.1)], 0.1)
    colour = pick(canvas.rng, biome.tree)
    number = canvas.new_id("hedge", colour=colour_name(colour))
    canvas.paint(patch, canvas.speckle(patch, colour, 0.15, "grain"), number=number, semantic=SEMANTIC_TREE)
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
    value = 1 + rng.uniform(0.0, 0.12) * noise(rng, rows, cols, "cloud") + rng.uniform(0.0, 0.06) * noise(rng, rows, cols, "grain")
    canvas.paint(patch, colour * value[..., None], number=number, semantic=SEMANTIC_WATER)
    return number


def pool(canvas: Canvas, x: float, y: float, angle: float) -> int:
    """A swimming pool on a deck."""
    rng = canvas.rng
    length = rng.uniform(4, 12)
    width = length * rng.uniform(0.4, 0.7)
    deck = rectangle(x, y, length + 3, width + 3, angle)
    surface(canvas, deck, np.array([200, 194, 182], np.float32) * rng.uniform(0.75, 1.1), 0.04, SEMANTIC_BARE)
    if rng.random() < 0.4:
        ring = circle(0, 0, 0.5, 20, 1 + 0.15 * np.sin(np.linspace(0, 4 * np.pi, 20) + rng.uniform(0, 6)))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        ring = (ring * (length, width)) @ turn + (x, y)
    else:
        ring = rectangle(x, y, length, width, angle)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    colour = np.array([[92, 190, 208], [70, 160, 190], [110, 196, 190], [60, 120, 130]][int(rng.integers(4))], np.float32)
    number = canvas.new_id("pool", colour=colour_name(colour))
    canvas.paint(patch, canvas.speckle(patch, colour * rng.uniform(0.8, 1.1), 0.05), number=number, semantic=SEMANTIC_WATER)
    return number
