"""Power lines, poles and lamps, and the wires between them."""

from __future__ import annotations

import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place
from inference_backend.training.clouds.relief import CELL_M, Relief, cell_of

_TOWER_CHANCE = {"rural": 0.5, "energy": 0.6, "industrial": 0.4, "motorway": 0.4, "river": 0.3,
                 "forest": 0.35, "chaparral": 0.35, "wind farm": 0.5, "railway": 0.3}  # fmt: skip
_WILD = (
    "rural",
    "forest",
    "wind farm",
    "chaparral",
    "orchard",
    "landslide",
    "quarry",
    "golf",
    "energy",
)


def add_utilities(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Transmission lines in open land, low lines along streets, lamps, railway masts with contact wire."""
    if rng.random() < _TOWER_CHANCE.get(place.scene.kind, 0.18):
        transmission_line(rng, relief)
    if place.scene.kind in ("suburb", "village", "informal", "rural", "greenhouses", "orchard"):
        for _ in range(int(rng.integers(0, 4))):
            _street_line(rng, place, relief)
    elif rng.random() < 0.3:
        _street_line(rng, place, relief)
    _lamps(rng, place, relief)
    _railway_wires(rng, place, relief)


def catenary(start: np.ndarray, end: np.ndarray, sag_m: float) -> np.ndarray:
    """Points (N, 3), a few a cell, along a wire that hangs `sag_m` below the chord."""
    length = float(np.linalg.norm(end - start))
    t = np.linspace(0, 1, max(int(length / (0.5 * CELL_M)), 2))[:, None]
    points = start + (end - start) * t
    points[:, 2] -= sag_m * 4 * (t * (1 - t))[:, 0]
    return points


def hang(rng: np.random.Generator, relief: Relief, start: np.ndarray, end: np.ndarray, sag: float,
         rate: float = 7.0) -> None:  # fmt: skip
    """One wire between two places."""
    relief.thread(catenary(start, end, sag), 0.07, "wire", rate)


def transmission_line(rng: np.random.Generator, relief: Relief) -> None:
    """Lattice towers in a straight line with three to six conductors and an earth wire."""
    side = relief.side_m
    turn = rng.uniform(0, np.pi)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    height, span = rng.uniform(22, 60), rng.uniform(110, 320)
    arms = int(rng.integers(1, 4))
    for _ in range(12):
        # One tower stands in sight, on ground where nothing else does.
        foot = rng.uniform(0.12, 0.88, 2) * side
        if _is_free(relief, foot, 3.0):
            break
    else:
        return
    feet = [foot + along * k * span for k in (-1, 0, 1)]
    widths = [rng.uniform(4, 8) * (1 - 0.2 * k) for k in range(arms)]
    heights = [height * (0.94 - 0.16 * k) for k in range(arms)]
    ground = [float(relief.ground_at(*foot)) for foot in feet]
    tubular = rng.random() < 0.25
    for foot, low in zip(feet, ground, strict=True):
        _tower(rng, relief, foot, low, height, across, widths, heights, tubular)
    for k in (0, 1):
        sag = span * rng.uniform(0.015, 0.04)
        for width, high in zip(widths, heights, strict=True):
            for offset in (-width, width):
                ends = [
                    np.array([*(foot + across * offset), low + high - 1.5])
                    for foot, low in zip(feet[k : k + 2], ground[k : k + 2], strict=True)
                ]
                hang(rng, relief, *ends, sag, 9.0)
        tips = [np.array([*foot, low + height]) for foot, low in zip(feet, ground, strict=True)]
        hang(rng, relief, tips[k], tips[k + 1], 0.8 * sag, 4.0)


def _is_free(relief: Relief, at: np.ndarray, radius_m: float) -> bool:
    """Whether nothing stands, flows or drives within `radius_m` of a place."""
    row, col = (int(value) for value in cell_of(*at))
    half = int(radius_m / CELL_M)
    window = (slice(max(row - half, 0), row + half + 1), slice(max(col - half, 0), col + half + 1))
    clear = relief.top[window] < relief.ground[window] + 0.4
    clear &= ~np.isin(relief.leaf[window], (ID["water"], ID["rail track"], ID["pavement"]))
    clear &= relief.slab.top[window] < relief.ground[window]
    return bool(clear.all())


def _tower(
    rng: np.random.Generator,
    relief: Relief,
    foot: np.ndarray,
    low: float,
    height: float,
    across: np.ndarray,
    widths: list[float],
    heights: list[float],
    tubular: bool,
) -> None:
    """A body that narrows upwards, and cross arms; a lattice lets most of the light through."""
    base = 0.6 if tubular else height * rng.uniform(0.07, 0.11)
    half = int(np.ceil(base / CELL_M)) + 1
    row, col = (int(v) for v in cell_of(*foot))
    r, c = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    r, c = r.ravel(), c.ravel()
    keep = relief.inside(r, c)
    r, c = r[keep], c[keep]
    if len(r):
        dx, dy = (c + 0.5) * CELL_M - foot[0], (r + 0.5) * CELL_M - foot[1]
        u, v = dx * across[0] + dy * across[1], dx * across[1] - dy * across[0]
        reach = np.maximum(np.abs(u), np.abs(v)) / (base / 2)
        waist = 0.35 if not tubular else 0.9
        top = np.where(reach < waist, 1.0, np.clip((1 - reach) / (1 - waist), 0, 1) * 0.75) * height
        on = (reach < 1) & (top > 0.4)
        # Only the faces of the body reflect; inside it is air.
        shell = on & ((reach > waist * 0.6) | tubular | (reach < 0.3))
        rate = 2.5 if tubular else 0.16
        relief.stand(
            r[shell], c[shell], np.full(shell.sum(), low), low + top[shell], "power tower", rate
        )
    for width, high in zip(widths, heights, strict=True):
        t = np.arange(-width, width + 0.01, 0.5 * CELL_M)
        for shift in (-0.25, 0.25):
            xy = foot + across * t[:, None] + shift * np.array([-across[1], across[0]])
            z = low + high - 0.25 * np.abs(t) / width
            relief.thread(np.column_stack([xy, z]), 0.35, "power tower", 1.0)


def pole(
    rng: np.random.Generator, relief: Relief, x: float, y: float, height: float, leaf: str
) -> float:
    """An upright; returns the ground below it."""
    low = float(relief.ground_at(x, y))
    row, col = cell_of(x, y)
    if relief.inside(row, col) and relief.top[row, col] < low + 1.0:
        one = np.array([row]), np.array([col])
        relief.stand(*one, np.array([low]), np.array([low + height]), leaf, rng.uniform(0.8, 2.0))
        # The head is thicker than the shaft.
        relief.thread(np.array([[x, y, low + height]]), 0.15, leaf, 5.0)
    return low


def _road_side(rng: np.random.Generator, place: Place) -> tuple[np.ndarray, np.ndarray] | None:
    """A straight line along a road's edge: a start (2,) and a unit direction (2,) found in the mask."""
    import cv2

    road = place.is_semantic("road").astype(np.uint8)
    if road.sum() < 800:
        return None
    inner = cv2.distanceTransform(road, cv2.DIST_L2, 5) * CELL_M
    outer = cv2.distanceTransform(1 - road, cv2.DIST_L2, 5) * CELL_M
    edge = np.argwhere((outer > 0.9) & (outer < 1.6))
    if len(edge) < 20:
        return None
    row, col = edge[rng.integers(len(edge))]
    near = edge[np.hypot(*(edge - (row, col)).T) < 80]
    near = near - near.mean(0)
    _, values, vectors = np.linalg.svd(near.astype(float), full_matrices=False)
    if values[1] > 0.45 * values[0] or inner.max() < 0.7:
        return None
    direction = vectors[0][::-1]
    return (np.array([col, row]) + 0.5) * CELL_M, direction / np.linalg.norm(direction)


def _street_line(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Wooden or concrete poles every 25 to 50 m with one to four wires."""
    found = _road_side(rng, place)
    if found is None:
        return
    start, along = found
    across = np.array([-along[1], along[0]])
    span, height = rng.uniform(22, 48), rng.uniform(6.5, 12)
    wires = int(rng.integers(1, 5))
    upright = rng.random() < 0.5  # wires one above the other
    reach = int(relief.side_m * 1.5 / span)
    before = None
    for k in range(-reach, reach + 1):
        at = start + along * k * span
        if not (-span < at[0] < relief.side_m + span and -span < at[1] < relief.side_m + span):
            before = None
            continue
        low = pole(rng, relief, *at, height, "utility pole")
        tips = []
        for wire in range(wires):
            off = 0.0 if upright else (wire - (wires - 1) / 2) * 0.6
            z = low + height - (0.4 * wire if upright else 0.1)
            tips.append(np.array([*(at + across * off), z]))
        if wires > 1 and not upright:
            t = np.linspace(-0.3 * wires, 0.3 * wires, 8)
            bar = np.column_stack([at + across * t[:, None], np.full(8, low + height - 0.15)])
            relief.thread(bar, 0.1, "utility pole", 3.0)
        if before is not None:
            sag = span * rng.uniform(0.01, 0.03)
            for one, other in zip(before, tips, strict=True):
                hang(rng, relief, one, other, sag, 5.0)
        before = tips


def _lamps(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Lamps with an arm along roads and in car parks."""
    if rng.random() < (0.9 if place.scene.kind in _WILD else 0.25):
        return
    for _ in range(int(rng.integers(1, 4))):
        found = _road_side(rng, place)
        if found is None:
            continue
        start, along = found
        across = np.array([-along[1], along[0]]) * rng.choice([-1.0, 1.0])
        span, height, arm = rng.uniform(16, 34), rng.uniform(5, 11), rng.uniform(0.6, 2.2)
        for k in range(-8, 9):
            at = start + along * k * span
            lamp(rng, relief, at, height, across * arm)
    for lot in place.of_names("parking lot"):
        if lot.area_m2 > 300 and rng.random() < 0.7:
            rows, cols = lot.cells
            for at in rng.integers(len(rows), size=int(lot.area_m2 / 350) + 1):
                xy = (np.array([cols[at], rows[at]]) + 0.5) * CELL_M
                lamp(rng, relief, xy, rng.uniform(6, 12), rng.normal(0, 0.6, 2))


def lamp(
    rng: np.random.Generator, relief: Relief, at: np.ndarray, height: float, arm: np.ndarray
) -> None:
    """A shaft, an arm and a head."""
    row, col = cell_of(*at)
    if not relief.inside(row, col) or relief.leaf[row, col] in (ID["water"], ID["rail track"]):
        return
    low = pole(rng, relief, *at, height, "street lamp")
    t = np.linspace(0, 1, 10)[:, None]
    xy = at + t * arm
    relief.thread(np.column_stack([xy, low + height + 0.15 * t[:, 0]]), 0.12, "street lamp", 4.0)
    head = at + arm + rng.normal(0, 0.12, (4, 2))
    relief.thread(
        np.column_stack([head, np.full(4, low + height + 0.15)]), 0.15, "street lamp", 8.0
    )


def _railway_wires(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Masts beside the track, contact and carrier wire above it."""
    track = place.is_semantic("railway") | place.mask_of("train")
    if track.sum() < 1500 or rng.random() < 0.35:
        return
    cells = np.argwhere(track)[:, ::-1]
    middle = cells.mean(0)
    _, _, vectors = np.linalg.svd(
        (cells - middle)[:: max(len(cells) // 4000, 1)].astype(float), full_matrices=False
    )
    along = vectors[0] / np.linalg.norm(vectors[0])
    across = np.array([-along[1], along[0]])
    v = (cells - middle) @ across * CELL_M
    low, high = np.quantile(v, [0.02, 0.98])
    centre = (middle + 0.5) * CELL_M
    height, span = rng.uniform(6.8, 8.5), rng.uniform(35, 60)
    lines = np.arange(low + 2.1, high, 4.6) if high - low > 5 else np.array([(low + high) / 2])
    shift = rng.uniform(0, span)
    for k in range(-4, 5):
        u = shift + k * span
        for off, sign in ((low - 0.6, 1), (high + 0.6, -1)):
            at = centre + along * u + across * off
            ground = pole(rng, relief, *at, height, "utility pole")
            reach = np.linspace(0, (high - low) / 2 + 0.6 if len(lines) > 1 else 3.0, 40)[:, None]
            bar = np.column_stack([at + sign * across * reach, np.full(40, ground + height - 0.4)])
            relief.thread(bar, 0.12, "utility pole", 2.0)
    for off in lines:
        for k in range(-4, 4):
            ends = [centre + along * (shift + j * span) + across * off for j in (k, k + 1)]
            z = [float(relief.ground_at(*end)) for end in ends]
            carrier = [
                np.array([*end, low_ + height - 0.7]) for end, low_ in zip(ends, z, strict=True)
            ]
            contact = [np.array([*end, low_ + 5.4]) for end, low_ in zip(ends, z, strict=True)]
            hang(rng, relief, *carrier, 0.9, 6.0)
            hang(rng, relief, *contact, 0.0, 5.0)
