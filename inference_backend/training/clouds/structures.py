"""Built things that are no houses: piers, tanks, greenhouses, building sites, panels on the ground, walls, and what images lack."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.clouds.buildings import solar_cells
from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place, Thing, box_of
from inference_backend.training.clouds.relief import CELL_M, Relief
from inference_backend.training.clouds.standing import crane, line, rubble, turbine


def add_structures(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """All from the scene, and some that pictures do not show."""
    for thing in place.of_names("tank"):
        _tank(rng, relief, thing, place)
    for thing in place.of_names("pier"):
        rows, cols = thing.cells
        level = float(np.median(relief.ground[rows, cols])) + rng.uniform(0.6, 1.8)
        relief.solid(rows, cols, level, ID["pier"])
    for thing in place.of_names("greenhouse"):
        _greenhouse(rng, relief, thing)
    for thing in place.of_names("wind turbine"):
        _turbine(rng, relief, thing, place)
    for thing in place.of_names("construction site"):
        _site(rng, relief, thing)
    _ground_panels(rng, place, relief)
    _walls_and_fences(rng, place, relief)


def _tank(rng: np.random.Generator, relief: Relief, thing: Thing, place: Place) -> None:
    """Round, flat or domed; tall narrow ones in farm land and industry are silos."""
    rows, cols = thing.cells
    inward = thing.inward_m()[rows - thing.row0, cols - thing.col0]
    radius = max(float(inward.max()), 0.5)
    height = float(thing.attributes.get("height_m", 7.0))
    silo = place.scene.kind in ("rural", "greenhouses", "orchard", "harbour") or (
        radius < 5 and rng.random() < 0.4
    )
    if silo:
        height = max(height, rng.uniform(2.0, 4.0) * radius, 6.0)
    low = float(np.median(relief.ground[rows, cols]))
    cone = rng.choice([0.0, 0.12, 0.35]) + (0.25 if silo else 0.0)
    top = low + height + cone * inward
    relief.solid(rows, cols, top, ID["silo" if silo else "tank"])


def _greenhouse(rng: np.random.Generator, relief: Relief, thing: Thing) -> None:
    """Bays side by side under glass or film, through which some pulses pass."""
    rows, cols = thing.cells
    box = box_of(rows, cols)
    _, v = box.local(rows, cols)
    height, bay = float(thing.attributes.get("height_m", 4.0)), rng.uniform(3.2, 8.0)
    part = np.abs((v / bay) % 1 - 0.5) * 2
    bow = thing.attributes.get("roof") == "plastic"
    rise = min(0.25 * bay, 0.5 * height) * (
        np.sqrt(np.clip(1 - part**2, 0, 1)) if bow else 1 - part
    )
    low = float(np.median(relief.ground[rows, cols]))
    top = low + height - 0.3 * rise.max() + rise * 0.8
    # Glass: the frame and the panes answer, and now and then what is below.
    inward = thing.inward_m()[rows - thing.row0, cols - thing.col0]
    bottom = np.where(inward < 0.4, relief.ground[rows, cols], top - 0.2)
    relief.slab.put((rows, cols), bottom, top, ID["greenhouse"], rng.uniform(4, 15))


def _turbine(rng: np.random.Generator, relief: Relief, thing: Thing, place: Place) -> None:
    """A tapering tower, a nacelle, three blades. The scene's mask has its foot at one end of the tower."""
    rows, cols = thing.cells
    inward = thing.inward_m()
    at = np.unravel_index(int(inward.argmax()), inward.shape)
    x = (at[1] + thing.col0 + 0.5) * CELL_M
    y = (at[0] + thing.row0 + 0.5) * CELL_M
    turbine(rng, relief, x, y, float(np.clip(thing.attributes.get("height_m", 60), 25, 120)),
            float(thing.attributes.get("rotor_m", 60)) / 2)  # fmt: skip


