"""UC Merced's image classes as weak labels: whole images of one leaf where that is right, else what is surely there or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inference_backend.training.real_sets import UCMERCED_HELD_OUT_BLOCK, read_rgb
from inference_backend.training.text_sets import UNKNOWN, TextImage, leaf_index

GSD_M = 0.3
WHOLE = {"agricultural": "field", "forest": "tree"}
"""Classes whose images are one leaf from edge to edge, but for `ORCHARDS` and `MIXED`."""
ORCHARDS = frozenset(["agricultural04", "agricultural21", "agricultural22", "agricultural23"])
MIXED = frozenset(
    [
        *("agricultural00", "agricultural02", "forest03", "forest04", "forest05", "forest06"),
        *("forest08", "forest09", "forest10", "forest31", "forest32", "forest40", "forest60"),
    ]
)
"""Images with tracks, roofs or bare soil: what is there is known, but neither where nor what is not."""
NOWHERE_HERE = frozenset(["ship", "aircraft", "runway", "sea", "beach", "wind turbine"])
PRESENT = {
    "agricultural": ("field",),
    "airplane": ("aircraft",),
    "baseballdiamond": ("baseball diamond", "sport field"),
    "beach": ("beach", "sea", "water"),
    "buildings": ("building",),
    "chaparral": ("shrub", "vegetation", "bare ground"),
    "denseresidential": ("building",),
    "forest": ("tree", "vegetation"),
    "freeway": ("road",),
    "golfcourse": ("golf course", "grass", "vegetation"),
    "harbor": ("boat", "water", "pier"),
    "intersection": ("road",),
    "mediumresidential": ("building",),
    "mobilehomepark": ("building",),
    "overpass": ("road", "bridge"),
    "parkinglot": ("parking lot", "car", "vehicle"),
    "river": ("river", "water"),
    "runway": ("runway",),
    "sparseresidential": ("building",),
    "storagetanks": ("tank",),
    "tenniscourt": ("tennis court", "sport field"),
}
RARE = frozenset(
    [
        *("aircraft", "runway", "ship", "boat", "pier", "tank", "greenhouse", "train", "railway"),
        *("quarry", "landslide", "helipad", "sea", "beach", "river", "lake", "pool", "container"),
        *("wind turbine", "tennis court", "basketball court", "baseball diamond", "running track"),
        *("golf course", "solar array", "parking lot"),
    ]
)
"""What an image of most classes surely has not; `MAYBE` lists where it may."""
MAYBE = {
    "airplane": ("container", "helipad", "parking lot", "tank", "road", "building"),
    "baseballdiamond": (
        *(
            "parking lot",
            "running track",
            "tennis court",
            "basketball court",
            "pool",
            "solar array",
        ),
        "lake",
    ),
    "beach": ("pier", "boat", "ship", "parking lot"),
    "buildings": (
        *("parking lot", "pool", "helipad", "solar array", "tennis court", "container", "tank"),
        *("basketball court", "railway", "train", "greenhouse", "lake"),
    ),
    "denseresidential": ("pool", "parking lot", "solar array", "tennis court", "basketball court"),
    "freeway": ("parking lot", "container", "railway", "train", "pool", "lake", "river"),
    "golfcourse": ("lake", "pool", "river", "parking lot"),
    "harbor": ("ship", "sea", "lake", "river", "parking lot", "container", "beach"),
    "intersection": ("parking lot", "railway", "train", "pool", "container", "solar array", "tank"),
    "mediumresidential": (
        *("pool", "parking lot", "solar array", "tennis court", "basketball court", "lake"),
    ),
    "mobilehomepark": ("pool", "parking lot", "container", "solar array", "lake"),
    "overpass": ("railway", "train", "parking lot", "river", "container"),
    "parkinglot": ("container", "solar array", "tank"),
    "river": ("boat", "pier", "lake", "sea", "beach", "parking lot", "railway"),
    "sparseresidential": (
        *("pool", "parking lot", "solar array", "tennis court", "basketball court", "lake"),
        *("greenhouse", "pier", "boat", "river"),
    ),
    "storagetanks": (
        *("parking lot", "railway", "train", "container", "pool", "lake", "river", "greenhouse"),
        *("pier", "boat", "ship", "solar array", "sea"),
    ),
    "tenniscourt": (
        *("pool", "basketball court", "parking lot", "solar array", "baseball diamond", "lake"),
        *("running track", "golf course", "greenhouse"),
    ),
}
BARE_OF = {
    "agricultural": ("building", "vehicle", "car", "truck", "bus", "water"),
    "chaparral": ("building", "vehicle", "car", "truck", "bus", "water", "tree"),
    "forest": ("vehicle", "truck", "bus"),
    "beach": ("field",),
    "runway": ("building", "tree", "water", "bus"),
    "parkinglot": ("water",),
    "harbor": ("field",),
}
"""More that a class surely has not."""


def ucmerced(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """Photographs of 77 m; numbers overlap with their neighbours, so the last block of each class is held out."""
    for path in sorted((root / "ucmerced").glob("*/*.jpg")):
        number = int(re.findall(r"\d+", path.stem)[-1])
        if (number >= UCMERCED_HELD_OUT_BLOCK) != held_out:
            continue
        kind, rgb = path.parent.name, read_rgb(path)
        leaves, complete = weak_leaves(path.stem, kind, rgb)
        orchard = path.stem in ORCHARDS
        yield TextImage(
            rgb,
            leaves,
            GSD_M,
            f"ucmerced/{path.stem}",
            complete=complete,
            present=frozenset(["orchard"] if orchard else PRESENT[kind]),
            absent=NOWHERE_HERE if path.stem in MIXED else absent_concepts(kind),
        )


def absent_concepts(kind: str) -> frozenset[str]:
    """Names of concepts that no image of the class has."""
    return (RARE - set(MAYBE.get(kind, ())) - set(PRESENT[kind])) | set(BARE_OF.get(kind, ()))


def weak_leaves(stem: str, kind: str, rgb: np.ndarray) -> tuple[np.ndarray, frozenset[str]]:
    """(uint8 (H, W) leaves, concepts complete there); all unknown for an image that is no single leaf."""
    leaf = "orchard" if stem in ORCHARDS else WHOLE.get(kind)
    if leaf is not None and stem not in MIXED:
        return np.full(rgb.shape[:2], leaf_index(leaf), np.uint8), frozenset([leaf])
    if kind == "chaparral":
        return _shrubs(rgb), frozenset(["shrub", "bare ground"])
    return np.full(rgb.shape[:2], UNKNOWN, np.uint8), frozenset()


def _shrubs(rgb: np.ndarray) -> np.ndarray:
    """Dark shrubs on light ground, apart by Otsu's threshold; unknown near it."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    split, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    leaves = np.full(grey.shape, UNKNOWN, np.uint8)
    leaves[grey < split - 8] = leaf_index("shrub")
    leaves[grey > split + 8] = leaf_index("bare ground")
    return leaves
