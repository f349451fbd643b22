"""Points of a PLY file, ASCII or binary, in chunks of named columns; large files are mapped, not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.points_cloud import CHUNK_POINTS

_TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_MOST_HEADER_LINES = 1000


@dataclass(frozen=True)
class PlyPoints:
    """Where the points stand in a PLY: `count` of `dtype`, from byte `start`, after `lines` lines of text elements."""

    path: Path
    dtype: np.dtype
    count: int
    start: int
    ascii: bool
    lines: int = 0

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the points' properties."""
        return tuple(self.dtype.names or ())

    def chunks(self, size: int = CHUNK_POINTS) -> Iterator[dict[str, np.ndarray]]:
        """Columns of at most `size` points each. Raises InvalidInput where the file ends too early."""
        yield from self._text(size) if self.ascii else self._binary(size)

    def _binary(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        if self.path.stat().st_size < self.start + self.count * self.dtype.itemsize:
            raise _broken(self.path, f"it holds fewer than its {self.count} points")
        if not self.count:
            return
        points = np.memmap(self.path, self.dtype, "r", self.start, (self.count,))
        for first in range(0, self.count, size):
            part = points[first : first + size]
            yield {name: np.ascontiguousarray(part[name]) for name in self.fields}

    def _text(self, size: int) -> Iterator[dict[str, np.ndarray]]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            for _ in range(self.lines):
                file.readline()
            left = self.count
            while left:
                part = min(size, left)
                try:
                    rows = np.loadtxt(file, np.float64, max_rows=part, ndmin=2)
                except ValueError as error:
                    raise _broken(self.path, "a line is no row of numbers", str(error)) from error
                if rows.shape != (part, len(self.fields)):
                    raise _broken(self.path, f"it holds fewer than its {self.count} points")
                left -= part
                yield dict(zip(self.fields, rows.T, strict=True))


def open_ply(path: Path) -> PlyPoints:
    """Read the header. Raises InvalidInput where `path` is no PLY with points."""
    try:
        with path.open("rb") as file:
            return _header(path, file)
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read.", str(error)) from error


def _header(path: Path, file: BinaryIO) -> PlyPoints:
    if file.readline(16).strip() != b"ply":
        raise _broken(path, "it does not begin with 'ply'")
    order: str | None = None
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for _ in range(_MOST_HEADER_LINES):
        words = file.readline(1024).decode("latin-1").split()
        if words[:1] == ["end_header"]:
            break
        if words[:1] == ["format"]:
            order = _ORDERS.get(words[1]) if len(words) > 1 else None
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdigit():
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements and len(words) >= 3:
            elements[-1][2].append((words[-1], words[1]))
    else:
        raise _broken(path, "its header has no end")
    if order is None:
        raise _broken(path, "its header names no format")
    return _points(path, file.tell(), order, elements)


def _points(
    path: Path, start: int, order: str, elements: list[tuple[str, int, list[tuple[str, str]]]]
) -> PlyPoints:
    """The first element with coordinates; what stands before it is skipped."""
    lines = 0
    for _, count, properties in elements:
        names = [name for name, _ in properties]
        unknown = [kind for _, kind in properties if kind not in _TYPES]
        if unknown and ({"x", "y", "z"} <= set(names) or order):
            raise _broken(path, f"the property type '{unknown[0]}' of its points is not known")
        dtype = np.dtype([(name, order + _TYPES.get(kind, "f8")) for name, kind in properties])
        if {"x", "y", "z"} <= set(names):
            return PlyPoints(path, dtype, count, start, not order, lines)
        start += count * dtype.itemsize if order else 0
        lines += count
    raise _broken(path, "none of its elements has x, y and z")


def _broken(path: Path, why: str, detail: str = "") -> InvalidInput:
    return InvalidInput(f"'{path.name}' is no whole PLY of points: {why}.", detail)
