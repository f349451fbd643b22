"""The panel: what it says and offers before and beside the outlines."""

from __future__ import annotations

import sys

import pytest
from qgis.core import (
    Qgis,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtWidgets import QPushButton, QTextEdit

from cityseg_qgis import about, settings
from cityseg_qgis.core.target import new_memory_layer
from cityseg_qgis.gui.cloud_switch import CLOUDS, IMAGES
from cityseg_qgis.processing.classify_point_cloud import ClassifyPointCloud
from tests.data import gdal_scenes as scenes
from tests.workers.client_harness import WORKER, wait_until
from tests.workers.desktop import Session, settle


@pytest.fixture
def session(qgis_app, monkeypatch):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    QgsSettings().remove(settings.GROUP)
    session = Session()
    yield session
    session.close()
    QgsSettings().remove(settings.GROUP)


@pytest.fixture
def roofs(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")
    session.desktop.show(layer)
    return layer


def test_without_an_image_it_says_what_to_do(session):
    assert not session.panel.layer_step.note.isHidden()
    assert "Add an image" in session.panel.layer_step.note.text()
    assert not session.panel.prompt_step.start_button.isEnabled()


def test_an_image_that_appears_is_chosen(session, roofs):
    assert session.panel.layer_step.layer_combo.currentLayer() is roofs
    assert session.interaction.source_layer is roofs
    assert session.panel.layer_step.note.isHidden()
    assert session.panel.prompt_step.start_button.isEnabled()


def test_a_web_layer_says_why_not(session, roofs):
    uri = "type=xyz&url=http://localhost:1/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmax=3&zmin=0"
    tiles = QgsRasterLayer(uri, "tiles", "wms")
    QgsProject.instance().addMapLayer(tiles)
    session.panel.layer_step.layer_combo.setLayer(tiles)
    assert "web layer" in session.panel.layer_step.note.text()
    assert not session.panel.prompt_step.start_button.isEnabled()


def test_a_removed_image_takes_its_prompts_along(session, roofs):
    session.panel.set_prompting(True)
    session.desktop.click(scenes.place(70, 80))
    assert session.prompts
    QgsProject.instance().removeMapLayer(roofs.id())
    settle()
    assert session.prompts == []
    assert session.interaction.source_layer is None


def test_a_missing_backend_offers_its_installation(qgis_app, monkeypatch, tmp_path):
    monkeypatch.delenv("CITYSEG_COMMAND", raising=False)
    monkeypatch.delenv("CITYSEG_PYTHON", raising=False)
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path))
    session = Session()
    banner = session.panel.banner
    assert not banner.isHidden()
    assert "not installed" in banner.text.text()
    banner.install_button.click()
    settle()
    dialog = session.plugin.dock.findChild(object, "CitySegInstallDialog")
    assert dialog is not None
    dialog.close()
    session.close()


def test_prompting_without_a_backend_is_one_sentence_with_details(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", str(tmp_path / "no-such-program"))
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "r.tif", scenes.roofs())), "r"))
    session.panel.set_prompting(True)
    session.desktop.click(scenes.place(70, 80))
    wait_until(lambda: session.desktop.said() and not session.interaction.busy)
    assert session.prompts == [("point", 1)], "a prompt is never lost"
    session.desktop.bar.currentItem().findChild(QPushButton, "CitySegDetailsButton").click()
    settle()
    viewer = session.desktop.window.findChild(object, "CitySegDetails")
    shown = viewer.findChild(QTextEdit).toPlainText()
    assert session.desktop.said() in shown
    assert f"CitySeg {about.version()} · QGIS {Qgis.QGIS_VERSION}" in shown
    assert not session.panel.status_line.retry_button.isHidden()
    session.close()


def targets_offered(session):
    combo = session.panel.accept_step.target_combo
    return [combo.itemText(row) for row in range(combo.count()) if combo.itemText(row)]


def test_targets_follow_the_project(session, roofs):
    assert targets_offered(session) == ["New temporary layer", "New GeoPackage table…"]
    areas = QgsVectorLayer("Polygon?crs=EPSG:4326", "areas", "memory")
    QgsProject.instance().addMapLayers([areas, QgsVectorLayer("Point", "points", "memory")])
    assert targets_offered(session)[2:] == ["areas"]
    session.interaction.set_target(areas)
    assert session.panel.accept_step.target_combo.currentText() == "areas"
    QgsProject.instance().removeMapLayer(areas.id())
    settle()
    assert session.interaction.target is None
    assert session.panel.accept_step.target_combo.currentText() == "New temporary layer"


