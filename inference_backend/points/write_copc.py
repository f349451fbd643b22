"""COPC results: a LAZ file whose chunks are the nodes of an octree (COPC 1.0), point formats 6 to 8."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import lazrs

from inference_backend.points.las_head import LASZIP, Head, Record, Tally
from inference_backend.points.las_keep import kept_records
from inference_backend.points.las_records import LasRecords, standard_dtype, wide_format
from inference_backend.points.nodes import Node, node_batches
from inference_backend.points.octree import Cube
from inference_backend.points.spill import Spill
from inference_backend.points.writing import Writing, bounds_of

_MINOR = 4
_INFO = (b"copc", 1)
_HIERARCHY = (b"copc", 1000)
_INFO_FORM = struct.Struct("<3d2d2Q2d11Q")
_ENTRY = struct.Struct("<4iQii")
_EVLR_HEAD = 60
# What reading and sorting into tiles takes of the time; compression is the rest.
_READ_SHARE = 0.4


def write_copc(writing: Writing, path: Path) -> int:
    """Write all points of `writing` to `path`; returns their number. Raises OSError, Cancelled, InvalidInput."""
    cloud = writing.cloud
    target = wide_format(int(cloud.header.point_format.id))
    kept = kept_records(cloud, writing.labels, _MINOR, target, all_in_place=False)
    records = LasRecords(cloud.header, list(kept.fields), target)
    extra = records.dtype.itemsize - standard_dtype(target).itemsize
    encoder = lazrs.LazVlr.new_for_compression(target, extra, use_variable_size_chunks=True)
    laszip = Record(*LASZIP, bytes(encoder.record_data()), b"http://laszip.org")
    spill = _spilled(writing, records, path.parent)
    info = Record(*_INFO, bytes(_INFO_FORM.size), b"COPC info VLR")

    def head(info: Record) -> Head:
        size = records.dtype.itemsize
        vlrs = [info, *kept.vlrs, laszip]
        return Head(cloud.header, _MINOR, target, size, True, kept.wkt_bit, vlrs)

    tally = Tally()
    nodes: list[Node] = []
    with path.open("wb+") as stream:
        stream.write(bytes(head(info).size))
        compressor = lazrs.ParLasZipCompressor(stream, encoder)
        cube = None
        for batch in node_batches(spill, writing, _READ_SHARE):
            cube = batch.cube
            tally.add(batch.points, records.return_number(batch.points))
            compressor.compress_chunks(batch.pieces())
            nodes += batch.nodes
        compressor.done()
        hierarchy_at = stream.seek(0, 2)
        stream.seek(head(info).size)
        entries = _entries(nodes, lazrs.read_chunk_table(stream, encoder), head(info).size + 8)
        stream.seek(hierarchy_at)
        evlrs = [Record(*_HIERARCHY, entries, b"EPT Hierarchy"), *kept.evlrs]
        for record in evlrs:
            stream.write(record.evlr_bytes())
        where = (hierarchy_at + _EVLR_HEAD, len(entries))
        filled = head(Record(*_INFO, _info(cube, where, tally), b"COPC info VLR"))
        stream.seek(0)
        stream.write(filled.to_bytes(tally, hierarchy_at, len(evlrs)))
    return tally.count


def _spilled(writing: Writing, records: LasRecords, folder: Path) -> Spill:
    header, info = writing.cloud.header, writing.cloud.info
    bounds = bounds_of(writing.cloud, writing.bounds_source)
    spill = Spill(folder, records.dtype, bounds, info.count, header.scales, header.offsets)
    for chunk, found in writing.chunks(_READ_SHARE):
        spill.add(records.build(chunk.record.array, found))
    return spill


def _info(cube: Cube, where: tuple[int, int], tally: Tally) -> bytes:
    """The info record of COPC; `where` is offset and size of the root page of the hierarchy."""
    half = cube.side / 2
    centre = [low + half for low in cube.corner]
    times = tally.gps_time or (0.0, 0.0)
    return _INFO_FORM.pack(*centre, half, cube.spacing, *where, *times, *([0] * 11))


def _entries(nodes: Sequence[Node], table: Sequence[tuple[int, int]], start: int) -> bytes:
    """One page: for each node where its chunk lies. `table` (points, bytes) is in the order of `nodes`."""
    at, entries = start, []
    for node, (count, size) in zip(nodes, _filled(table), strict=True):
        if count != node.count:
            raise RuntimeError(
                f"a chunk of {count} points stands where node {node.key} has {node.count}"
            )
        entries.append(_ENTRY.pack(*node.key, at, size, count))
        at += size
    return b"".join(entries)


def _filled(table: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    return ((count, size) for count, size in table if count)
