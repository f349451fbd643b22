"""Headers and records of LAS files as bytes: what is not ours is kept as it is, down to its padding."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import laspy
import numpy as np

from inference_backend.version import backend_version

HEADER_BYTES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 393}
LASZIP = (b"laszip encoded", 22204)
EXTRA_BYTES = (b"LASF_Spec", 4)
WKT = (b"LASF_Projection", 2112)
WKT_BIT = 1 << 4
_VLR = struct.Struct("<H16sHH32s")
_EVLR = struct.Struct("<H16sHQ32s")
_COMPRESSED_BIT = 128


@dataclass(frozen=True)
class Record:
    """A VLR or EVLR. `user_id` and `description` are without the zero bytes that fill them up."""

    user_id: bytes
    record_id: int
    data: bytes
    description: bytes = b""
    reserved: int = 0

    @property
    def key(self) -> tuple[bytes, int]:
        return self.user_id, self.record_id

    def vlr_bytes(self) -> bytes:
        """As it stands before the points; `data` has at most 65535 bytes."""
        return self._bytes(_VLR)

    def evlr_bytes(self) -> bytes:
        """As it stands after the points."""
        return self._bytes(_EVLR)

    def _bytes(self, form: struct.Struct) -> bytes:
        size = len(self.data)
        head = form.pack(self.reserved, self.user_id, self.record_id, size, self.description)
        return head + self.data


def read_records(path: Path) -> tuple[list[Record], list[Record]]:
    """The VLRs and EVLRs of a LAS, LAZ or COPC file that a reader has found sound."""
    with path.open("rb") as stream:
        head = stream.read(max(HEADER_BYTES.values()))
        size, _, count = struct.unpack_from("<HII", head, 94)
        stream.seek(size)
        vlrs = _read(stream, count, _VLR)
        evlrs: list[Record] = []
        if head[25] >= 4:
            start, count = struct.unpack_from("<QI", head, 235)
            if count:
                stream.seek(start)
                evlrs = _read(stream, count, _EVLR)
    return vlrs, evlrs


def _read(stream: BinaryIO, count: int, form: struct.Struct) -> list[Record]:
    records = []
    for _ in range(count):
        head = stream.read(form.size)
        if len(head) < form.size:
            break
        reserved, user_id, record_id, size, description = form.unpack(head)
        data = stream.read(size)
        name, text = user_id.split(b"\0")[0], description.split(b"\0")[0]
        records.append(Record(name, record_id, data, text, reserved))
    return records


def records_of(header: laspy.LasHeader) -> tuple[list[Record], list[Record]]:
    """The same from a header that was made for a source that is no LAS file."""
    return _plain(header.vlrs), _plain(header.evlrs or ())


def _plain(records: Iterable[laspy.VLR]) -> list[Record]:
    return [
        Record(
            one.user_id.encode("ascii", "replace"),
            one.record_id,
            bytes(one.record_data_bytes()),
            _text(one.description),
        )
        for one in records
    ]


@dataclass
class Tally:
    """What a header says of its points, gathered while they pass."""

    count: int = 0
    by_return: np.ndarray = field(default_factory=lambda: np.zeros(16, np.int64))
    least: list[int] = field(default_factory=list)
    most: list[int] = field(default_factory=list)
    gps_time: tuple[float, float] | None = None

    def add(self, points: np.ndarray, return_number: np.ndarray) -> None:
        """`points` structured with X, Y, Z and perhaps gps_time (N,), `return_number` uint8 (N,)."""
        if not len(points):
            return
        self.count += len(points)
        self.by_return += np.bincount(return_number, minlength=16)[:16]
        least = [int(points[name].min()) for name in "XYZ"]
        most = [int(points[name].max()) for name in "XYZ"]
        self.least = [min(pair) for pair in zip(self.least or least, least, strict=True)]
        self.most = [max(pair) for pair in zip(self.most or most, most, strict=True)]
        if "gps_time" in (points.dtype.names or ()):
            low, high = float(points["gps_time"].min()), float(points["gps_time"].max())
            before = self.gps_time or (low, high)
            self.gps_time = (min(before[0], low), max(before[1], high))

    def bounds(self, header: laspy.LasHeader) -> tuple[list[float], list[float]]:
        """(least, most) x, y, z in the source frame; zeros without points."""
        if not self.count:
            return [0.0] * 3, [0.0] * 3
        least = [float(self.least[i] * header.scales[i] + header.offsets[i]) for i in range(3)]
        most = [float(self.most[i] * header.scales[i] + header.offsets[i]) for i in range(3)]
        return least, most


@dataclass(frozen=True)
class Head:
    """All that stands before the points. `source` gives what is kept: ids, day, scales, offsets."""

    source: laspy.LasHeader
    minor: int
    point_format: int
    record_size: int
    compressed: bool
    wkt_bit: bool
    vlrs: Sequence[Record]
    extra_header: bytes = b""
    extra_vlr: bytes = b""

    @property
    def size(self) -> int:
        """Where the points begin."""
        records = sum(_VLR.size + len(record.data) for record in self.vlrs)
        return self._header_size + records + len(self.extra_vlr)

    @property
    def _header_size(self) -> int:
        return HEADER_BYTES[self.minor] + len(self.extra_header)

    def to_bytes(self, tally: Tally, first_evlr: int = 0, evlrs: int = 0) -> bytes:
        """Header and VLRs, `size` bytes whatever the tally."""
        source, least_most = self.source, tally.bounds(self.source)
        day = source.creation_date
        encoding = source.global_encoding.value & ~WKT_BIT | (WKT_BIT if self.wkt_bit else 0)
        shown = self.point_format | (_COMPRESSED_BIT if self.compressed else 0)
        parts = [
            struct.pack("<4sHH", b"LASF", source.file_source_id, encoding),
            source.uuid.bytes_le,
            struct.pack("<BB", 1, self.minor),
            struct.pack(
                "<32s32s", _text(source.system_identifier), f"CitySeg {backend_version()}".encode()
            ),
            struct.pack("<HH", day.timetuple().tm_yday if day else 0, day.year if day else 0),
            struct.pack("<HII", self._header_size, self.size, len(self.vlrs)),
            struct.pack("<BH", shown, self.record_size),
            struct.pack("<6I", *self._old_counts(tally)),
            struct.pack("<3d", *source.scales),
            struct.pack("<3d", *source.offsets),
        ]
        for axis in range(3):
            parts.append(struct.pack("<2d", least_most[1][axis], least_most[0][axis]))
        if self.minor >= 3:
            parts.append(struct.pack("<Q", 0))
        if self.minor >= 4:
            parts.append(struct.pack("<QIQ", first_evlr, evlrs, tally.count))
            parts.append(struct.pack("<15Q", *(int(n) for n in tally.by_return[1:])))
        if self.minor >= 5:
            low, high = tally.gps_time or (0.0, 0.0)
            parts.append(struct.pack("<2dH", high, low, source.gps_time_offset))
        parts.append(self.extra_header)
        parts += [record.vlr_bytes() for record in self.vlrs]
        return b"".join([*parts, self.extra_vlr])

    def _old_counts(self, tally: Tally) -> list[int]:
        """32-bit counts; newer formats and more points have zeros there."""
        if self.point_format >= 6 or tally.count > 0xFFFFFFFF:
            return [0] * 6
        return [tally.count, *(int(n) for n in tally.by_return[1:6])]


def _text(value: str | bytes) -> bytes:
    return (value.encode("utf-8") if isinstance(value, str) else bytes(value)).split(b"\0")[0]
