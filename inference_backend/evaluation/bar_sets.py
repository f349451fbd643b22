"""Validation sets for every bar that text has to reach: real images that no training may see, and texts with known masks.

`root` holds the real sets; hand-drawn labels come from `labels`. Roads, trees and the one real solar roof were drawn
by hand; solar arrays are otherwise generated ones on held-out photographs, since no set has real ones in number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.bar_absence import absent_set, present_set
from inference_backend.evaluation.bar_images import (
    IGNORE,
    BarImage,
    BarPrompt,
    BarSet,
    hand_labelled,
    read_photo,
    resampled,
    resampled_mask,
)
from inference_backend.evaluation.bar_lidar import montpellier_sets
from inference_backend.evaluation.bar_relations import relation_truths
from inference_backend.training.neon_canopy import neon_trees
from inference_backend.training.solar_collage import solar_collage
from inference_backend.training.text_sets import UNKNOWN, TextImage, dubai, kampala, leaf_index

HAND_LABELS = Path(__file__).resolve().parents[2] / "tests" / "data" / "hand_labels"
ROOF_GSD_M, ROAD_GSD_M, TREE_GSD_M, SOLAR_GSD_M = 0.13, 0.2, 0.5, 0.2
HOUSE_GSD_M = 0.3
KAMPALA_WINDOW_PX, KAMPALA_STEP_PX = 256, 110
DUBAI_WINDOW_PX, DUBAI_STEP_PX, DUBAI_MOST_WINDOWS = 256, 300, 12
LEAST_BUILDINGS, MOST_BUILDINGS = 5, 60
LEAST_KAMPALA_PX, LEAST_DUBAI_PX = 400, 40
SOLAR_PHOTOS = (
    *("denseresidential", "mediumresidential", "sparseresidential", "buildings"),
    *("mobilehomepark", "parkinglot"),
)


def bar_sets(root: Path, labels: Path = HAND_LABELS) -> Iterable[BarSet]:
    """Every set, made when its turn comes. Raises InvalidInput where `root` or `labels` lacks what it needs."""
    buildings, roads, solar = buildings_set(root), roads_set(root, labels), solar_set(root)
    yield buildings
    yield roads
    yield trees_set(root, labels)
    yield neon_set(root)
    yield from montpellier_sets(root)
    yield solar
    yield real_solar_set(root, labels)
    yield houses_set(root, labels)
    yield relations_set(root, labels)
    yield questions_set([*buildings.images, *roads.images, *solar.images])
    yield absent_set(root)
    yield present_set(root)


def buildings_set(root: Path) -> BarSet:
    """ "buildings" on the held-out drone mosaic."""
    prompts = [BarPrompt("buildings", "referring", "building")]
    return BarSet("buildings on drone roofs", "class_iou", 0.60, [_kampala(root)], prompts)


def roads_set(root: Path, labels: Path) -> BarSet:
    """ "roads" on hand-drawn photographs."""
    images = hand_labelled(root, labels / "roads.json", ROAD_GSD_M)
    prompts = [BarPrompt("roads", "referring", "road")]
    return BarSet("roads on aerial photos", "class_iou", 0.50, images, prompts)


def trees_set(root: Path, labels: Path) -> BarSet:
    """ "trees" on hand-drawn photographs at half a metre."""
    images = hand_labelled(root, labels / "trees.json", TREE_GSD_M)
    prompts = [BarPrompt("trees", "referring", "tree")]
    return BarSet("trees on orthophotos", "class_iou", 0.60, images, prompts)


def neon_set(root: Path) -> BarSet:
    """ "trees" where lidar and crown boxes agree: another measure of the same bar, easier, since edges do not count."""
    images = []
    for plot in neon_trees(root, held_out=True):
        rgb = resampled(plot.rgb, plot.gsd_m, TREE_GSD_M)
        truth = _class_mask(plot, "tree")
        images.append(BarImage(plot.name, rgb, TREE_GSD_M, {"tree": resampled_mask(truth, rgb)}))
    prompts = [BarPrompt("trees", "referring", "tree")]
    return BarSet("trees of forest plots (sure pixels)", "class_iou", 0.60, images, prompts)


def solar_set(root: Path, each: int = 4, seed: int = 11) -> BarSet:
    """ "solar panels" drawn by the generator on held-out photographs of towns: `each` of six kinds."""
    rng = np.random.default_rng(seed)
    images = []
    for kind in SOLAR_PHOTOS:
        for number in rng.choice(np.arange(80, 100), each, replace=False):
            photo = resampled(read_ucmerced(root, kind, int(number)), 0.3, SOLAR_GSD_M)
            made = solar_collage(photo, SOLAR_GSD_M, rng)
            truth = (made.labels > 0).astype(np.uint8)
            name = f"{kind}{number} with modules"
            images.append(BarImage(name, made.rgb, SOLAR_GSD_M, {"solar array": truth}))
    prompts = [BarPrompt("solar panels", "referring", "solar array")]
    return BarSet("solar panels on photos", "class_iou", 0.30, images, prompts)


def real_solar_set(root: Path, labels: Path) -> BarSet:
    """ "solar panels" on the only real ones found in the sets: one roof, so an anecdote and no bar."""
    images = hand_labelled(root, labels / "solar.json", SOLAR_GSD_M)
    prompts = [BarPrompt("solar panels", "referring", "solar array")]
    return BarSet("real solar panels (one roof)", "class_iou", None, images, prompts)


def houses_set(root: Path, labels: Path) -> BarSet:
    """ "buildings" on hand-drawn photographs of suburbs: no bar of the issue, but another place and resolution."""
    images = hand_labelled(root, labels / "buildings.json", HOUSE_GSD_M)
    prompts = [BarPrompt("buildings", "referring", "building")]
    return BarSet("buildings on aerial photos", "class_iou", None, images, prompts)


def relations_set(root: Path, labels: Path) -> BarSet:
    """Relations and superlatives over buildings: windows of the drone mosaic, drawn suburbs, held-out Dubai."""
    images = [*_kampala_windows(root), *_dubai_windows(root)]
    for house in houses_set(root, labels).images:
        unsure = (house.truth["building"] == IGNORE) & (house.instances == 0)
        truth = relation_truths(house.instances, unsure, house.gsd_m)
        name = f"ucmerced/{house.name}"
        images.append(BarImage(name, house.rgb, house.gsd_m, truth, house.instances))
    texts = sorted({text for image in images for text in image.truth})
    prompts = [BarPrompt(text, "referring", text) for text in texts]
    return BarSet("relations and superlatives", "giou", 0.45, images, prompts)


def questions_set(images: list[BarImage]) -> BarSet:
    """Questions, each beside the class prompt whose masks it shares, over the images of those classes."""
    pairs = (
        ("Where do people live?", "buildings", "building"),
        ("Where can cars drive?", "roads", "road"),
        ("What makes electricity from sunlight?", "solar panels", "solar array"),
    )
    prompts = [BarPrompt(words, "referring", truth) for _, words, truth in pairs]
    prompts += [BarPrompt(text, "reasoning", truth, words) for text, words, truth in pairs]
    return BarSet("questions", "questions", 0.05, images, prompts)


def read_ucmerced(root: Path, kind: str, number: int) -> np.ndarray:
    """uint8 (H, W, 3), 0.3 m."""
    return read_photo(root / "ucmerced" / kind / f"{kind}{number:02}.jpg")


def _class_mask(image: TextImage, leaf: str) -> np.ndarray:
    """uint8 (H, W): 1 where the leaf is, IGNORE where nothing is known."""
    mask = (image.leaves == leaf_index(leaf)).astype(np.uint8)
    mask[image.leaves == UNKNOWN] = IGNORE
    return mask


def _held_out_kampala(root: Path) -> TextImage:
    for image in kampala(root, held_out=True):
        return image
    raise InvalidInput(f"'{root}' has no 'fair_oam'; give the folder that holds the real sets.")


def _kampala(root: Path) -> BarImage:
    image = _held_out_kampala(root)
    rgb = resampled(image.rgb, image.gsd_m, ROOF_GSD_M)
    truth = {"building": resampled_mask(_class_mask(image, "building"), rgb)}
    return BarImage(image.name, rgb, ROOF_GSD_M, truth)


def _kampala_windows(root: Path) -> Iterator[BarImage]:
    image = _held_out_kampala(root)
    rgb = resampled(image.rgb, image.gsd_m, ROOF_GSD_M)
    instances = resampled_mask(image.instances, rgb)
    unsure = resampled_mask(image.leaves, rgb) == UNKNOWN
    places = range(0, rgb.shape[0] - KAMPALA_WINDOW_PX + 1, KAMPALA_STEP_PX)
    for y in places:
        for x in places:
            part = np.s_[y : y + KAMPALA_WINDOW_PX, x : x + KAMPALA_WINDOW_PX]
            whole = _without_slivers(instances[part], LEAST_KAMPALA_PX)
            slivers = (instances[part] > 0) & (whole == 0)
            truth = relation_truths(whole, unsure[part] | slivers, ROOF_GSD_M)
            name = f"{image.name} at {x}, {y}"
            yield BarImage(name, rgb[part], ROOF_GSD_M, truth, whole)


def _dubai_windows(root: Path) -> list[BarImage]:
    """Windows of a fixed grid with some buildings: those whose patches look most like single buildings."""
    found: list[tuple[float, BarImage]] = []
    for image in dubai(root, held_out=True):
        height, width = image.leaves.shape
        for y in range(0, height - DUBAI_WINDOW_PX + 1, DUBAI_STEP_PX):
            for x in range(0, width - DUBAI_WINDOW_PX + 1, DUBAI_STEP_PX):
                part = np.s_[y : y + DUBAI_WINDOW_PX, x : x + DUBAI_WINDOW_PX]
                instances = _without_slivers(image.instances[part], LEAST_DUBAI_PX)
                if not LEAST_BUILDINGS <= len(np.unique(instances)) - 1 <= MOST_BUILDINGS:
                    continue
                truth = _dubai_truths(image, instances, part)
                name = f"{image.name} at {x}, {y}"
                window = BarImage(name, image.rgb[part], image.gsd_m, truth, instances)
                found.append((_compactness(instances), window))
    found.sort(key=lambda pair: -pair[0])
    return [window for _, window in found[:DUBAI_MOST_WINDOWS]]


def _dubai_truths(
    image: TextImage, instances: np.ndarray, part: tuple[slice, slice]
) -> dict[str, np.ndarray]:
    leaves = image.leaves[part]
    small = (leaves == leaf_index("building")) & (instances == 0)
    road = leaves == leaf_index("road")
    return relation_truths(instances, (leaves == UNKNOWN) | small, image.gsd_m, road)


def _compactness(instances: np.ndarray) -> float:
    """Mean share that patches fill of their turned boxes: terraces that the set paints as one patch fill less."""
    shares = []
    for ident in np.unique(instances)[1:]:
        ys, xs = np.nonzero(instances == ident)
        (_, (width, height), _) = cv2.minAreaRect(np.stack([xs, ys], 1).astype(np.float32))
        shares.append(len(xs) / ((width + 1) * (height + 1)))
    return float(np.mean(shares))


def _without_slivers(instances: np.ndarray, least_px: int) -> np.ndarray:
    counts = np.bincount(instances.ravel())
    return np.where(counts[instances] >= least_px, instances, 0)
