"""Standard input and output as the channel of frames, which nothing else in the process can read or write.

Libraries print, C libraries too. So the two descriptors are moved away, and what is left under the numbers 0 and 1
is the null device and standard error.
"""

from __future__ import annotations

import os
import sys
import threading

_READ_BYTES = 1 << 20


class ChannelClosed(OSError):
    """The other side is gone."""


class Channel:
    """Bytes in and out; one thread reads, any thread writes."""

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self._in_fd = in_fd
        self._out_fd = out_fd
        self._writing = threading.Lock()

    def read(self) -> bytes:
        """Wait for bytes; empty at the end of the stream."""
        try:
            return os.read(self._in_fd, _READ_BYTES)
        except OSError:
            # Windows reports a pipe whose other end died as an error, not as its end.
            return b""

    def write(self, data: bytes) -> None:
        """Write all of `data` as one piece; raises `ChannelClosed`."""
        view = memoryview(data)
        with self._writing:
            try:
                while view:
                    view = view[os.write(self._out_fd, view) :]
            except OSError as error:
                raise ChannelClosed(str(error)) from error


_reserved: Channel | None = None


def reserve() -> Channel:
    """Take standard input and output for frames; prints go to standard error from now on. Idempotent."""
    global _reserved
    if _reserved is None:
        _open_missing()
        in_fd, out_fd = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        _binary(in_fd, out_fd)
        sys.stdout = sys.stderr
        _reserved = Channel(in_fd, out_fd)
    return _reserved


def _open_missing() -> None:
    """A parent may have closed standard error: the next file opened would become it."""
    try:
        os.fstat(2)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        if null != 2:
            os.dup2(null, 2)
            os.close(null)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: PTH123, SIM115


def _binary(*descriptors: int) -> None:
    """Windows translates line ends in text mode, which would break frames."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in descriptors:
            msvcrt.setmode(descriptor, os.O_BINARY)
