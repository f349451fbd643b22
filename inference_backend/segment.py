"""The job behind `cityseg segment`: prompts and a raster in, a layer (and a label raster) out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource, open_raster
from inference_backend.interactive import NoImageData
from inference_backend.job_checks import check_data, check_keeps_inputs, check_prompts
from inference_backend.models.base import PromptableModel
from inference_backend.predict import AnswerOptions, ObjectAnswer, answer_object
from inference_backend.prompt_files import PromptedObject, read_prompts
from inference_backend.vector.attributes import describe_prompts, now, result_row
from inference_backend.vector.clip import clipped, footprint
from inference_backend.vector.label_raster import check_label_target, label_values, write_labels
from inference_backend.vector.write import check_target, write_features

Progress = Callable[[float, str], None]

DEFAULT_MODEL = "default-2d"
_CACHE_BYTES = 512 * 1024 * 1024
# Loading the model counts as a little of the progress, so that the bar moves before the first answer.
_LOADED_SHARE = 0.05


@dataclass(frozen=True)
class SegmentJob:
    """All that a run needs. `extent` (xmin, ymin, xmax, ymax) is in the source frame; `text` is heard with every prompt."""

    source: str
    prompts: str
    out: str
    pixel: bool = False
    bands: tuple[int, ...] | None = None
    stretch: str | Mapping[str, Any] | None = None
    model: str = DEFAULT_MODEL
    device: str = "auto"
    extent: tuple[float, float, float, float] | None = None
    mask: str | None = None
    class_name: str = ""
    text: str = ""
    options: AnswerOptions = field(default_factory=AnswerOptions)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SegmentJob:
        """A job from JSON with the names of the fields; `options` is an object. Raises InvalidInput."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInput(
                f"'{unknown[0]}' is no part of a segment job; there are {', '.join(sorted(known))}."
            )
        given = {name: value for name, value in values.items() if value is not None}
        try:
            for name in ("bands", "extent"):
                if name in given:
                    given[name] = tuple(given[name])
            if not all(isinstance(given.get(name), str) for name in ("source", "prompts", "out")):
                raise TypeError("source, prompts and out are text")
            given["options"] = AnswerOptions(**dict(given.get("options") or {}))
            return cls(**given)
        except TypeError as error:
            raise InvalidInput(
                "A segment job needs 'source', 'prompts' and 'out', and numbers where numbers belong.",
                detail=str(error),
            ) from error

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def run_segment(
    job: SegmentJob,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    model: PromptableModel | None = None,
    cache: EmbeddingCache | None = None,
) -> dict[str, Any]:
    """Answer each object in the order of the prompt file, then write the layer and the mask.

    `progress(fraction, message)`. `model` and `cache` may be ones that the caller holds. Returns a summary fit for
    JSON, with one entry an object; an empty mask is an entry without a feature. Nothing is written before every
    object is answered: a cancelled job leaves no file. Raises InvalidInput, ResourceProblem, ModelProblem,
    Cancelled.
    """
    report = progress or (lambda fraction, message: None)
    cancel = cancel or CancelToken()
    started = time.perf_counter()
    check_target(job.out)
    if job.mask:
        check_label_target(job.mask)
    check_keeps_inputs(job.out, job.mask, job.prompts, [job.source])
    with open_raster(job.source, job.bands, job.stretch) as source:
        check_keeps_inputs(job.out, job.mask, job.prompts, source.files)
        objects = read_prompts(job.prompts, source, job.pixel)
        clip = _clip_shape(job.extent, source)
        check_prompts(objects, source)
        check_data(objects, source)
        report(0.0, f"Loading {job.model}")
        model = model or _load(job)
        objects = [_with_words(asked, job.text, model) for asked in objects]
        cache = cache or EmbeddingCache(_CACHE_BYTES)
        cancel.check()
        entries, rows = [], []
        for number, asked in enumerate(objects):
            share = _LOADED_SHARE + (1 - _LOADED_SHARE) * number / len(objects)
            report(share, f"Object {asked.object_id} ({number + 1} of {len(objects)})")
            cancel.check()
            found = _answer(source, asked, model, job.options, cache, cancel)
            geometry = found.geometry
            if clip is not None:
                geometry = clipped(geometry, clip, source, job.options.min_area_m2)
            attributes = _attributes(job, asked, found, geometry, source, model)
            entries.append(_entry(attributes, geometry, found))
            rows.append((geometry, attributes))
        cancel.check()
        _write(job, source, rows, entries, cancel)
    report(1.0, f"Wrote {job.out}")
    return {
        "source": job.source,
        "out": job.out,
        "mask": job.mask,
        "model": model.card.id,
        "weights": model.weights_id,
        "device": model.device,
        "features": sum(not geometry.is_empty for geometry, _ in rows),
        "milliseconds": round(1000 * (time.perf_counter() - started), 1),
        "objects": entries,
    }


