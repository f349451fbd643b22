"""The attributes of a result: one list, whose names fit a Shapefile, for every writer and for the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePath
from typing import Any

import pyproj
from shapely.geometry.base import BaseGeometry

from inference_backend.prompts import Prompt
from inference_backend.vector.measure import area_m2, perimeter_m

# Name and kind, in the order of the table. "object" is whatever the prompts called it: whole numbers or text.
FIELDS: Mapping[str, str] = {
    "object": "key",
    "class": "text",
    "score": "real",
    "area_m2": "real",
    "perim_m": "real",
    "prompt": "text",
    "task": "text",
    "model": "text",
    "weights": "text",
    "source": "text",
    "created": "text",
}
# What was asked for in words also carries why it was taken for that.
TEXT_FIELDS: Mapping[str, str] = {**FIELDS, "why": "text"}
# A Shapefile's text ends here, in bytes of UTF-8.
MAX_TEXT = 254


def result_row(
    object_id: int | str,
    geometry: BaseGeometry,
    crs: pyproj.CRS | None,
    *,
    score: float,
    class_name: str = "",
    prompt: str = "",
    task: str = "interactive",
    model: str = "",
    weights: str = "",
    source: str = "",
    created: str | None = None,
) -> dict[str, Any]:
    """The attributes of one feature whose geometry is in the source frame.

    Areas and lengths are None without a CRS: pixels are not metres. `source` is cut to the file's name, for the
    path of a user's folders is nobody's business once the layer is passed on.
    """
    return {
        "object": object_id if isinstance(object_id, int) else fitting(object_id),
        "class": fitting(class_name),
        "score": round(float(score), 4),
        "area_m2": None if crs is None else round(area_m2(geometry, crs), 3),
        "perim_m": None if crs is None else round(perimeter_m(geometry, crs), 3),
        "prompt": fitting(prompt),
        "task": task,
        "model": fitting(model),
        "weights": fitting(weights),
        "source": fitting(PurePath(source).name),
        "created": created or now(),
    }


def fitting(text: str) -> str:
    """`text` as far as a Shapefile can hold it, cut between letters."""
    return text.encode()[:MAX_TEXT].decode(errors="ignore")


def now() -> str:
    """This moment, ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_prompts(prompts: Sequence[Prompt]) -> str:
    """What was shown, in a few words: `2 point+, 1 point-, 1 box+`."""
    counts = Counter(f"{prompt.kind}{'+' if prompt.label else '-'}" for prompt in prompts)
    words = [f"{count} {name}" for name, count in counts.items()]
    texts = dict.fromkeys(prompt.text for prompt in prompts if prompt.text)
    return "; ".join([", ".join(words), *texts]) if texts else ", ".join(words)
