"""Folders beside a target in which a file grows before it takes its place; those of a QGIS that crashed are swept."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgis.PyQt.QtCore import QLockFile

_PREFIX = ".cityseg-"
# Not the name of the backend's lock, which sweeps its own.
_LOCK = ".qgis-lock"


@contextmanager
def draft_folder(beside: Path) -> Iterator[Path]:
    """An empty folder on the disk of `beside`, gone afterwards. Raises `OSError`."""
    _sweep(beside)
    outer = beside / f"{_PREFIX}{uuid.uuid4().hex[:8]}"
    inner = outer / "new"
    inner.mkdir(parents=True)
    lock = _lock_of(outer)
    lock.tryLock(0)
    try:
        yield inner
    finally:
        lock.unlock()
        shutil.rmtree(outer, ignore_errors=True)


def _sweep(beside: Path) -> None:
    """The lock names its process: it can be taken where that has ended, and on this computer only."""
    for path in beside.glob(f"{_PREFIX}*/{_LOCK}"):
        lock = _lock_of(path.parent)
        if lock.tryLock(0):
            lock.unlock()
            shutil.rmtree(path.parent, ignore_errors=True)


def _lock_of(folder: Path) -> QLockFile:
    lock = QLockFile(str(folder / _LOCK))
    # Zero: no age makes it stale, only the death of its process.
    lock.setStaleLockTime(0)
    return lock
