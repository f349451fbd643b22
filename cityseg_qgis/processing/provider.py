"""The provider `cityseg` of the Processing toolbox."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from cityseg_qgis.about import TITLE
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path
from cityseg_qgis.processing.classify_point_cloud import ClassifyPointCloud
from cityseg_qgis.processing.segment_with_prompts import SegmentWithPrompts
from cityseg_qgis.processing.segment_with_reasoning import SegmentWithReasoning
from cityseg_qgis.processing.segment_with_text import SegmentWithText
from cityseg_qgis.processing.vectorize_mask import VectorizeMask

ALGORITHMS = (
    SegmentWithText,
    SegmentWithReasoning,
    SegmentWithPrompts,
    VectorizeMask,
    ClassifyPointCloud,
)
_RASTER_FORMAT = "tif"


class CitySegProvider(QgsProcessingProvider):
    """Lives from `initProcessing` to `unload`."""

    def id(self) -> str:
        return "cityseg"

    def name(self) -> str:
        return TITLE

    def longName(self) -> str:
        return tr("CitySeg: find and outline objects in images, classify point clouds")

    def icon(self) -> QIcon:
        return QIcon(icon_path("cityseg"))

    def svgIconPath(self) -> str:
        return icon_path("cityseg")

    def loadAlgorithms(self) -> None:
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Masks are GeoTIFFs."""
        return [_RASTER_FORMAT, "tiff"]

    def defaultRasterFileExtension(self) -> str:
        return _RASTER_FORMAT
