"""The bounds of a cloud's points: the stated ones where they fit what is looked at, else those of the points themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import laspy
import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import Bounds3D, slack

# No projected CRS has coordinates beyond this, in feet either.
_FARTHEST = 1e9
# A few looks see most of a cloud's extent: bounds wider than this many times what they saw are doubted.
_TIMES = 20.0
_DOUBTED_FROM = 1000.0
WRONG = "The bounds that the cloud states are wrong; those of its points are used."

Arrays = Iterable[np.ndarray]


def checked_bounds(
    stated: tuple[float, ...],
    header: laspy.LasHeader,
    looks: Callable[[], Arrays],
    everything: Callable[[], Arrays],
    name: str,
) -> tuple[Bounds3D, tuple[str, ...]]:
    """(bounds in the source frame, warnings).

    `looks` gives some points, spread over the cloud, as structured arrays; `everything` all of them, and is asked only where
    the stated bounds cannot be trusted. Raises InvalidInput for coordinates that no CRS has.
    """
    warnings: tuple[str, ...] = ()
    bounds: Bounds3D = (*map(float, stated),)  # type: ignore[assignment]
    if not _plausible(bounds, header, looks):
        bounds, warnings = bounds_of(everything(), header), (WRONG,)
    if not all(abs(one) <= _FARTHEST for one in bounds):
        far = max(bounds, key=abs)
        raise InvalidInput(
            f"'{name}' has coordinates up to {far:.3g}, which no CRS has: its scale or offset is wrong; export it again."
        )
    return bounds, warnings


def bounds_of(arrays: Arrays, header: laspy.LasHeader) -> Bounds3D:
    """Bounds of points of this header."""
    box = _Box(header)
    for array in arrays:
        if len(array):
            box.add(array)
    return box.bounds


def _plausible(stated: Bounds3D, header: laspy.LasHeader, looks: Callable[[], Arrays]) -> bool:
    if not all(math.isfinite(one) and abs(one) <= _FARTHEST for one in stated):
        return False
    if any(stated[axis] > stated[axis + 3] for axis in range(3)):
        return False
    seen = bounds_of(looks(), header)
    for axis in range(3):
        low, high = stated[axis], stated[axis + 3]
        room = slack(low, high, float(header.scales[axis]))
        if seen[axis] < low - room or seen[axis + 3] > high + room:
            return False
        if high - low > max(_TIMES * (seen[axis + 3] - seen[axis]), _DOUBTED_FROM):
            return False
    return True


class _Box:
    def __init__(self, header: laspy.LasHeader) -> None:
        self._header = header
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
