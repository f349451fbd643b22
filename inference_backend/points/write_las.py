"""LAS and LAZ results: the source's format, order and records, with the classes replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import lazrs
import numpy as np

from inference_backend.points.las_head import LASZIP, Head, Record, Tally
from inference_backend.points.las_keep import kept_records
from inference_backend.points.las_records import (
    FIRST_WIDE,
    MOST_NARROW_CODE,
    LasRecords,
    standard_dtype,
    wide_format,
)
from inference_backend.points.writing import Writing

_WIDE_MINOR = 4


def write_las(writing: Writing, path: Path, compressed: bool) -> int:
    """Write all points of `writing` to `path`; returns their number. Raises OSError, Cancelled, InvalidInput."""
    header = writing.cloud.header
    source = int(header.point_format.id)
    wide = source < FIRST_WIDE and writing.highest_code > MOST_NARROW_CODE
    target = wide_format(source) if wide else source
    minor = max(_WIDE_MINOR, header.version.minor) if wide else header.version.minor
    in_place = writing.bounds_source is None
    kept = kept_records(writing.cloud, writing.labels, minor, target, in_place)
    records = LasRecords(header, list(kept.fields), target)
    size = records.dtype.itemsize
    vlrs = list(kept.vlrs)
    encoder = (
        lazrs.LazVlr.new_for_compression(target, size - standard_dtype(target).itemsize)
        if compressed
        else None
    )
    if encoder is not None:
        vlrs.append(Record(*LASZIP, bytes(encoder.record_data()), b"http://laszip.org"))
    head = Head(
        source=header,
        minor=minor,
        point_format=target,
        record_size=size,
        compressed=compressed,
        wkt_bit=kept.wkt_bit,
        vlrs=vlrs,
        extra_header=bytes(header.extra_header_bytes),
        extra_vlr=b"" if wide else bytes(header.extra_vlr_bytes),
    )
    tally = Tally()
    with path.open("wb+") as stream:
        stream.write(head.to_bytes(tally))
        _write_points(stream, _built(writing, records, tally), encoder)
        first = stream.seek(0, 2)
        for record in kept.evlrs:
            stream.write(record.evlr_bytes())
        stream.seek(0)
        stream.write(head.to_bytes(tally, first if kept.evlrs else 0, len(kept.evlrs)))
    return tally.count


def _built(writing: Writing, records: LasRecords, tally: Tally) -> Iterator[np.ndarray]:
    for chunk, found in writing.chunks():
        points = records.build(chunk.record.array, found)
        tally.add(points, records.return_number(points))
        yield points


def _write_points(
    stream: BinaryIO, built: Iterator[np.ndarray], encoder: lazrs.LazVlr | None
) -> None:
    if encoder is None:
        for points in built:
            stream.write(points.view(np.uint8).data)
        return
    compressor = lazrs.ParLasZipCompressor(stream, encoder)
    for points in built:
        compressor.compress_many(points.view(np.uint8))
    compressor.done()
