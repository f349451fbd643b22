"""`cityseg:classifypointcloud` with the real process: files and layers in, clouds, outlines and layers out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsPointCloudLayer,
    QgsProcessingUtils,
    QgsProject,
)

from cityseg_qgis.core.cloud_target import COPC, best_format, opens
from cityseg_qgis.processing.classify_point_cloud import out_path
from tests.data import tiny_clouds as tiny
from tests.workers.algorithm_runs import (
    BackgroundRun,
    Feedback,
    algorithm,
    make_context,
    run_here,
)
from tests.workers.cloud_session import make_python, picture, share_of
from tests.workers.desktop import wait_until

NAME = "classifypointcloud"
UTM = QgsCoordinateReferenceSystem(tiny.UTM)
POINTS = int(tiny.SIDE_M**2 * 12)
X, Y, _ = tiny.ORIGIN


@pytest.fixture
def backend_python(tmp_path):
    """What stands for the backend's Python here: see `backend`."""
    return make_python(tmp_path)


@pytest.fixture
def las(backend, tmp_path):
    return str(tiny.write_las(tmp_path / "street.las", tiny.street()))


def run_in_background(name, feedback=None, **parameters):
    """With the patience that a process needs which imports torch on a loaded machine."""
    run = BackgroundRun(name, feedback, **parameters)
    wait_until(lambda: run.ended is not None)
    return run.wait()


def loaded(run):
    """What QGIS would open at the end, as it opens it: layers by name."""
    found = {}
    for name, details in run.context.layersToLoadOnCompletion().items():
        layer = QgsProcessingUtils.mapLayerFromString(name, run.context, True, details.layerTypeHint)
        assert layer is not None, details.name
        details.postProcessor().postProcessLayer(layer, run.context, run.feedback)
        found[details.name] = layer
    return found


def test_a_file_in_the_background(las, tmp_path):
    out = tmp_path / ("out.copc.laz" if opens(COPC) else "out")
    run = run_in_background(NAME, FILE=las, OUTPUT=str(out))
    assert run.ok, run.feedback.said
    assert run.results["COUNT"] == POINTS
    assert Path(run.results["OUTPUT"]).exists()
    assert run.results["ANSWER"].startswith("43,200 points")
    assert "flat roof: " in run.results["CLASSES_FOUND"]
    layer = loaded(run)["classified points"]
    assert (layer.pointCount(), layer.crs()) == (POINTS, UTM)
    colours = {c.label(): c.color() for c in layer.renderer().categories()}
    assert set(colours) == {"open ground", "flat roof", "broadleaf tree"}
    image = picture([layer])
    for name, colour in colours.items():
        assert share_of(image, colour) > 0.01, name


def test_progress_and_what_was_said(las, tmp_path):
    run = run_here(NAME, FILE=las, OUTPUT=str(tmp_path / "out"))
    assert run.ok, run.error
    assert run.feedback.percent == pytest.approx(100, abs=1)
    assert any("broadleaf tree: " in text for text in run.feedback.infos)
    assert any("rule-test on cpu" in text for text in run.feedback.infos)


def test_a_path_among_the_layers_is_a_file(las, tmp_path):
    run = run_here(NAME, INPUT=las, OUTPUT=str(tmp_path / "out"))
    assert run.ok, run.error
    assert run.results["COUNT"] == POINTS


def test_a_layer_and_its_name(backend, tmp_path):
    path = tiny.write_ept(tmp_path / "town", tiny.street())
    layer = QgsPointCloudLayer(str(path), "my town", "ept")
    QgsProject.instance().addMapLayer(layer)
    for number, given in enumerate((layer, layer.id(), "my town")):
        run = run_here(NAME, INPUT=given, OUTPUT=str(tmp_path / f"out{number}"))
        assert run.ok, run.error
        assert run.results["COUNT"] == POINTS


def test_outlines_and_rasters(las, tmp_path):
    wanted = {"VECTORS": tmp_path / "o.gpkg", "DTM": tmp_path / "dtm.tif", "HAG": tmp_path / "hag.tif"}
    run = run_here(NAME, FILE=las, OUTPUT=str(tmp_path / "out"), **{k: str(v) for k, v in wanted.items()})
    assert run.ok, run.error
    assert {name: run.results[name] for name in wanted} == {k: str(v) for k, v in wanted.items()}
    layers = loaded(run)
    assert layers["buildings"].featureCount() >= 1
    assert layers["trees"].featureCount() >= len(tiny.TREES)
    heights = gdal.Open(str(wanted["HAG"])).ReadAsArray()
    assert 6.5 < heights[heights < 100].max() < 9.5


