"""From a click to a saved feature, with the real plugin, the real process and a model that can be reckoned by hand."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)
from qgis.PyQt.QtCore import Qt, QTimer

from cityseg_qgis import settings
from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.worker.client import READY
from tests.data import gdal_scenes as scenes
from tests.workers.client_harness import alive
from tests.workers.desktop import CTRL, RIGHT, SHIFT, Session, settle, wait_until

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("CITYSEG_PYTHON", ROOT / ".venv" / "bin" / "python"))
BACKEND = ROOT / "tests" / "workers" / "colour_backend.py"
UTM = QgsCoordinateReferenceSystem(scenes.UTM)
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
MERCATOR = QgsCoordinateReferenceSystem("EPSG:3857")
RED_AT, BLUE_AT = scenes.place(*scenes.middle(scenes.RED)), scenes.place(*scenes.middle(scenes.BLUE))
# 60 × 40 and 60 × 80 pixels of 0.5 m; the outline may be off by a fraction of a pixel along its edge.
RED_M2, BLUE_M2, SLACK_M2 = 600.0, 1200.0, 30.0


@pytest.fixture(scope="module")
def loaded(qgis_app, tmp_path_factory):
    """The plugin and its process, once for all tests here: importing torch takes longer than any of them."""
    gate = tmp_path_factory.mktemp("gate") / "open"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLOUR_GATE", str(gate))
        patch.setenv("CITYSEG_COMMAND", f"{PYTHON} -I {BACKEND}")
        QgsSettings().remove(settings.GROUP)
        session = Session()
        session.gate = gate
        yield session
        session.close()
        QgsSettings().remove(settings.GROUP)


@pytest.fixture
def session(loaded):
    """Nothing prompted, no layer, the defaults chosen."""
    loaded.gate.touch()
    yield loaded
    loaded.gate.touch()
    loaded.interaction.clear()
    loaded.interaction.session.next_object()
    loaded.panel.set_prompting(False)
    QgsProject.instance().clear()
    loaded.desktop.bar.clearWidgets()
    loaded.panel.accept_step.operations.buttons["add"].click()
    loaded.panel.accept_step.class_edit.clear()
    QgsSettings().remove(settings.GROUP)
    settle()


@pytest.fixture
def gate(session):
    """While this file is missing, the model's encoder waits."""
    return session.gate


@pytest.fixture
def fault(session):
    """Makes the next process of the backend fail in a certain way."""

    def set_fault(kind):
        os.environ["COLOUR_FAULT"] = kind
        session.interaction.client.restart()

    yield set_fault
    os.environ.pop("COLOUR_FAULT", None)
    session.interaction.client.restart()


@pytest.fixture
def roofs(session, tmp_path):
    """The scene on the map, prompting on."""
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    return layer


def answered(session):
    wait_until(lambda: not session.interaction.busy)
    settle()
    return session.interaction.preview


def accept(session):
    session.desktop.key(Qt.Key.Key_Return)
    return session.interaction.target


def iou(geometry, crs, rectangle):
    mine = transformed_geometry(geometry, crs, UTM)
    truth = QgsGeometry.fromWkt(scenes.rectangle_wkt(rectangle))
    return mine.intersection(truth).area() / mine.combine(truth).area()


def test_a_click_becomes_an_outline_and_enter_a_feature(session, roofs):
    session.panel.accept_step.class_edit.setText("building")
    session.desktop.click(RED_AT)
    preview = answered(session)
    assert iou(preview.geometry, preview.crs, scenes.RED) > 0.95
    assert preview.area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    assert "100 % sure" in session.panel.accept_step.score_label.text()
    assert "m²" in session.panel.accept_step.area_label.text()
    assert not session.panel.overlay.band.asGeometry().isEmpty()
    target = accept(session)
    (feature,) = target.getFeatures()
    assert target.crs() == UTM
    assert feature["class"] == "building"
    assert feature["prompt"] == "1 point+"
    assert feature["model"] == "colour-test"
    assert feature["source"] == "roofs.tif"
    assert feature["area_m2"] == pytest.approx(RED_M2, abs=SLACK_M2)
    assert session.prompts == []
    assert session.interaction.preview is None
    assert session.panel.overlay.band.asGeometry().isEmpty()
    assert settings.remembered_class_names() == ["building"]


