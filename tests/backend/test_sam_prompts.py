"""Prompts of every kind in SAM's own frame, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from inference_backend.models.sam_prompts import along_line, encode_prompts, innermost
from inference_backend.prompts import Prompt

SQUARE = [[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]]


def encode(*prompts, scale=2.0, previous=None):
    return encode_prompts(prompts, scale, 1024, previous)


def test_a_click_keeps_its_place_to_the_half_pixel():
    encoded = encode(Prompt("point", [[100.5, 20.0]]))
    assert encoded.points.tolist() == [[200.5, 39.5]]
    assert encoded.labels.tolist() == [1]
    assert encoded.ambiguous
    assert encoded.box is None
    assert encoded.mask_logits is None


def test_two_clicks_or_a_previous_mask_are_not_ambiguous():
    one, two = Prompt("point", [[1, 1]]), Prompt("point", [[5, 5]], label=0)
    assert not encode(one, two).ambiguous
    assert encode(one, two).labels.tolist() == [1, 0]
    assert not encode(one, previous=np.zeros((256, 256), np.float32)).ambiguous


def test_boxes_are_joined_and_need_no_click():
    encoded = encode(Prompt("box", [[10, 10], [20, 20]]), Prompt("box", [[30, 5], [40, 15]]))
    assert encoded.box.tolist() == [19.5, 9.5, 79.5, 39.5]
    assert encoded.points is None


def test_a_box_that_removes_is_a_grid_of_clicks():
    encoded = encode(Prompt("box", [[0, 0], [4, 8]], label=0), scale=1.0)
    assert encoded.box is None
    assert (encoded.points + 0.5)[[0, 4, 8]].tolist() == [[1, 2], [2, 4], [3, 6]]
    assert encoded.labels.tolist() == [0] * 9


def test_a_scribble_is_clicks_at_equal_distances():
    points = along_line(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]]), 4)
    assert points.tolist() == [[1, 0], [3, 0], [4, 1], [4, 3]]
    assert encode(Prompt("scribble", [[0, 0], [4, 0]], label=0)).labels.tolist() == [0] * 8


def test_a_scribble_without_length_is_one_place():
    assert np.unique(along_line(np.array([[3.0, 4.0], [3.0, 4.0]]), 8), axis=0).tolist() == [[3, 4]]


def test_a_lasso_is_a_box_a_click_inside_and_a_mask():
    encoded = encode(Prompt("lasso", SQUARE), scale=4.0)
    assert encoded.box.tolist() == [39.5, 39.5, 119.5, 119.5]
    assert encoded.points == pytest.approx(np.array([[79.5, 79.5]]), abs=2)
    inside = encoded.mask_logits > 0
    # 4 input pixels a pixel and 4 input pixels a cell: one cell a pixel.
    assert inside[10:30, 10:30].all()
    assert inside.sum() == 400
    assert encoded.mask_logits.dtype == np.float32


def test_a_mask_to_start_from_is_drawn_but_gives_no_box():
    encoded = encode(Prompt("mask", SQUARE), Prompt("point", [[20, 20]]), scale=4.0)
    assert encoded.box is None
    assert (encoded.mask_logits > 0).sum() == 400
    assert not encoded.ambiguous


def test_the_previous_answer_wins_over_what_was_drawn():
    previous = np.full((256, 256), 2.5, np.float32)
    assert encode(Prompt("lasso", SQUARE), previous=previous).mask_logits is previous


def test_the_innermost_place_of_a_crescent_lies_in_it():
    angle = np.linspace(0, np.pi, 40)
    outer = np.stack([10 * np.cos(angle), 10 * np.sin(angle)], 1)
    crescent = np.concatenate([outer, outer[::-1] * 0.8])
    assert 8 < np.hypot(*innermost(crescent)) < 10


@pytest.mark.parametrize("ring", [[[0, 0], [1, 1], [2, 2]], [[5, 5], [5, 5], [5, 5]]])
def test_a_ring_without_area_still_has_a_place(ring):
    place = innermost(np.array(ring, float))
    assert place == pytest.approx(np.mean(ring, 0))


def test_a_figure_of_eight_has_a_place_in_its_larger_half():
    place = innermost(np.array([[0, 0], [10, 10], [10, 0], [0, 2]], float))
    assert np.isfinite(place).all()
    assert place[0] > 1