def _site(rng: np.random.Generator, relief: Relief, thing: Thing) -> None:
    """Heaps, first walls, a crane."""
    rows, cols = thing.cells
    if thing.area_m2 < 100:
        return

    def spot() -> tuple[float, float]:
        at = rng.integers(len(rows))
        return (cols[at] + 0.5) * CELL_M, (rows[at] + 0.5) * CELL_M

    for _ in range(int(rng.integers(1, 5))):
        rubble(rng, relief, *spot(), rng.uniform(1.5, 5))
    if rng.random() < 0.75:
        crane(rng, relief, *spot(), rng.uniform(18, 55))
    box = box_of(rows, cols)
    for _ in range(int(rng.integers(2, 9))):
        x, y = spot()
        turn = box.angle + rng.choice([0, np.pi / 2])
        line(rng, relief, (x, y), turn, rng.uniform(3, 12), "wall", rng.uniform(1, 3))


def _ground_panels(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Solar arrays that stand on the ground: tilted tables in rows."""
    panels = solar_cells(place) & ~np.isin(relief.leaf, (ID["solar panel"], ID["facade"]))
    panels &= relief.top < relief.ground + 0.5
    rows, cols = np.nonzero(panels)
    if len(rows) < 30:
        return
    small = cv2.distanceTransform(panels.astype(np.uint8), cv2.DIST_L2, 3)
    turn = box_of(rows, cols).angle
    across = (cols * -np.sin(turn) + rows * np.cos(turn)) * CELL_M
    tilt = rng.uniform(0.2, 0.6)
    depth = max(float(small.max()) * 2 * CELL_M, 1.5)
    lift = 0.6 + tilt * (across % min(depth, 4.5))
    relief.solid(rows, cols, relief.ground[rows, cols] + lift, ID["solar panel"])


def _walls_and_fences(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Round gardens and yards: along the sides of lawns and beside buildings, and free in fields."""
    kind = place.scene.kind
    built = place.of_names("building")
    chance = {"suburb": 0.3, "village": 0.3, "informal": 0.15, "industrial": 0.4}.get(kind, 0.15)
    for thing in built[:150]:
        if rng.random() > chance or thing.area_m2 < 25:
            continue
        rows, cols = thing.cells
        box = box_of(rows, cols)
        leaf = "fence" if rng.random() < 0.55 else "wall"
        height = rng.uniform(1.0, 2.4) if leaf == "fence" else rng.uniform(0.6, 2.5)
        du, dv = box.length / 2 + rng.uniform(2, 9), box.width / 2 + rng.uniform(2, 9)
        corners = ((-du, -dv, 0, 2 * du), (du, -dv, np.pi / 2, 2 * dv),
                   (du, dv, np.pi, 2 * du), (-du, dv, -np.pi / 2, 2 * dv))  # fmt: skip
        for u, v, turn, length in corners:
            if rng.random() < 0.7:
                line(rng, relief, box.at(u, v), box.angle + turn, length, leaf, height)
    for _ in range(rng.poisson(1.0)):
        start = rng.uniform(0, relief.side_m, 2)
        line(
            rng,
            relief,
            tuple(start),
            rng.uniform(0, 6.3),
            rng.uniform(15, 90),
            "fence",
            rng.uniform(1, 2.2),
        )
    for thing in place.of_names("tennis court", "basketball court", "playground"):
        if rng.random() < 0.7:
            rows, cols = thing.cells
            box = box_of(rows, cols)
            du, dv, height = box.length / 2 + 0.6, box.width / 2 + 0.6, rng.uniform(1.2, 4)
            for u, v, turn, length in ((-du, -dv, 0, 2 * du), (du, -dv, np.pi / 2, 2 * dv),
                                       (du, dv, np.pi, 2 * du), (-du, dv, -np.pi / 2, 2 * dv)):  # fmt: skip
                line(rng, relief, box.at(u, v), box.angle + turn, length, "fence", height)
