"""The Refer and Ask panels: words in, objects under review out, over the real wire."""

from __future__ import annotations

import json
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
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMenu

from cityseg_qgis import settings
from cityseg_qgis.core.text_request import class_list
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, thing_wkt, things
from tests.workers.desktop import Session, settle, wait_until

WORKER = Path(__file__).resolve().parents[1] / "workers" / "text_worker.py"


@pytest.fixture
def session(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    monkeypatch.setenv("TEXT_LOG", str(tmp_path / "asked.json"))
    QgsSettings().remove(settings.GROUP)
    session = Session()
    session.asked = lambda: json.loads((tmp_path / "asked.json").read_text())
    yield session
    session.close()
    QgsSettings().remove(settings.GROUP)


@pytest.fixture
def scene(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things")
    session.desktop.show(layer)
    return layer


def open_tab(session, mode="refer"):
    session.panel.tabs.buttons[mode].click()
    settle()
    return session.panel.text_side.panels[mode]


def ask(session, words, mode="refer"):
    """Type and press Enter; the panel, once it is answered."""
    panel = open_tab(session, mode)
    panel.entry.line.clear()
    QTest.keyClicks(panel.entry.line, words)
    QTest.keyClick(panel.entry.line, Qt.Key.Key_Return)
    wait_until(lambda: not session.panel.text_side.run.busy)
    settle()
    return panel


def found(session):
    layer = session.panel.text_side.review.layer
    return sorted((f["class"], round(f.geometry().area(), 1)) for f in layer.getFeatures())


def of(rectangles, name):
    size = scenes.UTM_GSD**2
    return sorted((name, (c1 - c0) * (r1 - r0) * size) for c0, r0, c1, r1 in rectangles)


def test_words_become_objects_in_a_review_layer(session, scene):
    panel = ask(session, "red things")
    review = session.panel.text_side.review
    assert found(session) == of(REDS, "red")
    assert review.layer.name() == "CitySeg review"
    assert review.layer.crs().authid() == scenes.UTM
    assert review.layer.id() in QgsProject.instance().mapLayers()
    feature = next(iter(review.layer.getFeatures()))
    assert feature["why"] == "is red"
    assert feature["prompt"] == "red things"
    assert feature["task"] == "referring"
    assert feature["review"] == "kept"
    assert panel.understood.answer_label.text() == f"Found {len(REDS)}: red."
    assert "red things" in panel.understood.sentence_label.text()
    assert panel.understood.path_pill.text() == "by rules"
    assert f"{len(REDS)} found in" in panel.understood.figures_label.text()


def test_the_shape_lies_where_the_thing_is(session, scene):
    ask(session, "red things")
    shapes = [f.geometry() for f in session.panel.text_side.review.layer.getFeatures()]
    for rectangle in REDS:
        truth = QgsGeometry.fromWkt(thing_wkt(rectangle))
        assert any(shape.isGeosEqual(truth) for shape in shapes)


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        ("red, blue", ["red", "blue"]),
        ("roads, trees and cars", ["roads", "trees", "cars"]),
        ("roads, trees, or cars.", ["roads", "trees", "cars"]),
        ("solar panels, parking lots", ["solar panels", "parking lots"]),
        ("red things", []),
        ("buildings north of the river, near a road", []),
        ("the house, which is larger", []),
        ("buildings,", []),
    ],
)
def test_commas_make_a_list_only_where_they_do(words, classes):
    assert class_list(words) == classes


def test_several_classes_at_once(session, scene):
    ask(session, "red, blue")
    assert session.asked()["classes"] == ["red", "blue"]
    assert "text" not in session.asked()
    assert found(session) == of(REDS, "red")[:0] + sorted(of(REDS, "red") + of(BLUES, "blue"))


def test_find_the_one(session, scene):
    panel = open_tab(session)
    panel.find_combo.setCurrentIndex(panel.find_combo.findData("one"))
    panel.find_combo.activated.emit(panel.find_combo.currentIndex())
    ask(session, "red things")
    assert session.asked()["find"] == "one"
    assert len(found(session)) == 1
    assert settings.TEXT_FIND.value() == "one"


def test_a_question_is_answered_with_a_reason(session, scene):
    panel = ask(session, "where are red things?", "ask")
    assert session.asked()["ask"] == "where are red things?"
    assert found(session) == of(REDS, "red")
    assert panel.understood.concepts_label.text() == "Understood as: red, 0.81, where people live"
    assert next(iter(session.panel.text_side.review.layer.getFeatures()))["task"] == "reasoning"


