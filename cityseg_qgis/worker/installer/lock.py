"""Keeps two QGIS windows from installing into the same folder at once."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QLockFile

from cityseg_qgis.errors import CitySegError
from cityseg_qgis.worker.installer import places


class InstallBusy(CitySegError):
    """Another process is installing."""


class InstallLock:
    """The lock file of one data home. It names its process, so that one left by a dead process is taken over."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = QLockFile(str(places.lock_path(home)))
        # Zero: no age makes it stale, only the death of its process; a slow line takes hours.
        self._file.setStaleLockTime(0)

    def acquire(self) -> None:
        """Take the lock or raise `InstallBusy` with the other's process id."""
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CitySegError(self._unwritable(), str(error)) from error
        if self._file.tryLock(0):
            return
        known, pid, _host, program = self._file.getLockInfo()
        if self._file.error() == QLockFile.LockError.PermissionError:
            raise CitySegError(self._unwritable())
        holder = f" ({program}, process {pid})" if known else ""
        raise InstallBusy(
            f"Another program is installing the backend{holder}. Wait until it is done, then try again."
        )

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        self._file.unlock()

    def _unwritable(self) -> str:
        return f"The folder {self._home} cannot be written. Set CITYSEG_HOME to one that you may write, and install again."
