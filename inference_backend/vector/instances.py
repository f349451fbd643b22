"""From a probability to single things: labels that tell touching objects apart.

Where the model marks the cores of objects (their inside, away from the outline), each core grows into the mask until it
meets its neighbour. A part of the mask without a core is one thing, unless its shape is necked: two lobes joined by a
bridge less than half as wide as the narrower of them are two things.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from inference_backend.vector.adjacency import contacts

# A neck is a bridge narrower than this share of the narrower lobe: two roofs that touch at a corner, not an L-shape.
NECK = 0.5
# Fragments below this many pixels are what a watershed leaves along ridges, not things.
LEAST_PX = 12
# Where the core map is above this, a pixel is inside a single object.
CORE = 0.5
# A pass between two cores that is higher than this share of the lower one joins them.
VALLEY = 0.3
# Against the core map, 0 to 1: enough to part touching cores half-way, too little to move a valley.
_HALFWAY = 0.1
# The distance to a core counts by its ratio to this: no object's border depends on how large others in view are.
_FAR_PX = 8.0
_EIGHT = np.ones((3, 3), bool)


class _Border(NamedTuple):
    """Pairs of labels that touch: (N, 2), with the length of their border and the widest pass through it, in pixels."""

    pairs: np.ndarray
    length: np.ndarray
    width: np.ndarray


def split_instances(
    probability: np.ndarray,
    core: np.ndarray | None,
    threshold: float = 0.5,
    least_px: int = LEAST_PX,
) -> np.ndarray:
    """Label single things in `probability > threshold`, (H, W): int32, 0 outside, 1 to n without a gap.

    `core`, (H, W) or None, is above 0.5 inside of single objects. Fragments of fewer than `least_px` pixels are joined to
    the neighbour with which they share the longest border; those without a neighbour stay. Every pixel of the mask has a
    label, and each label is one connected part (neighbours by corner count). Not-a-number counts as 0.
    """
    mask = probability > threshold
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    if core is not None and not np.isfinite(core.sum()):
        core = np.nan_to_num(core, nan=0.0)
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    seeds = _seeds(mask, core, least_px)
    number = _seeds_a_part(labels, count, seeds)
    # Parts never touch, so all that are treated alike are treated at once.
    total = count
    if core is not None and (number > 1).any():
        inside = (number > 1)[labels]
        grown = _join_over_passes(_grow(inside, seeds, core), core)
        labels = np.where(inside, grown + total, labels)
        total += int(grown.max()) + 1
    # Of a part this small no piece would be large enough to stand by itself.
    sizes = np.bincount(labels.ravel(), minlength=count)[:count]
    necked = (number == 0) & (sizes >= 2 * least_px)
    necked[0] = False
    if necked.any():
        inside = np.append(necked, np.zeros(total - count, bool))[labels]
        labels = np.where(inside, _split_at_necks(inside) + total, labels)
    return _join_fragments(_numbered(labels), least_px)


def _seeds_a_part(parts: np.ndarray, count: int, seeds: np.ndarray) -> np.ndarray:
    """How many seeds lie in each part, (count,); each lies in one."""
    here = np.flatnonzero(seeds > 0)
    part_of = np.zeros(int(seeds.max(initial=0)) + 1, np.int64)
    part_of[seeds.ravel()[here]] = parts.ravel()[here]
    return np.bincount(part_of[part_of > 0], minlength=count)


def _seeds(mask: np.ndarray, core: np.ndarray | None, least_px: int) -> np.ndarray:
    """Numbered cores inside the mask, without specks: int32."""
    if core is None:
        return np.zeros(mask.shape, np.int32)
    marked = (core > CORE) & mask
    count, seeds = cv2.connectedComponents(marked.view(np.uint8), connectivity=4)
    here = seeds[marked]
    # A core is its object eroded: a speck is none, but small objects have small cores.
    kept = np.bincount(here, minlength=count) >= max(2, least_px // 6)
    seeds[marked] = np.where(kept[here], here, 0)
    return seeds


def _grow(inside: np.ndarray, seeds: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Seeds grown over the whole of `inside`: along valleys of the core map, half-way where it is flat."""
    seeds = np.where(inside, seeds, 0)
    free = (seeds == 0).view(np.uint8)
    away = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    height = _HALFWAY * away / (away + np.float32(_FAR_PX)) - core
    # From within a seed nothing grows: leaving that out halves the flood.
    grid = np.ones((3, 3), np.uint8)
    within = cv2.erode(1 - free, grid, borderType=cv2.BORDER_CONSTANT, borderValue=0).view(bool)
    grown = watershed(height, np.where(within, 0, seeds), mask=inside & ~within, connectivity=2)
    return np.where(within, seeds, grown)