def test_the_next_object_begins_at_once(session, roofs):
    for number, at in enumerate((RED_AT, BLUE_AT), 1):
        session.desktop.click(at)
        answered(session)
        target = accept(session)
        assert target.featureCount() == number
    assert sorted(f["object"] for f in target.getFeatures()) == [1, 2]


def test_undo_and_redo_of_prompts_move_the_outline(session, roofs):
    session.desktop.click(RED_AT)
    one = answered(session)
    session.desktop.click(BLUE_AT)
    both = answered(session)
    assert both.area_m2 > RED_M2 + 300
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert answered(session).geometry.isGeosEqual(one.geometry)
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert answered(session).geometry.isGeosEqual(both.geometry)
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.interaction.preview is None
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert answered(session).geometry.isGeosEqual(both.geometry)


def test_a_right_click_takes_away(session, roofs):
    session.desktop.click(RED_AT)
    answered(session)
    session.desktop.click(BLUE_AT)
    answered(session)
    session.desktop.click(BLUE_AT, RIGHT)
    preview = answered(session)
    assert preview.area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)


def test_after_an_accept_ctrl_z_takes_it_back_by_the_layers_own_undo(session, roofs):
    session.desktop.click(RED_AT)
    answered(session)
    target = accept(session)
    assert target.undoStack().undoText() == "CitySeg: add object"
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert target.featureCount() == 0
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert target.featureCount() == 1
    target.undoStack().undo()
    assert target.featureCount() == 0


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("add", [600, 100_000]), ("cut", [99_400]), ("unite", [100_000]), ("clip", [600])],
)
def test_operations_on_a_layer_in_a_third_crs(session, roofs, operation, expected):
    """Map in degrees, image in UTM, target in Mercator with one feature of ten hectares that holds the roof."""
    session.desktop.canvas.setDestinationCrs(DEGREES)
    session.desktop.canvas.setExtent(
        session.desktop.canvas.mapSettings().layerExtentToOutputExtent(roofs, roofs.extent())
    )
    settle()
    target = QgsVectorLayer("MultiPolygon?crs=EPSG:3857&field=area_m2:double", "parcels", "memory")
    QgsProject.instance().addMapLayer(target)
    x, y = RED_AT
    parcel = QgsGeometry.fromWkt(
        f"MULTIPOLYGON((({x - 158} {y - 158}, {x + 158} {y - 158}, {x + 158} {y + 158.5}, {x - 158} {y + 158.5}, {x - 158} {y - 158})))"
    )
    target.startEditing()
    moved = transformed_geometry(parcel, UTM, MERCATOR)
    target.addFeature(QgsVectorLayerUtils.createFeature(target, moved, {}))
    target.commitChanges()
    session.interaction.set_target(target)
    session.panel.accept_step.operations.buttons[operation].click()
    place = transformed_geometry(QgsGeometry.fromWkt(f"POINT({x} {y})"), UTM, DEGREES).asPoint()
    session.desktop.click((place.x(), place.y()))
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    accept(session)
    areas = sorted(transformed_geometry(f.geometry(), MERCATOR, UTM).area() for f in target.getFeatures())
    assert areas == pytest.approx(expected, abs=300)
    assert target.undoStack().count() == 1


def test_an_image_without_georeference(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "plain.tif", scenes.roofs(), None, "")), "plain")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    col, row = scenes.middle(scenes.RED)
    session.desktop.click((col, -row))
    preview = answered(session)
    bounds = preview.geometry.boundingBox()
    assert (bounds.xMinimum(), bounds.yMaximum()) == pytest.approx((40, -60), abs=1)
    assert (bounds.xMaximum(), bounds.yMinimum()) == pytest.approx((100, -100), abs=1)
    assert preview.area_m2 is None
    target = accept(session)
    assert target.featureCount() == 1
    assert not target.crs().isValid()


