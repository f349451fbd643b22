"""`cityseg models`, as a user runs it."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from inference_backend.weights.store import SHIPPED_FOLDER
from scripts.random_sam import random_sam
from tests.data.block_town import make_town, write_town

ROOT = Path(__file__).resolve().parents[2]
CLOUD_WEIGHTS = SHIPPED_FOLDER / "default-3d.safetensors"


@pytest.fixture
def cityseg(tmp_path):
    """Runs the command in a home of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CITYSEG_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [sys.executable, "-m", "inference_backend.cli", "models", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("sam") / "random.pth"
    torch.save(random_sam().state_dict(), path)
    return path


def test_list_shows_each_model_and_the_way_to_it(cityseg):
    done = cityseg("list")
    assert done.returncode == 0
    assert done.stdout.startswith("default-2d")
    assert "run 'cityseg models download sam-vit-h'" in done.stdout
    cards = json.loads(cityseg("list", "--json").stdout)
    assert [card["id"] for card in cards] == [
        *("default-2d", "default-3d", "sam-vit-b", "sam-vit-l", "sam-vit-h"),
        *("openai-vit-b-32", "openai-vit-b-16", "openai-vit-l-14", "openai-rn50"),
    ]


def test_info_tells_source_licence_and_digest(cityseg):
    text = cityseg("info", "sam-vit-b").stdout
    assert "Apache-2.0" in text
    assert "375042383" in text
    facts = json.loads(cityseg("info", "sam-vit-b", "--json").stdout)
    assert facts["sha256"].startswith("ec2df627")
    assert facts["available"] is False


def test_registered_checkpoints_are_listed_verified_and_removed(cityseg, checkpoint):
    assert cityseg("register", "mine", str(checkpoint)).returncode == 0
    assert "mine" in cityseg("list").stdout
    assert "the catalogue has no digest" in cityseg("verify", "mine").stdout
    assert cityseg("remove", "mine").returncode == 0
    assert "mine" not in cityseg("list").stdout
    assert checkpoint.exists()


def test_a_file_that_is_not_the_published_one_fails_the_check(cityseg, tmp_path):
    other = tmp_path / "home" / "weights" / "sam_vit_b_01ec64.pth"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"something else")
    done = cityseg("verify", "sam-vit-b")
    assert done.returncode == 2
    assert "is not the published sam-vit-b: only 14 of 375042383 bytes" in done.stderr
    found = json.loads(cityseg("verify", "sam-vit-b", "--json").stdout)
    assert found["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("info", "nothing"), "There is no model 'nothing'"),
        (("download", "nothing"), "There is no model 'nothing'"),
        (("download", "default-2d"), "ships with CitySeg"),
        (("download", "sam-vit-b", "--url", "ftp://x/y"), "is not a web address"),
        (("verify", "sam-vit-l"), "run 'cityseg models download sam-vit-l'"),
        (("remove", "default-2d"), "ships with CitySeg"),
        (("register", "mine", "absent.pth"), "There is no file absent.pth"),
        (("register", "mine", __file__), "is not a checkpoint"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(cityseg, arguments, sentence):
    done = cityseg(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_half_a_checkpoint_is_refused_when_it_is_registered(cityseg, checkpoint, tmp_path):
    half = tmp_path / "half.pth"
    half.write_bytes(checkpoint.read_bytes()[: 1 << 20])
    done = cityseg("register", "mine", str(half))
    assert done.returncode == 2
    assert "half.pth is damaged or was not downloaded to its end" in done.stderr
    assert done.stderr.count("\n") == 1


class _LogIn(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"login")


def test_a_log_in_page_instead_of_weights_is_told(cityseg, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _LogIn)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        done = cityseg(
            "download", "sam-vit-b", "--url", f"http://127.0.0.1:{server.server_port}/w.pth"
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 1
    assert "has 5 bytes where sam_vit_b_01ec64.pth has 375042383" in done.stderr
    assert not (Path(tmp_path) / "home" / "weights" / "sam_vit_b_01ec64.pth").exists()


def test_weights_for_point_clouds_are_registered_listed_and_classify(cityseg, tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(CLOUD_WEIGHTS.read_bytes())
    assert cityseg("register", "my-clouds", str(mine)).returncode == 0
    lines = cityseg("list").stdout.splitlines()
    kinds = {line.split()[0]: line for line in lines if "ready" in line}
    assert "point clouds" in kinds["my-clouds"]
    assert " images " in kinds["default-2d"]
    assert json.loads(cityseg("info", "my-clouds", "--json").stdout)["kind"] == "point clouds"
    write_town(tmp_path / "town.laz", make_town(60.0, 4.0))
    done = subprocess.run(
        [sys.executable, "-m", "inference_backend.cli", "classify", "town.laz"]
        + ["--out", "o.laz", "--model", "my-clouds", "--device", "cpu", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "CITYSEG_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "my-clouds"
    assert (tmp_path / "o.laz").exists()


def test_weights_for_point_clouds_that_cannot_serve_are_refused(cityseg, tmp_path):
    mine = tmp_path / "mine.safetensors"
    whole = CLOUD_WEIGHTS.read_bytes()
    mine.write_bytes(whole)
    done = cityseg("register", "sam-vit-b", str(mine))
    assert done.returncode == 2
    assert "is for point clouds" in done.stderr
    mine.write_bytes(whole[: len(whole) // 2])
    done = cityseg("register", "mine", str(mine))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "mine" not in cityseg("list").stdout
