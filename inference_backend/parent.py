"""Ends the process when its parent is gone: the second line behind the end of standard input.

Standard input stays open when some other child of the parent inherited its writing end.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_INTERVAL_S = 2.0
_SYNCHRONIZE = 0x00100000
_INFINITE = 0xFFFFFFFF


def watch_parent(parent_pid: int, on_gone: Callable[[], None]) -> None:
    """Call `on_gone` from a thread once the process `parent_pid` has ended."""
    wait = _wait_windows if sys.platform == "win32" else _wait_posix
    threading.Thread(
        target=lambda: (wait(parent_pid), on_gone()), name="parent-watcher", daemon=True
    ).start()


def _wait_posix(parent_pid: int) -> None:
    direct = os.getppid() == parent_pid
    pause = threading.Event()
    while not pause.wait(_INTERVAL_S):
        # A child whose parent ends is given to another: no race with a reused number.
        if os.getppid() != parent_pid if direct else not _exists(parent_pid):
            return


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Ended, and not yet taken notice of by its own parent; known on Linux only."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[:1] == ["Z"]


def _wait_windows(parent_pid: int) -> None:
    import ctypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.OpenProcess.restype = ctypes.c_void_p
    kernel32.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    handle = kernel32.OpenProcess(_SYNCHRONIZE, False, parent_pid)
    if handle:
        kernel32.WaitForSingleObject(handle, _INFINITE)
