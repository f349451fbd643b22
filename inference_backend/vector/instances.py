"""From a probability to single things: labels that tell touching objects apart.

Where the model marks the cores of objects (their inside, away from the outline), each core grows into the mask until it
meets its neighbour. A part of the mask without a core is one thing, unless its shape is necked: two lobes joined by a
bridge less than half as wide as the narrower of them are two things.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

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
    mask = np.nan_to_num(probability, nan=0.0) > threshold
    parts, count = ndimage.label(mask, _EIGHT)
    if not count:
        return np.zeros(mask.shape, np.int32)
    seeds = _seeds(mask, core, least_px)
    many, none = _parts_by_seeds(parts, count, seeds)
    # Parts never touch, so all that are treated alike are treated at once.
    labels = parts.astype(np.int32)
    if many.any() and core is not None:
        grown = _join_over_passes(_grow(many[parts], seeds, core), core)
        labels = np.where(many[parts], grown + count, labels)
    if none.any():
        lobes = _split_at_necks(none[parts])
        labels = np.where(none[parts], lobes + labels.max() + 1, labels)
    return _join_fragments(_numbered(labels, mask), least_px)


def _parts_by_seeds(
    parts: np.ndarray, count: int, seeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which parts (0 to count) have several seeds, and which none: bool each."""
    here = seeds > 0
    pairs = np.unique(np.stack([parts[here], seeds[here]]), axis=1)
    number = np.bincount(pairs[0], minlength=count + 1)
    none = number == 0
    none[0] = False
    return number > 1, none


def _seeds(mask: np.ndarray, core: np.ndarray | None, least_px: int) -> np.ndarray:
    """Numbered cores inside the mask, without specks: int32."""
    if core is None:
        return np.zeros(mask.shape, np.int32)
    seeds, count = ndimage.label((np.nan_to_num(core, nan=0.0) > CORE) & mask)
    sizes = np.bincount(seeds.ravel(), minlength=count + 1)
    # A core is its object eroded: a speck is none, but small objects have small cores.
    seeds[sizes[seeds] < max(2, least_px // 6)] = 0
    return seeds.astype(np.int32)


def _grow(inside: np.ndarray, seeds: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Seeds grown over the whole of `inside`: along valleys of the core map, half-way where it is flat."""
    seeds = np.where(inside, seeds, 0)
    away = ndimage.distance_transform_edt(seeds == 0)
    height = _HALFWAY * away / (away + _FAR_PX) - np.nan_to_num(core, nan=0.0)
    return watershed(height, seeds, mask=inside, connectivity=2)


def _join_over_passes(labels: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Labels whose cores are parted by a shallow valley only are one thing: a roof's two slopes, not two roofs."""
    core = np.nan_to_num(core, nan=0.0)
    count = int(labels.max())
    top = np.zeros(count + 1)
    np.maximum.at(top, labels.ravel(), core.ravel())
    border = _borders(labels, core)
    root = list(range(count + 1))
    for index in np.argsort(-border.width, kind="stable"):
        one, other = (_root(root, int(label)) for label in border.pairs[index])
        if one != other and border.width[index] >= VALLEY * min(top[one], top[other]):
            root[other] = one
            top[one] = max(top[one], top[other])
    return np.array([_root(root, label) for label in range(count + 1)])[labels]


def _split_at_necks(inside: np.ndarray) -> np.ndarray:
    """Lobes joined by narrow necks, as labels from 1: basins of the distance to the edge, joined over wide passes."""
    depth = _depth(inside)
    peaks, count = ndimage.label(local_maxima(depth, connectivity=2) & inside, _EIGHT)
    basins = watershed(-depth, peaks, mask=inside, connectivity=2)
    top = np.zeros(count + 1)
    np.maximum.at(top, basins[inside], depth[inside])
    border = _borders(basins, depth)
    root = list(range(count + 1))
    for index in np.argsort(-border.width, kind="stable"):
        one, other = (_root(root, int(label)) for label in border.pairs[index])
        if one != other and border.width[index] >= NECK * min(top[one], top[other]):
            root[other] = one
            top[one] = max(top[one], top[other])
    joined = np.array([_root(root, label) for label in range(count + 1)])
    return joined[basins]


def _join_fragments(labels: np.ndarray, least_px: int) -> np.ndarray:
    """Labels with small ones joined to the neighbour they share the longest border with, smallest first."""
    count = int(labels.max())
    sizes = np.bincount(labels.ravel(), minlength=count + 1).tolist()
    if count < 2 or min(sizes[1:]) >= least_px:
        return labels
    border = _borders(labels, np.ones(labels.shape, bool))
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
    return _numbered(joined[labels], labels > 0)


def _borders(labels: np.ndarray, depth: np.ndarray) -> _Border:
    """Which labels touch, by side or corner; the width of a pass is its greatest lesser depth."""
    height, width = labels.shape
    steps = ((0, 1), (1, 0), (1, 1), (1, -1))
    found, passes = [], []
    for down, right in steps:
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width - max(0, -right)))
        one, other = labels[here], labels[there]
        meet = (one != other) & (one > 0) & (other > 0)
        pair = np.stack([one[meet], other[meet]], axis=1)
        found.append(np.sort(pair, axis=1))
        passes.append(np.minimum(depth[here][meet], depth[there][meet]))
    pairs, index = np.unique(np.concatenate(found), axis=0, return_inverse=True)
    index = index.ravel()
    widest = np.zeros(len(pairs))
    np.maximum.at(widest, index, np.concatenate(passes))
    return _Border(pairs, np.bincount(index, minlength=len(pairs)).astype(float), widest)


def _depth(inside: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest one outside; what lies beyond the array is outside."""
    return ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]


def _numbered(labels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Labels as 1 to n without a gap: int32, 0 outside."""
    kept = np.where(inside, labels, 0)
    there = np.bincount(kept.ravel()) > 0
    there[0] = False
    return np.where(inside, np.cumsum(there)[kept], 0).astype(np.int32)


def _root(root: list[int], label: int) -> int:
    while root[label] != label:
        root[label] = root[root[label]]
        label = root[label]
    return label
