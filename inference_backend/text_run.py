"""A search for words on a raster: the tiles, what they show, and, when all were looked at, the program on top.

In memory: no file is written here. Evaluation, the wire and the command line share it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.errors import CitySegError, InvalidInput, ModelProblem
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.models.base import PromptableModel
from inference_backend.predict import transformed
from inference_backend.text_features import Collector, Outliner, TextFeature
from inference_backend.text_grid import TileGrid, view_grid, working_scale
from inference_backend.text_outcome import Conclusion, conclude
from inference_backend.text_request import TextRequest
from inference_backend.text_tiles import Seen, TileSearch
from inference_backend.text_understanding import Reading, Wanted, read_request
from inference_backend.vector.clip import footprint
from inference_backend.vector.instances import split_instances

Progress = Callable[[float, str], None]
Partial = Callable[[Sequence[TextFeature]], None]

_USUAL_TILE_PX = 512
_SMALL_AREA_PX = 2048
_NO_DATA = "There are no image data in this area (no-data or not a number); choose another area or check the raster."


@dataclass(eq=False)
class TextResult:
    """What was found and understood. `candidates` is all that the model found, before the program chose among it."""

    features: list[TextFeature]
    answer: str
    reading: Reading
    understood: dict[str, Any]
    tiles_done: int
    tiles_of: int
    cancelled: bool
    timings_ms: dict[str, float]
    candidates: dict[str, list[TextFeature]] = field(default_factory=dict)
    presence: dict[str, float] = field(default_factory=dict)

    def mask(self, source: RasterSource, class_name: str | None = None) -> np.ndarray:
        """bool (height, width) of the source's grid: the union of what was found, or of one class of it."""
        from rasterio.features import rasterize

        shapes = [
            transformed(feature.geometry, ~source.transform)
            for feature in self.features
            if class_name in (None, feature.class_name)
        ]
        size = (source.height, source.width)
        if not shapes:
            return np.zeros(size, bool)
        return rasterize(shapes, out_shape=size, dtype="uint8").astype(bool)


def answer_text(
    source: RasterSource,
    request: TextRequest,
    model: PromptableModel,
    cache: EmbeddingCache | None = None,
    cancel: CancelToken | None = None,
    progress: Progress | None = None,
    partial: Partial | None = None,
) -> TextResult:
    """Search `source` for what the request says. Raises InvalidInput, ModelProblem, ResourceProblem, Cancelled."""
    run = TextRun(source, request, model, cache, cancel, progress, partial)
    run.look()
    return run.result()


