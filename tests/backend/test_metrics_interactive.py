"""`cityseg evaluate interactive` on folders whose right answers are known."""

import json

import cv2
import numpy as np
import pytest
import rasterio

from inference_backend import cli
from inference_backend.errors import InvalidInput
from inference_backend.evaluation.instance_folder import (
    find_pairs,
    list_objects,
    read_instances,
    split_components,
)
from inference_backend.evaluation.interactive import (
    box_prompt,
    click_prompt,
    evaluate_objects,
    summarise,
)
from inference_backend.evaluation.metrics import Click
from inference_backend.evaluation.segmenters import (
    BoxItself,
    FloodFill,
    GrabCut,
    baseline,
    on_pixels,
)
from inference_backend.evaluation.sheet import draw_sheet, ranked


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    profile = {"driver": "PNG" if path.suffix == ".png" else "GTiff", "dtype": bands.dtype.name}
    height, width = bands.shape[1:]
    with rasterio.open(path, "w", width=width, height=height, count=len(bands), **profile) as out:
        out.write(bands)


@pytest.fixture
def folder(tmp_path):
    """A flat red square (id 1) and a flat blue L (id 2, 768 of the 1024 pixels of its box) on grey."""
    image = np.full((96, 128, 3), 128, np.uint8)
    ids = np.zeros((96, 128), np.uint16)
    ids[10:50, 10:50] = 1
    ids[40:72, 80:96] = 2
    ids[56:72, 80:112] = 2
    image[ids == 1], image[ids == 2] = (200, 30, 30), (20, 40, 210)
    write(tmp_path / "images" / "a.png", image)
    write(tmp_path / "masks" / "a.png", ids)
    return tmp_path


def records_of(folder, **options):
    return list_objects(find_pairs(folder), options.pop("least_px", 16), **options)


def test_flood_fill_finds_flat_objects_with_one_click(folder):
    scores = evaluate_objects(records_of(folder), FloodFill(16))
    assert [score.clicks for score in scores] == [[1.0] * 5, [1.0] * 5]
    summary = summarise(scores)
    assert summary["iou_1"] == summary["iou_5"] == 1
    assert (summary["noc_90"], summary["nof_90"]) == (1, 0)
    assert summary["iou_box"] is None


def test_the_box_itself_scores_the_share_of_the_box(folder):
    scores = evaluate_objects(records_of(folder), BoxItself())
    assert [score.box for score in scores] == [1.0, pytest.approx(768 / 1024)]
    summary = summarise(scores)
    assert summary["iou_box"] == pytest.approx((1 + 0.75) / 2)
    assert summary["iou_1"] is None
    assert summary["noc_85"] is None


def test_grabcut_cuts_the_l_out_of_its_box(folder):
    scores = evaluate_objects(records_of(folder), GrabCut())
    assert scores[1].box > 0.95


class Discs:
    """Every click that adds paints a disc, every click that removes clears one."""

    name, kinds, radius = "discs", ("point",), 8

    def segment(self, source, rgb, prompts):
        y, x = np.ogrid[: rgb.shape[0], : rgb.shape[1]]
        mask = np.zeros(rgb.shape[:2], bool)
        for prompt in prompts:
            (px, py), *_ = prompt.xy
            mask[np.hypot(x + 0.5 - px, y + 0.5 - py) <= self.radius] = bool(prompt.label)
        return mask


def test_clicks_are_corrected_until_the_highest_target_or_twenty(folder):
    square, _ = evaluate_objects(records_of(folder), Discs())
    # First click in the middle of the 40-pixel square: a disc of radius 8 inside it.
    middle = square.placed[0]
    assert (middle.x, middle.y, middle.label) == (29.5, 29.5, 1)
    y, x = np.ogrid[:96, :128]
    disc = np.count_nonzero(np.hypot(x + 0.5 - 29.5, y + 0.5 - 29.5) <= 8)
    assert square.clicks[0] == pytest.approx(disc / 1600)
    assert len(square.clicks) == 20 or square.clicks[-1] >= 0.90
    assert square.clicks[4] > square.clicks[0]
    assert len({click.pixel for click in square.placed}) == len(square.placed)


def test_five_clicks_are_placed_even_where_fewer_reach_the_target(folder):
    class AlmostAll(Discs):
        radius = 23  # covers nearly the whole square, and a bit outside

    square, _ = evaluate_objects(records_of(folder), AlmostAll())
    assert len(square.placed) >= 5


def test_masks_may_hold_ids_colours_or_two_values(tmp_path):
    ids = np.zeros((20, 30), np.uint16)
    ids[2:6, 2:6], ids[10:15, 10:20] = 700, 9
    write(tmp_path / "ids.tif", ids)
    assert sorted(np.unique(read_instances(tmp_path / "ids.tif"), return_counts=True)[1]) == [
        16,
        50,
        534,
    ]
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[2:6, 2:6], colours[10:15, 10:20], colours[18:, :] = (255, 0, 0), (0, 0, 1), (255, 0, 1)
    write(tmp_path / "colours.png", colours)
    assert len(np.unique(read_instances(tmp_path / "colours.png"))) == 4
    binary = ((ids > 0) * 255).astype(np.uint8)
    write(tmp_path / "binary.png", binary)
    split = read_instances(tmp_path / "binary.png")
    assert sorted(np.unique(split, return_counts=True)[1]) == [16, 50, 534]


