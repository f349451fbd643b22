"""Wrong arguments of any command: one line that says what and where to look, exit code 2; and a reader that leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference_backend.cli import main
from inference_backend.commands.serve import main as serve_main

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "inference_backend.cli"]
SEGMENT = ["segment", "a.tif", "--out", "o.gpkg"]


@pytest.mark.parametrize(
    ("arguments", "command", "said"),
    [
        ([], "cityseg", "COMMAND"),
        (["paint"], "cityseg", "paint"),
        (["--nope", "doctor"], "cityseg", "--nope"),
        ([*SEGMENT, "--nope"], "cityseg segment", "--nope"),
        ([*SEGMENT, "more"], "cityseg segment", "more"),
        (["segment"], "cityseg segment", "SOURCE"),
        ([*SEGMENT, "--min-area", "large"], "cityseg segment", "large"),
        ([*SEGMENT, "--task", "guess"], "cityseg segment", "guess"),
        (["models"], "cityseg models", "ACTION"),
        (["models", "list", "--nope"], "cityseg models list", "--nope"),
        (["models", "info"], "cityseg models info", "NAME"),
        (["evaluate", "interactive"], "cityseg evaluate interactive", "DATASET"),
        (["train", "interactive", "--minutes", "x"], "cityseg train interactive", "x"),
        (["doctor", "--device", "abacus"], "cityseg doctor", "abacus"),
        (["serve", "--port", "80"], "cityseg serve", "--port"),
        ([*SEGMENT, "--nope=two\nlines"], "cityseg segment", "two lines"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_one_line(arguments, command, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"{command}: ")
    assert said in line
    assert line.endswith(f"; see '{command} --help'.")


def test_the_quick_start_of_the_process_says_the_same(capsys):
    with pytest.raises(SystemExit) as ended:
        serve_main(["--port", "80"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "cityseg serve: unrecognized arguments: --port 80; see 'cityseg serve --help'."
    ]


def start(*arguments, **streams):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, text=True, check=False, timeout=120, **streams
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_full_disk_behind_the_output_is_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = start("models", "list", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["cityseg: The disk is full: free some space and try again."]


@pytest.mark.skipif(os.name != "posix", reason="pipes break in this way on POSIX")
def test_a_reader_that_leaves_is_no_fault():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = start("models", "list", stdout=pipe, stderr=subprocess.PIPE)
    assert done.stderr == ""


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    """The counterpart: only the machine's faults become sentences."""
    from inference_backend.models import registry

    def broken():
        raise RuntimeError("a bug")

    monkeypatch.setattr(registry, "cards", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["models", "list"])
