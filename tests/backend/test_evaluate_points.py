"""The whole evaluation of points: a folder in, figures out, through the product's own way of classifying."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference_backend import cli
from inference_backend.errors import InvalidInput
from inference_backend.evaluation.points_command import (
    PointsOptions,
    evaluate_points,
    write_points_sheet,
)
from inference_backend.evaluation.points_report import summarise, table
from inference_backend.evaluation.points_run import PointsRun
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.profiles_reader import Profile
from tests.data import labelled_towns as towns
from tests.data.rule_cloud_model import RuleCloudModel


def measure(folder: Path, **options):
    return evaluate_points(
        folder, PointsOptions(**options), lambda share, message: None, RuleCloudModel()
    )


def rows(report: dict) -> dict[str, dict]:
    return {row["name"]: row for row in report["classes"]}


@pytest.mark.parametrize("layout", towns.LAYOUTS)
def test_a_benchmark_as_published_is_measured(layout, tmp_path):
    """The rule model knows this town: what it gets wrong is edges of roofs and low parts of crowns."""
    made = towns.town()
    of = towns.write_layout(layout, tmp_path, made)
    report = measure(tmp_path, profile=layout.removesuffix("_las")).report
    assert report["points"] == len(made.xyz)
    assert report["ignored"] == 0
    profile = Profile.load(layout.removesuffix("_las"))
    present = {name for name, row in rows(report).items() if row["points"]}
    assert present == {profile.classes[profile.class_of_code[code]] for code in of.values()}
    assert report["OA"] > 0.9
    assert report["mIoU"] > 0.75
    assert report["consistent"] >= report["OA"]
    assert "IoU" in table(report)


def test_the_answers_do_not_depend_on_the_labels(tmp_path):
    made = towns.town()
    towns.write_las(tmp_path / "a" / "a.las", made, made.codes(towns.CODES["fractal"]))
    towns.write_las(tmp_path / "b" / "a.las", made, np.full(len(made.xyz), 2))
    told = [measure(tmp_path / name, profile="fractal").run.counts.sum(axis=0) for name in "ab"]
    assert np.array_equal(*told)


def test_several_clouds_faults_and_a_limit(tmp_path):
    made = towns.town()
    codes = made.codes(towns.CODES["fractal"])
    for name in ("a", "b", "d"):
        towns.write_las(tmp_path / f"{name}.laz", made, codes)
    (tmp_path / "c.laz").write_bytes(b"LASF" * 10)
    report = measure(tmp_path, profile="fractal").report
    assert report["clouds"] == 3
    assert report["points"] == 3 * len(made.xyz)
    assert [fault.split(":")[0] for fault in report["faults"]] == ["c.laz"]
    assert "left out: c.laz" in table(report)
    assert measure(tmp_path, profile="fractal", limit=2).report["clouds"] == 2


def test_hidden_leaves_are_their_parent_unless_asked_for(tmp_path):
    made = towns.town()
    codes = made.codes({towns.GROUND: 1, towns.TREE: 10, towns.ROOF: 16})
    assert [label_graph().leaves[code - 1] for code in (10, 16)] == ["palm", "greenhouse"]
    towns.write_las(tmp_path / "a.laz", made, codes, "cityseg_truth")
    closed = measure(tmp_path).report
    assert closed["ignored"] == int((codes != 1).sum())
    assert rows(closed)["palm"]["points"] == 0
    # The model's broadleaf trees are trees and its flat roofs are buildings.
    assert closed["levels"][0]["mIoU"] > 0.75
    opened = measure(tmp_path, zero_shot=True).report
    assert opened["ignored"] == 0
    assert rows(opened)["palm"]["points"] == int((codes == 10).sum())
    unseen = opened["unseen"]
    assert set(unseen["classes"]) == {
        *("hedge", "palm", "greenhouse", "silo", "crane", "street lamp", "bus", "train"),
    }
    assert unseen["mIoU_unseen"] == 0
    assert unseen["mIoU_seen"] > 0.9
    assert unseen["hIoU"] == 0


def test_classes_may_be_asked_for_by_their_names(tmp_path):
    made = towns.town()
    towns.write_layout("dales", tmp_path, made)
    report = measure(tmp_path, profile="dales", zero_shot=True).report
    assert report["OA"] > 0.9
    assert rows(report)["Vegetation"]["iou"] > 0.6
    assert report["unseen"]["classes"] == []
    assert report["unseen"]["mIoU_unseen"] is None


def test_figures_of_known_counts():
    """Montpellier's codes: 2 ground, 5 vegetation, 6 building, 0 ignored; ids are nodes of the graph plus one."""
    graph, profile = label_graph(), Profile.load("montpellier")
    run = PointsRun(clouds=1, seconds=2.0, model="m", weights="w", device="cpu")
    ids = {
        name: graph.index(name) + 1
        for name in ("pavement", "broadleaf tree", "flat roof", "tree", "wall")
    }
    run.names = {number: name for name, number in ids.items()}
    for code, name, count in (
        *((2, "pavement", 90), (2, "flat roof", 10), (5, "broadleaf tree", 40), (5, "tree", 5)),
        *((5, "wall", 5), (6, "flat roof", 30), (6, "pavement", 20), (0, "wall", 1000)),
    ):
        run.counts[code + 1, ids[name]] = count
    report = summarise(run, profile, by_words=False, zero_shot=False)
    assert report["points"] == 1200
    assert report["ignored"] == 1000
    assert rows(report)["ground"]["iou"] == pytest.approx(90 / 120)
    assert rows(report)["vegetation"]["iou"] == pytest.approx(45 / 50)
    assert rows(report)["building"]["iou"] == pytest.approx(30 / 60)
    assert report["mIoU"] == pytest.approx((0.75 + 0.9 + 0.5) / 3)
    assert report["OA"] == pytest.approx(165 / 200)
    assert report["mAcc"] == pytest.approx((0.9 + 0.9 + 0.6) / 3)
    # "other" has no point of truth; the wall answered in its place counts against vegetation alone.
    assert rows(report)["other"]["points"] == 0
    # Code 5 may be shrub or hedge, so neither a tree nor a broadleaf tree is disproved; nor is level 2 decided.
    assert report["consistent"] == pytest.approx(165 / 200)
    assert report["levels"][0]["mIoU"] == pytest.approx((0.75 + 0.9 + 0.5) / 3)
    assert report["ground"] == pytest.approx(
        {"type_1": 10 / 100, "type_2": 20 / 100, "total": 30 / 200}
    )
    assert report["points_per_second"] == 600
    json.dumps(report)


