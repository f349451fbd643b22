"""Points of an EPT of type `binary` or `zstandard`: from the schema of ept.json to LAS points of format 6, 7 or 8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import laspy
import numpy as np

from inference_backend.errors import InvalidInput

_LETTERS = {"signed": "i", "unsigned": "u", "float": "f"}
# What EPT calls them and what LAS does.
_STANDARD = {
    "Intensity": "intensity",
    "ReturnNumber": "return_number",
    "NumberOfReturns": "number_of_returns",
    "ScanDirectionFlag": "scan_direction_flag",
    "EdgeOfFlightLine": "edge_of_flight_line",
    "Classification": "classification",
    "UserData": "user_data",
    "PointSourceId": "point_source_id",
    "GpsTime": "gps_time",
    "Red": "red",
    "Green": "green",
    "Blue": "blue",
    "Infrared": "nir",
    "ScanChannel": "scanner_channel",
    "Synthetic": "synthetic",
    "KeyPoint": "key_point",
    "Withheld": "withheld",
    "Overlap": "overlap",
}
_BITS = {"return_number": 4, "number_of_returns": 4, "scanner_channel": 2}
_BITS |= dict.fromkeys(
    ("scan_direction_flag", "edge_of_flight_line", "synthetic", "key_point", "withheld", "overlap"),
    1,
)
_FLAGS = ("synthetic", "key_point", "withheld", "overlap")
_ANGLES, _CLASS_FLAGS = ("ScanAngleRank", "ScanAngle"), "ClassFlags"
_DEGREES_A_STEP = 0.006
# Coordinates without a scale of their own are kept to this part of a unit.
_FLOAT_SCALE = 0.001
_NAME_BYTES = 32


@dataclass(frozen=True)
class _Axis:
    scale: float
    offset: float
    floats: bool


class EptSchema:
    """`dtype` of a point as stored; `header` of the LAS points that `to_las` makes of them. `rounded`: floats became integers."""

    def __init__(self, schema: Any, bounds: tuple[float, ...]) -> None:
        self._stored = _entries(schema)
        try:
            self.dtype = np.dtype([(name, code) for name, (code, _) in self._stored.items()])
        except (ValueError, TypeError) as error:
            raise _damaged() from error
        missing = [name for name in "XYZ" if name not in self._stored]
        if missing:
            raise InvalidInput(
                f"The EPT's schema has no {missing[0]}: without it there is no point."
            )
        self._axes = [self._axis(axis, bounds) for axis in range(3)]
        self.rounded = any(axis.floats for axis in self._axes)
        self.header, self._extra = self._make_header(bounds)

    def _axis(self, axis: int, bounds: tuple[float, ...]) -> _Axis:
        code, entry = self._stored["XYZ"[axis]]
        if code[1] == "f" and entry.get("scale") in (None, 1):
            return _Axis(_FLOAT_SCALE, float(math.floor(bounds[axis])), True)
        scale, offset = _number(entry.get("scale", 1.0)), _number(entry.get("offset", 0.0))
        if not (math.isfinite(scale) and scale > 0 and math.isfinite(offset)):
            raise InvalidInput(
                f"The EPT's schema has a scale of {scale:g} and an offset of {offset:g}: coordinates mean nothing."
            )
        return _Axis(scale, offset, False)

    def _make_header(self, bounds: tuple[float, ...]) -> tuple[laspy.LasHeader, dict[str, str]]:
        names = set(self._stored)
        colours = {"Red", "Green", "Blue"} <= names
        point_format = (8 if "Infrared" in names else 7) if colours else 6
        header = laspy.LasHeader(version="1.4", point_format=point_format)
        header.scales = np.array([axis.scale for axis in self._axes])
        header.offsets = np.array([self._offset(axis, bounds) for axis in range(3)])
        extra: dict[str, str] = {}
        has = set(header.point_format.dimension_names)
        for name, (code, entry) in self._stored.items():
            taken = name in "XYZ" or name in _ANGLES or name == _CLASS_FLAGS
            if taken or _STANDARD.get(name) in has:
                continue
            extra[name] = _free_name(name, has | set(extra.values()))
            header.add_extra_dim(_extra_bytes(extra[name], code, entry))
        return header, extra

    def _offset(self, axis: int, bounds: tuple[float, ...]) -> float:
        """The schema's own where 32 bits reach all points from there, else the middle of the bounds on the same grid."""
        one = self._axes[axis]
        low, high = bounds[axis], bounds[axis + 3]
        if max(abs(low - one.offset), abs(high - one.offset)) / one.scale < 2**31 - 2:
            return one.offset
        return one.offset + round(((low + high) / 2 - one.offset) / one.scale) * one.scale

    def to_las(self, points: np.ndarray) -> np.ndarray:
        """Stored points as structured array of the header's dtype. Raises InvalidInput for coordinates that are no number."""
        record = laspy.ScaleAwarePointRecord.zeros(len(points), header=self.header)
        for axis, name in enumerate("XYZ"):
            record.array[name] = self._coordinates(points[name], axis)
        dimensions = set(self.header.point_format.dimension_names)
        for name in self._stored:
            if name in self._extra:
                record.array[self._extra[name]] = points[name]
            elif name in _ANGLES:
                steps = np.rint(np.nan_to_num(points[name].astype(np.float64)) / _DEGREES_A_STEP)
                record["scan_angle"] = np.clip(steps, -30_000, 30_000)
            elif name == _CLASS_FLAGS:
                for bit, flag in enumerate(_FLAGS):
                    record[flag] = (points[name].astype(np.uint8) >> bit) & 1
            elif _STANDARD.get(name) in dimensions:
                record[_STANDARD[name]] = _fitted(points[name], _STANDARD[name], record)
        return record.array

    def _coordinates(self, values: np.ndarray, axis: int) -> np.ndarray:
        one, offset = self._axes[axis], float(self.header.offsets[axis])
        if one.floats:
            if not np.isfinite(values).all():
                raise InvalidInput(
                    "The EPT has points whose coordinates are no numbers (NaN): remove them, for instance with 'pdal translate'."
                )
            whole = np.rint((values.astype(np.float64) - offset) / one.scale)
        elif values.dtype == np.int32 and offset == one.offset:
            return values
        else:
            whole = np.rint(values.astype(np.float64) + (one.offset - offset) / one.scale)
        if len(whole) and not np.abs(whole).max() < 2**31:
            raise InvalidInput(
                "The EPT has points far outside the bounds that its ept.json states: it is damaged."
            )
        return whole.astype(np.int32)


