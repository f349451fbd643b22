"""Points on disk by tile, so that a cloud of any size is worked on square by square in bounded memory.

One binary file a tile, no file kept open; records of 19 bytes, 25 with colour; coordinates in whole millimetres.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.points.blocks import BlockPoints, Surroundings, make_block
from inference_backend.points.metric import finite
from inference_backend.points.surface import refuse_absurd
from inference_backend.points.tile_records import MM, Tile, pack, record_type, unpack

# A block's answer is a row of probabilities a point: 2 M points of 40 classes are 160 MB in float16.
MAX_TILE_POINTS = 2_000_000
MIN_SIDE_M = 8.0
BUFFER_BYTES = 64 << 20
# Answers wait for their neighbours' votes: so many points may wait in one panel of tiles.
WAITING_POINTS = 2_000_000


class TileStore:
    """Takes the points of a cloud in any order, then gives them back by tile with what lies around it.

    `bounds_m` (xmin, ymin, xmax, ymax) and `tile_m` set the tiles; points outside go to the nearest. Fill with `add`,
    then call `finish` once; `tiles` and `block` come after. The folder belongs to the store and is its owner's to
    remove.
    """

    def __init__(
        self,
        folder: Path,
        bounds_m: Sequence[float],
        tile_m: float,
        max_points: int = MAX_TILE_POINTS,
    ) -> None:
        refuse_absurd(bounds_m)
        self.folder = Path(folder)
        self.tile_m = float(tile_m)
        self.max_points = max_points
        # Edges lie on multiples of the side, so that an extent of a cloud has the tiles of the whole.
        first_col, first_row = (math.floor(bounds_m[axis] / tile_m) for axis in (0, 1))
        self.corner_m = (first_col * self.tile_m, first_row * self.tile_m)
        self.cols = math.floor(bounds_m[2] / tile_m) - first_col + 1
        self.rows = math.floor(bounds_m[3] / tile_m) - first_row + 1
        self.count = 0
        self.dropped = 0
        self._dtype: np.dtype | None = None
        self._brightest = 0
        self._buffers: dict[int, list[np.ndarray]] = defaultdict(list)
        self._buffered = 0
        self._counts: dict[int, int] = defaultdict(int)
        self._tiles: list[Tile] | None = None
        self._by_square: dict[tuple[int, int], list[Tile]] = defaultdict(list)

    def add(
        self,
        index: np.ndarray,
        x_m: np.ndarray,
        y_m: np.ndarray,
        z_m: np.ndarray,
        intensity: np.ndarray,
        return_number: np.ndarray,
        number_of_returns: np.ndarray,
        rgb: np.ndarray | None = None,
    ) -> None:
        """Add points (N,) of the metric frame; `rgb` uint16 (N, 3). Coordinates that are no numbers are dropped.

        Raises:
            InvalidInput: more than 4 billion points.
            ResourceProblem: the folder cannot be written.
        """
        keep = finite(x_m, y_m, z_m)
        self.dropped += int(len(keep) - np.count_nonzero(keep))
        if len(keep) and int(np.max(index)) >= 2**32:
            raise InvalidInput(
                "The cloud has more than 4 billion points: classify an extent of it."
            )
        if self._dtype is None:
            self._dtype = record_type(rgb is not None)
        columns = (index, x_m, y_m, z_m, intensity, return_number, number_of_returns)
        records = pack(self._dtype, [column[keep] for column in columns], rgb, keep)
        if "rgb" in (self._dtype.names or ()):
            self._brightest = max(self._brightest, int(records["rgb"].max(initial=0)))
        self._spread(records)

    def _spread(self, records: np.ndarray) -> None:
        squares = self._square_of(records["xyz"][:, 0] * MM, records["xyz"][:, 1] * MM)
        # numpy sorts keys of 16 bits by radix, eight times as fast as longer ones.
        narrow = self.rows * self.cols <= 2**16
        order = np.argsort(squares.astype(np.uint16) if narrow else squares, kind="stable")
        squares, sorted_records = squares[order], records[order]
        starts = np.flatnonzero(np.diff(squares, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(squares)], strict=True):
            square = int(squares[start])
            self._buffers[square].append(sorted_records[start:end])
            self._counts[square] += int(end - start)
        self.count += len(records)
        self._buffered += records.nbytes
        if self._buffered > BUFFER_BYTES:
            self._flush()

    def _square_of(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        col = np.clip((x_m - self.corner_m[0]) // self.tile_m, 0, self.cols - 1)
        row = np.clip((y_m - self.corner_m[1]) // self.tile_m, 0, self.rows - 1)
        return (row * self.cols + col).astype(np.int64)

    def _flush(self) -> None:
        for square, parts in self._buffers.items():
            self._append(f"{square}.points", parts)
        self._buffers.clear()
        self._buffered = 0

    def _append(self, name: str, parts: Sequence[np.ndarray]) -> None:
        try:
            with (self.folder / name).open("ab") as file:
                for part in parts:
                    file.write(part.tobytes())
        except OSError as error:
            raise ResourceProblem(
                f"Temporary files cannot be written to {self.folder}: {error.strerror}. "
                "Free some space there, or choose another folder.",
                str(error),
            ) from error

    def finish(self) -> None:
        """No more points: write what is buffered and split tiles that hold too many."""
        self._flush()
        squares = []
        for square, count in self._counts.items():
            row, col = divmod(square, self.cols)
            corner = (
                self.corner_m[0] + col * self.tile_m,
                self.corner_m[1] + row * self.tile_m,
            )
            whole = Tile(0, corner, self.tile_m, count, f"{square}.points")
            squares.append(((row, col), self._split(whole)))
        width = self._panel_columns()
        squares.sort(key=lambda item: (item[0][1] // width, item[0]))
        self._tiles = []
        for place, parts in squares:
            for part in parts:
                tile = Tile(
                    len(self._tiles), part.corner_m, part.side_m, part.count, part.file, part.first
                )
                self._tiles.append(tile)
                self._by_square[place].append(tile)

    def _panel_columns(self) -> int:
        fullest = max(self._counts.values(), default=1)
        return max(2, WAITING_POINTS // max(1, fullest // 2))

    def _split(self, tile: Tile) -> list[Tile]:
        """The tile, or its quarters where it holds too many points, down to `MIN_SIDE_M`; then parts by order."""
        if tile.count <= self.max_points:
            return [tile]
        half = tile.side_m / 2
        if half < MIN_SIDE_M:
            starts = range(0, tile.count, self.max_points)
            return [
                Tile(
                    0,
                    tile.corner_m,
                    tile.side_m,
                    min(self.max_points, tile.count - start),
                    tile.file,
                    start,
                )
                for start in starts
            ]
        middle = (tile.corner_m[0] + half, tile.corner_m[1] + half)
        counts = [0, 0, 0, 0]
        stem = tile.file.removesuffix(".points")
        for start in range(0, tile.count, 1_000_000):
            records = self._read(tile.file, start, min(1_000_000, tile.count - start))
            right = records["xyz"][:, 0] * MM >= middle[0]
            quarter = right + 2 * (records["xyz"][:, 1] * MM >= middle[1])
            for number in range(4):
                part = records[quarter == number]
                if len(part):
                    self._append(f"{stem}-{number}.points", [part])
                    counts[number] += len(part)
        (self.folder / tile.file).unlink()
        tiles: list[Tile] = []
        for number, count in enumerate(counts):
            if count:
                corner = (
                    tile.corner_m[0] + half * (number % 2),
                    tile.corner_m[1] + half * (number // 2),
                )
                tiles += self._split(Tile(0, corner, half, count, f"{stem}-{number}.points"))
        return tiles

    def tiles(self) -> list[Tile]:
        """Tiles that hold points, in the order in which few answers have to wait for their neighbours."""
        if self._tiles is None:
            raise RuntimeError("TileStore.finish comes before tiles")
        return self._tiles

    def neighbours(self, tile: Tile, halo_m: float) -> list[Tile]:
        """Other tiles whose core the halo of this one reaches."""
        xmin, ymin, xmax, ymax = tile.bounds_m
        left, low = xmin - halo_m, ymin - halo_m
        right, high = xmax + halo_m, ymax + halo_m
        cols = [int((x - self.corner_m[0]) // self.tile_m) for x in (left, right)]
        rows = [int((y - self.corner_m[1]) // self.tile_m) for y in (low, high)]
        found = []
        for row in range(rows[0], rows[1] + 1):
            for col in range(cols[0], cols[1] + 1):
                for other in self._by_square.get((row, col), ()):
                    x0, y0, x1, y1 = other.bounds_m
                    if x0 < right and x1 > left and y0 < high and y1 > low and other != tile:
                        found.append(other)
        return found

    def block(self, tile: Tile, halo_m: float, around: Surroundings) -> BlockPoints:
        """The tile's points as core, and its neighbours' points within `halo_m` of it."""
        xmin, ymin, xmax, ymax = tile.bounds_m
        parts = [self._read(tile.file, tile.first, tile.count)]
        owners = [np.full(tile.count, tile.id, np.int32)]
        for other in self.neighbours(tile, halo_m):
            records = self._read(other.file, other.first, other.count)
            x, y = records["xyz"][:, 0] * MM, records["xyz"][:, 1] * MM
            near = (x >= xmin - halo_m) & (x < xmax + halo_m)
            near &= (y >= ymin - halo_m) & (y < ymax + halo_m)
            # Parts of one square hold points of the same places: as halo of each other they would all be read twice.
            if near.any() and other.corner_m != tile.corner_m:
                parts.append(records[near])
                owners.append(np.full(int(near.sum()), other.id, np.int32))
        records, owner = np.concatenate(parts), np.concatenate(owners)
        points = unpack(records, coloured=self._brightest > 0)
        return make_block(
            points, around, tile.bounds_m, halo_m, self.rgb_full, owner, owner == tile.id
        )

    @property
    def rgb_full(self) -> float:
        """Value of full colour: many files keep 8 bits in fields of 16."""
        return 255.0 if self._brightest <= 255 else 65_535.0

    def _read(self, name: str, first: int, count: int) -> np.ndarray:
        if self._dtype is None:
            raise RuntimeError("no point was added")
        try:
            return np.fromfile(
                self.folder / name, self._dtype, count, offset=first * self._dtype.itemsize
            )
        except OSError as error:
            raise ResourceProblem(
                f"A temporary file of {self.folder} cannot be read: {error.strerror}.", str(error)
            ) from error
