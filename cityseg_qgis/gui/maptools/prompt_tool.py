"""The map tool: clicks, boxes, scribbles and lassos on the canvas become prompts in map coordinates."""

from __future__ import annotations

from typing import Optional

from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QApplication, QComboBox, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.prompts import ADD, LASSO, REMOVE, SCRIBBLE, Position
from cityseg_qgis.gui.maptools import prompt_keys
from cityseg_qgis.gui.maptools.gesture import Gesture
from cityseg_qgis.gui.maptools.prompt_keys import PromptKeys

_CANVAS_KEYS = (prompt_keys.UNDO, prompt_keys.REDO, prompt_keys.ACCEPT, prompt_keys.CLEAR)
_PANEL_KEYS = (prompt_keys.UNDO, prompt_keys.REDO)
AUTO = ""


class PromptTool(QgsMapTool):
    """Left adds, right or Shift removes; drag is a box, hold then drag a scribble, Ctrl+drag a lasso.

    `panel` is a widget beside the canvas whose Ctrl+Z should reach the prompts too. Prompts stay when another tool
    takes over, so that one can pan in between.
    """

    sketch_changed = pyqtSignal(object)
    mode_changed = pyqtSignal(str)

    def __init__(
        self, canvas: QgsMapCanvas, interaction: Interaction, panel: Optional[QWidget] = None
    ) -> None:
        super().__init__(canvas)
        self._interaction = interaction
        self._panel = panel
        self._mode = AUTO
        self._gesture = Gesture(drag_px=QApplication.startDragDistance())
        self._button = Qt.MouseButton.NoButton
        self._hold = QTimer(self)
        self._hold.setSingleShot(True)
        self._hold.timeout.connect(self._on_hold)
        self._keys = PromptKeys(self._can, self._do, self)
        self.setCursor(Qt.CursorShape.CrossCursor)

    @property
    def mode(self) -> str:
        """AUTO, SCRIBBLE or LASSO: what dragging draws."""
        return self._mode

    def set_mode(self, mode: str) -> None:
        """Choose what dragging draws."""
        if mode != self._mode:
            self._mode = mode
            self.mode_changed.emit(mode)

    def activate(self) -> None:
        """QGIS gives us the canvas."""
        super().activate()
        self._keys.watch(self.canvas(), _CANVAS_KEYS)
        if self._panel is not None:
            # A combo box would take Ctrl+Z for a search in its list.
            for widget in (self._panel, *self._panel.findChildren(QComboBox)):
                self._keys.watch(widget, _PANEL_KEYS)
        self.canvas().setFocus()

    def deactivate(self) -> None:
        """Another tool takes over: no key and no half gesture stays behind."""
        self._cancel_gesture()
        self._keys.release()
        super().deactivate()

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        """Begin a gesture."""
        left, right = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
        if event.button() not in (left, right) or self._gesture.active:
            return
        modifiers = event.modifiers()
        removes = event.button() == right or bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        mode = LASSO if modifiers & Qt.KeyboardModifier.ControlModifier else self._mode
        self._button = event.button()
        self._gesture.press(*_where(event), REMOVE if removes else ADD, mode)
        self._hold.start(settings.HOLD_MS.value())
        self.canvas().setFocus()

    def canvasDoubleClickEvent(self, event: QgsMapMouseEvent) -> None:
        """Two quick clicks are two prompts: Qt sends the second press under this name."""
        self.canvasPressEvent(event)

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """Go on with the gesture."""
        if not self._gesture.active:
            return
        if not event.buttons() & self._button:
            # The release went to another window.
            self._cancel_gesture()
            return
        self._gesture.move(*_where(event))
        self.sketch_changed.emit(self._gesture.sketch())

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """The gesture is a prompt."""
        if not self._gesture.active or event.button() != self._button:
            return
        self._hold.stop()
        sketch = self._gesture.release(*_where(event))
        self.sketch_changed.emit(None)
        if sketch is not None:
            crs = self.canvas().mapSettings().destinationCrs()
            self._interaction.add(sketch.kind, sketch.xy, sketch.label, crs)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys come through `PromptKeys`, before QGIS's shortcuts."""
        event.ignore()

    def _on_hold(self) -> None:
        if self._gesture.hold():
            self.sketch_changed.emit(self._gesture.sketch())

    def _cancel_gesture(self) -> None:
        self._hold.stop()
        if self._gesture.active:
            self._gesture.cancel()
            self.sketch_changed.emit(None)

    def _can(self, command: str) -> bool:
        interaction = self._interaction
        if command == prompt_keys.UNDO:
            return self._gesture.active or interaction.can_undo
        if command == prompt_keys.REDO:
            return interaction.can_redo
        if command == prompt_keys.CLEAR and self._gesture.active:
            return True
        return not interaction.session.is_empty

    def _do(self, command: str) -> None:
        if self._gesture.active:
            self._cancel_gesture()
        elif command == prompt_keys.UNDO:
            self._interaction.undo()
        elif command == prompt_keys.REDO:
            self._interaction.redo()
        elif command == prompt_keys.ACCEPT:
            self._interaction.accept()
        else:
            self._interaction.clear()


def _where(event: QgsMapMouseEvent) -> tuple[Position, Position]:
    """Pixel and map position of a mouse event."""
    pixel, place = event.pixelPoint(), event.mapPoint()
    return (float(pixel.x()), float(pixel.y())), (place.x(), place.y())


__all__ = ["AUTO", "LASSO", "SCRIBBLE", "PromptTool"]
