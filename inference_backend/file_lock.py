"""A lock on an open file that the system drops when its process ends, however it ends."""

from __future__ import annotations

import os
from typing import IO


def take(stream: IO[bytes]) -> None:
    """Lock `stream` until it is closed. Raises OSError, at once, where another process has it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
