"""Words over the wire: inline answers, parts on the way, cancel, and sources that are files or pixels."""

from __future__ import annotations

import time

import numpy as np
import pytest
from affine import Affine
from geopandas import read_file
from shapely.geometry import box, shape

from cityseg_qgis.protocol import codes
from tests.data.coloured_scene import crowded, drawn
from tests.data.rasters import UTM_GRID, write_tif
from tests.workers.wire import PATIENCE_S, ROOT, Wire

SCRIPT = ROOT / "tests" / "workers" / "colour_text_backend.py"
HOUSE = (60, 50, 160, 120)
SCENE = drawn(320, 480, ("building", *HOUSE), ("pool", 200, 70, 240, 100))
LONG_GRID = Affine(0.3, 0, 5e5, 0, -0.3, 5e6)


def started(tmp_path_factory, **variables):
    home = tmp_path_factory.mktemp("home")
    env = {"CITYSEG_HOME": str(home), "OMP_NUM_THREADS": "1", **variables}
    return Wire(SCRIPT, (), env=env)


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    with started(tmp_path_factory) as wire:
        yield wire


@pytest.fixture
def raster(tmp_path):
    return write_tif(tmp_path / "a.tif", np.moveaxis(SCENE.rgb, 2, 0))


def source(path) -> dict:
    return {"kind": "file", "path": str(path)}


def in_source(corners, grid=UTM_GRID):
    x0, y0 = grid @ corners[:2]
    x1, y1 = grid @ corners[2:]
    return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def iou(a, b) -> float:
    return a.intersection(b).area / a.union(b).area


def test_a_text_is_answered_inline(wire, raster):
    result = wire.ask("segment", {"source": source(raster), "text": "buildings"})
    (feature,) = result["features"]
    assert iou(shape(feature["geometry"]), in_source(HOUSE)) > 0.96
    expected = "object class score area_m2 perim_m prompt task model weights source created why"
    assert set(feature["properties"]) == set(expected.split())
    assert feature["properties"]["source"] == "a.tif"
    assert feature["properties"]["area_m2"] == pytest.approx(1750, rel=0.02)
    understood = result["understood"]
    assert set(understood) == {
        "path",
        "sentence",
        "concepts",
        "program",
        "chips",
        "unknown",
        "presence",
    }
    assert understood["path"] == "program"
    assert understood["chips"]
    assert result["answer"] == "1 building was found."
    assert result["tiles"]["done"] == result["tiles"]["of"] > 0
    assert result["cancelled"] is False
    assert {"read", "embed", "decode", "polygons", "total"} <= set(result["timings_ms"])


def test_a_path_alone_names_a_source_too(wire, raster):
    assert (
        wire.ask("segment", {"source": str(raster), "ask": "Where do people live?"})["count"] == 1
    )


def test_pixels_are_a_source_and_pixels_come_back(wire):
    rgb = np.ascontiguousarray(SCENE.rgb)
    spec = {"kind": "pixels", "shape": list(rgb.shape), "attachment": 0}
    params = {"source": spec, "classes": ["pools"], "pixel": True}
    (feature,) = wire.ask("segment", params, rgb.tobytes())["features"]
    assert iou(shape(feature["geometry"]), box(200, 70, 240, 100)) > 0.93


def test_a_file_is_written_where_one_is_named(wire, raster, tmp_path):
    params = {"source": source(raster), "text": "buildings", "out": str(tmp_path / "o.gpkg")}
    result = wire.ask("segment", params)
    assert (result["features"], result["count"], len(result["objects"])) == ([], 1, 1)
    assert len(read_file(tmp_path / "o.gpkg")) == 1


def test_an_edited_program_comes_back(wire, raster):
    first = wire.ask("segment", {"source": source(raster), "text": "buildings larger than 100 m2"})
    chip = next(c for c in first["understood"]["chips"] if c["kind"] == "number")
    params = {"source": source(raster), "program": first["understood"]["program"]}
    changed = wire.ask("segment", {**params, "changes": {chip["id"]: 99_999}})
    assert (first["count"], changed["count"]) == (1, 0)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"text": ""}, "text is empty"),
        ({"text": "buildings", "area": {"bounds": [0, 0, 1, 1]}}, "outside the raster"),
        ({"text": "buildings", "colour": 1}, "no part of a text job"),
        ({"text": "buildings", "out": "o.txt"}, "no known format"),
        ({"classes": 5}, "list of names"),
    ],
)
def test_what_is_wrong_is_one_sentence(wire, raster, params, sentence):
    error = wire.refusal("segment", {"source": source(raster), **params})
    assert error.code == codes.INVALID_INPUT
    assert sentence in error.message


def partials(wire, request_id):
    return [
        feature
        for note in list(wire.notifications)
        if note.method == codes.PARTIAL and note.params["id"] == request_id
        for feature in note.params["features"]
    ]


def test_parts_come_before_the_answer_and_progress_too(wire, tmp_path):
    path = write_tif(tmp_path / "long.tif", np.moveaxis(crowded(900, 300, 5).rgb, 2, 0), LONG_GRID)
    request_id = wire.send("segment", {"source": source(path), "text": "buildings"})
    result = wire.wait(request_id).result
    told = partials(wire, request_id)
    assert len(told) == len(result["features"]) == result["count"] > 5
    fractions = [
        note.params["fraction"]
        for note in wire.notifications
        if note.method == codes.PROGRESS and note.params["id"] == request_id
    ]
    assert fractions[-1] == 1
    assert len(fractions) > 2


def test_a_cancel_ends_it_and_what_was_found_has_been_told(tmp_path_factory, tmp_path):
    path = write_tif(tmp_path / "long.tif", np.moveaxis(crowded(900, 300, 5).rgb, 2, 0), LONG_GRID)
    gate, out = tmp_path / "gate", tmp_path / "o.gpkg"
    with started(tmp_path_factory, COLOUR_GATE=str(gate)) as wire:
        params = {"source": source(path), "text": "buildings", "out": str(out)}
        request_id = wire.send("segment", params)
        began = time.monotonic()
        while not partials(wire, request_id):
            assert time.monotonic() - began < PATIENCE_S
            time.sleep(0.02)
        assert wire.ask("cancel", {"id": request_id})["cancelled"] is True
        gate.touch()
        error = wire.wait(request_id)
        assert error.code == codes.CANCELLED
        assert not out.exists()
        assert wire.ask("segment", {"source": source(path), "text": "ships"})["count"] == 0
