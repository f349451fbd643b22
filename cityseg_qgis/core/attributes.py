"""The attributes of a result: their names, their types, and what is written into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional

from qgis.core import NULL, QgsCoordinateReferenceSystem, QgsField, QgsGeometry, QgsVectorLayer

from cityseg_qgis.core.measure import area_m2, perimeter_m

# Name and type as a memory layer's URI takes it. The names fit a Shapefile; the order is the backend's.
FIELDS: Mapping[str, str] = {
    "object": "integer(9,0)",
    "class": "string(80)",
    "score": "double(6,4)",
    "area_m2": "double(18,3)",
    "perim_m": "double(18,3)",
    "prompt": "string(254)",
    "task": "string(20)",
    "model": "string(80)",
    "weights": "string(80)",
    "source": "string(254)",
    "created": "string(20)",
    "why": "string(254)",
}
TASK = "interactive"


@dataclass(frozen=True)
class Provenance:
    """Where a result came from; what does not depend on its final geometry."""

    class_name: str = ""
    score: float = 0.0
    prompt: str = ""
    model: str = ""
    weights: str = ""
    source: str = ""
    task: str = TASK
    why: str = ""


def now() -> str:
    """This moment, ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def measures(geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> dict[str, Any]:
    """The attributes that follow from the geometry, NULL where there are no metres."""
    return {
        "area_m2": _rounded(area_m2(geometry, crs)),
        "perim_m": _rounded(perimeter_m(geometry, crs)),
    }


def next_object(layer: QgsVectorLayer) -> int:
    """One more than the greatest `object` of `layer`; 1 where there is none."""
    index = layer.fields().indexOf("object")
    if index < 0:
        return 1
    try:
        # An empty layer answers the least integer.
        return max(0, int(layer.maximumValue(index))) + 1
    except (TypeError, ValueError):
        return max(0, layer.featureCount()) + 1


def row(
    provenance: Provenance, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem, object_id: int
) -> dict[str, Any]:
    """All attributes of one result by name."""
    return {
        "object": object_id,
        "class": provenance.class_name or NULL,
        "score": round(provenance.score, 4),
        **measures(geometry, crs),
        "prompt": provenance.prompt,
        "task": provenance.task,
        "model": provenance.model,
        "weights": provenance.weights,
        "source": provenance.source,
        "created": now(),
        "why": provenance.why or NULL,
    }


def by_index(layer: QgsVectorLayer, values: Mapping[str, Any]) -> dict[int, Any]:
    """`values` for the fields that `layer` has, converted to their types; what does not fit becomes NULL."""
    fields = layer.fields()
    found: dict[int, Any] = {}
    for name, value in values.items():
        index = fields.indexOf(name)
        if index >= 0:
            found[index] = _fitted(fields.at(index), value)
    return found


def _fitted(field: QgsField, value: Any) -> Any:
    if isinstance(value, str) and field.length() > 0:
        value = value[: field.length()]
    try:
        converted = field.convertCompatible(value)
    except ValueError:
        return NULL
    # QGIS up to 3.36 answers a boolean and leaves the value; later versions answer the value.
    if isinstance(converted, bool) and not isinstance(value, bool):
        return value if converted else NULL
    return converted


def _rounded(value: Optional[float]) -> Any:
    return NULL if value is None else round(value, 3)
