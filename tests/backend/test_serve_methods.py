"""What each method of the process answers, over the wire, against shapes whose place and size are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from geopandas import read_file
from shapely.geometry import Point, box, shape

from cityseg_qgis.protocol import codes
from tests.data.rasters import BLUE_ROOF, RED_ROOF, UTM_GRID, two_roofs, write_geojson, write_tif
from tests.workers.wire import ROOT, Wire

COLOUR = ROOT / "tests" / "workers" / "colour_backend.py"
RED_CENTRE_PX = (70.0, 80.0)
RED_PX = box(*RED_ROOF)
BLUE_PX = box(*BLUE_ROOF)
ROTATED = Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000)
SOUTH_UP = Affine(0.5, 0, 500_000, 0, 0.5, 4_999_000)


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with Wire(COLOUR, (), env={"CITYSEG_HOME": str(home), "OMP_NUM_THREADS": "1"}) as wire:
        yield wire


def point(xy, label=1) -> dict:
    return {"kind": "point", "xy": [list(xy)], "label": label}


def params(path, prompts, **options) -> dict:
    return {
        "source": {"kind": "file", "path": str(path)},
        "prompts": prompts,
        "options": options,
    }


def geometry_of(result: dict):
    [feature] = result["features"]
    assert feature["type"] == "Feature"
    found = shape(feature["geometry"])
    assert found.is_valid
    return found


def iou(a, b) -> float:
    return a.intersection(b).area / a.union(b).area


def in_frame(transform: Affine, polygon):
    t = transform
    return shapely.affinity.affine_transform(polygon, [t.a, t.b, t.d, t.e, t.c, t.f])


def test_open_describes_the_raster(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs((200, 300)))
    answer = wire.ask("open", {"source": {"kind": "file", "path": str(path)}})
    assert (answer["width"], answer["height"], answer["count"]) == (300, 200, 3)
    assert answer["dtype"] == "uint8"
    assert answer["bands"] == [1, 2, 3]
    assert answer["stretch"]["kind"] == "none"
    assert answer["transform"] == list(UTM_GRID)[:6]
    assert "32632" in answer["crs_wkt"]
    assert answer["gsd_m"] == pytest.approx(0.5)
    assert answer["has_georeference"] is True


def test_open_takes_bands_and_stretch_of_the_layer(wire, tmp_path):
    path = write_tif(tmp_path / "deep.tif", two_roofs().astype(np.uint16) * 40)
    stretch = {"kind": "minmax", "low": [0, 0, 0], "high": [9000, 9000, 8000]}
    source = {"kind": "file", "path": str(path), "bands": [3, 2, 1], "stretch": stretch}
    answer = wire.ask("open", {"source": source})
    assert answer["bands"] == [3, 2, 1]
    assert answer["stretch"] == {
        "kind": "minmax",
        "low": [0.0, 0.0, 0.0],
        "high": [9000.0, 9000.0, 8000.0],
    }


def test_a_raster_without_georeference_has_pixels_for_coordinates(wire, tmp_path):
    path = write_tif(tmp_path / "plain.tif", two_roofs(), None, None)
    answer = wire.ask("open", {"source": {"kind": "file", "path": str(path)}})
    assert answer["transform"] == [1, 0, 0, 0, 1, 0]
    assert answer["crs_wkt"] == ""
    assert answer["gsd_m"] is None
    assert answer["has_georeference"] is False
    found = wire.ask("predict", params(path, [point(RED_CENTRE_PX)]))
    assert iou(geometry_of(found), RED_PX) > 0.95


@pytest.mark.parametrize(
    "transform", [UTM_GRID, ROTATED, SOUTH_UP], ids=["north", "turned", "south"]
)
def test_a_click_gives_the_roof_where_it_is(wire, tmp_path, transform):
    path = write_tif(tmp_path / "roofs.tif", two_roofs(), transform)
    click = point(in_frame(transform, Point(RED_CENTRE_PX)).coords[0])
    result = wire.ask("predict", params(path, [click]))
    truth = in_frame(transform, RED_PX)
    assert iou(geometry_of(result), truth) > 0.95
    assert result["area_m2"] == pytest.approx(truth.area, rel=0.05)
    assert result["perim_m"] == pytest.approx(truth.length, rel=0.08)
    assert result["score"] == 1.0
    assert (result["model"], result["weights"], result["device"]) == ("colour-test", "none", "cpu")
    assert {"read", "embed", "decode", "polygons"} <= result["timings_ms"].keys()


@pytest.mark.parametrize(
    "transform", [UTM_GRID, ROTATED, SOUTH_UP], ids=["north", "turned", "south"]
)
def test_the_pixel_frame_goes_in_and_comes_out(wire, tmp_path, transform):
    path = write_tif(tmp_path / "roofs.tif", two_roofs(), transform)
    result = wire.ask("predict", params(path, [point(RED_CENTRE_PX)], frame="pixel"))
    assert iou(geometry_of(result), RED_PX) > 0.95
    assert result["area_m2"] == pytest.approx(in_frame(transform, RED_PX).area, rel=0.05)


@pytest.mark.parametrize(
    "transform", [UTM_GRID, ROTATED, SOUTH_UP], ids=["north", "turned", "south"]
)
def test_an_outline_ends_where_the_raster_ends(wire, tmp_path, transform):
    """The scene's corner cut through the red roof: the same through the wire and on the command line."""
    x0, y0, x1, y1 = RED_ROOF
    path = write_tif(
        tmp_path / "corner.tif", two_roofs()[:, y0 + 20 :, x0 + 30 :].copy(), transform
    )
    rest, raster = box(0, 0, x1 - x0 - 30, y1 - y0 - 20), box(0, 0, 226, 176)
    result = wire.ask("predict", params(path, [point((10, 10))], frame="pixel"))
    found = geometry_of(result)
    assert found.difference(raster).area < 1e-6
    assert iou(found, rest) > 0.93
    assert result["area_m2"] == pytest.approx(in_frame(transform, found).area, rel=1e-6)
    write_geojson(tmp_path / "p.geojson", [({"type": "Point", "coordinates": [10, 10]}, {})])
    job = {"source": str(path), "prompts": str(tmp_path / "p.geojson"), "pixel": True}
    wire.ask("segment", {**job, "out": str(tmp_path / "o.gpkg"), "model": "colour-test"})
    (written,) = read_file(tmp_path / "o.gpkg").geometry
    assert iou(written, in_frame(transform, found)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "transform", [UTM_GRID, ROTATED, SOUTH_UP], ids=["north", "turned", "south"]
)
def test_a_box_of_the_map_frame_reaches_the_model(wire, tmp_path, transform):
    path = write_tif(tmp_path / "roofs.tif", two_roofs(), transform)
    x0, y0, x1, y1 = in_frame(transform, BLUE_PX).bounds
    prompt = {"kind": "box", "xy": [[x1, y0], [x0, y1]]}
    result = wire.ask("predict", params(path, [prompt]))
    assert iou(geometry_of(result), in_frame(transform, BLUE_PX)) > 0.95