def _answer(
    source: RasterSource,
    asked: PromptedObject,
    model: PromptableModel,
    options: AnswerOptions,
    cache: EmbeddingCache,
    cancel: CancelToken,
) -> ObjectAnswer:
    """One object in a gap of the raster must not cost the others their answers."""
    try:
        return answer_object(source, asked.prompts, model, options, cache, cancel)
    except NoImageData:
        return ObjectAnswer.nothing(source)


def _with_words(asked: PromptedObject, text: str, model: PromptableModel) -> PromptedObject:
    """The job's words beside each prompt that has none of its own."""
    if not text.strip():
        return asked
    if "text" not in model.card.prompts:
        raise InvalidInput(
            f"The model '{model.card.id}' takes no text; choose one that does, or leave the words out."
        )
    prompts = tuple(replace(prompt, text=prompt.text or text.strip()) for prompt in asked.prompts)
    return replace(asked, prompts=prompts)


def _load(job: SegmentJob) -> PromptableModel:
    from inference_backend.models import registry

    return registry.get(job.model, job.device)


def _write(
    job: SegmentJob,
    source: RasterSource,
    rows: Sequence[tuple[BaseGeometry, Mapping[str, Any]]],
    entries: list[dict[str, Any]],
    cancel: CancelToken,
) -> None:
    """The mask first: it takes longer and can be cancelled, and then neither file is there."""
    if job.mask:
        values = label_values([attributes["object"] for _, attributes in rows])
        for entry, value in zip(entries, values):
            entry["mask_value"] = value
        labelled = [(row[0], value) for row, value in zip(rows, values) if not row[0].is_empty]
        write_labels(job.mask, source, labelled, cancel)
    write_features(job.out, [row for row in rows if not row[0].is_empty], source.crs)


def _attributes(
    job: SegmentJob,
    asked: PromptedObject,
    found: ObjectAnswer,
    geometry: BaseGeometry,
    source: RasterSource,
    model: PromptableModel,
) -> dict[str, Any]:
    return result_row(
        asked.object_id,
        geometry,
        source.crs,
        score=found.score,
        class_name=asked.class_name or job.class_name,
        prompt=describe_prompts(asked.prompts),
        model=model.card.id,
        weights=model.weights_id,
        source=job.source,
        created=now(),
    )


def _entry(
    attributes: Mapping[str, Any], geometry: BaseGeometry, found: ObjectAnswer
) -> dict[str, Any]:
    """What the summary says of one object."""
    return {
        "object": attributes["object"],
        "class": attributes["class"],
        "score": attributes["score"],
        "area_m2": attributes["area_m2"],
        "perim_m": attributes["perim_m"],
        "milliseconds": round(sum(found.timings_ms.values()), 1),
        "n_vertices": int(shapely.get_num_coordinates(geometry)),
        "empty": bool(geometry.is_empty),
    }


def _clip_shape(extent: Sequence[float] | None, source: RasterSource) -> BaseGeometry | None:
    """What of the raster lies within the extent; None where no extent was given."""
    if extent is None:
        return None
    if len(extent) != 4 or not (extent[0] < extent[2] and extent[1] < extent[3]):
        raise InvalidInput("An extent is xmin,ymin,xmax,ymax with the lesser values first.")
    raster = footprint(source)
    clip = shapely.box(*extent).intersection(raster)
    if clip.area == 0:
        covered = ", ".join(f"{value:.10g}" for value in raster.bounds)
        raise InvalidInput(
            f"The extent lies outside the raster, which covers {covered} in its own CRS."
        )
    return clip
