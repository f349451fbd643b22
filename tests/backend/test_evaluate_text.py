"""Texts asked of a segmenter whose answers are known: scores by hand, what is left out, what the sheet shows."""

import json

import cv2
import numpy as np
import pytest
from affine import Affine

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.evaluation import text_run
from inference_backend.evaluation.protocols import protocol_named
from inference_backend.evaluation.readers.folder import read_folder
from inference_backend.evaluation.text_coordinates import prompts_in
from inference_backend.evaluation.text_report import MOST_KIND_ROWS, summarise, table
from inference_backend.evaluation.text_run import evaluate_texts
from inference_backend.evaluation.text_segmenters import Fixed, NetworkSegmenter, model_segmenter
from inference_backend.evaluation.text_sheet import chosen, draw_text_sheet
from tests.data import text_folders
from tests.data.colour_model import ColourModel
from tests.data.rasters import write_tif
from tests.data.text_folders import largest, town, write_mask
from tests.data.word_model import WordModel


@pytest.fixture
def coloured(tmp_path):
    return text_folders.coloured(tmp_path)


def run_on(folder, protocol="lisa", task="referring", model=None, **options):
    samples = read_folder(folder).of(task)
    segmenter = NetworkSegmenter(model or WordModel(), **options)
    return evaluate_texts(samples, segmenter, protocol_named(protocol), pictures=True)


def test_scores_by_hand(coloured):
    run = run_on(coloured)
    assert [round(score.iou, 4) for score in run.scores] == [1, round(1600 / 2400, 4), 0, 1, 0]
    report = summarise(run)
    whole = report["all"]
    assert whole["n"] == 5
    assert whole["gIoU"] == pytest.approx((1 + 2 / 3 + 0 + 1 + 0) / 5, abs=1e-6)
    # I: 1600 + 1600. U: 1600, 2400, 2400 (red and blue lie apart), nothing, 800.
    assert whole["cIoU"] == pytest.approx(3200 / 7200)
    assert whole["Pr@0.6"] == pytest.approx(3 / 5)
    assert whole["N_acc"] == pytest.approx(1 / 2)
    assert whole["T_acc"] == 1
    assert {name: row["n"] for name, row in report["kinds"].items()} == {
        "absent": 2,
        "one": 2,
        "two": 1,
    }
    assert report["kinds"]["one"]["gIoU"] == pytest.approx(0.5, abs=1e-6)
    assert report["paths"] == {"network": 5}
    assert report["images"] == 1


def test_the_same_answers_by_other_rules(coloured):
    rmsin = run_on(coloured, "rmsin")
    # Nothing there and nothing found is 0; the canvas of 480 x 480 keeps the shares (24 x 4 rows, 16 / 3 columns).
    assert [round(score.iou, 2) for score in rmsin.scores] == [1, 0.67, 0, 0, 0]
    gres = run_on(coloured, "gres")
    assert summarise(gres)["all"]["Pr@0.7"] == pytest.approx(1 / 3)
    assert summarise(gres)["all"]["N_acc"] == pytest.approx(1 / 2)
    padded = run_on(coloured, "unigeoseg")
    assert [round(score.iou, 1) for score in padded.scores] == [1, 0.7, 0, 1, 0]


def test_presence_off_shows_what_was_drawn(coloured):
    run = run_on(coloured, presence=0.0)
    # The green thing is not there and was drawn everywhere.
    assert run.scores[3].iou == 0
    assert summarise(run)["all"]["N_acc"] == 0
    strict = run_on(coloured, presence=0.95)
    assert summarise(strict)["all"]["T_acc"] == 0
    assert summarise(strict)["all"]["N_acc"] == 1


def test_an_image_is_encoded_once_for_all_its_texts(coloured):
    model = WordModel()
    run_on(coloured, model=model)
    assert model.encoded == 1
    assert [query.task for query in model.heard] == ["referring"] * 5
    run_on(coloured, task="reasoning", model=model)
    assert model.heard[-1].task == "reasoning"


def test_a_large_image_is_seen_whole_and_smaller(tmp_path):
    at = text_folders.flat_image(tmp_path, rows=80, cols=2600)
    text_folders.write_json(
        tmp_path / "annotations.json", [{**at, "mask": "red.png", "text": "red"}]
    )
    seen = []

    class Looks(WordModel):
        def embed(self, rgb, valid=None, key=""):
            seen.append(rgb.shape)
            return super().embed(rgb, valid, key)

    (score,) = run_on(tmp_path, model=Looks()).scores
    assert seen == [(32, 1024, 3)]
    # Edges of 40 pixels land within a network pixel, 2.5 of the image's.
    assert score.iou > 0.8


