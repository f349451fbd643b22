"""Flights: where the pulses of a scanner go, strip by strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.training.clouds.march import Beam, Rays

PLATFORMS = ("als", "uav", "photo")
_PATTERNS = ("parallel", "parallel", "zigzag", "circular")
_EDGE_TAN = {"als": np.tan(np.deg2rad(30)), "uav": np.tan(np.deg2rad(50))}


@dataclass(frozen=True)
class Strip:
    """One pass: heading (radians), offset of the flight line from the middle of the city and height above it (metres)."""

    heading: float
    offset_m: float
    height_m: float
    pattern: str
    density: float
    shift_m: tuple[float, float, float]


@dataclass(frozen=True)
class Survey:
    """How a city is surveyed. `density` is pulses a square metre of all strips together (points, for "photo")."""

    platform: str
    density: float
    strips: tuple[Strip, ...] = ()
    beam: Beam = Beam()
    range_noise_m: float = 0.02
    aim_noise_m: float = 0.08
    footprint_m: float = 0.3  # diameter on the ground
    keep: float = 1.0
    intensity: str = "full"  # or "constant"
    rgb: bool = False

    def __post_init__(self) -> None:
        if self.platform not in PLATFORMS:
            raise InvalidInput(
                f"'{self.platform}' is no platform; use one of {', '.join(PLATFORMS)}."
            )
        if not 0.05 <= self.density <= 500:
            raise InvalidInput(
                f"A density of {self.density:g} points a square metre is out of range: use 0.05 to 500."
            )


def draw_survey(
    rng: np.random.Generator, platform: str | None = None, density: float | None = None
) -> Survey:
    """A survey as they are flown; what is not given is drawn."""
    if platform is None:
        platform = str(rng.choice(PLATFORMS, p=(0.68, 0.17, 0.15)))
    intensity = "constant" if rng.random() < 0.06 else "full"
    keep = 1.0
    if platform == "als":
        if density is None:
            density = float(np.exp(rng.uniform(np.log(1.5), np.log(40))))
            if rng.random() < 0.15:
                density = float(np.exp(rng.uniform(np.log(0.3), np.log(3))))
        flown = density
        if density < 4 and rng.random() < 0.6:
            # Sparse clouds are as often thinned as flown so.
            flown = min(density * rng.uniform(2, 8), 40.0)
            keep = density / flown
        strips = _als_strips(rng, flown)
        # Some scanners see the ground below a crown with most pulses, some with few.
        reach = rng.uniform(0.3, 1.0)
        beam = Beam(
            max_returns=int(rng.choice([3, 5, 5, 5])), dead_m=rng.uniform(0.5, 2.5),
            spent=(0.9 * reach, 2.8 * reach), first=rng.uniform(0.2, 0.5),
        )  # fmt: skip
        return Survey(platform, density, strips, beam, rng.uniform(0.01, 0.03),
                      rng.uniform(0.04, 0.2), rng.uniform(0.2, 0.8), keep, intensity, bool(rng.random() < 0.3))  # fmt: skip
    if platform == "uav":
        density = density or float(np.exp(rng.uniform(np.log(50), np.log(200))))
        strips = _uav_strips(rng, density)
        beam = Beam(max_returns=int(rng.choice([1, 2, 3, 5])), dead_m=rng.uniform(0.3, 1.0),
                    spent=(rng.uniform(0.7, 1.2), rng.uniform(1.4, 2.4)))  # fmt: skip
        return Survey(platform, density, strips, beam, rng.uniform(0.01, 0.03),
                      rng.uniform(0.01, 0.05), rng.uniform(0.03, 0.15), keep, intensity, bool(rng.random() < 0.6))  # fmt: skip
    density = density or float(np.exp(rng.uniform(np.log(8), np.log(120))))
    return Survey(platform, density, (), Beam(max_returns=1), intensity="constant", rgb=True)


def _als_strips(rng: np.random.Generator, density: float) -> tuple[Strip, ...]:
    number = int(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15]))
    heading, height = rng.uniform(0, 2 * np.pi), rng.uniform(300, 2000)
    pattern = str(rng.choice(_PATTERNS))
    strips = []
    for k in range(number):
        # Neighbouring strips are flown to and fro; a third one is often a cross strip.
        turned = heading + np.pi * (k % 2) + (np.pi / 2 if k == 2 else 0) + rng.normal(0, 0.02)
        limit = 0.9 * _EDGE_TAN["als"] * height
        if pattern == "circular":
            limit = 0.8 * np.tan(np.deg2rad(18)) * height
        offset = rng.uniform(-1, 1) * limit
        shift = tuple(rng.normal(0, (0.06, 0.06, 0.025)) * (k > 0))
        strips.append(Strip(turned, offset, height, pattern, density / number, shift))
    return tuple(strips)


def _uav_strips(rng: np.random.Generator, density: float) -> tuple[Strip, ...]:
    heading, height = rng.uniform(0, 2 * np.pi), rng.uniform(60, 120)
    number = int(rng.integers(2, 5))
    gap = rng.uniform(35, 60)
    cross = rng.random() < 0.4
    strips = []
    for k in range(number):
        turned = heading + np.pi * (k % 2) + (np.pi / 2 if cross and k == number - 1 else 0)
        offset = (k - (number - 1) / 2) * gap * (1 if k % 2 == 0 else -1)
        shift = tuple(rng.normal(0, (0.02, 0.02, 0.015)) * (k > 0))
        strips.append(Strip(turned, offset, height, "parallel", density / number, shift))
    return tuple(strips)


def pulses(
    rng: np.random.Generator,
    survey: Survey,
    strip: Strip,
    side_m: float,
    z_plane: float,
    relief_m: float,
) -> Rays:
    """The rays of a strip over a square city, with what comes in over its edges."""
    tangent = _EDGE_TAN[survey.platform]
    margin = min(relief_m * tangent * 0.6, 20.0)
    reach = side_m * 0.7072 + margin
    area = strip.density
    ratio = rng.uniform(0.5, 2.0)
    step_a, step_b = np.sqrt(ratio / area), np.sqrt(1 / (ratio * area))
    rows = np.arange(-reach, reach, step_a)
    cols = np.arange(-reach, reach, step_b)
    a, b = np.meshgrid(rows + rng.uniform(0, step_a), cols + rng.uniform(0, step_b), indexing="ij")
    # The craft's pitch and speed make lines crowd and part.
    wave = rng.uniform(0.05, 0.45) * step_a
    a = a + wave * np.sin(a / rng.uniform(3, 12) * 2 * np.pi / step_a * 0.2 + rng.uniform(0, 6))
    if strip.pattern == "zigzag":
        swath = strip.height_m * tangent * 2
        sign = np.where(np.arange(len(rows)) % 2, 1.0, -1.0)[:, None]
        a = a + sign * step_a * np.clip((b + strip.offset_m) / swath, -0.5, 0.5) * rng.uniform(
            0.6, 1
        )
        # An oscillating mirror slows down at the edges of the swath.
        b = b + 0.15 * step_b * np.sin(b / step_b * 0.05)
    else:
        a = a + b * rng.uniform(-0.02, 0.02)
    b = b + (np.arange(len(rows)) * rng.uniform(0, 1) % 1)[:, None] * step_b
    a, b = a.ravel(), b.ravel()
    tan_b = (strip.offset_m - b) / strip.height_m
    tan_a = np.zeros_like(a)
    if strip.pattern == "circular":
        cone = np.tan(np.deg2rad(rng.uniform(17, 22)))
        ahead = np.sqrt(np.maximum(cone**2 - tan_b**2, 1e-4))
        tan_a = ahead * np.where(rng.random(len(a)) < 0.5, 1.0, -1.0)
    c, s = np.cos(strip.heading), np.sin(strip.heading)
    x = side_m / 2 + a * c - b * s
    y = side_m / 2 + a * s + b * c
    keep = (x > -margin) & (x < side_m + margin) & (y > -margin) & (y < side_m + margin)
    keep &= np.abs(tan_b) <= tangent * 1.02
    if survey.keep < 1:
        keep &= rng.random(len(x)) < survey.keep
    x, y, tan_a, tan_b = x[keep], y[keep], tan_a[keep], tan_b[keep]
    aim = survey.aim_noise_m
    x = x + rng.normal(0, aim, len(x))
    y = y + rng.normal(0, aim, len(y))
    slope_x, slope_y = tan_a * c - tan_b * s, tan_a * s + tan_b * c
    return Rays(*(v.astype(np.float32) for v in (x, y, slope_x, slope_y)), float(z_plane))
