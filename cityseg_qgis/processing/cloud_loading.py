"""Opens the results of a classified point cloud in the project when a run has ended, as the panel does."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsPointCloudLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
)

from cityseg_qgis.core.cloud_answer import CloudAnswer
from cityseg_qgis.core.cloud_layers import (
    VECTORS,
    cloud_layer,
    colour_by_class,
    provider_of,
    vector_layers,
)

# QGIS holds the interface and not the Python object: without this it would be gone before it is called.
_kept: list[QgsProcessingLayerPostProcessorInterface] = []
_MOST_KEPT = 200


class ColourByClass(QgsProcessingLayerPostProcessorInterface):
    """Sets the renderer of the classified cloud."""

    def __init__(self, answer: CloudAnswer, crs: QgsCoordinateReferenceSystem) -> None:
        super().__init__()
        self._classes = answer.classes
        self._crs = crs

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        # QGIS gives layers that it opens a style of its own.
        if isinstance(layer, QgsPointCloudLayer):
            colour_by_class(layer, self._classes)
            layer.triggerRepaint()
        if not layer.crs().isValid() and self._crs.isValid():
            layer.setCrs(self._crs)


def load_on_completion(
    answer: CloudAnswer, crs: QgsCoordinateReferenceSystem, context: QgsProcessingContext
) -> bool:
    """Have QGIS open the cloud and its outlines; False where it does not open the cloud's format.

    Raises `UnsupportedLayer` where it should and cannot.
    """
    if context.project() is None:
        return True
    layers: list[QgsMapLayer] = []
    if provider_of(answer.out):
        layers.append(cloud_layer(answer.out, answer.classes))
    for path in answer.vectors:
        layers += [layer for layer in vector_layers(path) if layer.name() in VECTORS]
    for layer in layers:
        _load(layer, answer, crs, context)
    return bool(provider_of(answer.out))


def _load(
    layer: QgsMapLayer, answer: CloudAnswer, crs: QgsCoordinateReferenceSystem, context: QgsProcessingContext
) -> None:
    # The layer itself: by its name alone, QGIS 3.22 opens no point cloud.
    context.temporaryLayerStore().addMapLayer(layer)
    details = QgsProcessingContext.LayerDetails(layer.name(), context.project(), layer.name())
    processor = ColourByClass(answer, crs)
    _kept.append(processor)
    del _kept[:-_MOST_KEPT]
    details.setPostProcessor(processor)
    context.addLayerToLoadOnCompletion(layer.id(), details)
