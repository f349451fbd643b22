"""Outlines of a field that arrives in strips and panels are those of the whole field."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from inference_backend.vector.contour import polygonize
from inference_backend.vector.seams import SeamMerger

# Coordinates are kept to 1/1024 pixel; so far an outline may differ, along all of its length.
GRID = 1 / 1024


def smooth(rows, cols, seed, sigma=6.0):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(rows, cols)), sigma)
    return (0.5 + 0.25 * field / field.std()).astype(np.float32)


def merged(field, rows, cols, threshold=0.5, stop_after=None):
    """Areas of `field`, given in strips that end at `rows` and panels that end at `cols`."""
    merger, found = SeamMerger(threshold, 1), []
    row_edges, col_edges = [0, *rows, field.shape[0]], [0, *cols, field.shape[1]]
    for first, end in zip(col_edges[:-1], col_edges[1:]):
        shared = end < field.shape[1]
        merger.begin_panel(first, shared)
        for top, bottom in zip(row_edges[:-1], row_edges[1:]):
            if stop_after is not None and top >= stop_after:
                break
            strip = field[top:bottom, first : end + shared]
            found += merger.add(strip, top, [strip])
        found += merger.end_panel()
    return found + merger.finish()


def parts(areas):
    return [part for area in areas for part in area.parts()]


def assert_same(got, expected):
    """Equal part by part, up to the grid of the coordinates."""
    expected = list(shapely.get_parts(expected))
    assert len(got) == len(expected)
    tree = shapely.STRtree(got)
    for wanted in expected:
        nearest = got[tree.nearest(wanted.representative_point())]
        apart = nearest.symmetric_difference(wanted).area
        assert apart <= GRID * wanted.length + 1e-9
        assert nearest.is_valid


CUTS = {
    "whole": ([], []),
    "strips": ([100, 200, 301], []),
    "a strip of one row": ([100, 101, 102], []),
    "panels": ([], [150, 320]),
    "strips and panels": ([90, 180, 270, 360], [100, 101, 333]),
}


@pytest.mark.parametrize("cut", sorted(CUTS))
def test_the_outline_is_that_of_the_whole_field(cut):
    field = smooth(400, 450, 3)
    assert_same(parts(merged(field, *CUTS[cut])), polygonize(field))


@settings(max_examples=30)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 59), max_size=5, unique=True),
    st.lists(st.integers(1, 69), max_size=3, unique=True),
    st.sampled_from([0.4, 0.5, 0.63]),
)
def test_wherever_it_is_cut(seed, rows, cols, threshold):
    """Coarse noise: saddles, holes, islands in holes, and things at every edge and corner."""
    field = smooth(60, 70, seed, sigma=1.2)
    assert_same(
        parts(merged(field, sorted(rows), sorted(cols), threshold)), polygonize(field, threshold)
    )


def test_pixels_and_sums_are_counted_once():
    field = smooth(300, 310, 8)
    areas = merged(field, [70, 140, 141], [99, 200])
    inside = field > 0.5
    assert sum(area.sums[0] for area in areas) == inside.sum()
    assert sum(area.sums[1] for area in areas) == pytest.approx(
        float(field[inside].sum()), rel=1e-5
    )


def test_an_area_is_given_as_soon_as_it_is_complete():
    field = np.zeros((90, 60), np.float32)
    field[5:15, 5:15] = 1
    field[20:70, 30:40] = 1
    merger = SeamMerger(0.5, 1)
    merger.begin_panel(0, False)
    assert len(merger.add(field[:30], 0, [field[:30]])) == 1
    assert merger.add(field[30:60], 30, [field[30:60]]) == []
    (long,) = merger.add(field[60:], 60, [field[60:]])
    (part,) = long.parts()
    assert part.bounds == pytest.approx((30, 20, 40, 70), abs=0.01)
    assert merger.finish() == []


def test_what_was_seen_before_a_stop_is_kept():
    field = np.zeros((90, 60), np.float32)
    field[20:70, 30:40] = 1
    (part,) = parts(merged(field, [30, 60], [], stop_after=60))
    assert part.bounds[:3] == pytest.approx((30, 20, 40), abs=0.01)
    # A stopped strip ends at its last line, where the field goes on as it ended.
    assert part.bounds[3] == pytest.approx(60, abs=0.01)


def test_not_a_number_is_nothing():
    field = smooth(80, 80, 2)
    field[30:50] = np.nan
    assert_same(parts(merged(field, [40], [35])), polygonize(np.nan_to_num(field)))


def test_an_empty_field_has_no_area():
    assert merged(np.zeros((50, 50), np.float32), [20], [25]) == []
