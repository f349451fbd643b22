"""Accepting what is kept as one edit command, refining one object, and losing nothing on the way."""

from __future__ import annotations

import pytest
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
)
from qgis.PyQt.QtCore import Qt

from cityseg_qgis.core import result
from cityseg_qgis.core.review import Review
from cityseg_qgis.core.review_accept import accept_kept
from cityseg_qgis.core.target import new_geopackage_table, new_memory_layer
from cityseg_qgis.core.text_answer import Found
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, thing_wkt, things
from tests.workers.desktop import RIGHT, settle, wait_until
from tests.workers.text_session import (
    areas,
    forget_layers,
    middle,
    sessions,
    show_scene,
    sizes,
)


@pytest.fixture(scope="module")
def loaded(qgis_app, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield from sessions(tmp_path_factory.mktemp("log"), patch)


@pytest.fixture
def session(loaded, tmp_path):
    """The scene on the map, nothing found, the Refer tab open."""
    show_scene(loaded, tmp_path)
    loaded.open_tab()
    yield loaded
    forget_layers(loaded)


@pytest.fixture
def review(session):
    """The red things are found."""
    session.ask("red things")
    return session.review


UTM = QgsCoordinateReferenceSystem(scenes.UTM)


def refine(session, review, rectangle):
    session.desktop.click(middle(rectangle), RIGHT)
    session.desktop.key(Qt.Key.Key_R)
    wait_until(lambda: not session.interaction.busy)
    settle()


def test_accept_writes_the_kept_as_one_edit_command(session, review):
    session.desktop.click(middle(REDS[0]))
    session.desktop.key(Qt.Key.Key_Return)
    target = session.interaction.target
    assert areas(target) == sizes(REDS[1:])
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
    session.side.review_panel.accept_button.click()
    assert target.featureCount() == len(REDS)
    assert sorted(round(f["area_m2"]) for f in target.getFeatures()) == [round(a) for a in sizes(REDS)]
    assert target.extent().xMaximum() < 181


@pytest.mark.parametrize("by", ["the review", "the target"])
def test_undo_brings_accepted_objects_back_under_review(session, review, by):
    session.side.review_panel.accept_button.click()
    target = session.interaction.target
    if by == "the review":
        session.side.review_panel.undo_button.click()
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
    panel = session.side.review_panel
    panel.accept_button.click()
    target = session.interaction.target
    target.deleteFeature(next(iter(target.getFeatures())).id())
    panel.undo_button.click()
    assert "was edited since" in session.desktop.said()
    assert target.featureCount() == len(REDS) - 1
    assert review.counts.accepted == len(REDS)


def test_discarded_edits_bring_the_objects_back(session, review):
    session.side.review_panel.accept_button.click()
    target = session.interaction.target
    target.rollBack()
    assert target.featureCount() == 0
    assert review.counts.kept == len(REDS)


def test_a_removed_target_with_unsaved_edits_brings_the_objects_back(session, review):
    session.side.review_panel.accept_button.click()
    QgsProject.instance().removeMapLayer(session.interaction.target.id())
    settle()
    assert review.counts.kept == len(REDS)


def test_saved_objects_leave_the_review(session, review, tmp_path):
    target = new_geopackage_table(tmp_path / "city.gpkg", "reds", UTM, QgsProject.instance())
    session.interaction.set_target(target)
    session.desktop.click(middle(REDS[0]))
    session.side.review_panel.accept_button.click()
    result.save_edits(target)
    assert target.featureCount() == len(REDS) - 1
    assert areas(review.layer) == sizes(REDS[:1])
    target.rollBack()


def test_the_review_is_no_target_of_its_own(session, review):
    session.interaction.set_target(review.layer)
    session.side.review_panel.accept_button.click()
    assert "cannot be its own target" in session.desktop.said()
    assert review.counts.kept == len(REDS)


def test_ctrl_z_under_interact_takes_the_accept_back_too(session, review):
    session.side.review_panel.accept_button.click()
    session.panel.tabs.buttons["interact"].click()
    session.panel.prompt_step.undo_button.click()
    assert session.interaction.target.featureCount() == 0
    assert review.counts.kept == len(REDS)


def test_refine_starts_from_the_outline_and_its_words(session, review):
    refine(session, review, REDS[0])
    assert session.panel.tabs.current == "interact"
    assert session.panel.prompting
    (prompt,) = session.interaction.session.prompts
    assert (prompt.kind, prompt.label, prompt.text) == ("mask", 1, "red")
    assert prompt.to_wire()["text"] == "red"
    assert len(prompt.xy) == 4


def test_a_refined_outline_goes_back_into_the_review(session, review):
    fid = session.id_of(REDS[0])
    refine(session, review, REDS[0])
    session.desktop.click(middle(REDS[1]))
    wait_until(lambda: not session.interaction.busy and session.interaction.preview is not None)
    session.desktop.key(Qt.Key.Key_Return)
    assert session.panel.tabs.current == "refer"
    assert session.side.reviewing
    (feature,) = review.store.features((fid,))
    assert feature.geometry().area() == pytest.approx(sum(sizes(REDS[:2])))
    assert feature["area_m2"] == pytest.approx(sum(sizes(REDS[:2])))
    assert feature["score"] == pytest.approx(0.95)
    assert feature["class"] == "red"
    assert session.interaction.target is None, "nothing was written into a target"
    assert session.interaction.session.is_empty
    session.side.review_panel.undo_button.click()
    (feature,) = review.store.features((fid,))
    assert feature.geometry().area() == pytest.approx(sizes(REDS[:1])[0])


def test_esc_leaves_the_object_as_it_was(session, review):
    refine(session, review, REDS[0])
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.panel.tabs.current == "refer"
    assert areas(review.layer) == sizes(REDS)
    assert not session.interaction.can_undo
    assert session.interaction.hand_over is None


def test_the_next_object_under_interact_is_an_ordinary_one_again(session, review):
    refine(session, review, REDS[0])
    session.desktop.key(Qt.Key.Key_Return)
    session.panel.set_prompting(True)
    session.desktop.click(middle(BLUES[0]))
    wait_until(lambda: not session.interaction.busy)
    session.desktop.key(Qt.Key.Key_Return)
    assert areas(session.interaction.target) == sizes(BLUES[:1])
    assert areas(review.layer) == sizes(REDS)


def test_an_open_object_is_not_thrown_away(session, review):
    session.panel.set_prompting(True)
    session.desktop.click(middle(BLUES[0]))
    wait_until(lambda: not session.interaction.busy)
    session.panel.tabs.buttons["refer"].click()
    review.set_current((session.id_of(REDS[0]),))
    session.side.review_panel.buttons["refine"].click()
    assert "An object is open" in session.desktop.said()
    assert len(session.interaction.session.prompts) == 1
    assert session.panel.tabs.current == "refer"
    session.interaction.clear()
    session.interaction.session.next_object()


def test_the_user_may_edit_the_layer_by_hand(session, review):
    layer = review.layer
    layer.startEditing()
    layer.deleteFeature(session.id_of(REDS[0]))
    review.mark((session.id_of(REDS[1]),), "dropped")
    layer.commitChanges()
    assert review.counts.kept == len(REDS) - 2
    assert areas(review.kept()) == sizes(REDS[2:])


def test_a_removed_review_layer_is_an_empty_review(session, review):
    session.desktop.click(middle(REDS[0]))
    QgsProject.instance().removeMapLayer(review.layer.id())
    settle()
    assert review.layer is None
    assert review.counts.open == 0
    assert review.current == ()
    assert not session.side.review_panel.accept_button.isEnabled()
    session.ask("blue things")
    assert areas(review.layer) == sizes(BLUES)


def test_another_image_in_another_crs_leaves_the_earlier_review_in_the_project(session, review, tmp_path):
    earlier = review.layer
    other = QgsCoordinateReferenceSystem("EPSG:32633")
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "east.tif", things(), crs="EPSG:32633")), "east")
    session.desktop.show(layer)
    session.panel.layer_step.layer_combo.setLayer(layer)
    session.ask("blue things")
    assert review.layer.crs() == other
    assert areas(review.layer) == sizes(BLUES)
    assert areas(earlier) == sizes(REDS)
    assert earlier.name() == "CitySeg review, earlier"
    QgsProject.instance().removeMapLayer(earlier.id())
    assert review.layer is not None


def test_a_closed_dock_puts_the_tool_down_and_keeps_the_review(session, review):
    session.plugin.dock.close()
    settle()
    assert not session.side.reviewing
    assert review.counts.kept == len(REDS)
    session.plugin.dock.show()
    settle()


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
