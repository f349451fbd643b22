"""Bridges: decks over what they cross, ramps at their ends."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Box, Place, box_of
from inference_backend.training.clouds.relief import OPAQUE, Relief


def add_bridges(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Decks over what they cross, with ramps of earth at their ends; air below."""
    for thing in place.of_names("bridge"):
        rows, cols = thing.cells
        box = box_of(rows, cols)
        over_water = np.isin(relief.leaf, ID["water"])
        near = cv2.dilate(thing.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        wet = over_water[thing.window][near].mean() > 0.2 if near.any() else False
        height = float(thing.attributes.get("height_m", 5.0))
        height = rng.uniform(2.5, 5.0) if wet else float(np.clip(height, 4.8, 9.0))
        u, _ = box.local(rows, cols)
        ends = relief.ground[rows, cols][np.abs(u) > 0.42 * box.length]
        base = (
            float(np.max(np.quantile(ends, 0.8)))
            if len(ends)
            else float(relief.ground[rows, cols].max())
        )
        low = float(np.quantile(relief.ground[rows, cols], 0.1))
        deck = max(base + (0.4 if wet else 0.0), low + height)
        _ramps(relief, box, deck, place)
        # What drives on the deck cuts holes into the scene's mask of it.
        whole = cv2.morphologyEx(
            cv2.copyMakeBorder(thing.mask.astype(np.uint8), 16, 16, 16, 16, cv2.BORDER_CONSTANT),
            cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8),
        )[16:-16, 16:-16]  # fmt: skip
        rows, cols = np.nonzero(whole)
        rows, cols = rows + thing.row0, cols + thing.col0
        u, v = box.local(rows, cols)
        top = deck + 0.25 * np.cos(np.clip(u / box.length, -0.5, 0.5) * np.pi)
        rail = np.abs(v) > box.width / 2 - 0.45
        top = top + np.where(rail, rng.uniform(0.7, 1.1), 0)
        top = np.maximum(top, relief.ground[rows, cols] + 0.05)
        relief.slab.put((rows, cols), top - rng.uniform(0.8, 1.6), top, ID["bridge"], OPAQUE)


def _ramps(relief: Relief, box: Box, deck: float, place: Place) -> None:
    """Raise the ground beyond both ends to meet the deck, sloping down along the road and to the sides."""
    rows, cols = np.mgrid[: relief.shape[0], : relief.shape[1]]
    u, v = box.local(rows.ravel(), cols.ravel())
    u, v = u.reshape(relief.shape), v.reshape(relief.shape)
    beyond = np.abs(u) - box.length / 2
    high = (
        deck - 0.06 * np.maximum(beyond, 0) - np.maximum(np.abs(v) - box.width / 2 - 0.5, 0) / 1.6
    )
    allowed = (
        (beyond > -0.5) & ~place.is_semantic("water", "railway") & (relief.leaf != ID["water"])
    )
    raise_ = allowed & (high > relief.ground)
    relief.ground[raise_] = high[raise_]
    relief.top[raise_] = np.maximum(relief.top, relief.ground)[raise_]


def standing_height(relief: Relief) -> np.ndarray:
    """(H, W) what a vehicle would stand on: a deck where there is one, else the ground."""
    return np.where(relief.slab.top > relief.ground, relief.slab.top, relief.ground)
