"""Closed woods and shrub land: crowns by the thousand from one relief, at the cost of a texture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle
from inference_backend.training.scenes.noise import noise
from inference_backend.training.scenes.palette import Biome, pick
from inference_backend.training.scenes.trees import SEMANTIC_TREE

SEMANTIC_SHRUB = 13
_BANK_PX, _CROWN_PX = 1024, 16


@lru_cache(maxsize=1)
def _relief() -> np.ndarray:
    """(1024, 1024, 2), without seams: height of the canopy in crown radii, and a random tone a crown."""
    rng = np.random.default_rng(23)
    height = np.zeros((_BANK_PX, _BANK_PX), np.float32)
    tone = np.zeros_like(height)
    for _ in range(3400):
        radius = rng.uniform(0.55, 1.35) * _CROWN_PX
        half = int(radius) + 2
        axis = np.arange(-half, half + 1, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        theta = np.arctan2(y, x)
        edge = radius * (1 + 0.1 * np.cos(3 * theta + rng.uniform(0, 6)) + 0.07 * np.cos(7 * theta))
        dome = np.sqrt(np.clip(1 - (np.hypot(x, y) / edge) ** 2, 0, None))
        dome = dome * (radius / _CROWN_PX) + (dome > 0) * rng.uniform(0, 0.5)
        rows = (int(rng.integers(_BANK_PX)) + axis.astype(int)) % _BANK_PX
        cols = (int(rng.integers(_BANK_PX)) + axis.astype(int)) % _BANK_PX
        at = np.ix_(rows, cols)
        over = dome > height[at]
        height[at] = np.where(over, dome, height[at])
        tone[at] = np.where(over, np.float32(rng.normal()), tone[at])
    height += (
        0.10
        * cv2.resize(rng.standard_normal((256, 256)).astype(np.float32), (_BANK_PX, _BANK_PX))
        * (height > 0)
    )
    return np.dstack([height, tone])


@lru_cache(maxsize=8)
def _shrunk(factor: int) -> np.ndarray:
    side = _BANK_PX // factor
    return cv2.resize(_relief(), (side, side), interpolation=cv2.INTER_AREA)


def canopy(canvas: Canvas, patch: Patch, biome: Biome, crown_m: float, closed: float = 0.9) -> None:
    """Cover the patch with crowns of radius `crown_m`; `closed` (0..1) says how few gaps there are."""
    rng = canvas.rng
    rows, cols = patch.alpha.shape
    scale = _CROWN_PX * canvas.gsd_m / crown_m  # relief pixels a canvas pixel
    factor = int(2 ** np.clip(np.floor(np.log2(max(scale, 1))), 0, 3))
    scale /= factor
    angle = rng.uniform(0, 2 * np.pi)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    move = np.array([[c, -s, rng.uniform(0, 1024)], [s, c, rng.uniform(0, 1024)]], np.float32)
    drawn = cv2.warpAffine(
        _shrunk(factor), move, (cols, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_WRAP,
    )  # fmt: skip
    height, tone = drawn[..., 0], drawn[..., 1]
    lift = crown_m / max(canvas.gsd_m, crown_m / 6)
    slope_y, slope_x = np.gradient(height)
    sun = canvas.sun.direction
    light = 1 - 0.55 * lift * (slope_x * sun[0] + slope_y * sun[1])
    light *= 0.35 + 0.65 * np.clip(height / 0.8, 0, 1.25)
    light += 0.12 * noise(rng, rows, cols, "grain")
    first, second = pick(rng, biome.tree, 10), pick(rng, biome.tree, 10)
    mix = np.clip(0.5 + 0.45 * tone, 0, 1)[..., None]
    value = 1 + rng.uniform(0.03, 0.14) * tone
    colour = (first * (1 - mix) + second * mix) * (np.clip(light, 0.15, 1.9) * value)[..., None]
    gaps = 0.55 * (1 - closed) + 0.04
    patch.alpha *= np.clip((height - gaps) * 8 + 0.5, 0, 1)
    _shade(canvas, patch, 1.8 * crown_m)
    canvas.paint(patch, colour, number=0, semantic=SEMANTIC_TREE, above_shadow=True)


def _shade(canvas: Canvas, patch: Patch, height: float) -> None:
    """The wood's shadow on what lies beside it."""
    shift = canvas.sun.shadow_per_m * height / canvas.gsd_m
    rows, cols = patch.alpha.shape
    for share in (0.45, 1.0):
        move = np.array([[1, 0, share * shift[0]], [0, 1, share * shift[1]]], np.float32)
        fallen = cv2.warpAffine(patch.alpha, move, (cols, rows))
        below = canvas.shadow[patch.window]
        np.maximum(below, 0.9 * fallen, out=below)


def shrubs(canvas: Canvas, where: np.ndarray | None, biome: Biome, per_ha: float) -> None:
    """Low dark bushes with short shadows, many; `where` (H, W) bool keeps them to a part of the canvas."""
    rng = canvas.rng
    count = int(min(per_ha * canvas.side_m**2 / 1e4, 2600))
    size = rng.uniform(0.4, 1.1)
    for _ in range(5):
        tone = pick(rng, biome.tree, 10) * rng.uniform(0.7, 1.15)
        at = rng.uniform(-1, canvas.side_m + 1, (count // 5 + 1, 2))
        rings = [
            circle(x, y, size * np.exp(rng.normal(0, 0.45)), 9, rng.uniform(0.65, 1.3, 9))
            for x, y in at
        ]
        shade = canvas.patch([ring + canvas.sun.shadow_per_m * 0.7 for ring in rings])
        patch = canvas.patch(rings)
        if patch is None or shade is None:
            continue
        if where is not None:
            patch.alpha *= where[patch.window]
            shade.alpha *= where[shade.window]
        canvas.shade(shade, 0.55)
        colour = canvas.speckle(patch, tone, 0.2, "grain")
        canvas.paint(patch, colour, number=0, semantic=SEMANTIC_SHRUB, opacity=0.95)