def test_a_georeferenced_and_rotated_image_is_only_pixels(tmp_path):
    text_folders.flat_image(tmp_path)
    rgb = cv2.imread(str(tmp_path / "flat.png"))[..., ::-1]
    write_tif(
        tmp_path / "turned.tif",
        np.moveaxis(rgb, 2, 0),
        transform=Affine(0.2, 0.1, 500_000, 0.1, -0.2, 5_000_000),
        crs="EPSG:32633",
    )
    entry = {"image": "turned.tif", "mask": "red.png", "text": "red"}
    text_folders.write_json(tmp_path / "annotations.json", [entry])
    (score,) = run_on(tmp_path).scores
    assert score.iou == pytest.approx(1, abs=1e-6)


def test_interactive_words_become_prompts(tmp_path):
    text_folders.geoseg_bench(tmp_path)
    text_folders.flat_image(tmp_path / "interactive" / "images", "0001.png")
    write_mask(
        tmp_path / "interactive" / "masks" / "0001.png",
        cv2.imread(str(tmp_path / "interactive" / "images" / "red.png"), cv2.IMREAD_GRAYSCALE) > 0,
    )
    for words in ("the point [0.25, 0.375].", "the box x0,y0=[0.083,0.125], x1,y1=[0.417,0.625]."):
        text_folders.write_json(
            tmp_path / "interactive" / "jsons" / "0001.json",
            {"question": [f"Please segment the region corresponding to {words}"], "reason": []},
        )
        (score,) = run_on(tmp_path, task="interactive").scores
        assert score.path == "prompts"
        assert score.iou > 0.9


def test_coordinates_in_words():
    (box,) = prompts_in("the box x0,y0=[0.1,0.2], x1,y1=[0.5, 0.6]", 100, 50)
    assert (box.kind, box.xy.tolist()) == ("box", [[10, 10], [50, 30]])
    one, two = prompts_in("the points [0.5,0.5], [.25, 1]", 100, 50)
    assert [p.xy.tolist() for p in (one, two)] == [[[50, 25]], [[25, 50]]]
    assert prompts_in("the largest building [sic]", 100, 50) == []


class Refuses(WordModel):
    def predict_text(self, embedding, queries):
        raise InvalidInput(f"'{queries[0].text}' is not English.")


def test_a_refusal_is_an_empty_answer_and_is_counted(coloured):
    run = run_on(coloured, model=Refuses())
    report = summarise(run)
    assert [score.iou for score in run.scores] == [0, 0, 0, 1, 1]
    # Saying nothing at all does not say that the thing is absent.
    assert report["all"]["N_acc"] == 0
    assert report["refused"]["count"] == 5
    assert "is not English" in report["refused"]["examples"][0]
    text = table(
        {**report, "segmenter": "x", "format": "f", "split": "s", "protocol": "p", "canvas": "c"}
    )
    assert "Refused, and counted as empty answers: 5 texts" in text


def test_unreadable_images_and_masks_are_left_out_with_a_count(coloured):
    path = coloured / "annotations.json"
    entries = json.loads(path.read_text())
    # Header and all rows but the end: GDAL reads such a file, as something else.
    (coloured / "broken.png").write_bytes((coloured / "flat.png").read_bytes()[:-16])
    (coloured / "thin.png").write_bytes(b"")
    write_mask(coloured / "small.png", np.ones((3, 3), bool))
    entries += [
        {"image": "broken.png", "mask": "red.png", "text": "red"},
        {"image": "broken.png", "mask": "red.png", "text": "red again"},
        {"image": "flat.png", "mask": "thin.png", "text": "red"},
        {"image": "flat.png", "mask": "small.png", "text": "red"},
    ]
    text_folders.write_json(path, entries)
    run = run_on(coloured)
    assert len(run.scores) == 5
    assert len(run.faults) == 4
    assert summarise(run)["skipped"]["count"] == 4
    assert any("entry 7 (broken.png)" in fault for fault in run.faults)
    assert any("entry 9 (flat.png)" in fault and "'thin.png'" in fault for fault in run.faults)
    assert all("\n" not in fault for fault in run.faults)


