"""Our own list: `annotations.json`, entries of {image, mask | polygons, text, task}."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.entries import existing, fault, load_entries, sentences
from inference_backend.evaluation.text_samples import TASKS, TextSample, TextSet, Truth
from inference_backend.evaluation.truths import MaskFile, parse_polygons

FORMAT = "annotations"
NEEDS = "annotations.json, a list of {image, mask or polygons, text, task}"
_FILE = "annotations.json"


def root_of(folder: Path) -> Path | None:
    """The folder itself where it holds the list."""
    return folder if (folder / _FILE).is_file() else None


def read(root: Path, split: str | None) -> TextSet:
    """Every entry; with `split`, those whose `split` it is. Raises InvalidInput for a list that is none."""
    found = TextSet(FORMAT, root, split or "all")
    for number, entry in enumerate(load_entries(root / _FILE)):
        if split is not None and isinstance(entry, dict) and entry.get("split") != split:
            continue
        name = f"entry {number + 1}"
        try:
            found.samples += _samples(root, entry, name)
        except InvalidInput as error:
            found.faults.append(fault(name, error))
    return found


def _samples(root: Path, entry: Any, name: str) -> list[TextSample]:
    if not isinstance(entry, dict):
        raise InvalidInput("it is not an object with image, text and mask")
    task = entry.get("task", "referring")
    if task not in TASKS:
        raise InvalidInput(f"its task '{task}' is none of {', '.join(TASKS)}")
    image = existing(entry.get("image"), [root])
    truth = _truth(root, entry)
    kind, gsd_m = str(entry.get("kind") or ""), _gsd_m(entry.get("gsd_m"))
    return [
        TextSample(image, text, task, truth, kind, name, number, gsd_m)
        for number, text in enumerate(sentences(entry.get("text")))
    ]


def _gsd_m(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InvalidInput("its 'gsd_m' is not a number of metres a pixel")
    return float(value)


def _truth(root: Path, entry: dict[str, Any]) -> Truth:
    if entry.get("mask") is not None:
        whole = {key: entry.get(key) for key in ("ignore", "value")}
        for key, value in whole.items():
            if value is not None and type(value) is not int:
                raise InvalidInput(f"its '{key}' is not a whole number")
        return MaskFile(existing(entry["mask"], [root]), **whole)
    if "polygons" in entry:
        return parse_polygons(entry["polygons"])
    raise InvalidInput(
        "it has neither mask nor polygons; where the thing is absent, give polygons []"
    )
