"""One header for files that belong together, and points of each file as that header has them."""

from __future__ import annotations

from collections.abc import Sequence

import laspy
import numpy as np

from inference_backend.errors import InvalidInput

# What each format has beyond the first of its family: GPS time, colours, near infrared.
_LEGACY = {0: frozenset(), 1: frozenset("t"), 2: frozenset("c"), 3: frozenset("tc")}
_NEW = {6: frozenset(), 7: frozenset("c"), 8: frozenset("cn")}
_NEAR = 1e-6


def joint_header(
    headers: Sequence[laspy.LasHeader], bounds: tuple[float, ...], names: Sequence[str]
) -> laspy.LasHeader:
    """A header that can hold the points of all, with every dimension of each. Raises InvalidInput where formats differ."""
    first = headers[0]
    formats = {int(header.point_format.id) for header in headers}
    for family in (_LEGACY, _NEW):
        if formats <= set(family):
            wanted = frozenset().union(*(family[one] for one in formats))
            point_format = next(one for one, has in family.items() if wanted <= has)
            break
    else:
        odd = next(
            i
            for i, one in enumerate(headers)
            if (one.point_format.id < 6) != (first.point_format.id < 6)
        )
        raise InvalidInput(
            f"'{names[0]}' has point format {first.point_format.id} and '{names[odd]}' {headers[odd].point_format.id}: "
            "bring them to one format first, for instance with 'pdal translate --writers.las.minor_version=4 "
            "--writers.las.dataformat_id=6'."
        )
    newest = max(headers, key=lambda header: header.version.minor)
    joint = laspy.LasHeader(version=newest.version, point_format=point_format)
    joint.system_identifier, joint.generating_software = (
        first.system_identifier,
        first.generating_software,
    )
    joint.global_encoding, joint.creation_date = first.global_encoding, first.creation_date
    joint.evlrs = first.evlrs
    _add_dimensions(joint, headers, names)
    joint.vlrs.extend(vlr for vlr in first.vlrs if vlr.__class__.__name__ != "ExtraBytesVlr")
    joint.scales = np.min([header.scales for header in headers], axis=0)
    joint.offsets = np.array([_offset(joint, first, axis, bounds) for axis in range(3)])
    return joint


def _add_dimensions(
    joint: laspy.LasHeader, headers: Sequence[laspy.LasHeader], names: Sequence[str]
) -> None:
    known: dict[str, tuple[np.dtype, object, object]] = {}
    for header, name in zip(headers, names, strict=True):
        for one in header.point_format.extra_dimensions:
            what = (one.dtype, _listed(one.scales), _listed(one.offsets))
            if known.setdefault(one.name, what) != what:
                raise InvalidInput(
                    f"The dimension '{one.name}' of '{name}' is stored otherwise than in '{names[0]}': bring the files to "
                    "one form first."
                )
            if one.name not in joint.point_format.extra_dimension_names:
                joint.add_extra_dim(
                    laspy.ExtraBytesParams(
                        one.name, one.dtype, one.description, one.offsets, one.scales
                    )
                )


def _listed(values: np.ndarray | None) -> list[float] | None:
    return None if values is None else [float(one) for one in values]


def _offset(
    joint: laspy.LasHeader, first: laspy.LasHeader, axis: int, bounds: tuple[float, ...]
) -> float:
    """The first file's where 32 bits reach all points from there, else the middle of the bounds on the same grid."""
    scale, offset = float(joint.scales[axis]), float(first.offsets[axis])
    low, high = bounds[axis], bounds[axis + 3]
    if max(abs(low - offset), abs(high - offset)) / scale < 2**31 - 2:
        return offset
    if (high - low) / scale >= 2**32 - 4:
        raise InvalidInput(
            "The files lie too far apart for one cloud at the precision of their coordinates: take fewer of them."
        )
    return offset + round(((low + high) / 2 - offset) / scale) * scale


class Recast:
    """Points of one header as points of another that has all its dimensions. `exact`: no coordinate is rounded."""

    def __init__(self, source: laspy.LasHeader, target: laspy.LasHeader) -> None:
        self._from, self._to = source.point_format.dtype(), target.point_format.dtype()
        missing = set(self._from.names or ()) - set(self._to.names or ())
        if missing:
            raise InvalidInput(f"The dimension '{min(missing)}' is not in all files of the cloud.")
        self._axes = [_Shift.of(source, target, axis) for axis in range(3)]
        self.exact = all(axis.exact for axis in self._axes)
        self._same = self._from == self._to and all(axis.still for axis in self._axes)

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Structured array of the target's dtype. Raises InvalidInput for what lies out of reach."""
        if self._same:
            return array
        made = np.zeros(len(array), self._to)
        for name in self._from.names or ():
            made[name] = array[name]
        for axis, name in enumerate("XYZ"):
            made[name] = self._axes[axis](array[name])
        return made


class _Shift:
    """From integers of one scale and offset to those of another."""

    def __init__(self, factor: float, shift: float) -> None:
        whole = round(shift)
        self._factor = factor
        self._whole = factor == 1.0 and abs(shift - whole) <= _NEAR * max(1.0, abs(shift) * 1e-6)
        self._shift = float(whole) if self._whole else shift
        multiple = abs(factor - round(factor)) <= _NEAR and abs(shift - whole) <= 1e-3
        self.exact = self._whole or multiple
        if multiple and not self._whole:
            self._factor, self._shift = float(round(factor)), float(whole)
        self.still = self._whole and whole == 0

    @classmethod
    def of(cls, source: laspy.LasHeader, target: laspy.LasHeader, axis: int) -> _Shift:
        scale, wanted = float(source.scales[axis]), float(target.scales[axis])
        apart = float(source.offsets[axis]) - float(target.offsets[axis])
        return cls(scale / wanted if scale != wanted else 1.0, apart / wanted)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        if self.still:
            return values
        made = np.rint(values.astype(np.float64) * self._factor + self._shift)
        if len(made) and not (made.min() >= -(2**31) and made.max() < 2**31):
            raise InvalidInput(
                "Points lie too far from the rest of the cloud: the file is damaged."
            )
        return made.astype(np.int32)
