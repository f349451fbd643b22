"""Words to outlines: what `segmentwithtext` and `segmentwithreasoning` have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputString,
)

from cityseg_qgis.core.text_answer import (
    CLASSES,
    NETWORK,
    PROGRAM,
    Found,
    TextAnswer,
    read_found,
    read_text_answer,
)
from cityseg_qgis.core.text_request import ALL, ONE, TextRequest
from cityseg_qgis.errors import RequestCancelled
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
from cityseg_qgis.worker import methods

FIND = "FIND"
ANSWER, UNDERSTOOD, PATH, PROGRAM_TEXT = "ANSWER", "UNDERSTOOD", "PATH", "PROGRAM"


class WordsAlgorithm(CitySegAlgorithm):
    """Asks in words. A subclass says which parameter holds them, and how they are meant."""

    WORDS = ""
    MODE = ""

    def add_words(self) -> None:
        """Add the parameter of the words."""
        raise NotImplementedError

    def empty_words(self) -> str:
        """The sentence for words that are not there."""
        raise NotImplementedError

    def initAlgorithm(self, _configuration: Optional[dict[str, Any]] = None) -> None:
        self.add_input(tr("Image"))
        self.add_words()
        self.add_choice(FIND, tr("Find all of them, or the one that fits best"), (ALL, ONE), ALL)
        self.add_extent()
        self.add_threshold()
        self.add_min_area()
        self.add_model()
        self.add_outlines(tr("Found"), masked=True)
        self.addOutput(QgsProcessingOutputString(ANSWER, tr("Answer in a sentence")))
        self.addOutput(QgsProcessingOutputString(UNDERSTOOD, tr("What was understood")))
        self.addOutput(
            QgsProcessingOutputString(PATH, tr("Who answered: program, network or classes"))
        )
        self.addOutput(QgsProcessingOutputString(PROGRAM_TEXT, tr("The program, as JSON")))

    def problem_with(self, parameters: dict[str, Any], context: QgsProcessingContext) -> str:
        if not self.parameterAsString(parameters, self.WORDS, context).strip():
            return self.empty_words()
        return super().problem_with(parameters, context)

    def run_with(
        self,
        backend: BackendSession,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        params = self._params(parameters, context)
        partial = _Partial(self)
        with OutlineFile() as file:
            opened = backend.ask(methods.OPEN, {"source": self.source.wire})
            if backend.is_local:
                # Inline, an answer ends at 64 MB: a city has more buildings.
                params["out"] = str(file.path)
                backend.unsaid.add(params["out"])
            try:
                result = backend.ask(methods.SEGMENT, params, partial.add, partial.clear)
            except RequestCancelled:
                return self._keep(partial.found, parameters, context, feedback)
            answer = read_text_answer(result, self.source)
            found: Iterable[Found] = answer.found
            if backend.is_local and result.get("out"):
                found = file.read(is_placed(opened))
            destination, count = write_outlines(
                self, parameters, OUTPUT, context, self.source, found
            )
        _tell(answer, result, feedback)
        return self._results(destination, count, params, answer)

    def _params(self, parameters: dict[str, Any], context: QgsProcessingContext) -> dict[str, Any]:
        """The parameters of `segment`."""
        model = self.model_params(parameters, context)
        request = TextRequest(
            self.parameterAsString(parameters, self.WORDS, context).strip(),
            self.MODE,
            find=self.parameterAsEnumString(parameters, FIND, context),
        )
        params = {**request.to_wire(self.source, model["model"]), **model}
        params["threshold"] = self.parameterAsDouble(parameters, THRESHOLD, context)
        # Not the options of the panel: the same parameters give the same result on every machine.
        params["options"] = {"min_area_m2": self.parameterAsDouble(parameters, MIN_AREA, context)}
        bounds = self.bounds(parameters, context, flipped=params["pixel"])
        mask = self.mask_path(parameters, context)
        if bounds is not None:
            params["area"] = {"bounds": bounds}
        if mask:
            params["mask"] = mask
        return params

    def _keep(
        self,
        found: list[Found],
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """What the user had seen found until the cancel goes into the output."""
        if not found:
            return {}
        destination, count = write_outlines(self, parameters, OUTPUT, context, self.source, found)
        feedback.pushWarning(
            tr("Cancelled: what was found until then ({count}) is in {output}.").format(
                count=count, output=destination
            )
        )
        return {OUTPUT: destination, COUNT: count}

    def _results(
        self, destination: str, count: int, params: Mapping[str, Any], answer: TextAnswer
    ) -> dict[str, Any]:
        results = {
            OUTPUT: destination,
            COUNT: count,
            ANSWER: answer.answer,
            UNDERSTOOD: answer.sentence,
            PATH: answer.path,
            PROGRAM_TEXT: "" if answer.program is None else json.dumps(answer.program),
        }
        return {**results, MASK: params["mask"]} if "mask" in params else results


class _Partial:
    """What is found while tiles are looked at."""

    def __init__(self, algorithm: WordsAlgorithm) -> None:
        self._source = algorithm.source
        self.found: list[Found] = []

    def add(self, params: Mapping[str, Any]) -> None:
        """Take a handful."""
        self.found += read_found(params.get("features"), self._source)

    def clear(self) -> None:
        """A new process begins anew."""
        self.found = []


def _tell(answer: TextAnswer, result: Mapping[str, Any], feedback: QgsProcessingFeedback) -> None:
    """The answer in the log: what was found, understood and not understood, and by whom."""
    feedback.pushInfo(answer.answer)
    how = {
        PROGRAM: tr("computed from the objects found"),
        NETWORK: tr("by the network alone, for no program could be made of it"),
        CLASSES: tr("a list of classes"),
    }.get(answer.path, answer.path)
    feedback.pushInfo(
        tr("Understood: {sentence} ({how})").format(
            sentence=answer.sentence.rstrip("."), how=how
        )
    )
    for unknown in answer.unknown:
        feedback.pushWarning(
            tr("“{word}” is not known; the nearest that is: {nearest}.").format(
                word=unknown.word, nearest=", ".join(unknown.nearest)
            )
        )
    tiles = result.get("tiles") or {}
    feedback.pushInfo(
        tr("{model} on {device}, {tiles} tiles, {seconds:.1f} s").format(
            model=answer.model,
            device=result.get("device") or "?",
            tiles=tiles.get("done", 0),
            seconds=answer.total_ms / 1000,
        )
    )
