"""Chips, unknown words, history, examples and tabs of the Refer and Ask panels."""

from __future__ import annotations

import pytest
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMenu

from cityseg_qgis import settings
from tests.data.text_scene import BLUES, REDS
from tests.workers.desktop import wait_until
from tests.workers.text_session import (
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


def lines(menu: QMenu):
    return [action.text() for action in menu.actions() if action.isEnabled() and not action.isSeparator()]


def test_unknown_words_offer_what_is_known(session, scene):
    panel = session.ask("red gazebo")
    label = panel.understood.unknown_label
    assert "gazebo" in label.text()
    link = label.text().partition('href="')[2].partition('"')[0]
    label.linkActivated.emit(link)
    assert panel.entry.words == "red red"


def test_a_changed_number_runs_again_with_the_program(session, scene):
    panel = session.ask("red things larger than 10 m")
    (number,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "m2"]
    assert number.box.text() == "larger than 10 m²"
    assert panel.understood.again_button.isHidden() or not panel.understood._again.isVisible()
    number.box.setValue(120)
    assert panel.understood.chips.changes == {"m2": 120}
    QTest.mouseClick(panel.understood.again_button, Qt.MouseButton.LeftButton)
    session.wait()
    assert session.asked["changes"] == {"m2": 120}
    assert session.found() == [one for one in named(REDS, "red") if one[1] > 120]
    assert panel.understood.chips.changes == {}


def test_a_class_is_chosen_from_a_list(session, scene):
    panel = session.ask("red things")
    (choice,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "class"]
    assert choice.box.currentText() == "reds"
    choice.box.setCurrentIndex(choice.box.findText("blue"))
    panel.understood.again_button.click()
    session.wait()
    assert session.found() == named(BLUES, "blue")


def test_a_part_is_left_out_and_taken_in_again(session, scene):
    panel = session.ask("red things larger than 120 m")
    (number,) = [chip for chip in panel.understood.chips.chips if chip.chip.id == "m2"]
    number.remove_button.click()
    assert panel.understood.chips.changes == {"m2": None}
    panel.understood.reset_button.click()
    assert panel.understood.chips.changes == {}
    number.remove_button.click()
    panel.understood.again_button.click()
    session.wait()
    assert session.found() == named(REDS, "red")


def test_history_keeps_the_last_thirty_and_can_be_cleared(session, scene):
    for number in range(settings.MAX_HISTORY + 5):
        settings.remember(settings.REFER_HISTORY, f"old {number}")
    panel = session.ask("red things")
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
    panel = session.open_tab()
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
    session.open_tab()
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
    panel = session.open_tab()
    assert not panel.run_button.isEnabled()
    panel.entry.set_words("red things")
    assert not panel.run_button.isEnabled()
    assert "Add an image" in panel.run_button.toolTip()


def test_opening_a_text_tab_puts_the_prompt_tool_down_and_back(session, scene):
    session.panel.set_prompting(True)
    session.open_tab()
    assert not session.panel.prompting
    assert session.panel.prompt_step.isHidden()
    session.panel.set_prompting(True)
    assert session.panel.tabs.current == "interact"
    assert not session.panel.prompt_step.isHidden()
    assert session.side.review_panel.isHidden()
