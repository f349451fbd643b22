"""Enums that QGIS 3.36 moved to `Qgis`: one name for either home."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessing,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterNumber,
)

_MOVED = hasattr(Qgis, "ProcessingSourceType")

if _MOVED:
    SOURCE_POLYGON = Qgis.ProcessingSourceType.VectorPolygon
    SOURCE_ANY_GEOMETRY = Qgis.ProcessingSourceType.VectorAnyGeometry
    NUMBER_DOUBLE = Qgis.ProcessingNumberParameterType.Double
    ADVANCED = Qgis.ProcessingParameterFlag.Advanced
else:
    SOURCE_POLYGON = QgsProcessing.SourceType.TypeVectorPolygon
    SOURCE_ANY_GEOMETRY = QgsProcessing.SourceType.TypeVectorAnyGeometry
    NUMBER_DOUBLE = QgsProcessingParameterNumber.Type.Double
    ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced
