"""Everyday names of colours, with the colours of which people would disagree."""

from __future__ import annotations

import cv2
import numpy as np

# Lightness, chroma and hue (degrees) in CIE L*a*b*: where a name is surely right, and where it may be. Tiled roofs
# of hue 45 to 55 are "red" to most people; hue wraps round at 360.
_RANGES: dict[str, tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]] = {
    "red": (((24, 66), (24, 200), (12, 51)), ((14, 78), (13, 200), (-8, 62))),
    "orange": (((50, 80), (40, 200), (54, 72)), ((40, 90), (24, 200), (40, 82))),
    "brown": (((18, 52), (10, 34), (42, 82)), ((10, 64), (6, 45), (20, 100))),
    "yellow": (((62, 98), (36, 200), (80, 104)), ((50, 100), (20, 200), (68, 114))),
    "beige": (((66, 90), (8, 26), (62, 96)), ((52, 96), (4, 36), (40, 108))),
    "green": (((15, 85), (15, 200), (108, 168)), ((8, 95), (7, 200), (94, 192))),
    "turquoise": (((35, 92), (14, 200), (182, 222)), ((25, 96), (7, 200), (165, 242))),
    "blue": (((12, 75), (15, 200), (228, 292)), ((6, 88), (6, 200), (195, 312))),
    "grey": (((30, 72), (0, 8), (0, 360)), ((18, 82), (0, 14), (0, 360))),
    "white": (((81, 101), (0, 10), (0, 360)), ((70, 101), (0, 17), (0, 360))),
    "black": (((0, 19), (0, 11), (0, 360)), ((0, 33), (0, 16), (0, 360))),
    "dark": (((0, 37), (0, 200), (0, 360)), ((0, 49), (0, 200), (0, 360))),
    "light": (((71, 101), (0, 200), (0, 360)), ((58, 101), (0, 200), (0, 360))),
}
COLOURS = tuple(_RANGES)
WORDS = {
    "red": ("red", "red", "reddish"),
    "brown": ("brown", "brownish"),
    "beige": ("beige", "sand-coloured", "cream-coloured"),
    "turquoise": ("turquoise", "cyan"),
    "grey": ("grey", "grey", "gray"),
    "white": ("white", "whitish"),
    "dark": ("dark", "dark-coloured"),
    "light": ("light", "light-coloured", "pale", "bright"),
}


def colour_truth(rgb: np.ndarray) -> np.ndarray:
    """int8 (N, len(COLOURS)) of mean colours (N, 3): 1 surely of that name, 0 surely not, -1 open to dispute."""
    pixels = (np.asarray(rgb, np.float32) / 255).reshape(1, -1, 3)
    lightness, a, b = np.moveaxis(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0], 1, 0)
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    out = np.zeros((lightness.size, len(COLOURS)), np.int8)
    for column, ranges in enumerate(_RANGES.values()):
        sure, maybe = (_inside(lightness, chroma, hue, limits) for limits in ranges)
        out[maybe, column] = -1
        out[sure, column] = 1
    return out


def _inside(
    lightness: np.ndarray,
    chroma: np.ndarray,
    hue: np.ndarray,
    limits: tuple[tuple[float, float], ...],
) -> np.ndarray:
    (low_l, high_l), (low_c, high_c), (low_h, high_h) = limits
    turned = (hue - low_h) % 360
    return (
        (lightness >= low_l)
        & (lightness <= high_l)
        & (chroma >= low_c)
        & (chroma <= high_c)
        & (turned <= high_h - low_h)
    )
