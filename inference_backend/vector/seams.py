"""Outlines of a field that arrives in strips: cut exactly at the strips' lines and joined where they touch.

Neighbouring strips share the line of pixel centres at which they meet. Between four centres a contour depends on those four
values only, so the pieces of both sides end in the same points of that line, and their union is the contour of the whole
field: no outline shows where a strip ended. Only what still hangs together with the unfinished part is kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import shapely
from shapely import Polygon

from inference_backend.vector.contour import contours

# Coordinates are kept to 1/1024 pixel, so that both sides of a seam have the same points to the last bit.
_GRID = 1024.0


@dataclass(eq=False)
class Area:
    """One connected part. `polygons` are in pixels of the field; `sums`: its pixels, and the sum of each statistic."""

    polygons: list[Polygon] = field(default_factory=list)
    sums: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def parts(self) -> list[Polygon]:
        """The polygons joined across the seams. What meets at a corner only is two parts."""
        if len(self.polygons) == 1:
            return self.polygons
        joined = shapely.union_all(np.array(self.polygons, dtype=object))
        return [part for part in shapely.get_parts(joined) if part.geom_type == "Polygon"]


class SeamMerger:
    """Takes strips of one field from top to bottom, panel by panel from left to right; gives finished areas.

    Beyond the first and the last row and column the field goes on as it ends, as in `contour.polygonize`.
    """

    def __init__(self, threshold: float, statistics: int) -> None:
        self._threshold, self._statistics = threshold, statistics
        self._parent: list[int] = []
        self._areas: dict[int, Area] = {}
        self._sticky: set[int] = set()
        # Labels along the line between two panels, by row.
        self._left: dict[int, np.ndarray] = {}
        self._right: dict[int, np.ndarray] = {}
        self._panel: tuple[int, bool] | None = None
        self._held: np.ndarray | None = None
        self._held_labels = np.zeros(0, np.int64)
        self._next_row = 0

    def begin_panel(self, col0: int, shares_right: bool) -> None:
        """Strips from here on begin at column `col0`; with `shares_right` their last column is the next panel's first."""
        self._left, self._right = self._right, {}
        self._panel = (col0, shares_right)
        self._held = None

    def add(self, strip: np.ndarray, row0: int, statistics: Sequence[np.ndarray]) -> list[Area]:
        """The next rows, float32 (h, w), and what to sum over the pixels of each area, (h, w) each.

        Returns the areas that nothing to come can touch any more.
        """
        if self._held is None:
            block, top = strip, None
        else:
            block, top = np.concatenate([self._held, strip]), self._held_labels
        first = row0 - (0 if top is None else 1)
        labels = self._label(block)
        self._outline(block, labels, first, top is not None, False)
        if top is not None:
            self._unite(top, labels[0])
        self._sum(labels[0 if top is None else 1 :], statistics)
        self._meet_panels(labels, first)
        self._held, self._held_labels = block[-1:].copy(), labels[-1].copy()
        self._next_row = row0 + len(strip)
        return self._take_closed()

    def end_panel(self) -> list[Area]:
        """No more strips in this panel."""
        if self._held is not None:
            labels = self._held_labels[None]
            self._outline(self._held, labels, self._next_row - 1, True, True)
        self._held, self._held_labels = None, np.zeros(0, np.int64)
        return self._take_closed()

    def finish(self) -> list[Area]:
        """All that is left, also where the search stopped early."""
        if self._held is not None:
            self.end_panel()
        self._sticky.clear()
        return self._take_closed()

    def _label(self, block: np.ndarray) -> np.ndarray:
        """int64 labels of the parts above the threshold, new ones for each block; -1 elsewhere."""
        above = (np.nan_to_num(block) > self._threshold).astype(np.uint8)
        count, labels = cv2.connectedComponents(above, connectivity=8)
        start = len(self._parent)
        self._parent.extend(range(start, start + count - 1))
        return np.where(above, labels.astype(np.int64) + (start - 1), -1)

    def _outline(
        self, block: np.ndarray, labels: np.ndarray, row0: int, shares_top: bool, ends: bool
    ) -> None:
        """Polygons of a block, each given to the area of its label."""
        col0, shares_right = self._panel or (0, False)
        pads = (not shares_top, ends), (not self._left, not shares_right)
        field = np.pad(
            block.astype(np.float64), [tuple(map(int, pad)) for pad in pads], mode="edge"
        )
        x, y = nodes(col0, block.shape[1], *pads[1]), nodes(row0, block.shape[0], *pads[0])
        if len(x) < 2 or len(y) < 2:
            return
        polygons = contours(field, x, y, self._threshold)
        if not len(polygons):
            return
        owners = labels_under(polygons, labels, col0, row0)
        rounded = shapely.transform(polygons, lambda xy: np.round(xy * _GRID) / _GRID)
        for polygon, label in zip(rounded, owners.tolist()):
            if label >= 0:
                self._area(label).polygons.append(polygon)

    def _sum(self, labels: np.ndarray, statistics: Sequence[np.ndarray]) -> None:
        """Add up the pixels that no other block counts: a shared line belongs to the block that begins with it."""
        own = labels[
            :, : labels.shape[1] - (1 if self._panel is not None and self._panel[1] else 0)
        ]
        inside = own >= 0
        if not inside.any():
            return
        names = own[inside]
        first = int(names.min())
        counts = np.bincount(names - first)
        columns = [
            np.bincount(names - first, weights=values[:, : own.shape[1]][inside])
            for values in statistics
        ]
        sums = np.stack([counts, *columns], axis=1)
        for label in np.flatnonzero(counts).tolist():
            self._area(first + label).sums += sums[label]

    def _meet_panels(self, labels: np.ndarray, row0: int) -> None:
        """Join with the panel on the left, and remember what the one on the right will meet."""
        before = self._left.get(row0)
        if before is not None:
            self._unite(before, labels[:, 0])
        if self._panel is not None and self._panel[1]:
            self._right[row0] = labels[:, -1].copy()
            self._sticky.update(label for label in np.unique(labels[:, -1]).tolist() if label >= 0)

    def _unite(self, one: np.ndarray, other: np.ndarray) -> None:
        size = min(len(one), len(other))
        pairs = np.stack([one[:size], other[:size]], axis=1)
        pairs = np.unique(pairs[(pairs >= 0).all(axis=1)], axis=0)
        for a, b in pairs.tolist():
            self._join(a, b)

    def _join(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a == b:
            return
        one, other = self._areas.pop(a, None), self._areas.pop(b, None)
        self._parent[b] = a
        if one is None or other is None:
            kept = one or other
        else:
            kept, less = (one, other) if len(one.polygons) >= len(other.polygons) else (other, one)
            kept.polygons.extend(less.polygons)
            kept.sums += less.sums
        if kept is not None:
            self._areas[a] = kept

    def _area(self, label: int) -> Area:
        root = self._root(label)
        if root not in self._areas:
            self._areas[root] = Area(sums=np.zeros(1 + self._statistics))
        return self._areas[root]

    def _root(self, label: int) -> int:
        while self._parent[label] != label:
            self._parent[label] = self._parent[self._parent[label]]
            label = self._parent[label]
        return label

    def _take_closed(self) -> list[Area]:
        open_labels = {label for label in np.unique(self._held_labels).tolist() if label >= 0}
        still = {self._root(label) for label in open_labels | self._sticky}
        closed = [root for root in self._areas if root not in still]
        return [area for area in map(self._areas.pop, closed) if area.polygons]


def labels_under(
    polygons: np.ndarray,
    labels: np.ndarray,
    col0: int,
    row0: int,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """The label under each contour: its first vertex lies on the line between a pixel inside and one outside.

    `labels` (h, w) begin at (`col0`, `row0`), and are less outside than inside. Those that are not `among`, bool by label,
    count as 0.
    """
    firsts = shapely.get_coordinates(shapely.get_point(shapely.get_exterior_ring(polygons), 0))
    x, y = firsts[:, 0] - col0 - 0.5, firsts[:, 1] - row0 - 0.5
    found = np.full(len(polygons), -1, np.int64)
    rows, cols = labels.shape
    for along_x in (np.floor, np.ceil):
        for along_y in (np.floor, np.ceil):
            at_x = np.clip(along_x(x).astype(int), 0, cols - 1)
            at_y = np.clip(along_y(y).astype(int), 0, rows - 1)
            here = labels[at_y, at_x]
            found = np.maximum(found, here if among is None else np.where(among[here], here, 0))
    return found


def nodes(first: int, count: int, pad_before: bool, pad_after: bool) -> np.ndarray:
    """Centres of `count` pixels, and the outer edges where the field ends there."""
    centres = first + np.arange(count) + 0.5
    before = [float(first)] if pad_before else []
    after = [float(first + count)] if pad_after else []
    return np.concatenate([before, centres, after])
