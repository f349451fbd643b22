"""Colour names, as people use them of things seen from above.

Aerial colours are pale: a "red" roof is terracotta, a "blue" one slate. A name is therefore a region of CIE L*C*h
(lightness, chroma, hue in degrees), and regions of neighbours overlap: a terracotta roof may be called red, orange or
brown. What is tested is one colour an object, the median sRGB of its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class _Region:
    """Least and greatest lightness (0..100), chroma, and hue (degrees; from > to passes through 0)."""

    lightness: tuple[float, float] = (0, 101)
    chroma: tuple[float, float] = (0, 200)
    hue: tuple[float, float] = (0, 360)


# Limits were set on the roof, car, water and ground colours of the generated scenes and looked at on aerial photos.
_REGIONS: dict[str, _Region] = {
    "red": _Region((12, 75), (20, 200), (340, 58)),
    "orange": _Region((35, 85), (22, 200), (42, 75)),
    "brown": _Region((12, 62), (9, 45), (30, 95)),
    "beige": _Region((60, 96), (7, 36), (55, 105)),
    "yellow": _Region((50, 100), (32, 200), (72, 112)),
    "green": _Region((8, 92), (9, 200), (96, 185)),
    "turquoise": _Region((25, 95), (10, 200), (168, 245)),
    "blue": _Region((8, 92), (9, 200), (215, 305)),
    "purple": _Region((8, 85), (14, 200), (290, 345)),
    "pink": _Region((48, 95), (12, 200), (325, 40)),
    "white": _Region((80, 101), (0, 12)),
    "grey": _Region((25, 83), (0, 12)),
    "black": _Region((0, 30), (0, 14)),
    "dark": _Region((0, 45)),
    "bright": _Region((70, 101)),
}
NAMES: tuple[str, ...] = tuple(_REGIONS)
SPELLINGS: dict[str, str] = {
    **{name: name for name in NAMES},
    **{"reddish": "red", "crimson": "red", "scarlet": "red", "maroon": "red", "terracotta": "red"},
    **{"brick": "red", "rusty": "brown", "brownish": "brown", "chocolate": "brown"},
    **{
        "tan": "beige",
        "sandy": "beige",
        "cream": "beige",
        "ochre": "yellow",
        "yellowish": "yellow",
    },
    **{"golden": "yellow", "greenish": "green", "bluish": "blue", "azure": "blue", "navy": "blue"},
    **{"cyan": "turquoise", "teal": "turquoise", "violet": "purple", "magenta": "pink"},
    **{"rose": "pink", "whitish": "white", "gray": "grey", "greyish": "grey", "grayish": "grey"},
    **{"silver": "grey", "blackish": "black", "pale": "bright", "light": "bright"},
}
"""Word -> name. British and American spellings."""


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65), float64 (N, 3), of sRGB 0..255 (N, 3)."""
    share = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(
        share <= 0.04045, share / 12.92, ((np.maximum(share, 0) + 0.055) / 1.055) ** 2.4
    )
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


def lightness(rgb: np.ndarray) -> np.ndarray:
    """L*, 0..100, of sRGB (N, 3)."""
    return lab(rgb)[:, 0]


def is_colour(rgb: np.ndarray, name: str) -> np.ndarray:
    """Whether each sRGB colour (N, 3) may be called `name`: bool (N,). Not-a-number is no colour."""
    region = _REGIONS[name]
    values = np.asarray(rgb, np.float64).reshape(-1, 3)
    known = np.isfinite(values).all(axis=1)
    light, a, b = lab(np.where(known[:, None], values, 0.0)).T
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    low, high = region.hue
    turned = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    return (
        known
        & turned
        & (light >= region.lightness[0])
        & (light < region.lightness[1])
        & (chroma >= region.chroma[0])
        & (chroma < region.chroma[1])
    )


@cache
def overlap(one: str, other: str) -> bool:
    """Whether a colour exists that may be called both."""
    axis = np.arange(0, 256, 15)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return bool((is_colour(grid, one) & is_colour(grid, other)).any())


def names_of(rgb: tuple[float, float, float]) -> tuple[str, ...]:
    """All names that one colour may have."""
    one = np.asarray([rgb], np.float64)
    return tuple(name for name in NAMES if is_colour(one, name)[0])