def test_an_extent_in_degrees(las, tmp_path):
    run = run_here(NAME, FILE=las, OUTPUT=str(tmp_path / "out"), EXTENT="8.9,9.00041,48.7,48.8 [EPSG:4326]")
    assert run.ok, run.feedback.debug
    assert run.results["COUNT"] == pytest.approx(POINTS / 2, rel=0.03)


def test_classes_and_a_crs(backend, tmp_path):
    las = tiny.write_las(tmp_path / "nowhere.las", tiny.street(), epsg=None)
    run = run_here(NAME, FILE=str(las), OUTPUT=str(tmp_path / "out"), CLASSES="building, tree, ground", CRS=UTM)
    assert run.ok, run.error
    assert "flat roof" not in run.results["CLASSES_FOUND"]
    assert "building" in run.results["CLASSES_FOUND"]
    assert loaded(run)["classified points"].crs() == UTM
    meta = json.loads((tmp_path / "out" / "ept.json").read_text())
    assert "32632" in json.dumps(meta["srs"])


def test_nothing_is_opened_where_that_is_not_wanted(las, tmp_path):
    run = run_here(NAME, FILE=las, OUTPUT=str(tmp_path / "out"), LOAD=False)
    assert run.ok, run.error
    assert run.context.layersToLoadOnCompletion() == {}


def test_a_temporary_output_can_be_opened(las):
    run = run_here(NAME, FILE=las, OUTPUT="TEMPORARY_OUTPUT")
    assert run.ok, run.error
    assert run.results["OUTPUT"].endswith(".copc.laz" if best_format() == COPC else "ept.json")
    assert loaded(run)["classified points"].pointCount() == POINTS


@pytest.mark.parametrize(
    ("given", "folder"),
    [("/a/town/ept.json", "/a/town"), ("/a/OUTPUT.json", "/a/OUTPUT"), ("/a/town", "/a/town"), ("/a/t.laz", "/a/t.laz")],
)
def test_names_of_an_ept(given, folder):
    assert out_path(given) == folder


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "Choose a point cloud"),
        ({"FILE": "gone.las"}, "“gone.las” is gone"),
        ({"INPUT": "gone.las"}, "“gone.las” is gone"),
        ({"ADD": ":building"}, "is no new class"),
        ({"EXTENT": "1,2,3,4 [EPSG:32632]"}, "outside “street”"),
        ({"OUTPUT": "{folder}/none/out"}, "does not exist; make it"),
        ({"OUTPUT": "{folder}/street.las"}, "would be lost"),
    ],
    ids=["nothing", "gone", "gone layer", "added", "outside", "folder", "source"],
)
def test_bad_input_is_one_sentence(las, tmp_path, parameters, sentence):
    given = {"FILE": las, "OUTPUT": str(tmp_path / "out"), **parameters}
    if not parameters or "INPUT" in parameters:
        del given["FILE"]
    given = {name: value.format(folder=tmp_path) for name, value in given.items()}
    run = run_here(NAME, **given)
    assert not run.ok
    assert sentence in run.error
    assert "Traceback" not in run.error
    assert not (tmp_path / "out").exists()


def test_a_cancelled_run_writes_nothing(las, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_GATE", str(tmp_path / "gate"))
    monkeypatch.setenv("CLOUD_PID", str(tmp_path / "pid"))
    before = {path.name for path in tmp_path.iterdir()} | {"pid"}
    run = run_in_background(NAME, Feedback(cancel_at=1), FILE=las, OUTPUT=str(tmp_path / "out"))
    assert "OUTPUT" not in run.results
    assert run.context.layersToLoadOnCompletion() == {}
    assert {path.name for path in tmp_path.iterdir()} <= before


def test_the_dialog_has_all_parameters(backend):
    made = algorithm(NAME)
    names = [definition.name() for definition in made.parameterDefinitions()]
    assert names == [
        *("INPUT", "FILE", "CLASSES", "ADD", "EXTENT", "CRS", "THRESHOLD", "DEVICE", "LOAD", "OUTPUT", "VECTORS", "DTM", "HAG")
    ]
    assert not made.icon().isNull()
    assert made.checkParameterValues({"FILE": "x.las", "OUTPUT": "y"}, make_context())[0] is False
