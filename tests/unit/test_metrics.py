"""Mask scores and the click protocol against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.interval import bootstrap_interval
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
from inference_backend.evaluation.protocols import PROTOCOLS, on_canvas, protocol_named


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


HALF = block((2, 6), (2, 4))  # 8 of SQUARE's 16


def counted(name, *pairs, **more):
    metrics = protocol_named(name).metrics()
    ious = [metrics.add(*pair, **more) for pair in pairs]
    return ious, metrics.result()


def test_what_is_ignored_is_neither_there_nor_answered():
    """Truth and answer that lie where nothing counts are empty, as in code that overwrites both there."""
    everywhere = np.ones((10, 10), bool)
    metrics = MaskMetrics()
    assert metrics.add(SQUARE, SHIFTED, ignore=everywhere) == 1
    assert metrics.add(EMPTY, SQUARE, ignore=SQUARE) == 1
    assert metrics.add(SQUARE, EMPTY, ignore=SQUARE) == 1
    result = metrics.result()
    assert result["N_acc"] == 1
    assert "T_acc" not in result


def test_t_acc_needs_no_absent_target():
    metrics = MaskMetrics()
    metrics.add(SQUARE, SQUARE)
    metrics.add(EMPTY, SQUARE)
    assert metrics.result()["T_acc"] == 0.5
    assert "N_acc" not in metrics.result()


def test_n_acc_and_t_acc_by_hand():
    # No-target samples: said so, said so, missed (TP 2, FN 1). Present ones: kept, kept, kept, denied (TN 3, FP 1).
    metrics = MaskMetrics("gres", (0.7, 0.8, 0.9))
    for said in (True, True, False):
        metrics.add(SQUARE, EMPTY, said_no_target=said)
    for said in (False, False, False, True):
        metrics.add(SQUARE, SQUARE, said_no_target=said)
    result = metrics.result()
    assert result["N_acc"] == pytest.approx(2 / 3)
    assert result["T_acc"] == pytest.approx(3 / 4)
    # Pr@X over the four present targets, of which the denied one scores 0.
    assert result["Pr@0.9"] == pytest.approx(3 / 4)
    assert result["gIoU"] == pytest.approx((1 + 1 + 0 + 3) / 7)
    # I: three squares. U: the missed no-target adds its 16, the denied one keeps its mask's 16.
    assert result["cIoU"] == pytest.approx(48 / (16 + 4 * 16))
    assert not [key for key in result if key in ("Pr@0.5", "Pr@0.6")]


def test_lisa_adds_its_epsilons():
    ious, result = counted("lisa", (HALF, SQUARE), (EMPTY, EMPTY), (SQUARE, EMPTY))
    assert ious == [8 / (16 + 1e-5), 1, 0]
    assert result["gIoU"] == pytest.approx((8 / 16.00001 + 1) / 3)
    assert result["cIoU"] == 8 / (32 + 1e-10)
    # An IoU of a half less the epsilon is below a half by either comparison.
    assert result["Pr@0.5"] == pytest.approx(1 / 3)


def test_unigeoseg_compares_by_greater():
    tie = MaskMetrics("lisa", (0.5,), strict=True)
    tie.add(HALF, SQUARE)
    assert tie.result()["Pr@0.5"] == 0
    _, result = counted("unigeoseg", (EMPTY, EMPTY))
    assert result["gIoU"] == 1
    assert result["cIoU"] == 0  # 0 / (0 + 1e-10), as that code reckons
    assert result["Pr@0.9"] == 1


def test_rmsin_scores_nothing_for_nothing():
    ious, result = counted("rmsin", (HALF, SQUARE), (EMPTY, EMPTY), (SQUARE, SQUARE))
    assert ious == [0.5, 0, 1]
    assert result["Pr@0.5"] == pytest.approx(2 / 3)
    assert result["cIoU"] == pytest.approx(24 / 32)


def test_a_part_is_counted_like_the_whole():
    metrics = MaskMetrics("rmsin")
    for pair in ((SQUARE, SQUARE), (SHIFTED, SQUARE), (EMPTY, SQUARE)):
        metrics.add(*pair)
    part = metrics.part([1, 2])
    assert part.result()["gIoU"] == pytest.approx(1 / 6)
    assert part.result()["cIoU"] == pytest.approx(8 / 40)
    assert part.empty == "rmsin"
    assert metrics.part([0, 1, 2]).result() == metrics.result()


def test_the_protocols_are_those_of_the_published_code():
    names = {name: (p.empty, p.strict, p.canvas, p.sentences) for name, p in PROTOCOLS.items()}
    assert names == {
        "lisa": ("lisa", False, "image", "all"),
        "unigeoseg": ("lisa", True, "square512", "first"),
        "rmsin": ("rmsin", False, "squash480", "all"),
        "gres": ("gres", False, "image", "all"),
    }
    with pytest.raises(InvalidInput, match="'coco' is not a protocol; use one of lisa, unigeoseg"):
        protocol_named("coco")


def test_the_padded_canvas_by_hand():
    # 200 rows of 300 columns: 300 -> 512 columns, 200 -> int(200 * 512 / 300) = 341 rows, 85 rows above, 86 below.
    mask = np.ones((200, 300), bool)
    square = on_canvas(mask, "square512")
    assert square.shape == (512, 512)
    assert square.dtype == bool
    assert square.sum() == 341 * 512
    assert np.flatnonzero(square.any(1)).tolist() == list(range(85, 426))
    # The left half stays the left half, whichever side is longer.
    half = np.zeros((300, 200), bool)
    half[:, :100] = True
    cols = np.flatnonzero(on_canvas(half, "square512").any(0))
    assert (cols[0], len(cols)) == (85, 171)


def test_the_squashed_canvas_samples_at_pixel_centres():
    mask = np.zeros((2, 3), bool)
    mask[0, 1] = True
    squashed = on_canvas(mask, "squash480")
    assert squashed.shape == (480, 480)
    assert squashed.sum() == 240 * 160
    # 480 of 960: output column k looks at 2 k + 1, as Pillow's nearest does; sampling at corners would look at 2 k.
    stripes = np.zeros((4, 960), bool)
    stripes[:, 1::2] = True
    assert on_canvas(stripes, "squash480").all()
    assert not on_canvas(~stripes, "squash480").any()


def test_pillow_squashes_the_same_way():
    image = pytest.importorskip("PIL.Image")
    mask = np.random.default_rng(0).random((317, 801)) < 0.5
    theirs = image.fromarray(mask.astype(np.uint8)).resize((480, 480), image.NEAREST)
    assert (on_canvas(mask, "squash480") == np.asarray(theirs).astype(bool)).all()


def test_the_canvas_changes_what_large_and_small_images_weigh():
    """cIoU on the image's own pixels is ruled by the large image; on a canvas of one size both weigh the same."""
    small, large = np.ones((100, 100), bool), np.ones((1000, 1000), bool)
    native, padded = MaskMetrics(), MaskMetrics()
    for size, right in ((small, True), (large, False)):
        answer = size if right else np.zeros_like(size)
        native.add(answer, size)
        padded.add(on_canvas(answer, "square512"), on_canvas(size, "square512"))
    assert native.result()["cIoU"] == pytest.approx(10_000 / 1_010_000)
    assert padded.result()["cIoU"] == pytest.approx(0.5)
    assert native.result()["gIoU"] == padded.result()["gIoU"] == 0.5


