"""The plugin's Qt names exist in Qt 6 too; and the guard catches those that do not."""

from __future__ import annotations

import pytest

from tests.guards import qt6
from tests.guards.code_rules import Module, modules


@pytest.mark.parametrize("module", modules("cityseg_qgis"), ids=lambda module: module.name)
def test_every_qt_name_is_in_qt6(module):
    assert qt6.problems(module) == []


@pytest.mark.parametrize(
    ("imported", "used"),
    [
        ("from qgis.PyQt.QtCore import Qt", "Qt.LeftButton"),
        ("from qgis.PyQt.QtCore import Qt", "x = [Qt.RightDockWidgetArea]"),
        ("from qgis.PyQt.QtWidgets import QMessageBox", "QMessageBox.Yes"),
        ("from qgis.PyQt.QtCore import QProcess", "QProcess.NotRunning"),
        ("from qgis.PyQt import QtWidgets", "QtWidgets.QMessageBox.Ok"),
        ("from qgis.PyQt import QtWidgets", "QtWidgets.QDesktopWidget"),
        ("from qgis.PyQt.QtCore import QRegExp", "pass"),
        ("from qgis.PyQt.QtWidgets import QDialog", "QDialog().exec_()"),
        ("from qgis.PyQt.QtGui import QMouseEvent", "def f(event):\n    return event.globalPos()"),
    ],
)
def test_a_name_that_qt6_lacks_is_caught(imported, used):
    assert qt6.problems(Module("cityseg_qgis.x", f"{imported}\n{used}\n")) != []


@pytest.mark.parametrize(
    ("imported", "used"),
    [
        ("from qgis.PyQt.QtCore import Qt", "Qt.MouseButton.LeftButton"),
        ("from qgis.PyQt.QtWidgets import QMessageBox", "QMessageBox.StandardButton.Yes"),
        ("from qgis.PyQt.QtWidgets import QAction, QDialog", "QDialog().exec()"),
        (
            "from qgis.PyQt import QtWidgets, uic",
            "QtWidgets.QMessageBox.StandardButton.Ok\nuic.loadUi('x')",
        ),
        ("from qgis.PyQt.QtCore import QTimer, pyqtSignal", "QTimer.singleShot(1, f)"),
    ],
)
def test_a_name_that_both_have_passes(imported, used):
    assert qt6.problems(Module("cityseg_qgis.x", f"{imported}\n{used}\n")) == []
