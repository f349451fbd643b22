"""Points of a PCD file (Point Cloud Library), ASCII or binary, in chunks of named columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.points_cloud import CHUNK_POINTS

_KINDS = {"F": "f", "I": "i", "U": "u"}
_MOST_HEADER_LINES = 100


@dataclass(frozen=True)
class PcdPoints:
    """Where the points stand: `count` of `dtype` from byte `start`."""

    path: Path
    dtype: np.dtype
    count: int
    start: int
    ascii: bool

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns; a packed `rgb` comes as red, green and blue."""
        names = tuple(self.dtype.names or ())
        return (*names, "red", "green", "blue") if "rgb" in names else names

    def chunks(self, size: int = CHUNK_POINTS) -> Iterator[dict[str, np.ndarray]]:
        """Columns of at most `size` points each. Raises InvalidInput where the file ends too early."""
        names = tuple(self.dtype.names or ())
        if self.ascii:
            with self.path.open("rb") as file:
                file.seek(self.start)
                for first in range(0, self.count, size):
                    rows = self._rows(file, min(size, self.count - first))
                    yield _unpacked(dict(zip(names, rows.T, strict=True)), self.dtype)
            return
        if self.path.stat().st_size < self.start + self.count * self.dtype.itemsize:
            raise InvalidInput(f"'{self.path.name}' holds fewer than its {self.count} points.")
        points = np.memmap(self.path, self.dtype, "r", self.start, (self.count,))
        for first in range(0, self.count, size):
            part = points[first : first + size]
            yield _unpacked({name: np.ascontiguousarray(part[name]) for name in names}, self.dtype)

    def _rows(self, file: BinaryIO, count: int) -> np.ndarray:
        try:
            rows = np.loadtxt(file, np.float64, max_rows=count, ndmin=2)
        except ValueError as error:
            raise InvalidInput(
                f"'{self.path.name}' has a line that is no row of numbers.", str(error)
            ) from error
        if rows.shape != (count, len(self.dtype)):
            raise InvalidInput(f"'{self.path.name}' holds fewer than its {self.count} points.")
        return rows


def open_pcd(path: Path) -> PcdPoints:
    """Read the header. Raises InvalidInput where `path` is no PCD that can be read."""
    head: dict[str, list[str]] = {}
    try:
        with path.open("rb") as file:
            for _ in range(_MOST_HEADER_LINES):
                words = file.readline(4096).decode("latin-1").split()
                if words and not words[0].startswith("#"):
                    head[words[0].upper()] = words[1:]
                if "DATA" in head:
                    break
            start = file.tell()
        return _points(path, head, start)
    except InvalidInput:
        raise
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read.", str(error)) from error
    except (LookupError, ValueError) as error:
        raise InvalidInput(f"'{path.name}' is no PCD of points.", repr(error)) from error


def _points(path: Path, head: dict[str, list[str]], start: int) -> PcdPoints:
    names, kinds, sizes = head["FIELDS"], head["TYPE"], head["SIZE"]
    counts = head.get("COUNT", ["1"] * len(names))
    if head["DATA"][0] not in ("ascii", "binary"):
        raise InvalidInput(
            f"'{path.name}' is a compressed PCD, which is not read; save it as binary, for instance with pcl_convert_pcd_ascii_binary."
        )
    if not {"x", "y", "z"} <= set(names) or set(counts) != {"1"}:
        raise InvalidInput(f"'{path.name}' is no PCD of single points with x, y and z.")
    dtype = np.dtype(
        [
            (name, f"<{_KINDS[kind]}{size}")
            for name, kind, size in zip(names, kinds, sizes, strict=True)
        ]
    )
    return PcdPoints(path, dtype, int(head["POINTS"][0]), start, head["DATA"][0] == "ascii")


def _unpacked(columns: dict[str, np.ndarray], dtype: np.dtype) -> dict[str, np.ndarray]:
    """With red, green and blue in place of the packed `rgb`, which may be an integer or the bits of a float."""
    if "rgb" not in columns:
        return columns
    packed = columns.pop("rgb")
    if dtype["rgb"].kind == "f":
        packed = packed.astype("<f4").view("<u4")
    bits = packed.astype(np.uint32)
    for name, shift in (("red", 16), ("green", 8), ("blue", 0)):
        columns[name] = ((bits >> shift) & 255).astype(np.uint8)
    return columns
