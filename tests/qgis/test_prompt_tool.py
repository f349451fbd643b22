"""The prompt tool with real mouse and key events on a real canvas."""

from __future__ import annotations

import sys

import pytest
from qgis.core import QgsCoordinateReferenceSystem, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from tests.data import gdal_scenes as scenes
from tests.workers.client_harness import WORKER
from tests.workers.desktop import CTRL, LEFT, NONE, RIGHT, SHIFT, Session, move

A, B, C, D = (scenes.place(col, row) for col, row in ((60, 60), (160, 60), (160, 160), (60, 160)))


@pytest.fixture
def session(qgis_app, tmp_path, monkeypatch):
    """Prompting on a raster; the backend is a child that answers no prediction."""
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    monkeypatch.setenv("CITYSEG_HOLD_MS", "200")
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "r.tif", scenes.roofs())), "r"))
    session.panel.set_prompting(True)
    yield session
    session.close()


def positions(session, number=-1):
    return session.interaction.session.prompts[number].xy


def test_left_adds_right_and_shift_remove(session):
    session.desktop.click(A)
    session.desktop.click(B, RIGHT)
    session.desktop.click(C, LEFT, SHIFT)
    assert session.prompts == [("point", 1), ("point", 0), ("point", 0)]
    pixel_m = session.desktop.canvas.mapUnitsPerPixel()
    assert positions(session, 0)[0] == pytest.approx(A, abs=pixel_m)


def test_a_drag_is_a_box(session):
    session.desktop.drag([A, C])
    assert session.prompts == [("box", 1)]
    pixel_m = session.desktop.canvas.mapUnitsPerPixel()
    for corner, expected in zip(positions(session), (A, C)):
        assert corner == pytest.approx(expected, abs=pixel_m)


def test_hold_then_drag_is_a_scribble(session):
    session.desktop.drag([A, B, C], hold_ms=350)
    assert session.prompts == [("scribble", 1)]
    assert len(positions(session)) > 5


def test_a_scribble_can_remove(session):
    session.desktop.click(A)
    session.desktop.drag([B, C], RIGHT, hold_ms=350)
    assert session.prompts == [("point", 1), ("scribble", 0)]


def test_ctrl_drag_is_a_lasso(session):
    session.desktop.drag([A, B, C, D], modifiers=CTRL)
    assert session.prompts == [("lasso", 1)]


def test_the_panel_chooses_what_a_drag_draws(session):
    session.panel.prompt_step.modes.buttons["lasso"].click()
    session.desktop.drag([A, B, C, D])
    session.panel.prompt_step.modes.buttons["scribble"].click()
    session.desktop.drag([A, B])
    session.desktop.click(D)
    session.panel.prompt_step.modes.buttons[""].click()
    session.desktop.drag([A, C])
    assert [kind for kind, _ in session.prompts] == ["lasso", "scribble", "point", "box"]


def test_quick_clicks_on_one_place_are_all_prompts(session):
    view, at = session.desktop.canvas.viewport(), session.desktop.pixel(A)
    QTest.mouseClick(view, LEFT, NONE, at)
    # A window system sends the second press of a double click as such.
    QTest.mouseDClick(view, LEFT, NONE, at)
    QTest.mouseRelease(view, LEFT, NONE, at)
    assert [kind for kind, _ in session.prompts] == ["point", "point"]


def test_the_middle_button_is_left_to_qgis(session):
    session.desktop.click(A, Qt.MouseButton.MiddleButton)
    assert session.prompts == []


def test_the_sketch_follows_the_mouse_and_goes(session):
    view, item = session.desktop.canvas.viewport(), session.panel.overlay.item
    start = session.desktop.pixel(A)
    QTest.mousePress(view, LEFT, NONE, start)
    move(view, session.desktop.pixel(C))
    assert [prompt.kind for prompt in item._sketch] == ["box"]
    QTest.mouseRelease(view, LEFT, NONE, session.desktop.pixel(C))
    assert item._sketch == ()
    assert [prompt.kind for prompt in item.prompts] == ["box"]


def test_a_release_that_was_lost_ends_the_gesture(session):
    view = session.desktop.canvas.viewport()
    QTest.mousePress(view, LEFT, NONE, session.desktop.pixel(A))
    move(view, session.desktop.pixel(C), Qt.MouseButton.NoButton)
    QTest.mouseRelease(view, LEFT, NONE, session.desktop.pixel(C))
    assert session.prompts == []


