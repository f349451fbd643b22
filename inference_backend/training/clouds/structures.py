"""Built things that are no houses: bridges, piers, tanks, silos, chimneys, turbines, cranes, walls, fences, rubble."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.clouds.buildings import solar_cells
from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place, Thing, box_of
from inference_backend.training.clouds.relief import CELL_M, OPAQUE, Relief, cell_of


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


def _ramps(relief: Relief, box: object, deck: float, place: Place) -> None:
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
    _extras(rng, place, relief)


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


def turbine(
    rng: np.random.Generator, relief: Relief, x: float, y: float, height: float, rotor: float
) -> None:
    """A wind turbine at a place."""
    low = float(relief.ground_at(x, y))
    code = ID["wind turbine"]
    wide = np.clip(0.025 * height, 0.6, 2.2)
    _disc(
        relief, x, y, wide, low, lambda away: height * np.clip(1.35 - 0.5 * away / wide, 0, 1), code
    )
    turn = rng.uniform(0, 2 * np.pi)
    across = np.array([np.cos(turn), np.sin(turn)])
    ahead = np.array([-across[1], across[0]])
    t = np.linspace(-3, 3, 60)[:, None]
    for side in (-0.8, -0.4, 0.0, 0.4, 0.8):
        xy = np.array([x, y]) + ahead * t + across * side
        relief.thread(
            np.column_stack([xy, np.full(60, low + height + 1.2)]), 1.0, "wind turbine", 6.0
        )
    hub = np.array([x, y]) + ahead * 3.5
    for blade in rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3:
        t = np.arange(0.5, rotor, 0.1)
        xy = hub + across * (np.cos(blade) * t)[:, None]
        z = low + height + 1.2 + np.sin(blade) * t
        chord = np.clip(0.06 * rotor * (1 - 0.8 * t / rotor), 0.25, 2.0)
        for side in (-0.25, 0.0, 0.25):
            relief.thread(np.column_stack([xy + ahead * side, z]), 0.5 * chord, "wind turbine", 2.5)


def _disc(
    relief: Relief, x: float, y: float, radius: float, low: float, shape: object, code: int
) -> None:
    """A round solid: `shape(away)` is its height by distance from the axis."""
    half = int(np.ceil(radius / CELL_M)) + 1
    row, col = (int(v) for v in cell_of(x, y))
    r, c = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    away = np.hypot((c + 0.5) * CELL_M - x, (r + 0.5) * CELL_M - y)
    keep = relief.inside(r, c) & (away <= radius)
    relief.solid(r[keep], c[keep], low + shape(away[keep]), code)


def chimney(rng: np.random.Generator, relief: Relief, x: float, y: float, height: float) -> None:
    """A free-standing stack, hollow at its top."""
    low, radius = float(relief.ground_at(x, y)), rng.uniform(0.7, 2.4)
    lip = 0.6 * radius

    def shape(away: np.ndarray) -> np.ndarray:
        return np.where(away < radius - lip, height - 1.5, height)

    _disc(relief, x, y, radius, low, shape, ID["chimney"])


def silo(rng: np.random.Generator, relief: Relief, x: float, y: float) -> None:
    """A tall drum with a cone or a dome."""
    radius = rng.uniform(1.5, 4.5)
    height, cone = radius * rng.uniform(2.2, 4.5) + 3, rng.uniform(0.2, 0.7)
    low = float(relief.ground_at(x, y))
    _disc(relief, x, y, radius, low, lambda away: height + cone * (radius - away), ID["silo"])


def crane(rng: np.random.Generator, relief: Relief, x: float, y: float, height: float) -> None:
    """A tower crane: mast, jib, counter jib, a cable with a hook."""
    low, turn = float(relief.ground_at(x, y)), rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-along[1], along[0]])
    offsets = np.linspace(-0.8, 0.8, 8)
    a, b = np.meshgrid(offsets, offsets)
    xy = np.array([x, y]) + a.reshape(-1, 1) * along + b.reshape(-1, 1) * across
    rows, cols = cell_of(xy[:, 0], xy[:, 1])
    keep = relief.inside(rows, cols)
    rows, cols = np.unique(np.stack([rows[keep], cols[keep]]), axis=1)
    full = np.full(len(rows), low)
    relief.stand(rows, cols, full, full + height, "crane", 0.25)
    reach = rng.uniform(22, 50)
    t = np.arange(-12, reach, 0.1)
    for side, lift in ((-0.6, 0.0), (0.6, 0.0), (0.0, 1.2)):
        xy = np.array([x, y]) + along * t[:, None] + across * side
        relief.thread(
            np.column_stack([xy, np.full(len(t), low + height + lift)]), 0.2, "crane", 3.0
        )
    hook = np.array([x, y]) + along * rng.uniform(6, reach)
    z = np.linspace(low + 0.35 * height, low + height, 40)
    row, col = cell_of(*hook)
    if relief.inside(row, col):
        relief.stand(np.array([row]), np.array([col]), z[:1], z[-1:], "crane", 0.15)
    block = np.array([x, y]) - along * 10.5 + rng.normal(0, 0.7, (30, 2))
    relief.thread(np.column_stack([block, np.full(30, low + height - 0.8)]), 0.9, "crane", 3.0)


def rubble(rng: np.random.Generator, relief: Relief, x: float, y: float, radius: float) -> None:
    """A rough heap."""
    height = radius * rng.uniform(0.35, 0.65)
    rough = rng.uniform(0.05, 0.35)
    half = int(np.ceil(radius / CELL_M)) + 1
    row, col = (int(v) for v in cell_of(x, y))
    r, c = np.mgrid[row - half : row + half + 1, col - half : col + half + 1]
    dx, dy = (c + 0.5) * CELL_M - x, (r + 0.5) * CELL_M - y
    theta = np.arctan2(dy, dx)
    away = np.hypot(dx, dy) / (radius * (1 + 0.2 * np.cos(2 * theta + rng.uniform(0, 6))))
    bumps = cv2.GaussianBlur(rng.standard_normal(away.shape).astype(np.float32), (0, 0), 1.2) * 3
    z = height * np.clip(1 - away, 0, 1) ** 0.8 + rough * bumps * (away < 0.95)
    keep = relief.inside(r, c) & (away < 1) & (z > 0.12)
    r, c, z = r[keep], c[keep], z[keep]
    free = relief.top[r, c] < relief.ground[r, c] + 0.3
    r, c, z = r[free], c[free], z[free]
    relief.solid(r, c, relief.ground[r, c] + z, ID["rubble pile"])


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


def line(
    rng: np.random.Generator,
    relief: Relief,
    start: tuple[float, float],
    turn: float,
    length: float,
    leaf: str,
    height: float,
) -> None:
    """A straight wall or fence along the ground, open where something else stands."""
    t = np.arange(0, length, 0.1)
    x, y = start[0] + np.cos(turn) * t, start[1] + np.sin(turn) * t
    rows, cols = cell_of(x, y)
    keep = relief.inside(rows, cols)
    flat = np.unique(rows[keep] * relief.shape[1] + cols[keep])
    rows, cols = flat // relief.shape[1], flat % relief.shape[1]
    low = relief.ground[rows, cols]
    free = relief.top[rows, cols] < low + 0.4
    free &= ~np.isin(relief.leaf[rows, cols], (ID["water"], ID["pavement"], ID["rail track"]))
    rows, cols, low = rows[free], cols[free], low[free]
    if leaf == "wall":
        relief.solid(rows, cols, low + height, ID["wall"])
    else:
        relief.stand(rows, cols, low, low + height, "fence", rng.uniform(0.25, 1.2))


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


def _extras(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Stacks, silos, cranes and heaps where such things are found, on free ground."""
    kind = place.scene.kind

    def free(names: tuple[str, ...], count: int, margin: float) -> list[tuple[float, float]]:
        """Places on ground of these kinds, `margin` metres from anything built."""
        open_ = place.is_semantic(*names) & (relief.top < relief.ground + 0.3)
        open_ &= ~np.isin(relief.leaf, (ID["water"], ID["rail track"]))
        away = cv2.distanceTransform(open_.astype(np.uint8), cv2.DIST_L2, 5) * CELL_M
        cells = np.argwhere(away > margin)
        if not len(cells):
            return []
        chosen = cells[rng.integers(len(cells), size=count)]
        return [((c + 0.5) * CELL_M, (r + 0.5) * CELL_M) for r, c in chosen]

    ground = ("grass", "bare ground", "paved", "other", "field")
    if kind in ("industrial", "harbour", "tank farm", "energy") and rng.random() < 0.5:
        for at in free(ground, int(rng.integers(1, 4)), 2.0):
            chimney(rng, relief, *at, rng.uniform(12, 75))
    farms = ("rural", "harbour", "greenhouses", "orchard", "industrial", "village")
    if kind in farms and rng.random() < 0.45:
        for x, y in free(ground, 1, 5.0):
            for k in range(int(rng.integers(1, 5))):
                silo(rng, relief, x + 7 * k * rng.uniform(0.8, 1.2), y)
    building_up = ("downtown", "harbour", "industrial", "shopping", "quarry", "leisure")
    if kind in building_up and rng.random() < 0.25:
        for at in free(ground, 1, 1.5):
            crane(rng, relief, *at, rng.uniform(25, 60))
    heaps = {"quarry": 1.0, "industrial": 0.4, "landslide": 0.9, "informal": 0.5, "village": 0.3,
             "harbour": 0.3, "railway": 0.25, "beach": 0.1}.get(kind, 0.12)  # fmt: skip
    if rng.random() < heaps:
        for at in free(ground, int(rng.integers(1, 7)), 1.0):
            rubble(rng, relief, *at, rng.uniform(1.0, 5.0))
    if kind in ("rural", "energy", "chaparral", "river") and rng.random() < 0.1:
        for at in free(ground, 1, 3.0):
            turbine(rng, relief, *at, rng.uniform(30, 90), rng.uniform(12, 40))
