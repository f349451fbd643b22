"""The review: keep and drop on the map and by keys, filter, refine, accept as one edit command; nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from cityseg_qgis import settings
from cityseg_qgis.core import result
from cityseg_qgis.core.review import Review
from cityseg_qgis.core.review_layer import hue_of
from cityseg_qgis.core.target import new_geopackage_table, new_memory_layer
from cityseg_qgis.core.text_answer import Found
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, thing_wkt, things
from tests.workers.desktop import CTRL, RIGHT, SHIFT, Session, settle, wait_until

WORKER = Path(__file__).resolve().parents[1] / "workers" / "text_worker.py"
UTM = QgsCoordinateReferenceSystem(scenes.UTM)


@pytest.fixture(scope="module")
def loaded(qgis_app):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -u {WORKER}")
        QgsSettings().remove(settings.GROUP)
        session = Session()
        yield session
        session.close()
        QgsSettings().remove(settings.GROUP)


@pytest.fixture
def session(loaded, tmp_path):
    """The scene on the map, nothing found, the Refer tab open."""
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things")
    loaded.desktop.show(layer)
    loaded.panel.tabs.buttons["refer"].click()
    yield loaded
    side = loaded.panel.text_side
    side.refinement.cancel()
    side.set_reviewing(False)
    loaded.interaction.set_target(None)
    QgsProject.instance().clear()
    loaded.desktop.bar.clearWidgets()
    side.refer_panel.adds_button.setChecked(False)
    settle()


def find(session, words):
    panel = session.panel.text_side.refer_panel
    panel.entry.set_words(words)
    panel.start()
    wait_until(lambda: not session.panel.text_side.run.busy)
    settle()
    return session.panel.text_side.review


@pytest.fixture
def review(session):
    return find(session, "red things")


def middle(rectangle):
    return scenes.place(*scenes.middle(rectangle))


def id_of(review, rectangle):
    from qgis.core import QgsPointXY

    return review.id_at(QgsPointXY(*middle(rectangle)))


def state_at(review, rectangle):
    return review.state_of(id_of(review, rectangle))


def areas(features):
    return sorted(round(f.geometry().area(), 1) for f in features)


def of(rectangles):
    return sorted((c1 - c0) * (r1 - r0) * scenes.UTM_GSD**2 for c0, r0, c1, r1 in rectangles)


def drawn(session):
    """The map as it is drawn now."""
    canvas = session.desktop.canvas
    canvas.setLayers([session.panel.text_side.review.layer])
    canvas.refresh()
    canvas.waitWhileRendering()
    wait_until(lambda: not canvas.isDrawing())
    return canvas.grab().toImage()


def colour_at(session, image, rectangle):
    pixel = session.desktop.pixel(middle(rectangle))
    return image.pixelColor(pixel)


# On the map.


def test_the_tool_is_at_hand_as_soon_as_something_is_found(session, review):
    assert session.panel.text_side.reviewing
    assert session.panel.text_side.review_panel.review_button.isChecked()


def test_a_click_drops_and_another_keeps(session, review):
    session.desktop.click(middle(REDS[0]))
    assert state_at(review, REDS[0]) == "dropped"
    assert review.counts.kept == len(REDS) - 1
    label = session.panel.text_side.review_panel.counts_label
    assert label.text() == f"{len(REDS) - 1} kept · 1 dropped"
    assert "dropped" in session.panel.text_side.review_panel.current_label.text()
    session.desktop.click(middle(REDS[0]))
    assert state_at(review, REDS[0]) == "kept"
    assert label.text() == f"{len(REDS)} kept"


def test_a_click_on_nothing_changes_nothing(session, review):
    session.desktop.click(scenes.place(5, 250))
    assert review.counts.kept == len(REDS)
    assert review.current == ()


def test_a_right_click_only_chooses(session, review):
    session.desktop.click(middle(REDS[2]), RIGHT)
    assert review.current == (id_of(review, REDS[2]),)
    assert state_at(review, REDS[2]) == "kept"
    assert "is red" in session.panel.text_side.review_panel.current_label.text()
    assert session.panel.text_side.overlay.band.numberOfVertices() > 3


@pytest.mark.parametrize("rotation", [0, 30])
def test_a_box_chooses_and_keys_drop_and_keep(session, review, rotation):
    canvas = session.desktop.canvas
    canvas.setRotation(rotation)
    settle()
    start, end = (session.desktop.pixel(middle(one)) for one in (REDS[0], REDS[1]))
    session.desktop.drag([middle(REDS[0]), middle(REDS[1])])
    assert start != end
    assert set(review.current) == {id_of(review, REDS[0]), id_of(review, REDS[1])}
    session.desktop.key(Qt.Key.Key_Delete)
    assert [state_at(review, one) for one in REDS] == ["dropped", "dropped", "kept", "kept", "kept"]
    session.desktop.key(Qt.Key.Key_K)
    assert review.counts.kept == len(REDS)
    canvas.setRotation(0)


def test_tab_goes_from_the_least_sure_on(session):
    review = find(session, "red, blue")
    session.desktop.key(Qt.Key.Key_Tab)
    first = review.current
    assert review.store.entries[first[0]].class_name == "blue"
    session.desktop.key(Qt.Key.Key_Tab)
    assert review.current != first
    session.desktop.key(Qt.Key.Key_Backtab, SHIFT)
    assert review.current == first
    assert review.counts.kept == len(REDS) + len(BLUES)


def test_the_keys_are_qgiss_again_when_the_tool_is_down(session, review):
    session.desktop.key(Qt.Key.Key_Escape)
    assert not session.panel.text_side.reviewing
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    presses = dict(session.desktop.own_keys)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert session.desktop.own_keys["Ctrl+Z"] == presses["Ctrl+Z"] + 1


def test_rows_chosen_in_the_attribute_table_are_the_current_ones(session, review):
    wanted = [id_of(review, REDS[1]), id_of(review, REDS[3])]
    review.layer.selectByIds(wanted)
    assert set(review.current) == set(wanted)
    session.panel.text_side.review_panel.buttons["drop"].click()
    assert state_at(review, REDS[1]) == state_at(review, REDS[3]) == "dropped"
    review.layer.removeSelection()


def test_it_works_in_another_crs_on_the_map(session, review, tmp_path):
    canvas = session.desktop.canvas
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    canvas.setExtent(canvas.mapSettings().layerExtentToOutputExtent(review.layer, review.layer.extent()))
    settle()
    centre = QgsGeometry.fromWkt(thing_wkt(REDS[2])).centroid()
    from qgis.core import QgsCoordinateTransform

    centre.transform(QgsCoordinateTransform(UTM, QgsCoordinateReferenceSystem("EPSG:3857"), QgsProject.instance()))
    session.desktop.click((centre.asPoint().x(), centre.asPoint().y()))
    assert state_at(review, REDS[2]) == "dropped"


def test_kept_is_filled_dropped_is_not(session, review):
    image = drawn(session)
    filled = colour_at(session, image, REDS[2])
    empty = colour_at(session, image, (5, 245, 7, 247))
    assert filled != empty
    review.mark((id_of(review, REDS[2]),), "dropped")
    assert colour_at(session, drawn(session), REDS[2]) == empty
    assert colour_at(session, drawn(session), REDS[4]) == filled


def test_classes_have_their_colours_in_the_legend(session):
    review = find(session, "red, blue")
    rules = review.layer.renderer().rootRule().children()
    assert [rule.label() for rule in rules] == ["blue", "red", "dropped"]
    assert rules[1].symbol().color().hue() == pytest.approx(hue_of("red"), abs=1)
    assert rules[0].symbol().color().alpha() < 255


# The slider.


def test_the_slider_filters_at_once_and_back(session):
    review = find(session, "red, blue")
    panel, asked = session.panel.text_side.review_panel, session.interaction.client._last_id
    before = drawn(session)
    panel.slider.setValue(70)
    assert review.counts.kept == len(REDS)
    assert review.counts.unsure == len(BLUES)
    assert panel.least_label.text() == "at least 70 % sure"
    assert panel.accept_button.text() == f"Accept {len(REDS)} kept"
    assert colour_at(session, drawn(session), BLUES[1]) != colour_at(session, before, BLUES[1])
    assert id_of(review, BLUES[1]) is None
    panel.slider.setValue(0)
    assert review.counts.kept == len(REDS) + len(BLUES)
    assert session.interaction.client._last_id == asked, "nothing was asked"


def test_what_the_slider_hides_is_not_accepted(session):
    review = find(session, "red, blue")
    session.panel.text_side.review_panel.slider.setValue(70)
    session.panel.text_side.review_panel.accept_button.click()
    assert areas(session.interaction.target.getFeatures()) == of(REDS)
    assert review.counts.accepted == len(REDS)
    assert review.counts.unsure == len(BLUES)


# Steps back.


def test_ctrl_z_takes_back_step_by_step(session, review):
    session.desktop.click(middle(REDS[0]))
    session.desktop.click(middle(REDS[1]))
    presses = dict(session.desktop.own_keys)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert [state_at(review, one) for one in REDS[:2]] == ["dropped", "kept"]
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert state_at(review, REDS[0]) == "kept"
    assert session.desktop.own_keys == presses, "the keys were the tool's"


def test_a_new_search_takes_the_place_and_undo_brings_back(session, review):
    session.desktop.click(middle(REDS[0]))
    find(session, "blue things")
    assert areas(review.layer.getFeatures()) == of(BLUES)
    session.panel.text_side.review_panel.undo_button.click()
    assert areas(review.layer.getFeatures()) == of(REDS)
    assert review.counts.dropped == 1


def test_a_new_search_adds_where_wanted(session, review):
    session.panel.text_side.refer_panel.adds_button.click()
    assert session.panel.text_side.ask_panel.adds_button.isChecked()
    find(session, "blue things")
    assert areas(review.layer.getFeatures()) == sorted(of(REDS) + of(BLUES))
    numbers = [feature["object"] for feature in review.layer.getFeatures()]
    assert sorted(numbers) == list(range(1, len(REDS) + len(BLUES) + 1))


def test_a_failed_search_takes_nothing_away(session, review):
    find(session, "a contradiction")
    assert areas(review.layer.getFeatures()) == of(REDS)


def test_clear_can_be_taken_back(session, review):
    session.panel.text_side.review_panel.clear_button.click()
    assert review.layer.featureCount() == 0
    session.panel.text_side.review_panel.undo_button.click()
    assert areas(review.layer.getFeatures()) == of(REDS)


# Accept.


def test_accept_writes_the_kept_as_one_edit_command(session, review):
    session.desktop.click(middle(REDS[0]))
    session.desktop.key(Qt.Key.Key_Return)
    target = session.interaction.target
    assert areas(target.getFeatures()) == of(REDS[1:])
    assert target.undoStack().count() == 1
    assert target.undoStack().undoText() == result.command_name(result.ADD_FOUND)
    rows = {feature["object"]: feature for feature in target.getFeatures()}
    assert sorted(rows) == [1, 2, 3, 4]
    one = rows[1]
    assert (one["class"], one["prompt"], one["task"], one["why"]) == ("red", "red things", "referring", "is red")
    assert one["model"] == "default-2d"
    assert one["score"] == pytest.approx(0.9)
    assert one["source"] == "things.tif"
    assert one["area_m2"] == pytest.approx(one.geometry().area())
    assert review.counts.accepted == 4
    assert review.counts.dropped == 1
    assert review.kept() == []
    assert "4 added to" in session.panel.status_line.text.text()


def test_accept_into_a_layer_of_ones_own_in_another_crs(session, review):
    target = new_memory_layer("mine", QgsCoordinateReferenceSystem("EPSG:4326"), QgsProject.instance())
    session.interaction.set_target(target)
    session.panel.text_side.review_panel.accept_button.click()
    assert target.featureCount() == len(REDS)
    assert sorted(round(f["area_m2"]) for f in target.getFeatures()) == [round(a) for a in of(REDS)]
    assert target.extent().xMaximum() < 181


@pytest.mark.parametrize("by", ["the review", "the target"])
def test_undo_brings_accepted_objects_back_under_review(session, review, by):
    session.panel.text_side.review_panel.accept_button.click()
    target = session.interaction.target
    if by == "the review":
        session.panel.text_side.review_panel.undo_button.click()
    else:
        target.undoStack().undo()
    assert target.featureCount() == 0
    assert review.counts.kept == len(REDS)
    assert review.counts.accepted == 0
    target.undoStack().redo()
    assert target.featureCount() == len(REDS)
    assert review.counts.accepted == len(REDS)
    target.undoStack().undo()
    assert review.counts.kept == len(REDS)


def test_undo_leaves_edits_by_hand_alone(session, review):
    panel = session.panel.text_side.review_panel
    panel.accept_button.click()
    target = session.interaction.target
    target.deleteFeature(next(iter(target.getFeatures())).id())
    panel.undo_button.click()
    assert "was edited since" in session.desktop.said()
    assert target.featureCount() == len(REDS) - 1
    assert review.counts.accepted == len(REDS)


def test_discarded_edits_bring_the_objects_back(session, review):
    session.panel.text_side.review_panel.accept_button.click()
    target = session.interaction.target
    target.rollBack()
    assert target.featureCount() == 0
    assert review.counts.kept == len(REDS)


def test_a_removed_target_with_unsaved_edits_brings_the_objects_back(session, review):
    session.panel.text_side.review_panel.accept_button.click()
    QgsProject.instance().removeMapLayer(session.interaction.target.id())
    settle()
    assert review.counts.kept == len(REDS)


def test_saved_objects_leave_the_review(session, review, tmp_path):
    target = new_geopackage_table(tmp_path / "city.gpkg", "reds", UTM, QgsProject.instance())
    session.interaction.set_target(target)
    session.desktop.click(middle(REDS[0]))
    session.panel.text_side.review_panel.accept_button.click()
    result.save_edits(target)
    assert target.featureCount() == len(REDS) - 1
    assert areas(review.layer.getFeatures()) == of(REDS[:1])
    target.rollBack()


def test_the_review_is_no_target_of_its_own(session, review):
    session.interaction.set_target(review.layer)
    session.panel.text_side.review_panel.accept_button.click()
    assert "cannot be its own target" in session.desktop.said()
    assert review.counts.kept == len(REDS)


def test_ctrl_z_under_interact_takes_the_accept_back_too(session, review):
    session.panel.text_side.review_panel.accept_button.click()
    session.panel.tabs.buttons["interact"].click()
    session.panel.prompt_step.undo_button.click()
    assert session.interaction.target.featureCount() == 0
    assert review.counts.kept == len(REDS)


# Refine.


def refine(session, review, rectangle):
    session.desktop.click(middle(rectangle), RIGHT)
    session.desktop.key(Qt.Key.Key_R)
    wait_until(lambda: not session.interaction.busy)
    settle()


def test_refine_starts_from_the_outline_and_its_words(session, review):
    refine(session, review, REDS[0])
    assert session.panel.tabs.current == "interact"
    assert session.panel.prompting
    (prompt,) = session.interaction.session.prompts
    assert (prompt.kind, prompt.label, prompt.text) == ("mask", 1, "red")
    assert prompt.to_wire()["text"] == "red"
    assert len(prompt.xy) == 4


def test_a_refined_outline_goes_back_into_the_review(session, review):
    fid = id_of(review, REDS[0])
    refine(session, review, REDS[0])
    session.desktop.click(middle(REDS[1]))
    wait_until(lambda: not session.interaction.busy and session.interaction.preview is not None)
    session.desktop.key(Qt.Key.Key_Return)
    assert session.panel.tabs.current == "refer"
    assert session.panel.text_side.reviewing
    (feature,) = review.store.features((fid,))
    assert feature.geometry().area() == pytest.approx(sum(of(REDS[:2])))
    assert feature["area_m2"] == pytest.approx(sum(of(REDS[:2])))
    assert feature["score"] == pytest.approx(0.95)
    assert feature["class"] == "red"
    assert session.interaction.target is None, "nothing was written into a target"
    assert session.interaction.session.is_empty
    session.panel.text_side.review_panel.undo_button.click()
    (feature,) = review.store.features((fid,))
    assert feature.geometry().area() == pytest.approx(of(REDS[:1])[0])


def test_esc_leaves_the_object_as_it_was(session, review):
    refine(session, review, REDS[0])
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.panel.tabs.current == "refer"
    assert areas(review.layer.getFeatures()) == of(REDS)
    assert not session.interaction.can_undo
    assert session.interaction.hand_over is None


def test_the_next_object_under_interact_is_an_ordinary_one_again(session, review):
    refine(session, review, REDS[0])
    session.desktop.key(Qt.Key.Key_Return)
    session.panel.set_prompting(True)
    session.desktop.click(middle(BLUES[0]))
    wait_until(lambda: not session.interaction.busy)
    session.desktop.key(Qt.Key.Key_Return)
    assert areas(session.interaction.target.getFeatures()) == of(BLUES[:1])
    assert areas(review.layer.getFeatures()) == of(REDS)


def test_an_open_object_is_not_thrown_away(session, review):
    session.panel.set_prompting(True)
    session.desktop.click(middle(BLUES[0]))
    wait_until(lambda: not session.interaction.busy)
    session.panel.tabs.buttons["refer"].click()
    review.set_current((id_of(review, REDS[0]),))
    session.panel.text_side.review_panel.buttons["refine"].click()
    assert "An object is open" in session.desktop.said()
    assert len(session.interaction.session.prompts) == 1
    assert session.panel.tabs.current == "refer"
    session.interaction.clear()
    session.interaction.session.next_object()


# Nothing is lost.


def test_the_user_may_edit_the_layer_by_hand(session, review):
    layer = review.layer
    layer.startEditing()
    layer.deleteFeature(id_of(review, REDS[0]))
    review.mark((id_of(review, REDS[1]),), "dropped")
    layer.commitChanges()
    assert review.counts.kept == len(REDS) - 2
    assert areas(review.kept()) == of(REDS[2:])


def test_a_removed_review_layer_is_an_empty_review(session, review):
    session.desktop.click(middle(REDS[0]))
    QgsProject.instance().removeMapLayer(review.layer.id())
    settle()
    assert review.layer is None
    assert review.counts.open == 0
    assert review.current == ()
    assert not session.panel.text_side.review_panel.accept_button.isEnabled()
    find(session, "blue things")
    assert areas(review.layer.getFeatures()) == of(BLUES)


def test_another_image_in_another_crs_leaves_the_earlier_review_in_the_project(session, review, tmp_path):
    earlier = review.layer
    other = QgsCoordinateReferenceSystem("EPSG:32633")
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "east.tif", things(), crs="EPSG:32633")), "east")
    session.desktop.show(layer)
    session.panel.layer_step.layer_combo.setLayer(layer)
    find(session, "blue things")
    assert review.layer.crs() == other
    assert areas(review.layer.getFeatures()) == of(BLUES)
    assert areas(earlier.getFeatures()) == of(REDS)
    assert earlier.name() == "CitySeg review, earlier"
    QgsProject.instance().removeMapLayer(earlier.id())
    assert review.layer is not None


def test_a_closed_dock_puts_the_tool_down_and_keeps_the_review(session, review):
    session.plugin.dock.close()
    settle()
    assert not session.panel.text_side.reviewing
    assert review.counts.kept == len(REDS)
    session.plugin.dock.show()
    settle()


# The store by itself.


def test_many_objects_are_counted_and_filtered(qgis_new_project, qgis_app):
    review = Review(QgsProject.instance())
    square = QgsGeometry.fromWkt("POLYGON((0 0,1 0,1 1,0 1,0 0))")
    found = []
    for number in range(3000):
        shape = QgsGeometry(square)
        shape.translate(2 * (number % 60), 2 * (number // 60))
        found.append(Found(shape, {"object": number + 1, "class": f"kind {number % 20}", "score": number / 3000}))
    review.begin_run(UTM, adds=False)
    review.put(found[:1000])
    review.finish(found)
    review.set_least_score(0.5)
    assert (review.counts.kept, review.counts.unsure) == (1500, 1500)
    assert len(review.layer.renderer().rootRule().children()) == 2, "twenty classes share one rule"
    target = new_memory_layer("t", UTM, QgsProject.instance())
    from cityseg_qgis.core.review_accept import accept_kept

    assert accept_kept(review, target, QgsProject.instance()).added == 1500
    review.close()


def test_missing_values_are_no_fault(qgis_new_project, qgis_app):
    review = Review(QgsProject.instance())
    review.begin_run(UTM, adds=False)
    review.finish([Found(QgsGeometry.fromWkt(thing_wkt(REDS[0])))])
    (fid,) = review.open_ids()
    assert review.state_of(fid) == "kept"
    (feature,) = review.kept()
    assert feature["class"] == NULL
    review.close()


def test_a_double_click_is_two_clicks(session, review):
    view, pixel = session.desktop.canvas.viewport(), session.desktop.pixel(middle(REDS[0]))
    session.desktop.click(middle(REDS[0]))
    assert state_at(review, REDS[0]) == "dropped"
    session.desktop.click(middle(REDS[0]))
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, pixel)
    assert state_at(review, REDS[0]) == "kept"
