"""What ept.json says of each dimension: QGIS takes the range of a colour ramp and the classes of a legend from it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_COUNTED = "Classification"


class EptStatistics:
    """Gathered while points pass: range of each dimension, how many of each class.

    Mean and spread are told of bytes only, where counting gives them: of the others they would cost as much as reading.
    """

    def __init__(self) -> None:
        self._count = 0
        self._least: dict[str, float] = {}
        self._most: dict[str, float] = {}
        self._sums: dict[str, np.ndarray] = {}
        self.classes = np.zeros(256, np.int64)

    def add(self, points: np.ndarray) -> None:
        """`points` structured (N,), as stored."""
        if not len(points):
            return
        self._count += len(points)
        for name in points.dtype.names or ():
            values = points[name]
            if values.dtype.itemsize == 1 and values.dtype.kind == "u":
                self._add_bytes(name, values)
            else:
                self._add_numbers(name, np.ascontiguousarray(values))

    def _add_bytes(self, name: str, values: np.ndarray) -> None:
        counts = np.bincount(values, minlength=256)
        if name == _COUNTED:
            self.classes += counts
        there = np.flatnonzero(counts)
        numbers = np.arange(256, dtype=np.float64)
        sums = np.array([counts @ numbers, counts @ numbers**2])
        self._note(name, float(there[0]), float(there[-1]), sums)

    def _add_numbers(self, name: str, values: np.ndarray) -> None:
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
            if not len(values):
                return
        self._note(name, float(values.min()), float(values.max()))

    def _note(self, name: str, least: float, most: float, sums: np.ndarray | None = None) -> None:
        self._least[name] = min(self._least.get(name, math.inf), least)
        self._most[name] = max(self._most.get(name, -math.inf), most)
        if sums is not None:
            self._sums[name] = self._sums.get(name, 0.0) + sums

    def complete(self, schema: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The schema's entries with their statistics; of a scaled dimension they are of the scaled values."""
        return [entry | self._of(entry) for entry in schema]

    def _of(self, entry: dict[str, Any]) -> dict[str, Any]:
        name = entry["name"]
        if name not in self._least:
            return {}
        scale, offset = float(entry.get("scale", 1.0)), float(entry.get("offset", 0.0))
        found: dict[str, Any] = {
            "count": self._count,
            "minimum": self._least[name] * scale + offset,
            "maximum": self._most[name] * scale + offset,
        }
        if name in self._sums:
            mean = float(self._sums[name][0]) / self._count
            spread = max(0.0, float(self._sums[name][1]) / self._count - mean**2)
            found["mean"] = mean * scale + offset
            found["variance"] = spread * scale**2
            found["stddev"] = math.sqrt(spread) * abs(scale)
        if name == _COUNTED:
            there = np.flatnonzero(self.classes)
            counts = [{"value": int(code), "count": int(self.classes[code])} for code in there]
            found["counts"] = counts
        return found
