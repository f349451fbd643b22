"""`cityseg segment` itself, with the model that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas
import pytest
import rasterio
from shapely.affinity import affine_transform
from shapely.geometry import box as rectangle

from inference_backend.cli import build_parser, main
from inference_backend.models import registry
from tests.data.rasters import (
    BLUE_ROOF,
    RED_ROOF,
    UTM_GRID,
    box,
    point,
    two_roofs,
    write_geojson,
    write_tif,
)

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "inference_backend.cli", "segment"]
with_weights = pytest.mark.skipif(
    not registry.card("default-2d").available, reason="the default weights are not in this checkout"
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    write_tif(tmp_path / "a.tif", two_roofs())
    write_geojson(
        tmp_path / "p.geojson",
        [(point(70, 80), {"object": 5}), (box(148, 118, 212, 202), {"object": 9})],
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def segment(*arguments):
    return main(
        ["segment", "a.tif", "--prompts", "p.geojson", "--pixel", "--device", "cpu", *arguments]
    )


@with_weights
def test_prompts_become_features_and_a_table(files, capsys):
    assert segment("--out", "o.shp", "--mask", "m.tif", "--class", "roof") == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["object", "class", "score", "area", "m²", "ms", "vertices"]
    assert [line.split()[:2] for line in lines[1:3]] == [["5", "roof"], ["9", "roof"]]
    assert lines[3] == "2 features in o.shp, by default-2d on cpu"
    assert captured.err == ""
    table = geopandas.read_file("o.shp").set_index("object")
    t = ~UTM_GRID
    for name, roof in ((5, RED_ROOF), (9, BLUE_ROOF)):
        found = affine_transform(table.geometry[name], [t.a, t.b, t.d, t.e, t.c, t.f])
        truth = rectangle(*roof)
        assert found.intersection(truth).area / found.union(truth).area > 0.5
    with rasterio.open("m.tif") as dataset:
        assert set(dataset.read(1).ravel()) == {0, 5, 9}


@with_weights
def test_json_is_one_document_with_what_machines_need(files):
    command = [
        *COMMAND,
        "a.tif",
        "--prompts",
        "p.geojson",
        "--pixel",
        "--out",
        "o.gpkg",
        "--json",
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        command,
        cwd=files,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=environment(),
    )
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert [entry["object"] for entry in summary["objects"]] == [5, 9]
    for entry in summary["objects"]:
        assert {"object", "class", "score", "area_m2", "milliseconds", "n_vertices"} <= set(entry)
        assert 0 <= entry["score"] <= 1
        assert entry["milliseconds"] > 0
        assert entry["n_vertices"] >= 4
    assert summary["model"] == "default-2d"


def environment():
    """The child imports the checkout, wherever it runs."""
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@with_weights
def test_an_extent_west_of_greenwich_is_no_flag(files, capsys):
    assert segment("--out", "o.gpkg", "--extent", "-10,-20,600000,6000000") == 0
    assert "2 features" in capsys.readouterr().out


@with_weights
def test_the_same_prompts_give_the_same_outlines(files, capsys):
    for name in ("one.gpkg", "two.gpkg"):
        assert segment("--out", name) == 0
    one, two = geopandas.read_file("one.gpkg"), geopandas.read_file("two.gpkg")
    assert one.geometry.geom_equals_exact(two.geometry, 1e-6).all()


def refused(capsys, *arguments):
    """The one line on stderr of a run that ends with exit code 2."""
    try:
        code = main(["segment", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert len(captured.err.splitlines()) == 1
    return captured.err


@pytest.mark.parametrize(
    "flags",
    [
        ("--text", "red roofs"),
        ("--ask", "where?"),
        ("--classes", "roof,road"),
        ("--task", "referring"),
    ],
)
def test_what_comes_later_says_when(files, capsys, flags):
    line = refused(capsys, "a.tif", "--out", "o.gpkg", *flags)
    assert flags[0] in line
    assert "version 0.2" in line
    assert "--prompts FILE" in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "give --prompts FILE"),
        (("--prompts", "p.geojson", "--bands", "1,2"), "--bands takes 1 or 3 numbers, not 2"),
        (("--prompts", "p.geojson", "--bands", "1,2,x"), "--bands takes numbers"),
        (("--prompts", "p.geojson", "--bands", "1,2,2.5"), "whole numbers"),
        (("--prompts", "p.geojson", "--pixel", "--bands", "1,2,9"), "no band 9"),
        (("--prompts", "p.geojson", "--extent", "1,2,3"), "--extent takes 4 numbers"),
        (("--prompts", "p.geojson", "--pixel", "--stretch", "log"), "is no stretch"),
        (("--prompts", "p.geojson", "--min-area", "-4"), "zero or more"),
        (("--prompts", "p.geojson", "--min-area", "few"), "--min-area"),
        (("--prompts", "p.geojson", "--pixel", "--mask", "m.png"), "end its name with .tif"),
        (("--prompts", "p.geojson", "--pixel", "--model", "nobody"), "no model 'nobody'"),
        (("--prompts", "p.geojson", "--regularize", "round"), "--regularize"),
        (("--prompts", "p.geojson", "--regularize", "building"), "later version"),
    ],
)
def test_a_wrong_option_is_named(files, capsys, flags, words):
    assert words in refused(capsys, "a.tif", "--out", "o.gpkg", *flags)
    assert not (files / "o.gpkg").exists()


def test_a_missing_out_is_named(files, capsys):
    assert "--out" in refused(capsys, "a.tif", "--prompts", "p.geojson")


def test_help_shows_every_flag_of_the_surface():
    parser = build_parser()
    action = next(a for a in parser._actions if a.dest == "command")
    text = action.choices["segment"].format_help()
    flags = "--out --prompts --pixel --extent --bands --stretch --mask --min-area --json --model --device --task --classes"
    for flag in [*flags.split(), "--text", "--ask", "--regularize", "--tolerance", "--class"]:
        assert f"{flag} " in text or f"{flag}\n" in text or f"{flag}]" in text, flag


def test_the_parser_imports_nothing_heavy():
    code = "import sys; from inference_backend.cli import build_parser; build_parser(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert not {"torch", "rasterio", "numpy", "pyogrio", "shapely"} & set(done.stdout.split())
