"""What a press, some moves and a release mean."""

from __future__ import annotations

import pytest

from cityseg_qgis.core.prompts import ADD, BOX, LASSO, POINT, REMOVE, SCRIBBLE
from cityseg_qgis.gui.maptools.gesture import Gesture


def place(pixel):
    """A map of 2 units a pixel, y up."""
    return 1000 + 2 * pixel[0], 5000 - 2 * pixel[1]


def played(*pixels, label=ADD, mode="", hold_after=0):
    """The sketch of a press at the first pixel, moves, and a release at the last."""
    gesture = Gesture(drag_px=6)
    gesture.press(pixels[0], place(pixels[0]), label, mode)
    for number, pixel in enumerate(pixels[1:-1], 1):
        if number == hold_after:
            gesture.hold()
        gesture.move(pixel, place(pixel))
    sketch = gesture.release(pixels[-1], place(pixels[-1]))
    assert not gesture.active
    return sketch


def test_a_press_and_a_release_are_a_click_where_it_was_pressed():
    sketch = played((10, 10), (13, 12), (12, 13))
    assert (sketch.kind, sketch.xy, sketch.label) == (POINT, (place((10, 10)),), ADD)


def test_a_drag_is_a_box_from_press_to_release():
    sketch = played((10, 10), (30, 20), (50, 40), label=REMOVE)
    assert (sketch.kind, sketch.label) == (BOX, REMOVE)
    assert sketch.xy == (place((10, 10)), place((50, 40)))


def test_a_box_may_end_in_a_fast_release_without_moves():
    assert played((10, 10), (80, 90)).kind == BOX


def test_holding_before_dragging_is_a_scribble_along_the_way():
    sketch = played((10, 10), (20, 10), (20, 30), (40, 30), hold_after=1)
    assert sketch.kind == SCRIBBLE
    assert sketch.xy == tuple(place(p) for p in ((10, 10), (20, 10), (20, 30), (40, 30)))


def test_holding_without_dragging_is_a_click():
    gesture = Gesture()
    gesture.press((10, 10), place((10, 10)), ADD)
    assert gesture.hold()
    assert gesture.release((10, 11), place((10, 11))).kind == POINT


def test_once_a_box_always_a_box():
    gesture = Gesture(drag_px=6)
    gesture.press((10, 10), place((10, 10)), ADD)
    gesture.move((40, 40), place((40, 40)))
    assert not gesture.hold()
    gesture.move((11, 11), place((11, 11)))
    assert gesture.release((11, 11), place((11, 11))).kind == BOX


def test_the_lasso_mode_draws_a_ring_at_once():
    sketch = played((0, 0), (40, 0), (40, 40), (0, 40), mode=LASSO)
    assert sketch.kind == LASSO
    assert len(sketch.xy) == 4


@pytest.mark.parametrize("mode", [LASSO, SCRIBBLE])
def test_a_click_in_a_drawing_mode_is_a_click(mode):
    assert played((10, 10), (11, 11), mode=mode).kind == POINT


def test_a_lasso_that_encloses_nothing_is_a_click():
    assert played((10, 10), (30, 10), (50, 10), mode=LASSO).kind == POINT


def test_tiny_moves_add_no_vertices():
    pixels = [(10 + 0.5 * step, 10) for step in range(80)]
    assert len(played(*pixels, mode=SCRIBBLE).xy) < 20


def test_a_cancelled_gesture_gives_nothing():
    gesture = Gesture()
    gesture.press((10, 10), place((10, 10)), ADD)
    gesture.cancel()
    assert gesture.release((60, 60), place((60, 60))) is None
    assert gesture.sketch() is None
