"""Probability to outlines: the sub-pixel contour at a threshold, as polygons with holes."""

from __future__ import annotations

import contourpy
import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

# Values this near the threshold are moved off it, so that no contour passes through a pixel's centre: rings then
# never touch each other or themselves, which is what makes the polygons valid by construction.
_CLEARANCE = 1e-4


def polygonize(probability: np.ndarray, threshold: float = 0.5) -> Polygon | MultiPolygon:
    """Outline of `probability > threshold`, (H, W), by linear interpolation between pixel centres.

    Coordinates are (x, y) in the array's pixel frame: origin at the corner of the first pixel, whose centre is
    (0.5, 0.5). Between the outermost centres and the array's edge the field is constant. Not-a-number counts as
    0. Returns an empty Polygon where nothing is above the threshold.
    """
    rows, cols = frame_of(probability > threshold)
    if rows.start == rows.stop:
        return Polygon()
    cropped = np.asarray(probability[rows, cols], np.float64)
    polygons = contours(np.pad(cropped, 1, mode="edge"), _centres(cols), _centres(rows), threshold)
    if not len(polygons):
        return Polygon()
    return polygons[0] if len(polygons) == 1 else MultiPolygon(list(polygons))


def contours(field: np.ndarray, x: np.ndarray, y: np.ndarray, threshold: float) -> np.ndarray:
    """Polygons (shapely, maybe none) around `field > threshold`, float64 (len(y), len(x)), changed in place.

    `x` and `y` may be given as `np.meshgrid` makes them, which saves time where one grid serves several fields. Between four
    neighbouring nodes the polygons depend on those four values only.
    """
    settle(field, threshold)
    return settled_contours(field, x, y, threshold)


def settle(field: np.ndarray, threshold: float) -> None:
    """Make a field fit for contours, in place: no value at the threshold, and none that is not a number."""
    if not np.isfinite(field.sum()):
        np.nan_to_num(field, copy=False, nan=0.0)
    offset = field - threshold
    near = np.abs(offset) < _CLEARANCE
    field[near] = threshold + np.where(offset[near] > 0, _CLEARANCE, -_CLEARANCE)


def settled_contours(
    field: np.ndarray, x: np.ndarray, y: np.ndarray, threshold: float
) -> np.ndarray:
    """`contours` of a field that went through `settle`, or is made of such fields; it is not changed."""
    generator = contourpy.contour_generator(
        x=x, y=y, z=field, fill_type=contourpy.FillType.ChunkCombinedOffsetOffset
    )
    points, offsets, outer_offsets = (chunk[0] for chunk in generator.filled(threshold, np.inf))
    if points is None:
        return np.array([], dtype=object)
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        points,
        (offsets.astype(np.int64), outer_offsets.astype(np.int64)),
    )


def frame_of(above: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all of `above` and, inside the array, a pixel more: an object is rarely the crop."""
    rows, cols = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    height, width = above.shape
    return (
        slice(max(rows[0] - 1, 0), min(rows[-1] + 2, height)),
        slice(max(cols[0] - 1, 0), min(cols[-1] + 2, width)),
    )


def _centres(span: slice) -> np.ndarray:
    """Pixel centres of a span, and its two edges."""
    centres = np.arange(span.start, span.stop) + 0.5
    return np.concatenate([[float(span.start)], centres, [float(span.stop)]])
