"""Step 2 of the panel: how to say what is meant, and prompting on the map."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis.core.prompts import BOX, LASSO, SCRIBBLE
from cityseg_qgis.core.text_request import ASK, REFER
from cityseg_qgis.gui.maptools.prompt_tool import AUTO
from cityseg_qgis.gui.widgets import Choice, Segments, Step, flat_button, key_table
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path

INTERACT = "interact"


class PromptTabs(QWidget):
    """Interact, Refer, Ask. `chosen` comes when the user chooses one; `set_deaf` greys out the two that need words."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(0)
        for mode, caption, hint in _tabs():
            button = QToolButton(self)
            button.setObjectName("CitySegTab")
            button.setText(caption)
            button.setToolTip(hint)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked, mode=mode: self.chosen.emit(mode))
            self._group.addButton(button)
            self.buttons[mode] = button
            row.addWidget(button)
        self.note = QLabel(self)
        self.note.setObjectName("CitySegDeafNote")
        self.note.setWordWrap(True)
        self.note.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 0, 2, 0)
        column.setSpacing(3)
        column.addLayout(row)
        column.addWidget(self.note)
        self.choose(INTERACT)

    @property
    def current(self) -> str:
        """INTERACT, REFER or ASK."""
        return next(mode for mode, button in self.buttons.items() if button.isChecked())

    def choose(self, mode: str) -> None:
        """Show a tab as chosen."""
        self.buttons[mode].setChecked(True)

    def set_deaf(self, reason: str) -> None:
        """Why the model cannot be asked in words; empty where it can."""
        for mode, _, hint in _tabs():
            if mode != INTERACT:
                self.buttons[mode].setEnabled(not reason)
                self.buttons[mode].setToolTip(reason or hint)
        self.note.setText(reason)
        self.note.setVisible(bool(reason))


class PromptStep(Step):
    """The start button, what a drag draws, undo and redo, and the gestures in words."""

    toggled = pyqtSignal(bool)
    mode_chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(2, tr("Point at one object"), parent)
        self.undo_button = flat_button(
            QgsApplication.getThemeIcon("/mActionUndo.svg"), "", tr("Take back the last prompt (Ctrl+Z)"), self
        )
        self.redo_button = flat_button(
            QgsApplication.getThemeIcon("/mActionRedo.svg"), "", tr("Do it again (Ctrl+Shift+Z)"), self
        )
        self.clear_button = flat_button(
            QgsApplication.getThemeIcon("/mActionDeleteSelected.svg"), "", tr("Clear the prompts (Esc)"), self
        )
        for name, button in (
            ("CitySegUndo", self.undo_button),
            ("CitySegRedo", self.redo_button),
            ("CitySegClear", self.clear_button),
        ):
            button.setObjectName(name)
            button.setAutoRaise(True)
            button.setEnabled(False)
            self.head.addWidget(button)
        self.start_button = QPushButton(self)
        self.start_button.setObjectName("CitySegPrimary")
        self.start_button.setCheckable(True)
        self.start_button.clicked.connect(self.toggled)
        self.body.addWidget(self.start_button)
        self.modes = Segments(_modes(), self)
        for mode, button in self.modes.buttons.items():
            button.clicked.connect(lambda _checked, chosen=mode: self.mode_chosen.emit(chosen))
        self.body.addWidget(self.modes)
        self.body.addWidget(key_table(_gestures(), self))
        self.set_active(False)

    def set_active(self, active: bool) -> None:
        """Whether the tool has the canvas."""
        self.start_button.setChecked(active)
        self.start_button.setText(
            tr("Prompting: click on the map") if active else tr("Start prompting")
        )
        icon = QIcon() if active else QIcon(icon_path("cityseg"))
        self.start_button.setIcon(icon)

    def set_allowed(self, kinds: tuple[str, ...]) -> None:
        """Grey out what the model cannot do."""
        self.modes.buttons[SCRIBBLE].setEnabled(SCRIBBLE in kinds)
        self.modes.buttons[LASSO].setEnabled(LASSO in kinds)
        caption = tr("Click · box") if BOX in kinds else tr("Click")
        self.modes.buttons[AUTO].setText(caption)

    def set_history(self, can_undo: bool, can_redo: bool, can_clear: bool) -> None:
        """Which of the history buttons would do something."""
        self.undo_button.setEnabled(can_undo)
        self.redo_button.setEnabled(can_redo)
        self.clear_button.setEnabled(can_clear)


def _tabs() -> list[tuple[str, str, str]]:
    return [
        (INTERACT, tr("Interact"), tr("Click, box or scribble one object after the other")),
        (REFER, tr("Refer"), tr("Name what to find: “red-roofed buildings near water”")),
        (ASK, tr("Ask"), tr("Ask a question: “Where could a helicopter land?”")),
    ]


def _modes() -> list[Choice]:
    return [
        Choice(AUTO, icon_path("mode-auto"), tr("Click · box"), tr("Click, or drag a box round the object")),
        Choice(SCRIBBLE, icon_path("mode-scribble"), tr("Scribble"), tr("Drag a stroke over the object")),
        Choice(LASSO, icon_path("mode-lasso"), tr("Lasso"), tr("Drag a loop round the object")),
    ]


def _gestures() -> list[tuple[str, str]]:
    return [
        (tr("Left click"), tr("this belongs to it")),
        (tr("Right click"), tr("this does not (or Shift+click)")),
        (tr("Drag"), tr("a box round it")),
        (tr("Hold, drag"), tr("a scribble over it")),
        (tr("Ctrl+drag"), tr("a lasso round it")),
    ]
