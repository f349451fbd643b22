"""Points of a LAS or LAZ file, in the file's order. A COPC file is one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import laspy
import lazrs
import numpy as np

from inference_backend.errors import CitySegError, InvalidInput, ResourceProblem
from inference_backend.points.bounds import checked_bounds
from inference_backend.points.cloud import Bounds2D, Bounds3D, CloudInfo, Piece, PointCloud
from inference_backend.points.las_header import read_header
from inference_backend.points.laz_table import LazTable, read_table, truncated
from inference_backend.points.units import CloudCrs, carry_crs, cloud_crs, given_crs, header_crs

# What a decoder throws at damaged bytes. pyo3's panics are no Exception; they are known by name.
DECODER_FAULTS = (lazrs.LazrsError, RuntimeError, ValueError, OSError)


_LOOKS, _LOOK_POINTS, _SCAN_POINTS = 9, 2_000, 250_000


class LasFile:
    """A LAS or LAZ file whose header is checked; `points` reads any run of its points."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        with opened(path) as file:
            size = path.stat().st_size
            self.header = read_header(file, size, self.name)
            self.count = int(self.header.point_count)
            self.data_at = int(self.header.offset_to_point_data)
            self.dtype = self.header.point_format.dtype()
            self.point_bytes = int(self.header.point_format.size)
            if not self.count:
                raise InvalidInput(f"'{self.name}' holds no points.")
            self.table = self._table(file, size)
        # They describe the layout of the file, not the cloud, and no writer may carry them along.
        self.copc_records = [vlr for vlr in self.header.vlrs if vlr.user_id == "copc"]
        for record in self.copc_records:
            self.header.vlrs.remove(record)

    def _table(self, file: BinaryIO, size: int) -> LazTable | None:
        if not self.header.are_points_compressed:
            if self.count * self.point_bytes > size - self.data_at:
                raise truncated(self.name, self.count)
            return None
        records = self.header.vlrs.extract("LasZipVlr")
        record = records[0].record_data_bytes() if records else b""
        return read_table(file, size, self.data_at, record, self.count, self.point_bytes, self.name)

    def points(self, most: int) -> Iterator[Piece]:
        """All points in the file's order, at most `most` at once. Raises InvalidInput where the bytes are damaged."""
        if self.table is None:
            yield from self._plain(most)
        elif self.table.whole:
            yield from self.chunks_of_points(most, range(len(self.table.counts)))
        else:
            yield from self._one_by_one(most)

    def looks(self, places: int, most: int) -> Iterator[np.ndarray]:
        """The points at some places of the file, `most` at each, as structured arrays."""
        if self.table is not None and not self.table.whole:
            yield next(self._one_by_one(most)).array
            return
        with opened(self.path) as file:
            step = -(-self._steps // places)
            for place in range(0, self._steps, step):
                with self._decoding():
                    if self.table is None:
                        file.seek(self.data_at + place * self.point_bytes)
                        raw = file.read(min(most, self.count - place) * self.point_bytes)
                    else:
                        raw = self.table.decode_start(file, place, most, self.point_bytes)
                yield np.frombuffer(raw, self.dtype)

    def bounds(self) -> tuple[Bounds3D, tuple[str, ...]]:
        """The header's bounds in the source frame, or the points' own where it lies; and warnings."""
        stated = (*self.header.mins, *self.header.maxs)
        return checked_bounds(
            stated,
            self.header,
            lambda: self.looks(_LOOKS, _LOOK_POINTS),
            lambda: (piece.array for piece in self.points(_SCAN_POINTS)),
            self.name,
        )

    @property
    def _steps(self) -> int:
        """How many places there are where reading can begin at no cost."""
        return self.count if self.table is None else len(self.table.counts)

    def _plain(self, most: int) -> Iterator[Piece]:
        with opened(self.path) as file:
            file.seek(self.data_at)
            for first in range(0, self.count, most):
                count = min(most, self.count - first)
                raw = bytearray(file.read(count * self.point_bytes))
                if len(raw) < count * self.point_bytes:
                    raise truncated(self.name, self.count)
                yield Piece(_run(first, count), np.frombuffer(raw, self.dtype))

    def chunks_of_points(self, most: int, chunks: Sequence[int]) -> Iterator[Piece]:
        """The points of these compressed chunks (ascending), neighbours decoded together, at most `most` points at once."""
        with opened(self.path) as file:
            for chunk, end in _batches(chunks, self.table.counts, most):
                with self._decoding():
                    raw = self.table.decode(file, chunk, end, self.point_bytes)
                array, first = np.frombuffer(raw, self.dtype), self.table.starts[chunk]
                for at in range(0, len(array), most):
                    part = array[at : at + most]
                    yield Piece(_run(first + at, len(part)), part)

    def _one_by_one(self, most: int) -> Iterator[Piece]:
        """For chunks too large to hold: one core, and no more memory than what is asked for."""
        with opened(self.path) as file:
            with self._decoding():
                file.seek(self.data_at)
                decoder = lazrs.LasZipDecompressor(file, self.table.record)
            for first in range(0, self.count, most):
                raw = bytearray(min(most, self.count - first) * self.point_bytes)
                with self._decoding():
                    decoder.decompress_many(raw)
                array = np.frombuffer(raw, self.dtype)
                yield Piece(_run(first, len(array)), array)

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """A decoder's fault as a sentence."""
        try:
            yield
        except CitySegError:
            raise
        except DECODER_FAULTS as error:
            raise truncated(self.name, self.count) from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise truncated(self.name, self.count) from error


def _run(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.int64)


def _batches(chunks: Sequence[int], counts: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Runs (first, end) of neighbouring chunks of together at most `most` points, but one chunk at least."""
    at = 0
    while at < len(chunks):
        end, held = at + 1, counts[chunks[at]]
        while (
            end < len(chunks)
            and chunks[end] == chunks[end - 1] + 1
            and held + counts[chunks[end]] <= most
        ):
            held += counts[chunks[end]]
            end += 1
        yield chunks[at], chunks[end - 1] + 1
        at = end


class LasCloud(PointCloud):
    """One file."""

    def __init__(self, file: LasFile, info: CloudInfo) -> None:
        super().__init__(info, file.header)
        self._file = file

    def pieces(self, most: int, bounds_source: Bounds2D | None) -> Iterator[Piece]:
        yield from self._file.points(most)


def file_crs(
    header: laspy.LasHeader, crs: str | None, bounds: tuple[float, ...], name: str
) -> CloudCrs:
    """The header's CRS, or the user's, which then goes into the header as well."""
    if crs is None:
        found, wkt, warnings = header_crs(header)
        return cloud_crs(found, wkt, bounds, name, warnings)
    placed = cloud_crs(given_crs(crs), "", bounds, name)
    carry_crs(header, placed)
    return placed


def info_of(
    path: Path,
    kind: str,
    count: int,
    bounds: tuple[float, float, float, float, float, float],
    placed: CloudCrs,
    header: laspy.LasHeader,
    warnings: tuple[str, ...] = (),
) -> CloudInfo:
    """What is known of a cloud with this header."""
    point_format = header.point_format
    return CloudInfo(
        path=path,
        kind=kind,
        count=count,
        bounds_source=bounds,
        crs=placed.crs,
        crs_wkt=placed.wkt,
        point_format=int(point_format.id),
        dims=tuple(point_format.dimension_names),
        has_rgb="red" in point_format.standard_dimension_names,
        xy_unit_m=placed.xy_unit_m,
        z_unit_m=placed.z_unit_m,
        warnings=(*placed.warnings, *warnings),
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, for reading; what the system refuses becomes a sentence."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InvalidInput(f"'{path}' is not there.") from error
    except PermissionError as error:
        raise ResourceProblem(
            f"'{path}' may not be read: there is no permission to open it.", str(error)
        ) from error
    except OSError as error:
        raise ResourceProblem(
            f"'{path}' cannot be opened: {error.strerror}.", str(error)
        ) from error
    with file:
        yield file
