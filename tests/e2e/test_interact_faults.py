"""What is shown and kept while the backend works, is late, fails or dies in the middle of a click or an accept."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from qgis.core import (
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt, QTimer

from cityseg_qgis.worker.client import READY
from tests.data import gdal_scenes as scenes
from tests.e2e.outlines import (
    BLUE_AT,
    BLUE_M2,
    PYTHON,
    RED_AT,
    RED_M2,
    SLACK_M2,
    accept,
    answered,
)
from tests.workers.client_harness import alive
from tests.workers.desktop import CTRL, wait_until


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


def test_this_interpreter_is_qgis_and_the_backends_is_not():
    # Both environments may stand on one base interpreter.
    assert Path(sys.prefix) != PYTHON.parent.parent


def test_a_model_that_was_removed_since_gives_way_to_the_default(session, roofs):
    """What the list shows as chosen is what is asked."""
    session.panel.set_prompting(False)
    session.interaction.set_model("sam-of-last-year")
    session.panel.set_prompting(True)
    wait_until(lambda: session.interaction.model.id == "default-2d")
    assert session.panel.layer_step.model_combo.currentData() == "default-2d"
    session.desktop.click(RED_AT)
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