def test_escape_drops_a_gesture_before_it_clears(session):
    session.desktop.click(A)
    view = session.desktop.canvas.viewport()
    QTest.mousePress(view, LEFT, NONE, session.desktop.pixel(A))
    move(view, session.desktop.pixel(C))
    session.desktop.key(Qt.Key.Key_Escape)
    QTest.mouseRelease(view, LEFT, NONE, session.desktop.pixel(C))
    assert session.prompts == [("point", 1)]
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.prompts == []


def test_ctrl_z_and_ctrl_shift_z_walk_through_the_prompts(session):
    session.desktop.click(A)
    session.desktop.click(B)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert len(session.prompts) == 1
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert session.prompts == []
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    session.desktop.key(Qt.Key.Key_Y, CTRL)
    assert len(session.prompts) == 2
    assert set(session.desktop.own_keys.values()) == {0}


def test_ctrl_z_works_from_the_panel_too(session):
    session.desktop.click(A)
    session.desktop.key(Qt.Key.Key_Z, CTRL, session.panel.layer_step.layer_combo)
    assert session.prompts == []


def test_keys_that_mean_nothing_now_are_left_to_qgis(session):
    """No prompt yet: nothing to undo, accept or clear."""
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    session.desktop.key(Qt.Key.Key_Escape)
    session.desktop.key(Qt.Key.Key_Return)
    assert session.desktop.own_keys == {"Ctrl+Z": 1, "Ctrl+Shift+Z": 1, "Esc": 1, "Return": 1}


def test_no_key_is_taken_while_another_tool_is_active(session):
    session.desktop.click(A)
    session.panel.set_prompting(False)
    for keys in ((Qt.Key.Key_Z, CTRL), (Qt.Key.Key_Z, CTRL | SHIFT), (Qt.Key.Key_Escape,), (Qt.Key.Key_Return,)):
        session.desktop.key(*keys)
    assert session.prompts == [("point", 1)]
    assert session.desktop.own_keys == {"Ctrl+Z": 1, "Ctrl+Shift+Z": 1, "Esc": 1, "Return": 1}
    session.panel.set_prompting(True)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert session.prompts == []
    assert session.desktop.own_keys["Ctrl+Z"] == 1


def test_the_tool_before_comes_back(session):
    desktop = session.desktop
    assert desktop.canvas.mapTool() is session.panel.tool
    session.panel.prompt_step.start_button.click()
    assert desktop.canvas.mapTool() is desktop.pan
    assert not session.panel.prompt_step.start_button.isChecked()


def test_another_tool_ends_prompting_and_keeps_the_prompts(session):
    session.desktop.click(A)
    session.desktop.canvas.setMapTool(session.desktop.pan)
    assert not session.panel.prompt_step.start_button.isChecked()
    assert len(session.panel.overlay.item.prompts) == 1


def test_a_click_beside_the_image_is_one_sentence_and_no_prompt(session):
    canvas = session.desktop.canvas
    canvas.zoomByFactor(3.0)
    session.desktop.click(scenes.place(-100, -100))
    assert session.prompts == []
    assert "outside" in session.desktop.said()


def test_beginning_with_a_removal_is_one_sentence(session):
    session.desktop.click(A, RIGHT)
    assert session.prompts == []
    assert "left-click" in session.desktop.said()


def test_the_project_crs_is_never_changed_and_prompts_follow_it(session):
    from qgis.core import QgsProject

    before = QgsProject.instance().crs().authid()
    session.desktop.click(A)
    at = session.panel.overlay.item.prompts[0].xy[0]
    session.desktop.canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    in_degrees = session.panel.overlay.item.prompts[0].xy[0]
    assert abs(in_degrees[0] - 9.0) < 0.1
    assert abs(in_degrees[1] - 45.15) < 0.1
    # The next click is given in degrees and kept beside the first, in its CRS.
    session.desktop.click(in_degrees)
    first, second = session.interaction.session.prompts
    pixel_m = 111_000 * session.desktop.canvas.mapUnitsPerPixel()
    assert second.xy[0] == pytest.approx(first.xy[0], abs=2 * pixel_m)
    session.desktop.canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    assert session.panel.overlay.item.prompts[0].xy[0] == pytest.approx(at)
    assert QgsProject.instance().crs().authid() == before
