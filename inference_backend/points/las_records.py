"""Points of a LAS source with their new classes: in the same format, or in the formats 6 to 8 that hold every code."""

from __future__ import annotations

import laspy
import numpy as np

from inference_backend.points.extra_bytes import OURS, ExtraField
from inference_backend.points.results import ResultSlice

# The first format whose classification is a whole byte.
FIRST_WIDE = 6
# What formats 0 to 5 can say.
MOST_NARROW_CODE = 31
_WIDE_OF = {0: 6, 1: 6, 2: 7, 3: 7, 6: 6, 7: 7, 8: 8}
# LAS 1.4, table 16: the scan angle of formats 6 and up counts steps of 0.006 degrees.
SCAN_ANGLE_STEP_DEG = 0.006
# LAS 1.4, table 9: in formats 0 to 5 this code says "overlap", which is a flag of its own in formats 6 and up.
_OLD_OVERLAP_CODE = 12


def wide_format(point_format: int) -> int:
    """The format of 6, 7 and 8 that has all dimensions of `point_format` (0 to 3, 6 to 8)."""
    return _WIDE_OF[point_format]


def standard_dtype(point_format: int) -> np.dtype:
    """The standard dimensions of a format as a packed structured dtype."""
    return laspy.PointFormat(point_format).dtype()


class LasRecords:
    """From records of a source to records of a target: `build` keeps every bit but the class, and appends what is ours."""

    def __init__(self, source: laspy.LasHeader, fields: list[ExtraField], target: int) -> None:
        self.source_format, self.target_format = source.point_format.id, target
        self.kept = [field for field in fields if field.name not in OURS]
        standard = standard_dtype(self.source_format)
        self._plain = _coarse(standard.itemsize, self.kept, source.point_format.size)
        self._narrow = _named(standard, source.point_format.size)
        extra = [(_raw(field), f"V{field.size}") for field in self.kept]
        ours = [(name, "u1") for name in OURS]
        self.dtype = np.dtype([*standard_dtype(target).descr, *extra, *ours])
        size = standard_dtype(target).itemsize
        self._target_plain = np.dtype([("standard", f"V{size}"), *extra, *ours])

    def build(self, array: np.ndarray, found: ResultSlice) -> np.ndarray:
        """Points (N,) of the target's dtype, in the order of `array` (N,), the source's records."""
        array = np.ascontiguousarray(array)
        out = np.empty(len(array), self.dtype)
        plain, target = array.view(self._plain), out.view(self._target_plain)
        for field in self.kept:
            target[_raw(field)] = plain[_raw(field)]
        if self.target_format == self.source_format:
            target["standard"] = plain["standard"]
            if self.target_format < FIRST_WIDE:
                packed = out["raw_classification"]
                packed &= np.uint8(0xE0)
                packed |= found.code & np.uint8(MOST_NARROW_CODE)
            else:
                out["classification"] = found.code
        else:
            _widen(array.view(self._narrow), out, found.code)
        out[OURS[0]], out[OURS[1]] = found.conf, found.label
        return out

    def return_number(self, points: np.ndarray) -> np.ndarray:
        """uint8 (N,) of points that were built."""
        mask = 0x0F if self.target_format >= FIRST_WIDE else 0x07
        return points["bit_fields"] & np.uint8(mask)


def _raw(field: ExtraField) -> str:
    # By place: names may repeat, or be those of standard dimensions.
    return f"extra {field.offset}"


def _coarse(standard: int, fields: list[ExtraField], size: int) -> np.dtype:
    """Only the cuts between what is copied: one move a point instead of one a dimension."""
    return np.dtype(
        {
            "names": ["standard", *(_raw(field) for field in fields)],
            "formats": [f"V{standard}", *(f"V{field.size}" for field in fields)],
            "offsets": [0, *(standard + field.offset for field in fields)],
            "itemsize": size,
        }
    )


def _named(standard: np.dtype, size: int) -> np.dtype:
    names = list(standard.names or ())
    fields = standard.fields or {}
    return np.dtype(
        {
            "names": names,
            "formats": [fields[name][0] for name in names],
            "offsets": [fields[name][1] for name in names],
            "itemsize": size,
        }
    )


def _widen(old: np.ndarray, new: np.ndarray, code: np.ndarray) -> None:
    """Formats 0 to 3 to 6 and 7: three bits a return become four, flags move, angles get finer steps."""
    for name in ("X", "Y", "Z", "intensity", "user_data", "point_source_id"):
        new[name] = old[name]
    bits, packed = old["bit_fields"], old["raw_classification"]
    new["bit_fields"] = (bits & 0x07) | ((bits & 0x38) << 1)
    overlap = ((packed & MOST_NARROW_CODE) == _OLD_OVERLAP_CODE).astype(np.uint8)
    new["classification_flags"] = (packed >> 5) | (overlap << 3) | (bits & 0xC0)
    new["classification"] = code
    angle = np.rint(old["scan_angle_rank"].astype(np.float32) / np.float32(SCAN_ANGLE_STEP_DEG))
    new["scan_angle"] = angle.astype(np.int16)
    new["gps_time"] = old["gps_time"] if "gps_time" in old.dtype.names else 0.0
    if "red" in new.dtype.names:
        for name in ("red", "green", "blue"):
            new[name] = old[name]
