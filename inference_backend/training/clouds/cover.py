"""What the ground is: earth, pavement, track, water, and the low growth on it."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place
from inference_backend.training.clouds.relief import Relief
from inference_backend.training.clouds.terrain import water_of
from inference_backend.training.scenes.noise import noise

_PAVED = ("road", "paved", "vehicle")
_PAVED_THINGS = (
    "road", "parking lot", "runway", "taxiway", "tennis court", "basketball court",
    "running track", "helipad", "car", "truck", "bus", "motorbike", "aircraft",
)  # fmt: skip
_TALL = {
    "rural": 0.6,
    "chaparral": 0.5,
    "forest": 0.5,
    "river": 0.5,
    "suburb": 0.08,
    "airport": 0.3,
}


def ground_leaves(rng: np.random.Generator, place: Place) -> np.ndarray:
    """uint8 (H, W): the leaf of the bare surface at every cell."""
    leaf = np.full(place.shape, ID["open ground"], np.uint8)
    paved = place.is_semantic(*_PAVED) | place.mask_of(*_PAVED_THINGS)
    if rng.random() < 0.5:
        paved |= place.is_semantic("sport") & ~place.mask_of("sport field", "baseball diamond")
    unpaved = [t.number for t in place.of_names("road") if t.attributes.get("surface") == "unpaved"]
    if unpaved:
        paved &= ~np.isin(place.instances, unpaved)
    leaf[paved] = ID["pavement"]
    leaf[place.is_semantic("railway") | place.mask_of("railway", "train")] = ID["rail track"]
    leaf[water_of(place)] = ID["water"]
    leaf[place.is_semantic("boat") | place.mask_of("boat", "ship")] = ID["water"]
    return leaf


def roughen(rng: np.random.Generator, relief: Relief) -> None:
    """Small unevenness by what the ground is made of; ballast stands above its bed."""
    rows, cols = relief.shape
    rough = np.full(relief.shape, 0.035, np.float32)
    rough[relief.leaf == ID["pavement"]] = 0.008
    rough[relief.leaf == ID["water"]] = 0.0
    bumps = rough * noise(rng, rows, cols, "grain")
    track = (relief.leaf == ID["rail track"]).astype(np.float32)
    if track.any():
        bumps += 0.35 * np.clip(cv2.GaussianBlur(track, (0, 0), 2) * 2 - 0.6, 0, 1)
    relief.ground += bumps
    relief.top[:] = relief.ground


def low_growth(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Grass too high to be ground, weeds and crops: a thin fuzz that lets most pulses through to the earth."""
    rows, cols = place.shape
    patchy = cv2.GaussianBlur(noise(rng, rows, cols, "ground").copy(), (0, 0), 3)
    patchy /= max(float(patchy.std()), 1e-6)
    height = np.zeros(place.shape, np.float32)
    grass = place.is_semantic("grass", "shrub", "tree", "bare ground")
    open_earth = relief.leaf == ID["open ground"]
    share = _TALL.get(place.scene.kind, 0.2) * rng.uniform(0.4, 1.5)
    limit = np.quantile(patchy, 1 - np.clip(share, 0.02, 0.9))
    tall = grass & open_earth & (patchy > limit)
    height[tall] = (rng.uniform(0.1, 0.6) * (0.4 + np.clip(patchy - limit, 0, 1.2)))[tall]
    for field in place.of_names("field", "orchard"):
        cells = field.cells
        if rng.random() < 0.45:
            continue
        crop = rng.uniform(0.15, 1.0) if rng.random() < 0.85 else rng.uniform(1.2, 2.4)
        if field.name == "orchard":
            crop = rng.uniform(0.1, 0.3)
        height[cells] = crop * (1 + 0.1 * patchy[cells])
    height[~open_earth] = 0
    where = height > 0.08
    grain = noise(rng, rows, cols, "grain")
    height = np.clip(height * (1 + 0.25 * grain), 0.05, 2.6)
    relief.low.put(
        where,
        relief.ground[where],
        (relief.ground + height)[where],
        ID["low vegetation"],
        (rng.uniform(0.1, 0.9) / height)[where],
    )
