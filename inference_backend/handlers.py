"""What the process does for each method that needs work; runs on the worker's thread. Nothing heavy is imported
before it is needed, so that `hello` is answered at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from cityseg_qgis.protocol import codes
from inference_backend.dispatch import Call, Handler
from inference_backend.errors import InvalidInput

if TYPE_CHECKING:
    from inference_backend.imagery.embeddings import EmbeddingCache
    from inference_backend.models.base import Embedding, PromptableModel
    from inference_backend.open_sources import OpenSources
    from inference_backend.predict import AnswerOptions, ObjectAnswer
    from inference_backend.prompts import Prompt

_MB = 1024 * 1024
_CACHE_RAM_BYTES = 512 * _MB
_CACHE_DISK_MB = 2048
# `CITYSEG_CACHE_MB=0` keeps embeddings off the disk.
_CACHE_VARIABLE = "CITYSEG_CACHE_MB"
_FRAMES = ("source", "pixel")


class Session:
    """Models, open rasters and embeddings of one process."""

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._sources: OpenSources | None = None
        self._caches: dict[bool, EmbeddingCache] = {}
        self._used_models: dict[str, str] = {}

    def handlers(self) -> dict[str, Handler]:
        """The methods that take a turn on the worker's thread."""
        return {
            codes.MODELS: self.models,
            codes.OPEN: self.open,
            codes.PREDICT: self.predict,
            codes.SEGMENT: self.segment,
            codes.VECTORIZE: _vectorize,
            codes.CLASSIFY: self.classify,
        }

    def warm_steps(self) -> list[tuple[str, Callable[[], object]]]:
        """Imports and loading that the first click would otherwise wait for, in pieces: a request goes between."""
        return [
            ("raster libraries", lambda: self.sources),
            ("model libraries", _import_model_libraries),
            ("segmentation", _import_predict),
            ("default model", self._default_model),
            ("first pass", self._warm_model),
            ("words", self._warm_words),
        ]

    def state(self) -> dict[str, Any]:
        """What `status` says of the work; read by another thread, so it only looks."""
        caches = list(self._caches.values())
        return {
            "models": dict(self._used_models),
            "open_sources": len(self._sources) if self._sources is not None else 0,
            "cache": {
                "ram_mb": round(sum(cache.nbytes for cache in caches) / _MB, 1),
                "hits": sum(cache.hits for cache in caches),
                "misses": sum(cache.misses for cache in caches),
            },
        }

    @property
    def sources(self) -> OpenSources:
        if self._sources is None:
            from inference_backend.open_sources import OpenSources

            self._sources = OpenSources()
        return self._sources

    def cache_for(self, model: PromptableModel) -> EmbeddingCache:
        """The embeddings of `model`: on disk too where making one takes seconds.

        Measured on two cores: writing one of the default model takes 75 ms, making it 80 ms; SAM's takes 7 s to make.
        """
        on_disk = model.card.needs_download
        if on_disk not in self._caches:
            from inference_backend.imagery.embeddings import EmbeddingCache
            from inference_backend.weights.store import data_home

            folder = data_home() / "cache" / "embeddings" if on_disk else None
            self._caches[on_disk] = EmbeddingCache(_CACHE_RAM_BYTES, folder, _disk_cache_bytes())
        return self._caches[on_disk]

    def models(self, call: Call) -> dict[str, Any]:
        """The cards of all models, usable or not."""
        from inference_backend.models import registry

        return {"models": [asdict(card) for card in registry.cards()]}

    def open(self, call: Call) -> dict[str, Any]:
        """What a raster is, or a point cloud."""
        from inference_backend.cloud_description import describe_cloud, is_cloud

        if is_cloud(call.params.get("source")):
            return describe_cloud(call.params["source"])
        source = self.sources.get(call.params.get("source"), call.attachments)
        return {
            "width": source.width,
            "height": source.height,
            "count": source.count,
            "dtype": source.dtype,
            "bands": list(source.bands),
            "stretch": source.stretch.to_json(),
            "transform": list(source.transform)[:6],
            "crs_wkt": source.crs.to_wkt() if source.crs is not None else "",
            "gsd_m": source.gsd_m,
            "has_georeference": source.has_georeference,
        }

    def predict(self, call: Call) -> dict[str, Any]:
        """One object from its prompts."""
        from inference_backend.models import registry
        from inference_backend.predict import answer_object, prompts_to_pixels

        frame, options = _options(call.params.get("options"))
        prompts = _prompts(call.params.get("prompts"))
        source = self.sources.get(call.params.get("source"), call.attachments)
        call.cancel.check()
        name = _model_name(call.params)
        if name not in self._used_models:
            call.announce(f"Loading {name}")
        model = registry.get(name, self.device)
        self._used_models[name] = model.device
        if frame == "source":
            prompts = prompts_to_pixels(prompts, source.transform)
        cache = _TellingCache(
            self.cache_for(model), lambda: call.announce("Reading and encoding the image")
        )
        found = answer_object(source, prompts, model, options, cache, call.cancel)
        call.cancel.check()
        return {
            "features": _features(found, frame),
            "score": found.score,
            "area_m2": found.area_m2,
            "perim_m": found.perim_m,
            "timings_ms": {name: round(value, 3) for name, value in found.timings_ms.items()},
            "model": model.card.id,
            "weights": model.weights_id,
            "device": model.device,
        }

    def segment(self, call: Call) -> dict[str, Any]:
        """A whole job: what `cityseg segment` does, with progress, parts of the answer and cancel."""
        from inference_backend.text_job import asks_in_words

        if asks_in_words(call.params):
            return self._segment_words(call)
        from inference_backend.segment import SegmentJob, run_segment

        job = SegmentJob.from_json({"device": self.device, **call.params})
        return run_segment(job, call.progress, call.cancel)

    def _segment_words(self, call: Call) -> dict[str, Any]:
        """The source may be a file's path, or a source as `predict` has it; it stays open for the next question."""
        from inference_backend.models import registry
        from inference_backend.text_job import TextJob, run_text_job

        job = TextJob.from_json({"device": self.device, **call.params})
        spec = call.params.get("source")
        if isinstance(spec, str):
            given = {name: call.params.get(name) for name in ("bands", "stretch")}
            spec = {
                "kind": "file",
                "path": spec,
                **{k: v for k, v in given.items() if v is not None},
            }
        call.announce("Opening the raster")
        source = self.sources.get(spec, call.attachments)
        call.cancel.check()
        name = _model_name(call.params)
        if name not in self._used_models:
            call.announce(f"Loading {name}")
        model = registry.get(name, job.device)
        self._used_models[name] = model.device
        cache = self.cache_for(model)
        return run_text_job(
            job, call.progress, call.cancel, model, cache, source, partial=call.partial
        )

    def classify(self, call: Call) -> dict[str, Any]:
        """A point cloud to a classified one: what `cityseg classify` does, with progress and cancel."""
        from inference_backend.classify_job import run_classify_job
        from inference_backend.classify_request import ClassifyJob

        job = ClassifyJob.from_json({"device": self.device, **call.params})
        answer = run_classify_job(job, call.cancel, call.progress)
        self._used_models[answer["model"]] = answer["device"]
        return answer

    def _default_model(self) -> PromptableModel:
        from inference_backend.models import registry

        return registry.get(registry.DEFAULT_2D, self.device)

    def _warm_model(self) -> None:
        """The first pass of a model takes twice as long as the next (kernels are chosen, a GPU is woken)."""
        import numpy as np

        from inference_backend.prompts import Prompt

        model = self._default_model()
        side = model.card.input_px
        embedding = model.embed(np.zeros((side, side, 3), np.uint8), None, "first pass")
        model.predict(embedding, [Prompt("point", np.array([[side / 2, side / 2]]))])

    def _warm_words(self) -> None:
        """The parser, the vocabulary and the first words: what the first question would otherwise wait for."""
        import numpy as np

        import inference_backend.text_job  # noqa: F401
        from inference_backend.language.parse import understand
        from inference_backend.models.base import TextQuery

        understand("buildings near water")
        model = self._default_model()
        if "text" in model.card.prompts:
            embedding = model.embed(np.zeros((64, 64, 3), np.uint8), None, "first words")
            model.predict_text(embedding, [TextQuery("buildings")])


