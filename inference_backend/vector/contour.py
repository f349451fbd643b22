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
    height, width = probability.shape
    field = np.pad(np.nan_to_num(np.asarray(probability, np.float64), nan=0.0), 1, mode="edge")
    offset = field - threshold
    near = np.abs(offset) < _CLEARANCE
    field[near] = threshold + np.where(offset[near] > 0, _CLEARANCE, -_CLEARANCE)
    if not (field > threshold).any():
        return Polygon()
    generator = contourpy.contour_generator(
        x=_centres(width),
        y=_centres(height),
        z=field,
        fill_type=contourpy.FillType.ChunkCombinedOffsetOffset,
    )
    points, offsets, outer_offsets = (chunk[0] for chunk in generator.filled(threshold, np.inf))
    if points is None:
        return Polygon()
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        points,
        (offsets.astype(np.int64), outer_offsets.astype(np.int64)),
    )
    return polygons[0] if len(polygons) == 1 else MultiPolygon(list(polygons))


def _centres(count: int) -> np.ndarray:
    """Pixel centres, and the array's two edges."""
    return np.concatenate([[0.0], np.arange(count) + 0.5, [float(count)]])
