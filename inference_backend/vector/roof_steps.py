"""Parts of a block by the height of its roofs: where the roof jumps along a line, one part ends and the next begins.

A jump is what is left between two neighbouring cells after each side's own slope: the ridge of a steep roof is none. Lines of
jumps that go round nothing, what stands on a roof, and slivers make no part.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from inference_backend.vector.footprints import without_outliers

STEP_M = 1.75
"""A lower step is a kink of one roof."""
LEAST_PART_M2 = 12.0
# What touches the outside with less of its border than this stands on a roof, as a lift shaft or a set-back storey does, if most
# of its border is with one other part; between several it may be a house in a yard, unless it is small.
_ENCLOSED_SHARE = 0.12
_ONE_SHARE = 0.7
_LEAST_ENCLOSED_M2 = 80.0
# Two parts meet at a step where so much of their border is one.
_STEPPED_SHARE = 0.5
# How far a side's slope is read, and the steepest that a roof has.
_REACH_M = 1.0
_STEEPEST = 2.0


def roof_parts(
    roof_m: np.ndarray, block: np.ndarray, cell_m: float, step_m: float = STEP_M
) -> np.ndarray:
    """Labels (rows, cols) int32 of the parts of `block` (bool), 1 to n, 0 outside.

    `roof_m` is the height of the roof, NaN where no roof point fell; such cells get the nearest roof's height.
    """
    if not block.any():
        return np.zeros(block.shape, np.int32)
    height = without_outliers(np.where(block, roof_m, np.nan))
    across = _jumps(height, cell_m, 1)
    along = _jumps(height, cell_m, 0)
    edge = np.zeros(block.shape, np.float32)
    for jumps, axis in ((across, 1), (along, 0)):
        before, after = _both_sides(axis)
        np.maximum(edge[before], jumps, out=edge[before])
        np.maximum(edge[after], jumps, out=edge[after])
    flat = block & (edge < step_m)
    seeds = _seeds(flat, cell_m)
    if seeds.max() < 2:
        return block.astype(np.int32)
    labels = watershed(edge, seeds, mask=block, connectivity=1).astype(np.int32)
    labels = _reached(labels, block)
    return _merged(labels, height, across, along, cell_m, step_m)


def _both_sides(axis: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    every, first, last = slice(None), slice(None, -1), slice(1, None)
    return ((every, first), (every, last)) if axis else ((first, every), (last, every))


def _jumps(height: np.ndarray, cell_m: float, axis: int) -> np.ndarray:
    """What the height jumps between each cell and the next along `axis`, beyond the gentler slope of the two sides.

    Over two cells, for a step that falls into a cell is shared by both of its sides.
    """
    reach = max(1, round(_REACH_M / cell_m))
    z = height if axis else height.T
    padded = np.pad(z, ((0, 0), (reach + 1, reach + 1)), mode="edge")
    n = z.shape[1]

    def at(shift: int) -> np.ndarray:
        return padded[:, reach + 1 + shift : reach + 1 + shift + n - 1]

    # Between cell i and i + 1: sides are read at i - 1 and i + 2, their slopes further out.
    wide = at(2) - at(-1)
    before = (at(-1) - at(-1 - reach)) / reach
    after = (at(2 + reach - 1) - at(2)) / max(reach - 1, 1) if reach > 1 else (at(2) - at(1)) * 0
    most = _STEEPEST * cell_m
    slope = np.clip(np.where(np.abs(before) < np.abs(after), before, after), -most, most)
    jump = np.abs(wide - 3 * slope)
    # A steep slope that goes on on both sides is no jump; a narrow one across the pair alone is.
    local = np.abs(at(1) - at(0))
    jump = np.minimum(jump, np.abs(wide)) * (local >= 0.3 * np.abs(wide))
    jump = jump.astype(np.float32)
    return jump if axis else jump.T


def _seeds(flat: np.ndarray, cell_m: float) -> np.ndarray:
    """Numbered flat regions, parted also where only a narrow gap in a line of jumps joins them."""
    reach = max(1, round(0.75 / cell_m))
    core = ndimage.binary_erosion(flat, iterations=reach)
    seeds, count = ndimage.label(core)
    sizes = np.bincount(seeds.ravel(), minlength=count + 1)
    small = sizes < max(3, 2.0 / cell_m**2)
    small[0] = False
    seeds[small[seeds]] = 0
    kept = np.unique(seeds)
    return np.searchsorted(kept, seeds).astype(np.int32)


def _reached(labels: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Cells of the block that no seed could reach get the nearest label."""
    lost = block & (labels == 0)
    if not lost.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return np.where(lost, labels[tuple(nearest)], labels)


