"""Tiles of a raster through a model, blended into finished rows: what the search for words sees, and no more.

On a CPU several tiles are worked on abreast, one core each, and some are ready before they are asked for: the model goes on
while the caller makes polygons. Where tiles overlap, their answers are averaged with weights that
fall smoothly to each tile's edge. Only the rows that a later tile may still change are kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import shapely
from rasterio.features import rasterize
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import RasterSource
from inference_backend.models.base import (
    Embedding,
    PromptableModel,
    TextAnswer,
    TextQuery,
)
from inference_backend.models.device import tiles_abreast, work_alone
from inference_backend.text_grid import TileGrid

HALO_PX = 96
"""So far beyond its own columns a panel looks, so that things at the line between two panels are seen whole by one."""
AREA_MARGIN_PX = 48
"""What is seen so far beyond the area asked for counts too, so that things at its edge are told as if they were inside;
outlines are cut exactly at it later."""
# A view of so many tiles is asked more than once; of a whole raster no tile is ever asked again.
_KEPT_TILES = 24
# For fewer tiles, all cores work on one: threads of their own would first have to warm up.
_LEAST_ABREAST = 6
# So many tiles a core wait for a caller who makes polygons of the rows before (0.5 s; a tile takes 0.12), as far as they
# fit in so much memory.
_AHEAD = 4
_AHEAD_BYTES = 64 << 20


@dataclass(eq=False)
class Slab:
    """Finished rows from `row0` on, of the columns from `col0` on, in network pixels.

    `probability` and `core` have one float32 (h, w) a query; a core is None where the model tells none. `rgb` uint8 (h, w, 3).
    What has no data or lies outside the area has the probability 0.
    """

    row0: int
    col0: int
    probability: list[np.ndarray]
    core: list[np.ndarray | None]
    rgb: np.ndarray


@dataclass
class Seen:
    """What the tiles said, as far as they were looked at. `presence` and `understood` are for each query, best first."""

    presence: list[float]
    score: list[float]
    understood: list[dict[str, tuple[float, str]]]
    done: int = 0
    blank: int = 0
    timings_ms: dict[str, float] = field(
        default_factory=lambda: {"read": 0.0, "embed": 0.0, "decode": 0.0, "blend": 0.0}
    )

    @classmethod
    def of(cls, queries: Sequence[TextQuery]) -> Seen:
        """Nothing yet."""
        count = len(queries)
        return cls([0.0] * count, [0.0] * count, [{} for _ in range(count)])

    def add(self, answers: Sequence[TextAnswer]) -> None:
        """One more tile."""
        for k, answer in enumerate(answers):
            self.presence[k] = max(self.presence[k], answer.presence)
            if answer.presence >= self.presence[k]:
                self.score[k] = answer.score
            for known in answer.understood:
                before = self.understood[k].get(known.concept, (0.0, ""))
                self.understood[k][known.concept] = max(before, (known.probability, known.because))


class TileSearch:
    """One resolution of one source, searched for some queries within an area (source pixel frame; None: all)."""

    def __init__(
        self,
        source: RasterSource,
        grid: TileGrid,
        area_px: BaseGeometry | None,
        queries: Sequence[TextQuery],
        model: PromptableModel,
        cancel: CancelToken,
        cache: EmbeddingCache | None = None,
        on_tile: Callable[[], None] = lambda: None,
    ) -> None:
        self._source, self._grid, self._model, self._cancel = source, grid, model, cancel
        self._queries, self._on_tile = list(queries), on_tile
        self._area = asked = None
        if area_px is not None:
            asked = grid.from_source(area_px)
            self._area = asked.buffer(AREA_MARGIN_PX, quad_segs=2)
        self._touched = grid.touched(asked)
        self._panels = [self._panel(*columns) for columns in grid.panels(self._touched)]
        self._cache = cache if self.tiles <= _KEPT_TILES else None
        self.seen = Seen.of(queries)
        self._weights: dict[tuple[bool, ...], np.ndarray] = {}
        # A source is read by one thread at a time.
        self._reading, self._books = threading.Lock(), threading.Lock()
        self._abreast = tiles_abreast(model.device) if self.tiles >= _LEAST_ABREAST else 1

    @property
    def tiles(self) -> int:
        """How many tiles there are to look at; those between two panels count twice."""
        return sum(len(cols) for panel in self._panels for _, cols in panel.rows)

    def panels(self) -> Iterator[tuple[int, int, bool, Iterator[Slab]]]:
        """(first column, end, whether it shares its end with another panel, finished rows from top to bottom).

        The slabs of a panel reach `HALO_PX` beyond it on either side, as far as tiles go. Raises Cancelled, InvalidInput.
        """
        for panel in self._panels:
            yield panel.first, panel.end, panel.shared, self._slabs(panel)

    def _panel(self, first: int, end: int) -> _Panel:
        width = self._grid.tile_shape[1]
        rows = [
            (row, [c for c in cols if c < end + HALO_PX and c + width > first - HALO_PX])
            for row, cols in self._touched
        ]
        last = max(cols[-1] for _, cols in self._touched) + width
        return _Panel(first, end, end < last, rows)

    def _slabs(self, panel: _Panel) -> Iterator[Slab]:
        rows, cols = self._grid.tile_shape
        firsts = [col for _, found in panel.rows for col in found]
        if not firsts:
            return
        blended = _Blender(min(firsts), max(firsts) + cols, rows, len(self._queries))
        starts = _all_rows(self._grid, panel.rows)
        at_row = dict(panel.rows)
        tiles = [(row, col) for row in starts for col in at_row.get(row, ())]
        answers = self._answers(tiles)
        for row, following in zip(starts, [*starts[1:], starts[-1] + rows]):
            blended.move_to(row)
            for col in at_row.get(row, ()):
                rgb, valid, found = next(answers)
                began = time.perf_counter()
                blended.add(col, rgb, valid, found, self._weight(col, row))
                self.seen.timings_ms["blend"] += 1000 * (time.perf_counter() - began)
            slab = blended.finished(following, self._inside)
            yield slab

    def _answers(
        self, tiles: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, list[TextAnswer]]]:
        """What the model says of each tile, in order; the next ones are worked on meanwhile, also between two of them."""
        abreast = min(self._abreast, len(tiles))
        if not abreast:
            return
        ahead = max(abreast, min(_AHEAD * abreast, self._fitting))
        prepare = work_alone if abreast > 1 else None
        with ThreadPoolExecutor(abreast, "tiles", prepare) as workers:
            coming: deque[Future] = deque()
            try:
                for number in range(len(tiles) + ahead):
                    self._cancel.check()
                    if number < len(tiles):
                        coming.append(workers.submit(self._look, *tiles[number]))
                    if number >= ahead:
                        yield self._seen(coming.popleft().result())
            finally:
                for later in coming:
                    later.cancel()

    @property
    def _fitting(self) -> int:
        """How many answers to all queries, with a core each, may wait."""
        rows, cols = self._grid.tile_shape
        return _AHEAD_BYTES // (rows * cols * (4 + 8 * len(self._queries)))

    def _seen(
        self, looked: tuple[np.ndarray, np.ndarray, list[TextAnswer]]
    ) -> tuple[np.ndarray, np.ndarray, list[TextAnswer]]:
        """Note what a tile said; in the thread that blends, so that counts need no lock."""
        self.seen.done += 1
        self.seen.blank += not looked[2]
        self.seen.add(looked[2])
        self._on_tile()
        return looked

    def _look(self, row: int, col: int) -> tuple[np.ndarray, np.ndarray, list[TextAnswer]]:
        """One tile: read, embed, ask; in a thread of its own."""
        self._cancel.check()
        began = time.perf_counter()
        with self._reading:
            rgb, valid = self._source.read_rgb(*self._grid.window(col, row), *self._grid.tile_shape)
        read = time.perf_counter()
        self._spent("read", read - began)
        if not valid.any():
            return rgb, valid, []
        embedding = self._embedding(row, col, rgb, valid)
        embedded = time.perf_counter()
        self._cancel.check()
        found = self._model.predict_text(embedding, self._queries)
        self._spent("embed", embedded - read)
        self._spent("decode", time.perf_counter() - embedded)
        return rgb, valid, found

    def _spent(self, what: str, seconds: float) -> None:
        """Work done abreast takes its share of the time that passes."""
        with self._books:
            self.seen.timings_ms[what] += 1000 * seconds / self._abreast

    def _weight(self, col: int, row: int) -> np.ndarray:
        """Most tiles have the same weights: only those at the raster's edges differ."""
        rows, cols = self._grid.tile_shape
        ends = (col + cols < self._grid.width, row + rows < self._grid.height)
        key = (col > 0, row > 0, *ends)
        if key not in self._weights:
            self._weights[key] = self._grid.weight(col, row)
        return self._weights[key]

    def _embedding(self, row: int, col: int, rgb: np.ndarray, valid: np.ndarray) -> Embedding:
        model, grid = self._model, self._grid
        key = f"{self._source.key}|{model.card.id}|{model.weights_id}|tile {col},{row}@{grid.scale:.6f}x{grid.tile_px}+{grid.origin}"
        if self._cache is None:
            return model.embed(rgb, valid, key)
        return self._cache.get_or_compute(key, lambda: model.embed(rgb, valid, key))

    def _inside(self, row0: int, col0: int, shape: tuple[int, int]) -> np.ndarray | None:
        """bool of the pixels that are asked for; None where all are."""
        rows, cols = shape
        frame = shapely.box(col0, row0, col0 + cols, row0 + rows)
        if self._area is None or self._area.covers(frame):
            return None
        part = self._area.intersection(frame)
        if part.is_empty or part.area == 0:
            return np.zeros(shape, bool)
        moved = affine_transform(part, [1, 0, 0, 1, -col0, -row0])
        return rasterize([moved], out_shape=shape, dtype="uint8").astype(bool)


