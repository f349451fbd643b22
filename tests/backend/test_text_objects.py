"""Single objects are found once, whole, wherever rows and panels end."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from inference_backend.cancel import CancelToken
from inference_backend.text_objects import ObjectFinder, connected
from inference_backend.text_tiles import HALO_PX, Slab
from inference_backend.vector.instances import split_instances

SIZE = (900, 1000)


def scene(*boxes):
    """Probability and core of upright rectangles, cores three pixels inside."""
    probability, core = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
    for x0, y0, x1, y1 in boxes:
        probability[y0:y1, x0:x1] = 0.9
        core[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = 1
    return probability, core


def found(probability, core, rows, cols=(), split=split_instances, stop_after=None):
    """Objects of a field given in slabs that end at `rows`, in panels that end at `cols`."""
    finder, things = ObjectFinder(0.5, split, SIZE, CancelToken()), []
    rgb = np.full((*SIZE, 3), 50, np.uint8)
    tops, edges = [0, *rows, SIZE[0]], [0, *cols, SIZE[1]]
    for first, end in zip(edges[:-1], edges[1:]):
        left, right = max(first - HALO_PX - 5, 0), min(end + HALO_PX + 5, SIZE[1])
        finder.begin_panel(first, end)
        for top, bottom in zip(tops[:-1], tops[1:]):
            if stop_after is not None and top >= stop_after:
                break
            part = np.s_[top:bottom, left:right]
            slab = Slab(top, left, [probability[part]], [core[part]], rgb[part])
            things += finder.add(slab, 0)
        things += finder.end_panel()
    return things + finder.finish()


def assert_boxes(things, boxes):
    assert len(things) == len(boxes)
    wanted = [shapely.box(*box) for box in boxes]
    for thing in things:
        best = max(
            thing.geometry.intersection(box).area / thing.geometry.union(box).area for box in wanted
        )
        assert best > 0.97
    whole = shapely.union_all([thing.geometry for thing in things])
    assert whole.area == pytest.approx(sum(thing.geometry.area for thing in things), rel=1e-3)


SMALL = [
    (20, 20, 60, 50),
    (300, 190, 340, 215),
    (480, 380, 530, 425),
    (700, 795, 760, 806),
    (495, 640, 505, 700),
]
CUTS = [
    ([], []),
    ([200, 400, 600, 800], []),
    ([200, 400, 600, 800], [500]),
    ([50, 210, 700], [330, 520]),
]


@pytest.mark.parametrize("cut", CUTS)
def test_each_once_whatever_line_it_lies_on(cut):
    assert_boxes(found(*scene(*SMALL), *cut), SMALL)


@pytest.mark.parametrize("cut", CUTS)
def test_touching_objects_are_told_apart(cut):
    """Rows of houses wall to wall, across every line."""
    houses = [(100 + 40 * k, 180, 140 + 40 * k, 225) for k in range(20)]
    houses += [(480, 300 + 30 * k, 540, 330 + 30 * k) for k in range(15)]
    assert_boxes(found(*scene(*houses), *cut), houses)


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_longer_than_any_window_is_one(cut):
    ships = [(60, 10, 110, 880), (30 + 200, 450, 990, 500)]
    assert_boxes(found(*scene(*ships), *cut), ships)


@pytest.mark.parametrize("gap", [0, 2])
def test_long_ones_side_by_side_are_as_if_nothing_had_been_cut(gap):
    boxes = [(100 + 40 * k, 20, 140 - gap + 40 * k, 880) for k in range(6)]
    whole = [thing.geometry for thing in found(*scene(*boxes), [])]
    cut = [thing.geometry for thing in found(*scene(*boxes), [200, 400, 600, 800], [250])]
    assert len(cut) == len(whole) == len(boxes)
    for geometry in whole:
        apart = min(geometry.symmetric_difference(other).area for other in cut)
        # Where nothing marks the wall, each window puts it where its own shape says: two pixels apart at most.
        assert apart < (0.06 * geometry.area if gap == 0 else 1)


def test_each_wall_between_neighbours_is_shared():
    boxes = [(100, 100, 140, 140), (140, 100, 180, 140)]
    one, other = found(*scene(*boxes), [])
    assert one.geometry.intersection(other.geometry).area < 1e-6
    assert one.geometry.distance(other.geometry) < 0.01


def test_scores_and_colours_are_means_over_the_object():
    probability, core = scene((100, 100, 140, 140))
    (thing,) = found(probability, core, [])
    pixels, total, *rgb = thing.sums
    assert pixels == 1600
    assert total / pixels == pytest.approx(0.9)
    assert np.array(rgb) / pixels == pytest.approx([50, 50, 50])


def test_nothing_is_no_object():
    assert found(*scene(), [200, 400]) == []


def test_without_cores_what_hangs_together_is_one():
    boxes = [(100, 100, 140, 140), (140, 100, 180, 140)]
    things = found(*scene(*boxes), [120], split=connected)
    assert_boxes(things, [(100, 100, 180, 140)])


def test_a_stop_keeps_what_was_seen():
    things = found(*scene(*SMALL, (800, 380, 840, 600)), [200, 400, 600], stop_after=500)
    bounds = sorted(round(thing.geometry.bounds[1]) for thing in things)
    assert bounds == [20, 190, 380, 380]
