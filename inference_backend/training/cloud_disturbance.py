"""Copies of a stored cloud that differ from it as surveys differ from each other and from the simulation.

Turned, scaled, thinned, noisy; returns lost or added; clutter on roofs and old trees where the simulation has neither; heights
above ground wrong as a ground filter gets them wrong. What a network sees of the simulation's habits it learns: the more is
varied, the less.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.points.blocks import BlockPoints, RawPoints
from inference_backend.training.cloud_store import GENERATED, StoredCloud

LEAST_BLOCK = 400
_MOST_POINTS = 700_000


def _codes_of(*names: str) -> list[int]:
    """Codes of the profile "generated": leaf ids from one."""
    return [label_graph().leaf_id(name) + 1 for name in names]


_BUILDING_CODES = _codes_of(*label_graph().leaves_of("building"))
_ROOF_CODES = _codes_of("flat roof", "pitched roof", "solar panel")
_TERRAIN_CODES = _codes_of(*label_graph().leaves_of("terrain"))
_TREE_CODES = _codes_of(*label_graph().leaves_of("tree"))


def disturbed(
    cloud: StoredCloud, rows: np.ndarray, rng: np.random.Generator
) -> tuple[RawPoints, np.ndarray]:
    """A copy that is turned, flipped, scaled, thinned and noisy; returns may be lost as a photogrammetric cloud has none."""
    keep = np.arange(len(cloud))
    share = rng.choice([1.0, 1.0, 0.5, 0.25, 0.1])
    share = min(share, _MOST_POINTS / len(keep))
    if len(keep) * share < 4 * LEAST_BLOCK:
        share = 1.0
    if share < 1:
        keep = np.flatnonzero(_thinned(cloud, share, rng))
    if rng.random() < 0.06:
        keep = keep[cloud.return_number[keep] <= 1]
    xyz = cloud.xyz[keep]
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    xy = xyz[:, :2] @ turn.T * rng.uniform(0.92, 1.08)
    z = xyz[:, 2] * rng.uniform(0.92, 1.08)
    jitter = rng.choice([0.0, 0.01, 0.02, 0.05])
    if jitter:
        xy = xy + rng.normal(0, jitter, xy.shape)
        z = z + rng.normal(0, jitter, z.shape)
    if cloud.profile == GENERATED and rng.random() < 0.6:
        z = z + _clutter(xyz, cloud.label[keep], rng)
    if cloud.profile == GENERATED and rng.random() < 0.3:
        z = z + _old_trees(xyz, cloud.label[keep], rng)
    returns, of = _returns(cloud, keep, rng)
    intensity = cloud.intensity[keep].astype(np.float64)
    if rng.random() < 0.3:
        intensity[:] = 0
    else:
        intensity *= np.exp(rng.normal(0, 0.15, len(intensity)))
    colour = None
    if cloud.rgb is not None and rng.random() < 0.4:
        gain = rng.uniform(0.75, 1.25, 3)
        colour = np.clip(cloud.rgb[keep] * gain, 0, 255).astype(np.uint16)
    points = RawPoints(
        np.arange(len(keep)),
        xy[:, 0],
        xy[:, 1],
        z,
        np.clip(intensity, 0, 65_535).astype(np.uint16),
        returns,
        of,
        colour,
    )
    return points, rows[keep]


def _clutter(xyz: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Metres (N,) by which points of generated roofs are moved up or down, patch by patch.

    Real roofs carry dormers, vents, railings, terraces and light wells, and are rough; generated ones are planes. A network
    that saw planes alone took what was not one for trees (Amsterdam, Montpellier: 16 to 24 % of the roof points).
    """
    out = np.zeros(len(xyz))
    roof = np.flatnonzero(np.isin(label, _ROOF_CODES))
    cell = np.floor(xyz[roof] / [rng.uniform(0.7, 3.0), rng.uniform(0.7, 3.0), 3.0])
    patch = _patches(cell.astype(np.int64), int(rng.integers(1 << 30)))
    rough = patch < rng.uniform(0, 0.6)
    out[roof[rough]] += rng.normal(0, rng.uniform(0.02, 0.3), int(rough.sum()))
    raised = patch > 1 - rng.uniform(0, 0.18)
    # The rest of the patch's number decides how far.
    out[roof[raised]] += np.where(raised, (patch * 7919) % 1.0 * 3.2 - 1.0, 0)[raised]
    return out


