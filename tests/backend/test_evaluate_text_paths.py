"""The same command measures the product's way, the network alone and programs alone: what the executor is worth."""

import cv2
import numpy as np
import pytest
from affine import Affine

from inference_backend.evaluation.planes import answer_of
from inference_backend.evaluation.protocols import protocol_named
from inference_backend.evaluation.readers.folder import read_folder
from inference_backend.evaluation.text_report import summarise
from inference_backend.evaluation.text_run import evaluate_texts
from inference_backend.evaluation.text_segmenters import model_segmenter
from tests.data import text_folders
from tests.data.text_folders import write_image, write_mask
from tests.data.word_model import COLOURS, WordModel


@pytest.fixture
def village(tmp_path):
    """A large and a small red building and a blue pool east of the small one, at 0.5 m a pixel."""
    image = np.full((160, 200, 3), COLOURS["grey"], np.uint8)
    large, small = np.zeros((160, 200), bool), np.zeros((160, 200), bool)
    large[20:80, 20:80], small[100:130, 100:130] = True, True
    image[large | small] = COLOURS["red"]
    image[105:125, 150:180] = COLOURS["blue"]
    write_image(tmp_path / "village.png", image)
    write_mask(tmp_path / "large.png", large)
    write_mask(tmp_path / "small.png", small)
    write_mask(tmp_path / "both.png", large | small)
    at = {"image": "village.png", "gsd_m": 0.5}
    # 30 x 30 m and 15 x 15 m; the pool begins 10 m east of the small one.
    entries = [
        {**at, "mask": "both.png", "text": "buildings"},
        {**at, "mask": "large.png", "text": "the largest building"},
        {**at, "mask": "large.png", "text": "buildings larger than 500 m²"},
        {**at, "mask": "small.png", "text": "buildings within 12 m of a pool"},
        {**at, "mask": "both.png", "text": "the building that looks abandoned"},
        {**at, "mask": "both.png", "text": "Where do people live?", "task": "reasoning"},
        {**at, "mask": "both.png", "text": "the jabberwocky"},
    ]
    text_folders.write_json(tmp_path / "annotations.json", entries)
    return tmp_path


def measured(folder, path):
    segmenter = model_segmenter(WordModel(), path, 0.5, 0.5)
    return evaluate_texts(read_folder(folder).samples, segmenter, protocol_named("lisa"))


def test_the_product_answers_by_program_where_there_is_one(village):
    run = measured(village, "auto")
    ways = [score.path for score in run.scores]
    assert ways == ["program", "program", "program", "program", "network", "program", "refused"]
    # Outlines round a corner by a fraction of a pixel.
    assert all(score.iou > 0.97 for score in run.scores[:6])
    assert run.scores[6].iou == 0
    assert "jabberwocky" in run.scores[6].refused
    assert summarise(run)["paths"] == {"network": 1, "program": 5, "refused": 1}


def test_the_network_alone_knows_no_superlative_and_no_metres(village):
    run = measured(village, "network")
    # 3600 and 900 pixels: the large one alone is 0.8 of both, the small one 0.2.
    expected = [1, 0.8, 0.8, None, 1, 0, 0]
    for score, value in zip(run.scores, expected, strict=True):
        if value is not None:
            assert score.iou == pytest.approx(value, abs=1e-5)
    # It finds the pool too, since the words name it.
    assert run.scores[3].iou == pytest.approx(900 / (3600 + 900 + 600), abs=1e-5)
    assert {score.path for score in run.scores} == {"network"}


def test_programs_alone_refuse_what_the_grammar_cannot_read(village):
    run = measured(village, "program")
    assert [bool(score.refused) for score in run.scores] == [False] * 4 + [True, False, True]
    assert run.scores[4].refused == "The grammar makes no program of these words."
    assert summarise(run)["refused"]["count"] == 2


def test_what_the_executor_is_worth_is_the_difference_of_two_runs(village):
    auto, network = (
        summarise(measured(village, path))["all"]["gIoU"] for path in ("auto", "network")
    )
    assert auto > network + 0.2


def test_interactive_texts_are_prompts_on_every_path(tmp_path):
    text_folders.geoseg_bench(tmp_path)
    samples = read_folder(tmp_path).of("interactive")
    for path in ("auto", "network", "program"):
        segmenter = model_segmenter(WordModel(), path, 0.5, 0.5)
        run = evaluate_texts(samples, segmenter, protocol_named("unigeoseg"))
        assert [score.path for score in run.scores] == ["prompts"]


def test_the_bars_may_ask_the_same_segmenters(village):
    """In metres: 500 m² leaves the large one at 0.5 m a pixel, and neither at 0.25 m."""
    rgb = cv2.imread(str(village / "village.png"))[..., ::-1]
    answer = answer_of(model_segmenter(WordModel(), "auto", 0.5, 0.5))
    words = ("buildings larger than 500 m²", "referring")
    coarse = answer(rgb, 0.5, Affine(0.5, 0, 450_000, 0, -0.5, 40_000), *words)
    assert abs(int(coarse.sum()) - 3600) < 60
    fine = answer(rgb, 0.25, Affine(0.25, 0, 450_000, 0, -0.25, 40_000), *words)
    assert not fine.any()
    alone = answer_of(model_segmenter(WordModel(), "network", 0.5, 0.5))
    assert alone(rgb, 0.5, Affine.scale(0.5, -0.5), "green things", "referring") is None