def test_the_image_is_its_own_canvas():
    assert on_canvas(SQUARE, "image") is SQUARE


def test_the_interval_of_equal_values_is_that_value():
    assert bootstrap_interval([0.25] * 9, [1] * 9, range(9)) == (0.25, 0.25)


def test_the_interval_of_a_coin_is_the_binomials():
    """100 images, half right: the mean of 100 draws has standard deviation 0.05, so 95 % is about 0.40 to 0.60."""
    low, high = bootstrap_interval([1, 0] * 50, [1] * 100, range(100))
    assert low == pytest.approx(0.40, abs=0.015)
    assert high == pytest.approx(0.60, abs=0.015)


def test_sentences_of_one_image_are_one_draw():
    """Ten sentences each on ten images say no more than ten images, if all of an image agree."""
    values = [1, 0] * 5
    alone = bootstrap_interval(values, [1] * 10, range(10))
    groups = np.repeat(range(10), 10)
    together = bootstrap_interval(np.repeat(values, 10), [1] * 100, groups)
    assert together == alone
    assert bootstrap_interval([1, 0, 1], [1, 1, 1], ["a", "a", "a"]) is None


def test_the_interval_of_a_ratio_is_of_the_ratio():
    """cIoU: of two images with 90/100 and 0/1 pixels, the draws are 0.9, 0 and 90/101."""
    low, high = bootstrap_interval([90, 0], [100, 1], ["a", "b"], share=0.2)
    assert {round(low, 6), round(high, 6)} <= {round(90 / 101, 6), 0.9, 0.0}
    low, high = bootstrap_interval([90, 0], [100, 1], ["a", "b"])
    assert (low, high) == (0, 0.9)
