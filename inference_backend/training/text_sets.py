"""The real sets as dense, partly labelled images: what text training asks about, and where it must not judge.

A pixel of `leaves` says what is there, `UNKNOWN` that nothing is known. `complete` names the concepts whose absence
is known wherever the leaf is not `UNKNOWN`: of every other concept only what is labelled is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from inference_backend.language.ontology import LEAVES
from inference_backend.training import real_sets
from inference_backend.training.real_sets import read_rgb

UNKNOWN = 255
DUBAI_GSD_M, KAMPALA_GSD_M, MUNICH_GSD_M, VEGAS_GSD_M, LANDSLIDE_GSD_M = 1.0, 0.075, 0.13, 0.3, 0.5
"""Ground metres a pixel. Dubai, Munich and Sichuan do not state theirs: Dubai's buses are 12 px
long and its cars 5, so it has 1 m (not the 0.3 to 0.5 m that are told of it)."""
DUBAI_LEAVES = {
    "building": "building",
    "land": "land",
    "road": "road",
    "vegetation": "vegetation",
    "water": "water",
}
DUBAI_COMPLETE = frozenset(["building", "road", "water", "vegetation", "open ground"])
NEVER_INLAND = frozenset(
    ["ship", "aircraft", "runway", "sea", "beach", "helipad", "wind turbine", "golf course"]
)
"""What is surely nowhere in Kampala's suburb, the forest plots, Munich's streets and Sichuan's slopes."""
VEHICLES = {0: "car", 1: "truck", 2: "bus", 3: "vehicle"}
VEHICLE_CONCEPTS = frozenset(["vehicle", "car", "truck", "bus", "motorbike"])
MUNICH_HELD_OUT = "MunichStreet02"
VEGAS_HELD_OUT = ("10229", "10245")
LANDSLIDE_HELD_OUT = tuple(f"Landslide{n:03}" for n in range(31, 37))


@dataclass
class TextImage:
    """`rgb` uint8 (H, W, 3), `leaves` uint8 (H, W) of indices into LEAVES, `instances` int32 (H, W) with 0 for none.

    `present` and `absent` name concepts that are surely, or surely not, anywhere in the image.
    """

    rgb: np.ndarray
    leaves: np.ndarray
    gsd_m: float
    name: str
    instances: np.ndarray | None = None
    instance_leaf: dict[int, str] = field(default_factory=dict)
    attributes: dict[int, dict[str, object]] = field(default_factory=dict)
    complete: frozenset[str] | None = frozenset()
    present: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.instances is None:
            self.instances = np.zeros(self.leaves.shape, np.int32)
        self.attributes = {ident: {} for ident in self.instance_leaf} | self.attributes


def leaf_index(name: str) -> int:
    """The number that `leaves` holds for a leaf."""
    return LEAVES.index(name)