def _vectorize(call: Call) -> dict[str, Any]:
    """A label raster or mask to polygons."""
    from inference_backend.vectorize import VectorizeJob, run_vectorize

    return run_vectorize(VectorizeJob.from_json(call.params), call.progress, call.cancel)


class _TellingCache:
    """The cache, for one request: says so when an image has to be encoded, which a user waits for."""

    def __init__(self, cache: EmbeddingCache, tell: Callable[[], None]) -> None:
        self._cache = cache
        self._tell = tell

    def get_or_compute(self, key: str, make: Callable[[], Embedding]) -> Embedding:
        def told() -> Embedding:
            self._tell()
            return make()

        return self._cache.get_or_compute(key, told)


def _import_model_libraries() -> None:
    import torch  # noqa: F401


def _import_predict() -> None:
    import inference_backend.predict  # noqa: F401


def _disk_cache_bytes() -> int:
    value = os.environ.get(_CACHE_VARIABLE, "")
    return (int(value) if value.isdigit() else _CACHE_DISK_MB) * _MB


def _model_name(params: Mapping[str, Any]) -> str:
    from inference_backend.models import registry

    name = params.get("model") or registry.DEFAULT_2D
    if not isinstance(name, str):
        raise InvalidInput("The request's model is not a name; choose a model.")
    return name


