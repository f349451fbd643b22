"""Load, unload, load: nothing of the plugin stays behind; what it shows is there."""

from __future__ import annotations

import sys

import pytest
from qgis.core import QgsProject, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtCore import QObject, QProcess
from qgis.PyQt.QtWidgets import QApplication

import cityseg_qgis
from cityseg_qgis import about, settings
from cityseg_qgis.gui.options_page import OptionsPage
from cityseg_qgis.plugin import CitySegPlugin
from cityseg_qgis.worker.client import READY
from tests.data import gdal_scenes as scenes
from tests.workers.client_harness import WORKER, alive, wait_until
from tests.workers.desktop import Desktop, Session, settle


@pytest.fixture
def desktop(qgis_app, monkeypatch):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    desktop = Desktop()
    yield desktop
    desktop.close()
    QgsProject.instance().clear()


def ours(desktop):
    """Everything with our name in the window, on the canvas and in the menus."""
    named = [
        child.objectName()
        for child in desktop.window.findChildren(QObject)
        if child.objectName().startswith("CitySeg")
    ]
    running = [
        process.program()
        for process in QApplication.instance().findChildren(QProcess)
        if process.state() != QProcess.ProcessState.NotRunning
    ]
    return named + running + [action.text() for action in desktop.raster_menu.actions()] + desktop.factories


def receivers(desktop):
    """How many slots hear what outlives the plugin."""
    project, canvas = QgsProject.instance(), desktop.canvas
    return [
        project.receivers(project.layersWillBeRemoved),
        project.receivers(project.layersAdded),
        project.receivers(project.layersRemoved),
        canvas.receivers(canvas.destinationCrsChanged),
        canvas.receivers(canvas.mapToolSet),
    ]


def started_pid(client):
    """The process number of a client that is ready."""
    wait_until(lambda: client.state == READY)
    return client.backend.pid


def test_load_unload_load_leaves_nothing(desktop, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "r.tif", scenes.roofs())), "r")
    desktop.show(layer)
    items, slots = len(desktop.canvas.scene().items()), receivers(desktop)
    assert ours(desktop) == []
    for _ in range(3):
        plugin = cityseg_qgis.classFactory(desktop)
        plugin.initGui()
        settle()
        names = ours(desktop)
        for name in ("CitySegDock", "CitySegToolBar", "CitySegPromptAction", "CitySegTargetCombo"):
            assert name in names
        assert len(desktop.factories) == 1
        plugin.dock.panel.set_prompting(True)
        pid = started_pid(plugin.dock.panel.interaction.client)
        desktop.click(scenes.place(70, 80))
        assert len(desktop.canvas.scene().items()) > items
        plugin.unload()
        settle()
        assert ours(desktop) == []
        assert len(desktop.canvas.scene().items()) == items
        assert receivers(desktop) == slots
        assert desktop.canvas.mapTool() is desktop.pan
        wait_until(lambda ended=pid: not alive(ended))


def test_loading_starts_no_process(desktop):
    plugin = CitySegPlugin(desktop)
    plugin.initGui()
    settle()
    assert plugin.dock.panel.interaction.client.state == "stopped"
    plugin.unload()
    settle()


def test_the_toolbar_action_prompts_and_shows_its_state(desktop, tmp_path):
    desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "r.tif", scenes.roofs())), "r"))
    plugin = CitySegPlugin(desktop)
    plugin.initGui()
    settle()
    (action,) = [a for a in desktop.raster_menu.actions() if a.objectName() == "CitySegPromptAction"]
    action.trigger()
    assert desktop.canvas.mapTool() is plugin.dock.panel.tool
    assert action.isChecked()
    assert plugin.dock.panel.prompt_step.start_button.isChecked()
    desktop.canvas.setMapTool(desktop.pan)
    assert not action.isChecked()
    action.trigger()
    action.trigger()
    assert desktop.canvas.mapTool() is desktop.pan
    plugin.unload()
    settle()


def test_closing_the_dock_ends_prompting_and_hides_what_was_drawn(desktop, tmp_path):
    desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "r.tif", scenes.roofs())), "r"))
    plugin = CitySegPlugin(desktop)
    plugin.initGui()
    settle()
    panel = plugin.dock.panel
    panel.set_prompting(True)
    desktop.click(scenes.place(70, 80))
    plugin.dock.close()
    settle()
    assert not panel.prompting
    assert not panel.overlay.item.isVisible()
    plugin.dock.setUserVisible(True)
    settle()
    assert panel.overlay.item.isVisible()
    assert len(panel.interaction.session.prompts) == 1
    plugin.unload()
    settle()


def test_the_version_is_read_from_the_metadata():
    assert about.version() != "0"
    assert about.tracker_url().startswith("https://")


@pytest.fixture
def clean_settings(qgis_app):
    QgsSettings().remove(settings.GROUP)
    yield
    QgsSettings().remove(settings.GROUP)


def test_settings_keep_their_type_range_and_choices(clean_settings, monkeypatch):
    settings.HOLD_MS.set_value(650)
    assert settings.HOLD_MS.value() == 650
    QgsSettings().setValue(f"{settings.GROUP}/hold-ms", "99999")
    assert settings.HOLD_MS.value() == settings.HOLD_MS.high
    QgsSettings().setValue(f"{settings.GROUP}/hold-ms", "soon")
    assert settings.HOLD_MS.value() == settings.HOLD_MS.default
    QgsSettings().setValue(f"{settings.GROUP}/device", "abacus")
    assert settings.DEVICE.value() == "auto"
    settings.DEBUG.set_value(True)
    assert settings.DEBUG.value() is True
    monkeypatch.setenv("CITYSEG_DEBUG", "0")
    assert settings.DEBUG.value() is False
    assert settings.DEBUG.overridden


def test_class_names_are_remembered_the_last_first(clean_settings):
    for name in ("building", "tree", "building", "  ", "car"):
        settings.remember_class_name(name)
    assert settings.remembered_class_names() == ["car", "building", "tree"]


def test_the_options_page_edits_the_settings(clean_settings):
    page = OptionsPage()
    heard = []
    page.backend_changed.connect(lambda: heard.append(1))
    page.tolerance_spin.setValue(0.4)
    page.apply()
    assert settings.TOLERANCE_M.value() == pytest.approx(0.4)
    assert heard == []
    page.device_combo.setCurrentIndex(page.device_combo.findData("cpu"))
    page.apply()
    assert settings.DEVICE.value() == "cpu"
    assert heard == [1]


def test_the_options_page_says_what_the_environment_decides(clean_settings, monkeypatch):
    monkeypatch.setenv("CITYSEG_DEVICE", "cpu")
    page = OptionsPage()
    assert not page.device_combo.isEnabled()
    assert "CITYSEG_DEVICE" in page.device_combo.toolTip()


def test_the_options_factory_makes_the_page(desktop):
    session = Session()
    page = session.desktop.factories[0].createWidget(session.desktop.window)
    assert page.objectName() == "CitySegOptions"
    page.deleteLater()
    session.close()
