"""What cannot be classified is refused in one sentence; the source stays, and nothing half-written is left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.cancel import CancelToken
from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from inference_backend.errors import Cancelled, CitySegError, InvalidInput, ResourceProblem
from tests.data import clouds
from tests.data.block_town import ORIGIN, Town, make_town, write_town
from tests.data.rule_cloud_model import RuleCloudModel
from tests.data.small_disk import mounted

ROOT = Path(__file__).resolve().parents[2]


def run(
    source: Path, out: Path, cancel=None, progress=None, model=None, place=None, **values
) -> dict:
    job = ClassifyJob.from_json({"source": str(source), "out": str(out), **values})
    return run_classify_job(job, cancel, progress, model or RuleCloudModel(), place)


def refused(source: Path, out: Path, **values) -> str:
    """The sentence of a run that has to fail; its source is untouched and there is nothing new beside it."""
    folder = next(parent for parent in out.parents if parent.exists())
    beside = sorted(path.name for path in folder.iterdir())
    before = hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else None
    with pytest.raises(CitySegError) as error:
        run(source, out, **values)
    assert error.value.exit_code == 2
    assert sorted(path.name for path in folder.iterdir()) == beside
    if before:
        assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    sentence = error.value.user_message
    assert sentence.endswith((".", "?", "'"))
    assert "\n" not in sentence
    return sentence


@pytest.fixture(scope="module")
def small() -> Town:
    return make_town(60.0, 4.0)


@pytest.fixture
def source(small, tmp_path) -> Path:
    write_town(tmp_path / "town.laz", small)
    return tmp_path / "town.laz"


def written(path: Path, x, y, z, **header) -> Path:
    town = Town(*(np.asarray(v, float) for v in (x, y, z)), np.zeros(len(x), np.uint8))
    write_town(path, town, **header)
    return path


@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_a_truncated_laz(source, tmp_path, share):
    whole = source.read_bytes()
    source.write_bytes(whole[: int(share * len(whole))])
    assert "town.laz" in refused(source, tmp_path / "out.laz")


def test_a_laz_damaged_in_the_middle_is_refused_or_whole(source, small, tmp_path):
    """Damage that still decodes cannot be told from points; then at least as many are written as were read."""
    raw = bytearray(source.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 400] = bytes(400)
    source.write_bytes(raw)
    try:
        count = run(source, tmp_path / "out.laz")["count"]
    except InvalidInput:
        assert not (tmp_path / "out.laz").exists()
    else:
        assert count == len(laspy.read(tmp_path / "out.laz").points) == len(small)


def test_no_cloud_at_all(tmp_path):
    path = tmp_path / "letter.laz"
    path.write_bytes(b"Dear surveyor, " * 50)
    assert "letter.laz" in refused(path, tmp_path / "out.laz")
    assert "not there" in refused(tmp_path / "absent.laz", tmp_path / "out.laz")


def test_zero_points(tmp_path):
    written(tmp_path / "none.las", [], [], [])
    assert "no points" in refused(tmp_path / "none.las", tmp_path / "out.las")


def test_all_points_equal(tmp_path):
    written(tmp_path / "one.las", [5.0] * 300, [6.0] * 300, [7.0] * 300)
    assert "at one place" in refused(tmp_path / "one.las", tmp_path / "out.las")


def test_all_points_above_each_other(tmp_path):
    """A well or a mast: no area, but no fault either."""
    written(tmp_path / "mast.las", [5.0] * 300, [6.0] * 300, np.linspace(0, 30, 300))
    assert run(tmp_path / "mast.las", tmp_path / "out.las")["count"] == 300


def test_one_point_a_square_kilometre(tmp_path):
    x, y = (axis.reshape(-1) for axis in np.mgrid[0:20_000:1000.0, 0:20_000:1000.0])
    written(tmp_path / "thin.las", x, y, np.zeros(len(x)))
    assert "too few" in refused(tmp_path / "thin.las", tmp_path / "out.las")


def test_one_point_on_each_hundred_square_metres(tmp_path):
    x, y = (axis.reshape(-1) for axis in np.mgrid[0:1000:10.0, 0:1000:10.0])
    written(tmp_path / "thin.las", x, y, np.zeros(len(x)))
    assert "too few" in refused(tmp_path / "thin.las", tmp_path / "out.las")


@pytest.mark.parametrize("far_m", [40_000.0, 2_000_000.0])
def test_a_stray_point_far_away(small, tmp_path, far_m):
    x, y, z = np.append(small.x, far_m), np.append(small.y, far_m), np.append(small.z, 30)
    x, y, z = (np.tile(v, 20) for v in (x, y, z))
    written(tmp_path / "stray.las", x, y, z)
    sentence = refused(tmp_path / "stray.las", tmp_path / "out.las")
    assert any(word in sentence for word in ("stray", "too few"))
    x0, y0 = ORIGIN
    answer = run(tmp_path / "stray.las", tmp_path / "out.las", extent=[x0, y0, x0 + 60, y0 + 60])
    assert answer["count"] == 20 * len(small)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 0.0])
@pytest.mark.parametrize("place", [clouds.SCALE_AT, clouds.OFFSET_AT])
def test_a_scale_or_an_offset_that_is_no_number(source, tmp_path, value, place):
    if place == clouds.OFFSET_AT and value == 0.0:
        pytest.skip("an offset of 0 is a good one")
    clouds.patch(source, place, "<d", value)
    refused(source, tmp_path / "out.laz")


def test_no_crs_is_told_and_metres_are_taken(small, tmp_path):
    write_town(tmp_path / "plain.laz", small, crs=None)
    answer = run(tmp_path / "plain.laz", tmp_path / "out.laz")
    assert any("no CRS" in warning for warning in answer["warnings"])
    named = run(tmp_path / "plain.laz", tmp_path / "named.laz", crs="EPSG:2154")
    assert not named["warnings"]
    assert laspy.read(tmp_path / "named.laz").header.parse_crs().to_epsg() == 2154


def test_a_crs_in_degrees(small, tmp_path):
    degrees = Town(small.x / 1e5, small.y / 1e5, small.z, small.code)
    write_town(tmp_path / "deg.laz", degrees, crs="EPSG:4326", scale=1e-7, origin=(2.3, 48.8))
    assert "reproject" in refused(tmp_path / "deg.laz", tmp_path / "out.laz")


def test_a_crs_that_is_none(source, tmp_path):
    assert "EPSG" in refused(source, tmp_path / "out.laz", crs="EPSG:0")


@pytest.mark.parametrize("point_format", [4, 5, 9, 10])
def test_waveforms(tmp_path, point_format):
    clouds.make_las(
        tmp_path / "w.las", 6 if point_format > 5 else 1, "1.4" if point_format > 5 else "1.2"
    )
    clouds.patch(tmp_path / "w.las", clouds.FORMAT_AT, "<B", point_format)
    refused(tmp_path / "w.las", tmp_path / "out.las")


def test_an_extent_beside_the_cloud(source, tmp_path):
    assert "outside" in refused(source, tmp_path / "out.laz", extent=[0, 0, 10, 10])


def test_an_extent_in_a_gap_of_the_cloud(small, tmp_path):
    gap = (small.x > 20) & (small.x < 40)
    written(tmp_path / "gap.laz", small.x[~gap], small.y[~gap], small.z[~gap])
    x0, y0 = ORIGIN
    extent = [x0 + 25, y0 + 10, x0 + 35, y0 + 50]
    assert "extent" in refused(tmp_path / "gap.laz", tmp_path / "out.laz", extent=extent)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threads": 0}, "thread"),
        ({"device": "abacus"}, "device"),
        ({"classes": " , "}, "class"),
        ({"add": ["greenhouse:"]}, "greenhouse:"),
        ({"extent": [0, 0, 1]}, "4 numbers"),
        ({"extent": [5, 0, 1, 9]}, "minimum"),
        ({"extent": "a,b,c,d"}, "'a'"),
        ({"colour": "red"}, "colour"),
        ({"dtm": "dtm.png"}, ".tif"),
        ({"vectors": "v.laz"}, ".gpkg"),
        ({"vectors": "v.gpkg", "layers": ["houses"]}, "'houses' is no layer"),
        ({"layers": "buildings"}, "need a file"),
    ],
)
def test_options_that_make_no_sense(source, tmp_path, values, words):
    assert words in refused(source, tmp_path / "out.laz", **values)


@pytest.mark.parametrize("name", ["out.txt", "out.gpkg", "absent/out.laz", "town.laz"])
def test_a_result_that_cannot_be(source, tmp_path, name):
    refused(source, tmp_path / name)


def test_a_result_that_would_replace_the_source_by_another_name(source, tmp_path):
    (tmp_path / "link.laz").symlink_to(source)
    assert "would be lost" in refused(source, tmp_path / "link.laz")


def test_one_name_for_two_results(source, tmp_path):
    refused(source, tmp_path / "o.laz", dtm=str(tmp_path / "a.tif"), hag=str(tmp_path / "a.tif"))


def test_a_word_that_cannot_be_placed_is_refused_before_the_source_is_looked_at(tmp_path):
    sentence = refused(
        tmp_path / "absent.laz", tmp_path / "out.laz", classes="building, Häuserfront"
    )
    assert "Häuserfront" in sentence


def test_an_existing_result_survives_a_run_that_fails(source, tmp_path):
    out = tmp_path / "out.laz"
    out.write_bytes(b"of yesterday")
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    refused(source, out)
    assert out.read_bytes() == b"of yesterday"


class Stopper:
    """Cancels at the first message that holds a word."""

    def __init__(self, word: str) -> None:
        self.word, self.cancel = word, CancelToken()

    def __call__(self, fraction: float, message: str) -> None:
        if self.word in message:
            self.cancel.cancel()


@pytest.mark.parametrize("word", ["Loading", "Reading", "ground", "Classifying", "Writing"])
@pytest.mark.parametrize("name", ["out.laz", "out.copc.laz", "out"])
def test_a_cancelled_run_leaves_nothing(source, tmp_path, word, name):
    stop = Stopper(word)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    with pytest.raises(Cancelled):
        run(source, tmp_path / name, stop.cancel, stop)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before


class Stuck(RuleCloudModel):
    """Answers when `go` is set, as a block on a slow machine does."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()

    def predict_block(self, block, classes, cancel=None, density=None):
        self.begun.set()
        self.go.wait(60)
        return super().predict_block(block, classes, cancel, density)


