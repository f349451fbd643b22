"""The folder beside the result in which a run keeps what does not fit in memory, and whether there is room for it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from inference_backend.errors import CitySegError
from inference_backend.points.cloud import CloudInfo
from inference_backend.vector.drafts import draft_folder
from inference_backend.vector.write import DiskProblem, explain

# A packed point of a tile, and what is kept of its answer.
TILE_BYTES, RESULT_BYTES, HEIGHT_BYTES = 36, 3, 4
# Compressed points of airborne lidar with two more bytes; measured on six surveys: 5 to 12 bytes.
_LAZ_BYTES = 14
_NEW_BYTES = 2
_SPARE_BYTES = 16 << 20


@contextlib.contextmanager
def room_beside(out: Path, info: CloudInfo, record_bytes: int, count: int) -> Iterator[Path]:
    """An empty folder on the result's disk, gone afterwards, whatever happens; what a killed run left is swept.

    Raises DiskProblem at once where the disk cannot hold the work and the result, and for a disk that fills up on the way.
    """
    beside = out.absolute().parent
    try:
        with draft_folder(beside) as folder:
            _check_room(out, needed_bytes(out, info.count, record_bytes, count))
            yield folder
    except OSError as error:
        if isinstance(error, CitySegError):
            raise
        raise explain(out.absolute(), error) from error


def needed_bytes(out: Path, total: int, record_bytes: int, count: int) -> int:
    """Bytes that a run takes at most at one time: `count` of `total` points are looked at and written."""
    compressed = out.suffix.lower() == ".laz"
    written = count * (_LAZ_BYTES if compressed else record_bytes + _NEW_BYTES)
    # COPC and EPT are sorted on disk before they are written.
    sorted_first = not out.suffix or out.name.lower().endswith(".copc.laz")
    work = count * TILE_BYTES + total * (RESULT_BYTES + HEIGHT_BYTES)
    return work + written + (count * (record_bytes + _NEW_BYTES) if sorted_first else 0)


def _check_room(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out.absolute().parent).free
    if free < needed + _SPARE_BYTES:
        raise DiskProblem(
            f"The disk that holds '{out}' has {_size(free)} free, and the work takes about {_size(needed + _SPARE_BYTES)}; "
            "free some space or choose another disk."
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
