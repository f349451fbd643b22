"""The job behind words on the wire, on the command line and in job files: a raster and words in, features out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from shapely.geometry import mapping

from inference_backend.cancel import CancelToken
from inference_backend.dispatch import known_sentence
from inference_backend.errors import Cancelled, CitySegError, InvalidInput, ResourceProblem
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource, open_raster
from inference_backend.job_checks import check_keeps_inputs
from inference_backend.models.base import PromptableModel
from inference_backend.predict import AnswerOptions, transformed
from inference_backend.text_features import TextFeature
from inference_backend.text_request import ASKED, TextRequest, request_from_json
from inference_backend.text_run import FAULTS, TextResult, TextRun, check_hears_words
from inference_backend.vector.attributes import TEXT_FIELDS, now, result_row
from inference_backend.vector.label_raster import check_label_target, write_labels
from inference_backend.vector.write import check_target, write_features

Progress = Callable[[float, str], None]
Features = list[dict[str, Any]]

DEFAULT_MODEL = "default-2d"
_CACHE_BYTES = 256 * 1024 * 1024
# Partial answers come in handfuls: a map that is drawn again for each building would do nothing else.
_PARTIAL_EVERY_S = 0.3
_PARTIAL_MOST = 500
_REQUEST_KEYS = (*ASKED, "changes", "task", "find", "area", "threshold", "options")


@dataclass(frozen=True)
class TextJob:
    """All that a run needs. Without `out` the features come back inline; with `pixel` they and the area are in pixels."""

    source: str
    request: TextRequest
    out: str | None = None
    mask: str | None = None
    area_file: str | None = None
    pixel: bool = False
    bands: tuple[int, ...] | None = None
    stretch: str | Mapping[str, Any] | None = None
    model: str = DEFAULT_MODEL
    device: str = "auto"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TextJob:
        """A job from the names of the fields and of the request. A `source` object of the wire is left to the caller.

        Raises InvalidInput.
        """
        own = {item.name for item in fields(cls)} - {"request"}
        unknown = sorted(set(values) - own - set(_REQUEST_KEYS))
        if unknown:
            known = ", ".join(sorted(own | set(_REQUEST_KEYS)))
            raise InvalidInput(f"'{unknown[0]}' is no part of a text job; there are {known}.")
        given = {name: values[name] for name in own if values.get(name) is not None}
        source = given.get("source")
        if isinstance(source, Mapping):
            given["source"] = str(source.get("path") or "")
        for name in ("source", "out", "mask", "area_file", "model", "device"):
            if name in given and not isinstance(given[name], str):
                raise InvalidInput(f"A text job's '{name}' must be text.")
        if not isinstance(given.get("source"), str):
            raise InvalidInput("A text job needs a 'source': the raster to look at.")
        if "bands" in given:
            given["bands"] = _bands(given["bands"])
        request = request_from_json(values, _options(values))
        return cls(request=request, **given)


def asks_in_words(values: Mapping[str, Any]) -> bool:
    """Whether a job is one of words alone: with prompts, words only say more of what is shown."""
    return values.get("prompts") is None and any(values.get(name) is not None for name in ASKED)


def run_text_job(
    job: TextJob,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    model: PromptableModel | None = None,
    cache: EmbeddingCache | None = None,
    source: RasterSource | None = None,
    partial: Callable[[Features], None] | None = None,
    keep: bool = False,
) -> dict[str, Any]:
    """Search, choose, write; returns what the wire answers and `--json` prints.

    `source`, `model` and `cache` may be ones that the caller holds. With `keep`, a cancelled or broken run writes what it had
    found before it raises. Raises InvalidInput, ResourceProblem, ModelProblem, Cancelled.
    """
    report = progress or (lambda fraction, message: None)
    cancel = cancel or CancelToken()
    _check_targets(job)
    with _opened(job, source) as raster:
        check_keeps_inputs(job.out or "", job.mask, job.area_file or "", raster.files)
        request = _placed(job, raster)
        report(0.0, f"Loading {job.model}")
        model = model or _load(job)
        check_hears_words(model)
        writer = _Rows(job, raster, model)
        tell = _Teller(writer, partial or (lambda features: None), job)

        def seen(fraction: float, message: str) -> None:
            report(fraction, message)
            tell.tick()

        cache = cache or EmbeddingCache(_CACHE_BYTES)
        run = TextRun(raster, request, model, cache, cancel, seen, tell)
        try:
            run.look()
        except FAULTS as error:
            raise _after(error, run, writer, keep) from error
        finally:
            tell.flush()
        result = run.result()
        cancel.check()
        if job.out:
            report(1.0, f"Writing {job.out}")
        return writer.finish(result, cancel)


class _Rows:
    """Features as rows with attributes, for a file or inline."""

    def __init__(self, job: TextJob, source: RasterSource, model: PromptableModel) -> None:
        self._job, self._source, self._model = job, source, model
        self._began = time.perf_counter()

    def rows(
        self, features: Sequence[TextFeature], task: str, words: str
    ) -> list[tuple[Any, dict[str, Any]]]:
        """(geometry in the source frame, attributes), numbered from 1."""
        made = now()
        return [
            (feature.geometry, self._attributes(number, feature, task, words, made))
            for number, feature in enumerate(features, 1)
        ]

    def inline(self, rows: Sequence[tuple[Any, dict[str, Any]]]) -> Features:
        """GeoJSON features in the source frame, or in pixels where the job says so."""
        inverse = ~self._source.transform
        return [
            {
                "type": "Feature",
                "properties": attributes,
                "geometry": mapping(transformed(shape, inverse) if self._job.pixel else shape),
            }
            for shape, attributes in rows
        ]

    def finish(self, result: TextResult, cancel: CancelToken | None) -> dict[str, Any]:
        """Write what the job wants written, and say what there is."""
        job, source, model = self._job, self._source, self._model
        words = job.request.words or result.reading.sentence
        rows = self.rows(result.features, result.reading.task, words)
        self._write(rows, result, cancel)
        answer = " ".join([result.answer, *_notes(source)])
        return {
            "source": job.source,
            "out": job.out,
            "mask": job.mask,
            "model": model.card.id,
            "weights": model.weights_id,
            "device": model.device,
            "count": len(rows),
            "features": [] if job.out else self.inline(rows),
            "objects": [attributes for _, attributes in rows] if job.out else [],
            "understood": result.understood,
            "answer": answer,
            "tiles": {"done": result.tiles_done, "of": result.tiles_of},
            "cancelled": result.cancelled,
            "timings_ms": result.timings_ms,
            "milliseconds": round(1000 * (time.perf_counter() - self._began), 1),
        }

    @property
    def wants_file(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._job.out or self._job.mask)

    def said(self, result: TextResult) -> str:
        """Where the part that was finished is."""
        where = self._job.out or self._job.mask
        count = len(result.features)
        return (
            f" after {result.tiles_done} of {result.tiles_of} tiles; "
            f"{count} feature{'' if count == 1 else 's'} of what was seen until then {'is' if count == 1 else 'are'} in {where}"
        )

    def _write(
        self,
        rows: Sequence[tuple[Any, dict[str, Any]]],
        result: TextResult,
        cancel: CancelToken | None,
    ) -> None:
        """The mask first: it takes longer and can be cancelled, and then neither file is there."""
        job = self._job
        if job.mask:
            labelled = [(shape, attributes["object"]) for shape, attributes in rows]
            write_labels(job.mask, self._source, labelled, cancel)
        if job.out:
            program = result.understood["program"]
            text = json.dumps(program, ensure_ascii=False) if program else ""
            write_features(job.out, rows, self._source.crs, TEXT_FIELDS, text)

    def _attributes(
        self, number: int, feature: TextFeature, task: str, words: str, created: str
    ) -> dict[str, Any]:
        row = result_row(
            number,
            feature.geometry,
            self._source.crs,
            score=feature.score,
            class_name=feature.class_name,
            prompt=words,
            task=task,
            model=self._model.card.id,
            weights=self._model.weights_id,
            source=self._job.source,
            created=created,
        )
        return {**row, "why": feature.why}


class _Teller:
    """Passes on what is found while the search goes on, a handful at a time."""

    def __init__(self, writer: _Rows, tell: Callable[[Features], None], job: TextJob) -> None:
        self._writer, self._tell, self._job = writer, tell, job
        self._waiting: list[TextFeature] = []
        self._told, self._last = 0, 0.0
        # Features come from the thread that outlines, tiles from the one that looks.
        self._lock = threading.Lock()

    def __call__(self, features: Sequence[TextFeature]) -> None:
        with self._lock:
            self._waiting.extend(features)
        self.tick()

    def tick(self) -> None:
        """Tell what waits, if it has waited long enough."""
        with self._lock:
            if (
                time.monotonic() - self._last >= _PARTIAL_EVERY_S
                or len(self._waiting) >= _PARTIAL_MOST
            ):
                self._flush()

    def flush(self) -> None:
        """Tell what waits."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        request = self._job.request
        task = "reasoning" if request.ask else "referring"
        while self._waiting:
            some, self._waiting = self._waiting[:_PARTIAL_MOST], self._waiting[_PARTIAL_MOST:]
            rows = self._writer.rows(some, task, request.words)
            for _, attributes in rows:
                attributes["object"] += self._told
            self._told += len(rows)
            self._tell(self._writer.inline(rows))
        self._last = time.monotonic()


