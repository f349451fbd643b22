"""`cityseg evaluate referring|reasoning|text`: answers whose scores are known, and everything that may be wrong."""

import json

import cv2
import numpy as np
import pytest
import torch
from affine import Affine

from inference_backend import cli
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
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet
from inference_backend.models.unigeoseg.text import TextConfig
from inference_backend.models.unigeoseg.weights_file import save_weights
from tests.data import text_folders
from tests.data.colour_model import ColourModel
from tests.data.rasters import write_tif
from tests.data.text_folders import largest, town, write_image, write_mask
from tests.data.word_model import COLOURS, WordModel

GREY = COLOURS["grey"]


def flat_image(folder, name="flat.png", rows=80, cols=120):
    """A red square of 1600 pixels and a blue bar of 800 on grey, with a mask of each."""
    image = np.full((rows, cols, 3), GREY, np.uint8)
    red, blue = np.zeros((rows, cols), bool), np.zeros((rows, cols), bool)
    red[10:50, 10:50], blue[20:60, 80:100] = True, True
    image[red], image[blue] = COLOURS["red"], COLOURS["blue"]
    write_image(folder / name, image)
    for colour, mask in (("red", red), ("blue", blue)):
        write_mask(folder / f"{colour}.png", mask)
    return {"image": name, "task": "referring"}


@pytest.fixture
def coloured(tmp_path):
    """Right, half right (red for red and blue), wrong, absent and said so, absent and answered, a question."""
    at = flat_image(tmp_path)
    both = [[[10, 10], [50, 10], [50, 50], [10, 50]], [[80, 20], [100, 20], [100, 60], [80, 60]]]
    entries = [
        {**at, "mask": "red.png", "text": "the red square", "kind": "one"},
        {**at, "polygons": both, "text": "what is red", "kind": "two"},
        {**at, "mask": "blue.png", "text": "the red bar", "kind": "one"},
        {**at, "polygons": [], "text": "the green thing", "kind": "absent"},
        {**at, "polygons": [], "text": "the blue roof", "kind": "absent"},
        {**at, "mask": "blue.png", "text": "Where is it blue?", "task": "reasoning"},
    ]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    return tmp_path


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
    at = flat_image(tmp_path, rows=80, cols=2600)
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
    flat_image(tmp_path)
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
    flat_image(tmp_path / "interactive" / "images", "0001.png")
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
        at = flat_image(tmp_path, f"{number}.png")
        entries += [{**at, "mask": "red.png", "text": f"red {n}"} for n in range(3)]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    rows = chosen(run_on(tmp_path).scores)
    assert len(rows) == 9
    assert len({score.sample.image for title, score in rows if title == "best"}) == 3
    assert len({id(score) for _, score in rows}) == 9


