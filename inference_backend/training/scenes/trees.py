"""Tree crowns from a bank of sprites, turned so that their lit side faces the sun."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle
from inference_backend.training.scenes.palette import Biome, colour_name, pick

SEMANTIC_TREE = 4
_SPRITE_PX = 96


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
        grain = cv2.resize(
            rng.standard_normal((14, 14)).astype(np.float32),
            (_SPRITE_PX, _SPRITE_PX),
            interpolation=cv2.INTER_CUBIC,
        )
        fine = cv2.resize(
            rng.standard_normal((36, 36)).astype(np.float32),
            (_SPRITE_PX, _SPRITE_PX),
            interpolation=cv2.INTER_CUBIC,
        )
        cover = np.clip((edge + 0.09 * grain - radius) * 14, 0, 1)
        if kind == "bare":
            cover *= np.clip(0.4 + 0.5 * fine + 0.2 * grain, 0.05, 0.9)
        relief = np.sqrt(np.clip(1.25 - radius**2, 0.05, None))
        height = relief * (1.0 if kind != "conifer" else 0.4) + 0.13 * grain + 0.05 * fine
        if kind == "conifer":
            height = 1.2 - radius + 0.05 * fine
        slope = np.gradient(height, axis, axis=1)
        light = np.clip(1 - 0.42 * slope + 0.12 * grain + 0.16 * fine, 0.25, 1.8)
        sprites.append(np.dstack([cover, light]).astype(np.float32))
    return tuple(sprites)


def add_tree(
    canvas: Canvas,
    x: float,
    y: float,
    radius: float,
    biome: Biome,
    name: str = "tree",
    number: int = 0,
) -> int:
    """One crown with its shadow; `number` adds it to another tree."""
    rng = canvas.rng
    margin = 1.2 * radius
    if not (-margin < x < canvas.side_m + margin and -margin < y < canvas.side_m + margin):
        return 0
    height = radius * rng.uniform(0.8, 2.2)
    _shade_under(canvas, x, y, radius, height)
    drawn = _crown_on(canvas, x, y, margin)
    if drawn is None:
        return 0
    patch, light = drawn
    colour = pick(rng, biome.tree, 14)
    number = number or canvas.new_id(
        name, colour=colour_name(colour), height_m=round(float(height), 1)
    )
    canvas.paint(
        patch, colour * light[..., None], number=number, semantic=SEMANTIC_TREE, above_shadow=True
    )
    return number


def _sun_turn(canvas: Canvas) -> np.ndarray:
    """Rotation (2, 2), for row vectors, that takes +x to the direction of the sun."""
    c, s = canvas.sun.direction
    return np.array([[c, s], [-s, c]])


def _shade_under(canvas: Canvas, x: float, y: float, radius: float, height: float) -> None:
    """An uneven ellipse on the ground, drawn out away from the sun."""
    middle = np.array([x, y]) + canvas.sun.shadow_per_m * height * 0.6
    stretch = 1 + 0.5 * height / np.tan(canvas.sun.elevation_rad) / (2 * radius)
    ring = circle(0, 0, radius * 0.95, 14, 1 + 0.12 * canvas.rng.standard_normal(14))
    patch = canvas.patch([(ring * (min(stretch, 2.2), 1.0)) @ _sun_turn(canvas) + middle])
    if patch is not None:
        below = canvas.shadow[patch.window]
        np.maximum(below, patch.alpha * 0.9, out=below)


def _crown_on(canvas: Canvas, x: float, y: float, margin: float) -> tuple[Patch, np.ndarray] | None:
    """A sprite on the canvas's pixels: its coverage, and its light (rows, cols)."""
    rng = canvas.rng
    middle = np.array([x, y]) / canvas.gsd_m
    side_px = 2 * margin / canvas.gsd_m
    col0, row0 = np.maximum(np.floor(middle - side_px / 2).astype(int), 0)
    col1, row1 = np.minimum(np.ceil(middle + side_px / 2).astype(int) + 1, canvas.size_px)
    if col1 <= col0 or row1 <= row0:
        return None
    sprites = _crowns()
    sprite = sprites[int(rng.integers(len(sprites)))]
    if rng.random() < 0.5:
        sprite = sprite[::-1]
    # Shrunk first where the crown is small: warping alone would skip most of its pixels.
    shrink = max(int(_SPRITE_PX / side_px), 1)
    small_px = max(_SPRITE_PX // shrink, 2)
    if shrink > 1:
        sprite = cv2.resize(sprite, (small_px, small_px), interpolation=cv2.INTER_AREA)
    # Canvas pixel -> sprite pixel, the lit side turned to the sun.
    turn = _sun_turn(canvas) * (small_px / side_px)
    offset = np.array([col0, row0]) + 0.5 - middle
    matrix = np.column_stack([turn, turn @ offset + small_px / 2 - 0.5])
    drawn = cv2.warpAffine(
        np.ascontiguousarray(sprite),
        matrix,
        (int(col1 - col0), int(row1 - row0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    alpha = np.ascontiguousarray(drawn[..., 0])
    return Patch(int(row0), int(col0), alpha, canvas.gsd_m), drawn[..., 1]


def add_clump(canvas: Canvas, x: float, y: float, radius: float, biome: Biome) -> None:
    """A large irregular crown: several crowns that grew together, one id."""
    rng = canvas.rng
    number = 0
    for _ in range(int(rng.integers(3, 7))):
        dx, dy = rng.normal(0, radius * 0.5, 2)
        number = (
            add_tree(canvas, x + dx, y + dy, radius * rng.uniform(0.45, 0.75), biome, number=number)
            or number
        )


def grove(canvas: Canvas, x: float, y: float, spread: float, count: int, biome: Biome) -> None:
    """A loose group of trees."""
    for _ in range(count):
        dx, dy = canvas.rng.normal(0, spread, 2)
        plant = add_clump if canvas.rng.random() < 0.25 else add_tree
        plant(canvas, x + dx, y + dy, canvas.rng.uniform(1.2, 4.5), biome)


def avenue(canvas: Canvas, lines: list[np.ndarray], beside_m: float, biome: Biome) -> None:
    """Trees along both sides of streets; the crowns and their shadows reach over the road."""
    rng = canvas.rng
    size, every = rng.uniform(1.4, 4.6), rng.uniform(7, 18)
    sides = ((-1.0, 1.0), (1.0,))[int(rng.random() < 0.3)]
    for line in lines:
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        length = np.concatenate([[0], np.cumsum(steps)])
        at = np.arange(rng.uniform(0, every), length[-1], every)
        places = np.stack([np.interp(at, length, line[:, k]) for k in (0, 1)], 1)
        along = np.gradient(places, axis=0) if len(places) > 1 else np.ones_like(places)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        for place, (u, v) in zip(places, along, strict=True):
            for side in sides:
                if rng.random() < 0.75:
                    xy = place + side * beside_m * np.array([-v, u]) + rng.normal(0, 0.5, 2)
                    add_tree(canvas, *xy, size * rng.uniform(0.6, 1.25), biome)
