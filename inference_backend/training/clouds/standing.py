"""Things that stand alone at a place: turbines, stacks, silos, cranes, heaps, walls and fences."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.relief import CELL_M, Relief, cell_of


def turbine(
    rng: np.random.Generator, relief: Relief, x: float, y: float, height: float, rotor: float
) -> None:
    """A wind turbine at a place."""
    low = float(relief.ground_at(x, y))
    code = ID["wind turbine"]
    wide = np.clip(0.025 * height, 0.6, 2.2)
    _disc(
        relief, x, y, wide, low, lambda away: height * np.clip(1.35 - 0.5 * away / wide, 0, 1), code
    )
    turn = rng.uniform(0, 2 * np.pi)
    across = np.array([np.cos(turn), np.sin(turn)])
    ahead = np.array([-across[1], across[0]])
    t = np.linspace(-3, 3, 60)[:, None]
    for side in (-0.8, -0.4, 0.0, 0.4, 0.8):
        xy = np.array([x, y]) + ahead * t + across * side
        relief.thread(
            np.column_stack([xy, np.full(60, low + height + 1.2)]), 1.0, "wind turbine", 6.0
        )
    hub = np.array([x, y]) + ahead * 3.5
    for blade in rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3:
        t = np.arange(0.5, rotor, 0.1)
        xy = hub + across * (np.cos(blade) * t)[:, None]
        z = low + height + 1.2 + np.sin(blade) * t
        chord = np.clip(0.06 * rotor * (1 - 0.8 * t / rotor), 0.25, 2.0)
        for side in (-0.25, 0.0, 0.25):
            relief.thread(np.column_stack([xy + ahead * side, z]), 0.5 * chord, "wind turbine", 2.5)


def _disc(
    relief: Relief,
    x: float,
    y: float,
    radius: float,
    low: float,
    shape: Callable[[np.ndarray], np.ndarray],
    code: int,
) -> None:
    """A round solid: `shape(away)` is its height by distance from the axis."""
    half = int(np.ceil(radius / CELL_M)) + 1
    row, col = (int(v) for v in cell_of(x, y))
    r, c = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    away = np.hypot((c + 0.5) * CELL_M - x, (r + 0.5) * CELL_M - y)
    keep = relief.inside(r, c) & (away <= radius)
    relief.solid(r[keep], c[keep], low + shape(away[keep]), code)


def chimney(rng: np.random.Generator, relief: Relief, x: float, y: float, height: float) -> None:
    """A free-standing stack, hollow at its top."""
    low, radius = float(relief.ground_at(x, y)), rng.uniform(0.7, 2.4)
    lip = 0.6 * radius

    def shape(away: np.ndarray) -> np.ndarray:
        return np.where(away < radius - lip, height - 1.5, height)

    _disc(relief, x, y, radius, low, shape, ID["chimney"])


def drum(
    relief: Relief, x: float, y: float, radius: float, height: float, cone: float, leaf: str
) -> None:
    """A round solid with a roof that rises `cone` metres a metre to its middle."""
    low = float(relief.ground_at(x, y))
    _disc(relief, x, y, radius, low, lambda away: height + cone * (radius - away), ID[leaf])


def silo(rng: np.random.Generator, relief: Relief, x: float, y: float) -> None:
    """A tall drum with a cone or a dome."""
    radius = rng.uniform(1.5, 4.5)
    height = radius * rng.uniform(2.2, 4.5) + 3
    drum(relief, x, y, radius, height, rng.uniform(0.2, 0.7), "silo")


def crane(rng: np.random.Generator, relief: Relief, x: float, y: float, height: float) -> None:
    """A tower crane: mast, jib, counter jib, a cable with a hook."""
    low, turn = float(relief.ground_at(x, y)), rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    offsets = np.linspace(-0.8, 0.8, 8)
    a, b = np.meshgrid(offsets, offsets)
    xy = np.array([x, y]) + a.reshape(-1, 1) * along + b.reshape(-1, 1) * across
    rows, cols = cell_of(xy[:, 0], xy[:, 1])
    keep = relief.inside(rows, cols)
    rows, cols = np.unique(np.stack([rows[keep], cols[keep]]), axis=1)
    full = np.full(len(rows), low)
    relief.stand(rows, cols, full, full + height, "crane", 0.25)
    reach = rng.uniform(22, 50)
    t = np.arange(-12, reach, 0.1)
    for side, lift in ((-0.6, 0.0), (0.6, 0.0), (0.0, 1.2)):
        xy = np.array([x, y]) + along * t[:, None] + across * side
        relief.thread(
            np.column_stack([xy, np.full(len(t), low + height + lift)]), 0.2, "crane", 3.0
        )
    hook = np.array([x, y]) + along * rng.uniform(6, reach)
    z = np.linspace(low + 0.35 * height, low + height, 40)
    row, col = cell_of(*hook)
    if relief.inside(row, col):
        relief.stand(np.array([row]), np.array([col]), z[:1], z[-1:], "crane", 0.15)
    block = np.array([x, y]) - along * 10.5 + rng.normal(0, 0.7, (30, 2))
    relief.thread(np.column_stack([block, np.full(30, low + height - 0.8)]), 0.9, "crane", 3.0)


def rubble(rng: np.random.Generator, relief: Relief, x: float, y: float, radius: float) -> None:
    """A rough heap."""
    height = radius * rng.uniform(0.35, 0.65)
    rough = rng.uniform(0.05, 0.35)
    half = int(np.ceil(radius / CELL_M)) + 1
    row, col = (int(v) for v in cell_of(x, y))
    r, c = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    dx, dy = (c + 0.5) * CELL_M - x, (r + 0.5) * CELL_M - y
    theta = np.arctan2(dy, dx)
    away = np.hypot(dx, dy) / (radius * (1 + 0.2 * np.cos(2 * theta + rng.uniform(0, 6))))
    bumps = cv2.GaussianBlur(rng.standard_normal(away.shape).astype(np.float32), (0, 0), 1.2) * 3
    z = height * np.clip(1 - away, 0, 1) ** 0.8 + rough * bumps * (away < 0.95)
    keep = relief.inside(r, c) & (away < 1) & (z > 0.12)
    r, c, z = r[keep], c[keep], z[keep]
    free = relief.top[r, c] < relief.ground[r, c] + 0.3
    r, c, z = r[free], c[free], z[free]
    relief.solid(r, c, relief.ground[r, c] + z, ID["rubble pile"])


def line(
    rng: np.random.Generator,
    relief: Relief,
    start: tuple[float, float],
    turn: float,
    length: float,
    leaf: str,
    height: float,
) -> None:
    """A straight wall or fence along the ground, open where something else stands."""
    t = np.arange(0, length, 0.1)
    x, y = start[0] + np.cos(turn) * t, start[1] + np.sin(turn) * t
    rows, cols = cell_of(x, y)
    keep = relief.inside(rows, cols)
    flat = np.unique(rows[keep] * relief.shape[1] + cols[keep])
    rows, cols = flat // relief.shape[1], flat % relief.shape[1]
    low = relief.ground[rows, cols]
    free = relief.top[rows, cols] < low + 0.4
    free &= ~np.isin(relief.leaf[rows, cols], (ID["water"], ID["pavement"], ID["rail track"]))
    rows, cols, low = rows[free], cols[free], low[free]
    if leaf == "wall":
        relief.solid(rows, cols, low + height, ID["wall"])
    else:
        relief.stand(rows, cols, low, low + height, "fence", rng.uniform(0.25, 1.2))