def choose_geopackage(session):
    combo = session.panel.accept_step.target_combo
    row = combo.findText("New GeoPackage table…")
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def test_a_new_geopackage_becomes_the_target_in_the_images_crs(session, roofs, tmp_path, monkeypatch):
    path = tmp_path / "city.gpkg"
    monkeypatch.setattr(session.panel, "ask_geopackage", lambda: str(path))
    session.panel.accept_step.class_edit.setText("building")
    choose_geopackage(session)
    target = session.interaction.target
    assert target.name() == "building"
    assert target.crs().authid() == scenes.UTM
    assert session.panel.accept_step.target_combo.currentText() == "building"
    assert session.panel.accept_step.save_edits_button.isEnabled()
    assert settings.LAST_FOLDER.value() == str(tmp_path)


def test_a_change_of_mind_changes_no_target(session, roofs, monkeypatch):
    layer = new_memory_layer("mine", roofs.crs(), QgsProject.instance())
    session.interaction.set_target(layer)
    monkeypatch.setattr(session.panel, "ask_geopackage", lambda: "")
    choose_geopackage(session)
    assert session.interaction.target is layer
    assert session.panel.accept_step.target_combo.currentText() == "mine"


def test_a_geopackage_that_cannot_be_made_is_one_sentence(session, roofs, monkeypatch):
    monkeypatch.setattr(session.panel, "ask_geopackage", lambda: "/no/such/folder/a.gpkg")
    choose_geopackage(session)
    assert "does not exist" in session.desktop.said()
    assert session.interaction.target is None


def test_class_names_are_completed(session):
    settings.remember_class_name("building")
    settings.remember_class_name("tree")
    session.panel.accept_step.remember_class()
    completer = session.panel.accept_step.class_edit.completer()
    completer.setCompletionPrefix("UIL")
    assert completer.completionCount() == 1
    assert completer.currentCompletion() == "building"


def test_save_as_writes_and_says_so(session, roofs, tmp_path, monkeypatch):
    session.interaction.set_target(new_memory_layer("mine", roofs.crs(), QgsProject.instance()))
    monkeypatch.setattr(session.panel, "ask_save_path", lambda _layer: str(tmp_path / "mine.fgb"))
    session.panel.accept_step.save_as_button.click()
    assert (tmp_path / "mine.fgb").is_file()
    assert "mine.fgb" in session.desktop.said()


def test_save_as_with_a_wrong_name_is_one_sentence(session, roofs, tmp_path, monkeypatch):
    session.interaction.set_target(new_memory_layer("mine", roofs.crs(), QgsProject.instance()))
    monkeypatch.setattr(session.panel, "ask_save_path", lambda _layer: str(tmp_path / "mine.xyz"))
    session.panel.accept_step.save_as_button.click()
    assert "extension" in session.desktop.said()


def test_buttons_that_would_do_nothing_are_grey(session, roofs):
    step = session.panel.prompt_step
    assert not session.panel.accept_step.accept_button.isEnabled()
    assert [b.isEnabled() for b in (step.undo_button, step.redo_button, step.clear_button)] == [False] * 3
    session.panel.set_prompting(True)
    session.desktop.click(scenes.place(70, 80))
    assert [b.isEnabled() for b in (step.undo_button, step.redo_button, step.clear_button)] == [True, False, True]
    step.undo_button.click()
    assert [b.isEnabled() for b in (step.undo_button, step.redo_button, step.clear_button)] == [False, True, False]


def test_each_section_has_a_help_of_its_own(session):
    dock = session.plugin.dock
    dock.sections.buttons[CLOUDS].click()
    dock.findChild(object, "CitySegOpenHelp").click()
    settle()
    dialog = dock.findChild(object, "CitySegHelp")
    said = dialog.browser.toPlainText()
    assert "greenhouse:building" in said
    boxes = dock.cloud_panel.output_step.boxes.values()
    assert [box.text() for box in boxes if box.text() not in said] == []
    one = ClassifyPointCloud()
    one.initAlgorithm()
    missing = [p.name() for p in one.parameterDefinitions() if p.name() not in said]
    assert missing == ["DEVICE", "LOAD"]
    dialog.close()
    dock.sections.buttons[IMAGES].click()


@pytest.mark.parametrize("name", ["Help", "Doctor"])
def test_the_foot_opens_help_and_doctor(session, name):
    dock = session.plugin.dock
    dock.findChild(object, f"CitySegOpen{name}").click()
    settle()
    dialog = dock.findChild(object, f"CitySeg{name}")
    assert dialog is not None
    if name == "Help":
        assert "Ctrl+Shift+Z" in dialog.browser.toPlainText()
    else:
        # The backend of this test is a command of its own, which the doctor cannot look into.
        wait_until(lambda: "command of your own" in dialog.text.toPlainText())
    dialog.close()
