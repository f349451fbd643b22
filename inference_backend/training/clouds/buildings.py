"""Buildings over the footprints of the scene: roofs, what stands on them, facades."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Box, Place, Thing, box_of
from inference_backend.training.clouds.relief import CELL_M, Relief

_PITCHED = ("gable", "hip", "shed", "mansard")
_TOWER_AREA_M2 = (220.0, 2500.0)


@dataclass(frozen=True)
class Building:
    """What a building came to be: median roof height above `base`, highest height, `form`, whether the scene's own height was kept."""

    number: int
    base: float
    height_m: float
    form: str
    from_scene: bool


def add_buildings(rng: np.random.Generator, place: Place, relief: Relief) -> dict[int, Building]:
    """Every building of the scene, by instance id."""
    tall_town = place.scene.kind in ("downtown", "industrial", "shopping") and rng.random() < 0.5
    solar = solar_cells(place)
    panels: dict[int, list[Thing]] = {}
    for array in place.of_names("solar array"):
        panels.setdefault(int(array.attributes.get("on_building") or 0), []).append(array)
    built = {}
    for thing in place.of_names("building"):
        if thing.area_m2 < 1.5:
            continue
        whole = _whole(place, thing, panels)
        built[thing.number] = _add(rng, relief, whole, tall_town, solar, place.scene.biome)
    return built


def solar_cells(place: Place) -> np.ndarray:
    """bool (H, W): the modules, also those that are no object of their own."""
    return place.mask_of("solar array") | place.is_semantic("solar array")


def _whole(place: Place, thing: Thing, panels: dict[int, list[Thing]]) -> Thing:
    """The footprint with what trees, panels and vehicles hide of it."""
    parts = [thing, *panels.get(thing.number, ())]
    row0 = min(part.window[0].start for part in parts)
    col0 = min(part.window[1].start for part in parts)
    row1 = max(part.window[0].stop for part in parts)
    col1 = max(part.window[1].stop for part in parts)
    window = (slice(row0, row1), slice(col0, col1))
    mask = np.isin(place.instances[window], [part.number for part in parts])
    over = place.mask_of_window(window, ("tree", "solar array", "helipad", "car", "truck"))
    over |= place.is_semantic("solar array", "tree")[window]
    closed = cv2.morphologyEx(
        cv2.copyMakeBorder(mask.astype(np.uint8), 12, 12, 12, 12, cv2.BORDER_CONSTANT),
        cv2.MORPH_CLOSE,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17)),
    )[12:-12, 12:-12].astype(bool)
    box = box_of(*thing.cells)
    rectangular = thing.area_m2 > 0.7 * box.length * box.width
    mask |= closed & over
    if thing.attributes.get("shape") == "rect" and rectangular:
        rows, cols = np.nonzero(np.ones_like(mask))
        u, v = box.local(rows + row0, cols + col0)
        within = (np.abs(u) < box.length / 2) & (np.abs(v) < box.width / 2)
        mask |= within.reshape(mask.shape) & over
    return Thing(thing.number, thing.name, thing.attributes, row0, col0, mask)


def _add(
    rng: np.random.Generator,
    relief: Relief,
    thing: Thing,
    tall_town: bool,
    solar: np.ndarray,
    biome: str,
) -> Building:
    rows, cols = thing.cells
    box = box_of(rows, cols)
    inward = thing.inward_m()[rows - thing.row0, cols - thing.col0]
    form = _form(rng, thing, box)
    wanted = float(thing.attributes.get("height_m", rng.uniform(3, 8)))
    from_scene = True
    slim = _TOWER_AREA_M2[0] < thing.area_m2 < _TOWER_AREA_M2[1]
    if tall_town and form == "flat" and slim and rng.random() < 0.3:
        wanted, from_scene = float(np.exp(rng.uniform(np.log(25), np.log(80)))), False
    wanted = max(wanted, 2.2)
    base = float(np.median(relief.ground[rows, cols]))
    rise = _rise(rng, form, thing, box, rows, cols, inward, wanted)
    height = np.maximum(rise - np.median(rise) + wanted, min(1.9, 0.6 * wanted))
    # A stream of its own: the draws of the city stay as they were.
    extra = rng.spawn(1)[0]
    rim = np.zeros(len(rows), bool)
    if form == "flat":
        height = _flat_details(rng, thing, height, inward, rows, cols, box, wanted)
        if wanted > 6.5 and thing.area_m2 > 60 and extra.random() < 0.4:
            height, rim = _steep_rim(extra, height, inward, wanted)
    leaf = np.full(
        len(rows), ID["flat roof" if form in ("flat", "round") else "pitched roof"], np.uint8
    )
    leaf[rim] = ID["pitched roof"]
    top = (base + height).astype(np.float32)
    relief.solid(rows, cols, np.maximum(top, relief.ground[rows, cols] + 1.5), leaf, ID["facade"])
    relief.albedo[rows, cols] = rng.uniform(0.15, 0.85)
    _dormers(extra, relief, rows[rim], cols[rim])
    _on_roof(rng, relief, thing, box, form, inward, rows, cols, base)
    _panels(rng, relief, solar, rows, cols, form)
    return Building(thing.number, base, float(np.median(height)), form, from_scene)


