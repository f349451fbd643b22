"""Points of a LAS source as an EPT of type `binary` stores them: plain numbers, named as PDAL and QGIS know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import laspy
import numpy as np

from inference_backend.points.extra_bytes import OURS, ExtraField
from inference_backend.points.las_records import FIRST_WIDE, SCAN_ANGLE_STEP_DEG, standard_dtype
from inference_backend.points.results import ResultSlice

# EPT's name, how it is stored, and LAS's name where a dimension is a whole number of bytes of its own there.
_PLAIN = (
    ("Intensity", "<u2", "intensity"),
    ("UserData", "u1", "user_data"),
    ("PointSourceId", "<u2", "point_source_id"),
    ("GpsTime", "<f8", "gps_time"),
    ("Red", "<u2", "red"),
    ("Green", "<u2", "green"),
    ("Blue", "<u2", "blue"),
    ("Infrared", "<u2", "nir"),
)
# EPT's name, LAS's field, the lowest bit and how many: formats 0 to 3, and 6 to 8. Flags one by one: QGIS 3.40 takes a
# dimension `ClassFlags` for four, and then reads everything behind it from the wrong place.
_OLD_BITS = (
    ("ReturnNumber", "bit_fields", 0, 3),
    ("NumberOfReturns", "bit_fields", 3, 3),
    ("ScanDirectionFlag", "bit_fields", 6, 1),
    ("EdgeOfFlightLine", "bit_fields", 7, 1),
    ("Synthetic", "raw_classification", 5, 1),
    ("KeyPoint", "raw_classification", 6, 1),
    ("Withheld", "raw_classification", 7, 1),
)
_NEW_BITS = (
    ("ReturnNumber", "bit_fields", 0, 4),
    ("NumberOfReturns", "bit_fields", 4, 4),
    ("ScanDirectionFlag", "classification_flags", 6, 1),
    ("EdgeOfFlightLine", "classification_flags", 7, 1),
    ("Synthetic", "classification_flags", 0, 1),
    ("KeyPoint", "classification_flags", 1, 1),
    ("Withheld", "classification_flags", 2, 1),
    ("Overlap", "classification_flags", 3, 1),
    ("ScanChannel", "classification_flags", 4, 2),
)
_KINDS = {"i": "signed", "u": "unsigned", "f": "float"}
_NAMES_SEEN = {"X", "Y", "Z", "Classification", "ScanAngleRank", "OriginId"}
# Beyond it a 64-bit integer has no float64 of its own.
_EXACT = 1 << 53

Fill = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Dimension:
    name: str
    kind: str
    fill: Fill
    scale: float = 1.0
    offset: float = 0.0
    # 64-bit integers travel as float64: QGIS before 3.26 refuses a layer that has one.
    wide: bool = False


class EptRecords:
    """`build` makes stored points of source records; `inexact` names dimensions whose numbers were too long."""

    def __init__(self, source: laspy.LasHeader, fields: list[ExtraField]) -> None:
        self._header = source
        self._view = _source_view(source, fields)
        self._dimensions = _standard(int(source.point_format.id))
        names = _NAMES_SEEN | {one.name for one in self._dimensions}
        for field in fields:
            if field.name not in OURS:
                self._dimensions += _extra(field, names)
        stored = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("Classification", "u1")]
        stored += [(one.name, one.kind) for one in self._dimensions]
        self.dtype = np.dtype([*stored, *((name, "u1") for name in OURS)])
        self.inexact: set[str] = set()

    def build(self, array: np.ndarray, found: ResultSlice) -> np.ndarray:
        """Points (N,) of `dtype` in the order of `array` (N,), the source's records."""
        source = np.ascontiguousarray(array).view(self._view)
        out = np.empty(len(source), self.dtype)
        for name in "XYZ":
            out[name] = source[name]
        out["Classification"] = found.code
        for one in self._dimensions:
            values = one.fill(source)
            out[one.name] = values
            if one.wide and len(values) and _beyond(values):
                self.inexact.add(one.name)
        out[OURS[0]], out[OURS[1]] = found.conf, found.label
        return out

    def schema(self) -> list[dict[str, Any]]:
        """The entries of ept.json, in the order of storage."""
        scaled = {one.name: (one.scale, one.offset) for one in self._dimensions}
        for axis, name in enumerate("XYZ"):
            scaled[name] = float(self._header.scales[axis]), float(self._header.offsets[axis])
        entries = []
        for name in self.dtype.names or ():
            kind = self.dtype[name]
            entry: dict[str, Any] = {"name": name, "type": _KINDS[kind.kind], "size": kind.itemsize}
            scale, offset = scaled.get(name, (1.0, 0.0))
            if name in "XYZ" or (scale, offset) != (1.0, 0.0):
                entry |= {"scale": scale, "offset": offset}
            entries.append(entry)
        return entries


def _standard(point_format: int) -> list[_Dimension]:
    has = standard_dtype(point_format).names or ()
    new = point_format >= FIRST_WIDE
    bits = [
        _Dimension(name, "u1", _bits_of(field, low, count))
        for name, field, low, count in (_NEW_BITS if new else _OLD_BITS)
    ]
    plain = [
        _Dimension(name, kind, lambda source, field=field: source[field])
        for name, kind, field in _PLAIN
        if field in has
    ]
    return [*bits, _Dimension("ScanAngleRank", "<f4", _new_angle if new else _old_angle), *plain]


def _bits_of(field: str, low: int, count: int) -> Fill:
    mask = np.uint8((1 << count) - 1)
    return lambda source: (source[field] >> np.uint8(low)) & mask


def _new_angle(source: np.ndarray) -> np.ndarray:
    return source["scan_angle"] * np.float32(SCAN_ANGLE_STEP_DEG)


def _old_angle(source: np.ndarray) -> np.ndarray:
    return source["scan_angle_rank"].astype(np.float32)


def _extra(field: ExtraField, taken: set[str]) -> list[_Dimension]:
    """One dimension an element: EPT has no arrays. `taken` grows by their names."""
    found = []
    for number, (scale, offset) in enumerate(field.scale_offset):
        name = field.name or "extra"
        name = _free(name if field.count == 1 else f"{name}_{number + 1}", taken)
        wide = field.kind[-2:] in ("u8", "i8")
        kind = "<f8" if wide else field.kind
        found.append(_Dimension(name, kind, _element(field, number), scale, offset, wide))
    return found


def _element(field: ExtraField, number: int) -> Fill:
    key = _key(field)
    if field.count == 1:
        return lambda source: source[key]
    return lambda source: source[key][:, number]


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _key(field: ExtraField) -> str:
    # By place: names may repeat, or be those of standard dimensions.
    return f"extra {field.offset}"


def _source_view(source: laspy.LasHeader, fields: list[ExtraField]) -> np.dtype:
    """The source's records, standard dimensions by LAS's names, the others by place."""
    standard = standard_dtype(int(source.point_format.id))
    names = list(standard.names or ())
    forms = [standard[name] for name in names]
    offsets = [int((standard.fields or {})[name][1]) for name in names]
    for field in fields:
        names.append(_key(field))
        form = np.dtype(field.kind)
        forms.append(form if field.count == 1 else np.dtype((form, (field.count,))))
        offsets.append(standard.itemsize + field.offset)
    size = int(source.point_format.size)
    return np.dtype({"names": names, "formats": forms, "offsets": offsets, "itemsize": size})


def _beyond(values: np.ndarray) -> bool:
    return int(values.max()) > _EXACT or int(values.min()) < -_EXACT
