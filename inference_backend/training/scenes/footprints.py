"""The shapes that buildings have in plan, as wings."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.roofs import Wing


def choose(rng: np.random.Generator, weighted: tuple[tuple[str, float], ...]) -> str:
    """One name, with its weight as chance."""
    weights = np.array([weight for _, weight in weighted])
    return weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][0]


def footprint(
    rng: np.random.Generator,
    cx: float,
    cy: float,
    length: float,
    width: float,
    angle: float,
    shape: str,
) -> list[Wing]:
    """Wings of a rect, L, T, U, Z, courtyard or stepped building within `length` x `width` metres."""
    c, s = np.cos(angle), np.sin(angle)

    def wing(u0: float, v0: float, u1: float, v1: float) -> Wing:
        """From fractions of the bounding rectangle, -0.5 to 0.5."""
        u, v = (u0 + u1) / 2 * length, (v0 + v1) / 2 * width
        long_u, long_v = (u1 - u0) * length, (v1 - v0) * width
        x, y = cx + u * c - v * s, cy + u * s + v * c
        if long_u >= long_v:
            return Wing(x, y, long_u, long_v, angle)
        return Wing(x, y, long_v, long_u, angle + np.pi / 2)

    a, b = rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.6)
    if shape == "L":
        return [wing(-0.5, -0.5, 0.5, -0.5 + b), wing(-0.5, -0.5, -0.5 + a, 0.5)]
    if shape == "T":
        middle = rng.uniform(-0.15, 0.15)
        return [wing(-0.5, -0.5, 0.5, -0.5 + b), wing(middle - a / 2, -0.5, middle + a / 2, 0.5)]
    if shape == "U":
        a *= 0.75
        return [
            wing(-0.5, -0.5, 0.5, -0.5 + b),
            wing(-0.5, -0.5, -0.5 + a, 0.5),
            wing(0.5 - a, -0.5, 0.5, 0.5),
        ]
    if shape == "Z":
        return [wing(-0.5, -0.5, 0.1, 0.1), wing(-0.1, -0.1, 0.5, 0.5)]
    if shape == "court":
        t = rng.uniform(0.2, 0.32)
        return [
            wing(-0.5, -0.5, 0.5, -0.5 + t),
            wing(-0.5, 0.5 - t, 0.5, 0.5),
            wing(-0.5, -0.5, -0.5 + t, 0.5),
            wing(0.5 - t, -0.5, 0.5, 0.5),
        ]
    if shape == "step":
        parts = int(rng.integers(2, 5))
        edges = np.linspace(-0.5, 0.5, parts + 1)
        shifts = rng.uniform(-0.12, 0.12, parts)
        return [
            wing(e0, -0.38 + d, e1, 0.38 + d)
            for e0, e1, d in zip(edges[:-1], edges[1:], shifts, strict=True)
        ]
    return [wing(-0.5, -0.5, 0.5, 0.5)]