def _after(error: Exception, run: TextRun, writer: _Rows, keep: bool) -> Exception:
    """What to raise in place of `error`: the same, with where to find what had been found, if that is wanted."""
    kept = ""
    if keep and writer.wants_file:
        try:
            result = run.result()
            if result.features:
                writer.finish(result, None)
                kept = writer.said(result)
        except FAULTS:
            # What stopped the run stops its rescue as well, a full disk for one: the first fault is the one to tell.
            kept = ""
    if isinstance(error, Cancelled):
        return Cancelled(f"Cancelled{kept}." if kept else "Cancelled.")
    if not kept:
        return error
    if isinstance(error, CitySegError):
        sentence = error.user_message.rstrip(".")
        return type(error)(f"{sentence}; stopped{kept}.", error.detail)
    sentence = known_sentence(error)
    return (
        ResourceProblem(f"{sentence.rstrip('.')}; stopped{kept}.", repr(error))
        if sentence
        else error
    )


def _check_targets(job: TextJob) -> None:
    if job.out:
        check_target(job.out)
    if job.mask:
        check_label_target(job.mask)
    if job.source:
        check_keeps_inputs(job.out or "", job.mask, job.area_file or "", [job.source])


@contextmanager
def _opened(job: TextJob, source: RasterSource | None) -> Iterator[RasterSource]:
    """The source that the caller holds, or one that is closed at the end."""
    if source is not None:
        yield source
        return
    with open_raster(job.source, job.bands, job.stretch) as opened:
        yield opened


