"""True masks from run lengths, polygons and mask files, against masks worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.truths import (
    MaskFile,
    PolygonTruth,
    RunLengths,
    decode_runs,
    parse_polygons,
)
from tests.data.text_folders import run_text, write_image

RING = np.zeros((6, 8), bool)
RING[1:5, 2:6] = True
RING[3, 3] = False


def test_run_lengths_as_cocos_own_tool_writes_them():
    # '=42NOO1300;' is what pycocotools 2 gives for this mask; the counts were read off column by column:
    # two empty columns and a pixel (13), four, two, two, one, one, two, four, two, four, then the last 13.
    counts = [13, 4, 2, 2, 1, 1, 2, 4, 2, 4, 13]
    for written in ("=42NOO1300;", counts):
        assert (decode_runs({"size": [6, 8], "counts": written}, (6, 8)) == RING).all()


def test_a_mask_that_begins_with_the_object_begins_with_no_background():
    assert decode_runs({"size": [2, 2], "counts": [0, 3, 1]}, (2, 2)).tolist() == [
        [True, True],
        [True, False],
    ]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_run_lengths_come_back(mask):
    shape = mask.shape
    assert (decode_runs({"size": list(shape), "counts": run_text(mask)}, shape) == mask).all()


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (
            {"size": [6, 9], "counts": "=42NOO1300;"},
            "is of [6, 9] rows and columns and its image of [6, 8]",
        ),
        ({"size": [6, 8], "counts": "=42NOO130"}, "pixels of 48"),
        ({"size": [6, 8], "counts": "=42NOO1300\x7f"}, "a character of no code"),
        ({"size": [6, 8], "counts": "=4P"}, "in the middle of a number"),
        ({"size": [6, 8], "counts": "~" * 30}, "a character of no code"),
        ({"size": [6, 8], "counts": [-1, 49]}, "its counts are no numbers"),
        ({"size": [6, 8], "counts": None}, "its counts are no numbers"),
        ({"counts": "x"}, "is of None rows"),
        ("text", "is of None rows"),
    ],
)
def test_damaged_run_lengths_are_a_sentence(part, sentence):
    with pytest.raises(InvalidInput) as caught:
        decode_runs(part, (6, 8))
    assert sentence in caught.value.user_message


@given(st.text(max_size=12))
def test_no_text_of_runs_does_anything_else(text):
    try:
        mask = decode_runs({"size": [6, 8], "counts": text}, (6, 8))
    except InvalidInput:
        return
    assert mask.shape == (6, 8)


def test_several_parts_are_one_object():
    left, right = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    left[:, :3], right[2:4] = True, True
    parts = tuple({"size": [6, 8], "counts": run_text(mask)} for mask in (left, right))
    assert (RunLengths(parts).read((6, 8))[0] == left | right).all()


def test_a_pixel_belongs_to_a_polygon_that_holds_its_centre():
    square = [[1.4, 0.6], [3.6, 0.6], [3.6, 2.4], [1.4, 2.4]]
    mask, ignore = parse_polygons([square]).read((4, 5))
    assert ignore is None
    # Centres at 1.5, 2.5 and 3.5 across and 1.5 down lie inside; 0.5 and 2.5 down do not.
    assert np.argwhere(mask).tolist() == [[1, 1], [1, 2], [1, 3]]


def test_polygons_may_leave_the_image_and_cross_themselves():
    outside = parse_polygons([[[-5, -5], [2, -5], [2, 50], [-5, 50]]]).read((4, 5))[0]
    assert outside.sum() == 4 * 2
    bow = parse_polygons([[[0, 0], [4, 4], [4, 0], [0, 4]]]).read((4, 4))[0]
    assert bow.any()
    assert not PolygonTruth(()).read((4, 4))[0].any()


def test_colour_masks_and_masks_of_16_bits_count_by_what_is_not_zero(tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[0], colours[1] = (0, 0, 9), (255, 255, 255)
    write_image(tmp_path / "m.png", colours)
    assert MaskFile(tmp_path / "m.png").read((4, 6))[0].sum() == 12
    wide = np.zeros((4, 6), np.uint16)
    wide[2] = 700
    write_image(tmp_path / "w.png", wide)
    assert MaskFile(tmp_path / "w.png", value=700).read((4, 6))[0].sum() == 6


def test_a_name_that_gdal_would_fetch_is_not_a_file():
    from pathlib import Path

    with pytest.raises(InvalidInput, match="is not there"):
        MaskFile(Path("/vsimem/mask.tif")).read((4, 6))
