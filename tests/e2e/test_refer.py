"""Words in QGIS, the real process with its parser, tiles and program, and a model whose answers can be reckoned by hand."""

from __future__ import annotations

import numpy as np
import pytest
from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer

from cityseg_qgis.core import result
from cityseg_qgis.core.target import new_geopackage_table
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import BLUES, REDS, things
from tests.e2e.outlines import PYTHON, ROOT, UTM, iou
from tests.workers.desktop import settle, wait_until
from tests.workers.text_session import box_round, forget_layers, middle, sessions, show_scene, sizes

BACKEND = ROOT / "tests" / "workers" / "colour_text_backend.py"


@pytest.fixture(scope="module")
def loaded(qgis_app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLOUR_GATE", str(folder / "gate"))
        (folder / "gate").touch()
        for session in sessions(folder, patch):
            patch.setenv("CITYSEG_COMMAND", f"{PYTHON} -I {BACKEND}")
            session.gate = folder / "gate"
            yield session


@pytest.fixture
def session(loaded, tmp_path):
    """The scene on the map: buildings are red, pools blue."""
    loaded.gate.touch()
    show_scene(loaded, tmp_path)
    loaded.open_tab()
    yield loaded
    loaded.gate.touch()
    loaded.side.run.stop()
    forget_layers(loaded)


def matched(session, rectangles):
    """How well the objects under review are these rectangles, one to one."""
    shapes = [feature.geometry() for feature in session.review.kept()]
    assert len(shapes) == len(rectangles)
    return [max(iou(shape, UTM, rectangle) for shape in shapes) for rectangle in rectangles]


def test_buildings_are_where_they_are_and_go_into_a_file(session, tmp_path):
    panel = session.ask("buildings")
    assert min(matched(session, REDS)) > 0.85
    assert "5 buildings" in panel.understood.answer_label.text()
    assert panel.understood.path_pill.text() == "by rules"
    assert {f["class"] for f in session.review.kept()} == {"building"}
    target = new_geopackage_table(tmp_path / "city.gpkg", "roofs", UTM, QgsProject.instance())
    session.interaction.set_target(target)
    session.desktop.click(middle(REDS[0]))
    session.side.review_panel.accept_button.click()
    result.save_edits(target)
    saved = QgsVectorLayer(f"{tmp_path / 'city.gpkg'}|layername=roofs", "saved", "ogr")
    rows = list(saved.getFeatures())
    assert len(rows) == len(REDS) - 1
    assert {row["prompt"] for row in rows} == {"buildings"}
    assert {row["task"] for row in rows} == {"referring"}
    assert {row["model"] for row in rows} == {"colour-text-test"}
    assert all(row["why"] for row in rows)
    target.rollBack()


def test_a_number_is_changed_and_run_again(session):
    panel = session.ask("buildings larger than 150 m²")
    large = [one for one in REDS if sizes([one])[0] > 150]
    assert min(matched(session, large)) > 0.85
    (number,) = [chip for chip in panel.understood.chips.chips if chip.chip.kind == "number"]
    assert number.box.value() == 150
    number.box.setValue(300)
    panel.understood.again_button.click()
    session.wait()
    largest = [one for one in REDS if sizes([one])[0] > 300]
    assert min(matched(session, largest)) > 0.85
    assert "300 m²" in panel.understood.sentence_label.text()


def test_a_condition_is_left_out(session):
    panel = session.ask("buildings larger than 150 m²")
    chip = next(chip for chip in panel.understood.chips.chips if chip.chip.removable)
    chip.remove_button.click()
    panel.understood.again_button.click()
    session.wait()
    assert len(session.review.kept()) == len(REDS)


def test_the_one_and_the_largest(session):
    session.ask("the largest building")
    assert matched(session, REDS[2:3])[0] > 0.85
    session.ask("buildings north of a pool, near a pool")
    assert session.review.counts.open <= len(REDS)


def test_several_classes(session):
    session.ask("buildings, pools")
    assert sorted(f["class"] for f in session.review.kept()) == ["building"] * len(REDS) + ["pool"] * len(BLUES)


def test_a_question_has_a_reason(session):
    panel = session.ask("Where do people live?", "ask")
    assert min(matched(session, REDS)) > 0.85
    assert "people live" in panel.understood.answer_label.text()
    assert {f["task"] for f in session.review.kept()} == {"reasoning"}


def test_what_is_not_there_is_an_answer(session):
    panel = session.ask("ships")
    assert panel.note.isHidden()
    assert "No ships" in panel.understood.answer_label.text()
    assert session.review.counts.open == 0


@pytest.mark.parametrize("words", ["gazebo", "Zeige mir alle Gebäude neben der Straße", "buildings larger than 200 m² and smaller than 100 m²"])
def test_bad_words_are_one_sentence_in_the_card(session, words):
    panel = session.ask(words)
    assert not panel.note.isHidden()
    assert len(panel.note.text.text()) > 20
    assert "Traceback" not in panel.note.text.text()
    assert session.desktop.said() == ""


def test_only_the_visible_map_and_the_drawn_rectangle(session):
    session.desktop.canvas.setExtent(box_round(REDS[2], 10))
    settle()
    session.ask("buildings")
    assert matched(session, REDS[2:3])[0] > 0.85


def tall_scene(folder):
    """Four times the scene, from north to south: some rows of tiles are free, the others wait for the gate."""
    image = np.tile(things(), (1, 4, 1))
    return QgsRasterLayer(str(scenes.write(folder / "tall.tif", image)), "tall")


def test_stop_keeps_what_came_and_the_process_goes_on(session, tmp_path):
    layer = tall_scene(tmp_path)
    session.desktop.show(layer)
    session.panel.layer_step.layer_combo.setLayer(layer)
    session.interaction.client.restart()
    session.gate.unlink()
    panel = session.side.refer_panel
    panel.entry.set_words("buildings")
    panel.start()
    assert session.side.run.busy, panel.note.text.text()
    wait_until(lambda: session.review.counts.kept > 0)
    some = session.review.counts.kept
    panel.stop_button.click()
    assert not session.side.run.busy
    assert session.review.counts.kept == some < 4 * len(REDS)
    session.gate.touch()
    session.ask("buildings")
    assert len(session.review.kept()) == 4 * len(REDS)