def _form(rng: np.random.Generator, thing: Thing, box: Box) -> str:
    form = str(thing.attributes.get("roof", "flat"))
    if form in ("gable", "hip") and box.width > 6 and rng.random() < 0.1:
        return "mansard"
    if form == "hip" and thing.area_m2 > 60 and rng.random() < 0.05:
        return "round" if thing.attributes.get("shape") == "round" else form
    return form


def _rise(
    rng: np.random.Generator,
    form: str,
    thing: Thing,
    box: Box,
    rows: np.ndarray,
    cols: np.ndarray,
    inward: np.ndarray,
    wanted: float,
) -> np.ndarray:
    """Height over the eaves (cells,)."""
    u, v = box.local(rows, cols)
    slope = rng.uniform(0.22, 1.0)
    # No roof is higher than about what carries it.
    slope = min(slope, 1.6 * wanted / max(float(inward.max()), 0.5))
    if form == "gable":
        if thing.area_m2 > 0.82 * box.length * box.width:
            return slope * (box.width / 2 - np.abs(v))
        return slope * _gabled_wings(thing, box, rows, cols, inward)
    if form == "hip":
        return slope * inward
    if form == "shed":
        tilt = rng.uniform(0.04, 0.3) * rng.choice([-1.0, 1.0])
        return tilt * (v + box.width / 2)
    if form == "mansard":
        steep = rng.uniform(1.6, 2.6)
        depth = min(rng.uniform(0.8, 1.6), 0.4 * float(inward.max()) + 0.2)
        return steep * np.minimum(inward, depth) + 0.25 * np.maximum(inward - depth, 0)
    if form == "round":
        share = np.clip(inward / max(float(inward.max()), 0.3), 0, 1)
        kind = rng.random()
        if kind < 0.4:
            return np.zeros_like(inward)
        return float(inward.max()) * (share if kind < 0.7 else np.sqrt(share)) * 0.5
    fall = rng.uniform(0, 0.02) * u
    return fall.astype(np.float32)


