"""The point cloud that an algorithm is given: a layer, or a file that this QGIS may not be able to open itself."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsMapLayer, QgsPointCloudLayer, QgsProcessingContext, QgsProperty

from cityseg_qgis.core.cloud_source import CloudSource, file_source, layer_source
from cityseg_qgis.errors import UnsupportedLayer
from cityseg_qgis.i18n import tr


def given_cloud(layer: Any, file: Any, context: QgsProcessingContext) -> CloudSource:
    """The cloud of a parameter for layers (a layer, its id or name, or a path) or of one for files.

    Raises `UnsupportedLayer` where there is none, or both.
    """
    layer, file = _plain(layer, context), _plain(file, context)
    if layer and file:
        raise UnsupportedLayer(tr("Give a point-cloud layer or a file, not both."))
    if not layer and not file:
        raise UnsupportedLayer(tr("Choose a point cloud: a layer of the project, or a file."))
    if isinstance(layer, QgsMapLayer):
        return layer_source(layer)
    named = _layer_called(str(layer), context) if layer else None
    return layer_source(named) if named is not None else file_source(str(layer or file))


def is_path(value: Any, context: QgsProcessingContext) -> bool:
    """Whether a parameter for layers holds a path: QGIS may know no layer of that kind, and we need none."""
    value = _plain(value, context)
    return isinstance(value, str) and bool(value) and _layer_called(value, context) is None


def _plain(value: Any, context: QgsProcessingContext) -> Any:
    if isinstance(value, QgsProperty):
        value = value.valueAsString(context.expressionContext(), "")[0]
    return value.strip() if isinstance(value, str) else value


def _layer_called(text: str, context: QgsProcessingContext) -> Optional[QgsMapLayer]:
    """The layer of that id, or the point cloud of that name, among the run's own and the project's."""
    project = context.project()
    for store in (context.temporaryLayerStore(), project):
        layer = store.mapLayer(text) if store is not None else None
        if layer is not None:
            return layer
    found = project.mapLayersByName(text) if project is not None else []
    return next((layer for layer in found if isinstance(layer, QgsPointCloudLayer)), None)
