"""The review on the map: keep and drop by mouse and keys, the filter, steps back."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsProject,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from cityseg_qgis.core.review_layer import hue_of
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, thing_wkt
from tests.workers.desktop import CTRL, RIGHT, SHIFT, settle, wait_until
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


def drawn(session):
    """The map as it is drawn now."""
    canvas = session.desktop.canvas
    canvas.setLayers([session.side.review.layer])
    canvas.refresh()
    canvas.waitWhileRendering()
    wait_until(lambda: not canvas.isDrawing())
    return canvas.grab().toImage()


def colour_at(session, image, rectangle):
    pixel = session.desktop.pixel(middle(rectangle))
    return image.pixelColor(pixel)


def test_the_tool_is_at_hand_as_soon_as_something_is_found(session, review):
    assert session.side.reviewing
    assert session.side.review_panel.review_button.isChecked()


def test_a_click_drops_and_another_keeps(session, review):
    session.desktop.click(middle(REDS[0]))
    assert session.state_at(REDS[0]) == "dropped"
    assert review.counts.kept == len(REDS) - 1
    label = session.side.review_panel.counts_label
    assert label.text() == f"{len(REDS) - 1} kept · 1 dropped"
    assert "dropped" in session.side.review_panel.current_label.text()
    session.desktop.click(middle(REDS[0]))
    assert session.state_at(REDS[0]) == "kept"
    assert label.text() == f"{len(REDS)} kept"


def test_a_click_on_nothing_changes_nothing(session, review):
    session.desktop.click(scenes.place(5, 250))
    assert review.counts.kept == len(REDS)
    assert review.current == ()


def test_a_right_click_only_chooses(session, review):
    session.desktop.click(middle(REDS[2]), RIGHT)
    assert review.current == (session.id_of(REDS[2]),)
    assert session.state_at(REDS[2]) == "kept"
    assert session.side.review_panel.current_label.text() == "red · 90 % sure · 600.0 m² · kept"
    assert session.side.review_panel.current_label.toolTip() == "is red"
    assert session.side.overlay.band.numberOfVertices() > 3


@pytest.mark.parametrize("rotation", [0, 30])
def test_a_box_chooses_and_keys_drop_and_keep(session, review, rotation):
    canvas = session.desktop.canvas
    canvas.setRotation(rotation)
    settle()
    start, end = (session.desktop.pixel(middle(one)) for one in (REDS[0], REDS[1]))
    session.desktop.drag([middle(REDS[0]), middle(REDS[1])])
    assert start != end
    assert set(review.current) == {session.id_of(REDS[0]), session.id_of(REDS[1])}
    session.desktop.key(Qt.Key.Key_Delete)
    assert [session.state_at(one) for one in REDS] == ["dropped", "dropped", "kept", "kept", "kept"]
    session.desktop.key(Qt.Key.Key_K)
    assert review.counts.kept == len(REDS)
    canvas.setRotation(0)


def test_tab_goes_from_the_least_sure_on(session):
    session.ask("red, blue")
    review = session.review
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
    assert not session.side.reviewing
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    presses = dict(session.desktop.own_keys)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert session.desktop.own_keys["Ctrl+Z"] == presses["Ctrl+Z"] + 1


def test_rows_chosen_in_the_attribute_table_are_the_current_ones(session, review):
    wanted = [session.id_of(REDS[1]), session.id_of(REDS[3])]
    review.layer.selectByIds(wanted)
    assert set(review.current) == set(wanted)
    session.side.review_panel.buttons["drop"].click()
    assert session.state_at(REDS[1]) == session.state_at(REDS[3]) == "dropped"
    review.layer.removeSelection()


def test_it_works_in_another_crs_on_the_map(session, review, tmp_path):
    canvas = session.desktop.canvas
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    canvas.setExtent(canvas.mapSettings().layerExtentToOutputExtent(review.layer, review.layer.extent()))
    settle()
    centre = QgsGeometry.fromWkt(thing_wkt(REDS[2])).centroid()

    centre.transform(QgsCoordinateTransform(QgsCoordinateReferenceSystem(scenes.UTM), QgsCoordinateReferenceSystem("EPSG:3857"), QgsProject.instance()))
    session.desktop.click((centre.asPoint().x(), centre.asPoint().y()))
    assert session.state_at(REDS[2]) == "dropped"


def test_kept_is_filled_dropped_is_not(session, review):
    image = drawn(session)
    filled = colour_at(session, image, REDS[2])
    empty = colour_at(session, image, (5, 245, 7, 247))
    assert filled != empty
    review.mark((session.id_of(REDS[2]),), "dropped")
    assert colour_at(session, drawn(session), REDS[2]) == empty
    assert colour_at(session, drawn(session), REDS[4]) == filled


def test_classes_have_their_colours_in_the_legend(session):
    session.ask("red, blue")
    review = session.review
    rules = review.layer.renderer().rootRule().children()
    assert [rule.label() for rule in rules] == ["blue", "red", "dropped"]
    assert rules[1].symbol().color().hue() == pytest.approx(hue_of("red"), abs=1)
    assert rules[0].symbol().color().alpha() < 255


def test_the_slider_filters_at_once_and_back(session):
    session.ask("red, blue")
    review = session.review
    panel, asked = session.side.review_panel, session.interaction.client._last_id
    before = drawn(session)
    panel.slider.setValue(70)
    assert review.counts.kept == len(REDS)
    assert review.counts.unsure == len(BLUES)
    assert panel.least_label.text() == "at least 70 % sure"
    assert panel.accept_button.text() == f"Accept {len(REDS)} kept"
    assert colour_at(session, drawn(session), BLUES[1]) != colour_at(session, before, BLUES[1])
    assert session.id_of(BLUES[1]) is None
    panel.slider.setValue(0)
    assert review.counts.kept == len(REDS) + len(BLUES)
    assert session.interaction.client._last_id == asked, "nothing was asked"


def test_what_the_slider_hides_is_not_accepted(session):
    session.ask("red, blue")
    review = session.review
    session.side.review_panel.slider.setValue(70)
    session.side.review_panel.accept_button.click()
    assert areas(session.interaction.target) == sizes(REDS)
    assert review.counts.accepted == len(REDS)
    assert review.counts.unsure == len(BLUES)


def test_ctrl_z_takes_back_step_by_step(session, review):
    session.desktop.click(middle(REDS[0]))
    session.desktop.click(middle(REDS[1]))
    presses = dict(session.desktop.own_keys)
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert [session.state_at(one) for one in REDS[:2]] == ["dropped", "kept"]
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert session.state_at(REDS[0]) == "kept"
    assert session.desktop.own_keys == presses, "the keys were the tool's"


def test_a_new_search_takes_the_place_and_undo_brings_back(session, review):
    session.desktop.click(middle(REDS[0]))
    session.ask("blue things")
    assert areas(review.layer) == sizes(BLUES)
    session.side.review_panel.undo_button.click()
    assert areas(review.layer) == sizes(REDS)
    assert review.counts.dropped == 1


def test_a_new_search_adds_where_wanted(session, review):
    session.side.refer_panel.adds_button.click()
    assert session.side.ask_panel.adds_button.isChecked()
    session.ask("blue things")
    assert areas(review.layer) == sorted(sizes(REDS) + sizes(BLUES))
    numbers = [feature["object"] for feature in review.layer.getFeatures()]
    assert sorted(numbers) == list(range(1, len(REDS) + len(BLUES) + 1))


def test_a_failed_search_takes_nothing_away(session, review):
    session.ask("a contradiction")
    assert areas(review.layer) == sizes(REDS)


def test_clear_can_be_taken_back(session, review):
    session.side.review_panel.clear_button.click()
    assert review.layer.featureCount() == 0
    session.side.review_panel.undo_button.click()
    assert areas(review.layer) == sizes(REDS)


def test_a_double_click_is_two_clicks(session, review):
    view, pixel = session.desktop.canvas.viewport(), session.desktop.pixel(middle(REDS[0]))
    session.desktop.click(middle(REDS[0]))
    assert session.state_at(REDS[0]) == "dropped"
    session.desktop.click(middle(REDS[0]))
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, pixel)
    assert session.state_at(REDS[0]) == "kept"
