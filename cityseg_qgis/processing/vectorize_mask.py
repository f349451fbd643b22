"""`cityseg:vectorizemask`: a label raster, a mask or a probability becomes polygons without the stairs of its pixels."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
)

from cityseg_qgis.errors import RequestCancelled
from cityseg_qgis.i18n import tr
from cityseg_qgis.processing.algorithm import (
    COUNT,
    INPUT,
    MIN_AREA,
    OUTPUT,
    THRESHOLD,
    CitySegAlgorithm,
)
from cityseg_qgis.processing.backend_session import BackendSession
from cityseg_qgis.processing.outlines import OutlineFile, is_placed, write_outlines
from cityseg_qgis.worker import methods

BAND, BACKGROUND, SPLIT, TOLERANCE, MIN_HOLE = "BAND", "BACKGROUND", "SPLIT", "TOLERANCE", "MIN_HOLE"
VALUES = "VALUES"
FIELDS = {"value": "int8", "area_m2": "double(18,3)", "perim_m": "double(18,3)"}
_ANY = -1e300


class VectorizeMask(CitySegAlgorithm):
    """The backend's own outlines, from any raster of labels."""

    ID = "vectorizemask"
    ICON = "alg-vectorize"

    def displayName(self) -> str:
        return tr("Vectorize mask")

    def tags(self) -> list[str]:
        return tr("polygonize,raster to vector,labels,classes,probability,contour,simplify,smooth").split(",")

    def shortDescription(self) -> str:
        return tr("Turns a raster of labels, a mask or a probability into clean polygons.")

    def initAlgorithm(self, _configuration: Optional[dict[str, Any]] = None) -> None:
        self.add_input(tr("Raster of labels, mask or probability"))
        self.add(QgsProcessingParameterBand(BAND, tr("Band"), 1, INPUT, True))
        self.add_number(
            THRESHOLD,
            tr("Threshold: what is above it is on (empty: each value is a label)"),
            None,
            _ANY,
            optional=True,
        )
        self.add_number(BACKGROUND, tr("Value of the background of labels"), 0.0, _ANY)
        self.add(
            QgsProcessingParameterBoolean(SPLIT, tr("Each connected part is a feature of its own"), True)
        )
        self.add_min_area()
        self.add_number(
            MIN_HOLE,
            tr("Smallest hole that stays (m²; empty: as the minimum area)"),
            None,
            0.0,
            advanced=True,
            optional=True,
        )
        self.add_number(
            TOLERANCE,
            tr("Tolerance of the outlines (m; empty: what removes the pixels' stairs)"),
            None,
            0.0,
            advanced=True,
            optional=True,
        )
        self.add_outlines(tr("Polygons"))
        self.addOutput(QgsProcessingOutputNumber(VALUES, tr("Number of different values")))

    def shortHelpString(self) -> str:
        return tr(
            "Turns a raster of labels, a mask or a probability into polygons. Outlines run between the pixels and are "
            "simplified so far that they show no stairs: straight walls stay straight, and corners stay corners.\n"
            "Threshold: where it is empty, each value but the background is a label of its own. Where it is given, what is "
            "above it is on; in a probability the outline then lies where the threshold is crossed, between the pixels.\n"
            "Each connected part is a feature of its own: otherwise all parts of a value are one feature.\n"
            "Minimum area, smallest hole, tolerance: on the ground; in pixels where the raster has no CRS. Without a "
            "tolerance it is 1.25 pixels for labels and masks, and half a pixel for a probability.\n"
            "Values that are no data are no objects. Neighbouring labels are outlined one by one: their common edge may differ "
            "by the tolerance.\n"
            "Example: qgis_process run cityseg:vectorizemask -- INPUT=labels.tif MIN_AREA=10 OUTPUT=polygons.gpkg"
        )

    def run_with(
        self,
        backend: BackendSession,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        source = self.source
        try:
            with OutlineFile() as file:
                params = {**self._params(parameters, context), "out": str(file.path)}
                backend.unsaid.add(params["out"])
                result = backend.ask(methods.VECTORIZE, params)
                found = file.read(is_placed(result))
                destination, count = write_outlines(
                    self, parameters, OUTPUT, context, source, found, FIELDS
                )
        except RequestCancelled:
            return {}
        feedback.pushInfo(
            tr("{count} polygons of {values} values").format(count=count, values=result["values"])
        )
        return {OUTPUT: destination, COUNT: count, VALUES: result["values"]}

    def _params(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        params: dict[str, Any] = {
            "source": self.source.wire["path"],
            # Optional: `qgis_process` asks for a band that has only a default.
            "band": max(1, self.parameterAsInt(parameters, BAND, context)),
            "background": self.parameterAsDouble(parameters, BACKGROUND, context),
            "split": self.parameterAsBoolean(parameters, SPLIT, context),
            "min_area_m2": self.parameterAsDouble(parameters, MIN_AREA, context),
        }
        optional = {"threshold": THRESHOLD, "min_hole_m2": MIN_HOLE, "tolerance_m": TOLERANCE}
        for member, name in optional.items():
            if parameters.get(name) is not None:
                params[member] = self.parameterAsDouble(parameters, name, context)
        return params
