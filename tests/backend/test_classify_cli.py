"""`cityseg classify` and job files: what is printed, what is written, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.cli import main
from inference_backend.models import cloud_registry
from inference_backend.models.cityseg.label_graph import label_graph
from tests.data.block_town import ROOF, make_town, write_town
from tests.data.rule_cloud_model import RuleCloudModel

GRAPH = label_graph()
TOWN = make_town(80.0, 4.0)


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """The model that is asked for by name is one whose answers can be reckoned by hand."""
    monkeypatch.setattr(cloud_registry, "get_cloud_model", lambda name, device: RuleCloudModel())


@pytest.fixture
def source(tmp_path) -> Path:
    write_town(tmp_path / "town.laz", TOWN)
    return tmp_path / "town.laz"


def test_a_table_says_what_was_found(source, tmp_path, capsys):
    assert main(["classify", str(source), "--out", str(tmp_path / "out.laz")]) == 0
    shown = capsys.readouterr().out
    assert "flat roof" in shown
    assert f"{len(TOWN):,} points: " in shown
    assert str(tmp_path / "out.laz") in shown


def test_json_is_what_the_contract_says(source, tmp_path, capsys):
    assert main(["classify", str(source), "--out", str(tmp_path / "out.laz"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    names = "out kind count seconds classes placements warnings vectors rasters sentence model weights device"
    assert set(names.split()) <= set(answer)
    for one in answer["classes"]:
        assert set(one) == {"id", "name", "code", "count", "share", "mean_conf", "colour"}


def test_only_the_classes_asked_for(source, tmp_path, capsys):
    arguments = ["--classes", "building, tree, car, power line", "--json"]
    assert main(["classify", str(source), "--out", str(tmp_path / "o.laz"), *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in answer["classes"]} <= {
        "building",
        "tree",
        "car",
        "power line",
        "other",
    }
    assert [told["words"] for told in answer["placements"]] == [
        "building",
        "tree",
        "car",
        "power line",
    ]
    cloud = laspy.read(tmp_path / "o.laz")
    assert (np.asarray(cloud.classification)[TOWN.code == ROOF] == 6).mean() > 0.99
    assert (np.asarray(cloud.classification)[TOWN.code == 2] == 1).mean() > 0.98
    assert (np.asarray(cloud.cityseg_label)[TOWN.code == 2] == 0).mean() > 0.98


def test_a_class_of_ones_own_has_the_code_of_its_parent_and_a_name_in_the_file(
    source, tmp_path, capsys
):
    arguments = ["--add", "gazebo:building", "--add", "bandstand:structure", "--json"]
    assert main(["classify", str(source), "--out", str(tmp_path / "o.laz"), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)["placements"]
    assert [one["kind"] for one in told] == ["new", "new"]
    [record] = [v for v in laspy.read(tmp_path / "o.laz").header.vlrs if v.user_id == "CitySeg"]
    names = json.loads(record.record_data_bytes().rstrip(b"\0"))["labels"]
    assert names[str(len(GRAPH) + 1)] == "gazebo"


def test_what_cannot_be_placed_is_one_line_and_exit_code_two(source, tmp_path, capsys):
    arguments = ["--classes", "building, Häuserfront"]
    assert main(["classify", str(source), "--out", str(tmp_path / "o.laz"), *arguments]) == 2
    captured = capsys.readouterr()
    assert "Häuserfront" in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
    assert not (tmp_path / "o.laz").exists()


def test_a_job_file_does_the_same(source, tmp_path, capsys):
    job = {
        "kind": "classify",
        "source": str(source),
        "out": str(tmp_path / "j.laz"),
        "classes": ["building"],
    }
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    assert main(["run", str(tmp_path / "job.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == len(TOWN)
    assert len(laspy.read(tmp_path / "j.laz").points) == len(TOWN)


def test_a_job_of_an_unknown_kind(source, tmp_path, capsys):
    (tmp_path / "job.json").write_text('{"kind": "polish"}', encoding="utf-8")
    assert main(["run", str(tmp_path / "job.json")]) == 2
    assert "polish" in capsys.readouterr().err


def test_an_extent_may_begin_with_a_minus(source, tmp_path, capsys):
    arguments = ["--extent", "-10,-10,-5,-5"]
    assert main(["classify", str(source), "--out", str(tmp_path / "o.laz"), *arguments]) == 2
    assert "outside" in capsys.readouterr().err
