"""The dialog as its user sees it: real widgets, real clicks, real installations of tiny wheels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtTest import QSignalSpy, QTest

from cityseg_qgis import paths
from cityseg_qgis.gui import install_dialog
from cityseg_qgis.gui.install_dialog import InstallDialog
from cityseg_qgis.settings import BACKEND_PYTHON, GROUP
from cityseg_qgis.worker.installer import places, plan, requirements
from cityseg_qgis.worker.installer.install import Installer
from tests.qgis.install_wheels import ROOT, make_wheel, uv_folder

TIMEOUT_MS = 120_000
MODULE = "cityseg_dialog_module"


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("CITYSEG_BACKEND_PYTHON", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join([uv_folder(), os.environ["PATH"]]))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setattr(requirements, "room_bytes", lambda build, platform=sys.platform: 1_000_000)
    QgsSettings().remove(GROUP)
    yield
    QgsSettings().remove(GROUP)


@pytest.fixture
def dialog(tmp_path, qgis_parent):
    made = InstallDialog(qgis_parent, tmp_path / "home")
    made.show()
    yield made
    made.cancel()
    wait_until(lambda: not made.running)
    made.deleteLater()


@pytest.fixture
def tiny_plan(tmp_path, monkeypatch):
    """The plugin's requirements are one tiny wheel; returns the folder of wheels."""
    folder, lock = tmp_path / "wheels", tmp_path / "backend.txt"
    lock.write_text(make_wheel(folder, MODULE, "1.0", "__version__ = '1.0'\n"), encoding="utf-8")
    uv_lock = ROOT / "requirements" / "uv.txt"
    monkeypatch.setattr(
        paths, "requirements_path", lambda name: lock if name == "backend" else uv_lock
    )
    made = plan.InstallRequest
    monkeypatch.setattr(
        install_dialog.plan,
        "InstallRequest",
        lambda **fields: made(**fields, modules=(MODULE,), base_python="/usr/bin/python3"),
    )
    return folder


def wait_until(condition) -> None:
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: condition() and loop.quit())
    timer.start(20)
    QTimer.singleShot(TIMEOUT_MS, loop.quit)
    if not condition():
        loop.exec()
    assert condition()


def click(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_it_says_where_and_how_much(dialog, tmp_path):
    labels = [label.text() for label in dialog.findChildren(install_dialog.QLabel)]
    assert any(str(tmp_path / "home") in text and "GB" in text for text in labels)
    assert dialog.go_button.isEnabled()
    assert not dialog.cancel_button.isEnabled()


def test_installing_from_a_folder_of_wheels(dialog, tmp_path, tiny_plan):
    ready = QSignalSpy(dialog.backend_ready)
    dialog.wheels_widget.setFilePath(str(tiny_plan))
    click(dialog.go_button)
    assert not dialog.go_button.isEnabled()
    assert dialog.cancel_button.isEnabled()
    wait_until(lambda: not dialog.running)
    assert len(ready) == 1, dialog.log.toPlainText()
    assert "installed" in dialog.message.text()
    assert dialog.progress.value() == dialog.progress.maximum()
    assert places.installed_python(tmp_path / "home").is_file()
    assert MODULE in dialog.log.toPlainText()


def test_installing_anew_lets_go_of_the_chosen_python(dialog, tiny_plan):
    BACKEND_PYTHON.set_value("/some/python")
    dialog.install_choice.setChecked(True)
    dialog.wheels_widget.setFilePath(str(tiny_plan))
    click(dialog.go_button)
    wait_until(lambda: not dialog.running)
    assert BACKEND_PYTHON.value() == ""


def test_cancelling_with_the_button(dialog, tmp_path, tiny_plan):
    ready = QSignalSpy(dialog.backend_ready)
    dialog.wheels_widget.setFilePath(str(tiny_plan))
    click(dialog.go_button)
    click(dialog.cancel_button)
    wait_until(lambda: not dialog.running)
    assert len(ready) == 0
    assert "cancelled" in dialog.message.text()
    assert places.leftovers(tmp_path / "home") == []
    assert dialog.go_button.isEnabled()


def test_closing_while_it_installs_cancels_first(dialog, tmp_path, tiny_plan):
    dialog.wheels_widget.setFilePath(str(tiny_plan))
    click(dialog.go_button)
    dialog.reject()
    assert dialog.isVisible()
    wait_until(lambda: not dialog.running)
    assert not dialog.isVisible()
    assert places.installed_python(tmp_path / "home") is None


def test_a_folder_that_is_not_there_is_said(dialog, tmp_path):
    dialog.wheels_widget.setFilePath(str(tmp_path / "nowhere"))
    click(dialog.go_button)
    assert "nowhere" in dialog.message.text()
    assert dialog.go_button.isEnabled()


def test_too_little_room_is_said(dialog, monkeypatch):
    monkeypatch.setattr(requirements, "room_bytes", lambda build, platform=sys.platform: 10**18)
    click(dialog.go_button)
    assert "GB free" in dialog.message.text()
    assert not dialog.running


def test_an_existing_python_that_serves_is_taken(dialog):
    backend = ROOT / ".venv" / "bin" / "python"
    ready = QSignalSpy(dialog.backend_ready)
    dialog.existing_choice.setChecked(True)
    dialog.python_widget.setFilePath(str(backend))
    click(dialog.go_button)
    wait_until(lambda: not dialog.running)
    assert BACKEND_PYTHON.value() == str(backend)
    assert len(ready) == 1
    assert "serves" in dialog.message.text()


def test_a_folder_of_an_environment_stands_for_its_python(dialog):
    dialog.existing_choice.setChecked(True)
    dialog.python_widget.setFilePath(str(ROOT / ".venv"))
    click(dialog.go_button)
    wait_until(lambda: not dialog.running)
    assert BACKEND_PYTHON.value() == str(ROOT / ".venv" / "bin" / "python")


def test_a_python_that_lacks_something_is_refused_by_name(dialog):
    dialog.existing_choice.setChecked(True)
    dialog.python_widget.setFilePath("/usr/bin/python3")
    click(dialog.go_button)
    wait_until(lambda: not dialog.running)
    assert "safetensors" in dialog.message.text()
    assert BACKEND_PYTHON.value() == ""


@pytest.mark.parametrize("name", ["no-such-python", "not-a-python"])
def test_what_is_not_a_python_is_refused(dialog, tmp_path, name):
    program = tmp_path / "not-a-python"
    program.write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    program.chmod(0o755)
    dialog.existing_choice.setChecked(True)
    dialog.python_widget.setFilePath(str(tmp_path / name))
    click(dialog.go_button)
    wait_until(lambda: not dialog.running)
    assert name in dialog.message.text()
    assert BACKEND_PYTHON.value() == ""


def test_the_last_installation_is_what_an_empty_setting_finds(dialog, tmp_path, tiny_plan):
    dialog.start(
        Installer(
            plan.InstallRequest(
                home=tmp_path / "home", lock=tmp_path / "backend.txt", wheels=tiny_plan
            ),
            Path("uv.txt"),
            dialog,
        )
    )
    wait_until(lambda: not dialog.running)
    from cityseg_qgis.worker import interpreter

    assert interpreter.find_python(
        "", environ={}, home=tmp_path / "home"
    ) == places.installed_python(tmp_path / "home")