def _old_trees(xyz: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Metres (N,) by which crowns are stretched upwards: most generated trees end at 20 m, tall conifers at 60."""
    out = np.zeros(len(xyz))
    lying = np.isin(label, _TERRAIN_CODES)
    tree = np.flatnonzero(np.isin(label, _TREE_CODES))
    if not lying.any() or not len(tree):
        return out
    cell = np.floor((xyz[:, :2] - xyz[:, :2].min(0)) / 4.0).astype(np.int64)
    shape = cell.max(0) + 1
    low = np.full(shape, np.inf)
    np.minimum.at(low, (cell[lying, 0], cell[lying, 1]), xyz[lying, 2])
    nearest = distance_transform_edt(np.isinf(low), return_distances=False, return_indices=True)
    ground = low[tuple(nearest)]
    above = xyz[tree, 2] - ground[cell[tree, 0], cell[tree, 1]] - 4.0
    factor = min(rng.uniform(1.2, 2.6), 56.0 / max(float(above.max()), 1.0))
    out[tree] = np.maximum(above, 0) * max(factor - 1, 0)
    return out


def _patches(cell: np.ndarray, salt: int) -> np.ndarray:
    """A number in 0..1 for each cell (N, 3), the same for all points of a cell."""
    mixed = cell @ np.array([73_856_093, 19_349_663, 83_492_791]) ^ salt
    return (mixed * 2_654_435_761 % 100_003) / 100_003.0


def _returns(
    cloud: StoredCloud, keep: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers: lost now and then; and more echoes from roofs and ground than the simulation gives.

    Real roofs have 15 to 28 % of points from pulses with several echoes (Montpellier, Amsterdam), generated ones under 10 %: a
    network that took those for trees lost the rims of real roofs.
    """
    returns, of = cloud.return_number[keep], cloud.number_of_returns[keep]
    if rng.random() < 0.2:
        return np.ones_like(returns), np.ones_like(of)
    if cloud.profile == GENERATED and (of > 1).any() and rng.random() < 0.75:
        share = np.full(256, rng.uniform(0, 0.12), np.float32)
        share[_BUILDING_CODES] = rng.uniform(0.05, 0.55)
        # Echoes come in patches, at rims and over clutter.
        cell = np.floor(cloud.xyz[keep] / 1.5).astype(np.int64)
        patch = _patches(cell, 0)
        split = (of == 1) & (patch < share[cloud.label[keep]])
        of, returns = of.copy(), returns.copy()
        of[split] = 2
        returns[split] = rng.integers(1, 3, int(split.sum()))
    return returns, of


def _thinned(cloud: StoredCloud, share: float, rng: np.random.Generator) -> np.ndarray:
    """By chance, or by whole lines of the scanner, which thins along one direction."""
    if rng.random() < 0.6:
        return rng.random(len(cloud)) < share
    angle, gap = rng.uniform(0, np.pi), rng.uniform(0.4, 1.5)
    along = cloud.xyz[:, 0] * np.cos(angle) + cloud.xyz[:, 1] * np.sin(angle)
    return (along / gap) % 1.0 < share


def disturbed_block(block: BlockPoints, rng: np.random.Generator) -> BlockPoints:
    """Heights above ground off by a little, tilted, or wrong; surroundings unknown: the network must not lean on them blindly."""
    hag = block.hag_m
    if rng.random() < 0.5:
        hag = hag + np.float32(rng.normal(0, 0.12))
    if rng.random() < 0.15:
        tilt = rng.normal(0, 0.012, 2).astype(np.float32)
        hag = hag + (block.xyz_m[:, :2] - block.side_m / 2) @ tilt
    if rng.random() < 0.35:
        # As a ground filter errs on slopes and under trees: in waves, mostly upwards.
        for _ in range(3):
            way = rng.normal(0, 1, 2)
            way *= 2 * np.pi / rng.uniform(4, 25) / max(np.hypot(*way), 1e-6)
            wave = np.sin(block.xyz_m[:, :2] @ way + rng.uniform(0, 7)) + 0.5
            hag = hag + np.float32(rng.uniform(0, 0.12)) * wave
    context = block.context
    if rng.random() < 0.3:
        context = np.zeros_like(context)
    return replace(block, hag_m=hag.astype(np.float32), context=context)