def _prompts(items: object) -> list[Prompt]:
    """Prompts from the wire, in the frame that the request says."""
    from inference_backend.prompts import Prompt

    if not isinstance(items, list) or not items:
        raise InvalidInput("There is no prompt; click on the object first.")
    prompts = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise InvalidInput(f"Prompt {number} of the request is malformed.")
        try:
            label, text = item.get("label", 1), str(item.get("text", ""))
            prompts.append(Prompt(item.get("kind", ""), item.get("xy", ()), label, text))
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(
                f"Prompt {number} of the request is malformed.", str(error)
            ) from error
    return prompts


def _options(given: object) -> tuple[str, AnswerOptions]:
    """The frame of prompts and features, and how to outline. Unknown options are an error: a typo is not a wish."""
    from inference_backend.predict import AnswerOptions

    if given is not None and not isinstance(given, Mapping):
        raise InvalidInput("The request's options are malformed.")
    values = dict(given or {})
    frame = values.pop("frame", None) or "source"
    if frame not in _FRAMES:
        raise InvalidInput(f"'{frame}' is not a frame; use {' or '.join(_FRAMES)}.")
    known = {field.name for field in fields(AnswerOptions)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InvalidInput(
            f"'{unknown[0]}' is not an option; there are {', '.join(sorted(known))}."
        )
    wanted = {name: value for name, value in values.items() if value is not None}
    try:
        return frame, AnswerOptions(**wanted)
    except TypeError as error:
        raise InvalidInput("An option of the request is not a number.", str(error)) from error


def _features(found: ObjectAnswer, frame: str) -> list[dict[str, Any]]:
    """One GeoJSON feature with a Polygon or MultiPolygon, or none where the mask is empty."""
    from shapely.geometry import mapping

    if found.geometry.is_empty:
        return []
    geometry = found.geometry if frame == "source" else found.geometry_px
    return [{"type": "Feature", "properties": {}, "geometry": mapping(geometry)}]
