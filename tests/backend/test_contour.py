"""Probability to polygons: sub-pixel, valid, holes where holes are."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from shapely import Polygon

from inference_backend.vector.contour import polygonize

SIDE = 96


def coverage(shape: shapely.Geometry, side: int = SIDE, fine: int = 6) -> np.ndarray:
    """Share of each pixel that `shape` covers, by a 6 by 6 grid of points: an antialiased mask."""
    axis = (np.arange(side * fine) + 0.5) / fine
    x, y = np.meshgrid(axis, axis)
    inside = shapely.contains_xy(shape, x, y)
    return inside.reshape(side, fine, side, fine).mean(axis=(1, 3)).astype(np.float32)


def iou(a: shapely.Geometry, b: shapely.Geometry) -> float:
    return a.intersection(b).area / a.union(b).area


def star(seed: int, corners: int, rough: float, hole: bool) -> Polygon:
    """A polygon round the middle of the array, maybe with a round hole."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 1)
    radii = rng.uniform(1 - rough, 1, corners) * rng.uniform(25, 44)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + SIDE / 2
    shape = Polygon(ring)
    return shape.difference(shapely.Point(SIDE / 2, SIDE / 2).buffer(8)) if hole else shape


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 14), st.floats(0, 0.35), st.booleans())
def test_an_outline_survives_the_round_trip(seed, corners, rough, hole):
    shape = star(seed, corners, rough, hole)
    found = polygonize(coverage(shape))
    assert found.is_valid
    assert iou(found, shape) > 0.97
    assert found.area == pytest.approx(shape.area, rel=0.02)


@settings(max_examples=150, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 14), st.integers(1, 14)),
        elements=st.sampled_from([0, 0.25, 0.49999, 0.5, 0.50001, 0.75, 1, np.float32(np.nan)]),
    )
)
def test_whatever_comes_is_valid_and_inside_the_array(field):
    """Ties with the threshold, saddles, checkerboards, not-a-number, one pixel."""
    found = polygonize(field)
    rows, cols = field.shape
    assert found.is_valid
    if (np.nan_to_num(field) > 0.5).any():
        assert shapely.box(0, 0, cols, rows).buffer(1e-9).covers(found)
        assert found.area > 0
    else:
        assert found.is_empty


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.float32, (9, 11), elements=st.floats(0, 1, width=32)),
    st.sampled_from([0.3, 0.5, 0.7]),
)
def test_pixel_centres_are_on_their_side(field, threshold):
    found = polygonize(field, threshold)
    col, row = np.meshgrid(np.arange(11) + 0.5, np.arange(9) + 0.5)
    clear = np.abs(field - threshold) > 1e-3
    inside = (
        shapely.contains_xy(found, col, row) if not found.is_empty else np.zeros(field.shape, bool)
    )
    np.testing.assert_array_equal(inside[clear], (field > threshold)[clear])


def test_a_straight_edge_lies_where_the_probability_says():
    """0.2 and 1.0 on both sides of the edge: the contour crosses 3/8 of the way from centre to centre."""
    field = np.full((6, 10), 0.2)
    field[:, 5:] = 1.0
    assert polygonize(field).bounds == pytest.approx((4.5 + 0.375, 0, 10, 6))


def test_a_slanted_edge_has_no_stairs():
    field = coverage(Polygon([(10, 10), (85, 32), (80, 90), (8, 60)]))
    ring = shapely.get_coordinates(polygonize(field).exterior)
    along = ring[(ring[:, 0] > 20) & (ring[:, 0] < 75) & (ring[:, 1] < 40)]
    line = 10 + (along[:, 0] - 10) * 22 / 75
    assert len(along) > 50
    assert np.abs(along[:, 1] - line).max() < 0.15


def test_holes_and_islands_in_holes():
    y, x = np.mgrid[:80, :80] + 0.5
    distance = np.hypot(x - 40, y - 40)
    field = ((distance < 35) & ((distance > 22) | (distance < 9))).astype(float)
    found = polygonize(field)
    assert found.geom_type == "MultiPolygon"
    assert sorted(len(part.interiors) for part in found.geoms) == [0, 1]
    assert found.area == pytest.approx(field.sum(), rel=0.01)


def test_all_above_is_the_whole_array_and_all_below_is_empty():
    assert polygonize(np.ones((5, 7))).equals(shapely.box(0, 0, 7, 5))
    assert polygonize(np.zeros((5, 7))).is_empty


def test_smooth_noise_of_a_full_crop_is_valid():
    noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((512, 512)), 3)
    found = polygonize(1 / (1 + np.exp(-40 * noise)))
    assert found.is_valid
    assert len(found.geoms) > 100