def test_a_picture_that_ends_early_is_left_out(tmp_path):
    """The header is whole: only reading the pixels shows it."""
    scene = town()
    write_tif(tmp_path / "town.tif", np.moveaxis(scene.rgb, 2, 0), None, None)
    write_mask(tmp_path / "m.png", largest(scene))
    content = (tmp_path / "town.tif").read_bytes()
    (tmp_path / "town.tif").write_bytes(content[: len(content) // 2])
    entry = {"image": "town.tif", "mask": "m.png", "text": "red"}
    text_folders.write_json(tmp_path / "annotations.json", [entry])
    run = run_on(tmp_path)
    assert run.scores == []
    assert len(run.faults) == 1


def test_an_image_too_large_to_be_whole_in_memory_is_left_out(coloured, monkeypatch):
    monkeypatch.setattr(text_run, "MOST_PIXELS", 1000)
    run = run_on(coloured)
    assert run.scores == []
    assert "cut it into parts" in run.faults[0]


def test_cancelling_ends_it(coloured):
    token = CancelToken()
    token.cancel()
    samples = read_folder(coloured).of("referring")
    with pytest.raises(Cancelled):
        evaluate_texts(samples, Fixed("nothing"), protocol_named("lisa"), cancel=token)


def test_a_model_without_words_and_wrong_names_are_said():
    with pytest.raises(InvalidInput, match="'colour-test' hears no text"):
        model_segmenter(ColourModel(), "auto", 0.5, 0.5)
    with pytest.raises(InvalidInput, match="'quick' is not a path; use auto, network, program"):
        model_segmenter(WordModel(), "quick", 0.5, 0.5)
    with pytest.raises(InvalidInput, match="'magic' is not a baseline; use nothing or everything"):
        Fixed("magic")


def test_the_sheet_shows_best_median_and_worst_with_their_texts(coloured):
    run = run_on(coloured)
    rows = chosen(run.scores)
    assert [title for title, _ in rows] == ["best", "median", "worst"]
    assert rows[0][1].iou == pytest.approx(1, abs=1e-6)
    assert rows[1][1].sample.text == "what is red"
    assert rows[2][1].iou == 0
    sheet = draw_text_sheet(run.scores, "a title")
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * 224
    colours = sheet.reshape(-1, 3).astype(int)
    for colour in ((60, 220, 90), (255, 90, 40)):
        assert (np.abs(colours - colour).sum(axis=1) < 30).any()


def test_the_sheet_prefers_different_images(tmp_path):
    entries = []
    for number in range(4):
        at = text_folders.flat_image(tmp_path, f"{number}.png")
        entries += [{**at, "mask": "red.png", "text": f"red {n}"} for n in range(3)]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    rows = chosen(run_on(tmp_path).scores)
    assert len(rows) == 9
    assert len({score.sample.image for title, score in rows if title == "best"}) == 3
    assert len({id(score) for _, score in rows}) == 9


def test_many_kinds_are_named_in_json_and_counted_in_the_table(tmp_path):
    at = text_folders.flat_image(tmp_path)
    entries = [{**at, "mask": "red.png", "text": "red", "kind": f"kind {n}"} for n in range(30)]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    report = summarise(run_on(tmp_path))
    assert len(report["kinds"]) == 30
    more = {"segmenter": "x", "format": "f", "split": "s", "protocol": "p", "canvas": "c"}
    assert f"and {30 - MOST_KIND_ROWS} more kinds" in table({**report, **more})


class Notes(Fixed):
    """Notes the ground resolution and whether north is known of every image it is asked about."""

    def __init__(self):
        super().__init__("nothing")
        self.saw = []

    def segment(self, source, rgb, text, task):
        self.saw.append((text, source.gsd_m))
        return super().segment(source, rgb, text, task)


def test_the_ground_resolution_of_an_image_may_be_said(tmp_path):
    flat = text_folders.flat_image(tmp_path)
    rgb = np.moveaxis(cv2.imread(str(tmp_path / "flat.png")), 2, 0)
    write_tif(tmp_path / "utm.tif", rgb)
    other = {**text_folders.flat_image(tmp_path, "other.png"), "polygons": []}
    entries = [
        {**flat, "polygons": [], "text": "by the command"},
        {**other, "text": "by the entry", "gsd_m": 0.13},
        {"image": "utm.tif", "polygons": [], "text": "by the file", "gsd_m": 9},
    ]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    samples = read_folder(tmp_path).samples
    notes = Notes()
    evaluate_texts(samples, notes, protocol_named("lisa"), gsd_m=0.3)
    assert notes.saw == [
        ("by the command", pytest.approx(0.3)),
        ("by the entry", pytest.approx(0.13)),
        ("by the file", pytest.approx(0.5)),
    ]
    notes = Notes()
    evaluate_texts(samples[:1], notes, protocol_named("lisa"))
    assert notes.saw == [("by the command", None)]
