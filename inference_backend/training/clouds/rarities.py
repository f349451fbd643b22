"""What pictures of the scene lack or seldom have, put where it might stand: stacks, silos, tanks, cranes, heaps, containers, trains, aircraft."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Box, Place, box_of
from inference_backend.training.clouds.relief import CELL_M, EMPTY, Relief
from inference_backend.training.clouds.standing import (
    chimney,
    crane,
    drum,
    rubble,
    silo,
    turbine,
)

_GROUND = ("grass", "bare ground", "paved", "other", "field", "sport")
_PAVED = ("paved", "road", "other", "vehicle", "bare ground")
_WORKS = ("industrial", "harbour", "tank farm", "energy")
_FARMS = ("rural", "harbour", "greenhouses", "orchard", "industrial", "village")
_BUILDING_UP = ("downtown", "harbour", "industrial", "shopping", "quarry", "leisure", "suburb")
_HEAPS = {"quarry": 1.0, "industrial": 0.4, "landslide": 0.8, "informal": 0.4, "village": 0.3,
          "harbour": 0.3, "railway": 0.25, "beach": 0.1}  # fmt: skip


def add_rarities(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Each by the chance that its kind of place gives it; a small one everywhere."""
    kind = place.scene.kind
    for chance, put in (
        (0.5 if kind in _WORKS else 0.03, _stacks),
        (0.35 if kind in _FARMS else 0.04, _silos),
        (0.4 if kind in _WORKS else 0.05, _tanks),
        (0.35 if kind in _BUILDING_UP else 0.04, _crane),
        (_HEAPS.get(kind, 0.12), _heaps),
        (0.4 if kind in (*_WORKS, "railway", "shopping") else 0.06, _containers),
        (0.3 if kind in ("downtown", "shopping", "leisure", "sports", "railway") else 0.08, _buses),
        (0.8 if kind == "airport" else 0.0, _aircraft),
        (0.1 if kind in ("rural", "energy", "chaparral", "river") else 0.0, _turbine),
    ):
        if rng.random() < chance:
            put(rng, place, relief)
    if not place.of_names("train") and rng.random() < 0.7:
        _train(rng, place, relief)


def free_places(
    rng: np.random.Generator,
    place: Place,
    relief: Relief,
    names: tuple[str, ...],
    count: int,
    margin_m: float,
) -> list[tuple[float, float]]:
    """Places on ground of these kinds, `margin_m` from anything that stands, flows or bears tracks; none where none is."""
    clear = place.is_semantic(*names) & (relief.top < relief.ground + 0.3)
    clear &= ~np.isin(relief.leaf, (ID["water"], ID["rail track"]))
    clear &= relief.slab.top <= EMPTY
    away = cv2.distanceTransform(clear.astype(np.uint8), cv2.DIST_L2, 5) * CELL_M
    cells = np.argwhere(away > margin_m)
    if not len(cells):
        return []
    chosen = cells[rng.integers(len(cells), size=count)]
    return [((col + 0.5) * CELL_M, (row + 0.5) * CELL_M) for row, col in chosen]