def _gabled_wings(
    thing: Thing, box: Box, rows: np.ndarray, cols: np.ndarray, inward: np.ndarray
) -> np.ndarray:
    """Distance from the nearer long side of the wing a cell lies in: ridges run to the gable ends."""
    # The wing's half width is what the medial axis has nearby.
    size = max(int(2 * inward.max() / CELL_M) | 1, 3)
    deep = thing.inward_m()
    wide = cv2.dilate(deep, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    u, v = box.local(rows, cols)
    ends = np.minimum(box.length / 2 - np.abs(u), wide[rows - thing.row0, cols - thing.col0])
    near_end = ends < inward + 0.3
    half = wide[rows - thing.row0, cols - thing.col0]
    ridge = np.clip(half - np.abs(v - np.clip(v, -0.2, 0.2)), 0, half)
    return np.where(near_end & (np.abs(v) < half), np.maximum(ridge, inward), inward)


def _flat_details(
    rng: np.random.Generator,
    thing: Thing,
    height: np.ndarray,
    inward: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    box: Box,
    wanted: float,
) -> np.ndarray:
    """A parapet, a lower or higher part."""
    u, v = box.local(rows, cols)
    if thing.area_m2 > 120 and rng.random() < 0.3:
        cut = rng.uniform(-0.35, 0.35) * box.length
        storeys = 3.1 * rng.integers(1, 3) * rng.choice([-1.0, 1.0])
        if wanted + storeys > 2.8:
            small = u > cut if cut > 0 else u < cut
            height = height + np.where(small, storeys, 0)
    if thing.area_m2 > 350 and wanted > 9 and rng.random() < 0.25:
        setback = rng.uniform(2, 4)
        height = height - np.where(inward < setback, min(3.2, wanted * 0.3), 0)
    if rng.random() < 0.55 and thing.area_m2 > 25:
        height = height + np.where(inward < 0.4, rng.uniform(0.2, 1.1), 0)
    return height


def _steep_rim(
    rng: np.random.Generator, height: np.ndarray, inward: np.ndarray, wanted: float
) -> tuple[np.ndarray, np.ndarray]:
    """The roof of old town blocks: flat, with a steep band of tiles all round. Heights and which cells are the band, (cells,)."""
    depth = min(rng.uniform(0.8, 4.0), 0.45 * float(inward.max()))
    fall = min(rng.uniform(1.5, 4.5), 0.5 * wanted)
    rim = inward < depth
    # Tiles, gutters and frames: no band is a plane.
    rough = rng.normal(0, rng.uniform(0.02, 0.25), len(height))
    share = np.clip((depth - inward) / max(depth, 0.1), 0, 1)
    return np.where(rim, height - fall * share + rough, height).astype(np.float32), rim


def _dormers(rng: np.random.Generator, relief: Relief, rows: np.ndarray, cols: np.ndarray) -> None:
    """Windows that stand out of a steep band, as high as its upper edge or a little lower."""
    if not len(rows):
        return
    highest = float(np.quantile(relief.top[rows, cols], 0.95))
    number = rng.poisson(len(rows) * CELL_M**2 / rng.uniform(4, 30))
    for at in rng.integers(len(rows), size=min(number, 60)):
        half = rng.uniform(0.4, 1.0) / CELL_M
        near = (np.abs(rows - rows[at]) <= half) & (np.abs(cols - cols[at]) <= half)
        top = highest - rng.uniform(0.0, 1.2)
        near &= relief.top[rows, cols] < top
        relief.solid(rows[near], cols[near], top, ID["roof structure"], ID["roof structure"])


def _on_roof(
    rng: np.random.Generator,
    relief: Relief,
    thing: Thing,
    box: Box,
    form: str,
    inward: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    base: float,
) -> None:
    """Chimneys and dormers on pitched roofs, machines and stair heads on flat ones."""
    code, u_all, v_all = ID["roof structure"], *box.local(rows, cols)
    deepest = float(inward.max())
    if thing.area_m2 < 22:
        return

    def block(u: float, v: float, length: float, width: float, top: float) -> None:
        at = (np.abs(u_all - u) <= length / 2) & (np.abs(v_all - v) <= width / 2) & (inward > 0.3)
        at &= relief.top[rows, cols] < top
        relief.solid(rows[at], cols[at], top, code, code)

    def spot(margin: float) -> int | None:
        possible = np.flatnonzero(inward > margin)
        return int(rng.choice(possible)) if len(possible) else None

    if form in _PITCHED:
        ridge = float(relief.top[rows, cols].max())
        for _ in range(rng.poisson(0.9)):
            at = spot(0.6 * deepest)
            if at is not None:
                size = rng.uniform(0.5, 1.1, 2)
                block(u_all[at], v_all[at], *size, ridge + rng.uniform(0.3, 1.2))
        if form != "shed" and deepest > 2.2:
            for _ in range(rng.poisson(0.7)):
                at = spot(0.8)
                if at is not None and inward[at] < 0.7 * deepest:
                    top = float(relief.top[rows[at], cols[at]]) + rng.uniform(0.9, 1.6)
                    width, depth = rng.uniform(1.2, 2.8), rng.uniform(1.5, 2.8)
                    block(u_all[at], v_all[at], width, depth, min(top, ridge - 0.1))
        return
    for _ in range(min(rng.poisson(thing.area_m2 * rng.choice([0.001, 0.005, 0.015])), 22)):
        at = spot(1.0)
        if at is None:
            continue
        size = rng.uniform(0.7, 3.0) if rng.random() < 0.8 else rng.uniform(3, 6)
        high = rng.uniform(0.5, 2.0) if size < 3 else rng.uniform(2.0, 3.4)
        top = float(relief.top[rows[at], cols[at]]) + high
        block(u_all[at], v_all[at], size, size * rng.uniform(0.5, 1), top)


def _panels(
    rng: np.random.Generator,
    relief: Relief,
    solar: np.ndarray,
    rows: np.ndarray,
    cols: np.ndarray,
    form: str,
) -> None:
    """Modules: lying on a pitched roof, tilted in rows on a flat one."""
    at = solar[rows, cols]
    if not at.any():
        return
    r, c = rows[at], cols[at]
    lift = rng.uniform(0.08, 0.18)
    if form == "flat" and rng.random() < 0.7:
        pitch, turn = rng.uniform(1.2, 2.4), rng.choice([0, np.pi / 2]) + rng.normal(0, 0.2)
        across = (c * np.cos(turn) + r * np.sin(turn)) * CELL_M
        lift = 0.15 + rng.uniform(0.15, 0.35) * (across % pitch)
    roof = relief.top[r, c]
    # Panels replace what stood there.
    low = np.minimum(roof, np.median(roof) + 6)
    relief.solid(r, c, low + lift, ID["solar panel"], ID["solar panel"])
