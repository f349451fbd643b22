"""`cityseg evaluate referring|reasoning|text` on the command line, and every sentence it may end with."""

import json

import cv2
import pytest
import torch

from inference_backend import cli
from inference_backend.evaluation.readers.folder import read_folder
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet
from inference_backend.models.unigeoseg.text import TextConfig
from inference_backend.models.unigeoseg.weights_file import save_weights
from inference_backend.training.instructions.dataset import DataPlan, write_dataset
from tests.data import text_folders


@pytest.fixture
def coloured(tmp_path):
    return text_folders.coloured(tmp_path)


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


def test_what_train_data_writes_is_measured_too(tmp_path, capsys):
    plan = DataPlan(scenes=5, size_px=96, texts=6)
    written = write_dataset(tmp_path / "set", plan)
    assert (
        evaluate("text", tmp_path / "set", "--baseline", "nothing", "--split", "val", "--json") == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["format"] == "annotations"
    assert report["skipped"]["count"] == 0
    assert 0 < report["all"]["n"] <= written["split"]["val"]
    assert sum(row["n"] for row in report["kinds"].values()) == report["all"]["n"]
    # Nothing is the right answer where the thing is absent, and only there.
    absent = report["kinds"].get("absent", {"n": 0})["n"]
    assert report["all"]["gIoU"] == pytest.approx(absent / report["all"]["n"])


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
    assert ["task", "referring", "5"] in [row[:3] for row in rows]
    assert ["task", "reasoning", "1"] in [row[:3] for row in rows]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "coco"], "'coco' is not a protocol"),
        (["--format", "coco"], "'coco' is not a format"),
        (["--format", "rrsis-d"], "is not rrsis-d, which has"),
        (["--limit", "0"], "--limit is a number of texts, 1 or more"),
        (["--threshold", "1.5"], "--threshold is between 0 and 1"),
        (["--gsd", "0"], "--gsd is metres a pixel, more than 0"),
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
