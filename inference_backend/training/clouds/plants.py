"""Trees, woods, shrubs and hedges: volumes that let pulses through."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place, Thing, box_of
from inference_backend.training.clouds.relief import CELL_M, EMPTY, Relief, cell_of
from inference_backend.training.scenes.noise import noise

# Shares of conifers and palms by biome; the rest are broad-leaved.
_MIX = {
    "temperate": (0.25, 0.0), "dry summer": (0.3, 0.12), "autumn": (0.2, 0.0), "winter": (0.35, 0.0),
    "tropical": (0.03, 0.4), "desert": (0.05, 0.4), "grey town": (0.15, 0.05), "snow": (0.55, 0.0),
}  # fmt: skip
_BARE = ("winter", "snow")
_TALLEST_M = 62.0


def add_plants(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """All that grows above knee height."""
    _trees(rng, place, relief)
    _woods(rng, place, relief)
    _garden_trees(rng, place, relief)
    _grow_tall(rng.spawn(1)[0], relief)
    _shrubs(rng, place, relief)
    _hedges(rng, place, relief)


def _species(rng: np.random.Generator, biome: str) -> str:
    conifer, palm = _MIX.get(biome, (0.2, 0.03))
    draw = rng.random()
    if draw < conifer:
        return "conifer tree"
    return "palm" if draw < conifer + palm else "broadleaf tree"


def _trees(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """One crown an object of the scene; it may reach over a roof beside it."""
    mix_of_place = _species(rng, place.scene.biome)
    for thing in place.of_names("tree"):
        if thing.area_m2 < 0.5:
            continue
        rows, cols = thing.cells
        # Streets and gardens have a favourite; the rest is mixed.
        kind = mix_of_place if rng.random() < 0.5 else _species(rng, place.scene.biome)
        radius = float(np.sqrt(thing.area_m2 / np.pi))
        x, y = (cols.mean() + 0.5) * CELL_M, (rows.mean() + 0.5) * CELL_M
        scale = rng.uniform(1.3, 2.4)
        height = float(thing.attributes.get("height_m", 1.6 * radius)) * scale + 0.8
        if kind == "palm":
            radius, height = min(radius, 3.2), max(height, rng.uniform(4, 13))
        elif kind == "conifer tree":
            height *= 1.3
        height = min(height, 32.0)
        bare = place.scene.biome in _BARE and kind == "broadleaf tree" and rng.random() < 0.7
        _crown(rng, relief, x, y, radius * rng.uniform(1.0, 1.15), height, kind, bare)


def _woods(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Closed canopy where the scene has woods without single trees, and rows of orchards."""
    wood = place.is_semantic("tree") & (place.instances == 0)
    wood |= place.is_semantic("tree") & place.mask_of("park", "golf course")
    rows, cols = np.nonzero(wood)
    if len(rows) > 60:
        size = rng.uniform(1.6, 4.2)
        number = min(int(len(rows) * CELL_M**2 / (size**2) * rng.uniform(0.7, 1.3)) + 1, 900)
        mean_height = size * rng.uniform(2.2, 5.0)
        leading = _species(rng, place.scene.biome)
        for at in rng.integers(len(rows), size=number):
            kind = leading if rng.random() < 0.8 else _species(rng, place.scene.biome)
            radius = size * rng.uniform(0.55, 1.35) * (0.8 if kind == "conifer tree" else 1.0)
            height = float(np.clip(mean_height * rng.uniform(0.6, 1.25), 3, 36))
            bare = place.scene.biome in _BARE and kind == "broadleaf tree"
            x, y = (cols[at] + rng.random()) * CELL_M, (rows[at] + rng.random()) * CELL_M
            _crown(rng, relief, x, y, radius, height, kind, bare)
    for orchard in place.of_names("orchard"):
        _orchard(rng, place, relief, orchard)


