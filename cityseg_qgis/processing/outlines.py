"""Found outlines on their way into the sink of an algorithm: out of an answer, or out of the file that the backend wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsFeature,
    QgsFeatureRequest,
    QgsFeatureSink,
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsVectorLayer,
    QgsWkbTypes,
)

from cityseg_qgis.core.attributes import FIELDS, by_index
from cityseg_qgis.core.frames import flipped_geometry
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.core.target import apply_style
from cityseg_qgis.core.text_answer import Found
from cityseg_qgis.errors import BackendFailed, SaveProblem
from cityseg_qgis.i18n import tr

_BATCH = 500


class _ResultStyle(QgsProcessingLayerPostProcessorInterface):
    """Our look for layers that are loaded after a run: a colour for each class."""

    def postProcessLayer(
        self, layer: Any, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        if isinstance(layer, QgsVectorLayer):
            apply_style(layer)
            layer.triggerRepaint()


# QGIS does not own it and calls it long after the algorithm is gone.
_style = _ResultStyle()


class OutlineFile:
    """A temporary file that the backend writes and we read. A context: the file is gone at its end."""

    def __init__(self) -> None:
        # Not a GeoPackage: the backend's GDAL writes a version of it that QGIS's older GDAL warns about.
        self.path = Path(QgsProcessingUtils.generateTempFilename("cityseg.fgb"))

    def __enter__(self) -> OutlineFile:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self.path.parent.glob(self.path.name + "*"):
            path.unlink(missing_ok=True)

    def numbers_objects(self) -> bool:
        """Whether the field `object` holds numbers. Raises `BackendFailed`."""
        return self._layer().fields().field("object").isNumeric()

    def read(self, placed: bool) -> Iterator[Found]:
        """Its features in the layer's coordinates. `placed`: the raster has a geotransform. Raises `BackendFailed`."""
        layer = self._layer()
        names = layer.fields().names()
        # FlatGeobuf orders features by place.
        in_order = QgsFeatureRequest().addOrderBy(f'"{names[0]}"')
        for feature in layer.getFeatures(in_order):
            geometry = QgsGeometry(feature.geometry())
            values = {name: feature[name] for name in names}
            yield Found(geometry if placed else flipped_geometry(geometry), values)


    def _layer(self) -> QgsVectorLayer:
        layer = QgsVectorLayer(str(self.path), "found", "ogr")
        if not layer.isValid():
            raise BackendFailed(
                tr("The backend's answer cannot be read; free some space on the disk and run it again."),
                f"{self.path}: {layer.error().message()}",
            )
        return layer


def is_placed(answer: Mapping[str, Any]) -> bool:
    """Whether the raster, whose `transform` is in an answer, has a geotransform. Without one its frame is (column, row)."""
    return [float(value) for value in answer["transform"]] != [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def template(fields: Mapping[str, str] = FIELDS) -> QgsVectorLayer:
    """An empty layer with these fields (name, type as in a memory layer's URI)."""
    uri = "&".join(f"field={name}:{kind}" for name, kind in fields.items())
    return QgsVectorLayer(f"MultiPolygon?{uri}", "template", "memory")


def write_outlines(
    algorithm: QgsProcessingAlgorithm,
    parameters: dict[str, Any],
    name: str,
    context: QgsProcessingContext,
    source: SourceDescription,
    found: Iterable[Found],
    fields: Mapping[str, str] = FIELDS,
) -> tuple[str, int]:
    """Write all of `found` into the sink parameter `name`; (its destination, how many). Raises `SaveProblem`."""
    layout = template(fields)
    sink, destination = algorithm.parameterAsSink(
        parameters, name, context, layout.fields(), QgsWkbTypes.Type.MultiPolygon, source.crs
    )
    if sink is None:
        raise SaveProblem(algorithm.invalidSinkError(parameters, name))
    count, batch = 0, []
    for one in found:
        batch.append(_feature(one, layout))
        count += 1
        if len(batch) == _BATCH:
            _add(sink, batch)
            batch = []
    _add(sink, batch)
    layer = context.getMapLayer(destination)
    if layer is not None and layer.crs() != source.crs:
        # A memory layer without a CRS is given WGS 84 by QGIS.
        layer.setCrs(source.crs)
    if "class" in fields and context.willLoadLayerOnCompletion(destination):
        context.layerToLoadOnCompletionDetails(destination).setPostProcessor(_style)
    return destination, count


def _feature(found: Found, layout: QgsVectorLayer) -> QgsFeature:
    feature = QgsFeature(layout.fields())
    geometry = QgsGeometry(found.geometry)
    geometry.convertToMultiType()
    feature.setGeometry(geometry)
    for index, value in by_index(layout, found.values).items():
        feature.setAttribute(index, value)
    return feature


def _add(sink: QgsFeatureSink, features: list[QgsFeature]) -> None:
    if features and not sink.addFeatures(features, QgsFeatureSink.Flag.FastInsert):
        raise SaveProblem(
            tr("The output cannot be written; check that the disk is not full and that the file may be written."),
            sink.lastError() if hasattr(sink, "lastError") else "",
        )
