"""`cityseg doctor` tells the truth about this environment and about broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from inference_backend import doctor
from inference_backend.cli import main
from inference_backend.errors import ModelProblem

ROOT = Path(__file__).resolve().parents[2]


def section(report: doctor.Report, title: str) -> doctor.Section:
    return next(found for found in report.sections if found.title == title)


def test_the_report_names_what_is_installed():
    report = doctor.examine(self_test=False)
    assert section(report, "Versions").rows["torch"] == metadata.version("torch")
    assert section(report, "Paths").rows["Python"] == sys.executable
    assert "cores" in section(report, "Devices").rows["CPU"]
    assert "default-2d" in section(report, "Models").rows
    assert section(report, "Versions").rows["tokenizers"] == metadata.version("tokenizers")


def test_the_self_test_segments_the_roof():
    found = doctor.segment_a_roof("cpu")
    assert found.problems == []
    assert found.rows["box"].startswith("IoU 0.")
    assert "m²" in found.rows["click"]


def test_a_wrong_answer_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "SELF_TEST_IOU", {"box": 1.01, "click": 0.0})
    problems = doctor.segment_a_roof("cpu").problems
    assert len(problems) == 1
    assert "box" in problems[0]


def test_the_encoder_and_its_table_agree():
    found = doctor.text()
    assert found.problems == []
    assert float(found.rows["agrees with its table"]) > 0.999


def test_a_table_of_another_encoder_is_a_problem(monkeypatch):
    from inference_backend.language import vocabulary

    monkeypatch.setattr(vocabulary, "vocabulary", lambda: vocabulary.NOTHING)
    assert "disagree" in doctor.text().problems[0]


def test_a_missing_library_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "LIBRARIES", ("numpy", "no-such-library"))
    found = doctor.versions()
    assert found.rows["no-such-library"] == "missing"
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    "error",
    [ImportError("libcudart.so.13"), ModelProblem("The weights are damaged; install again.")],
)
def test_a_broken_part_does_not_stop_the_report(monkeypatch, error):
    def broken() -> doctor.Section:
        raise error

    monkeypatch.setattr(doctor, "models", broken)
    report = doctor.examine(self_test=False)
    assert not report.healthy
    assert str(error) in section(report, "Models").problems[0]
    assert section(report, "Versions").rows


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert len(doctor.paths().problems) == 1


def test_markdown_hides_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.Path, "home", lambda: tmp_path)
    report = doctor.Report([doctor.Section("Paths", {"Data": tmp_path / "data", "a|b": "x|y"})])
    text = report.to_markdown()
    assert str(tmp_path) not in text
    assert "~/data" in text
    assert "x\\|y" in text


def test_the_command_prints_json_and_its_exit_code_is_the_verdict(capsys, monkeypatch):
    code = main(["doctor", "--json", "--no-self-test"])
    record = json.loads(capsys.readouterr().out)
    assert code == (0 if record["healthy"] else 1)
    monkeypatch.setattr(doctor, "LIBRARIES", ("no-such-library",))
    assert main(["doctor", "--no-self-test"]) == 1
    assert "no-such-library" in capsys.readouterr().out


def test_the_command_runs_as_the_plugin_starts_it():
    command = [
        sys.executable,
        "-I",
        "-X",
        "utf8",
        str(ROOT / "inference_backend" / "__main__.py"),
        "doctor",
        "--no-self-test",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout.startswith("## CitySeg doctor")
