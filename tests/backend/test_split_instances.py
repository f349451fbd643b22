"""From a probability to single things: touching objects apart, every pixel labelled once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from inference_backend.vector.adjacency import contacts
from inference_backend.vector.instances import split_instances


def painted(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    """1.0 in boxes of (row0, row1, col0, col1)."""
    field = np.zeros(shape, np.float32)
    for row0, row1, col0, col1 in boxes:
        field[row0:row1, col0:col1] = 1.0
    return field


def count(labels: np.ndarray) -> int:
    return len(np.unique(labels[labels > 0]))


def test_terraced_houses_part_where_their_cores_do():
    mask = painted((10, 30, 5, 65))
    core = painted((14, 26, 9, 21), (14, 26, 29, 41), (14, 26, 49, 61))
    labels = split_instances(mask, core)
    assert labels.dtype == np.int32
    assert count(labels) == 3
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert ((labels > 0) == (mask > 0)).all()
    # Cores meet half-way: each house is 20 columns wide.
    for middle, start in ((15, 5), (35, 25), (55, 45)):
        assert set(np.flatnonzero(labels[20] == labels[20, middle])) == set(
            range(start, start + 20)
        )


def test_cores_meet_half_way_wherever_they_lie_in_a_wide_block():
    """A core nearer to the middle of the block gets no more than its half."""
    mask = painted((0, 60, 0, 160), shape=(60, 160))
    core = painted(*((4, 56, 20 * k + 5, 20 * k + 15) for k in range(8)), shape=(60, 160))
    labels = split_instances(mask, core)
    assert count(labels) == 8
    for k in range(8):
        columns = set(np.flatnonzero(labels[30] == labels[30, 20 * k + 10]))
        assert columns == set(range(20 * k, 20 * k + 20))


def test_a_valley_of_the_core_map_is_the_border():
    mask = painted((10, 30, 5, 65))
    core = painted((12, 28, 8, 20), (12, 28, 30, 62))
    # Between the two seeds the map falls to its least at column 22, nearer to the left one.
    core[12:28, 20:30] = np.abs(np.arange(20, 30) - 22)[None] * 0.05
    labels = split_instances(mask, core)
    assert count(labels) == 2
    border = np.flatnonzero(np.diff(labels[20]))
    assert any(abs(edge + 1 - 22) <= 1 for edge in border)


def test_one_core_keeps_a_necked_shape_whole():
    mask = painted((10, 30, 5, 25), (10, 30, 30, 50), (19, 21, 25, 30))
    assert count(split_instances(mask, painted((15, 25, 10, 20)))) == 1
    assert count(split_instances(mask, painted((15, 25, 10, 20), (15, 25, 35, 45)))) == 2


def test_without_cores_a_narrow_neck_parts_and_a_wide_one_does_not():
    narrow = painted((10, 30, 5, 25), (10, 30, 28, 50), (19, 21, 25, 28))
    wide = painted((10, 30, 5, 25), (10, 30, 28, 50), (13, 27, 25, 28))
    assert count(split_instances(narrow, None)) == 2
    assert count(split_instances(wide, None)) == 1
    # No core in a part is the same as no core map.
    assert count(split_instances(narrow, np.zeros_like(narrow))) == 2


def test_an_l_shape_and_a_long_road_stay_whole():
    corner = painted((5, 55, 5, 20), (40, 55, 5, 60))
    assert count(split_instances(corner, None)) == 1
    rows, cols = np.mgrid[0:60, 0:80]
    road = (np.abs(rows - 30 - 15 * np.sin(cols / 12)) < 4).astype(np.float32)
    assert count(split_instances(road, None)) == 1


def test_two_discs_that_overlap_a_little_part_and_much_do_not():
    rows, cols = np.mgrid[0:60, 0:80]

    def discs(gap: float) -> np.ndarray:
        one = np.hypot(rows - 30, cols - (40 - gap / 2)) < 14
        return (one | (np.hypot(rows - 30, cols - (40 + gap / 2)) < 14)).astype(np.float32)

    # Half the width of the pass is sqrt(14² - (gap / 2)²): 5.4 of 14 at 26, 11.5 at 16.
    assert count(split_instances(discs(26), None)) == 2
    assert count(split_instances(discs(16), None)) == 1


def test_parts_that_do_not_touch_are_different_things_and_corners_join():
    assert count(split_instances(painted((5, 15, 5, 15), (5, 15, 16, 26)), None)) == 2
    diagonal = painted((5, 7, 5, 7), (7, 9, 7, 9))
    assert count(split_instances(diagonal, None, least_px=12)) == 1


def test_specks_of_core_are_no_seeds():
    mask = painted((10, 30, 5, 45))
    core = painted((14, 26, 9, 41))
    core[28, 43] = 1.0
    assert count(split_instances(mask, core)) == 1


def test_small_fragments_go_to_the_neighbour_with_the_longest_border():
    mask = painted((10, 30, 5, 45))
    # Two large cores, and one of four pixels at the far side, whose share of the mask stays small.
    core = painted((12, 28, 7, 22), (12, 28, 28, 40), (12, 14, 43, 45))
    kept = split_instances(mask, core, least_px=1)
    joined = split_instances(mask, core, least_px=150)
    assert count(kept) == 3
    assert count(joined) == 2
    assert joined[13, 44] == joined[20, 35]
    assert ((joined > 0) == (mask > 0)).all()


def test_a_lone_speck_stays():
    labels = split_instances(painted((10, 12, 10, 12), (30, 50, 30, 50)), None, least_px=50)
    assert count(labels) == 2


def test_the_threshold_is_strict_and_gaps_are_outside():
    field = np.full((8, 8), 0.5, np.float32)
    assert count(split_instances(field, None)) == 0
    field[2:6, 2:6] = 0.500001
    assert (split_instances(field, None) > 0).sum() == 16
    field[3, 3] = np.nan
    assert split_instances(field, None)[3, 3] == 0
    assert count(split_instances(field, None, threshold=0.9)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 3)])
def test_thin_and_tiny_arrays(shape):
    ones = np.ones(shape, np.float32)
    for core in (None, ones, np.zeros(shape, np.float32)):
        assert (split_instances(ones, core) == 1).all()
    assert not split_instances(np.zeros(shape, np.float32), None).any()


@settings(max_examples=80)
@given(
    arrays(np.float32, (17, 19), elements=st.sampled_from([0.0, 0.4, 0.6, 1.0])),
    st.none() | arrays(np.float32, (17, 19), elements=st.sampled_from([0.0, 0.3, 0.8])),
    st.integers(1, 20),
)
def test_every_pixel_of_the_mask_has_one_label_of_one_connected_part(probability, core, least_px):
    labels = split_instances(probability, core, least_px=least_px)
    assert ((labels > 0) == (probability > 0.5)).all()
    numbers = np.unique(labels[labels > 0])
    assert list(numbers) == list(range(1, len(numbers) + 1))
    parts, _ = ndimage.label(probability > 0.5, np.ones((3, 3)))
    for number in numbers:
        inside = labels == number
        assert ndimage.label(inside, np.ones((3, 3)))[1] == 1
        # A small thing is one that touches no other.
        if inside.sum() < least_px:
            assert (labels[parts == parts[inside][0]] == number).all()


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_shifted_image_has_the_same_things(seed):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(48, 48)), 3)
    probability = (field > 0).astype(np.float32)
    core = (field > 0.04).astype(np.float32)
    moved = np.zeros((64, 64), np.float32)
    moved[9:57, 5:53] = probability
    moved_core = np.zeros((64, 64), np.float32)
    moved_core[9:57, 5:53] = core
    here = split_instances(probability, core)
    there = split_instances(moved, moved_core)[9:57, 5:53]
    pairs = {(a, b) for a, b in zip(here.ravel().tolist(), there.ravel().tolist(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@settings(max_examples=30, deadline=None)
@given(arrays(np.int32, (7, 9), elements=st.integers(0, 4)))
def test_contacts_are_all_meetings_of_different_labels(labels):
    met = contacts(labels)
    there = {
        (r * 9 + c, (r + down) * 9 + c + right)
        for r in range(7)
        for c in range(9)
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1))
        if r + down < 7 and 0 <= c + right < 9
        if 0 != labels[r, c] != labels[r + down, c + right] != 0
    }
    assert set(zip(met.here.tolist(), met.there.tolist())) == there
    assert len(met.here) == len(there)
    flat = labels.ravel()
    for pair, one, other in zip(met.pair, met.here, met.there):
        assert set(met.pairs[pair]) == {flat[one], flat[other]}


@settings(max_examples=30, deadline=None)
@given(arrays(np.int32, (7, 9), elements=st.integers(0, 4)), st.integers(1, 4))
def test_contacts_of_some_pixels_are_those_of_all_that_touch_them(labels, name):
    wanted = labels == name
    some, every = contacts(labels, wanted), contacts(labels)
    flat = wanted.ravel()
    near = flat[every.here] | flat[every.there]
    expected = {frozenset(p) for p in zip(every.here[near].tolist(), every.there[near].tolist())}
    assert {frozenset(p) for p in zip(some.here.tolist(), some.there.tolist())} == expected
    assert len(some.here) == len(expected)