def test_the_sheet_shows_truth_answer_and_errors(tmp_path):
    made = towns.town()
    towns.write_layout("fractal", tmp_path / "set", made)
    sheet = tmp_path / "sheet.png"
    measured = measure(tmp_path / "set", profile="fractal", sheet=sheet)
    write_points_sheet(sheet, measured)
    picture = cv2.imread(str(sheet))[..., ::-1]
    building = label_graph().colour_of("building")
    third = picture.shape[1] // 3
    truth, answer = picture[-200:, :third], picture[-200:, third : 2 * third]
    roof = [int((panel == building).all(axis=2).sum()) for panel in (truth, answer)]
    assert min(roof) > 500
    assert abs(roof[0] - roof[1]) < 0.3 * roof[0]
    wrong = (picture[-200:, 2 * third :] == (225, 40, 40)).all(axis=2).mean()
    assert wrong < 0.2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"profile": "nothing"}, "no dataset profile"),
        ({"limit": 0}, "--limit"),
        ({"threads": 0}, "--threads"),
        ({"threshold": 1.5}, "--threshold"),
        ({"sheet": Path("sheet.jpg")}, "PNG"),
        ({"profile": "fractal", "split": "moon"}, "'moon'"),
        ({"profile": "generated"}, "cityseg_truth"),
    ],
)
def test_wrong_options_are_said_before_the_run(options, told, tmp_path):
    made = towns.town(per_m2=1)
    towns.write_layout("fractal", tmp_path, made)
    with pytest.raises(InvalidInput, match=told):
        measure(tmp_path, **options)


def test_labels_of_another_set_are_said(tmp_path):
    made = towns.town(per_m2=1)
    towns.write_las(tmp_path / "a.las", made, np.full(len(made.xyz), 200))
    with pytest.raises(InvalidInput, match="right --profile"):
        measure(tmp_path, profile="fractal")


def test_the_command_prints_json_and_its_exit_code(tmp_path, capsys):
    towns.write_layout("fractal", tmp_path, towns.town(per_m2=2))
    given = ["evaluate", "points", str(tmp_path), "--profile", "fractal", "--device", "cpu"]
    assert cli.main([*given, "--threads", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "default-3d"
    assert report["points"] == len(towns.town(per_m2=2).xyz)
    assert 0 <= report["OA"] <= 1
    assert cli.main([*given[:3], "--profile", "kitti"]) == 2
    assert "kitti" in capsys.readouterr().err
