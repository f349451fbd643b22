"""Points in octree order without holding them all: tiles on disk, one after the other in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.points.octree import Cube, NodeKey, cube_of, joined, taken

# Sorted at once: less than a second's work, and under 200 MB with what sorting needs.
TILE_POINTS = 2_000_000
# Tiles are cut smaller than that on average: cities are denser than their outskirts.
_MEAN_POINTS = 1_000_000
_BLOCK_POINTS = 500_000
# More than this many files at once would be slower than another pass.
_MOST_DEPTH_A_PASS = 5
# A tile that is too full is cut into 4 x 4 on the ground.
_CUT_LEVELS = 2
# Beyond it the points lie closer than integers tell apart.
_DEEPEST = 26


@dataclass
class _TileFile:
    """A tile on disk: its points, and the cells, numbered as deep as can be, between which they lie."""

    path: Path
    key: NodeKey
    count: int
    least: np.ndarray
    most: np.ndarray


class Spill:
    """Takes points of one dtype in any order, gives them back tile by tile with the cube that holds all.

    Few points never touch the disk. `bounds_source` (minx, miny, minz, maxx, maxy, maxz) is where they should lie: if some
    lie elsewhere, the tiles are cut once more.
    """

    def __init__(
        self,
        folder: Path,
        dtype: np.dtype,
        bounds_source: Sequence[float],
        count: int,
        scales: Sequence[float],
        offsets: Sequence[float],
    ) -> None:
        self._folder, self._dtype = folder, dtype
        self._scales, self._offsets = np.array(scales, float), np.array(offsets, float)
        self._cube = cube_of(bounds_source[:3], bounds_source[3:], scales, offsets)
        self._depth = _depth_for(count, bounds_source, self._cube.side)
        self._held: list[np.ndarray] = []
        self._files: dict[NodeKey, _TileFile] = {}
        self._least = np.full(3, np.iinfo(np.int32).max, np.int64)
        self._most = np.full(3, np.iinfo(np.int32).min, np.int64)
        self.count = 0

    @property
    def bounds(self) -> list[float]:
        """minx, miny, minz, maxx, maxy, maxz of the points that came, in the source frame."""
        least = self._least * self._scales + self._offsets
        most = self._most * self._scales + self._offsets
        return [*least.tolist(), *most.tolist()]

    def add(self, points: np.ndarray) -> None:
        """Keep these points. Raises OSError where the disk takes no more."""
        self.count += len(points)
        for axis, name in enumerate("XYZ"):
            self._least[axis] = min(self._least[axis], points[name].min())
            self._most[axis] = max(self._most[axis], points[name].max())
        if not self._files:
            self._held.append(points)
            if self.count <= TILE_POINTS:
                return
            points, self._held = joined(self._held), []
        _scatter(points, self._cube, (0, 0, 0, 0), self._depth, self._folder, self._files)

    def tiles(self, cancel: CancelToken) -> Iterator[tuple[Cube, NodeKey, np.ndarray]]:
        """(cube, tile, its points); each tile's file is gone when the next one is asked for. At least one point was added."""
        if self._held:
            points, self._held = joined(self._held), []
            yield self._tight(), (0, 0, 0, 0), points
            return
        if not self._fits():
            self._scatter_again(cancel)
        # In a row from the corner: neighbours in the file are neighbours on the ground.
        waiting = sorted(self._files.values(), key=lambda file: file.key, reverse=True)
        while waiting:
            cancel.check()
            file = waiting.pop()
            if file.count > TILE_POINTS:
                _narrow(file)
                if file.key[0] < _DEEPEST:
                    waiting += self._cut(file, cancel)
                    continue
            points = np.fromfile(file.path, self._dtype)
            file.path.unlink()
            yield self._cube, file.key, points

    def _tight(self) -> Cube:
        """The cube of the points that came."""
        bounds = self.bounds
        return cube_of(bounds[:3], bounds[3:], self._scales, self._offsets)

    def _fits(self) -> bool:
        """Whether all points lie in the cube, give or take the rounding of its corner."""
        cube, bounds = np.array(self._cube.bounds), np.array(self.bounds)
        before, behind = cube[:3] - bounds[:3], bounds[3:] - cube[3:]
        return bool(np.all(np.maximum(before, behind) <= self._scales))

    def _scatter_again(self, cancel: CancelToken) -> None:
        old, self._files = list(self._files.values()), {}
        self._cube = self._tight()
        inner = self._folder / "again"
        inner.mkdir()
        for file in old:
            self._move(file, (0, 0, 0, 0), self._depth, inner, self._files, cancel)

    def _cut(self, file: _TileFile, cancel: CancelToken) -> list[_TileFile]:
        """The tile's points in smaller tiles; its own file is gone."""
        depth = min(file.key[0] + _CUT_LEVELS, _DEEPEST)
        parts: dict[NodeKey, _TileFile] = {}
        self._move(file, file.key, depth, file.path.parent, parts, cancel)
        return sorted(parts.values(), key=lambda part: part.key, reverse=True)

    def _move(
        self,
        file: _TileFile,
        parent: NodeKey,
        depth: int,
        folder: Path,
        files: dict[NodeKey, _TileFile],
        cancel: CancelToken,
    ) -> None:
        with file.path.open("rb") as stream:
            while True:
                cancel.check()
                block = np.fromfile(stream, self._dtype, count=_BLOCK_POINTS)
                if not len(block):
                    break
                _scatter(block, self._cube, parent, depth, folder, files)
        file.path.unlink()


