"""A COPC file: read in the file's order as LAZ, and through its octree where only a part is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from laspy.copc import CopcInfoVlr

from inference_backend.points.cloud import Bounds2D, CloudInfo, Piece
from inference_backend.points.las import LasCloud, LasFile, file_crs, info_of, opened

_ENTRY = np.dtype([("key", "<i4", 4), ("offset", "<u8"), ("bytes", "<i4"), ("count", "<i4")])
_DEEPEST = 30


@dataclass(frozen=True)
class CopcIndex:
    """Where the octree lies: its cube's lower corner and side in the source frame, and the root page of its hierarchy."""

    low: np.ndarray
    side: float
    root_at: int
    root_bytes: int


def index_of(file: LasFile) -> CopcIndex | None:
    """The index of a COPC, None where the file is none."""
    info = [vlr for vlr in file.copc_records if isinstance(vlr, CopcInfoVlr)]
    if not info or file.table is None:
        return None
    half = float(info[0].halfsize)
    low = np.asarray(info[0].center, np.float64) - half
    return CopcIndex(low, 2 * half, info[0].hierarchy_root_offset, info[0].hierarchy_root_size)


class CopcCloud(LasCloud):
    """A COPC file. With bounds only the chunks of the nodes that they touch are decoded."""

    def __init__(self, file: LasFile, info: CloudInfo, index: CopcIndex) -> None:
        super().__init__(file, info)
        self._index = index

    def pieces(self, most: int, bounds_source: Bounds2D | None) -> Iterator[Piece]:
        chunks = None if bounds_source is None else self._touched(bounds_source)
        if chunks is None:
            yield from self._file.points(most)
        else:
            yield from self._file.chunks_of_points(most, chunks)

    def _touched(self, bounds_source: Bounds2D) -> list[int] | None:
        """The compressed chunks of the nodes that the bounds touch, ascending; None where the index cannot be trusted."""
        file, index, table = self._file, self._index, self._file.table
        if table is None or not table.whole or not (np.isfinite(index.side) and index.side > 0):
            return None
        with opened(file.path) as stream:
            nodes = read_hierarchy(stream, file.path.stat().st_size, index)
        if nodes is None or int(nodes["count"].sum()) != file.count:
            return None
        chunk_of = {place: chunk for chunk, place in enumerate(table.places)}
        if any(int(place) not in chunk_of for place in nodes["offset"]):
            return None
        side = index.side / 2.0 ** nodes["key"][:, 0]
        low = index.low[:2] + nodes["key"][:, 1:3] * side[:, None]
        # Points on the upper face of a node belong to it where coordinates were rounded.
        room = float(max(self.header.scales[:2]))
        xmin, ymin, xmax, ymax = bounds_source
        touched = (low[:, 0] - room <= xmax) & (low[:, 0] + side + room >= xmin)
        touched &= (low[:, 1] - room <= ymax) & (low[:, 1] + side + room >= ymin)
        return sorted(chunk_of[int(place)] for place in nodes["offset"][touched])


def read_hierarchy(file: BinaryIO, size: int, index: CopcIndex) -> np.ndarray | None:
    """The octree's nodes with points, as a structured array (key, offset, bytes, count); None where a page is damaged."""
    pages, seen, found = [(index.root_at, index.root_bytes)], set(), []
    while pages:
        at, length = pages.pop()
        # Pages may not overlap, or a small file could describe an endless octree.
        if at in seen or length < 0 or length % _ENTRY.itemsize or at + length > size:
            return None
        seen.add(at)
        if sum(map(len, found)) * _ENTRY.itemsize > size:
            return None
        file.seek(at)
        entries = np.frombuffer(file.read(length), _ENTRY)
        depth, cell = entries["key"][:, 0], entries["key"][:, 1:]
        if ((depth < 0) | (depth > _DEEPEST) | (cell < 0).any(axis=1)).any():
            return None
        if (entries["count"] < -1).any():
            return None
        below = entries[entries["count"] == -1]
        pages += [(int(one["offset"]), int(one["bytes"])) for one in below]
        found.append(entries[entries["count"] > 0])
    return np.concatenate(found) if found else None


def open_file(path: Path, crs: str | None = None) -> LasCloud:
    """Open a LAS, LAZ or COPC file. `crs` is used in place of the file's own. Raises InvalidInput, ResourceProblem."""
    file = LasFile(path)
    bounds, warnings = file.bounds()
    placed = file_crs(file.header, crs, bounds, file.name)
    index = index_of(file)
    kind = "copc" if index else "laz" if file.table is not None else "las"
    info = info_of(path, kind, file.count, bounds, placed, file.header, warnings)
    return CopcCloud(file, info, index) if index else LasCloud(file, info)
