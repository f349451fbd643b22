"""A layer of prompts as the file that the backend reads: GeoJSON in (column, row) of the image.

QGIS itself takes the prompts to the image's CRS, so that its own choice of transformation holds, and an image without a CRS
needs none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsFeature,
    QgsFeatureSource,
    QgsGeometry,
    QgsProcessingUtils,
)
from qgis.PyQt.QtCore import QVariant
from qgis.PyQt.QtGui import QTransform

from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.core.target import table_name
from cityseg_qgis.errors import GeometryProblem, UnsupportedLayer
from cityseg_qgis.i18n import tr

# What the backend reads of a prompt besides its place; names in any case.
FIELDS = ("object", "label", "text", "class")


class PromptFile:
    """A context: the file is there inside it. Raises `UnsupportedLayer` and `GeometryProblem`."""

    def __init__(
        self, prompts: QgsFeatureSource, source: SourceDescription, transform: Sequence[float], placed: bool
    ) -> None:
        """`transform`: (a, b, c, d, e, f) from (column, row) to the source frame; `placed`: the raster has one."""
        self._prompts, self._source = prompts, source
        self._to_pixels = _to_pixels(transform, placed)
        name = table_name(prompts.sourceName())
        # Errors name the file: it has the layer's name.
        self.path = Path(QgsProcessingUtils.generateTempFilename(f"{name}.geojson"))

    def __enter__(self) -> PromptFile:
        features = [
            self._feature(feature, number)
            for number, feature in enumerate(self._prompts.getFeatures(), 1)
        ]
        if not features:
            raise UnsupportedLayer(
                tr("“{layer}” has no feature; draw at least one click, line, box or outline.").format(
                    layer=self._prompts.sourceName()
                )
            )
        document = {"type": "FeatureCollection", "features": features}
        self.path.write_text(json.dumps(document), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def _feature(self, feature: QgsFeature, number: int) -> dict[str, Any]:
        geometry = None
        if feature.hasGeometry():
            geometry = json.loads(self._placed(feature.geometry(), number).asJson())
        return {"type": "Feature", "geometry": geometry, "properties": self._properties(feature)}

    def _placed(self, geometry: QgsGeometry, number: int) -> QgsGeometry:
        try:
            moved = transformed_geometry(geometry, self._prompts.sourceCrs(), self._source.crs)
        except GeometryProblem as error:
            raise GeometryProblem(
                tr("Prompt {number} cannot be taken to the CRS of “{layer}”; check the CRS of both layers.").format(
                    number=number, layer=self._source.name
                ),
                error.detail,
            ) from error
        straight = QgsGeometry(moved.constGet().segmentize())
        straight.transform(self._to_pixels)
        return straight

    def _properties(self, feature: QgsFeature) -> dict[str, Any]:
        found = {}
        for field in feature.fields():
            if field.name().lower() in FIELDS:
                value = _plain(feature[field.name()])
                if value is not None:
                    found[field.name().lower()] = value
        return found


def _to_pixels(transform: Sequence[float], placed: bool) -> QTransform:
    """From the layer's coordinates to (column, row). Without a geotransform QGIS draws an image at (column, -row)."""
    if not placed:
        return QTransform(1, 0, 0, -1, 0, 0)
    a, b, c, d, e, f = (float(value) for value in transform[:6])
    inverse, possible = QTransform(a, d, b, e, c, f).inverted()
    if not possible:
        raise UnsupportedLayer(
            tr("The image's georeference maps it to no area; georeference it again."), str(transform)
        )
    return inverse


def _plain(value: Any) -> Any:
    """A field's value as JSON has it; None for NULL."""
    if value is None or (isinstance(value, QVariant) and value.isNull()):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float)) else str(value)
