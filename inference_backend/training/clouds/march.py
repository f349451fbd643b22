"""Pulses through a city: where each beam is reflected, from the top down.

A ray is a place on a reference plane and the horizontal metres it gains a metre of height (towards the scanner). Rays go
down through the cells in steps no longer than a cell, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.training.clouds.relief import CELL_M, Relief

_COARSE = 16  # cells a side of a block of the map that lets rays fall fast through the air
_STEP_M = 0.9 * CELL_M
_MAX_DROP_M = 1.2
_EDGE_M = 0.3


@dataclass(frozen=True)
class Rays:
    """`x`, `y` (N,) on the plane `z_plane`; `slope_x`, `slope_y` (N,) metres a metre upwards."""

    x: np.ndarray
    y: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    z_plane: float


@dataclass(frozen=True)
class Beam:
    """How a pulse is spent: most returns, dead metres after one, extinction that ends it, share for a first return."""

    max_returns: int = 5
    dead_m: float = 0.8
    spent: tuple[float, float] = (1.1, 2.6)
    first: float = 0.35
    between: float = 0.45


@dataclass(frozen=True)
class Echoes:
    """Reflections, unsorted: `ray` int32, `xyz` float32 (N, 3), `leaf` uint8, `side` bool (met an upright face), `row`, `col`."""

    ray: np.ndarray
    xyz: np.ndarray
    leaf: np.ndarray
    side: np.ndarray
    row: np.ndarray
    col: np.ndarray


class _Flight:
    """All rays on their way: heights, what is left of each pulse, and the reflections so far."""

    def __init__(self, grids: Grids, rays: Rays, beam: Beam, rng: np.random.Generator) -> None:
        count = len(rays.x)
        lean = np.hypot(rays.slope_x, rays.slope_y).astype(np.float32)
        self.grids, self.rays, self.beam, self.rng = grids, rays, beam, rng
        self.drop = np.minimum(_STEP_M / np.maximum(lean, 1e-3), _MAX_DROP_M).astype(np.float32)
        self.path = np.sqrt(1 + lean**2)
        self.z = grids.fall(rays, lean)
        self.tau = np.zeros(count, np.float32)
        self.due = rng.exponential(beam.first, count).astype(np.float32)
        self.end = rng.uniform(*beam.spent, count).astype(np.float32)
        # Below this height the receiver listens again.
        self.ready = np.full(count, np.inf, np.float32)
        self.echoes = np.zeros(count, np.uint8)
        self.log: list[tuple[np.ndarray, ...]] = []

    def through(
        self, layer: _Flat, ray: np.ndarray, cell: np.ndarray, upper: np.ndarray, lower: np.ndarray
    ) -> None:
        """Weaken the rays that pass a layer between `upper` and `lower`, and note those that are reflected."""
        held = np.flatnonzero(layer.top[cell] > lower)
        if not len(held):
            return
        at = cell[held]
        high = np.minimum(upper[held], layer.top[at])
        solid = self.grids.top[at]
        length = high - np.maximum(lower[held], np.maximum(layer.bottom[at], solid))
        inside = np.flatnonzero(length > 0)
        if not len(inside):
            return
        who, at, high, length = ray[held[inside]], at[inside], high[inside], length[inside]
        rate = layer.extinction[at] * self.path[who]
        before = self.tau[who]
        self.tau[who] = before + rate * length
        hit = (self.tau[who] >= self.due[who]) & (before < self.end[who])
        hit &= (self.echoes[who] < self.beam.max_returns) & (high - length <= self.ready[who])
        fired = np.flatnonzero(hit)
        if not len(fired):
            return
        who, at, high, length = who[fired], at[fired], high[fired], length[fired]
        share = (self.due[who] - before[fired]) / np.maximum(rate[fired], 1e-6)
        height = high - np.clip(share, 0, length)
        height = np.minimum(height, np.maximum(self.ready[who], high - length))
        self.log.append((who, height, layer.leaf[at], np.zeros(len(at), bool), at))
        self.echoes[who] += 1
        self.ready[who] = height - self.beam.dead_m
        gap = self.rng.exponential(self.beam.between, len(who)).astype(np.float32)
        self.due[who] = np.maximum(self.tau[who], self.due[who]) + 0.15 + gap

    def onto(
        self, ray: np.ndarray, cell: np.ndarray, upper: np.ndarray, lower: np.ndarray
    ) -> np.ndarray:
        """Note the rays that end on the opaque surface; bool (N,): which rays end here, spent ones too."""
        grids = self.grids
        top = grids.top[cell]
        spent = self.tau[ray] >= self.end[ray]
        ends = (lower <= top) | spent
        met = np.flatnonzero((lower <= top) & ~spent)
        heard = (self.echoes[ray[met]] < self.beam.max_returns) & (top[met] <= self.ready[ray[met]])
        met = met[heard | (self.echoes[ray[met]] == 0)]
        if len(met):
            at = cell[met]
            entry = np.minimum(grids.entry(self.rays, ray[met], at), top[met])
            deep = top[met] - entry > _EDGE_M
            # What comes in over the rim of the city below its surface has met things that are not here.
            known = ~(deep & grids.rim[at])
            met, at, entry, deep = met[known], at[known], entry[known], deep[known]
            side = deep & grids.edge[at]
            height = np.where(side, entry, top[met])
            leaf = np.where(side, grids.side_leaf[at], grids.leaf[at])
            self.log.append((ray[met], height, leaf, side, at))
        return ends


def march(grids: Grids, rays: Rays, beam: Beam, rng: np.random.Generator) -> Echoes:
    """Every reflection of every ray."""
    flight = _Flight(grids, rays, beam, rng)
    live = np.arange(len(rays.x))
    while len(live):
        upper = flight.z[live]
        lower = upper - flight.drop[live]
        middle = (upper + lower) / 2 - rays.z_plane
        col = np.floor((rays.x[live] + rays.slope_x[live] * middle) / CELL_M).astype(np.int32)
        row = np.floor((rays.y[live] + rays.slope_y[live] * middle) / CELL_M).astype(np.int32)
        within = (row >= 0) & (row < grids.rows) & (col >= 0) & (col < grids.cols)
        flat = np.where(within, row * grids.cols + col, 0)
        near = np.flatnonzero(within & (lower <= grids.highest[flat]))
        done = lower < grids.floor - 1.0
        if len(near):
            ray, cell, up, low = live[near], flat[near], upper[near], lower[near]
            for layer in grids.layers:
                flight.through(layer, ray, cell, up, low)
            done[near] |= flight.onto(ray, cell, up, low)
        flight.z[live] = lower
        live = live[~done]
    return _echoes(grids, rays, flight.log)


def _echoes(grids: Grids, rays: Rays, log: list[tuple[np.ndarray, ...]]) -> Echoes:
    if not log:
        none = np.zeros(0, np.int32)
        xyz = np.zeros((0, 3), np.float32)
        return Echoes(none, xyz, none.astype(np.uint8), none.astype(bool), none, none)
    ray, height, leaf, side, at = (np.concatenate(column) for column in zip(*log, strict=True))
    surface = height == grids.top[at]
    xyz = grids.settle(rays, ray, height, at, surface & ~side)
    row, col = at // grids.cols, at % grids.cols
    return Echoes(ray.astype(np.int32), xyz, leaf.astype(np.uint8), side, row, col)


class _Flat:
    """A layer, one-dimensional."""

    def __init__(self, layer: object) -> None:
        self.bottom = layer.bottom.ravel()
        self.top = layer.top.ravel()
        self.leaf = layer.leaf.ravel()
        self.extinction = layer.extinction.ravel()


class Grids:
    """A relief prepared for `march`: what it looks up by cell number."""

    def __init__(self, relief: Relief) -> None:
        self.rows, self.cols = relief.shape
        used = [layer for layer in relief.layers if (layer.top > relief.top).any()]
        highest = relief.top.copy()
        for layer in used:
            np.maximum(highest, layer.top, out=highest)
        self.layers = [_Flat(layer) for layer in used]
        self.highest = highest.ravel()
        self.top, self.leaf = relief.top.ravel(), relief.leaf.ravel()
        self.side_leaf = relief.side_leaf.ravel()
        self.floor = float(relief.top.min())
        lowest = cv2.erode(relief.top, np.ones((3, 3), np.uint8))
        self.edge = (relief.top - lowest > 0.8).ravel()
        cliff = (relief.top - lowest > 1.0).astype(np.uint8)
        self.beside_edge = cv2.dilate(cliff, np.ones((3, 3), np.uint8)).astype(bool)
        rim = np.ones(relief.shape, bool)
        rim[1:-1, 1:-1] = False
        self.rim = rim.ravel()
        self.slope_x = _gentle(relief.top, 1).ravel()
        self.slope_y = _gentle(relief.top, 0).ravel()
        coarse_rows, coarse_cols = -(-self.rows // _COARSE), -(-self.cols // _COARSE)
        padded = np.full((coarse_rows * _COARSE, coarse_cols * _COARSE), self.floor, np.float32)
        padded[: self.rows, : self.cols] = highest
        blocks = padded.reshape(coarse_rows, _COARSE, coarse_cols, _COARSE).max((1, 3))
        self.ceiling = cv2.dilate(blocks, np.ones((3, 3), np.uint8))

    def fall(self, rays: Rays, lean: np.ndarray) -> np.ndarray:
        """The height (N,) from which each ray has to be followed step by step: it is in free air above."""
        reach = np.float32(_COARSE * CELL_M)  # what the ceiling's dilation covers
        z = np.full(len(rays.x), self.ceiling.max() + 0.1, np.float32)
        down = reach / np.maximum(lean, 1e-3)
        last = np.array(self.ceiling.shape) - 1
        for _ in range(24):
            above = z - rays.z_plane
            size = _COARSE * CELL_M
            col = np.floor((rays.x + rays.slope_x * above) / size).astype(np.int32)
            row = np.floor((rays.y + rays.slope_y * above) / size).astype(np.int32)
            ceiling = self.ceiling[np.clip(row, 0, last[0]), np.clip(col, 0, last[1])] + 0.1
            lower = np.minimum(z, np.maximum(ceiling, z - down))
            if (z - lower).max() < 0.5:
                return lower
            z = lower
        return z

    def entry(self, rays: Rays, ray: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """The heights (N,) at which rays come into their cells from the side, going down."""
        lowest = np.full(len(ray), np.inf, np.float32)
        for start, slope, number in (
            (rays.x, rays.slope_x, cell % self.cols),
            (rays.y, rays.slope_y, cell // self.cols),
        ):
            lean = slope[ray]
            face = (number + (lean > 0)) * np.float32(CELL_M)
            steep = np.where(np.abs(lean) < 1e-4, 1, lean)
            height = rays.z_plane + (face - start[ray]) / steep
            lowest = np.where(np.abs(lean) < 1e-4, lowest, np.minimum(lowest, height))
        return lowest.astype(np.float32)

    def settle(
        self, rays: Rays, ray: np.ndarray, height: np.ndarray, at: np.ndarray, smooth: np.ndarray
    ) -> np.ndarray:
        """xyz (N, 3) of the events: on a smooth surface, the height where the ray meets its slope."""
        x0, y0 = rays.x[ray], rays.y[ray]
        sx, sy = rays.slope_x[ray], rays.slope_y[ray]
        z = height.astype(np.float32).copy()
        middle_x = (at % self.cols + np.float32(0.5)) * np.float32(CELL_M)
        middle_y = (at // self.cols + np.float32(0.5)) * np.float32(CELL_M)
        gx, gy = self.slope_x[at] * smooth, self.slope_y[at] * smooth
        for _ in range(2):
            x = x0 + sx * (z - rays.z_plane)
            y = y0 + sy * (z - rays.z_plane)
            dx = np.clip(x - middle_x, -CELL_M, CELL_M)
            dy = np.clip(y - middle_y, -CELL_M, CELL_M)
            z = np.where(smooth, height + gx * dx + gy * dy, z)
        x = x0 + sx * (z - rays.z_plane)
        y = y0 + sy * (z - rays.z_plane)
        return np.stack([x, y, z], 1).astype(np.float32)


def _gentle(top: np.ndarray, axis: int) -> np.ndarray:
    """Slope along an axis, of the gentler side at every cell, so that edges stay sharp."""
    step = np.diff(top, axis=axis) / np.float32(CELL_M)
    pad_low = [(1, 0) if k == axis else (0, 0) for k in (0, 1)]
    pad_high = [(0, 1) if k == axis else (0, 0) for k in (0, 1)]
    back, ahead = np.pad(step, pad_low, "edge"), np.pad(step, pad_high, "edge")
    same = back * ahead > 0
    gentle = np.where(np.abs(back) < np.abs(ahead), back, ahead)
    return np.where(same, np.clip(gentle, -2, 2), 0).astype(np.float32)
