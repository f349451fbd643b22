"""The backend's answer to the prompts: an outline that is shown and may be accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsPointXY

from cityseg_qgis.core.measure import area_m2
from cityseg_qgis.core.prompts import Prompt
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.errors import BackendFailed
from cityseg_qgis.i18n import tr

Ring = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Preview:
    """An outline (in `crs`, the layer's) and where it came from. An empty geometry means: nothing found there."""

    geometry: QgsGeometry
    crs: QgsCoordinateReferenceSystem
    source: SourceDescription
    prompts: tuple[Prompt, ...]
    score: float = 0.0
    area_m2: Optional[float] = None
    model: str = ""
    weights: str = ""
    device: str = ""
    total_ms: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether the model found nothing."""
        return self.geometry.isNull() or self.geometry.isEmpty()


def read_answer(
    result: Mapping[str, Any], source: SourceDescription, prompts: tuple[Prompt, ...]
) -> Preview:
    """The preview in `result` of `predict`. Raises `BackendFailed` for an answer that makes no sense."""
    try:
        geometries = [polygon_of(feature["geometry"]) for feature in result.get("features", ())]
        timings = result.get("timings_ms") or {}
        score, total_ms = float(result.get("score") or 0.0), float(sum(timings.values()))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BackendFailed(
            tr("The backend's answer cannot be read; install the backend again."), repr(error)
        ) from error
    geometry = _collected(geometries)
    if not geometry.isNull():
        geometry = source.from_wire(geometry)
    return Preview(
        geometry=geometry,
        crs=source.crs,
        source=source,
        prompts=prompts,
        score=score,
        area_m2=None if geometry.isNull() else area_m2(geometry, source.crs),
        model=str(result.get("model", "")),
        weights=str(result.get("weights", "")),
        device=str(result.get("device", "")),
        total_ms=total_ms,
    )


def polygon_of(geojson: Mapping[str, Any]) -> QgsGeometry:
    """A GeoJSON Polygon or MultiPolygon. Raises `ValueError`, or what a malformed one causes."""
    kind, coordinates = geojson["type"], geojson["coordinates"]
    if kind == "Polygon":
        return QgsGeometry.fromPolygonXY([_points(ring) for ring in coordinates])
    if kind == "MultiPolygon":
        return QgsGeometry.fromMultiPolygonXY(
            [[_points(ring) for ring in polygon] for polygon in coordinates]
        )
    raise ValueError(f"a {kind} is no polygon")


def _points(ring: Ring) -> list[QgsPointXY]:
    return [QgsPointXY(float(x), float(y)) for x, y, *_ in ring]


def _collected(geometries: list[QgsGeometry]) -> QgsGeometry:
    if len(geometries) < 2:
        return geometries[0] if geometries else QgsGeometry()
    return QgsGeometry.unaryUnion(geometries)
