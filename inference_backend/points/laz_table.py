"""The chunks of a LAZ file, checked against what the file can hold before a decoder allocates memory for them."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

import lazrs

from inference_backend.errors import InvalidInput

_POINTWISE_CHUNKED, _LAYERED_CHUNKED = 2, 3
# Larger chunks than this are decoded point by point: their number of points may be a lie.
_WHOLE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class LazTable:
    """Compressed chunks: points, first point, file position and bytes of each. `whole`: whether one fits in memory."""

    record: bytes
    whole: bool
    counts: tuple[int, ...]
    starts: tuple[int, ...]
    places: tuple[int, ...]
    lengths: tuple[int, ...]

    def decode(self, file: BinaryIO, chunk: int, end: int, point_bytes: int) -> bytearray:
        """All points of the chunks from `chunk` to before `end`, on all cores."""
        table = list(zip(self.counts[chunk:end], self.lengths[chunk:end], strict=True))
        return self._decode(file, chunk, table, point_bytes)

    def decode_start(self, file: BinaryIO, chunk: int, count: int, point_bytes: int) -> bytearray:
        """The first `count` points of a chunk; the decoder stops there."""
        count = min(count, self.counts[chunk])
        return self._decode(file, chunk, [(count, self.lengths[chunk])], point_bytes)

    def _decode(
        self, file: BinaryIO, chunk: int, table: list[tuple[int, int]], point_bytes: int
    ) -> bytearray:
        file.seek(self.places[chunk])
        compressed = file.read(sum(length for _, length in table))
        points = bytearray(sum(count for count, _ in table) * point_bytes)
        lazrs.decompress_points_with_chunk_table(compressed, self.record, points, table)
        return points


def truncated(name: str, expected: int) -> InvalidInput:
    """What is said of a file that ends before all its points."""
    return InvalidInput(
        f"'{name}' is cut off or damaged: its header promises {expected:,} points and the file holds fewer; copy or download "
        "it again."
    )


def read_table(
    file: BinaryIO, size: int, data_at: int, record: bytes, count: int, point_bytes: int, name: str
) -> LazTable:
    """Read and check the table. `record` is the LASzip record, `count` the header's. Raises InvalidInput."""
    vlr = _check_record(record, point_bytes, name)
    table_at = _table_place(file, size, data_at, count, name)
    file.seek(table_at)
    version, chunks = struct.unpack("<LL", file.read(8))
    # A chunk has its first point uncompressed.
    if version != 0 or chunks > (table_at - data_at - 8) // max(1, min(point_bytes, 20)):
        raise truncated(name, count)
    if not chunks:
        raise truncated(name, count)
    try:
        # The table ends the file, or records follow: it is no longer than its numbers could be.
        file.seek(table_at)
        table = lazrs.read_chunk_table_only(io.BytesIO(file.read(8 + 16 * chunks + 64)), vlr)
    except (lazrs.LazrsError, RuntimeError, OSError) as error:
        raise truncated(name, count) from error
    if not vlr.uses_variable_size_chunks():
        table = [(vlr.chunk_size(), length) for _, length in table]
    if len(table) != chunks or sum(length for _, length in table) > table_at - data_at - 8:
        raise truncated(name, count)
    _check_counts(table, vlr, count, name)
    counts, lengths = [points for points, _ in table], [length for _, length in table]
    counts[-1] = count - sum(counts[:-1])
    return LazTable(
        record,
        max(counts) * point_bytes <= _WHOLE_BYTES,
        tuple(counts),
        tuple(accumulate(counts[:-1], initial=0)),
        tuple(accumulate(lengths[:-1], initial=data_at + 8)),
        tuple(lengths),
    )


def _check_record(record: bytes, point_bytes: int, name: str) -> lazrs.LazVlr:
    if len(record) < 34:
        raise InvalidInput(f"'{name}' is compressed but does not say how: it is damaged.")
    if struct.unpack_from("<H", record)[0] not in (_POINTWISE_CHUNKED, _LAYERED_CHUNKED):
        raise InvalidInput(
            f"'{name}' is compressed as LASzip did before 2011: write it again with a newer LASzip first."
        )
    try:
        vlr = lazrs.LazVlr(record)
        item_bytes = vlr.item_size()
    except (lazrs.LazrsError, ValueError) as error:
        raise InvalidInput(
            f"The compression of '{name}' is unknown or damaged.", str(error)
        ) from error
    if item_bytes != point_bytes or (not vlr.uses_variable_size_chunks() and not vlr.chunk_size()):
        raise InvalidInput(f"'{name}' contradicts itself on the size of its points: it is damaged.")
    return vlr


def _table_place(file: BinaryIO, size: int, data_at: int, count: int, name: str) -> int:
    """Where the table lies; a file that was written to a pipe says so in its last 8 bytes."""
    if data_at + 16 > size:
        raise truncated(name, count)
    file.seek(data_at)
    place = struct.unpack("<q", file.read(8))[0]
    if place == -1:
        file.seek(size - 8)
        place = struct.unpack("<q", file.read(8))[0]
    if not data_at + 8 <= place <= size - 8:
        raise truncated(name, count)
    return place


def _check_counts(table: list[tuple[int, int]], vlr: lazrs.LazVlr, count: int, name: str) -> None:
    """The last chunk of a fixed size is as full as the header says; all others say themselves."""
    held = sum(points for points, _ in table)
    least = held if vlr.uses_variable_size_chunks() else held - vlr.chunk_size() + 1
    if count > held:
        raise truncated(name, count)
    if count < least:
        raise InvalidInput(
            f"The header of '{name}' promises {count:,} points and the file holds at least {least:,}: repair it, for instance "
            "with 'pdal translate IN OUT' or 'lasinfo -repair'."
        )
