"""The Refer and Ask panels: words in, objects under review out, over the real wire."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsGeometry,
    QgsProject,
)

from cityseg_qgis import settings
from cityseg_qgis.core.text_request import class_list
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, thing_wkt
from tests.workers.desktop import wait_until
from tests.workers.text_session import (
    COMMAND,
    TextSession,
    named,
    sessions,
    show_scene,
)


@pytest.fixture
def session(qgis_app, monkeypatch, tmp_path):
    yield from sessions(tmp_path, monkeypatch)


@pytest.fixture
def scene(session, tmp_path):
    return show_scene(session, tmp_path)


def gated(monkeypatch, tmp_path, tiles):
    gate = tmp_path / "gate"
    gate.write_text(str(tiles))
    monkeypatch.setenv("TEXT_GATE", str(gate))
    return gate


def test_words_become_objects_in_a_review_layer(session, scene):
    panel = session.ask("red things")
    review = session.review
    assert session.found() == named(REDS, "red")
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
    session.ask("red things")
    shapes = [f.geometry() for f in session.review.layer.getFeatures()]
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
    session.ask("red, blue")
    assert session.asked["classes"] == ["red", "blue"]
    assert "text" not in session.asked
    assert session.found() == sorted(named(REDS, "red") + named(BLUES, "blue"))


def test_find_the_one(session, scene):
    panel = session.open_tab()
    panel.find_combo.setCurrentIndex(panel.find_combo.findData("one"))
    panel.find_combo.activated.emit(panel.find_combo.currentIndex())
    session.ask("red things")
    assert session.asked["find"] == "one"
    assert len(session.found()) == 1
    assert settings.TEXT_FIND.value() == "one"


def test_a_question_is_answered_with_a_reason(session, scene):
    panel = session.ask("where are red things?", "ask")
    assert session.asked["ask"] == "where are red things?"
    assert session.found() == named(REDS, "red")
    assert panel.understood.concepts_label.text() == "Understood as: red, 0.81, where people live"
    assert next(iter(session.review.layer.getFeatures()))["task"] == "reasoning"


def test_the_networks_answer_says_so(session, scene):
    panel = session.ask("something red")
    assert panel.understood.path_pill.text() == "by the network"
    assert panel.understood.chips.isHidden()


def test_nothing_found_is_an_answer(session, scene):
    panel = session.ask("green things")
    assert panel.understood.answer_label.text() == "There is nothing of that here."
    assert not panel.note.isVisible()
    assert session.review.layer is None


def test_objects_appear_while_tiles_come(session, scene, monkeypatch, tmp_path):
    gate = gated(monkeypatch, tmp_path, 2)
    panel = session.open_tab()
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.review
    wait_until(lambda: review.counts.kept)
    wait_until(lambda: panel.progress.value() == 500)
    some = review.counts.kept
    assert 0 < some < len(REDS)
    assert not panel.stop_button.isHidden()
    assert panel.run_button.isHidden()
    gate.write_text("4")
    session.wait()
    assert session.found() == named(REDS, "red")
    assert panel.stop_button.isHidden()
    assert not panel.run_button.isHidden()


def test_what_is_dropped_on_the_way_stays_dropped(session, scene, monkeypatch, tmp_path):
    gate = gated(monkeypatch, tmp_path, 2)
    panel = session.open_tab()
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.review
    wait_until(lambda: panel.progress.value() == 500)
    review.toggle(review.open_ids()[0])
    gate.write_text("4")
    session.wait()
    assert review.counts.kept == len(REDS) - 1
    assert review.counts.dropped == 1


def test_stop_is_at_once_and_keeps_what_is_done(session, scene, monkeypatch, tmp_path):
    gated(monkeypatch, tmp_path, 2)
    panel = session.open_tab()
    panel.entry.set_words("red things")
    panel.run_button.click()
    review = session.review
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
    monkeypatch.setenv("CITYSEG_COMMAND", COMMAND)
    monkeypatch.setenv("TEXT_DIE", str(tmp_path / "died"))
    session = TextSession(tmp_path / "asked.json")
    show_scene(session, tmp_path)
    panel = session.ask("red things")
    assert (tmp_path / "died").exists()
    assert session.found() == named(REDS, "red")
    assert panel.note.isHidden()
    session.close()


def test_bad_input_is_one_sentence_in_the_card_and_loses_nothing(session, scene):
    session.ask("red things")
    panel = session.ask("a contradiction")
    assert panel.note.text.text() == "Nothing can be both; take one of the two away."
    assert not panel.note.details_button.isHidden()
    assert session.desktop.said() == ""
    assert panel.entry.words == "a contradiction"
    assert session.found() == named(REDS, "red")
    session.ask("blue things")
    assert panel.note.isHidden()


def test_no_backend_is_one_sentence_and_a_banner(qgis_app, monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_COMMAND", str(tmp_path / "no-such-program"))
    session = TextSession(tmp_path / "asked.json")
    show_scene(session, tmp_path)
    panel = session.ask("red things")
    assert not panel.note.isHidden()
    assert not session.panel.banner.isHidden()
    session.close()
