"""Single objects out of rows that arrive one after the other: touching ones are told apart, none is cut by a row's end.

Objects are looked for in windows that reach `HALO_PX` beyond the rows they answer for. One that a window sees whole belongs to
the window that has its middle; one that is longer than that is joined from what the windows saw of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.text_tiles import HALO_PX, Slab
from inference_backend.vector.adjacency import contacts
from inference_backend.vector.contour import frame_of, settle, settled_contours
from inference_backend.vector.parts import assembled, geometry_array
from inference_backend.vector.seams import labels_under, nodes

Split = Callable[[np.ndarray, np.ndarray | None, float], np.ndarray]

# An object whose middle lies this near to the end of its rows is told by both sides, and kept once.
_EITHER_PX = 8
_LEAST_SLABS = 1.5
_SAME = 0.5
"""Two outlines that share so much of the lesser are the same object."""


@dataclass(eq=False)
class FoundObject:
    """One object in network pixels. `sums` are those of its pixels' statistics; `whole` unless its window ended in it."""

    geometry: BaseGeometry
    sums: np.ndarray
    whole: bool
    seen_in: tuple[float, float, float, float]


class ObjectFinder:
    """Takes the slabs of one query, panel by panel; gives the objects that no later slab can change.

    `split(probability, core, threshold)` labels single objects. `size` is the (rows, columns) of the whole grid, whose edges
    cut nothing.
    """

    def __init__(
        self, threshold: float, split: Split, size: tuple[int, int], cancel: CancelToken
    ) -> None:
        self._threshold, self._split, self._size, self._cancel = threshold, split, size, cancel
        self._slabs: list[tuple[Slab, np.ndarray, np.ndarray | None]] = []
        self._told = 0
        self._columns = (0, 0)
        self._doubtful: list[FoundObject] = []

    def begin_panel(self, first: int, end: int) -> None:
        """Slabs from here on answer for columns [first, end)."""
        self._slabs, self._columns = [], (first, end)

    def add(self, slab: Slab, query: int) -> list[FoundObject]:
        """The next rows."""
        if not self._slabs:
            self._told = slab.row0
        self._slabs.append((slab, slab.probability[query], slab.core[query]))
        until = slab.row0 + len(slab.rgb) - HALO_PX
        # Not after each slab: the halos of a window are looked at twice, so that few large ones cost less.
        enough = len(slab.rgb) * _LEAST_SLABS
        return self._tell(until) if until - self._told >= enough else []

    def end_panel(self) -> list[FoundObject]:
        """No more rows in this panel."""
        if not self._slabs:
            return []
        slab = self._slabs[-1][0]
        found = self._tell(slab.row0 + len(slab.rgb))
        self._slabs = []
        return found

    def finish(self) -> list[FoundObject]:
        """What was seen by several windows, once each; also where the search stopped early."""
        found = self.end_panel()
        kept = list(_settle(self._doubtful, self._cancel))
        self._doubtful = []
        return found + kept

    def _tell(self, until: int) -> list[FoundObject]:
        """Objects whose middle lies in the rows from the last told one to `until`."""
        top = max(self._told - HALO_PX, self._slabs[0][0].row0)
        probability, core, rgb = self._window(top)
        own = (self._told, until, *self._columns)
        things = self._objects(probability, core, rgb, top)
        bounds = shapely.bounds(geometry_array(thing.geometry for thing in things)).reshape(-1, 4)
        whole = np.array([thing.whole for thing in things], bool)
        ours = _overlap(bounds, own) & (~whole | _hold_middle(bounds, own, _EITHER_PX))
        sure = ours & whole & _clear(bounds, own)
        self._doubtful += [things[k] for k in np.flatnonzero(ours & ~sure).tolist()]
        self._told = until
        self._forget(until - HALO_PX)
        return [things[k] for k in np.flatnonzero(sure).tolist()]

    def _window(self, top: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """All rows from `top` on that are there, of the panel's columns and the halo on both sides."""
        first, end = self._columns
        col0 = self._slabs[0][0].col0
        width = self._slabs[0][0].rgb.shape[1]
        left = max(first - HALO_PX - col0, 0)
        right = min(end + HALO_PX - col0, width)
        self._left = col0 + left
        cut = max(top - self._slabs[0][0].row0, 0)

        def joined(parts: list[np.ndarray]) -> np.ndarray:
            return np.concatenate([part[:, left:right] for part in parts])[cut:]

        cores = [core for _, _, core in self._slabs]
        shapes = [probability for _, probability, _ in self._slabs]
        filled = [np.zeros_like(p) if core is None else core for core, p in zip(cores, shapes)]
        core = None if all(core is None for core in cores) else joined(filled)
        return joined(shapes), core, joined([slab.rgb for slab, _, _ in self._slabs])

    def _forget(self, before: int) -> None:
        while len(self._slabs) > 1 and self._slabs[1][0].row0 <= before:
            self._slabs.pop(0)

    def _objects(
        self, probability: np.ndarray, core: np.ndarray | None, rgb: np.ndarray, top: int
    ) -> list[FoundObject]:
        window_rows, window_cols = probability.shape
        frame = frame_of(probability > self._threshold)
        if frame[0].start == frame[0].stop:
            return []
        probability, core, rgb = (None if a is None else a[frame] for a in (probability, core, rgb))
        labels = self._split(probability, core, self._threshold)
        self._cancel.check()
        sums = _sums(labels, probability, rgb)
        bottom, right = top + window_rows, self._left + window_cols
        window = (self._left, top, right, bottom)
        first_row, first_col = top + frame[0].start, self._left + frame[1].start
        whole = np.ones(len(sums), bool)
        # What lies on a line at which the window ends, and not the raster, goes on there.
        ends = (
            (top > 0 and first_row == top, labels[0]),
            (self._left > 0 and first_col == self._left, labels[:, 0]),
            (self._size[0] > bottom == top + frame[0].stop, labels[-1]),
            (self._size[1] > right == self._left + frame[1].stop, labels[:, -1]),
        )
        for cut, line in ends:
            if cut:
                whole[line] = False
        outlines = _outlines(probability, labels, self._threshold, first_col, first_row)
        self._cancel.check()
        return [
            FoundObject(geometry, sums[label], bool(whole[label]), window)
            for label, geometry in outlines
        ]


def connected(probability: np.ndarray, core: np.ndarray | None, threshold: float) -> np.ndarray:
    """A `Split` that takes what hangs together for one object."""
    above = (probability > threshold).astype(np.uint8)
    return cv2.connectedComponents(above, connectivity=4)[1]


def _sums(labels: np.ndarray, probability: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """(labels + 1, 5): pixels, sum of the probability, of red, of green, of blue."""
    inside = np.flatnonzero(labels > 0)
    names = labels.ravel()[inside]
    count = int(names.max(initial=0)) + 1
    colours = rgb.reshape(-1, 3)[inside]
    columns = [np.bincount(names, minlength=count)]
    columns += [
        np.bincount(names, weights, count) for weights in (probability.ravel()[inside], *colours.T)
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _outlines(
    probability: np.ndarray, labels: np.ndarray, threshold: float, col0: int, row0: int
) -> Iterator[tuple[int, BaseGeometry]]:
    """(label, contour) of each object; towards a neighbour that it touches it ends half way between their pixels.

    Objects that touch are outlined in different layers: a few contours of the whole window instead of one an object.
    """
    layer_of = _layers(labels)
    above = probability.astype(np.float64)
    settle(above, threshold)
    below = np.minimum(2 * threshold - above, above)
    rows, cols = labels.shape
    x, y = np.meshgrid(nodes(col0, cols, True, True), nodes(row0, rows, True, True))
    layers = layer_of[labels]
    for layer in range(1, int(layer_of.max(initial=0)) + 1):
        here = (layers == layer) | (layers == 0)
        field = np.empty((rows + 2, cols + 2))
        field[1:-1, 1:-1] = np.where(here, above, below)
        # Beyond its edge the window goes on as it ends.
        field[[0, -1], 1:-1] = field[[1, -2], 1:-1]
        field[:, 0], field[:, -1] = field[:, 1], field[:, -2]
        polygons = settled_contours(field, x, y, threshold)
        if not len(polygons):
            continue
        owners = labels_under(polygons, labels, col0, row0, layer_of == layer)
        polygons, owners = polygons[owners > 0], owners[owners > 0]
        order = np.argsort(owners, kind="stable")
        names, place = np.unique(owners[order], return_inverse=True)
        yield from zip(names.tolist(), assembled(polygons[order], place, len(names)))


def _layers(labels: np.ndarray) -> np.ndarray:
    """Layer of each label, from 1 on (0 for no label): neighbours, corner to corner too, are in different ones."""
    count = int(labels.max(initial=0))
    layer = [0] * (count + 1)
    beside: dict[int, list[int]] = {}
    for one, other in contacts(labels).pairs.tolist():
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    for label in range(1, count + 1):
        taken = {layer[other] for other in beside.get(label, ())}
        layer[label] = next(free for free in range(1, len(taken) + 2) if free not in taken)
    return np.array(layer, np.uint8 if max(layer) < 256 else np.int64)


Span = tuple[float, float, float, float]


def _overlap(bounds: np.ndarray, own: Span) -> np.ndarray:
    x0, y0, x1, y1 = bounds.T
    top, end, left, right = own
    return (x0 < right) & (x1 > left) & (y0 < end) & (y1 > top)


def _hold_middle(bounds: np.ndarray, own: Span, margin: float) -> np.ndarray:
    top, end, left, right = own
    x0, y0, x1, y1 = bounds.T
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    across = (left - margin <= x) & (x < right + margin)
    return across & (top - margin <= y) & (y < end + margin)


def _clear(bounds: np.ndarray, own: Span) -> np.ndarray:
    """Whether an object lies so far within the rows and columns that no other window tells it too."""
    top, end, left, right = own
    x0, y0, x1, y1 = bounds.T
    across = (x0 >= left + _EITHER_PX) & (x1 <= right - _EITHER_PX)
    return across & (y0 >= top + _EITHER_PX) & (y1 <= end - _EITHER_PX)


def _settle(doubtful: list[FoundObject], cancel: CancelToken) -> Iterator[FoundObject]:
    """Each object once: whole where some window saw it whole, else joined from its pieces."""
    if not doubtful:
        return
    order = sorted(doubtful, key=lambda thing: (not thing.whole, -thing.geometry.area))
    tree = shapely.STRtree([thing.geometry for thing in order])
    group = list(range(len(order)))
    for index, thing in enumerate(order):
        if index % 64 == 0:
            cancel.check()
        if group[index] != index:
            continue
        reached = [index]
        while reached:
            current = order[reached.pop()]
            for other in tree.query(current.geometry).tolist():
                if other <= index or group[other] != other or not _same(current, order[other]):
                    continue
                group[other] = index
                # What was seen whole is complete; pieces lead on to further pieces.
                if not thing.whole:
                    reached.append(other)
    members: dict[int, list[FoundObject]] = {}
    for owner, thing in zip(group, order):
        members.setdefault(owner, []).append(thing)
    for same in members.values():
        yield same[0] if same[0].whole or len(same) == 1 else _joined(same)


def _same(one: FoundObject, other: FoundObject) -> bool:
    """Whether two windows saw one object, judged where both looked."""
    shared = one.geometry.intersection(other.geometry).area
    if shared <= 0:
        return False
    least = min(_part_in(one, other.seen_in), _part_in(other, one.seen_in))
    return least > 0 and shared > _SAME * least


def _part_in(thing: FoundObject, window: Span) -> float:
    return float(shapely.clip_by_rect(thing.geometry, *window).area)


def _joined(members: list[FoundObject]) -> FoundObject:
    geometry = shapely.union_all([member.geometry for member in members])
    return FoundObject(
        geometry, np.sum([member.sums for member in members], axis=0), False, members[0].seen_in
    )
