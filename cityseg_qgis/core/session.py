"""The prompts of the object that is being drawn: the only place where prompt state lives."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis.core.prompts import Prompt

Prompts = tuple[Prompt, ...]


class PromptSession(QObject):
    """Prompts in map frame with their CRS, and their undo and redo, one object after the other.

    Every change is one step, also a clear, so that Ctrl+Z brings back what Esc took away. An accepted object's
    prompts are history of the layer, not of the session: `next_object` starts with nothing to undo.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._prompts: Prompts = ()
        self._undo: list[Prompts] = []
        self._redo: list[Prompts] = []
        self._crs = QgsCoordinateReferenceSystem()

    @property
    def prompts(self) -> Prompts:
        """In the order in which they were given."""
        return self._prompts

    @property
    def crs(self) -> QgsCoordinateReferenceSystem:
        """The CRS of the positions: the canvas's when the first prompt of the object came. Invalid: none."""
        return self._crs

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back that can be done again."""
        return bool(self._redo)

    @property
    def is_empty(self) -> bool:
        """Whether the object has no prompt."""
        return not self._prompts

    def fix_crs(self, crs: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
        """The CRS in which the next prompt must be given: `crs` where the object has no history, else its own."""
        if not self._prompts and not self._undo and not self._redo:
            self._crs = QgsCoordinateReferenceSystem(crs)
        return self._crs

    def add(self, prompt: Prompt) -> None:
        """One more prompt, in the session's CRS."""
        self._step((*self._prompts, prompt))

    def clear(self) -> None:
        """Take all prompts away, as one step that can be undone."""
        if self._prompts:
            self._step(())

    def undo(self) -> bool:
        """Take the last step back; False where there is none."""
        return self._move(self._undo, self._redo)

    def redo(self) -> bool:
        """Do again what was taken back; False where there is nothing."""
        return self._move(self._redo, self._undo)

    def next_object(self) -> None:
        """Forget everything of this object."""
        had_prompts = not self.is_empty
        self._prompts, self._undo, self._redo = (), [], []
        if had_prompts:
            self.changed.emit()

    def _step(self, prompts: Prompts) -> None:
        self._undo.append(self._prompts)
        self._redo.clear()
        self._prompts = prompts
        self.changed.emit()

    def _move(self, source: list[Prompts], destination: list[Prompts]) -> bool:
        if not source:
            return False
        destination.append(self._prompts)
        self._prompts = source.pop()
        self.changed.emit()
        return True
