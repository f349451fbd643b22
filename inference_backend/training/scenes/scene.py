"""One seed, one aerial image with the truth of every object in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.training.scenes.canvas import Canvas, Sun
from inference_backend.training.scenes.layouts import LAYOUTS
from inference_backend.training.scenes.nature import clutter, ground, weather
from inference_backend.training.scenes.palette import BIOMES, Biome, colour_name
from inference_backend.training.scenes.season import snowfall
from inference_backend.training.scenes.sensor import expose

KINDS = tuple(LAYOUTS)
SEMANTIC_NAMES = (
    "other",
    "building",
    "solar array",
    "road",
    "tree",
    "water",
    "field",
    "grass",
    "bare ground",
    "vehicle",
    "paved",
    "sport",
    "boat",
    "shrub",
    "railway",
    "beach",
)
_WIDE = ("downtown", "industrial", "rural", "leisure", "waterside", "wind farm", "golf", "quarry")
# Where each kind of place is seen; any other pair would look out of place.
_NO_SNOW = ("beach", "golf", "sports", "orchard", "greenhouses", "chaparral", "landslide")
_BIOMES_OF = {
    "informal": ("tropical", "desert", "grey town", "dry summer"),
    "village": ("tropical", "tropical", "dry summer", "temperate", "desert"),
}


@dataclass
class Scene:
    """An image and its truth.

    `rgb` uint8 (H, W, 3); `instances` uint16 (H, W), 0 where no object; `classes` and `attributes` by id, only
    of objects that are visible; `semantic` uint8 (H, W) indexes `semantic_names`.
    """

    rgb: np.ndarray
    instances: np.ndarray
    classes: dict[int, str]
    attributes: dict[int, dict]
    gsd_m: float
    semantic: np.ndarray
    kind: str
    biome: str
    seed: int
    semantic_names: tuple[str, ...] = field(default=SEMANTIC_NAMES)


def make_scene(
    seed: int, size_px: int = 512, gsd_m: float | None = 0.2, kind: str | None = None
) -> Scene:
    """The scene of `seed`: the same arguments give the same arrays. `gsd_m` None draws one from 0.07 to 1.

    `kind` is one of `KINDS`, or None to draw one. Raises InvalidInput for an unknown kind or a size below 32.
    """
    if kind is not None and kind not in LAYOUTS:
        raise InvalidInput(f"'{kind}' is not a kind of scene; use one of {', '.join(KINDS)}.")
    if size_px < 32:
        raise InvalidInput(f"A scene needs at least 32 pixels a side, not {size_px}.")
    rng = np.random.default_rng(seed)
    if gsd_m is None:
        gsd_m = float(np.exp(rng.uniform(np.log(0.07), np.log(1.0))))
    if kind is None:
        # A small window holds a house or two: places of large things would leave it empty.
        small = size_px * gsd_m < 90
        chances = np.array(
            [
                chance * (0.25 if small and name in _WIDE else 1.0)
                for name, (_, chance) in LAYOUTS.items()
            ]
        )
        kind = KINDS[int(rng.choice(len(KINDS), p=chances / chances.sum()))]
    biome = _biome(rng, kind)
    canvas = Canvas(size_px, gsd_m, rng, _sun(rng))
    ground(canvas, biome)
    clutter(canvas, biome)
    LAYOUTS[kind][0](canvas, biome)
    weather(canvas)
    if biome.name == "snow":
        snowfall(canvas)
    rgb = expose(rng, canvas.lit())
    classes, attributes = _visible(canvas, rgb)
    if biome.name == "snow":
        for row in attributes.values():
            # Below snow a colour cannot be seen.
            if "colour" in row:
                row["colour"] = row["colour_seen"]
    return Scene(
        rgb, canvas.instances, classes, attributes, gsd_m, canvas.semantic, kind, biome.name, seed
    )


def _biome(rng: np.random.Generator, kind: str) -> Biome:
    names = _BIOMES_OF.get(kind)
    if names is None:
        barren = kind in _NO_SNOW
        names = tuple(biome.name for biome in BIOMES if not (barren and biome.name == "snow"))
    chances = np.array([0.4 if name == "snow" else 1.0 for name in names])
    wanted = names[int(rng.choice(len(names), p=chances / chances.sum()))]
    return next(biome for biome in BIOMES if biome.name == wanted)


def _sun(rng: np.random.Generator) -> Sun:
    azimuth = rng.uniform(0, 2 * np.pi)
    view, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4) if rng.random() < 0.3 else 0.0
    tint = np.array([rng.uniform(0.82, 1.0), rng.uniform(0.92, 1.0), 1.0])
    # Most flights are near noon; a few are early, late, or in a northern winter.
    elevation = rng.uniform(18, 34) if rng.random() < 0.12 else rng.uniform(32, 78)
    return Sun(
        np.array([np.cos(azimuth), np.sin(azimuth)]),
        np.deg2rad(elevation),
        rng.uniform(0.22, 0.7),
        tint,
        lean * np.array([np.cos(view), np.sin(view)]),
    )


def _visible(canvas: Canvas, rgb: np.ndarray) -> tuple[dict[int, str], dict[int, dict]]:
    """Classes and attributes of the ids that are seen, with pixels, area, bounding box and mean colour."""
    flat = canvas.instances.ravel()
    counts = np.bincount(flat, minlength=len(canvas.classes) + 1)
    sums = [np.bincount(flat, rgb[..., band].ravel(), minlength=len(counts)) for band in range(3)]
    seen = [number for number in canvas.classes if counts[number] > 0]
    boxes = _boxes(canvas.instances, len(counts))
    attributes = {}
    for number in seen:
        mean = np.array([band[number] for band in sums]) / counts[number]
        x0, y0, x1, y1 = (int(value) for value in boxes[number])
        attributes[number] = {
            **canvas.attributes[number],
            "area_m2": round(float(counts[number]) * canvas.gsd_m**2, 2),
            "pixels": int(counts[number]),
            "box_px": (x0, y0, x1, y1),
            "colour_seen": colour_name(mean),
            "at_edge": x0 == 0 or y0 == 0 or x1 == canvas.size_px or y1 == canvas.size_px,
        }
    return {number: canvas.classes[number] for number in seen}, attributes


def _boxes(instances: np.ndarray, count: int) -> np.ndarray:
    """(count, 4) x0, y0, x1, y1 of each id's pixels, corners exclusive at the far end."""
    rows, cols = np.nonzero(instances)
    numbers = instances[rows, cols]
    boxes = np.zeros((count, 4), np.int64)
    boxes[:, :2] = 1 << 30
    np.minimum.at(boxes[:, 0], numbers, cols)
    np.minimum.at(boxes[:, 1], numbers, rows)
    np.maximum.at(boxes[:, 2], numbers, cols + 1)
    np.maximum.at(boxes[:, 3], numbers, rows + 1)
    return boxes


def make_truth_polygons(scene: Scene, classes: tuple[str, ...] | None = None) -> list[dict]:
    """One row an object: `object`, `class`, the attributes, `geometry` (shapely, pixel frame, exact pixel edges)."""
    from rasterio.features import shapes
    from shapely.geometry import shape
    from shapely.ops import unary_union

    wanted = [
        number for number, name in scene.classes.items() if classes is None or name in classes
    ]
    keep = np.isin(scene.instances, wanted)
    parts: dict[int, list] = {}
    for geometry, number in shapes(scene.instances, mask=keep):
        parts.setdefault(int(number), []).append(shape(geometry))
    return [
        {
            "object": number,
            "class": scene.classes[number],
            **scene.attributes[number],
            "geometry": unary_union(parts[number]),
        }
        for number in wanted
    ]