def stand_box(
    relief: Relief,
    box: Box,
    leaf: str,
    height: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """A thing in a turned rectangle; `height(u, v)` by metres along and across, 0 where it is not."""
    reach = 0.5 * float(np.hypot(box.length, box.width))
    row, col = int(box.y / CELL_M), int(box.x / CELL_M)
    half = int(reach / CELL_M) + 2
    rows, cols = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    keep = relief.inside(rows, cols)
    rows, cols = rows[keep], cols[keep]
    u, v = box.local(rows, cols)
    z = height(u, v)
    on = (np.abs(u) <= box.length / 2) & (np.abs(v) <= box.width / 2) & (z > 0)
    rows, cols, z = rows[on], cols[on], z[on]
    if len(rows):
        low = float(np.median(relief.ground[rows, cols]))
        relief.solid(rows, cols, low + z, ID[leaf])


def _stacks(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    for at in free_places(rng, place, relief, _GROUND, int(rng.integers(1, 4)), 2.6):
        chimney(rng, relief, *at, rng.uniform(12, 75))


def _silos(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    for x, y in free_places(rng, place, relief, _GROUND, 1, 5.0):
        for k in range(int(rng.integers(1, 5))):
            silo(rng, relief, x + 7 * k * rng.uniform(0.8, 1.2), y)


def _tanks(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    radius, height = rng.uniform(2, 8), rng.uniform(3, 14)
    for x, y in free_places(rng, place, relief, _GROUND, int(rng.integers(1, 4)), 6.0):
        drum(relief, x, y, radius, height, rng.choice([0.0, 0.1, 0.3]), "tank")


def _crane(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    for at in free_places(rng, place, relief, _GROUND, 1, 1.5):
        crane(rng, relief, *at, rng.uniform(22, 60))


def _turbine(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    for at in free_places(rng, place, relief, _GROUND, 1, 3.0):
        turbine(rng, relief, *at, rng.uniform(30, 90), rng.uniform(12, 40))


def _heaps(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    for at in free_places(rng, place, relief, _GROUND, int(rng.integers(1, 7)), 1.0):
        rubble(rng, relief, *at, rng.uniform(1.0, 5.0))


def _containers(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """A stack or a row, each one, two or three high."""
    turn = rng.uniform(0, np.pi)
    for x, y in free_places(rng, place, relief, _PAVED, int(rng.integers(1, 4)), 3.5):
        for k in range(int(rng.integers(1, 5))):
            high, long = 2.6 * rng.choice([1, 1, 2, 3]), rng.choice([6.1, 12.2])
            across = 2.7 * k
            box = Box(x - np.sin(turn) * across, y + np.cos(turn) * across, long, 2.45, turn)
            stand_box(relief, box, "container", lambda u, v, high=high: np.full_like(u, high))


def _buses(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    turn = rng.uniform(0, np.pi)
    for x, y in free_places(rng, place, relief, _PAVED, int(rng.integers(1, 5)), 2.0):
        high, unit = rng.uniform(2.9, 4.2), rng.uniform(-3, 3)
        box = Box(x, y, rng.choice([9.5, 12.0, 12.0, 18.0]), 2.55, turn + rng.normal(0, 0.03))
        stand_box(
            relief, box, "bus",
            lambda u, v, high=high, unit=unit: high + 0.25 * ((np.abs(u - unit) < 1.2) & (np.abs(v) < 0.8)),
        )  # fmt: skip


def _aircraft(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Small ones and airliners on the apron: fuselage, wings, tail plane, fin."""
    size = rng.uniform(8, 13) if rng.random() < 0.5 else rng.uniform(25, 45)
    for x, y in free_places(
        rng, place, relief, (*_PAVED, "grass"), int(rng.integers(1, 4)), 0.3 * size
    ):
        tube = 0.05 * size if size > 20 else 0.6

        def height(u: np.ndarray, v: np.ndarray, tube: float = tube) -> np.ndarray:
            low = 0.8 * tube + 0.5
            body = np.where(
                np.abs(v) < tube, low + 2 * tube * np.sqrt(np.clip(1 - (v / tube) ** 2, 0, 1)), 0
            )
            body *= np.abs(u) < 0.5 * size
            swept = u - 0.06 * size + 0.35 * np.abs(v)
            wing = (np.abs(swept) < 0.075 * size) & (np.abs(v) < 0.48 * size)
            aft = (np.abs(u + 0.44 * size + 0.3 * np.abs(v)) < 0.045 * size) & (
                np.abs(v) < 0.17 * size
            )
            fin = (np.abs(v) < 0.2) & (np.abs(u + 0.43 * size) < 0.06 * size)
            flat = np.where(wing | aft, low + 0.5 * tube, 0)
            return np.maximum(np.maximum(body, flat), np.where(fin, low + 4.5 * tube, 0))

        stand_box(relief, Box(x, y, size, size, rng.uniform(0, 2 * np.pi)), "aircraft", height)


def _train(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Carriages along one of the tracks."""
    rows, cols = np.nonzero(place.is_semantic("railway") & (relief.leaf == ID["rail track"]))
    if len(rows) < 1200:
        return
    box = box_of(rows, cols)
    if box.width > 0.45 * box.length:
        return  # no straight line
    at = int(rng.integers(len(rows)))
    u, v = (float(value[0]) for value in box.local(rows[at : at + 1], cols[at : at + 1]))
    high, long = rng.uniform(3.5, 4.3), rng.uniform(13, 26)
    goods = rng.random() < 0.5
    for k in range(int(rng.integers(2, 7))):
        x, y = box.at(u + k * long, v)
        body = Box(float(x), float(y), long - 0.9, 2.9, box.angle)

        def height(u: np.ndarray, v: np.ndarray, load: float = rng.uniform(0.4, 1.0)) -> np.ndarray:
            full = high - 0.3 * (np.abs(v) > 1.15)
            return np.where(goods & (np.abs(v) < 1.1), load * full, full)

        stand_box(relief, body, "train", height)
