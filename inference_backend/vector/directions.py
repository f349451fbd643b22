"""The directions that a building's walls take: one mostly, more where a block follows a bent street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Polygon

from inference_backend.vector.simplify import simplify

_RIGHT = np.pi / 2
_BINS = 180
# Walls this far from a direction still speak for it.
_KERNEL_RAD = np.radians(2.5)
# A further direction needs this share of what the walls of the first are long together.
_LEAST_SHARE = 0.25
_MOST = 3
# What lies nearer together is one direction, measured twice.
_APART_RAD = np.radians(12)


@dataclass(frozen=True)
class Direction:
    """An angle from 0 to a right angle, in radians: walls are parallel or square to it."""

    angle: float


def main_directions(polygon: Polygon, cell_m: float) -> list[Direction]:
    """The directions of a polygon's longer walls, the strongest first; never none."""
    vectors = _sides(simplify(polygon, 1.2 * cell_m))
    if not len(vectors):
        return [Direction(0.0)]
    length = np.hypot(*vectors.T)
    angle = np.arctan2(vectors[:, 1], vectors[:, 0]) % _RIGHT
    # A short side's angle is worth little: its ends are a cell off.
    weight = length * np.clip(length / (4 * cell_m), 0, 1)
    grid = (np.arange(_BINS) + 0.5) * _RIGHT / _BINS
    away = np.abs(_wrapped(grid[:, None] - angle[None, :]))
    votes = (weight * np.exp(-0.5 * (away / _KERNEL_RAD) ** 2)).sum(axis=1)
    found: list[Direction] = []
    most = float(votes.max())
    while len(found) < _MOST:
        best = int(np.argmax(votes))
        if votes[best] <= 0 or votes[best] < _LEAST_SHARE * most:
            break
        near = np.abs(_wrapped(angle - grid[best])) < 2 * _KERNEL_RAD
        if not near.any():
            break
        mean = grid[best] + np.average(
            _wrapped(angle[near] - grid[best]), weights=weight[near] + 1e-9
        )
        found.append(Direction(float(mean % _RIGHT)))
        votes = np.where(np.abs(_wrapped(grid - mean)) < _APART_RAD, 0, votes)
    return found or [Direction(float(angle[np.argmax(length)]))]


def _sides(shape: Polygon) -> np.ndarray:
    parts = [part for part in shapely.get_parts(shape) if not part.is_empty]
    rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
    steps = [np.diff(shapely.get_coordinates(ring), axis=0) for ring in rings]
    return np.concatenate(steps) if steps else np.zeros((0, 2))


def _wrapped(angle: np.ndarray | float) -> np.ndarray:
    """The same angle modulo a right one, from minus to plus half of it."""
    return (np.asarray(angle) + _RIGHT / 2) % _RIGHT - _RIGHT / 2
