"""Unloading the plugin, or the end of QGIS, loses nothing that was found."""

from __future__ import annotations

import sys
from pathlib import Path

from qgis.core import QgsProject, QgsRasterLayer

from tests.data import gdal_scenes as scenes
from tests.data.text_scene import REDS, things
from tests.workers.desktop import Session, settle, wait_until

WORKER = Path(__file__).resolve().parents[1] / "workers" / "text_worker.py"


def find(session, words):
    panel = session.panel.text_side.refer_panel
    panel.entry.set_words(words)
    panel.start()
    wait_until(lambda: not session.panel.text_side.run.busy)
    settle()
    return session.panel.text_side.review


def middle(rectangle):
    return scenes.place(*scenes.middle(rectangle))


def test_unload_keeps_the_layer_and_the_next_load_takes_it_up(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things"))
    session.panel.tabs.buttons["refer"].click()
    review = find(session, "red things")
    session.desktop.click(middle(REDS[0]))
    layer = review.layer
    session.plugin.unload()
    settle()
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    assert layer.id() in QgsProject.instance().mapLayers()
    assert layer.featureCount() == len(REDS)
    assert layer.receivers(layer.editingStopped) == 0
    session.plugin.initGui()
    settle()
    review = session.panel.text_side.review
    assert review.layer is layer
    assert (review.counts.kept, review.counts.dropped) == (len(REDS) - 1, 1)
    session.close()


def test_unload_in_the_middle_of_a_run_keeps_what_is_done(qgis_app, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    gate.write_text("2")
    monkeypatch.setenv("TEXT_GATE", str(gate))
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things"))
    session.panel.tabs.buttons["refer"].click()
    panel = session.panel.text_side.refer_panel
    panel.entry.set_words("red things")
    panel.start()
    wait_until(lambda: panel.progress.value() == 500)
    layer = session.panel.text_side.review.layer
    session.plugin.unload()
    settle()
    assert 0 < layer.featureCount() < len(REDS)
    session.desktop.close()
    QgsProject.instance().clear()