def text_images(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Every real set under `root`; `held_out` yields what no training may see. A set that is not there is left out."""
    from inference_backend.training.neon_canopy import neon_trees
    from inference_backend.training.weak_labels import ucmerced

    makers = (dubai, kampala, neon_trees, munich_cars, vegas_roads, landslides, ucmerced)
    return chain.from_iterable(maker(root, held_out) for maker in makers)


def dubai(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Satellite images, every class labelled; vegetation is trees and grass alike."""
    for path in sorted((root / "dubai").glob("*/images/*.jpg")):
        if (path.parts[-3] == real_sets.DUBAI_HELD_OUT_TILE) != held_out:
            continue
        rgb = read_rgb(path)
        painted = read_rgb(path.parents[1] / "masks" / f"{path.stem}.png")
        leaves = np.full(rgb.shape[:2], UNKNOWN, np.uint8)
        for name, colour in real_sets.DUBAI_COLOURS.items():
            low, high = np.array(colour) - 10, np.array(colour) + 10
            leaves[cv2.inRange(painted, low, high) > 0] = leaf_index(DUBAI_LEAVES[name])
        instances, instance_leaf = connected(leaves, ("building",), least_px=40)
        yield TextImage(
            rgb,
            leaves,
            DUBAI_GSD_M,
            f"dubai/{path.parts[-3]}/{path.stem}",
            instances,
            instance_leaf,
            complete=DUBAI_COMPLETE,
        )


def connected(
    leaves: np.ndarray, names: tuple[str, ...], least_px: int
) -> tuple[np.ndarray, dict[int, str]]:
    """Connected patches of the leaves `names` as instances; what is smaller than `least_px` is none."""
    instances, instance_leaf = np.zeros(leaves.shape, np.int32), {}
    for name in names:
        mask = (leaves == leaf_index(name)).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        numbers = np.zeros(count, np.int32)
        for label in range(1, count):
            if stats[label, cv2.CC_STAT_AREA] >= least_px:
                numbers[label] = len(instance_leaf) + 1
                instance_leaf[len(instance_leaf) + 1] = name
        instances = np.where(numbers[labels] > 0, numbers[labels], instances)
    return instances, instance_leaf


def kampala(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """A drone mosaic: what is no roof is not a building, and nothing else is known of it."""
    name = real_sets.KAMPALA_HELD_OUT if held_out else real_sets.KAMPALA_TRAIN
    if not (root / "fair_oam").is_dir():
        return
    image = real_sets.kampala(root, name)
    leaves = np.where(image.labels > 0, leaf_index("building"), leaf_index("other"))
    empty = cv2.erode((image.rgb.max(2) == 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    leaves[empty] = UNKNOWN
    yield TextImage(
        image.rgb,
        leaves.astype(np.uint8),
        KAMPALA_GSD_M,
        f"kampala/{name}",
        image.labels,
        dict.fromkeys(image.objects, "building"),
        complete=frozenset(["building"]) | NEVER_INLAND,
    )


def munich_cars(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Streets from the air with every vehicle boxed: a body inside each box, and a rim of which nothing is known."""
    for path in sorted((root / "cars_kit_ais").glob("*.png")):
        if path.stem.startswith(MUNICH_HELD_OUT) != held_out:
            continue
        rgb = read_rgb(path)
        leaves = np.full(rgb.shape[:2], leaf_index("other"), np.uint8)
        instances, instance_leaf = np.zeros(rgb.shape[:2], np.int32), {}
        rows = [line.split() for line in path.with_suffix(".txt").read_text().splitlines()]
        boxes = [(int(row[0]), np.array(row[1:5], float)) for row in rows if len(row) >= 5]
        for _, box in boxes:
            part, _ = _body(rgb.shape, box, 1.2)
            leaves[part] = UNKNOWN
        for ident, (kind, box) in enumerate(boxes, 1):
            part, body = _body(rgb.shape, box, 0.86)
            leaves[part][body], instances[part][body] = leaf_index(VEHICLES[kind]), ident
            instance_leaf[ident] = VEHICLES[kind]
        yield TextImage(
            rgb,
            leaves,
            MUNICH_GSD_M,
            f"munich/{path.stem}",
            instances,
            instance_leaf,
            complete=VEHICLE_CONCEPTS | NEVER_INLAND,
        )


def _body(
    shape: tuple[int, ...], box: np.ndarray, grown: float
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The window of a grown box (shares of the image: centre x, y, width, height), and the rounded body in it, bool.

    A vehicle at a slant fills the middle of its box only, so a nearly square box gives a smaller body.
    """
    size = np.array([shape[1], shape[0]])
    centre, half = box[:2] * size, box[2:] * size / 2 * grown
    x0, y0 = np.maximum(np.round(centre - half), 0).astype(int)
    x1, y1 = np.minimum(np.round(centre + half), size).astype(int)
    ys, xs = np.mgrid[y0:y1, x0:x1]
    away = np.stack([xs + 0.5 - centre[0], ys + 0.5 - centre[1]]) / half[:, None, None]
    slanted = min(half) / max(half) >= 0.62
    body = (away**2).sum(0) <= 0.62**2 if slanted else (away**4).sum(0) <= 1
    return (slice(y0, y1), slice(x0, x1)), body


def vegas_roads(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Buffered centre lines, widened to the asphalt beside them; what else is near, or is asphalt too, is unknown."""
    for path in sorted((root / "vegas_road" / "images").glob("*.png")):
        if (path.stem in VEGAS_HELD_OUT) != held_out:
            continue
        rgb = read_rgb(path)
        lines = cv2.imread(str(path.parents[1] / "masks" / path.name), cv2.IMREAD_GRAYSCALE) > 128
        core = cv2.distanceTransform(lines.astype(np.uint8), cv2.DIST_L2, 5) * VEGAS_GSD_M > 0.6
        away_m = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5) * VEGAS_GSD_M
        asphalt = _asphalt(rgb, core)
        leaves = np.full(rgb.shape[:2], leaf_index("other"), np.uint8)
        leaves[(away_m < 11) | (cv2.dilate(asphalt, np.ones((5, 5), np.uint8)) > 0)] = UNKNOWN
        leaves[_carriageway(core, asphalt, away_m)] = leaf_index("road")
        yield TextImage(
            rgb, leaves, VEGAS_GSD_M, f"vegas/{path.stem}", complete=frozenset(["road"])
        )


def _asphalt(rgb: np.ndarray, core: np.ndarray) -> np.ndarray:
    """uint8 (H, W): places of the colour that the centre lines have near by."""
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1.0), cv2.COLOR_RGB2LAB).astype(np.float32)
    weight = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 25) + 1e-6
    inside = lab * core[..., None]
    middle = cv2.GaussianBlur(inside, (0, 0), 25) / weight[..., None]
    alike = (np.abs(lab - middle) < np.array([16, 6, 7])).all(2) & (weight > 1e-4)
    return cv2.morphologyEx(alike.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))


def _carriageway(core: np.ndarray, asphalt: np.ndarray, away_m: np.ndarray) -> np.ndarray:
    """bool (H, W): the lines' core, and asphalt joined to it where that is as narrow as a road."""
    broad_m = cv2.distanceTransform(asphalt, cv2.DIST_L2, 5) * VEGAS_GSD_M
    yard = cv2.dilate((broad_m > 9).astype(np.uint8), np.ones((75, 75), np.uint8)) > 0
    near = ((asphalt > 0) & (away_m < 7.5) & ~yard) | core
    _, labels = cv2.connectedComponents(near.astype(np.uint8))
    return near & np.isin(labels, np.unique(labels[core]))


def landslides(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Orthophotos with landslide scars; of the rest only that it is none."""
    for path in sorted((root / "sichuan_landslide" / "images").glob("*.jpg")):
        if (path.stem in LANDSLIDE_HELD_OUT) != held_out:
            continue
        rgb = read_rgb(path)
        painted = path.parents[1] / "masks" / f"{path.stem}.png"
        mask = cv2.imread(str(painted), cv2.IMREAD_GRAYSCALE) > 128
        leaves = np.where(mask, leaf_index("landslide"), leaf_index("other")).astype(np.uint8)
        rim = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((7, 7), np.uint8))
        leaves[rim > 0] = UNKNOWN
        instances, instance_leaf = connected(leaves, ("landslide",), least_px=400)
        yield TextImage(
            rgb,
            leaves,
            LANDSLIDE_GSD_M,
            f"sichuan/{path.stem}",
            instances,
            instance_leaf,
            complete=frozenset(["landslide"]) | NEVER_INLAND,
        )
