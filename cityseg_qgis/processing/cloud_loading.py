"""Opens the results of a classified point cloud in the project when a run has ended, as the panel does."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsPointCloudLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsVectorLayer,
)

from cityseg_qgis.core.cloud_answer import CloudAnswer
from cityseg_qgis.core.cloud_layers import (
    VECTORS,
    colour_by_class,
    provider_of,
    style_vector,
    vector_names,
)
from cityseg_qgis.core.cloud_target import openable
from cityseg_qgis.i18n import tr

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
        if isinstance(layer, QgsPointCloudLayer):
            colour_by_class(layer, self._classes)
            layer.triggerRepaint()
        if isinstance(layer, QgsVectorLayer):
            style_vector(layer)
        if not layer.crs().isValid() and self._crs.isValid():
            layer.setCrs(self._crs)


def load_on_completion(
    answer: CloudAnswer, crs: QgsCoordinateReferenceSystem, context: QgsProcessingContext
) -> bool:
    """Have QGIS open the cloud and its outlines; False where it does not open the cloud's format."""
    project = context.project()
    if project is None:
        return True
    hint = QgsProcessingUtils.LayerHint
    opened = bool(provider_of(answer.out))
    if opened:
        _load(openable(answer.out), tr("classified points"), hint.PointCloud, answer, crs, context)
    for path in answer.vectors:
        for name in vector_names(path):
            if name in VECTORS:
                _load(f"{path}|layername={name}", name, hint.Vector, answer, crs, context)
    return opened


def _load(
    uri: str,
    name: str,
    hint: QgsProcessingUtils.LayerHint,
    answer: CloudAnswer,
    crs: QgsCoordinateReferenceSystem,
    context: QgsProcessingContext,
) -> None:
    details = QgsProcessingContext.LayerDetails(name, context.project(), name, hint)
    processor = ColourByClass(answer, crs)
    _kept.append(processor)
    del _kept[:-_MOST_KEPT]
    details.setPostProcessor(processor)
    context.addLayerToLoadOnCompletion(uri, details)
