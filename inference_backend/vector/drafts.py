"""Folders beside a target in which a file grows before it takes its place.

They are removed whatever goes wrong, but for a process that is killed: what such a one left is swept by the next.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from inference_backend import file_lock

PREFIX = ".cityseg-"
_LOCK = ".lock"
# A folder is not locked in the moment in which it is made.
_SETTLED_S = 60.0


@contextlib.contextmanager
def draft_folder(beside: Path) -> Iterator[Path]:
    """An empty folder in `beside`, on the same disk, gone afterwards. Raises OSError."""
    _sweep(beside)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=beside))
    try:
        with (folder / _LOCK).open("wb") as stream:
            # Some network disks know no locks: then the folder is never taken for one that was left.
            with contextlib.suppress(OSError):
                file_lock.take(stream)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(beside: Path) -> None:
    for lock in beside.glob(f"{PREFIX}*/{_LOCK}"):
        if _is_left(lock):
            shutil.rmtree(lock.parent, ignore_errors=True)


def _is_left(lock: Path) -> bool:
    """Whether the process that made this folder has ended."""
    try:
        if time.time() - lock.stat().st_mtime < _SETTLED_S:
            return False
        with lock.open("ab") as stream:
            file_lock.take(stream)
    except OSError:
        return False
    return True