def test_the_networks_answer_says_so(session, scene):
    panel = ask(session, "something red")
    assert panel.understood.path_pill.text() == "by the network"
    assert panel.understood.chips.isHidden()


def test_nothing_found_is_an_answer(session, scene):
    panel = ask(session, "green things")
    assert panel.understood.answer_label.text() == "There is nothing of that here."
    assert not panel.note.isVisible()
    assert session.panel.text_side.review.layer is None


def test_only_the_visible_map_is_searched_at_first(session, scene):
    canvas = session.desktop.canvas
    canvas.setExtent(QgsGeometry.fromWkt(thing_wkt(REDS[0])).boundingBox().buffered(5))
    settle()
    ask(session, "red things")
    assert found(session) == of(REDS[:1], "red")


def test_the_whole_raster_has_no_area(session, scene):
    session.desktop.canvas.setExtent(QgsGeometry.fromWkt(thing_wkt(REDS[0])).boundingBox().buffered(5))
    open_tab(session)
    session.panel.text_side.area.choose("whole")
    ask(session, "red things")
    assert "area" not in session.asked()
    assert found(session) == of(REDS, "red")
    assert settings.TEXT_AREA.value() == "whole"


def test_the_visible_map_in_another_crs(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things")
    session.desktop.show(layer, QgsCoordinateReferenceSystem("EPSG:3857"))
    ask(session, "red things")
    assert found(session) == of(REDS, "red")
    xmin, ymin, xmax, ymax = session.asked()["area"]["bounds"]
    extent = layer.extent()
    assert (xmin, ymin, xmax, ymax) == pytest.approx(
        (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
    )


def test_a_view_beside_the_raster_is_one_sentence(session, scene):
    session.desktop.canvas.setExtent(QgsGeometry.fromWkt("POLYGON((0 0,9 0,9 9,0 9,0 0))").boundingBox())
    panel = ask(session, "red things")
    assert "zoom to the layer" in panel.note.text.text()
    assert not panel.note.isHidden()
    assert session.desktop.said() == ""


def test_a_drawn_rectangle(session, scene):
    panel = open_tab(session)
    area = session.panel.text_side.area
    area.choose("rectangle")
    assert session.desktop.canvas.mapTool() is area.tool
    bounds = QgsGeometry.fromWkt(thing_wkt(REDS[1])).boundingBox().buffered(4)
    session.desktop.drag([(bounds.xMinimum(), bounds.yMaximum()), (bounds.xMaximum(), bounds.yMinimum())])
    settle()
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    assert area.overlay.band.numberOfVertices() > 3
    ask(session, "red things")
    assert found(session) == of(REDS[1:2], "red")
    session.panel.tabs.buttons["interact"].click()
    assert area.overlay.band.numberOfVertices() == 0
    assert panel.isHidden()


def test_a_rectangle_that_was_not_drawn_is_asked_for(session, scene):
    open_tab(session)
    session.panel.text_side.area.choose("rectangle")
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    panel = ask(session, "red things")
    assert "Draw the rectangle" in panel.note.text.text()


def polygons(crs, *shapes):
    layer = QgsVectorLayer(f"Polygon?crs={crs}", "zones", "memory")
    layer.startEditing()
    for shape in shapes:
        layer.addFeature(QgsVectorLayerUtils.createFeature(layer, shape, {}))
    assert layer.commitChanges()
    QgsProject.instance().addMapLayer(layer)
    return layer


def zone(rectangle, crs=scenes.UTM):
    from cityseg_qgis.core.frames import transformed_geometry

    shape = QgsGeometry.fromWkt(thing_wkt(rectangle)).buffer(4, 8)
    return transformed_geometry(shape, QgsCoordinateReferenceSystem(scenes.UTM), QgsCoordinateReferenceSystem(crs))


@pytest.mark.parametrize("crs", [scenes.UTM, "EPSG:4326"])
def test_selected_polygons_in_any_crs(session, scene, crs):
    layer = polygons(crs, zone(REDS[0], crs), zone(REDS[2], crs), zone(REDS[1], crs))
    layer.selectByIds([1, 2])
    session.desktop.active = layer
    open_tab(session)
    area = session.panel.text_side.area
    area.choose("polygons")
    assert area.layer_combo.currentLayer() is layer
    assert area.count_label.text() == "2 selected"
    ask(session, "red things")
    assert found(session) == of([REDS[0], REDS[2]], "red")


def test_no_selected_polygon_says_what_to_do(session, scene):
    polygons(scenes.UTM, zone(REDS[0]))
    open_tab(session)
    session.panel.text_side.area.choose("polygons")
    panel = ask(session, "red things")
    assert "“zones” is selected; select the area first" in panel.note.text.text()


def test_a_raster_without_georeference(session, tmp_path):

    from osgeo import gdal

    source = gdal.Open(str(scenes.write(tmp_path / "t.tif", things(), transform=None, crs="")))
    path = tmp_path / "plain.png"
    gdal.GetDriverByName("PNG").CreateCopy(str(path), source)
    layer = QgsRasterLayer(str(path), "plain")
    session.desktop.show(layer)
    ask(session, "red things")
    assert session.asked()["pixel"] is True
    assert session.asked()["area"]["bounds"] == pytest.approx([0, 0, scenes.SIZE, scenes.SIZE])
    assert len(found(session)) == len(REDS)
    shapes = [f.geometry().boundingBox() for f in session.panel.text_side.review.layer.getFeatures()]
    col0, row0, col1, row1 = REDS[0]
    assert any(
        (box.xMinimum(), box.yMaximum(), box.xMaximum(), box.yMinimum()) == (col0, -row0, col1, -row1)
        for box in shapes
    )


def gated(monkeypatch, tmp_path, tiles):
    gate = tmp_path / "gate"
    gate.write_text(str(tiles))
    monkeypatch.setenv("TEXT_GATE", str(gate))
    return gate


def test_objects_appear_while_tiles_come(session, scene, monkeypatch, tmp_path):
    gate = gated(monkeypatch, tmp_path, 2)
    panel = open_tab(session)
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.panel.text_side.review
    wait_until(lambda: review.counts.kept)
    wait_until(lambda: panel.progress.value() == 500)
    some = review.counts.kept
    assert 0 < some < len(REDS)
    assert not panel.stop_button.isHidden()
    assert panel.run_button.isHidden()
    gate.write_text("4")
    wait_until(lambda: not session.panel.text_side.run.busy)
    assert found(session) == of(REDS, "red")
    assert panel.stop_button.isHidden()
    assert not panel.run_button.isHidden()


def test_what_is_dropped_on_the_way_stays_dropped(session, scene, monkeypatch, tmp_path):
    gate = gated(monkeypatch, tmp_path, 2)
    panel = open_tab(session)
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.panel.text_side.review
    wait_until(lambda: panel.progress.value() == 500)
    review.toggle(review.open_ids()[0])
    gate.write_text("4")
    wait_until(lambda: not session.panel.text_side.run.busy)
    assert review.counts.kept == len(REDS) - 1
    assert review.counts.dropped == 1


def test_stop_is_at_once_and_keeps_what_is_done(session, scene, monkeypatch, tmp_path):
    gated(monkeypatch, tmp_path, 2)
    panel = open_tab(session)
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.panel.text_side.review
    wait_until(lambda: panel.progress.value() == 500)
    some = review.counts.kept
    panel.stop_button.click()
    assert panel.stop_button.isHidden(), "no event loop has run: the panel is free at once"
    assert panel.run_button.isEnabled()
    assert review.counts.kept == some
    assert f"stays under review: {some}" in session.panel.status_line.text.text()
    monkeypatch.delenv("TEXT_GATE")
    wait_until(lambda: session.interaction.client.pending_count == 0)
    assert review.counts.kept == some
    assert panel.note.isHidden()


def test_a_crash_in_the_middle_of_tiles_is_repeated(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
    monkeypatch.setenv("TEXT_DIE", str(tmp_path / "died"))
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things"))
    panel = ask(session, "red things")
    assert (tmp_path / "died").exists()
    assert found(session) == of(REDS, "red")
    assert panel.note.isHidden()
    session.close()


def test_bad_input_is_one_sentence_in_the_card_and_loses_nothing(session, scene):
    ask(session, "red things")
    panel = ask(session, "a contradiction")
    assert panel.note.text.text() == "Nothing can be both; take one of the two away."
    assert not panel.note.details_button.isHidden()
    assert session.desktop.said() == ""
    assert panel.entry.words == "a contradiction"
    assert found(session) == of(REDS, "red")
    ask(session, "blue things")
    assert panel.note.isHidden()


def test_no_backend_is_one_sentence_and_a_banner(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", str(tmp_path / "no-such-program"))
    session = Session()
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things"))
    panel = ask(session, "red things")
    assert not panel.note.isHidden()
    assert not session.panel.banner.isHidden()
    session.close()


def test_unknown_words_offer_what_is_known(session, scene):
    panel = ask(session, "red gazebo")
    label = panel.understood.unknown_label
    assert "gazebo" in label.text()
    link = label.text().partition('href="')[2].partition('"')[0]
    label.linkActivated.emit(link)
    assert panel.entry.words == "red red"


def test_a_changed_number_runs_again_with_the_program(session, scene):
    panel = ask(session, "red things larger than 10 m")
    (number,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "m2"]
    assert number.box.text() == "larger than 10 m²"
    assert panel.understood.again_button.isHidden() or not panel.understood._again.isVisible()
    number.box.setValue(120)
    assert panel.understood.chips.changes == {"m2": 120}
    QTest.mouseClick(panel.understood.again_button, Qt.MouseButton.LeftButton)
    wait_until(lambda: not session.panel.text_side.run.busy)
    assert session.asked()["changes"] == {"m2": 120}
    assert found(session) == [one for one in of(REDS, "red") if one[1] > 120]
    assert panel.understood.chips.changes == {}


def test_a_class_is_chosen_from_a_list(session, scene):
    panel = ask(session, "red things")
    (choice,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "class"]
    assert choice.box.currentText() == "reds"
    choice.box.setCurrentIndex(choice.box.findText("blue"))
    panel.understood.again_button.click()
    wait_until(lambda: not session.panel.text_side.run.busy)
    assert found(session) == of(BLUES, "blue")


def test_a_part_is_left_out_and_taken_in_again(session, scene):
    panel = ask(session, "red things larger than 120 m")
    (number,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "m2"]
    number.remove_button.click()
    assert panel.understood.chips.changes == {"m2": None}
    panel.understood.reset_button.click()
    assert panel.understood.chips.changes == {}
    number.remove_button.click()
    panel.understood.again_button.click()
    wait_until(lambda: not session.panel.text_side.run.busy)
    assert found(session) == of(REDS, "red")


def lines(menu: QMenu):
    return [action.text() for action in menu.actions() if action.isEnabled() and not action.isSeparator()]


def test_history_keeps_the_last_thirty_and_can_be_cleared(session, scene):
    for number in range(settings.MAX_HISTORY + 5):
        settings.remember(settings.REFER_HISTORY, f"old {number}")
    panel = ask(session, "red things")
    panel.entry.fill_history()
    shown = lines(panel.entry.history_menu)
    assert shown[0] == "red things"
    assert len(shown) == settings.MAX_HISTORY + 1
    panel.entry.history_menu.actions()[1].trigger()
    assert panel.entry.words == f"old {settings.MAX_HISTORY + 4}"
    panel.entry.history_menu.findChild(object, "CitySegClearHistory").trigger()
    panel.entry.fill_history()
    assert lines(panel.entry.history_menu) == []
    assert settings.remembered(settings.REFER_HISTORY) == []


def test_examples_fill_the_field_and_can_be_ones_own(session, scene):
    panel = open_tab(session)
    panel.entry.fill_examples()
    (example,) = [a for a in panel.entry.examples_menu.actions() if a.text() == "the largest building"]
    example.trigger()
    assert panel.entry.words == "the largest building"
    panel.entry.set_words("my very own")
    panel.entry.fill_examples()
    panel.entry.examples_menu.actions()[-1].trigger()
    panel.entry.set_words("")
    panel.entry.fill_examples()
    assert "my very own" in lines(panel.entry.examples_menu)


def test_a_model_that_hears_no_words_says_so(session, scene):
    open_tab(session)
    interaction = session.interaction
    wait_until(lambda: len(interaction.models) == 2)
    combo = session.panel.layer_step.model_combo
    combo.setCurrentIndex(combo.findData("deaf"))
    combo.activated.emit(combo.currentIndex())
    tabs = session.panel.tabs
    assert tabs.current == "interact"
    assert not tabs.buttons["refer"].isEnabled()
    assert not tabs.buttons["ask"].isEnabled()
    assert "“Deaf model” hears no words" in tabs.note.text()
    assert not tabs.note.isHidden()
    combo.setCurrentIndex(combo.findData("default-2d"))
    combo.activated.emit(combo.currentIndex())
    assert tabs.buttons["refer"].isEnabled()
    assert tabs.note.isHidden()


def test_without_words_or_image_there_is_nothing_to_run(session):
    panel = open_tab(session)
    assert not panel.run_button.isEnabled()
    panel.entry.set_words("red things")
    assert not panel.run_button.isEnabled()
    assert "Add an image" in panel.run_button.toolTip()


def test_opening_a_text_tab_puts_the_prompt_tool_down_and_back(session, scene):
    session.panel.set_prompting(True)
    open_tab(session)
    assert not session.panel.prompting
    assert session.panel.prompt_step.isHidden()
    session.panel.set_prompting(True)
    assert session.panel.tabs.current == "interact"
    assert not session.panel.prompt_step.isHidden()
    assert session.panel.text_side.review_panel.isHidden()


