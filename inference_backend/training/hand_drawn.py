"""Photographs that we drew over by hand, for training: every house, road and tree of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inference_backend.language.ontology import LEAVES
from inference_backend.training.real_sets import UCMERCED_HELD_OUT_BLOCK, read_rgb
from inference_backend.training.text_sets import UNKNOWN, TextImage

FOLDER = Path(__file__).with_name("hand_labels")
# Whoever draws is off by about a pixel: the rim of what was drawn is not judged.
RIM_PX = 1


def hand_drawn(root: Path, held_out: bool = False) -> Iterator[TextImage]:
    """The drawn images that are there under `root`; none of them is held out."""
    if held_out:
        return
    for labels in sorted(FOLDER.glob("*.json")):
        for entry in json.loads(labels.read_text(encoding="utf-8"))["images"]:
            path = root / entry["file"]
            if path.is_file() and _trains(path):
                yield _image(read_rgb(path), entry)


def _trains(path: Path) -> bool:
    """Numbers from UCMERCED_HELD_OUT_BLOCK up are for validation, whatever a file of labels says."""
    digits = "".join(c for c in path.stem if c.isdigit())
    return path.parents[1].name != "ucmerced" or int(digits) < UCMERCED_HELD_OUT_BLOCK


def _image(rgb: np.ndarray, entry: dict) -> TextImage:
    leaves = np.zeros(rgb.shape[:2], np.uint8)
    instances = np.zeros(rgb.shape[:2], np.int32)
    instance_leaf: dict[int, str] = {}
    rims = np.zeros(rgb.shape[:2], np.uint8)
    for layer in entry["layers"]:
        value = UNKNOWN if layer["leaf"] == "unknown" else LEAVES.index(layer["leaf"])
        for ring in layer["rings"]:
            # OpenCV counts from pixel centres, in sixteenths here.
            corners = [np.round((np.array(ring, float) - 0.5) * 16).astype(np.int32)]
            mask = np.zeros(rgb.shape[:2], np.uint8)
            cv2.fillPoly(mask, corners, 1, shift=4)
            cv2.polylines(rims, corners, True, 1, RIM_PX, shift=4)
            leaves[mask > 0] = value
            instances[mask > 0] = 0
            if layer["leaf"] in ("building", "car", "pool"):
                ident = len(instance_leaf) + 1
                instance_leaf[ident] = layer["leaf"]
                instances[mask > 0] = ident
    leaves[rims > 0] = UNKNOWN
    seen = set(np.unique(instances).tolist())
    return TextImage(
        rgb,
        leaves,
        float(entry["gsd_m"]),
        f"hand/{Path(entry['file']).stem}",
        instances=instances,
        instance_leaf={i: leaf for i, leaf in instance_leaf.items() if i in seen},
        complete=frozenset(entry["complete"]),
    )
