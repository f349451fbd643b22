"""A dense cloud from pictures: the upper surface, rounded edges, blobs and holes, no look below a crown."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.march import Beam, Grids, Rays, march
from inference_backend.training.clouds.relief import CELL_M, EMPTY, Layer, Relief
from inference_backend.training.clouds.survey import Survey
from inference_backend.training.scenes.noise import noise

_TALL_LEAN = 0.85  # tangent of the oblique views
_ONE = Beam(max_returns=1)


def photograph(rng: np.random.Generator, relief: Relief, survey: Survey) -> dict[str, np.ndarray]:
    """Points of a photogrammetric survey: one look down and four aslant at the matched surface."""
    matched = Grids(_matched(rng, relief))
    side, plane = relief.side_m, float(np.median(relief.ground))
    oblique = rng.uniform(0.1, 0.6)
    turn = rng.uniform(0, 2 * np.pi)
    looks = [(0.0, 0.0, 1 - oblique)]
    looks += [
        (
            _TALL_LEAN * np.cos(turn + k * np.pi / 2),
            _TALL_LEAN * np.sin(turn + k * np.pi / 2),
            oblique / 4,
        )
        for k in range(4)
    ]
    parts = []
    for lean_x, lean_y, share in looks:
        number = rng.poisson(survey.density * side**2 * share)
        spread = 0.0 if lean_x == 0 else 25.0
        count = int(number * (1 + 2 * spread / side) ** 2)
        x, y = rng.uniform(-spread, side + spread, (2, count)).astype(np.float32)
        full = np.full(count, 1, np.float32)
        rays = Rays(x, y, full * np.float32(lean_x), full * np.float32(lean_y), plane)
        echoes = march(matched, rays, _ONE, rng)
        parts.append((echoes.xyz, echoes.leaf, echoes.side))
    xyz, leaf, on_side = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = _found(rng, relief, xyz, leaf)
    xyz, leaf, on_side = xyz[keep], leaf[keep], on_side[keep]
    xyz = xyz + rng.normal(0, rng.uniform(0.01, 0.06), xyz.shape)
    one = np.ones(len(leaf), np.uint8)
    return {
        "xyz": xyz, "leaf": leaf, "side": on_side, "return_number": one, "number_of_returns": one,
        "cosine": one.astype(np.float32), "strip": np.zeros(len(leaf), np.uint8),
    }  # fmt: skip


def _matched(rng: np.random.Generator, relief: Relief) -> Relief:
    """The surface that matching finds: crowns and hedges closed, edges rounded, thin things mostly lost."""
    top, leaf = relief.top.copy(), relief.leaf.copy()
    side = relief.side_leaf.copy()
    for layer in (relief.slab, relief.crown, relief.low):
        over = layer.top > top
        if layer is relief.crown:
            # What gaps there are in a crown is filled or lost.
            over &= cv2.blur((layer.top > EMPTY).astype(np.float32), (5, 5)) > 0.3
        top[over], leaf[over], side[over] = layer.top[over], layer.leaf[over], layer.leaf[over]
    thin = []
    for layer in relief.thin:
        bold = np.isin(layer.leaf, [ID[n] for n in ("power tower", "crane", "wind turbine")])
        some = bold if rng.random() < 0.6 else np.zeros_like(bold)
        tall = layer.top - layer.bottom > 1.0
        kept = Layer(
            layer.bottom, np.where(some & ~tall, layer.top, EMPTY), layer.leaf, layer.extinction
        )
        thin.append(kept)
        stump = bold & tall & (layer.top > top)
        top[stump], leaf[stump], side[stump] = (
            layer.top[stump],
            layer.leaf[stump],
            layer.leaf[stump],
        )
    width = rng.uniform(0.4, 1.6)
    blurred = cv2.GaussianBlur(cv2.medianBlur(top, 3), (0, 0), width)
    rows, cols = top.shape
    blobs = noise(rng, rows, cols, "ground") * rng.uniform(0.01, 0.07)
    soft = np.isin(
        leaf,
        [ID[n] for n in ("broadleaf tree", "conifer tree", "shrub", "water", "low vegetation")],
    )
    blobs = blobs * np.where(soft, 4.0, 1.0)
    leaf = _draped(relief, top, blurred, leaf, side)
    empty = Layer.empty(relief.shape)
    return replace(
        relief, top=(blurred + blobs).astype(np.float32), leaf=leaf, side_leaf=side,
        slab=empty, low=empty, crown=empty, thin=thin,
    )  # fmt: skip


def _draped(
    relief: Relief, top: np.ndarray, blurred: np.ndarray, leaf: np.ndarray, side: np.ndarray
) -> np.ndarray:
    """What the rounded slope at an edge is: part of the thing that stands there, and of its side."""
    out = np.where(top - blurred > 0.7, side, leaf)
    lifted = (blurred - top > 0.3) & (top < relief.ground + 0.3)
    if lifted.any():
        low = top < relief.ground + 0.6
        rows, cols = distance_transform_edt(low, return_distances=False, return_indices=True)
        out = np.where(lifted, side[rows, cols], out)
    return out


def _found(
    rng: np.random.Generator, relief: Relief, xyz: np.ndarray, leaf: np.ndarray
) -> np.ndarray:
    """bool: where matching succeeded. Water, shade and plain surfaces leave holes."""
    rows, cols = relief.shape
    field = cv2.GaussianBlur(noise(rng, rows, cols, "ground").copy(), (0, 0), 2)
    field /= max(float(field.std()), 1e-6)
    row = np.clip((xyz[:, 1] / CELL_M).astype(int), 0, rows - 1)
    col = np.clip((xyz[:, 0] / CELL_M).astype(int), 0, cols - 1)
    limit = np.full(len(leaf), rng.uniform(2.0, 3.5))
    limit[leaf == ID["water"]] = rng.uniform(-1.0, 1.0)
    limit[leaf == ID["facade"]] = rng.uniform(0.2, 1.5)
    return field[row, col] < limit
