"""`cityseg train clouds`: files that other tools read, with their truth."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.cli import main
from inference_backend.evaluation.points_folder import guess_profile
from inference_backend.models.cityseg.profiles_reader import Profile
from inference_backend.training.clouds import LEAVES, make_cloud
from inference_backend.training.clouds.dataset import TEST_SEED, CloudsPlan
from inference_backend.training.clouds.leaves import CODES


def test_files_hold_the_cloud_with_codes_truth_and_crs(tmp_path: Path) -> None:
    out = tmp_path / "clouds"
    arguments = ["--out", str(out), "--count", "2", "--side", "32", "--platform", "als"]
    assert main(["train", "clouds", *arguments, "--held-out"]) == 0
    about = json.loads((out / "dataset.json").read_text())
    assert about["profile"] == "generated"
    assert [row["seed"] for row in about["files"]] == [TEST_SEED, TEST_SEED + 1]
    las = laspy.read(out / about["files"][0]["file"])
    cloud = make_cloud(TEST_SEED, 32, "als")
    truth = np.asarray(las["cityseg_truth"])
    np.testing.assert_array_equal(truth, cloud.leaf + 1)
    np.testing.assert_array_equal(np.asarray(las.classification), CODES[cloud.leaf])
    np.testing.assert_array_equal(np.asarray(las.return_number), cloud.return_number)
    assert np.abs(np.asarray(las.z) - cloud.xyz[:, 2]).max() < 0.001
    assert las.header.parse_crs().to_epsg() == 32632
    assert guess_profile(out) == "generated"
    allowed = Profile.load("generated").allowed(truth)
    assert allowed.shape[1] == len(LEAVES)
    np.testing.assert_array_equal(allowed.argmax(1), cloud.leaf)
    assert (allowed.sum(1) == 1).all()
    pictures = sorted((out / "pictures").glob("*.png"))
    assert [picture.stem for picture in pictures] == [
        Path(row["file"]).stem for row in about["files"]
    ]
    assert not list(out.glob("*.part*"))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--count", "0"], "--count"), (["--seed", "-4"], "--seed"), (["--side", "3"], "side")],
)
def test_bad_arguments_end_with_two_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert main(["train", "clouds", "--out", str(tmp_path / "x"), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert word in error
    assert "\n" not in error


def test_seed_ranges_of_training_and_test_do_not_meet() -> None:
    train = CloudsPlan(count=5, seed=999_995).seeds
    test = CloudsPlan(count=5, seed=0, held_out=True).seeds
    assert max(train) < 1_000_000
    assert min(test) >= 2_000_000
