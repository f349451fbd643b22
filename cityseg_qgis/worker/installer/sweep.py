"""Removes folders of many thousand files without holding up the interface."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Callable

from qgis.core import QgsApplication, QgsTask

_running: set[_RemoveFolders] = set()


class _RemoveFolders(QgsTask):
    def __init__(self, folders: list[Path], done: Callable[[], None]) -> None:
        super().__init__("Removing unfinished CitySeg environments", QgsTask.Flag.CanCancel)
        self._folders = folders
        self._done = done

    def run(self) -> bool:
        """On a worker thread; a file that another process holds stays for the next sweep."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def finished(self, result: bool) -> None:
        """On the GUI thread."""
        _running.discard(self)
        self._done()


def remove_folders(folders: list[Path], done: Callable[[], None]) -> None:
    """Remove `folders` in the background, then call `done` on the GUI thread."""
    if not folders:
        done()
        return
    task = _RemoveFolders(folders, done)
    _running.add(
        task
    )  # QGIS keeps no Python reference, and a task collected while it runs crashes (QGIS #38583)
    QgsApplication.taskManager().addTask(task)
