"""The map tool of the review: a click drops or keeps an object, a box chooses several, keys do the rest."""

from __future__ import annotations

from typing import Optional

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
)
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool
from qgis.PyQt.QtCore import QPoint, QRect, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QApplication, QRubberBand

from cityseg_qgis.core.review import Review
from cityseg_qgis.core.review_layer import DROPPED, KEPT
from cityseg_qgis.gui.maptools.prompt_keys import PromptKeys

DROP, KEEP, REFINE, NEXT, BACK, UNDO, ACCEPT, LEAVE = (
    "drop", "keep", "refine", "next", "back", "undo", "accept", "leave",
)  # fmt: skip
COMMANDS = (DROP, KEEP, REFINE, NEXT, BACK, UNDO, ACCEPT, LEAVE)
# Small objects are hard to hit.
_SLACK_PX = 4


class ReviewTool(QgsMapTool):
    """Works on the review's current objects. What it cannot do itself it asks for by `wanted` (one of COMMANDS)."""

    wanted = pyqtSignal(str)

    def __init__(self, canvas: QgsMapCanvas, review: Review) -> None:
        super().__init__(canvas)
        self._review = review
        self._start: Optional[QPoint] = None
        self._box = QRubberBand(QRubberBand.Shape.Rectangle, canvas.viewport())
        self._keys = PromptKeys(self._can, self._do, self, command_of)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def activate(self) -> None:
        """QGIS gives us the canvas."""
        super().activate()
        self._keys.watch(self.canvas(), COMMANDS)
        self.canvas().setFocus()

    def deactivate(self) -> None:
        """Another tool takes over: no key and no half box stays behind."""
        self._end_box()
        self._keys.release()
        super().deactivate()

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        """A click or a box begins."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._start = event.pos()
            self.canvas().setFocus()

    def canvasDoubleClickEvent(self, event: QgsMapMouseEvent) -> None:
        """Two quick clicks are two clicks."""
        self.canvasPressEvent(event)

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """The box grows."""
        if self._start is not None and self._is_drag(event.pos()):
            self._box.setGeometry(QRect(self._start, event.pos()).normalized())
            self._box.show()

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """Left: drop what is kept, keep what is dropped, or choose what is in the box. Right: choose only."""
        if event.button() == Qt.MouseButton.RightButton:
            self._choose_at(event.pos())
            return
        if self._start is None or event.button() != Qt.MouseButton.LeftButton:
            return
        start, dragged = self._start, self._is_drag(event.pos())
        self._end_box()
        if dragged:
            self._review.set_current(self._ids_in(QRect(start, event.pos()).normalized()))
        else:
            fid = self._choose_at(event.pos())
            if fid is not None:
                self._review.toggle(fid)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys come through `PromptKeys`, before QGIS's shortcuts."""
        event.ignore()

    def close(self) -> None:
        """The end of the tool."""
        self._box.deleteLater()

    def _choose_at(self, pixel: QPoint) -> Optional[int]:
        """The object under the mouse becomes the current one."""
        place = self._in_layer(QRect(pixel, QSize(1, 1)))
        if place is None:
            return None
        slack = _SLACK_PX * place.boundingBox().width()
        fid = self._review.id_at(QgsPointXY(place.boundingBox().center()), slack)
        self._review.set_current(() if fid is None else (fid,))
        return fid

    def _ids_in(self, pixels: QRect) -> list[int]:
        place = self._in_layer(pixels)
        return [] if place is None else self._review.ids_in(place)

    def _in_layer(self, pixels: QRect) -> Optional[QgsGeometry]:
        """A rectangle of the screen in the review layer's frame; None where there is no such place."""
        layer = self._review.layer
        if layer is None:
            return None
        corners = (
            pixels.topLeft(),
            QPoint(pixels.right() + 1, pixels.top()),
            QPoint(pixels.right() + 1, pixels.bottom() + 1),
            QPoint(pixels.left(), pixels.bottom() + 1),
        )
        ring = [self.toMapCoordinates(corner) for corner in corners]
        shape = QgsGeometry.fromPolygonXY([[*ring, ring[0]]])
        crs = self.canvas().mapSettings().destinationCrs()
        try:
            shape.transform(QgsCoordinateTransform(crs, layer.crs(), QgsProject.instance()))
        except QgsCsException:
            return None
        return shape if shape.boundingBox().isFinite() else None

    def _is_drag(self, pixel: QPoint) -> bool:
        return (pixel - self._start).manhattanLength() >= QApplication.startDragDistance()

    def _end_box(self) -> None:
        self._start = None
        self._box.hide()

    def _can(self, command: str) -> bool:
        if command in (DROP, KEEP):
            return bool(self._review.current)
        if command == REFINE:
            return len(self._review.current) == 1
        if command == UNDO:
            return bool(self._review.undo_name)
        return command == LEAVE or bool(self._review.counts.open)

    def _do(self, command: str) -> None:
        if command in (DROP, KEEP):
            self._review.mark(self._review.current, DROPPED if command == DROP else KEPT)
        else:
            self.wanted.emit(command)


def command_of(event: QKeyEvent) -> str:
    """The command of a key, empty for none."""
    key = event.key()
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if modifiers == Qt.KeyboardModifier.ControlModifier:
        return UNDO if key == Qt.Key.Key_Z else ""
    if key in (Qt.Key.Key_Backtab,):
        return BACK
    if modifiers != Qt.KeyboardModifier.NoModifier:
        return ""
    return {
        Qt.Key.Key_Delete: DROP,
        Qt.Key.Key_Backspace: DROP,
        Qt.Key.Key_K: KEEP,
        Qt.Key.Key_R: REFINE,
        Qt.Key.Key_Tab: NEXT,
        Qt.Key.Key_Return: ACCEPT,
        Qt.Key.Key_Enter: ACCEPT,
        Qt.Key.Key_Escape: LEAVE,
    }.get(key, "")


def zoomed(canvas: QgsMapCanvas, around: QgsRectangle) -> None:
    """Bring `around` (canvas frame) into view: the map moves only where it is not in sight, or is a speck."""
    extent = canvas.extent()
    large_enough = max(around.width() / extent.width(), around.height() / extent.height()) > 0.02
    if extent.contains(around) and large_enough:
        return
    if large_enough and around.width() < 0.8 * extent.width() and around.height() < 0.8 * extent.height():
        canvas.setCenter(around.center())
    else:
        around.scale(6.0)
        canvas.setExtent(around)
    canvas.refresh()
