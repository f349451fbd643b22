"""Bare earth: flat, rolling or steep, with terraces, embankments, level water and banks."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from inference_backend.training.clouds.place import Place
from inference_backend.training.clouds.relief import CELL_M
from inference_backend.training.scenes.noise import noise

_FORMS = (("flat", 0.34), ("gentle", 0.36), ("hilly", 0.2), ("steep", 0.1))
_SLOPES = {"flat": (0.0, 0.01), "gentle": (0.01, 0.06), "hilly": (0.06, 0.16), "steep": (0.16, 0.3)}
_TERRACED = ("rural", "village", "informal", "orchard", "chaparral", "forest", "golf", "energy")
_LEVEL_KINDS = ("airport", "harbour", "beach", "railway", "motorway", "tank farm", "roundabout")


def terrain(rng: np.random.Generator, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Ground heights (H, W) float32 and the mask of steps between terraces (walls that hold earth)."""
    form = str(rng.choice([name for name, _ in _FORMS], p=[chance for _, chance in _FORMS]))
    if place.scene.kind in _LEVEL_KINDS and form in ("hilly", "steep") and rng.random() < 0.75:
        form = "gentle"
    if place.scene.kind in ("landslide", "quarry") and rng.random() < 0.6:
        form = "steep"
    ground = _rolling(rng, place.shape, rng.uniform(*_SLOPES[form]))
    steps = np.zeros(place.shape, bool)
    if form in ("hilly", "steep") and place.scene.kind in _TERRACED and rng.random() < 0.6:
        ground, steps = _terraces(rng, place, ground)
    if place.scene.kind in ("quarry", "landslide"):
        ground += _heaps(rng, place.shape)
    ground = _embankments(rng, place, ground)
    ground, levels = _level_water(rng, place, ground)
    ground = _even_roads(place, ground)
    ground = _level_pads(place, ground)
    # Water stays level, whatever was evened beside it.
    ground = np.where(np.isnan(levels), ground, levels)
    ground = ground.astype(np.float32)
    # Earth stands upright only behind a wall.
    steps |= ground - cv2.erode(ground, np.ones((3, 3), np.uint8)) > 0.9
    return ground, steps & ~place.is_semantic("road", "water", "building")