def _depth_for(count: int, bounds: Sequence[float], side: float) -> int:
    """The depth at which tiles of an evenly covered ground hold a million points."""
    depth = 0
    while depth < _MOST_DEPTH_A_PASS:
        cell = side / (1 << depth)
        across = math.ceil((bounds[3] - bounds[0]) / cell) or 1
        along = math.ceil((bounds[4] - bounds[1]) / cell) or 1
        if count <= _MEAN_POINTS * across * along:
            break
        depth += 1
    return max(depth, 1)


def _scatter(
    points: np.ndarray,
    cube: Cube,
    parent: NodeKey,
    depth: int,
    folder: Path,
    files: dict[NodeKey, _TileFile],
) -> None:
    """Append points, all in `parent`, to the files of their tiles of `depth`."""
    fine = cube.cells(points, _DEEPEST)
    up = _DEEPEST - depth
    shift = depth - parent[0]
    number = np.zeros(len(points), np.int64)
    for axis in range(3):
        number = (number << shift) | ((fine[axis] >> up) - (parent[axis + 1] << shift))
    order = np.argsort(number.astype(np.uint16), kind="stable")
    number, points = number[order], taken(points, order)
    starts = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
    ends = [*starts[1:].tolist(), len(points)]
    corners = [np.minimum.reduceat(axis[order], starts) for axis in fine]
    far = [np.maximum.reduceat(axis[order], starts) for axis in fine]
    mask = (1 << shift) - 1
    for run, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        cell = int(number[start])
        parts = (cell >> (2 * shift), (cell >> shift) & mask, cell & mask)
        x, y, z = ((parent[axis + 1] << shift) | parts[axis] for axis in range(3))
        least = np.array([axis[run] for axis in corners])
        most = np.array([axis[run] for axis in far])
        _append(files, folder, (depth, x, y, z), points[start:end], least, most)


def _append(
    files: dict[NodeKey, _TileFile],
    folder: Path,
    key: NodeKey,
    points: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
) -> None:
    file = files.get(key)
    if file is None:
        path = folder / f"{'-'.join(map(str, key))}.points"
        file = files[key] = _TileFile(path, key, 0, least, most)
    file.count += len(points)
    file.least, file.most = np.minimum(file.least, least), np.maximum(file.most, most)
    with file.path.open("ab") as stream:
        # tofile hides a full disk's reason; a write tells it.
        stream.write(points.view(np.uint8).data)


def _narrow(file: _TileFile) -> None:
    """Make the tile the deepest node that holds all its points: a cube with outliers is empty for the most part."""
    apart = max(int(bits).bit_length() for bits in file.least ^ file.most)
    depth = _DEEPEST - apart
    if depth > file.key[0]:
        x, y, z = (int(cell) >> apart for cell in file.least)
        file.key = (depth, x, y, z)