@pytest.mark.parametrize(
    "transform",
    [(500_000, 0.5, 0, 4_999_872, 0, 0.5), (500_000, 0.4, 0.3, 5_000_000, 0.3, -0.4)],
    ids=["south up", "rotated"],
)
def test_an_image_with_a_turned_geotransform(session, tmp_path, transform):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "t.tif", scenes.roofs(), transform)), "t")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    x0, a, b, y0, d, e = transform
    col, row = scenes.middle(scenes.RED)
    centre = (x0 + a * col + b * row, y0 + d * col + e * row)
    session.desktop.click(centre)
    preview = answered(session)
    middle = preview.geometry.centroid().asPoint()
    assert (middle.x(), middle.y()) == pytest.approx(centre, abs=0.5)
    assert preview.area_m2 == pytest.approx(60 * 40 * abs(a * e - b * d), rel=0.05)


def test_the_newest_prompts_win(session, roofs, gate):
    gate.unlink()
    session.desktop.click(RED_AT)
    session.desktop.click(scenes.place(45, 65))
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    session.desktop.click(BLUE_AT)
    gate.touch()
    preview = answered(session)
    assert preview.prompts == session.interaction.session.prompts
    assert preview.area_m2 > RED_M2 + 300


def test_the_first_click_says_what_it_waits_for(session, roofs, gate):
    said = []
    session.interaction.status_changed.connect(said.append)
    gate.unlink()
    wait_until(lambda: session.interaction.client.state == READY)
    session.desktop.click(RED_AT)
    assert "Encoding" in session.panel.status_line.text.text()
    assert session.panel.status_line.busy_bar.maximum() == 0
    gate.touch()
    answered(session)
    assert session.panel.status_line.busy_bar.maximum() == 1
    assert any("Encoding" in text for text in said)


def test_enter_before_the_outline_is_there_accepts_it_when_it_comes(session, roofs, gate):
    gate.unlink()
    session.desktop.click(RED_AT)
    session.desktop.key(Qt.Key.Key_Return)
    # A quick user is at the next object already.
    session.desktop.click(BLUE_AT)
    gate.touch()
    wait_until(lambda: session.interaction.target is not None and not session.interaction.busy)
    target = session.interaction.target
    assert target.featureCount() == 1
    assert session.interaction.preview.area_m2 == pytest.approx(BLUE_M2, abs=SLACK_M2)
    accept(session)
    areas = sorted(f["area_m2"] for f in target.getFeatures())
    assert areas == pytest.approx([RED_M2, BLUE_M2], abs=SLACK_M2)


def test_a_backend_killed_in_the_middle_of_a_click_answers_all_the_same(session, roofs, gate):
    wait_until(lambda: session.interaction.client.state == READY)
    pid = session.interaction.client.backend.pid
    gate.unlink()
    session.desktop.click(RED_AT)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    gate.touch()
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)


def test_a_backend_killed_in_the_middle_of_an_accept_loses_nothing(session, roofs, gate):
    session.desktop.click(RED_AT)
    answered(session)
    accept(session)
    gate.unlink()
    session.desktop.click(BLUE_AT)
    session.desktop.key(Qt.Key.Key_Return)
    os.kill(session.interaction.client.backend.pid, signal.SIGKILL)
    wait_until(lambda: session.interaction.client.state == READY)
    gate.touch()
    wait_until(lambda: not session.interaction.busy)
    target = session.interaction.target
    assert sorted(f["area_m2"] for f in target.getFeatures()) == pytest.approx([RED_M2, BLUE_M2], abs=SLACK_M2)


def test_a_backend_that_dies_for_good_leaves_prompts_and_features_and_a_way_on(session, roofs, fault):
    session.desktop.click(RED_AT)
    answered(session)
    target = accept(session)
    fault("exit")
    session.desktop.click(BLUE_AT)
    session.desktop.key(Qt.Key.Key_Return)
    wait_until(lambda: session.desktop.said() and not session.interaction.busy)
    assert session.prompts == [("point", 1)]
    assert target.featureCount() == 1
    assert not session.panel.status_line.retry_button.isHidden()
    del os.environ["COLOUR_FAULT"]
    session.interaction.client.restart()
    session.panel.status_line.retry_button.click()
    assert answered(session).area_m2 == pytest.approx(BLUE_M2, abs=SLACK_M2)
    accept(session)
    assert target.featureCount() == 2


