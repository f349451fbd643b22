"""What the tiles showed as features: joined across seams, outlined in the source frame, within the area asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.imagery.source import RasterSource
from inference_backend.predict import AnswerOptions, transformed
from inference_backend.text_grid import TileGrid
from inference_backend.text_objects import ObjectFinder, Split
from inference_backend.text_tiles import Slab
from inference_backend.text_understanding import Wanted
from inference_backend.vector.clean import DEFAULT_TOLERANCE_PX, clean_all
from inference_backend.vector.clip import clipped
from inference_backend.vector.measure import GroundMetres
from inference_backend.vector.parts import geometry_array
from inference_backend.vector.seams import SeamMerger

LEAST_SHARE = 0.2
"""What is smaller than this share of the least usual size is no such thing, but noise."""
LEAST_PX = 4.0
_STATISTICS = 4
# So many are outlined between two looks at the cancel button: a tenth of a second.
_AT_ONCE = 500


@dataclass(eq=False)
class TextFeature:
    """One thing found, its outline in the source frame. `score` is the mean probability inside, `colour` the mean RGB."""

    geometry: BaseGeometry
    class_name: str
    score: float
    colour: tuple[float, float, float] | None = None
    why: str = ""


class Outliner:
    """From outlines in network pixels to features in the source frame."""

    def __init__(
        self,
        source: RasterSource,
        grid: TileGrid,
        clip: BaseGeometry,
        wanted: Wanted,
        options: AnswerOptions,
    ) -> None:
        self._source, self._clip, self._wanted, self._options = source, clip, wanted, options
        self._placed = grid.placed(source.transform)
        self._metres = GroundMetres.of(source)
        gsd_m = self._metres.gsd_m(self._placed)
        finest_m = self._metres.gsd_m(source.transform)
        self._tolerance_m = options.tolerance_m
        if self._tolerance_m is None:
            self._tolerance_m = DEFAULT_TOLERANCE_PX * max(gsd_m, finest_m)
        # Of what the area's edge cuts, any piece that can be seen is kept.
        self._least_cut_m2 = max(options.min_area_m2, LEAST_PX * gsd_m**2)
        self._least_m2 = self._least_cut_m2
        if wanted.concept is not None and self._metres.known:
            self._least_m2 = max(self._least_m2, LEAST_SHARE * wanted.concept.area_m2[0])
        shapely.prepare(clip)
        # What lies in the margin round the area is seen, and need not be outlined.
        self._near = shapely.box(*transformed(clip, ~self._placed).bounds)
        shapely.prepare(self._near)

    def features(self, found: Sequence[tuple[BaseGeometry, np.ndarray]]) -> list[TextFeature]:
        """What is left of (outline in network pixels, sums): not what is too small, or outside the area."""
        if not found:
            return []
        options = self._options
        shapes, sums = geometry_array(shape for shape, _ in found), np.stack([s for _, s in found])
        near = shapely.intersects(self._near, shapes)
        shapes, sums = shapes[near], sums[near]
        shapes = clean_all(
            shapes,
            self._placed,
            self._tolerance_m,
            self._least_m2,
            options.min_hole_m2,
            self._metres,
        )
        for index in np.flatnonzero(~shapely.covers(self._clip, shapes)).tolist():
            shapes[index] = clipped(shapes[index], self._clip, self._source, self._least_cut_m2)
        means = sums[:, 1:] / np.maximum(sums[:, :1], 1.0)
        left = np.flatnonzero(~shapely.is_empty(shapes))
        return [self._feature(shapes[index], *means[index].tolist()) for index in left.tolist()]

    def _feature(
        self, shape: BaseGeometry, score: float, red: float, green: float, blue: float
    ) -> TextFeature:
        wanted = self._wanted
        name = "" if wanted.is_sentence else wanted.key
        if wanted.concept is not None:
            name = wanted.concept.name
        return TextFeature(shape, name, min(max(score, 0.0), 1.0), (red, green, blue))


class Collector:
    """The slabs of one wanted thing become features, as soon as no later slab can change them."""

    def __init__(
        self,
        wanted: Wanted,
        number: int,
        grid: TileGrid,
        threshold: float,
        outliner: Outliner,
        split: Split | None,
        cancel: CancelToken,
    ) -> None:
        """`number` is the query's place in the slabs; with `split`, touching objects are told apart."""
        self._number, self._outliner, self._cancel = number, outliner, cancel
        self._first, self._end, self._shared = 0, 0, False
        self._raw: deque[tuple[BaseGeometry, np.ndarray]] = deque()
        self._made: list[TextFeature] = []
        self._objects: ObjectFinder | None = None
        self._areas: SeamMerger | None = None
        if split is not None:
            self._objects = ObjectFinder(threshold, split, (grid.height, grid.width), cancel)
        else:
            self._areas = SeamMerger(threshold, _STATISTICS)

    def begin_panel(self, first: int, end: int, shared: bool) -> None:
        """See `TileSearch.panels`."""
        self._first, self._end, self._shared = first, end, shared
        if self._objects is not None:
            self._objects.begin_panel(first, end)
        if self._areas is not None:
            self._areas.begin_panel(first, shared)

    def add(self, slab: Slab) -> list[TextFeature]:
        """What is complete with these rows."""
        if self._objects is not None:
            return self._features(
                (found.geometry, found.sums) for found in self._objects.add(slab, self._number)
            )
        columns = np.s_[:, self._first - slab.col0 : self._end - slab.col0 + self._shared]
        field_ = slab.probability[self._number][columns]
        bands = [slab.rgb[..., band][columns] for band in range(3)]
        return self._joined(lambda areas: areas.add(field_, slab.row0, [field_, *bands]))

    def end_panel(self) -> list[TextFeature]:
        """No more rows in this panel."""
        if self._objects is not None:
            return self._features((f.geometry, f.sums) for f in self._objects.end_panel())
        return self._joined(SeamMerger.end_panel)

    def finish(self) -> list[TextFeature]:
        """All that is left, also where the search stopped early."""
        if self._objects is not None:
            return self._features((f.geometry, f.sums) for f in self._objects.finish())
        return self._joined(SeamMerger.finish)

    def _joined(self, take: Callable[[SeamMerger], list]) -> list[TextFeature]:
        if self._areas is None:
            return []
        areas = take(self._areas)
        return self._features((part, area.sums) for area in areas for part in area.parts())

    def _features(self, found: Iterable[tuple[BaseGeometry, np.ndarray]]) -> list[TextFeature]:
        """Features of what was found. What a cancel leaves undone is done by the next call."""
        self._raw.extend(found)
        while self._raw:
            self._cancel.check()
            some = list(islice(self._raw, _AT_ONCE))
            self._made.extend(self._outliner.features(some))
            for _ in some:
                self._raw.popleft()
        made, self._made = self._made, []
        return made