def test_parts_that_touch_by_a_corner_are_one():
    ids = np.zeros((6, 6), np.int32)
    ids[0:2, 0:2] = ids[2:4, 2:4] = 5
    ids[5, 5] = 5
    assert split_components(ids).max() == 2


def test_a_full_mask_without_background_keeps_its_first_id(tmp_path):
    write(tmp_path / "m.png", np.full((4, 4), 3, np.uint8))
    assert (read_instances(tmp_path / "m.png") == 1).all()


def test_max_objects_is_a_fixed_sample(folder):
    first, again = records_of(folder, most=1), records_of(folder, most=1)
    assert len(first) == 1
    assert first == again


def test_probability_lands_on_the_right_pixels():
    probability = np.zeros((8, 8), np.float32)
    probability[2:4, 4:8] = 1
    # Two image pixels for every cell, the window beginning at column 10, row 20.
    on = on_pixels(probability, (10.0, 20.0, 16.0, 16.0), (50, 60)) >= 0.5
    rows, cols = np.nonzero(on)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (24, 27, 18, 25)
    # Half a pixel each, in a window that hangs over the image's corner.
    on = on_pixels(probability, (-2.0, -1.0, 4.0, 4.0), (10, 10)) >= 0.5
    rows, cols = np.nonzero(on)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (0, 0, 0, 1)


def test_on_pixels_is_the_identity_where_the_grids_agree():
    rng = np.random.default_rng(0)
    probability = rng.random((9, 12), np.float32)
    assert np.allclose(
        on_pixels(probability, (0.0, 0.0, 12.0, 9.0), (9, 12)), probability, atol=1e-6
    )


def test_prompts_are_in_the_pixel_frame():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:9] = True
    assert box_prompt(mask).xy.tolist() == [[3, 2], [9, 5]]
    prompt = click_prompt(Click(3.5, 2.5, 0))
    assert (prompt.kind, prompt.label, prompt.xy.tolist()) == ("point", 0, [[3.5, 2.5]])


def test_the_sheet_shows_best_median_and_worst(folder):
    scores = evaluate_objects(records_of(folder), FloodFill(16))
    sheet = draw_sheet(scores, "flood fill")
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * 220
    assert [title for title, _ in ranked(scores)] == ["best", "worst"]
    # Truth and answer coincide: the answer's colour is drawn over the truth's.
    assert (np.abs(sheet.astype(int) - (255, 90, 40)).sum(2) < 40).any()


def test_command_prints_a_table_and_writes_the_report(folder, tmp_path, capsys):
    out = tmp_path / "out"
    code = cli.main(
        [
            "evaluate",
            "interactive",
            str(folder),
            "--baseline",
            "floodfill",
            "--baseline",
            "box",
            "--out",
            str(out),
        ]
    )
    text = capsys.readouterr().out
    assert code == 0
    assert "floodfill, tolerance" in text
    assert "box itself" in text
    report = json.loads((out / "report.json").read_text())
    assert report[0]["iou_1"] == 1
    assert report[1]["iou_box"] == pytest.approx(0.875)
    sheets = sorted(out.glob("sheet_*.png"))
    assert len(sheets) == 2
    assert cv2.imread(str(sheets[0])) is not None
    assert not list(out.glob(".*part"))


def test_command_prints_json(folder, capsys):
    assert cli.main(["evaluate", "interactive", str(folder), "--baseline", "box", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["objects"] == 2


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: (f / "masks" / "a.png").unlink(), "has a mask of the same name"),
        (lambda f: (f / "images" / "a.png").write_bytes(b"no image"), "a.png"),
        (lambda f: (f / "masks" / "a.png").write_bytes(b"no image"), "cannot be read"),
        (lambda f: write(f / "masks" / "a.png", np.zeros((96, 128), np.uint8)), "hold no object"),
        (
            lambda f: write(f / "masks" / "a.png", np.ones((50, 50), np.uint8)),
            "give masks of the image's size",
        ),
    ],
)
def test_a_spoiled_data_set_is_one_sentence(folder, spoil, sentence, capsys):
    spoil(folder)
    assert cli.main(["evaluate", "interactive", str(folder), "--baseline", "box"]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_missing_folders_and_wrong_baselines_are_named(tmp_path, folder, capsys):
    with pytest.raises(InvalidInput, match="has no folder 'images'"):
        find_pairs(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="'magic' is not a baseline"):
        baseline("magic")
    assert (
        cli.main(
            ["evaluate", "interactive", str(folder), "--baseline", "box", "--max-objects", "0"]
        )
        == 2
    )
    assert "1 or more" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_said_before_anything_is_measured(folder, capsys):
    (folder / "taken").write_text("a file")
    where = str(folder / "taken")
    command = ["evaluate", "interactive", str(folder), "--baseline", "box", "--out", where]
    assert cli.main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "The report cannot be written to" in captured.err
    assert (folder / "taken").read_text() == "a file"


def test_what_was_measured_is_shown_though_the_report_fails(folder, capsys):
    """A folder of a report's name, in its place: only the last step meets it."""
    (folder / "out" / "report.json").mkdir(parents=True)
    where = str(folder / "out")
    command = ["evaluate", "interactive", str(folder), "--baseline", "box", "--out", where]
    assert cli.main(command) == 1
    captured = capsys.readouterr()
    assert "box" in captured.out
    assert "The report cannot be written" in captured.err