def _garden_trees(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """More trees than the picture shows: some towns lie under their trees."""
    if rng.random() < 0.5 or place.scene.kind in ("airport", "beach", "greenhouses", "orchard"):
        return
    green = place.is_semantic("grass") | place.mask_of("lawn", "park")
    if place.scene.kind not in ("rural", "golf", "wind farm", "energy"):
        green |= place.is_semantic("bare ground", "other")
    green &= (relief.top < relief.ground + 0.3) & (relief.leaf == ID["open ground"])
    green &= relief.slab.top < relief.ground
    rows, cols = np.nonzero(green)
    size, cover = rng.uniform(1.5, 5.0), rng.uniform(0.05, 0.8)
    number = int(min(cover * len(rows) * CELL_M**2 / (3.1 * size**2), 350))
    slender = rng.uniform(1.8, 3.6)
    for at in rng.integers(len(rows), size=number) if len(rows) else ():
        kind = _species(rng, place.scene.biome)
        radius = size * rng.uniform(0.4, 1.4) * (0.75 if kind == "conifer tree" else 1.0)
        height = float(np.clip(radius * slender * rng.uniform(0.8, 1.3) + 1, 2.2, 32))
        bare = place.scene.biome in _BARE and kind == "broadleaf tree" and rng.random() < 0.7
        x, y = (cols[at] + rng.random()) * CELL_M, (rows[at] + rng.random()) * CELL_M
        _crown(rng, relief, x, y, radius, height, kind, bare)


def _grow_tall(rng: np.random.Generator, relief: Relief) -> None:
    """Old woods: in some places every crown stands higher, up to the 60 m of tall conifers. Takes no draw from the city's own."""
    crown = relief.crown
    here = crown.top > EMPTY
    if rng.random() > 0.22 or not here.any():
        return
    ground = relief.ground[here]
    height = crown.top[here] - ground
    factor = min(rng.uniform(1.25, 2.3), _TALLEST_M / max(float(height.max()), 1.0))
    if factor <= 1:
        return
    crown.top[here] = ground + height * factor
    crown.bottom[here] = ground + (crown.bottom[here] - ground) * factor
    # As much leaf as before on a longer way.
    crown.extinction[here] /= np.float32(factor**0.7)


def _orchard(rng: np.random.Generator, place: Place, relief: Relief, thing: Thing) -> None:
    """Crowns where the picture is dark: what the scene painted as trees of the plantation."""
    window = thing.window
    grey = place.rgb[window].astype(np.float32).sum(2)
    grey = cv2.GaussianBlur(grey, (0, 0), 2)
    low = (grey == cv2.erode(grey, np.ones((9, 9), np.uint8))) & thing.mask
    low &= grey < np.median(grey[thing.mask])
    rows, cols = np.nonzero(low)
    height = rng.uniform(2, 6)
    for row, col in zip(rows[:700] + thing.row0, cols[:700] + thing.col0, strict=True):
        at = ((col + 0.5) * CELL_M, (row + 0.5) * CELL_M)
        _crown(rng, relief, *at, rng.uniform(0.9, 1.8), height * rng.uniform(0.8, 1.2),
               "broadleaf tree", False)  # fmt: skip


def _crown(
    rng: np.random.Generator,
    relief: Relief,
    x: float,
    y: float,
    radius: float,
    height: float,
    kind: str,
    bare: bool,
) -> None:
    """One crown about (x, y); where crowns cross, the higher one is seen and both are filled."""
    half = int(np.ceil(1.3 * radius / CELL_M)) + 1
    row, col = (int(value) for value in cell_of(x, y))
    row0, row1 = max(row - half, 0), min(row + half + 1, relief.shape[0])
    col0, col1 = max(col - half, 0), min(col + half + 1, relief.shape[1])
    if row1 - row0 < 1 or col1 - col0 < 1:
        return
    window = (slice(row0, row1), slice(col0, col1))
    dy = (np.arange(row0, row1, dtype=np.float32)[:, None] + 0.5) * CELL_M - y
    dx = (np.arange(col0, col1, dtype=np.float32)[None, :] + 0.5) * CELL_M - x
    theta = np.arctan2(dy, dx)
    lobes = (
        1
        + 0.12 * np.cos(3 * theta + rng.uniform(0, 6))
        + 0.08 * np.cos(7 * theta + rng.uniform(0, 6))
    )
    grain = noise(rng, row1 - row0, col1 - col0, "ground")
    away = np.hypot(dx, dy) / (radius * lobes)
    if kind == "palm":
        fronds = rng.integers(7, 11)
        away = away / (0.55 + 0.45 * np.abs(np.cos(fronds * theta / 2 + rng.uniform(0, 6))))
    foot = float(relief.ground_at(x, y))
    top, bottom, rate = _shape(rng, kind, away, grain, radius, height)
    if bare:
        rate *= 0.35
    top, bottom = foot + top, np.maximum(foot + bottom, relief.ground[window] + 0.15)
    layer = relief.crown
    # Solid things grow through no tree: a crown over a roof begins above it.
    bottom = np.maximum(
        bottom, np.where(relief.top[window] > foot + 2, relief.top[window] + 0.1, bottom)
    )
    here = (away < 1) & (top > bottom + 0.2)
    held = layer.top[window] > EMPTY
    higher = here & (top > layer.top[window])
    low_new = np.where(held, np.minimum(layer.bottom[window], bottom), bottom)
    layer.bottom[window] = np.where(here, low_new, layer.bottom[window])
    layer.leaf[window][higher] = ID[kind]
    # Leaves hang in clumps: light finds gaps.
    clumps = np.exp(0.7 * noise(rng, *top.shape, "grain"))
    layer.extinction[window][higher] = (rate * clumps)[higher]
    layer.top[window] = np.where(higher, top, layer.top[window])
    _trunk(rng, relief, row, col, foot, foot + height * 0.6, kind)


def _shape(
    rng: np.random.Generator,
    kind: str,
    away: np.ndarray,
    grain: np.ndarray,
    radius: float,
    height: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Top and bottom over the foot by the share of the radius from the stem, and extinction 1/m."""
    rough = rng.uniform(0.15, 0.6) * min(radius / 3, 1.2)
    if kind == "conifer tree":
        low = rng.uniform(0.05, 0.3) * height
        cone = np.clip(1 - away, 0, 1) ** rng.uniform(0.75, 1.1)
        top = low + (height - low) * cone + rough * grain
        return top, low + 0.045 * away * height, rng.uniform(0.45, 1.0)
    if kind == "palm":
        top = height - 0.35 * radius * away**2 + 0.1 * grain
        return top, top - 0.25 - 0.5 * (1 - np.clip(away, 0, 1)), rng.uniform(0.7, 1.6)
    share = np.sqrt(np.clip(1 - away**2, 0, 1))
    depth = min(rng.uniform(0.45, 0.85) * height, 2.6 * radius)
    middle = height - 0.5 * depth
    top = middle + 0.5 * depth * share + rough * grain
    return top, middle - 0.5 * depth * share * rng.uniform(0.5, 1), rng.uniform(0.3, 0.9)


def _trunk(
    rng: np.random.Generator, relief: Relief, row: int, col: int, low: float, high: float, kind: str
) -> None:
    """A stem, which a few oblique pulses meet."""
    within = 0 <= row < relief.shape[0] and 0 <= col < relief.shape[1]
    if within and relief.top[row, col] < low + 1.0 and high - low > 1.5:
        one = np.array([row]), np.array([col])
        rate = rng.uniform(0.5, 1.5) if kind == "palm" else rng.uniform(0.15, 0.5)
        relief.stand(*one, np.array([low]), np.array([high]), kind, rate)


def _shrubs(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Bushes: where the scene has them, and a few in gardens and at edges."""
    where = place.is_semantic("shrub")
    height = np.zeros(place.shape, np.float32)
    if where.any():
        grain = cv2.GaussianBlur(noise(rng, *place.shape, "ground").copy(), (0, 0), 2)
        inner = cv2.distanceTransform(where.astype(np.uint8), cv2.DIST_L2, 3) * CELL_M
        height = np.where(
            where, rng.uniform(0.6, 1.8) * np.clip(0.5 + inner, 0, 1.4) + 0.3 * grain, 0
        )
    green = np.flatnonzero((place.is_semantic("grass") & (place.instances == 0)).ravel())
    lawns = place.mask_of("lawn", "park")
    green = np.concatenate([green, np.flatnonzero(lawns.ravel())])
    number = (
        rng.poisson(len(green) * CELL_M**2 / 1e4 * rng.choice([2, 15, 50])) if len(green) else 0
    )
    for at in rng.choice(green, size=min(number, 260)) if number else ():
        row, col = divmod(int(at), place.shape[1])
        _bush(rng, height, row, col)
    here = (height > 0.3) & (relief.top <= relief.ground + 0.3) & (relief.leaf != ID["water"])
    relief.low.put(here, relief.ground[here], (relief.ground + height)[here], ID["shrub"],
                   (rng.uniform(1.2, 3.0) / np.clip(height, 0.3, 2))[here])  # fmt: skip


def _bush(rng: np.random.Generator, height: np.ndarray, row: int, col: int) -> None:
    radius, high = rng.uniform(0.5, 1.8), rng.uniform(0.6, 2.6)
    half = int(radius / CELL_M) + 1
    rows = slice(max(row - half, 0), row + half + 1)
    cols = slice(max(col - half, 0), col + half + 1)
    shape = height[rows, cols].shape
    dy = (np.arange(shape[0]) + rows.start - row)[:, None] * CELL_M
    dx = (np.arange(shape[1]) + cols.start - col)[None, :] * CELL_M
    dome = high * np.sqrt(np.clip(1 - (dx**2 + dy**2) / radius**2, 0, 1))
    height[rows, cols] = np.maximum(height[rows, cols], dome)


def _hedges(rng: np.random.Generator, place: Place, relief: Relief) -> None:
    """Clipped rows: upright sides, level top. Also round some lawns."""
    for thing in place.of_names("hedge"):
        rows, cols = thing.cells
        _hedge(rng, relief, rows, cols, rng.uniform(0.9, 2.6))
    for thing in place.of_names("lawn", "pool"):
        if rng.random() < 0.25 and thing.area_m2 > 20:
            rows, cols = thing.cells
            box = box_of(rows, cols)
            length, side = box.length + 1.0, rng.choice([-1.0, 1.0]) * (box.width / 2 + 0.6)
            steps = np.arange(-length / 2, length / 2, 0.2)
            for off in np.arange(-0.4, 0.5, 0.2):
                x, y = box.at(steps, side + off)
                r, c = cell_of(x, y)
                keep = relief.inside(r, c)
                _hedge(rng, relief, r[keep], c[keep], 1.7)


def _hedge(
    rng: np.random.Generator, relief: Relief, rows: np.ndarray, cols: np.ndarray, height: float
) -> None:
    free = relief.top[rows, cols] < relief.ground[rows, cols] + 0.4
    free &= ~np.isin(relief.leaf[rows, cols], (ID["pavement"], ID["water"], ID["rail track"]))
    rows, cols = rows[free], cols[free]
    if not len(rows):
        return
    low = relief.ground[rows, cols]
    top = low + height + rng.normal(0, 0.06, len(rows)).astype(np.float32)
    relief.low.put((rows, cols), low, top, ID["hedge"], rng.uniform(2.0, 4.0))
