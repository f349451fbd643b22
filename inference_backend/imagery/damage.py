"""Pixels that GDAL hands out although it could not decode them: made to be errors, with one sentence."""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from inference_backend.errors import InvalidInput

# GDAL's shortcut for PNGs gives what memory held before where the file ends early; row by row it says so.
os.environ.setdefault("GDAL_PNG_WHOLE_IMAGE_OPTIM", "NO")

# What libjpeg warns of where pixels are lost. It also warns of padding between markers, which whole files have.
_LOST = (
    "premature end",
    "bad huffman code",
    "bad arithmetic code",
    "corrupt jpeg data: found marker",
)
_CODESTREAM = b"jp2c"
_heard = threading.local()


class _Listener(logging.Filter):
    """Takes the warnings of lost pixels out of the log, for the read that is going on in this thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        lost: list[str] | None = getattr(_heard, "lost", None)
        message = record.getMessage()
        if lost is None or not any(sign in message.lower() for sign in _LOST):
            return True
        lost.append(message)
        return False


_listener = _Listener()
for _name in ("rasterio._err", "rasterio._env"):
    logging.getLogger(_name).addFilter(_listener)


class SoundReading:
    """Reads of one open dataset. Each gives pixels that were decoded, or raises InvalidInput."""

    def __init__(self, dataset: rasterio.DatasetReader) -> None:
        self._dataset = dataset
        # GDAL keeps half-decoded blocks and does not warn of them again.
        self._lost = ""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Round one read; not to be nested. A dataset that lost pixels once is not read again."""
        if self._lost:
            raise _damaged(self._dataset.name, self._lost)
        _heard.lost = []
        try:
            yield
        except (RasterioError, OSError) as error:
            raise _damaged(self._dataset.name, str(error.__cause__ or error)) from error
        finally:
            self._lost = "; ".join(_heard.lost)
            _heard.lost = None
        if self._lost:
            raise _damaged(self._dataset.name, self._lost)


def check_length(dataset: rasterio.DatasetReader) -> None:
    """Raises InvalidInput for a JPEG 2000 that ends before its pixels do: GDAL's threads decode it without an error."""
    path = Path(dataset.name)
    if dataset.driver.startswith(("JP2", "JPEG2000")) and path.is_file():
        missing = _missing_bytes(path)
        if missing > 0:
            raise _damaged(dataset.name, f"{missing} bytes of the code stream are missing")


def _missing_bytes(path: Path) -> int:
    """How many bytes of its code stream a JP2 lacks; 0 for a bare code stream, which does not say its length."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if kind == _CODESTREAM:
                return max(at + length - size, 0)
            if length < 8:
                return 0
            at += length
    return 0


def _damaged(name: str, detail: str) -> InvalidInput:
    return InvalidInput(
        f"Part of '{name}' cannot be read: the file is damaged, incomplete or gone; copy it again.",
        detail=detail,
    )
