"""The bounds of a file's points: the header's where they fit what is looked at, else those of the points themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import Bounds3D, slack

if TYPE_CHECKING:
    from inference_backend.points.las import LasFile

# No projected CRS has coordinates beyond this, in feet either.
_FARTHEST = 1e9
_LOOKS, _LOOK_POINTS = 9, 2_000
# A few looks at the file see most of a cloud's extent: bounds wider than this many times what they saw are doubted.
_TIMES = 20.0
_SCAN_POINTS = 250_000


def checked_bounds(file: LasFile) -> tuple[Bounds3D, tuple[str, ...]]:
    """(bounds in the source frame, warnings). All points are read where the header's bounds cannot be trusted."""
    header = file.header
    stated = (*map(float, header.mins), *map(float, header.maxs))
    warnings: tuple[str, ...] = ()
    bounds = stated
    if not _plausible(file, stated):
        bounds = _scan(file)
        warnings = ("The bounds in the cloud's header are wrong; those of its points are used.",)
    if any(abs(one) > _FARTHEST for one in bounds):
        far = max(bounds, key=abs)
        raise InvalidInput(
            f"'{file.name}' has coordinates up to {far:.3g}, which no CRS has: its scale or offset is wrong; export it again."
        )
    return bounds, warnings


def _plausible(file: LasFile, stated: tuple[float, ...]) -> bool:
    if not all(math.isfinite(one) and abs(one) <= _FARTHEST for one in stated):
        return False
    if any(stated[axis] > stated[axis + 3] for axis in range(3)):
        return False
    seen = _looked(file)
    for axis in range(3):
        low, high = stated[axis], stated[axis + 3]
        room = slack(low, high, float(file.header.scales[axis]))
        if seen[axis] < low - room or seen[axis + 3] > high + room:
            return False
        span = seen[axis + 3] - seen[axis]
        # A plain of heights is no doubt; a box of nothing is.
        if high - low > max(_TIMES * span, 1000.0):
            return False
    return True


def _looked(file: LasFile) -> Bounds3D:
    """Bounds of a few runs of points, spread over the file."""
    box = _Box(file)
    for array in file.looks(_LOOKS, _LOOK_POINTS):
        box.add(array)
    return box.bounds


def _scan(file: LasFile) -> Bounds3D:
    box = _Box(file)
    for piece in file.points(_SCAN_POINTS):
        box.add(piece.array)
    return box.bounds


class _Box:
    def __init__(self, file: LasFile) -> None:
        self._header = file.header
        self._low = np.full(3, np.iinfo(np.int64).max)
        self._high = np.full(3, np.iinfo(np.int64).min)

    def add(self, array: np.ndarray) -> None:
        for axis, name in enumerate("XYZ"):
            values = array[name]
            self._low[axis] = min(self._low[axis], int(values.min()))
            self._high[axis] = max(self._high[axis], int(values.max()))

    @property
    def bounds(self) -> Bounds3D:
        scales, offsets = np.asarray(self._header.scales), np.asarray(self._header.offsets)
        low, high = self._low * scales + offsets, self._high * scales + offsets
        return (*map(float, low), *map(float, high))