@dataclass(frozen=True)
class _Panel:
    """Columns [first, end), `shared` where another panel follows; tiles as (first row, first columns)."""

    first: int
    end: int
    shared: bool
    rows: list[tuple[int, list[int]]]


class _Blender:
    """Rows under way: weighted sums of what the tiles of one or two rows of tiles say."""

    def __init__(self, col0: int, end: int, tile_rows: int, queries: int) -> None:
        shape = (tile_rows, end - col0)
        self._col0, self._row0 = col0, 0
        self._weight = np.zeros(shape, np.float32)
        self._sums = [np.zeros(shape, np.float32) for _ in range(queries)]
        self._cores: list[np.ndarray | None] = [None] * queries
        self._rgb = np.zeros((*shape, 3), np.uint8)
        self._valid = np.zeros(shape, bool)
        self._moved = False

    def move_to(self, row0: int) -> None:
        """Rows begin here; those before have been taken."""
        step, self._row0 = (row0 - self._row0 if self._moved else 0), row0
        self._moved = True
        if not step:
            return
        for array in (self._weight, *self._sums, *self._cores, self._rgb, self._valid):
            if array is not None:
                kept = max(len(array) - step, 0)
                array[:kept] = array[len(array) - kept :].copy()
                array[kept:] = 0

    def add(
        self,
        col: int,
        rgb: np.ndarray,
        valid: np.ndarray,
        answers: Sequence[TextAnswer],
        weight: np.ndarray,
    ) -> None:
        """One tile that begins at column `col` and at the first row; no answers where it shows nothing."""
        place = np.s_[:, col - self._col0 : col - self._col0 + rgb.shape[1]]
        self._rgb[place], self._valid[place] = rgb, valid
        if not answers:
            return
        self._weight[place] += weight
        for k, answer in enumerate(answers):
            self._sums[k][place] += answer.probability * weight
            if answer.core is not None:
                if self._cores[k] is None:
                    self._cores[k] = np.zeros_like(self._weight)
                self._cores[k][place] += answer.core * weight

    def finished(
        self, until: int, inside: Callable[[int, int, tuple[int, int]], np.ndarray | None]
    ) -> Slab:
        """The rows before `until`, which no later tile reaches."""
        rows = np.s_[: until - self._row0]
        weight = np.maximum(self._weight[rows], np.float32(1e-12))
        shown = self._valid[rows]
        asked = inside(self._row0, self._col0, shown.shape)
        shown = shown if asked is None else shown & asked
        factor = np.where(shown, 1 / weight, np.float32(0))
        return Slab(
            self._row0,
            self._col0,
            [total[rows] * factor for total in self._sums],
            [None if core is None else core[rows] * factor for core in self._cores],
            self._rgb[rows].copy(),
        )


def _all_rows(grid: TileGrid, touched: Sequence[tuple[int, list[int]]]) -> list[int]:
    """First rows of the tiles from the first touched row to the last, so that slabs follow each other without gaps."""
    first, last = touched[0][0], touched[-1][0]
    return [row for row in grid.tile_rows if first <= row <= last]