def test_prompts_of_both_signs_act_together(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    corners = [list(BLUE_ROOF[:2]), list(BLUE_ROOF[2:])]
    both = [point(RED_CENTRE_PX), {"kind": "box", "xy": corners}]
    found = geometry_of(wire.ask("predict", params(path, both, frame="pixel")))
    assert found.geom_type == "MultiPolygon"
    assert iou(found, RED_PX.union(BLUE_PX)) > 0.95
    less = [*both, point((60.0, 70.0), label=0)]
    assert iou(geometry_of(wire.ask("predict", params(path, less, frame="pixel"))), BLUE_PX) > 0.95


def test_pixels_sent_inline_are_a_source(wire):
    rgb = np.ascontiguousarray(np.moveaxis(two_roofs(), 0, 2))
    source = {
        "kind": "pixels",
        "shape": list(rgb.shape),
        "attachment": 1,
        "transform": list(UTM_GRID)[:6],
        "crs_wkt": "EPSG:32632",
    }
    click = point(in_frame(UTM_GRID, Point(RED_CENTRE_PX)).coords[0])
    result = wire.ask("predict", {"source": source, "prompts": [click]}, b"other", rgb.tobytes())
    assert iou(geometry_of(result), in_frame(UTM_GRID, RED_PX)) > 0.95


def test_an_empty_mask_is_an_answer(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    prompts = [point(RED_CENTRE_PX), point(RED_CENTRE_PX, label=0)]
    result = wire.ask("predict", params(path, prompts, frame="pixel"))
    assert result["features"] == []
    assert result["area_m2"] == result["perim_m"] == 0


def test_what_is_smaller_than_asked_for_is_left_out(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    area_m2 = in_frame(UTM_GRID, RED_PX).area
    for least_m2, count in ((area_m2 * 0.8, 1), (area_m2 * 1.2, 0)):
        options = {"frame": "pixel", "min_area_m2": least_m2}
        found = wire.ask("predict", params(path, [point(RED_CENTRE_PX)], **options))
        assert len(found["features"]) == count


def test_a_second_click_uses_the_embedding_of_the_first(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    wire.ask("predict", params(path, [point(RED_CENTRE_PX)], frame="pixel"))
    hits = wire.ask("status")["cache"]["hits"]
    wire.notifications.clear()
    second = wire.ask("predict", params(path, [point((72.0, 82.0))], frame="pixel"))
    assert wire.ask("status")["cache"]["hits"] > hits
    assert second["timings_ms"]["embed"] == 0
    assert wire.notifications == []


def test_the_first_click_says_what_takes_so_long(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    wire.notifications.clear()
    request_id = wire.send("predict", params(path, [point(RED_CENTRE_PX)], frame="pixel"))
    wire.wait(request_id)
    told = [n.params for n in wire.notifications if n.method == codes.PROGRESS]
    assert told
    assert all(step["id"] == request_id for step in told)
    assert "encoding" in told[-1]["message"]


def test_a_file_that_was_replaced_is_read_anew_and_one_that_vanished_is_missed(wire, tmp_path):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    click = params(path, [point(RED_CENTRE_PX)], frame="pixel")
    assert iou(geometry_of(wire.ask("predict", click)), RED_PX) > 0.95
    moved = np.roll(two_roofs(), 5, axis=2)
    write_tif(tmp_path / "new.tif", moved).replace(path)
    roof = shapely.affinity.translate(RED_PX, 5, 0)
    assert iou(geometry_of(wire.ask("predict", click)), roof) > 0.95
    path.unlink()
    error = wire.refusal("predict", click)
    assert error.code == codes.INVALID_INPUT
    assert "does not exist" in error.message


def _bad_requests(path: str) -> dict[str, dict]:
    good = params(path, [point(RED_CENTRE_PX)], frame="pixel")
    pixels = {"kind": "pixels", "shape": [4, 4, 3], "attachment": 0}
    return {
        "no source": {**good, "source": None},
        "unknown kind": {**good, "source": {"kind": "tape"}},
        "no path": {**good, "source": {"kind": "file"}},
        "missing file": params("/nowhere/x.tif", good["prompts"]),
        "bad bands": {**good, "source": {**good["source"], "bands": [9, 1, 1]}},
        "nonsense bands": {**good, "source": {**good["source"], "bands": "rgb"}},
        "bad stretch": {**good, "source": {**good["source"], "stretch": {"kind": "minmax"}}},
        "no attachment": {**good, "source": pixels},
        "no shape": {**good, "source": {**pixels, "shape": "4x4"}},
        "no prompts": {**good, "prompts": []},
        "prompts no list": {**good, "prompts": "click"},
        "prompt no object": {**good, "prompts": [5]},
        "unknown prompt": {**good, "prompts": [{"kind": "wave", "xy": [[1, 1]]}]},
        "no coordinates": {**good, "prompts": [{"kind": "point"}]},
        "words for numbers": {**good, "prompts": [{"kind": "point", "xy": [["a", "b"]]}]},
        "bad label": {**good, "prompts": [point(RED_CENTRE_PX, label=3)]},
        "outside": params(path, [point((-500.0, -500.0))], frame="pixel"),
        "only removals": params(path, [point(RED_CENTRE_PX, label=0)], frame="pixel"),
        "bad frame": params(path, good["prompts"], frame="screen"),
        "unknown option": params(path, good["prompts"], tolerence_m=1),
        "bad threshold": params(path, good["prompts"], threshold=2),
        "threshold no number": params(path, good["prompts"], threshold="half"),
        "bad area": params(path, good["prompts"], min_area_m2=-1),
        "bad regularize": params(path, good["prompts"], regularize="round"),
    }


@pytest.mark.parametrize("name", list(_bad_requests("")))
def test_bad_requests_get_one_clear_sentence(wire, tmp_path, name):
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    error = wire.refusal("predict", _bad_requests(str(path))[name])
    assert (error.code, error.kind) == (codes.INVALID_INPUT, "invalid_input")
    assert error.message.endswith(".")
    assert "\n" not in error.message


def test_pixels_that_are_cut_short_are_refused(wire):
    source = {"kind": "pixels", "shape": [4, 4, 3], "attachment": 0}
    error = wire.refusal("open", {"source": source}, b"x" * 47)
    assert error.code == codes.INVALID_INPUT
    assert "47 bytes" in error.message


def test_models_lists_the_default_first(wire):
    cards = wire.ask("models")["models"]
    assert cards[0]["id"] == "default-2d"
    assert {"title", "prompts", "available", "why_not", "licence"} <= cards[0].keys()
    assert {"sam-vit-b", "sam-vit-l", "sam-vit-h"} <= {card["id"] for card in cards}


def _job(tmp_path: Path) -> dict:
    path = write_tif(tmp_path / "roofs.tif", two_roofs())
    prompts = tmp_path / "prompts.geojson"
    features = [
        {
            "type": "Feature",
            "properties": {"object": number},
            "geometry": {"type": "Point", "coordinates": list(roof.centroid.coords[0])},
        }
        for number, roof in enumerate((RED_PX, BLUE_PX), 1)
    ]
    prompts.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    out = str(tmp_path / "out.gpkg")
    return {"source": str(path), "prompts": str(prompts), "out": out, "pixel": True}


def test_segment_runs_a_whole_job_with_progress(wire, tmp_path):
    job = _job(tmp_path)
    wire.notifications.clear()
    request_id = wire.send("segment", job)
    summary = wire.wait(request_id).result
    assert summary["features"] == 2
    assert Path(job["out"]).is_file()
    steps = [n.params for n in wire.notifications if n.method == codes.PROGRESS]
    assert steps
    assert {step["id"] for step in steps} == {request_id}
    assert steps[-1]["fraction"] == 1


def test_segment_refuses_what_is_no_job(wire):
    assert wire.refusal("segment", {"sauce": "x"}).code == codes.INVALID_INPUT
    assert wire.refusal("segment", {}).code == codes.INVALID_INPUT


def test_a_cancelled_job_leaves_no_file(tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    environ = {"CITYSEG_HOME": str(tmp_path / "home"), "COLOUR_GATE": str(gate)}
    with Wire(COLOUR, (), env=environ) as wire:
        job = _job(tmp_path)
        request_id = wire.send("segment", job)
        while wire.ask("status")["running"] != request_id:
            continue
        wire.ask("cancel", {"id": request_id})
        gate.touch()
        assert wire.wait(request_id).code == codes.CANCELLED
    assert not Path(job["out"]).exists()
    assert not list(tmp_path.glob("out*"))
