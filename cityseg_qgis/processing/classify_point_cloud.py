"""`cityseg:classifypointcloud`: a point cloud with classes, and outlines and rasters of what stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterPointCloudLayer,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from cityseg_qgis.core.cloud_answer import NODE, CloudAnswer, read_cloud_answer
from cityseg_qgis.core.cloud_request import (
    Bounds,
    CloudRequest,
    added_in,
    bounds_of,
    crs_text,
    names_in,
)
from cityseg_qgis.core.cloud_source import (
    EPT_FILE,
    FILE_FILTER,
    CloudDescription,
    CloudSource,
    read_description,
)
from cityseg_qgis.core.cloud_target import COPC, EPT, best_format, openable
from cityseg_qgis.errors import CitySegError, RequestCancelled
from cityseg_qgis.i18n import tr
from cityseg_qgis.processing.algorithm import (
    AUTO,
    COUNT,
    DEVICE,
    DEVICES,
    EXTENT,
    INPUT,
    OUTPUT,
    THRESHOLD,
    CitySegAlgorithm,
)
from cityseg_qgis.processing.backend_session import BackendSession
from cityseg_qgis.processing.cloud_input import given_cloud, is_path
from cityseg_qgis.processing.cloud_loading import load_on_completion
from cityseg_qgis.worker import methods

FILE, CRS, CLASSES, ADD, LOAD = "FILE", "CRS", "CLASSES", "ADD", "LOAD"
VECTORS, DTM, HAG = "VECTORS", "DTM", "HAG"
ANSWER, FOUND = "ANSWER", "CLASSES_FOUND"
# The model decides where nothing is given; these are the bounds of what is a probability.
_LEAST, _MOST = 0.0, 0.99


class ClassifyPointCloud(CitySegAlgorithm):
    """Takes a layer or a file: QGIS 3.22 opens only EPT itself, and the backend reads the rest."""

    ID = "classifypointcloud"
    ICON = "alg-cloud"
    FILES = (OUTPUT, VECTORS, DTM, HAG)
    # It has gigabytes beside the result to take away. It does so within a second, on a machine that is not busy otherwise.
    CANCEL_MS = 10_000

    def __init__(self) -> None:
        super().__init__()
        self._cloud: Optional[CloudSource] = None
        self._answer: Optional[CloudAnswer] = None
        self._crs = QgsCoordinateReferenceSystem()
        self._has_crs = False
        self._load = False

    def displayName(self) -> str:
        return tr("Classify point cloud")

    def tags(self) -> list[str]:
        return tr(
            "lidar,las,laz,copc,ept,ground,building,vegetation,tree,wire,footprint,dtm,chm,height,ai"
        ).split(",")

    def shortDescription(self) -> str:
        return tr("Classifies a point cloud by names of classes, and outlines what stands in it.")

    def initAlgorithm(self, _configuration: Optional[dict[str, Any]] = None) -> None:
        self.add(
            QgsProcessingParameterPointCloudLayer(INPUT, tr("Point-cloud layer"), None, True)
        )
        self.add(
            QgsProcessingParameterFile(
                FILE,
                tr("Or a file (LAS, LAZ, COPC, VPC, ept.json)"),
                optional=True,
                fileFilter=tr("Point clouds ({suffixes})").format(suffixes=FILE_FILTER),
            )
        )
        self.add(
            QgsProcessingParameterString(
                CLASSES, tr("Classes, separated by commas (empty: all that the model knows)"), "", False, True
            )
        )
        self.add(
            QgsProcessingParameterString(
                ADD, tr("New classes, such as greenhouse:building"), "", False, True
            )
        )
        self.add_extent()
        self.add(
            QgsProcessingParameterCrs(
                CRS, tr("CRS of a cloud that does not say its own"), None, True
            )
        )
        self.add_number(
            THRESHOLD,
            tr("Threshold: below this probability a point gets the class above (empty: the model's own)"),
            None,
            _LEAST,
            _MOST,
            advanced=True,
            optional=True,
        )
        self.add_choice(DEVICE, tr("Device"), DEVICES, AUTO, advanced=True)
        self._add_outputs()

    def _add_outputs(self) -> None:
        self.add(
            QgsProcessingParameterBoolean(LOAD, tr("Open the classified cloud and its outlines"), True)
        )
        self.add(
            QgsProcessingParameterFileDestination(OUTPUT, tr("Classified point cloud"), _out_filter())
        )
        self.add(
            QgsProcessingParameterFileDestination(
                VECTORS, tr("Outlines: buildings, trees, water, roads, wires"), "GeoPackage (*.gpkg)", None, True, False
            )
        )
        self.add(
            QgsProcessingParameterRasterDestination(DTM, tr("Terrain (DTM)"), None, True, False)
        )
        self.add(
            QgsProcessingParameterRasterDestination(HAG, tr("Height above ground"), None, True, False)
        )
        self.addOutput(QgsProcessingOutputNumber(COUNT, tr("Number of points")))
        self.addOutput(QgsProcessingOutputString(ANSWER, tr("Answer in a sentence")))
        self.addOutput(QgsProcessingOutputString(FOUND, tr("Classes that occur, with their counts")))

    def shortHelpString(self) -> str:
        return tr(
            "Classifies the points of a cloud without any image. Everything is computed on your machine.\n"
            "Input: a point-cloud layer, or a file. LAS, LAZ, COPC, EPT and VPC are read, also where QGIS itself cannot.\n"
            "Classes: names in English, separated by commas: building, tree, car, power line. Empty: all that the model knows.\n"
            "New classes: names that no training set had, each with what it is a kind of: greenhouse:building.\n"
            "Extent: may be in any CRS. CRS: for a cloud that does not say its own; without it metres are assumed.\n"
            "Classified point cloud: every point of the extent, with its class in classification (codes of the ASPRS), its "
            "finer class in cityseg_label and the confidence in cityseg_conf. The name decides the format: .copc.laz, "
            ".laz, .las, or a folder (or its ept.json) for EPT, which QGIS 3.22 opens.\n"
            "Outlines: a GeoPackage with buildings, trees, crowns, water, roads and wires. Terrain and height above ground: "
            "GeoTIFFs.\n"
            "A cancelled run writes nothing.\n"
            "Example: qgis_process run cityseg:classifypointcloud -- FILE=town.laz CLASSES='building, tree' "
            "OUTPUT=town_classified.copc.laz VECTORS=town.gpkg"
        )

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """A path among the layers is a file to us: QGIS would refuse what it cannot open itself."""
        if is_path(parameters.get(INPUT), context) and not parameters.get(FILE):
            parameters = {**parameters, INPUT: None, FILE: parameters[INPUT]}
        return super().checkParameterValues(parameters, context)

    def problem_with(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        try:
            given_cloud(parameters.get(INPUT), parameters.get(FILE), context)
            added_in(self.parameterAsString(parameters, ADD, context))
        except CitySegError as error:
            return error.user_message
        return ""

    def describe_input(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        self._cloud = given_cloud(parameters.get(INPUT), parameters.get(FILE), context)

    def run_with(
        self,
        backend: BackendSession,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        try:
            request = self._request(backend, parameters, context)
            feedback.setProgressText(tr("Classifying “{name}”…").format(name=request.source.name))
            result = backend.ask(methods.CLASSIFY, request.to_wire())
        except RequestCancelled:
            return {}
        self._answer = answer = read_cloud_answer(result)
        _tell(answer, feedback)
        made = {VECTORS: request.vectors, DTM: request.dtm, HAG: request.hag}
        return {
            OUTPUT: openable(answer.out),
            **{name: path for name, path in made.items() if path},
            COUNT: answer.count,
            ANSWER: answer.sentence,
            FOUND: ", ".join(f"{one.name}: {one.count}" for one in answer.classes),
        }

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """In the main thread: what is opened when the run has ended."""
        answer, problem = self._answer, ""
        if answer is None or not self._load:
            return {}
        try:
            if not load_on_completion(answer, self._crs, context):
                problem = tr("“{name}” is not opened: this QGIS does not read its format.").format(
                    name=Path(answer.out).name
                )
        except CitySegError as error:
            problem = error.user_message
        if problem:
            feedback.pushWarning(problem)
        return {}

    def _request(
        self, backend: BackendSession, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> CloudRequest:
        """Raises `CitySegError`."""
        cloud = self._cloud
        given = self.parameterAsCrs(parameters, CRS, context)
        if not given.isValid() and cloud.layer_crs.isValid():
            given = cloud.layer_crs
        described = self._describe(backend, cloud, given)
        device = self.parameterAsEnumString(parameters, DEVICE, context)
        self._load = self.parameterAsBoolean(parameters, LOAD, context)
        return CloudRequest(
            source=cloud,
            out=out_path(self.parameterAsFileOutput(parameters, OUTPUT, context)),
            classes=names_in(self.parameterAsString(parameters, CLASSES, context)),
            added=added_in(self.parameterAsString(parameters, ADD, context)),
            bounds=self._bounds(parameters, context, described),
            crs=crs_text(self._crs) if not self._has_crs else "",
            vectors=self._file(parameters, VECTORS, context),
            dtm=self._layer_file(parameters, DTM, context),
            hag=self._layer_file(parameters, HAG, context),
            threshold=self._threshold(parameters, context),
            device="" if device in (AUTO, "") else device,
        )

    def _describe(
        self, backend: BackendSession, cloud: CloudSource, given: QgsCoordinateReferenceSystem
    ) -> CloudDescription:
        """What the cloud is; a CRS that is given counts only where the file has none."""
        spec = {"kind": "cloud", "path": cloud.path}
        described = read_description(backend.ask(methods.OPEN, {"source": spec}))
        self._has_crs = described.crs.isValid()
        self._crs = described.crs if self._has_crs else given
        if not self._has_crs and given.isValid():
            spec["crs"] = crs_text(given)
            described = read_description(backend.ask(methods.OPEN, {"source": spec}))
        return described

    def _bounds(
        self, parameters: dict[str, Any], context: QgsProcessingContext, described: CloudDescription
    ) -> Optional[Bounds]:
        # Densified by QGIS: the sides of a rectangle are bent in another CRS.
        wanted = self.parameterAsExtent(parameters, EXTENT, context, self._crs)
        if wanted.isNull():
            return None
        return bounds_of(wanted, described.extent, self._cloud.name)

    def _threshold(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> Optional[float]:
        if parameters.get(THRESHOLD) is None:
            return None
        return self.parameterAsDouble(parameters, THRESHOLD, context)

    def _file(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> str:
        """The file of an optional destination; empty where none is wanted."""
        if parameters.get(name) in (None, ""):
            return ""
        return self.parameterAsFileOutput(parameters, name, context)

    def _layer_file(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> str:
        if parameters.get(name) in (None, ""):
            return ""
        return self.parameterAsOutputLayer(parameters, name, context)


def out_path(given: str) -> str:
    """What the backend writes for a name: of an EPT the folder, named by itself or by its ept.json."""
    path = Path(given)
    if path.name == EPT_FILE:
        return str(path.parent)
    # QGIS makes up a file for an output that is temporary; an EPT is a folder.
    return str(path.with_suffix("")) if path.suffix.lower() == ".json" else given


def _out_filter() -> str:
    """The formats for the file dialog; the first is what a temporary output gets."""
    filters = {COPC: "COPC (*.copc.laz)", EPT: "EPT (*.json)"}
    best = best_format()
    ordered = [filters[best], *(text for form, text in filters.items() if form != best)]
    return ";;".join([*ordered, "LAZ (*.laz)", "LAS (*.las)"])


def _tell(answer: CloudAnswer, feedback: QgsProcessingFeedback) -> None:
    """The answer in the log: what was found, what was taken for what, and what was not as wished."""
    for text in answer.warnings:
        feedback.pushWarning(text)
    for placement in answer.placements:
        if placement.sentence and placement.kind != NODE:
            feedback.pushInfo(placement.sentence)
    feedback.pushInfo(answer.sentence)
    for one in answer.classes:
        feedback.pushInfo(
            tr("{name}: {count} points, {share:.1f} %, mean confidence {confidence:.2f}").format(
                name=one.name, count=one.count, share=100 * one.share, confidence=one.confidence
            )
        )
    feedback.pushInfo(
        tr("{model} on {device}, {count} points in {seconds:.1f} s").format(
            model=answer.model, device=answer.device or "?", count=answer.count, seconds=answer.seconds
        )
    )
