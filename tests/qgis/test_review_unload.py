"""Unloading the plugin loses nothing that was found."""

from __future__ import annotations

from qgis.core import (
    QgsProject,
)

from tests.data.text_scene import REDS
from tests.workers.desktop import settle, wait_until
from tests.workers.text_session import (
    COMMAND,
    TextSession,
    middle,
    show_scene,
)


def test_unload_keeps_the_layer_and_the_next_load_takes_it_up(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", COMMAND)
    session = TextSession(tmp_path / "asked.json")
    show_scene(session, tmp_path)
    session.open_tab()
    session.ask("red things")
    session.desktop.click(middle(REDS[0]))
    layer = session.review.layer
    session.plugin.unload()
    settle()
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    assert layer.id() in QgsProject.instance().mapLayers()
    assert layer.featureCount() == len(REDS)
    assert layer.receivers(layer.editingStopped) == 0
    session.plugin.initGui()
    settle()
    review = session.review
    assert review.layer is layer
    assert (review.counts.kept, review.counts.dropped) == (len(REDS) - 1, 1)
    session.close()


def test_unload_in_the_middle_of_a_run_keeps_what_is_done(qgis_app, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    gate.write_text("2")
    monkeypatch.setenv("TEXT_GATE", str(gate))
    monkeypatch.setenv("CITYSEG_COMMAND", COMMAND)
    session = TextSession(tmp_path / "asked.json")
    show_scene(session, tmp_path)
    session.open_tab()
    panel = session.side.refer_panel
    panel.entry.set_words("red things")
    panel.start()
    wait_until(lambda: panel.progress.value() == 500)
    layer = session.review.layer
    session.plugin.unload()
    settle()
    assert 0 < layer.featureCount() < len(REDS)
    session.desktop.close()
    QgsProject.instance().clear()
