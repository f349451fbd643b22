"""The algorithms of words over the real wire: in every thread, from every kind of raster and extent, cancelled and broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QThread

from cityseg_qgis import settings
from cityseg_qgis.core.frames import transform_between
from cityseg_qgis.plugin import CitySegPlugin
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, things
from tests.workers.algorithm_runs import (
    BackgroundRun,
    algorithm,
    end_runs,
    run_here,
    run_in_background,
)

WORKER = Path(__file__).resolve().parents[1] / "workers" / "text_worker.py"
UTM = QgsCoordinateReferenceSystem(scenes.UTM)
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
SQUARE_M = scenes.UTM_GSD**2


@pytest.fixture
def provider(qgis_app, monkeypatch, tmp_path):
    """The plugin as `qgis_process` loads it: without an interface."""
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    monkeypatch.setenv("TEXT_LOG", str(tmp_path / "asked.json"))
    QgsSettings().remove(settings.GROUP)
    plugin = CitySegPlugin(None)
    plugin.initProcessing()
    yield
    end_runs()
    plugin.unload()
    QgsProject.instance().clear()


@pytest.fixture
def asked(provider, tmp_path):
    """What the backend was asked last."""
    return lambda: json.loads((tmp_path / "asked.json").read_text())


@pytest.fixture
def image(provider, tmp_path):
    return str(scenes.write(tmp_path / "things.tif", things()))


@pytest.fixture
def gate(monkeypatch, tmp_path):
    """A file with the number of tiles that may be looked at."""
    path = tmp_path / "gate"
    path.write_text("0")
    monkeypatch.setenv("TEXT_GATE", str(path))
    return path


def areas(run):
    return sorted((f["class"], round(f.geometry().area(), 1)) for f in run.features)


def of(rectangles, name, pixel_m2=SQUARE_M):
    return sorted((name, (c1 - c0) * (r1 - r0) * pixel_m2) for c0, r0, c1, r1 in rectangles)


def test_the_provider_comes_and_goes(qgis_app):
    registry = QgsApplication.processingRegistry()
    for _ in range(3):
        plugin = CitySegPlugin(None)
        plugin.initProcessing()
        names = [a.name() for a in registry.providerById("cityseg").algorithms()]
        assert sorted(names) == [
            "classifypointcloud",
            "segmentwithprompts",
            "segmentwithreasoning",
            "segmentwithtext",
            "vectorizemask",
        ]
        plugin.unload()
        assert registry.providerById("cityseg") is None


@pytest.mark.parametrize(
    "name", ["segmentwithtext", "segmentwithreasoning", "segmentwithprompts", "vectorizemask"]
)
def test_every_algorithm_explains_itself(provider, name):
    one = algorithm(name)
    assert "Example: qgis_process run cityseg:" + name in one.shortHelpString()
    assert one.displayName()
    assert one.shortDescription()
    assert not one.icon().pixmap(24).isNull()
    assert len(one.tags()) > 3
    assert {"OUTPUT", "COUNT"} <= {output.name() for output in one.outputDefinitions()}


@pytest.mark.parametrize("run", [run_here, run_in_background], ids=["main thread", "background"])
def test_a_text_becomes_polygons(image, run):
    done = run("segmentwithtext", INPUT=image, TEXT="red things")
    assert done.ok, done.feedback.said
    assert areas(done) == of(REDS, "red")
    assert done.layer.crs() == UTM
    first = done.features[0]
    assert (first["task"], first["prompt"], first["source"]) == (
        "referring",
        "red things",
        "things.tif",
    )
    assert first["object"] == 1
    results = done.results
    assert results["COUNT"] == len(REDS)
    assert results["ANSWER"] == f"Found {len(REDS)}: red."
    assert results["UNDERSTOOD"] == "red things"
    assert results["PATH"] == "program"
    assert json.loads(results["PROGRAM"])["classes"] == ["red"]
    assert results["ANSWER"] in done.feedback.infos
    assert done.feedback.progress() == 100


def test_the_thread_is_the_algorithms_own(image):
    main = QThread.currentThread()
    assert run_here("segmentwithtext", INPUT=image, TEXT="red").feedback.threads == {main}
    assert (
        main not in run_in_background("segmentwithtext", INPUT=image, TEXT="red").feedback.threads
    )


def test_several_runs_at_once(image):
    runs = [
        BackgroundRun("segmentwithtext", INPUT=image, TEXT=word) for word in ("red", "blue", "red")
    ]
    found = [areas(run.wait()) for run in runs]
    assert found == [of(REDS, "red"), of(BLUES, "blue"), of(REDS, "red")]


def test_classes_are_separated_by_commas(image, asked):
    done = run_here("segmentwithtext", INPUT=image, TEXT="red, blue")
    assert asked()["classes"] == ["red", "blue"]
    assert areas(done) == sorted(of(REDS, "red") + of(BLUES, "blue"))


def test_a_question_is_answered_with_why(image, asked):
    done = run_here("segmentwithreasoning", INPUT=image, QUESTION="Where could one swim?")
    assert asked()["ask"] == "Where could one swim?"
    assert areas(done) == of(BLUES, "blue")
    assert {f["task"] for f in done.features} == {"reasoning"}
    assert {f["why"] for f in done.features} == {"is blue"}


def test_the_parameters_reach_the_backend(image, asked, tmp_path):
    mask = tmp_path / "mask.tif"
    run_here(
        "segmentwithtext",
        INPUT=image,
        TEXT="red",
        FIND="one",
        THRESHOLD=0.7,
        MIN_AREA=25.0,
        MODEL="tower",
        DEVICE="cpu",
        MASK=str(mask),
    )
    params = asked()
    assert params["find"] == "one"
    assert params["threshold"] == 0.7
    assert params["options"] == {"min_area_m2": 25.0}
    assert (params["model"], params["device"], params["mask"]) == ("tower", "cpu", str(mask))
    assert "area" not in params


def test_auto_leaves_the_device_to_the_options(image, asked):
    run_here("segmentwithtext", INPUT=image, TEXT="red")
    assert "device" not in asked()


def test_a_choice_may_be_given_by_its_number(image, asked):
    done = run_here("segmentwithtext", INPUT=image, TEXT="red", FIND="1", DEVICE=1)
    assert done.ok, done.error
    assert (asked()["find"], asked()["device"]) == ("one", "cpu")


def test_the_panels_options_change_nothing(image, asked):
    settings.MIN_AREA_M2.set_value(500.0)
    settings.TOLERANCE_M.set_value(3.0)
    run_here("segmentwithtext", INPUT=image, TEXT="red")
    assert asked()["options"] == {"min_area_m2": 0.0}


@pytest.mark.parametrize("crs", [UTM, DEGREES], ids=["its own CRS", "degrees"])
def test_an_extent_in_any_crs(image, asked, crs):
    """Round the first red thing alone."""
    col0, row0, col1, row1 = REDS[0]
    corners = scenes.place(col0 - 3, row1 + 3), scenes.place(col1 + 3, row0 - 3)
    wanted = QgsRectangle(*corners[0], *corners[1])
    given = transform_between(UTM, crs).transformBoundingBox(wanted)
    done = run_here(
        "segmentwithtext", INPUT=image, TEXT="red", EXTENT=QgsReferencedRectangle(given, crs)
    )
    bounds = QgsRectangle(*asked()["area"]["bounds"])
    assert bounds.buffered(0.1).contains(wanted)
    assert not bounds.contains(wanted.buffered(20))
    assert areas(done) == of(REDS[:1], "red")


def test_an_extent_as_qgis_process_writes_it(image, asked):
    x, y = scenes.UTM_ORIGIN
    run_here(
        "segmentwithtext",
        INPUT=image,
        TEXT="red",
        EXTENT=f"{x},{x + 50},{y - 40},{y} [{scenes.UTM}]",
    )
    assert asked()["area"]["bounds"] == [x, y - 40, x + 50, y]


def test_an_extent_outside_is_said(image, tmp_path):
    (tmp_path / "asked.json").unlink(missing_ok=True)
    done = run_here("segmentwithtext", INPUT=image, TEXT="red", EXTENT="10,11,50,51 [EPSG:4326]")
    assert not done.ok
    assert "The extent lies outside “things”" in done.error
    assert not (tmp_path / "asked.json").exists()


def test_an_image_without_georeference(provider, asked, tmp_path):
    plain = scenes.write(tmp_path / "plain.tif", things(), None, "")
    done = run_here("segmentwithtext", INPUT=str(plain), TEXT="red")
    assert asked()["pixel"] is True
    assert areas(done) == of(REDS, "red", 1.0)
    assert not done.layer.crs().isValid()
    col0, row0, col1, row1 = REDS[0]
    assert any(
        f.geometry().boundingBox() == QgsRectangle(col0, -row1, col1, -row0) for f in done.features
    )
    done = run_here(
        "segmentwithtext",
        INPUT=str(plain),
        TEXT="red",
        EXTENT=f"{col0 - 2},{col1 + 2},{-row1 - 2},{-row0 + 2}",
    )
    assert asked()["area"]["bounds"] == [col0 - 2, row0 - 2, col1 + 2, row1 + 2]
    assert areas(done) == of(REDS[:1], "red", 1.0)


def test_a_georeference_without_a_crs(provider, tmp_path):
    nameless = scenes.write(tmp_path / "nameless.tif", things(), crs="")
    done = run_here("segmentwithtext", INPUT=str(nameless), TEXT="red")
    assert areas(done) == of(REDS, "red")
    assert not done.layer.crs().isValid()


def test_a_layer_of_the_project_with_its_renderer(image, asked):
    layer = QgsRasterLayer(image, "city")
    layer.renderer().setRedBand(3)
    layer.renderer().setBlueBand(1)
    QgsProject.instance().addMapLayer(layer)
    assert run_in_background("segmentwithtext", INPUT=layer.id(), TEXT="red").ok
    assert asked()["source"]["bands"] == [3, 2, 1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("segmentwithtext", {"TEXT": "  "}),
        ("segmentwithreasoning", {"QUESTION": ""}),
        ("segmentwithtext", {}),
    ],
)
def test_empty_words_are_said_with_an_example(image, name, words):
    done = run_here(name, INPUT=image, **words)
    assert not done.ok
    assert "for example “" in done.error


def test_a_raster_that_is_none_is_said(provider, tmp_path):
    (tmp_path / "note.txt").write_text("no raster")
    for path in (tmp_path / "gone.tif", tmp_path / "note.txt"):
        done = run_here("segmentwithtext", INPUT=str(path), TEXT="red")
        assert done.error == f"“{path}” cannot be opened as a raster; check the path."


def test_a_raster_that_no_file_holds_is_said(provider):
    layer = QgsRasterLayer("type=xyz&url=http://localhost/{z}/{x}/{y}.png", "web", "wms")
    QgsProject.instance().addMapLayer(layer)
    done = run_here("segmentwithtext", INPUT=layer.id(), TEXT="red")
    assert not done.ok
    assert "“web” is a web layer" in done.error


def test_what_the_backend_refuses_is_one_sentence(image):
    done = run_in_background("segmentwithtext", INPUT=image, TEXT="a contradiction")
    assert not done.ok
    assert done.error == "Nothing can be both; take one of the two away."
    assert "why" in done.feedback.debug


def test_a_failed_run_leaves_the_output_as_it_was(image, tmp_path):
    out = tmp_path / "out.gpkg"
    assert run_here("segmentwithtext", INPUT=image, TEXT="red", OUTPUT=str(out)).ok
    before = out.read_bytes()
    assert not run_here("segmentwithtext", INPUT=image, TEXT="a contradiction", OUTPUT=str(out)).ok
    assert out.read_bytes() == before


@pytest.mark.parametrize("name", ["OUTPUT", "MASK"])
def test_a_folder_that_is_not_there_is_said_before_the_work(image, tmp_path, name):
    (tmp_path / "asked.json").unlink(missing_ok=True)
    target = {name: str(tmp_path / "nowhere" / "a.tif")}
    done = run_here("segmentwithtext", INPUT=image, TEXT="red", **target)
    assert "nowhere” does not exist" in done.error
    assert not (tmp_path / "asked.json").exists()


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson", "fgb"])
def test_files(image, tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    assert run_in_background("segmentwithtext", INPUT=image, TEXT="red", OUTPUT=str(out)).ok
    layer = QgsVectorLayer(str(out), "out", "ogr")
    assert sorted(f["class"] for f in layer.getFeatures()) == ["red"] * len(REDS)