def _merged(
    labels: np.ndarray,
    height: np.ndarray,
    across: np.ndarray,
    along: np.ndarray,
    cell_m: float,
    step_m: float,
) -> np.ndarray:
    """Parts joined that no step parts, that are slivers, or that stand on another's roof."""
    parts = _Parts(labels, height, across, along, step_m)
    while True:
        pair = parts.next_pair(cell_m)
        if pair is None:
            break
        parts.join(*pair)
    return parts.labels()


class _Parts:
    """Parts of one block, their borders with each other, and what becomes of them."""

    def __init__(
        self,
        labels: np.ndarray,
        height: np.ndarray,
        across: np.ndarray,
        along: np.ndarray,
        step_m: float,
    ) -> None:
        self._first = labels
        count = int(labels.max())
        self._root = np.arange(count + 1)
        self._cells = np.bincount(labels.ravel(), minlength=count + 1).astype(float)
        self._height = np.zeros(count + 1)
        for number in range(1, count + 1):
            inside = height[labels == number]
            self._height[number] = float(np.median(inside)) if inside.size else 0.0
        # [length of the border, length of it that is a step]; column 0 is the outside.
        self._border: dict[tuple[int, int], np.ndarray] = {}
        for jumps, axis in ((across, 1), (along, 0)):
            before, after = _both_sides(axis)
            self._count(labels[before], labels[after], jumps >= step_m)

    def _count(self, one: np.ndarray, other: np.ndarray, stepped: np.ndarray) -> None:
        meet = one != other
        low, high = np.minimum(one[meet], other[meet]), np.maximum(one[meet], other[meet])
        keys, index = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
        lengths = np.bincount(index.ravel(), minlength=len(keys))
        steps = np.bincount(index.ravel(), stepped[meet], minlength=len(keys))
        for key, length, step in zip(keys.tolist(), lengths, steps, strict=True):
            pair = (key[0], key[1])
            known = self._border.setdefault(pair, np.zeros(2))
            known += (length, step)

    def next_pair(self, cell_m: float) -> tuple[int, int] | None:
        """The two parts to join next; None where all are parts of their own."""
        inner = {pair: border for pair, border in self._border.items() if pair[0] > 0}
        if not inner:
            return None
        pair, border = min(inner.items(), key=lambda item: item[1][1] / item[1][0])
        if border[1] / border[0] < _STEPPED_SHARE:
            return pair
        for number in sorted(self._alive(), key=lambda n: self._cells[n]):
            area = self._cells[number] * cell_m**2
            if area < LEAST_PART_M2 or self._is_enclosed(number, area):
                into = self._nearest(number)
                if into is not None:
                    return (min(number, into), max(number, into))
        return None

    def _alive(self) -> list[int]:
        return [n for n in range(1, len(self._root)) if self._root[n] == n and self._cells[n] > 0]

    def _is_enclosed(self, number: int, area: float) -> bool:
        own = {pair: border[0] for pair, border in self._border.items() if number in pair}
        total, outside = sum(own.values()), own.pop((0, number), 0.0)
        if not own or outside >= _ENCLOSED_SHARE * total:
            return False
        return area < _LEAST_ENCLOSED_M2 or max(own.values()) > _ONE_SHARE * total

    def _nearest(self, number: int) -> int | None:
        """The neighbour with the longest border for its difference in height."""
        best, most = None, 0.0
        for pair, border in self._border.items():
            if pair[0] > 0 and number in pair:
                other = pair[0] + pair[1] - number
                apart = abs(self._height[other] - self._height[number])
                worth = border[0] / (1.0 + apart)
                if worth > most:
                    best, most = other, worth
        return best

    def join(self, one: int, other: int) -> None:
        """Make `other` a part of `one`."""
        total = self._cells[one] + self._cells[other]
        self._height[one] = (
            self._height[one] * self._cells[one] + self._height[other] * self._cells[other]
        ) / total
        self._cells[one], self._cells[other] = total, 0
        self._root[other] = one
        self._border.pop((one, other), None)
        for pair in [pair for pair in self._border if other in pair]:
            border = self._border.pop(pair)
            third = pair[0] + pair[1] - other
            known = self._border.setdefault((min(one, third), max(one, third)), np.zeros(2))
            known += border

    def labels(self) -> np.ndarray:
        """The parts that are left, numbered without a gap."""
        for number in range(len(self._root)):
            root = number
            while self._root[root] != root:
                root = self._root[root]
            self._root[number] = root
        final = self._root[self._first]
        kept = np.unique(np.append(final, 0))
        return np.searchsorted(kept, final).astype(np.int32)
