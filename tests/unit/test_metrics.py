"""Mask scores and the click protocol against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference_backend.evaluation.metrics import (
    Click,
    MaskMetrics,
    boundary_iou,
    centre_click,
    clicks_needed,
    iou,
    next_click,
    noc,
    overlap,
)


def block(rows, cols, shape=(10, 10)):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*cols)] = True
    return mask


SQUARE = block((2, 6), (2, 6))  # 16 pixels
SHIFTED = block((2, 6), (4, 8))  # shares 8 of them: 8 / 24
EMPTY = np.zeros((10, 10), bool)


def test_overlap_and_iou():
    assert overlap(SQUARE, SHIFTED) == (8, 24)
    assert iou(SQUARE, SHIFTED) == pytest.approx(1 / 3)
    assert iou(SQUARE, SQUARE) == 1
    assert iou(EMPTY, SQUARE) == 0
    assert iou(EMPTY, EMPTY) == 1


def test_ignored_pixels_count_nowhere():
    # Without columns 6 and 7 the union is the square itself and the intersection its right half.
    assert overlap(SQUARE, SHIFTED, ignore=block((0, 10), (6, 8))) == (8, 16)


def test_boundary_iou_of_squares():
    # One pixel wide: rings of a 4x4 block have 12 pixels; shifted by two they share the two rows' ends:
    # columns 4 and 5 of rows 2 and 5 lie on both rings (4 pixels); rings together 12 + 12 - 4.
    assert boundary_iou(SQUARE, SHIFTED, width_px=1) == pytest.approx(4 / 20)
    assert boundary_iou(SQUARE, SQUARE) == 1


def test_mask_metrics_by_hand():
    metrics = MaskMetrics()
    assert metrics.add(SQUARE, SQUARE) == 1
    assert metrics.add(SHIFTED, SQUARE) == pytest.approx(1 / 3)
    assert metrics.add(EMPTY, SQUARE) == 0
    assert metrics.add(EMPTY, EMPTY) == 1
    assert metrics.add(SQUARE, EMPTY) == 0
    result = metrics.result()
    assert result["n"] == 5
    assert result["gIoU"] == pytest.approx((1 + 1 / 3 + 0 + 1 + 0) / 5)
    # Intersections 16 + 8; unions 16 + 24 + 16 + 0 + 16.
    assert result["cIoU"] == pytest.approx(24 / 72)
    assert result["Pr@0.5"] == pytest.approx(2 / 5)
    assert result["N_acc"] == pytest.approx(1 / 2)
    assert result["T_acc"] == pytest.approx(2 / 3)


def test_the_rules_for_empty_truth_differ_by_code_base():
    lisa, rmsin, gres = MaskMetrics("lisa"), MaskMetrics("rmsin"), MaskMetrics("gres")
    assert [m.add(EMPTY, EMPTY) for m in (lisa, rmsin, gres)] == [1, 0, 1]
    # gRefCOCO asks what the model said, not what it drew; a present object declared absent scores 0.
    assert gres.add(SQUARE, EMPTY, said_no_target=True) == 1
    assert gres.add(SQUARE, SQUARE, said_no_target=True) == 0
    assert gres.result()["cIoU"] == 0
    assert gres.result()["Pr@0.5"] == 0


def test_precision_at_a_tie_depends_on_strictness():
    half = block((2, 6), (2, 4))  # 8 of 16: IoU 0.5 exactly
    loose, strict = MaskMetrics(), MaskMetrics(strict=True)
    for metrics in (loose, strict):
        metrics.add(half, SQUARE)
    assert loose.result()["Pr@0.5"] == 1
    assert strict.result()["Pr@0.5"] == 0


def test_no_samples_is_a_count_of_zero():
    assert MaskMetrics().result() == {"n": 0}


def test_centre_click_is_the_deepest_pixel_first_by_rows():
    odd = block((1, 6), (3, 8))  # 5x5: one deepest pixel, row 3, column 5
    assert centre_click(odd) == Click(5.5, 3.5, 1)
    # 4x4: the middle four are equally deep (2); the first by rows is row 3, column 3.
    assert centre_click(SQUARE) == Click(3.5, 3.5, 1)
    with pytest.raises(ValueError, match="no centre"):
        centre_click(EMPTY)


def test_the_images_border_is_a_boundary():
    corner = block((0, 5), (0, 5))
    assert centre_click(corner) == Click(2.5, 2.5, 1)
    assert centre_click(np.ones((7, 7), bool)) == Click(3.5, 3.5, 1)


def test_next_click_goes_to_the_larger_error():
    truth = block((0, 10), (0, 5))
    predicted = block((0, 10), (4, 10))  # missing 4 columns, excess 5 columns
    assert next_click(predicted, truth).label == 0
    assert next_click(predicted, truth) == Click(7.5, 2.5, 0)  # 10x5 excess, depth 3 first at row 2
    predicted = block((0, 10), (4, 6))  # missing 4 columns, excess 1
    assert next_click(predicted, truth) == Click(1.5, 1.5, 1)


def test_a_tie_removes():
    truth, predicted = block((0, 3), (0, 3)), block((6, 9), (6, 9))
    assert next_click(predicted, truth) == Click(7.5, 7.5, 0)


def test_a_clicked_pixel_is_not_clicked_again():
    truth = block((1, 6), (3, 8))
    first = centre_click(truth)
    second = next_click(EMPTY, truth, [first])
    assert second.label == 1
    assert second != first
    # Depth 2 everywhere on the ring round the centre: row 2, column 4 comes first.
    assert second == Click(4.5, 2.5, 1)


def test_ignored_pixels_are_not_clicked():
    truth = block((1, 6), (3, 8))
    click = next_click(EMPTY, truth, ignore=block((0, 10), (5, 10)))
    assert click.pixel[1] in (3, 4)


def test_clicks_needed_and_noc():
    lists = [[0.5, 0.86, 0.91], [0.95], [0.2] * 20]
    assert [clicks_needed(scores, 0.85) for scores in lists] == [2, 1, None]
    assert noc(lists, 0.85) == (pytest.approx((2 + 1 + 20) / 3), 1)
    assert noc(lists, 0.90) == (pytest.approx((3 + 1 + 20) / 3), 1)


def test_success_at_the_last_click_is_no_failure():
    late = [0.1] * 19 + [0.9]
    assert noc([late], 0.9) == (20.0, 0)


def test_a_score_above_the_target_counts_although_a_later_one_is_below():
    assert clicks_needed([0.4, 0.9, 0.3], 0.85) == 2


def test_noc_of_nothing_is_not_a_number():
    mean, failures = noc([], 0.85)
    assert math.isnan(mean)
    assert failures == 0


masks = arrays(bool, (8, 9))


@given(masks, masks)
def test_iou_is_symmetric_and_bounded(a, b):
    assert iou(a, b) == iou(b, a)
    assert 0 <= iou(a, b) <= 1
    assert (iou(a, b) == 1) == bool((a == b).all())


@given(masks, masks)
def test_the_next_click_is_on_an_error_of_its_label(predicted, truth):
    if (predicted == truth).all():
        return
    click = next_click(predicted, truth)
    row, column = click.pixel
    assert truth[row, column] == bool(click.label)
    assert predicted[row, column] != truth[row, column]


@given(masks, masks, st.integers(1, 4), st.integers(1, 4))
def test_the_next_click_moves_with_the_image(predicted, truth, down, right):
    """The window in which depths are computed must not change the answer."""
    if (predicted == truth).all():
        return
    pad = ((down, 1), (right, 1))
    click = next_click(np.pad(predicted, 1), np.pad(truth, 1))
    moved = next_click(np.pad(predicted, pad), np.pad(truth, pad))
    assert (moved.x, moved.y, moved.label) == (click.x + right - 1, click.y + down - 1, click.label)