def _rolling(rng: np.random.Generator, shape: tuple[int, int], slope: float) -> np.ndarray:
    """Hills whose mean slope is `slope`."""
    rows, cols = shape
    y, x = np.mgrid[:rows, :cols].astype(np.float32) * CELL_M
    field = noise(rng, rows, cols, "cloud")
    small = cv2.resize(field, (max(cols // 8, 8), max(rows // 8, 8)), interpolation=cv2.INTER_AREA)
    hills = cv2.GaussianBlur(small, (0, 0), rng.uniform(4, 12))
    fine = cv2.GaussianBlur(small, (0, 0), 2.0) - hills
    hills = cv2.resize(hills + 0.3 * fine, (cols, rows), interpolation=cv2.INTER_CUBIC)
    hills /= max(_mean_slope(hills), 1e-6)
    turn = rng.uniform(0, 2 * np.pi)
    plane = np.cos(turn) * x + np.sin(turn) * y
    share = rng.uniform(0.2, 0.9)
    mixed = share * hills + (1 - share) * plane
    ground = mixed * slope / max(_mean_slope(mixed), 1e-6)
    return (ground - ground.mean()).astype(np.float32)


def _mean_slope(height: np.ndarray) -> float:
    dy, dx = np.gradient(height[::4, ::4], CELL_M * 4)
    return float(np.hypot(dx, dy).mean())


def _terraces(
    rng: np.random.Generator, place: Place, ground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps of one to three metres, away from streets; some are held by walls."""
    rise = rng.uniform(0.8, 2.6)
    kept = place.is_semantic("road", "railway", "water", "vehicle").astype(np.uint8)
    away = cv2.distanceTransform(1 - kept, cv2.DIST_L2, 5) * CELL_M
    share = np.clip((away - 2) / 4, 0, 1)
    level = np.floor(ground / rise)
    part = ground / rise - level
    ramp = np.clip((part - 0.9) / 0.1, 0, 1)  # level ground, then a short steep face
    stepped = (level + ramp + 0.08 * part) * rise
    if rng.random() < 0.5:
        return ground + (stepped - ground) * share, np.zeros(ground.shape, bool)
    stepped = (level + 0.12 * part) * rise
    lowest = cv2.erode(stepped.astype(np.float32), np.ones((3, 3), np.uint8))
    walls = (stepped - lowest > 0.6 * rise) & (share > 0.7)
    return ground + (stepped - ground) * share, walls


def _level_pads(place: Place, ground: np.ndarray) -> np.ndarray:
    """Houses stand on ground that was levelled for them; vehicles and courts on even ground."""
    out = ground.copy()
    names = ("building", "tank", "greenhouse", "tennis court", "basketball court", "container",
             "car", "truck", "bus", "aircraft", "helipad", "pool")  # fmt: skip
    for thing in place.of_names(*names):
        cells = thing.cells
        if len(cells[0]) < 4:
            continue
        level = float(np.median(out[cells]))
        if thing.area_m2 > 2500:
            continue
        if thing.name in ("car", "truck", "bus"):
            out[cells] = level + 0.6 * (out[cells] - level) if np.ptp(out[cells]) < 0.8 else level
            continue
        rows, cols = (slice(max(part.start - 16, 0), part.stop + 16) for part in thing.window)
        mask = np.zeros(out[rows, cols].shape, np.uint8)
        mask[cells[0] - rows.start, cells[1] - cols.start] = 1
        away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) * CELL_M
        share = np.clip(1 - np.maximum(away - 0.8, 0) / 3, 0, 1)
        out[rows, cols] += (level - out[rows, cols]) * share
    return out


def _heaps(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Pits and spoil."""
    rows, cols = shape
    field = cv2.GaussianBlur(noise(rng, rows, cols, "cloud").copy(), (0, 0), 14)
    bench = rng.uniform(1.5, 4)
    high = field * rng.uniform(2, 6)
    return np.where(rng.random() < 0.5, high, np.round(high / bench) * bench).astype(np.float32)


def _embankments(rng: np.random.Generator, place: Place, ground: np.ndarray) -> np.ndarray:
    """Railways and, sometimes, main roads on a bank or in a cutting."""
    line = place.is_semantic("railway") | place.mask_of("railway", "train")
    if not line.any() and place.scene.kind in ("motorway", "rural", "river"):
        line = place.is_semantic("road")
    if line.sum() < 400 or rng.random() < 0.35:
        return ground
    height = rng.uniform(0.8, 5.0) * rng.choice([1.0, 1.0, -0.6])
    line = cv2.morphologyEx(line.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    away = cv2.distanceTransform(1 - line, cv2.DIST_L2, 5) * CELL_M
    profile = np.clip(1 - np.maximum(away - 1.2, 0) / (1.6 * abs(height)), 0, 1)
    level = _smooth(ground, 40)
    held = place.is_semantic("building") | (place.instances > 0) & ~line.astype(bool)
    # Houses beside the bank stand on the old ground: the bank ends before them.
    keep = cv2.distanceTransform(1 - held.astype(np.uint8), cv2.DIST_L2, 5) * CELL_M
    profile = np.where(line > 0, 1.0, profile * np.clip(keep / 3, 0, 1))
    return ground * (1 - profile) + (level + height) * profile


def _smooth(ground: np.ndarray, sigma_cells: float) -> np.ndarray:
    rows, cols = ground.shape
    small = cv2.resize(
        ground.astype(np.float32), (cols // 8, rows // 8), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), sigma_cells / 8, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (cols, rows), interpolation=cv2.INTER_LINEAR)


def _level_water(
    rng: np.random.Generator, place: Place, ground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each water body at one height, its shores going down to it; and that height, NaN where no water is."""
    water = water_of(place)
    levels = np.full(ground.shape, np.nan, np.float32)
    if not water.any():
        return ground, levels
    out = ground.copy()
    # Boats, piers and bridges cut the water in pieces that have one level all the same.
    whole = water | place.is_semantic("boat") | place.mask_of("bridge", "pier", "boat", "ship")
    labels, count = ndimage.label(whole)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, cols = (slice(max(part.start - 80, 0), part.stop + 80) for part in box)
        body = labels[rows, cols] == number
        wet = body & water[rows, cols]
        if not wet.any():
            continue
        small = body.sum() * CELL_M**2 < 250
        drop = rng.uniform(0.1, 0.35) if small else rng.uniform(0.4, 2.5)
        level = np.percentile(out[rows, cols][body], 20) - drop
        away = cv2.distanceTransform(1 - body.astype(np.uint8), cv2.DIST_L2, 5) * CELL_M
        reach = 0.4 if small else rng.uniform(2, 14)
        share = np.clip(away / reach, 0, 1)
        near = level + 0.1 + (np.maximum(out[rows, cols], level + 0.15) - level - 0.1) * share
        out[rows, cols] = np.where(body, level, near)
        levels[rows, cols][body] = level
    return out, levels


def water_of(place: Place) -> np.ndarray:
    """bool (H, W): where a pulse would meet water."""
    wet = place.is_semantic("water") & (place.instances == 0)
    return wet | place.mask_of("pool", "lake", "river", "sea")


def _even_roads(place: Place, ground: np.ndarray) -> np.ndarray:
    """Carriageways follow the land, without its bumps."""
    road = place.is_semantic("road", "railway").astype(np.float32)
    if road.mean() < 0.002:
        return ground
    weight = cv2.GaussianBlur(road, (0, 0), 3)
    mean = cv2.GaussianBlur((ground * road).astype(np.float32), (0, 0), 8)
    mean /= np.maximum(cv2.GaussianBlur(road, (0, 0), 8), 1e-3)
    share = np.clip(weight * 1.5 - 0.25, 0, 1) * (cv2.GaussianBlur(road, (0, 0), 8) > 0.02)
    return ground * (1 - share) + mean * share