def _join_over_passes(labels: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Labels whose cores are parted by a shallow valley only are one thing: a roof's two slopes, not two roofs."""
    return _joined(labels, core, VALLEY)


def _joined(labels: np.ndarray, depth: np.ndarray, share: float) -> np.ndarray:
    """Labels joined where the pass between them is higher than this share of the lower one's top."""
    count = int(labels.max())
    inside = np.flatnonzero(labels > 0)
    top = np.zeros(count + 1)
    np.maximum.at(top, labels.ravel()[inside], depth.ravel()[inside])
    border = _borders(labels, depth)
    root = list(range(count + 1))
    for index in np.argsort(-border.width, kind="stable"):
        one, other = (_root(root, int(label)) for label in border.pairs[index])
        if one != other and border.width[index] >= share * min(top[one], top[other]):
            root[other] = one
            top[one] = max(top[one], top[other])
    return np.array([_root(root, label) for label in range(count + 1)], np.int32)[labels]


def _split_at_necks(inside: np.ndarray) -> np.ndarray:
    """Lobes joined by narrow necks, as labels from 1: basins of the distance to the edge, joined over wide passes."""
    depth = _distance(inside)
    peaks, _ = ndimage.label(local_maxima(depth, connectivity=2) & inside, _EIGHT)
    return _joined(watershed(-depth, peaks, mask=inside, connectivity=2), depth, NECK)


def _join_fragments(labels: np.ndarray, least_px: int) -> np.ndarray:
    """Labels with small ones joined to the neighbour they share the longest border with, smallest first."""
    count = int(labels.max())
    sizes = np.bincount(labels.ravel(), minlength=count + 1).tolist()
    if count < 2 or min(sizes[1:]) >= least_px:
        return labels
    small = np.array(sizes) < least_px
    small[0] = False
    border = _borders(labels, None, small[labels])
    shared: dict[int, dict[int, float]] = {label: {} for label in range(1, count + 1)}
    for (one, other), length in zip(border.pairs.tolist(), border.length.tolist(), strict=True):
        shared[one][other] = shared[other][one] = length
    root = list(range(count + 1))
    for label in sorted(range(1, count + 1), key=lambda one: sizes[one]):
        if sizes[label] >= least_px or root[label] != label or not shared[label]:
            continue
        into = max(shared[label], key=lambda other: (shared[label][other], -other))
        root[label] = into
        sizes[into] += sizes[label]
        for other, length in shared.pop(label).items():
            del shared[other][label]
            if other != into:
                shared[into][other] = shared[other][into] = shared[into].get(other, 0.0) + length
    joined = np.array([_root(root, label) for label in range(count + 1)])
    return _numbered(joined[labels])


def _borders(
    labels: np.ndarray, depth: np.ndarray | None, wanted: np.ndarray | None = None
) -> _Border:
    """Which labels touch, by side or corner; the width of a pass is its greatest lesser depth."""
    met = contacts(labels, wanted)
    widest = np.zeros(len(met.pairs))
    if depth is not None:
        flat = depth.ravel()
        np.maximum.at(widest, met.pair, np.minimum(flat[met.here], flat[met.there]))
    return _Border(met.pairs, np.bincount(met.pair, minlength=len(met.pairs)).astype(float), widest)


def _distance(inside: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest one outside; what lies beyond the array is outside."""
    padded = np.pad(inside.view(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def _numbered(labels: np.ndarray) -> np.ndarray:
    """Labels as 1 to n without a gap: int32, 0 outside."""
    there = np.bincount(labels.ravel()) > 0
    there[0] = False
    return np.cumsum(there, dtype=np.int32)[labels]


def _root(root: list[int], label: int) -> int:
    while root[label] != label:
        root[label] = root[root[label]]
        label = root[label]
    return label