def _placed(job: TextJob, source: RasterSource) -> TextRequest:
    """The request with its area in the source frame."""
    request = job.request
    if job.area_file:
        if request.area is not None:
            raise InvalidInput("Give one area: bounds, polygons or a file of polygons.")
        from inference_backend.text_area import read_area

        return replace(request, area=read_area(Path(job.area_file), source, job.pixel))
    if request.area is not None and job.pixel:
        return replace(request, area=transformed(request.area, source.transform))
    return request


def _load(job: TextJob) -> PromptableModel:
    from inference_backend.models import registry

    return registry.get(job.model, job.device)


def _notes(source: RasterSource) -> list[str]:
    if len(set(source.bands)) == 1 and source.count == 1:
        return [
            "This raster has one band and was looked at in shades of grey: colours mean nothing here, and more is missed."
        ]
    return []


def _options(values: Mapping[str, Any]) -> AnswerOptions:
    given = values.get("options") or {}
    if not isinstance(given, Mapping):
        raise InvalidInput("The job's options are malformed.")
    wanted = {name: value for name, value in given.items() if value is not None}
    if values.get("threshold") is not None:
        wanted["threshold"] = values["threshold"]
    known = {item.name for item in fields(AnswerOptions)}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise InvalidInput(
            f"'{unknown[0]}' is not an option; there are {', '.join(sorted(known))}."
        )
    try:
        return AnswerOptions(**wanted)
    except TypeError as error:
        raise InvalidInput("An option of the job is not a number.", str(error)) from error


def _bands(value: Any) -> tuple[int, ...]:
    try:
        return tuple(int(band) for band in value)
    except (TypeError, ValueError) as error:
        raise InvalidInput("'bands' are one or three whole numbers, counted from 1.") from error