def test_a_cancel_does_not_wait_for_the_blocks_under_way(source, tmp_path):
    model, cancel, ended = Stuck(), CancelToken(), []

    def work() -> None:
        try:
            run(source, tmp_path / "out.laz", cancel, None, model)
        except Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert model.begun.wait(60)
    cancel.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert ended
    assert [path.name for path in tmp_path.iterdir()] == [source.name]
    model.go.set()


class Broken(RuleCloudModel):
    """Fails in the middle of its work."""

    def predict_block(self, block, classes, cancel=None, density=None):
        raise RuntimeError("no kernel image is available")


def test_a_model_that_fails_leaves_nothing(source, tmp_path):
    with pytest.raises(RuntimeError, match="kernel"):
        run(source, tmp_path / "out.laz", model=Broken())
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_disk_without_room_is_told_before_the_work(source, tmp_path):
    with mounted(tmp_path / "disk", "2m") as disk:
        assert "free" in refused(source, disk / "out.laz")


@pytest.mark.parametrize("when", ["Reading", "Writing"])
@pytest.mark.parametrize("name", ["out.las", "out.laz", "out.copc.laz", "out"])
def test_a_disk_that_fills_up_on_the_way(tmp_path, name, when):
    """Another program takes the room after the check."""
    write_town(tmp_path / "town.laz", make_town(100.0, 8.0))
    with mounted(tmp_path / "disk", "32m") as disk:

        def fill(fraction: float, message: str) -> None:
            if when in message and not (disk / "other").exists():
                with contextlib.suppress(OSError), (disk / "other").open("wb", 0) as other:
                    while other.write(bytes(1 << 12)):
                        pass

        with pytest.raises(ResourceProblem, match="disk|space"):
            run(tmp_path / "town.laz", disk / name, progress=fill)
        assert [path.name for path in disk.iterdir()] == ["other"]


_KILLED = """
import sys, time
from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from tests.data.rule_cloud_model import RuleCloudModel
class Slow(RuleCloudModel):
    def predict_block(self, *args, **more):
        print("working", flush=True)
        time.sleep(600)
run_classify_job(ClassifyJob(sys.argv[1], sys.argv[2]), model=Slow())
"""


def test_what_a_killed_run_left_is_swept_by_the_next(source, tmp_path):
    (tmp_path / "to").mkdir()
    out = tmp_path / "to" / "out.laz"
    command = [sys.executable, "-c", _KILLED, str(source), str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "working"
        os.kill(process.pid, signal.SIGKILL)
    [left] = out.parent.iterdir()
    assert left.name.startswith(".cityseg-")
    old = time.time() - 3600
    os.utime(left / ".lock", (old, old))
    run(source, out)
    assert [path.name for path in out.parent.iterdir()] == ["out.laz"]