class TextRun:
    """One search. After a cancel or a fault in `look`, `result` is made of what had been seen until then."""

    def __init__(
        self,
        source: RasterSource,
        request: TextRequest,
        model: PromptableModel,
        cache: EmbeddingCache | None = None,
        cancel: CancelToken | None = None,
        progress: Progress | None = None,
        partial: Partial | None = None,
    ) -> None:
        """Raises InvalidInput before any work is done, for what can be known to be wrong."""
        check_hears_words(model)
        self.source, self.request, self.model = source, request, model
        self.reading = read_request(request, bool(model.card.extra.get("open_vocabulary")))
        self.clip = clip_shape(request.area, source)
        self._stop = _Stop(cancel or CancelToken())
        self._cache, self._progress = cache, progress or (lambda fraction, message: None)
        self._partial = partial or (lambda features: None)
        self._began = time.perf_counter()
        self._found: dict[str, list[TextFeature]] = {one.key: [] for one in self.reading.wanted}
        self._open: list[tuple[Wanted, Collector]] = []
        self._polygons_ms = 0.0
        self._whole = False
        self._searches = self._plan()
        self._of = sum(search.tiles for _, _, search in self._searches)
        self._done = 0

    def look(self) -> None:
        """Look at all tiles. Raises Cancelled, InvalidInput (a damaged file) and what the machine refuses."""
        self._report()
        for wanted, grid, search in self._searches:
            self._open = [(one, self._collector(one, k, grid)) for k, one in enumerate(wanted)]
            for first, end, shared, slabs in search.panels():
                self._each(lambda collector, w=(first, end, shared): collector.begin_panel(*w))
                # The next tiles are looked at meanwhile.
                for slab in slabs:
                    self._each(lambda collector, s=slab: collector.add(s))
                self._each(Collector.end_panel)
            self._close()
        self._whole = True
        if all(search.seen.blank == search.seen.done for _, _, search in self._searches):
            raise InvalidInput(_NO_DATA)

    def result(self) -> TextResult:
        """What was found; to be asked for once."""
        self._stop.off = not self._whole
        self._close()
        seen = [
            (one, search.seen, k)
            for wanted, _, search in self._searches
            for k, one in enumerate(wanted)
        ]
        presence = {one.key: s.presence[k] for one, s, k in seen}
        began = time.perf_counter()
        conclusion = self._conclude(presence)
        timings = self._timings(1000 * (time.perf_counter() - began))
        return TextResult(
            conclusion.features,
            conclusion.answer,
            self.reading,
            self.reading.to_json(max(presence.values(), default=0.0), _named(seen)),
            self._done,
            self._of,
            not self._whole,
            timings,
            self._found,
            presence,
        )

    def _conclude(self, presence: Mapping[str, float]) -> Conclusion:
        return conclude(
            self.reading,
            self._found,
            presence,
            self.source,
            self.clip,
            self.request,
            tiles=self._done,
            whole=self._whole,
        )

    def _plan(self) -> list[tuple[list[Wanted], TileGrid, TileSearch]]:
        """One search for each resolution; what is seen well at the same one shares the embeddings."""
        area_px = transformed(self.clip, ~self.source.transform)
        inside = None if self.request.area is None else area_px
        groups: dict[TileGrid, list[Wanted]] = {}
        for one in self.reading.wanted:
            groups.setdefault(self._grid(one, area_px.bounds), []).append(one)
        searches = []
        for grid, wanted in sorted(groups.items(), key=lambda group: group[0].scale):
            queries = [one.query for one in wanted]
            search = TileSearch(
                self.source,
                grid,
                inside,
                queries,
                self.model,
                self._stop,
                self._cache,
                self._on_tile,
            )
            searches.append((wanted, grid, search))
        return searches

    def _grid(self, wanted: Wanted, bounds_px: tuple[float, float, float, float]) -> TileGrid:
        source = self.source
        tile_px = int(self.model.card.extra.get("text_tile_px", _USUAL_TILE_PX))
        scale = working_scale(source.gsd_m, wanted.gsd_m)
        view = view_grid(source.gsd_m, scale, bounds_px, tile_px) if wanted.is_sentence else None
        return view or TileGrid.over(source.width, source.height, scale, tile_px)

    def _collector(self, wanted: Wanted, number: int, grid: TileGrid) -> Collector:
        threshold = self.request.options.threshold
        outliner = Outliner(self.source, grid, self.clip, wanted, self.request.options)
        split = split_instances if wanted.countable else None
        return Collector(wanted, number, grid, threshold, outliner, split, self._stop)

    def _each(self, step: Callable[[Collector], list[TextFeature] | None]) -> None:
        """Let every collector take a step, and tell what it found."""
        began = time.perf_counter()
        for wanted, collector in self._open:
            self._stop.check()
            features = step(collector)
            if features:
                self._found[wanted.key].extend(features)
                self._partial(features)
        self._polygons_ms += 1000 * (time.perf_counter() - began)

    def _close(self) -> None:
        self._each(Collector.finish)
        self._open = []

    def _on_tile(self) -> None:
        self._done += 1
        self._report()

    def _report(self) -> None:
        share = self._done / max(self._of, 1)
        self._progress(share, f"Tile {self._done} of {self._of}")

    def _timings(self, conclude_ms: float) -> dict[str, float]:
        total: dict[str, float] = {}
        for _, _, search in self._searches:
            for name, value in search.seen.timings_ms.items():
                total[name] = total.get(name, 0.0) + value
        total["polygons"], total["program"] = self._polygons_ms, conclude_ms
        total["total"] = 1000 * (time.perf_counter() - self._began)
        return {name: round(value, 2) for name, value in total.items()}


class _Stop(CancelToken):
    """The caller's token; turned `off` while what was seen before a cancel is put together."""

    def __init__(self, token: CancelToken) -> None:
        super().__init__()
        self._token, self.off = token, False

    @property
    def cancelled(self) -> bool:
        return self._token.cancelled

    def check(self) -> None:
        if not self.off:
            self._token.check()


def check_hears_words(model: PromptableModel) -> None:
    """Raise ModelProblem where the model takes no words."""
    if "text" not in model.card.prompts:
        raise ModelProblem(
            f"The model '{model.card.id}' takes no text; choose one that does, or show it what you want with a click."
        )


def clip_shape(area: BaseGeometry | None, source: RasterSource) -> BaseGeometry:
    """What of the area lies on the raster, in the source frame. Raises InvalidInput where that is nothing."""
    raster = footprint(source)
    if area is None:
        clip = raster
    else:
        clip = area.intersection(raster)
        parts = [part for part in shapely.get_parts(shapely.get_parts(clip)) if part.area > 0]
        if not parts:
            covered = ", ".join(f"{value:.10g}" for value in raster.bounds)
            raise InvalidInput(
                f"The area lies outside the raster, which covers {covered} in its own CRS; choose another area."
            )
        clip = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
        _check_data(transformed(clip, ~source.transform).bounds, source)
    return clip


def _check_data(bounds_px: tuple[float, float, float, float], source: RasterSource) -> None:
    """Raise InvalidInput where a small area shows nothing. To know it of a large one would mean to read it all."""
    x0, y0, x1, y1 = bounds_px
    if max(x1 - x0, y1 - y0) <= _SMALL_AREA_PX and not source.has_data(*bounds_px):
        raise InvalidInput(_NO_DATA)


def _named(seen: Sequence[tuple[Wanted, Seen, int]]) -> list[tuple[str, float, str]]:
    """What the model's own memory took the words for, best first."""
    best: dict[str, tuple[float, str]] = {}
    for _, tiles, k in seen:
        for name, known in tiles.understood[k].items():
            best[name] = max(best.get(name, (0.0, "")), known)
    return [(name, p, why) for name, (p, why) in sorted(best.items(), key=lambda i: -i[1][0])]


FAULTS = (CitySegError, OSError, MemoryError, RuntimeError)
"""What may happen in the middle of a run without making what was found until then worthless."""
