"""What moves: cars, lorries, buses, trains, boats, aircraft, and the containers they carry."""

from __future__ import annotations

import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place, Thing, box_of
from inference_backend.training.clouds.relief import Relief


def add_vehicles(rng: np.random.Generator, place: Place, relief: Relief, base: np.ndarray) -> None:
    """Every vehicle of the scene on `base` (H, W), the height of what it stands on."""
    for thing in place.of_names("car", "motorbike"):
        _set(relief, thing, base, _car(rng, thing), "car")
    for thing in place.of_names("truck"):
        van = thing.area_m2 < 14
        _set(relief, thing, base, _van(rng, thing) if van else _truck(rng, thing), "truck")
    for thing in place.of_names("bus"):
        _set(relief, thing, base, _bus(rng, thing), "bus")
    for thing in place.of_names("train"):
        _set(relief, thing, base, _train(rng, thing), "train")
    for thing in place.of_names("boat", "ship"):
        _set(relief, thing, base, _boat(rng, thing), "boat")
    for thing in place.of_names("aircraft"):
        _set(relief, thing, base, _aircraft(rng, thing), "aircraft")
    for thing in place.of_names("container"):
        height = 2.6 * rng.choice([1, 1, 1, 2, 2, 3])
        rows, _ = thing.cells
        _set(relief, thing, base, np.full(len(rows), height, np.float32), "container")


def _set(relief: Relief, thing: Thing, base: np.ndarray, height: np.ndarray, leaf: str) -> None:
    """Stand it on the median of what is below it; on a deck it stays part of the deck's layer."""
    rows, cols = thing.cells
    if not len(rows):
        return
    # What the picture shows on a roof is below it here.
    roofed = relief.side_leaf[rows, cols] == ID["facade"]
    if roofed.any():
        rows, cols, height = rows[~roofed], cols[~roofed], height[~roofed]
        if len(rows) < 4:
            return
    foot = float(np.median(base[rows, cols]))
    on_deck = relief.slab.top[rows, cols] > relief.top[rows, cols] + 1.5
    top = np.maximum(foot + height, base[rows, cols] + 0.05).astype(np.float32)
    if on_deck.mean() > 0.5:
        relief.slab.top[rows, cols] = top
        relief.slab.leaf[rows, cols] = ID[leaf]
        return
    relief.solid(rows, cols, top, ID[leaf])
    relief.albedo[rows, cols] = (thing.number * 0.618) % 1.0


def _shares(thing: Thing) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Places along and across from -1 to 1, length and width in metres."""
    rows, cols = thing.cells
    box = box_of(rows, cols)
    u, v = box.local(rows, cols)
    half_u, half_v = max(box.length / 2, 0.2), max(box.width / 2, 0.2)
    return u / half_u, v / half_v, box.length, box.width


def _car(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    u, v, length, _ = _shares(thing)
    if thing.name == "motorbike" or length < 2.4:
        return np.full(len(u), rng.uniform(0.9, 1.4), np.float32)
    u = u * rng.choice([-1.0, 1.0])
    roof, hood = rng.uniform(1.4, 1.9), rng.uniform(0.75, 1.0)
    estate = rng.random() < 0.45
    rear = 0.95 if estate else 0.55
    # Wind screens slope.
    front = np.clip((u + 0.35) / -0.2, 0, 1)
    back = np.clip((u - rear) / 0.25, 0, 1)
    cabin = roof - (roof - hood) * np.maximum(front, back)
    return (cabin - 0.12 * (np.abs(v) > 0.8)).astype(np.float32)


def _van(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    u, _, _, _ = _shares(thing)
    u = u * rng.choice([-1.0, 1.0])
    high = rng.uniform(1.9, 2.7)
    return np.where(u < -0.7, np.minimum(high, 1.2), high).astype(np.float32)


def _truck(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    u, v, length, _ = _shares(thing)
    u = u * rng.choice([-1.0, 1.0])
    if thing.attributes.get("kind") == "excavator":
        return np.where(np.hypot(u, v) < 0.6, 2.9, rng.uniform(1.0, 2.0)).astype(np.float32)
    cab = 1 - 2 * 2.2 / max(length, 5)
    load = rng.uniform(2.6, 4.0) if rng.random() < 0.75 else rng.uniform(1.1, 1.6)
    height = np.where(u > cab, rng.uniform(2.5, 3.6), load)
    gap = (u > cab - 0.7 / max(length, 5)) & (u < cab)
    return np.where(gap, 1.1, height).astype(np.float32)


def _bus(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    u, v, _, _ = _shares(thing)
    machine = (np.abs(u - rng.uniform(-0.4, 0.4)) < 0.18) & (np.abs(v) < 0.6)
    return (rng.uniform(2.9, 3.3) + 0.25 * machine).astype(np.float32)


def _train(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    _, _, _, _ = _shares(thing)
    rows, cols = thing.cells
    inward = thing.inward_m()[rows - thing.row0, cols - thing.col0]
    body = rng.uniform(3.5, 4.2) - 0.35 * np.clip(0.6 - inward, 0, 0.6)
    if thing.attributes.get("kind") == "goods" and rng.random() < 0.5:
        body = np.where(inward > 0.4, body - rng.uniform(0.4, 1.6), body)
    return body.astype(np.float32)


def _boat(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    u, v, length, width = _shares(thing)
    hull = float(np.clip(0.16 * length, 0.5, 11)) * rng.uniform(0.6, 1.0)
    cabin = float(np.clip(0.12 * length, 0.6, 16)) * rng.uniform(0.7, 1.3)
    at = rng.uniform(-0.6, 0.3)
    deck = (np.abs(u - at) < rng.uniform(0.15, 0.4)) & (np.abs(v) < 0.7)
    return (hull + np.where(deck & (width > 1.6), cabin, 0)).astype(np.float32)


def _aircraft(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    """A tube along the fuselage, thin wings lower, a fin at the tail."""
    rows, cols = thing.cells
    inward = thing.inward_m()[rows - thing.row0, cols - thing.col0]
    span = np.sqrt(thing.area_m2)
    tube = max(float(inward.max()), 0.4)
    wing = float(np.clip(0.09 * span, 0.9, 3.2))
    round_ = np.sqrt(np.clip(inward / tube, 0, 1))
    height = wing + 1.5 * tube * round_
    box = box_of(rows, cols)
    u, v = box.local(rows, cols)
    tail = (np.abs(v) < 0.35) & (u * rng.choice([-1.0, 1.0]) > 0.38 * box.length)
    return np.where(tail, wing + 3.2 * tube, height).astype(np.float32)
