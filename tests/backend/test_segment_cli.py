"""`cityseg segment` itself, with the model that ships."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.affinity import affine_transform
from shapely.geometry import box as rectangle

from inference_backend.cli import build_parser, main
from inference_backend.language.parse import understand
from inference_backend.models import registry
from tests.data.colour_model import ColourModel
from tests.data.colour_text_model import ColourTextModel
from tests.data.coloured_scene import crowded, drawn
from tests.data.rasters import (
    BLUE_ROOF,
    RED_ROOF,
    UTM_GRID,
    box,
    named_crs,
    point,
    two_roofs,
    write_geojson,
    write_tif,
)

ROOT = Path(__file__).resolve().parents[2]
TOWN = drawn(
    320,
    480,
    ("building", 60, 50, 160, 120),
    ("building", 300, 80, 350, 120),
    ("pool", 200, 70, 240, 100),
    ("road", 0, 200, 480, 216),
)
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


@pytest.fixture
def town(files, monkeypatch):
    """A raster with things of known colours, and a small model that finds them by their names."""
    write_tif(files / "t.tif", np.moveaxis(TOWN.rgb, 2, 0))
    monkeypatch.setattr(registry, "get", lambda name, device: ColourTextModel(128))
    return files


def test_words_become_features_a_table_and_an_answer(town, capsys):
    assert (
        main(["segment", "t.tif", "--text", "buildings", "--out", "o.gpkg", "--mask", "m.tif"]) == 0
    )
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["object", "class", "score", "area", "m²"]
    assert [line.split()[1] for line in lines[1:3]] == ["building", "building"]
    assert lines[3] == "2 buildings were found."
    assert lines[4].startswith("Understood: ")
    assert lines[5].startswith("2 features in o.gpkg, by colour-text-test on cpu, ")
    assert captured.err == ""
    assert len(geopandas.read_file("o.gpkg")) == 2


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        (("--text", "the largest building"), 1),
        (("--ask", "Where do people live?"), 2),
        (("--classes", "buildings, pools,roads"), 4),
        (("--text", "buildings", "--find", "one"), 1),
        (("--text", "buildings", "--extent", "500000,4999900,500100,5000000"), 1),
        (("--text", "buildings", "--area", "z.geojson"), 1),
        (("--text", "buildings", "--area", "p.pixel.geojson", "--pixel"), 1),
        (("--text", "buildings", "--min-area", "1000"), 1),
        (("--text", "ships"), 0),
        (("--program", "program.json"), 1),
    ],
)
def test_every_way_to_ask(town, capsys, flags, count):
    area = box(500_020, 4_999_930, 500_130, 4_999_990)
    write_geojson(town / "z.geojson", [(area, {})], crs=named_crs("EPSG:32632"))
    write_geojson(town / "p.pixel.geojson", [(box(0, 0, 250, 320), {})])
    program = understand("the largest building").program.to_json()
    (town / "program.json").write_text(json.dumps(program), encoding="utf-8")
    assert main(["segment", "t.tif", "--out", "o.geojson", "--json", *flags]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["count"] == count == len(summary["objects"])
    assert {"answer", "understood", "tiles", "timings_ms", "model", "weights"} <= set(summary)
    assert len(geopandas.read_file("o.geojson")) == count


def test_words_and_positions_go_together(town, capsys):
    """The click lies on a building: as words say so it stays, and as a pool there is nothing."""
    write_geojson(town / "c.geojson", [(point(100, 80), {"object": 1})])
    common = ["segment", "t.tif", "--prompts", "c.geojson", "--pixel", "--out", "o.gpkg", "--json"]
    for words, empty in (("the building", False), ("the pool", True)):
        assert main([*common, "--text", words]) == 0
        (entry,) = json.loads(capsys.readouterr().out)["objects"]
        assert entry["empty"] is empty


def test_words_for_a_model_that_takes_none(town, capsys, monkeypatch):
    monkeypatch.setattr(registry, "get", lambda name, device: ColourModel())
    assert main(["segment", "t.tif", "--text", "roofs", "--out", "o.gpkg"]) == 1
    assert "takes no text" in capsys.readouterr().err
    assert "takes no text" in refused(
        capsys, "a.tif", "--prompts", "p.geojson", "--pixel", "--text", "roofs", "--out", "o.gpkg"
    )


def test_a_job_file_is_run_like_its_flags(town, capsys):
    values = {"source": "t.tif", "text": "buildings", "find": "one", "out": "o.gpkg"}
    Path("job.json").write_text(json.dumps(values), encoding="utf-8")
    assert main(["run", "job.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 1
    Path("job.json").write_text("{", encoding="utf-8")
    assert main(["run", "job.json"]) == 2
    assert "no valid JSON" in capsys.readouterr().err
    for wrong, words in (
        ([], "JSON object"),
        ({"source": "t.tif", "text": "trees"}, "names no 'out'"),
    ):
        Path("job.json").write_text(json.dumps(wrong), encoding="utf-8")
        assert main(["run", "job.json"]) == 2
        assert words in capsys.readouterr().err


def test_an_interrupt_writes_what_is_done(town):
    """A real interrupt of the real command, in the middle of its tiles."""
    write_tif(
        town / "long.tif",
        np.moveaxis(crowded(1200, 300, 5).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    script = ROOT / "tests" / "data" / "colour_text_segment.py"
    process = subprocess.Popen(
        [sys.executable, str(script), "20", "long.tif", "--text", "buildings", "--out", "o.gpkg"],
        cwd=town,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in process.stdout:
        if line == "waiting\n":
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=240)
    assert process.returncode == 130
    (line,) = error.splitlines()
    count = len(geopandas.read_file(town / "o.gpkg"))
    assert count > 0
    assert line.startswith("cityseg: Cancelled after 2")
    assert f"; {count} features of what was seen until then are in o.gpkg." in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "give --text, --ask or --classes"),
        (("--text", "roofs", "--ask", "where?"), "Give one of --text and --ask"),
        (("--prompts", "p.geojson", "--ask", "where?"), "goes together with --text only"),
        (("--prompts", "p.geojson", "--find", "one"), "--find is for words alone"),
        (("--prompts", "p.geojson", "--task", "referring"), "is for words alone"),
        (("--text", "roofs", "--class", "roof"), "name their classes themselves"),
        (("--text", ""), "text is empty"),
        (("--text", "Häuser am Fluss und die Straße"), "only English"),
        (("--text", "roofs", "--task", "interactive"), "needs clicks"),
        (("--text", "roofs", "--threshold", "2"), "between 0 and 1"),
        (("--text", "roofs", "--program", "none.json"), "Give one of --text and --program"),
        (("--program", "none.json"), "cannot be read"),
        (("--program", "p.geojson"), "program"),
        (("--text", "roofs", "--extent", "1,2,3"), "--extent takes 4 numbers"),
        (("--text", "roofs", "--extent", "0,0,1,1"), "lies outside the raster"),
        (("--text", "roofs", "--extent", "0,0,1,1", "--area", "p.geojson"), "not both"),
        (("--text", "roofs", "--area", "none.geojson"), "none.geojson"),
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
    flags = "--program --find --area --threshold --out --prompts --pixel --extent --bands --stretch --mask --min-area --json --model --device --task --classes"
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
