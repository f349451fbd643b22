"""Keys of the prompt tool, taken from QGIS only while the tool is active and only where they mean something."""

from __future__ import annotations

from typing import Callable, Optional

from qgis.PyQt.QtCore import QEvent, QObject, Qt
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QWidget

_CTRL = Qt.KeyboardModifier.ControlModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_NO_MODIFIER = Qt.KeyboardModifier.NoModifier
# A keypad's Enter says that it is on a keypad.
_KEYPAD = Qt.KeyboardModifier.KeypadModifier

UNDO, REDO, ACCEPT, CLEAR = "undo", "redo", "accept", "clear"


class PromptKeys(QObject):
    """An event filter. QGIS's own shortcuts win over a key press unless its ShortcutOverride is accepted first.

    `can` says whether a command means something now; where it does not, the key is left to QGIS. `command_of` names the
    command of a key.
    """

    def __init__(
        self,
        can: Callable[[str], bool],
        do: Callable[[str], None],
        parent: Optional[QObject] = None,
        command_of: Optional[Callable[[QKeyEvent], str]] = None,
    ) -> None:
        super().__init__(parent)
        self._can, self._do = can, do
        self._command_of = command_of or prompt_command
        self._watched: dict[QWidget, tuple[str, ...]] = {}

    @property
    def watching(self) -> bool:
        """Whether any widget's keys are looked at."""
        return bool(self._watched)

    def watch(self, widget: QWidget, commands: tuple[str, ...]) -> None:
        """Take the keys of `commands` from `widget` (and from its children that leave them)."""
        if widget not in self._watched:
            widget.installEventFilter(self)
        self._watched[widget] = commands

    def release(self) -> None:
        """Look at no key any more."""
        for widget in self._watched:
            widget.removeEventFilter(self)
        self._watched.clear()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Accept the override, act on the press."""
        kind = event.type()
        if kind not in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            return False
        command = self._command_of(event)
        if command not in self._watched.get(watched, ()) or not self._can(command):
            return False
        event.accept()
        if kind == QEvent.Type.KeyPress:
            self._do(command)
        return True


def prompt_command(event: QKeyEvent) -> str:
    """The prompt tool's command of a key, empty for none."""
    key, modifiers = event.key(), event.modifiers() & ~_KEYPAD
    if modifiers == _CTRL:
        return {Qt.Key.Key_Z: UNDO, Qt.Key.Key_Y: REDO}.get(key, "")
    if modifiers == _CTRL | _SHIFT:
        return REDO if key == Qt.Key.Key_Z else ""
    if modifiers == _NO_MODIFIER:
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return ACCEPT
        return CLEAR if key == Qt.Key.Key_Escape else ""
    return ""
