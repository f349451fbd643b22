"""`cityseg:segmentwithprompts`: a layer of clicks, lines, boxes and outlines becomes the outlines of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterString,
)

from cityseg_qgis.core.attributes import FIELDS
from cityseg_qgis.errors import RequestCancelled, UnsupportedLayer
from cityseg_qgis.i18n import tr
from cityseg_qgis.processing.algorithm import (
    COUNT,
    MASK,
    MIN_AREA,
    OUTPUT,
    THRESHOLD,
    CitySegAlgorithm,
)
from cityseg_qgis.processing.backend_session import BackendSession
from cityseg_qgis.processing.outlines import OutlineFile, is_placed, write_outlines
from cityseg_qgis.processing.prompt_file import PromptFile
from cityseg_qgis.processing.versions import SOURCE_ANY_GEOMETRY
from cityseg_qgis.worker import methods

PROMPTS, WORDS, CLASS, EMPTY = "PROMPTS", "TEXT", "CLASS", "EMPTY"
# An object may be called by a name.
_NAMED_OBJECTS = {**FIELDS, "object": "string(80)"}


class SegmentWithPrompts(CitySegAlgorithm):
    """What `cityseg segment --prompts` does, with a layer in any CRS."""

    ID = "segmentwithprompts"
    ICON = "alg-prompts"

    def displayName(self) -> str:
        return tr("Segment with prompts")

    def tags(self) -> list[str]:
        return tr("click,point,box,scribble,lasso,interactive,segment anything,sam,extract,ai").split(",")

    def shortDescription(self) -> str:
        return tr("Outlines the objects that a layer of clicks, lines, boxes and outlines shows.")

    def initAlgorithm(self, _configuration: Optional[dict[str, Any]] = None) -> None:
        self.add_input(tr("Image"))
        self.add(
            QgsProcessingParameterFeatureSource(
                PROMPTS, tr("Prompts (fields object, label, text and class, all optional)"), [SOURCE_ANY_GEOMETRY]
            )
        )
        self.add(
            QgsProcessingParameterString(
                WORDS, tr("Words that go with every prompt"), None, False, True
            )
        )
        self.add(
            QgsProcessingParameterString(CLASS, tr("Class of all objects"), None, False, True)
        )
        self.add_extent()
        self.add_threshold()
        self.add_min_area()
        self.add_model()
        self.add_outlines(tr("Objects"), masked=True)
        self.addOutput(QgsProcessingOutputNumber(EMPTY, tr("Number of objects not found")))

    def shortHelpString(self) -> str:
        return tr(
            "Outlines the objects that a layer of prompts shows, as the Interact panel and cityseg segment --prompts do.\n"
            "Prompts: one feature is one prompt, in any CRS. A point is a click, a line a scribble, a rectangle a box, any "
            "other polygon a lasso. Features with the same value in the field object show one object together; without the "
            "field each is an object of its own. The field label is 1 (belongs to the object, the default) or 0 (does not). "
            "The field text says in words what is meant, for models that hear words; the field class names the object.\n"
            "Words that go with every prompt: used where a prompt has no text.\n"
            "Extent: the outlines are cut at it.\n"
            "Threshold: lower gives larger outlines. Minimum area: on the ground; in pixels where the image has no CRS.\n"
            "Model: a name, as cityseg models list shows them, or the path of a checkpoint (Segment Anything's too). Device: "
            "auto is what the CitySeg options say.\n"
            "Mask: a GeoTIFF on the image's grid with the number of each object.\n"
            "Example: qgis_process run cityseg:segmentwithprompts -- INPUT=city.tif PROMPTS=clicks.gpkg OUTPUT=roofs.gpkg"
        )

    def run_with(
        self,
        backend: BackendSession,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        source = self.source
        prompts = self.parameterAsSource(parameters, PROMPTS, context)
        if prompts is None:
            raise UnsupportedLayer(self.invalidSourceError(parameters, PROMPTS))
        try:
            opened = backend.ask(methods.OPEN, {"source": source.wire})
            placed = is_placed(opened)
            with OutlineFile() as file, PromptFile(
                prompts, source, opened["transform"], placed
            ) as prompt_file:
                params = self._params(parameters, context, placed)
                params.update(prompts=str(prompt_file.path), pixel=True, out=str(file.path))
                backend.unsaid.add(params["out"])
                result = backend.ask(methods.SEGMENT, params)
                fields = FIELDS if file.numbers_objects() else _NAMED_OBJECTS
                destination, count = write_outlines(
                    self, parameters, OUTPUT, context, source, file.read(placed), fields
                )
        except RequestCancelled:
            return {}
        empty = [entry["object"] for entry in result.get("objects", ()) if entry.get("empty")]
        _tell(result, count, empty, feedback)
        results = {OUTPUT: destination, COUNT: count, EMPTY: len(empty)}
        return {**results, MASK: params["mask"]} if "mask" in params else results

    def _params(
        self, parameters: dict[str, Any], context: QgsProcessingContext, placed: bool
    ) -> dict[str, Any]:
        """The parameters of `segment` but for the files."""
        wire = self.source.wire
        params = {
            "source": wire["path"],
            **{name: wire[name] for name in ("bands", "stretch") if name in wire},
            **self.model_params(parameters, context),
            "class_name": self.parameterAsString(parameters, CLASS, context).strip(),
            "text": self.parameterAsString(parameters, WORDS, context).strip(),
            "options": {
                "threshold": self.parameterAsDouble(parameters, THRESHOLD, context),
                "min_area_m2": self.parameterAsDouble(parameters, MIN_AREA, context),
            },
        }
        bounds = self.bounds(parameters, context, flipped=not placed)
        mask = self.mask_path(parameters, context)
        if bounds is not None:
            params["extent"] = bounds
        return {**params, "mask": mask} if mask else params


def _tell(
    result: Mapping[str, Any], count: int, empty: list[Any], feedback: QgsProcessingFeedback
) -> None:
    feedback.pushInfo(
        tr("{count} objects, {model} on {device}, {seconds:.1f} s").format(
            count=count,
            model=result.get("model") or "?",
            device=result.get("device") or "?",
            seconds=float(result.get("milliseconds") or 0) / 1000,
        )
    )
    if empty:
        feedback.pushWarning(
            tr("Nothing was found for the objects {names}; add prompts to them, or lower the threshold.").format(
                names=", ".join(map(str, empty))
            )
        )
