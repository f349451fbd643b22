"""The rows of a written data set: masks as runs of pixels, one JSON object an instruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inference_backend.training.instructions.crop import UNKNOWN, Instruction, LabelledCrop
from inference_backend.training.instructions.interactive import Pointed


def encode_runs(mask: np.ndarray) -> dict[str, list[int]]:
    """A bool mask (H, W) as COCO's uncompressed run lengths: down the columns, zeros first."""
    flat = np.asarray(mask, bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat.size and flat[0]:
        counts = [0, *counts]
    return {"size": list(mask.shape), "counts": [int(count) for count in counts]}


def decode_runs(runs: Mapping[str, Any]) -> np.ndarray:
    """The bool mask (H, W) of run lengths. Raises ValueError where they do not fill the size."""
    height, width = runs["size"]
    counts = np.asarray(runs["counts"], np.int64)
    if counts.sum() != height * width or (counts < 0).any():
        raise ValueError(f"the runs do not fill {height} x {width} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


def instruction_row(
    number: int,
    name: str,
    made: Instruction | Pointed,
    known: Mapping[str, Any],
    kept_back: bool,
) -> dict[str, Any]:
    """One line of instructions.jsonl. `known` has split, source and gsd_m of the image."""
    one = made.instruction if isinstance(made, Pointed) else made
    unsaid = one.present and not (one.mask == 1).any()
    doubtful = one.mask == UNKNOWN
    return {
        "id": f"{name}/{number:02}",
        "image": f"images/{name}.png",
        "split": known["split"],
        "source": known["source"],
        "gsd_m": known["gsd_m"],
        "task": "interactive" if isinstance(made, Pointed) else one.task,
        "kind": one.kind,
        "text": one.text,
        "held_out": kept_back,
        "concepts": list(one.concepts),
        "present": one.present,
        "mask": None if unsaid else encode_runs(one.mask == 1),
        "ignore": encode_runs(doubtful) if doubtful.any() and not unsaid else None,
        "prompt": {"kind": made.kind, "xy": [list(xy) for xy in made.xy]}
        if isinstance(made, Pointed)
        else None,
    }


def image_row(name: str, crop: LabelledCrop, known: Mapping[str, Any]) -> dict[str, Any]:
    """One line of images.jsonl: where the pixels are, and what each object is."""
    return {
        "image": f"images/{name}.png",
        "instances": f"instances/{name}.png",
        "leaves": f"leaves/{name}.png",
        "width": crop.leaves.shape[1],
        "height": crop.leaves.shape[0],
        **known,
        "complete": None if crop.complete is None else sorted(crop.complete),
        "objects": {
            str(ident): {"leaf": leaf, **_plain(crop.attributes.get(ident, {}))}
            for ident, leaf in sorted(crop.instance_leaf.items())
        },
    }


def _plain(attributes: Mapping[str, object]) -> dict[str, Any]:
    """Attributes as JSON has them; what is measured in the whole scene's pixels is left out."""
    return {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in attributes.items()
        if key not in ("box_px", "pixels", "at_edge")
    }