def test_many_kinds_are_named_in_json_and_counted_in_the_table(tmp_path):
    at = flat_image(tmp_path)
    entries = [{**at, "mask": "red.png", "text": "red", "kind": f"kind {n}"} for n in range(30)]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    report = summarise(run_on(tmp_path))
    assert len(report["kinds"]) == 30
    more = {"segmenter": "x", "format": "f", "split": "s", "protocol": "p", "canvas": "c"}
    assert f"and {30 - MOST_KIND_ROWS} more kinds" in table({**report, **more})


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint of the true format with random numbers in it."""
    torch.manual_seed(0)
    config = NetworkConfig(text=TextConfig(("building", "road"), 2))
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, config, UniGeoSegNet(config).state_dict(), 0)
    return path


def evaluate(*words):
    return cli.main(["evaluate", *map(str, words)])


@pytest.mark.parametrize(
    "name", ["geoseg_bench", "rrsis_d", "refsegrs", "earthreason", "annotations"]
)
def test_the_command_measures_every_format_with_a_network(name, weights, tmp_path, capsys):
    folder = getattr(text_folders, name)(tmp_path / "set")
    code = evaluate(
        "text", folder, "--model", weights, "--path", "network", "--json", "--device", "cpu"
    )
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["format"] == name.replace("_", "-")
    assert report["all"]["n"] == len(read_folder(folder).samples)
    assert 0 <= report["all"]["gIoU"] <= 1
    assert report["skipped"] == {"count": 0, "examples": []}
    assert set(report["paths"]) <= {"network", "prompts"}


def test_the_command_prints_a_table_and_writes_a_sheet(coloured, tmp_path, capsys):
    sheet = tmp_path / "new" / "sheet.png"
    assert evaluate("referring", coloured, "--baseline", "nothing", "--sheet", sheet) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert (
        lines[0]
        == "nothing on annotations, split all: 5 texts on 1 image; protocol lisa, canvas image"
    )
    # Two absent things of five are answered rightly by nothing.
    assert lines[2].split()[:3] == ["all", "5", "0.400"]
    assert f"wrote {sheet}" in captured.err
    assert cv2.imread(str(sheet)).shape[1] == 3 * 224
    assert not list(sheet.parent.glob(".*part"))


def test_options_reach_the_report(coloured, capsys):
    options = ["--protocol", "unigeoseg", "--canvas", "image", "--sentences", "all", "--limit", "2"]
    assert evaluate("referring", coloured, "--baseline", "everything", "--json", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["all"]["n"] == 2
    assert (report["protocol"], report["canvas"], report["sentences"]) == (
        "unigeoseg",
        "image",
        "all",
    )
    assert report["all"]["gIoU_95"] is None


def test_all_tasks_have_a_row_each(coloured, capsys):
    assert evaluate("text", coloured, "--baseline", "nothing") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["referring", "5"] in [row[:2] for row in rows]
    assert ["reasoning", "1"] in [row[:2] for row in rows]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "coco"], "'coco' is not a protocol"),
        (["--format", "coco"], "'coco' is not a format"),
        (["--format", "rrsis-d"], "is not rrsis-d, which has"),
        (["--limit", "0"], "--limit is a number of texts, 1 or more"),
        (["--threshold", "1.5"], "--threshold is between 0 and 1"),
        (["--presence", "nan"], "--presence is between 0 and 1"),
        (["--sheet", "sheet.jpg"], "The sheet is a PNG; name it so: sheet.png"),
        (["--model", "default-2d"], "Give --model or --baseline, not both"),
        (["--split", "nowhere"], "holds no usable entry"),
    ],
)
def test_wrong_options_are_one_sentence(options, sentence, coloured, capsys):
    assert evaluate("referring", coloured, "--baseline", "nothing", *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


def test_an_empty_folder_and_one_of_faults_are_one_sentence(tmp_path, capsys):
    assert evaluate("reasoning", tmp_path, "--baseline", "nothing") == 2
    assert "is empty; give the folder of a data set" in capsys.readouterr().err
    text_folders.write_json(tmp_path / "annotations.json", [{"image": "a.png", "text": "red"}])
    assert evaluate("referring", tmp_path, "--baseline", "nothing") == 2
    assert (
        "The first of 1 faults: entry 1: the file 'a.png' is not there." in capsys.readouterr().err
    )
    (tmp_path / "a.png").write_bytes(b"no picture")
    entry = {"image": "a.png", "text": "red", "polygons": []}
    text_folders.write_json(tmp_path / "annotations.json", [entry])
    assert evaluate("referring", tmp_path, "--baseline", "nothing") == 2
    error = capsys.readouterr().err
    assert "could be measured; the first of 1 faults: entry 1 (a.png): " in error
    assert error.count("\n") == 1


def test_a_sheet_that_cannot_be_written_is_said_before_anything_is_measured(coloured, capsys):
    (coloured / "taken").write_text("a file")
    sheet = coloured / "taken" / "sheet.png"
    assert evaluate("referring", coloured, "--baseline", "nothing", "--sheet", sheet) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_what_was_measured_is_shown_though_the_sheet_fails(coloured, capsys):
    sheet = coloured / "sheet.png"
    sheet.mkdir()
    assert evaluate("referring", coloured, "--baseline", "nothing", "--sheet", sheet) == 1
    captured = capsys.readouterr()
    assert "5 texts" in captured.out
    assert "The sheet cannot be written" in captured.err
