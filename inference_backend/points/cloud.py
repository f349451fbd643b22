"""What every reader of point clouds gives: what the cloud is, and its points in chunks, each exactly once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import laspy
import numpy as np
import pyproj
from laspy.point.record import ScaleAwarePointRecord

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput

Bounds2D = tuple[float, float, float, float]
Bounds3D = tuple[float, float, float, float, float, float]

CHUNK_POINTS = 1_000_000
# Read at once: few enough that a cancel is seen soon, enough for both cores of a decoder.
_PIECE_POINTS = 250_000


@dataclass(frozen=True)
class CloudInfo:
    """What is known of a cloud before its points are read. Bounds are (minx, miny, minz, maxx, maxy, maxz)."""

    path: Path
    kind: str
    count: int
    bounds_source: Bounds3D
    crs: pyproj.CRS | None
    crs_wkt: str
    point_format: int
    dims: tuple[str, ...]
    has_rgb: bool
    xy_unit_m: float
    z_unit_m: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Some points. `index` int64 (N,) is each point's place in the input's order, from 0; all arrays are (N,)."""

    index: np.ndarray
    record: ScaleAwarePointRecord

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def x(self) -> np.ndarray:
        """float64, source frame."""
        return self._scaled("X", 0)

    @cached_property
    def y(self) -> np.ndarray:
        """float64, source frame."""
        return self._scaled("Y", 1)

    @cached_property
    def z(self) -> np.ndarray:
        """float64, source frame."""
        return self._scaled("Z", 2)

    @property
    def intensity(self) -> np.ndarray:
        """uint16."""
        return self.record.array["intensity"]

    @cached_property
    def return_number(self) -> np.ndarray:
        """uint8, from 1; 0 where the file says nothing."""
        return np.asarray(self.record["return_number"], np.uint8)

    @cached_property
    def number_of_returns(self) -> np.ndarray:
        """uint8; 0 where the file says nothing."""
        return np.asarray(self.record["number_of_returns"], np.uint8)

    @cached_property
    def classification(self) -> np.ndarray:
        """uint8, ASPRS codes as the file has them."""
        return np.asarray(self.record["classification"], np.uint8)

    @cached_property
    def rgb(self) -> np.ndarray | None:
        """uint16 (N, 3) as the file has it (some files use 8 bits of the 16), None without colours."""
        array = self.record.array
        if "red" not in (array.dtype.names or ()):
            return None
        return np.stack([array["red"], array["green"], array["blue"]], axis=1)

    def _scaled(self, name: str, axis: int) -> np.ndarray:
        record = self.record
        return record.array[name] * float(record.scales[axis]) + float(record.offsets[axis])


@dataclass(frozen=True)
class Piece:
    """Points as a reader decodes them: structured array of the header's dtype, and the place of each in the input."""

    index: np.ndarray
    array: np.ndarray


class PointCloud(ABC):
    """A cloud on disk. Nothing but its header is held in memory; each `chunks` reads from the beginning."""

    def __init__(self, info: CloudInfo, header: laspy.LasHeader) -> None:
        self.info, self.header = info, header
        self._running: list[Generator[Chunk, None, None]] = []

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is read and must not be written: the file, the folder of an EPT, a list and the files on it."""
        return (self.info.path,)

    @abstractmethod
    def pieces(self, most: int, bounds_source: Bounds2D | None) -> Iterator[Piece]:
        """All points in the input's order, at most `most` at once; with bounds, what cannot be inside may be left out."""

    def chunks(
        self,
        size: int = CHUNK_POINTS,
        bounds_source: Bounds2D | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Chunk]:
        """Every point once, at most `size` at a time; with bounds (xmin, ymin, xmax, ymax), those inside or on the edge.

        Raises InvalidInput where the file is broken, Cancelled.
        """
        if size < 1:
            raise InvalidInput("A chunk holds at least one point.")
        running = self._chunks(size, bounds_source, cancel or CancelToken())
        self._running = [one for one in self._running if one.gi_frame is not None] + [running]
        return running

    def _chunks(
        self, size: int, bounds_source: Bounds2D | None, cancel: CancelToken
    ) -> Generator[Chunk, None, None]:
        waiting: list[Piece] = []
        held = 0
        for piece in self._checked(min(size, _PIECE_POINTS), bounds_source, cancel):
            if held and held + len(piece.index) > size:
                yield self._chunk(waiting)
                waiting, held = [], 0
            waiting.append(piece)
            held += len(piece.index)
        if held:
            yield self._chunk(waiting)

    def _checked(
        self, most: int, bounds_source: Bounds2D | None, cancel: CancelToken
    ) -> Iterator[Piece]:
        """The pieces, cut to the bounds; a cloud whose points leave the stated bounds is no cloud that a grid can hold."""
        limits = _Limits(self.info, self.header)
        cancel.check()
        for piece in self.pieces(most, bounds_source):
            cancel.check()
            limits.check(piece)
            if bounds_source is not None:
                piece = _cut(piece, bounds_source, self.header)
            if len(piece.index):
                yield piece

    def _chunk(self, pieces: list[Piece]) -> Chunk:
        if len(pieces) == 1:
            index, array = pieces[0].index, pieces[0].array
        else:
            index = np.concatenate([piece.index for piece in pieces])
            array = np.concatenate([piece.array for piece in pieces])
        header = self.header
        record = ScaleAwarePointRecord(array, header.point_format, header.scales, header.offsets)
        return Chunk(index, record)

    def close(self) -> None:
        """Let go of the files of iterations that were not read to their end."""
        for running in self._running:
            running.close()
        self._running.clear()

    def __enter__(self) -> PointCloud:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Limits:
    """The stated bounds as integers, with room for what headers round."""

    def __init__(self, info: CloudInfo, header: laspy.LasHeader) -> None:
        self._info = info
        self._least, self._most = [], []
        for axis in range(3):
            scale, offset = float(header.scales[axis]), float(header.offsets[axis])
            low, high = info.bounds_source[axis], info.bounds_source[axis + 3]
            # Headers are written with few digits, or from floats before they were rounded to integers.
            room = slack(low, high, scale)
            self._least.append((low - room - offset) / scale)
            self._most.append((high + room - offset) / scale)

    def check(self, piece: Piece) -> None:
        if not len(piece.index):
            return
        for axis, name in enumerate("XYZ"):
            values = piece.array[name]
            if values.min() < self._least[axis] or values.max() > self._most[axis]:
                raise InvalidInput(
                    f"'{self._info.path.name}' has points outside the bounds that its header states ({name.lower()} axis, at or "
                    f"after point {int(piece.index[0]) + 1}): the file is damaged or its header is wrong; repair it, for "
                    "instance with 'pdal translate IN OUT'."
                )


def slack(low: float, high: float, scale: float) -> float:
    """How far outside stated bounds a point may lie, in the unit of the bounds."""
    return max(2 * scale, 1.0, 0.001 * (high - low))


def _cut(piece: Piece, bounds_source: Bounds2D, header: laspy.LasHeader) -> Piece:
    xmin, ymin, xmax, ymax = bounds_source
    x = piece.array["X"] * float(header.scales[0]) + float(header.offsets[0])
    y = piece.array["Y"] * float(header.scales[1]) + float(header.offsets[1])
    inside = (x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax)
    if inside.all():
        return piece
    return Piece(piece.index[inside], piece.array[inside])
