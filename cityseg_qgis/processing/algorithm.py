"""What the algorithms share: parameters, the raster as the backend needs it, and errors as Processing wants them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtGui import QIcon

from cityseg_qgis.core.model_choice import DEFAULT_MODEL
from cityseg_qgis.core.source import SourceDescription, describe
from cityseg_qgis.errors import BackendUnavailable, CitySegError, GeometryProblem, SaveProblem
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import scrubbed
from cityseg_qgis.paths import icon_path
from cityseg_qgis.processing.backend_session import CANCEL_MS, BackendSession
from cityseg_qgis.processing.versions import ADVANCED, NUMBER_DOUBLE, SOURCE_POLYGON
from cityseg_qgis.worker.interpreter import PYTHON_VARIABLE

INPUT, EXTENT, OUTPUT, MASK = "INPUT", "EXTENT", "OUTPUT", "MASK"
THRESHOLD, MIN_AREA, MODEL, DEVICE = "THRESHOLD", "MIN_AREA", "MODEL", "DEVICE"
COUNT = "COUNT"
AUTO = "auto"
DEVICES = (AUTO, "cpu", "cuda", "mps")
# What QGIS calls itself where there are panels and options.
_DESKTOP = "desktop"
# The backend refuses 0 and 1 themselves: all or nothing would be found.
_LEAST_THRESHOLD, _MOST_THRESHOLD = 0.01, 0.99


class CitySegAlgorithm(QgsProcessingAlgorithm):
    """One algorithm. It keeps nothing between `prepareAlgorithm` and `processAlgorithm` but the raster's description.

    A subclass has `run`, which is `processAlgorithm` with a backend; the errors that it raises become Processing's.
    """

    ID = ""
    ICON = "cityseg"
    # Parameters whose files need a folder.
    FILES: tuple[str, ...] = (OUTPUT, MASK)
    # How long a cancelled backend may take before it is killed.
    CANCEL_MS = CANCEL_MS

    def __init__(self) -> None:
        super().__init__()
        self.source: Optional[SourceDescription] = None

    def name(self) -> str:
        return self.ID

    def createInstance(self) -> CitySegAlgorithm:
        return type(self)()

    def icon(self) -> QIcon:
        return QIcon(icon_path(self.ICON))

    def svgIconPath(self) -> str:
        return icon_path(self.ICON)

    def helpUrl(self) -> str:
        return ""

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """QGIS's own checks, with our sentences where they say more than "incorrect parameter value"."""
        parameters = self._with_names(parameters)
        problem = self.problem_with(parameters, context)
        if problem:
            return False, problem
        return super().checkParameterValues(parameters, context)

    def problem_with(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """What is wrong with the parameters, as a sentence; empty where nothing is."""
        given = parameters.get(INPUT)
        if not isinstance(given, str) or not given.strip():
            return ""
        if self.parameterDefinition(INPUT).checkValueIsAcceptable(given, context):
            return ""
        return tr("“{name}” cannot be opened as a raster; check the path.").format(name=given)

    def prepareAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> bool:
        """In the main thread: what is to be known of layers, which another thread must not touch."""
        try:
            self.describe_input(parameters, context)
            for name in self.FILES:
                if self.parameterDefinition(name) is not None:
                    _check_folder(self.parameterAsFileOutput(parameters, name, context))
            self.prepare_more(parameters, context, feedback)
        except CitySegError as error:
            told = _told(error, feedback)
        else:
            return True
        del parameters, context, feedback
        raise told

    def describe_input(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """What is worked on; raises `UnsupportedLayer`."""
        self.source = describe(self.parameterAsRasterLayer(parameters, INPUT, context))

    def prepare_more(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        """More that needs the main thread."""

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """The boundary: errors become one sentence and details for the log."""
        try:
            with BackendSession(feedback, self.CANCEL_MS) as backend:
                return self.run_with(backend, self._with_names(parameters), context, feedback)
        except CitySegError as error:
            told = _told(error, feedback)
        # QGIS never lets go of an exception, nor the exception of this frame (nor of a cause): the context in it would keep the
        # run's layers and files open.
        del parameters, context, feedback
        raise told

    def run_with(
        self,
        backend: BackendSession,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """The work. May raise `CitySegError`."""
        raise NotImplementedError

    def _with_names(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Choices by name, also where they were given by number, as the help of `qgis_process` says."""
        named = dict(parameters)
        for definition in self.parameterDefinitions():
            given = str(parameters.get(definition.name(), ""))
            if isinstance(definition, QgsProcessingParameterEnum) and given.isdigit():
                options = definition.options()
                named[definition.name()] = options[min(int(given), len(options) - 1)]
        return named

    # Parameters that several algorithms have.

    def add_input(self, description: str) -> None:
        self.addParameter(QgsProcessingParameterRasterLayer(INPUT, description))

    def add_extent(self) -> None:
        self.addParameter(
            QgsProcessingParameterExtent(EXTENT, tr("Look in this extent only"), optional=True)
        )

    def add_number(
        self,
        name: str,
        description: str,
        default: Optional[float],
        least: float,
        most: Optional[float] = None,
        advanced: bool = False,
        optional: bool = False,
    ) -> None:
        limits = {"minValue": least} if most is None else {"minValue": least, "maxValue": most}
        number = QgsProcessingParameterNumber(
            name, description, NUMBER_DOUBLE, default, optional, **limits
        )
        self.add(number, advanced)

    def add_threshold(self) -> None:
        self.add_number(
            THRESHOLD,
            tr("Threshold: the probability from which a pixel belongs to it"),
            0.5,
            _LEAST_THRESHOLD,
            _MOST_THRESHOLD,
        )

    def add_min_area(self) -> None:
        self.add_number(MIN_AREA, tr("Minimum area (m²)"), 0.0, 0.0)

    def add_model(self) -> None:
        self.add(
            QgsProcessingParameterString(
                MODEL, tr("Model (a name, or the path of a checkpoint)"), DEFAULT_MODEL
            ),
            advanced=True,
        )
        self.add_choice(DEVICE, tr("Device"), DEVICES, AUTO, advanced=True)

    def add_outlines(self, description: str, masked: bool = False) -> None:
        """The outputs of outlines: their layer, where `masked` a raster of them too, and how many there are."""
        self.add(QgsProcessingParameterFeatureSink(OUTPUT, description, SOURCE_POLYGON))
        if masked:
            mask = tr("Mask: each object's number, 0 elsewhere")
            self.add(QgsProcessingParameterRasterDestination(MASK, mask, None, True, False))
        self.addOutput(QgsProcessingOutputNumber(COUNT, tr("Number of features")))

    def add_choice(
        self, name: str, description: str, values: tuple[str, ...], default: str, advanced: bool = False
    ) -> None:
        choice = QgsProcessingParameterEnum(
            name, description, list(values), defaultValue=default, usesStaticStrings=True
        )
        self.add(choice, advanced)

    def add(self, parameter: QgsProcessingParameterDefinition, advanced: bool = False) -> None:
        if advanced:
            parameter.setFlags(parameter.flags() | ADVANCED)
        self.addParameter(parameter)

    def model_params(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> dict[str, Any]:
        """Model and device for a request; "auto" leaves the device to CitySeg's options."""
        device = self.parameterAsEnumString(parameters, DEVICE, context)
        model = self.parameterAsString(parameters, MODEL, context).strip() or DEFAULT_MODEL
        return {"model": model} if device in (AUTO, "") else {"model": model, "device": device}

    def mask_path(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        """Where the mask raster goes; empty where none is wanted."""
        if parameters.get(MASK) in (None, ""):
            return ""
        return self.parameterAsOutputLayer(parameters, MASK, context)

    def bounds(
        self, parameters: dict[str, Any], context: QgsProcessingContext, flipped: bool
    ) -> Optional[list[float]]:
        """The extent [xmin, ymin, xmax, ymax] in the raster's own frame; None for the whole raster.

        `flipped`: that frame is (column, row), and QGIS draws it at (column, -row). Raises `GeometryProblem` where it misses the raster.
        """
        source = self.source
        # Densified by QGIS: the sides of a rectangle are bent in another CRS.
        wanted = self.parameterAsExtent(parameters, EXTENT, context, source.crs)
        if wanted.isNull():
            return None
        inside = wanted.intersect(source.extent)
        if inside.isEmpty():
            raise GeometryProblem(
                tr("The extent lies outside “{layer}”; choose another, or leave it out for the whole raster.").format(
                    layer=source.name
                ),
                f"{wanted.toString()} and {source.extent.toString()}, {source.crs.authid()}",
            )
        ys = inside.yMinimum(), inside.yMaximum()
        bottom, top = (-ys[1], -ys[0]) if flipped else ys
        return [inside.xMinimum(), bottom, inside.xMaximum(), top]


def _check_folder(path: str) -> None:
    """Raise `SaveProblem` where a file output has no folder to be in: known before the work, not after it."""
    target = Path(path) if path else None
    if target is None or not target.is_absolute():
        return
    if not target.parent.is_dir():
        raise SaveProblem(
            tr("The folder “{folder}” does not exist; make it, or choose another.").format(
                folder=target.parent
            )
        )
    if not os.access(target.parent, os.W_OK):
        raise SaveProblem(
            tr("The folder “{folder}” may not be written; choose another.").format(folder=target.parent)
        )


def _told(error: CitySegError, feedback: QgsProcessingFeedback) -> QgsProcessingException:
    """The error as Processing shows it; what only helps a report goes to the log."""
    if error.detail:
        feedback.pushDebugInfo(scrubbed(error.detail))
    sentence = error.user_message
    if isinstance(error, BackendUnavailable) and QgsApplication.platform() != _DESKTOP:
        sentence = tr("{sentence} (without the desktop: set the variable {variable}).").format(
            sentence=sentence.rstrip("."), variable=PYTHON_VARIABLE
        )
    return QgsProcessingException(sentence)