def _entries(schema: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> (dtype code, entry), in the order of storage."""
    if not isinstance(schema, list) or not schema:
        raise _damaged()
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for entry in schema:
        name = entry.get("name") if isinstance(entry, dict) else None
        kind, size = (entry.get("type"), entry.get("size")) if name else (None, None)
        sizes = (4, 8) if kind == "float" else (1, 2, 4, 8)
        if not isinstance(name, str) or name in found or kind not in _LETTERS or size not in sizes:
            raise _damaged()
        found[name] = (f"<{_LETTERS[kind]}{size}", entry)
    return found


def _damaged() -> InvalidInput:
    return InvalidInput("The schema in ept.json cannot be understood: it is damaged.")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _free_name(name: str, taken: set[str]) -> str:
    """At most 32 bytes, as LAS has it, and no name twice."""
    short = name.encode("ascii", "replace")[:_NAME_BYTES].decode("ascii")
    number = 2
    while short in taken:
        ending = f"_{number}"
        short, number = short[: _NAME_BYTES - len(ending)] + ending, number + 1
    return short


def _extra_bytes(name: str, code: str, entry: dict[str, Any]) -> laspy.ExtraBytesParams:
    scale, offset = _number(entry.get("scale", 1.0)), _number(entry.get("offset", 0.0))
    plain = (scale, offset) == (1.0, 0.0) or not (math.isfinite(scale) and math.isfinite(offset))
    if plain or code[1] == "f" or scale == 0:
        return laspy.ExtraBytesParams(name, code[1:])
    return laspy.ExtraBytesParams(
        name, code[1:], scales=np.array([scale]), offsets=np.array([offset])
    )


def _fitted(values: np.ndarray, name: str, record: laspy.ScaleAwarePointRecord) -> np.ndarray:
    """Values of any type in the range of a LAS dimension."""
    if name == "gps_time":
        return values
    most = 2 ** _BITS[name] - 1 if name in _BITS else np.iinfo(record.array.dtype[name]).max
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values))
    return np.clip(values, 0, most)