def test_an_error_of_the_model_is_its_sentence_and_keeps_the_prompts(session, roofs, fault):
    fault("problem")
    session.desktop.click(RED_AT)
    wait_until(lambda: "The model is ill" in session.desktop.said())
    assert session.prompts == [("point", 1)]


def test_a_file_that_vanishes_between_clicks_is_one_sentence(session, roofs, tmp_path):
    session.desktop.click(RED_AT)
    answered(session)
    (tmp_path / "roofs.tif").unlink()
    session.desktop.click(BLUE_AT)
    wait_until(lambda: session.desktop.said() and not session.interaction.busy)
    assert "roofs.tif" in session.desktop.said() or "roofs" in session.desktop.said()
    assert len(session.prompts) == 2


def test_a_cut_that_meets_nothing_keeps_the_prompts(session, roofs):
    target = QgsVectorLayer("MultiPolygon?crs=EPSG:32632", "empty", "memory")
    QgsProject.instance().addMapLayer(target)
    session.interaction.set_target(target)
    session.panel.accept_step.operations.buttons["cut"].click()
    session.desktop.click(RED_AT)
    answered(session)
    accept(session)
    assert "meets no feature" in session.desktop.said()
    assert session.prompts == [("point", 1)]


def test_changing_the_image_asks_the_same_prompts_again(session, roofs, tmp_path):
    session.desktop.click(RED_AT)
    answered(session)
    grey = scenes.roofs()
    grey[:] = 90
    grey[:, 50:110, 30:110] = 200
    other = QgsRasterLayer(str(scenes.write(tmp_path / "other.tif", grey)), "other")
    QgsProject.instance().addMapLayer(other)
    session.panel.layer_step.layer_combo.setLayer(other)
    preview = answered(session)
    assert preview.area_m2 == pytest.approx(80 * 60 * 0.25, abs=SLACK_M2)
    assert preview.source.file_name == "other.tif"


def test_clicks_are_answered_into_a_geopackage_and_saved_with_its_edits(session, roofs, tmp_path, monkeypatch):
    monkeypatch.setattr(session.panel, "ask_geopackage", lambda: str(tmp_path / "city.gpkg"))
    session.panel.accept_step.target_combo.geopackage_wanted.emit()
    for at in (RED_AT, BLUE_AT):
        session.desktop.click(at)
        answered(session)
        accept(session)
    session.panel.accept_step.save_edits_button.click()
    saved = QgsVectorLayer(str(tmp_path / "city.gpkg"), "saved", "ogr")
    assert sorted(f["area_m2"] for f in saved.getFeatures()) == pytest.approx([RED_M2, BLUE_M2], abs=SLACK_M2)
    assert session.interaction.target.isEditable()


def test_the_event_loop_turns_while_the_encoder_works(session, roofs, gate):
    wait_until(lambda: session.interaction.client.state == READY)
    gate.unlink()
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(5)
    session.desktop.click(RED_AT)
    wait_until(lambda: len(ticks) > 20)
    assert session.interaction.busy
    gate.touch()
    answered(session)


@pytest.mark.parametrize("kind", ["box", "scribble", "lasso"])
def test_every_gesture_is_answered(session, roofs, kind, monkeypatch):
    monkeypatch.setenv("CITYSEG_HOLD_MS", "200")
    col0, row0, col1, row1 = scenes.RED
    corners = [scenes.place(*p) for p in ((col0, row0), (col1, row0), (col1, row1), (col0, row1))]
    if kind == "box":
        session.desktop.drag([corners[0], corners[2]])
    elif kind == "scribble":
        session.desktop.drag([scenes.place(50, 70), scenes.place(90, 90)], hold_ms=350)
    else:
        session.desktop.drag(corners, modifiers=CTRL)
    assert session.prompts == [(kind, 1)]
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    target = accept(session)
    (feature,) = target.getFeatures()
    assert feature["prompt"] == f"1 {kind}+"


def test_this_interpreter_is_qgis_and_the_backends_is_not():
    assert Path(sys.executable).resolve() != PYTHON.resolve()
