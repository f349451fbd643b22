"""The dimensions behind a LAS record's standard ones: which bytes they take, and how they are described."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from inference_backend.points.labels import CONF_DIMENSION, LABEL_DIMENSION
from inference_backend.points.las_head import EXTRA_BYTES, Record

OURS = (CONF_DIMENSION, LABEL_DIMENSION)
# LAS 1.4, table 24: types 1 to 10; 11 to 20 are pairs and 21 to 30 triples of them.
_TYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")
_STRUCT_BYTES = 192
_SCALED, _SHIFTED = 8, 16
# The length of a dimension of plain bytes is itself a byte.
_MOST_PLAIN = 255


@dataclass(frozen=True)
class ExtraField:
    """One dimension: `offset` in the extra bytes, `kind` of an element, `count` of them; `descriptor` its 192 bytes."""

    name: str
    offset: int
    kind: str
    count: int
    descriptor: bytes

    @property
    def size(self) -> int:
        return np.dtype(self.kind).itemsize * self.count

    @property
    def scale_offset(self) -> list[tuple[float, float]]:
        """(scale, offset) an element; (1, 0) where the descriptor has none."""
        options = self.descriptor[3]
        if self.descriptor[2] == 0:
            return [(1.0, 0.0)] * self.count
        numbers = struct.unpack_from("<6d", self.descriptor, 112)
        scales = numbers[:3] if options & _SCALED else (1.0,) * 3
        offsets = numbers[3:] if options & _SHIFTED else (0.0,) * 3
        return list(zip(scales, offsets, strict=True))[: self.count]


def described(records: Iterable[Record], extra_size: int) -> list[ExtraField]:
    """The dimensions of `extra_size` bytes, from all records that describe some; bytes without a word become plain ones.

    A file may have several such records, one after the other. Descriptors beyond the bytes there are say nothing.
    """
    fields: list[ExtraField] = []
    at = 0
    for descriptor in _descriptors(records):
        kind, count = _shape(descriptor)
        field = ExtraField(_name(descriptor), at, kind, count, descriptor)
        if not field.size or at + field.size > extra_size:
            break
        fields.append(field)
        at += field.size
    number = 0
    while at < extra_size:
        number += 1
        size = min(_MOST_PLAIN, extra_size - at)
        name = f"undocumented_{number}"
        fields.append(ExtraField(name, at, "u1", size, _descriptor(name, 0, size, "")))
        at += size
    return fields


def record_of(fields: Iterable[ExtraField]) -> Record:
    """One record that describes `fields` and, behind them, confidence and label."""
    ours = [
        _descriptor(CONF_DIMENSION, 1, 0, "confidence, 127 is certain"),
        _descriptor(LABEL_DIMENSION, 1, 0, "class, names in record CitySeg"),
    ]
    data = b"".join([*(field.descriptor for field in fields), *ours])
    return Record(*EXTRA_BYTES, data, b"Extra Bytes Record")


def _descriptors(records: Iterable[Record]) -> Iterable[bytes]:
    for record in records:
        if record.key == EXTRA_BYTES:
            whole = len(record.data) // _STRUCT_BYTES * _STRUCT_BYTES
            for at in range(0, whole, _STRUCT_BYTES):
                yield record.data[at : at + _STRUCT_BYTES]


def _shape(descriptor: bytes) -> tuple[str, int]:
    number, options = descriptor[2], descriptor[3]
    if not 1 <= number <= 30:
        return "u1", options
    return _TYPES[(number - 1) % 10], (number - 1) // 10 + 1


def _name(descriptor: bytes) -> str:
    return descriptor[4:36].split(b"\0")[0].decode("utf-8", "replace")


def _descriptor(name: str, number: int, options: int, words: str) -> bytes:
    return struct.pack(
        "<2xBB32s4x24x24x24x48x32s", number, options, name.encode("ascii"), words.encode("ascii")
    )
