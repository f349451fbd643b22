"""The map tool that draws the rectangle in which to search, and what shows it on the canvas."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsRectangle, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import QPoint, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtWidgets import QApplication

from cityseg_qgis.gui.look import AREA_FILL, AREA_LINE, HALO
from cityseg_qgis.gui.maptools.prompt_keys import CLEAR, PromptKeys

_WIDTH_PX = 2


class AreaTool(QgsMapTool):
    """Drag a rectangle; `drawn` brings it in map coordinates, and the tool before comes back by the holder's hand."""

    drawn = pyqtSignal(object)
    given_up = pyqtSignal()

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self._start: Optional[QPoint] = None
        self._band = area_band(canvas)
        self._keys = PromptKeys(lambda _command: True, lambda _command: self._give_up(), self)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def activate(self) -> None:
        """QGIS gives us the canvas."""
        super().activate()
        self._keys.watch(self.canvas(), (CLEAR,))
        self.canvas().setFocus()

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        """One corner."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._start = event.pos()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """Show it as it grows."""
        if self._start is not None:
            self._band.setToGeometry(QgsGeometry.fromRect(self._rectangle(event.pos())), None)

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """The opposite corner. A click without a drag draws nothing, and one can begin again."""
        if self._start is None or event.button() != Qt.MouseButton.LeftButton:
            return
        far = (event.pos() - self._start).manhattanLength() >= QApplication.startDragDistance()
        rectangle = self._rectangle(event.pos())
        self._reset()
        if far and not rectangle.isEmpty():
            self.drawn.emit(rectangle)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc comes through `PromptKeys`, before QGIS's shortcuts."""
        event.ignore()

    def deactivate(self) -> None:
        """Another tool takes over."""
        self._reset()
        self._keys.release()
        super().deactivate()

    def close(self) -> None:
        """Take the rubber band off the canvas."""
        self.canvas().scene().removeItem(self._band)

    def _give_up(self) -> None:
        self._reset()
        self.given_up.emit()

    def _rectangle(self, end: QPoint) -> QgsRectangle:
        return QgsRectangle(self.toMapCoordinates(self._start), self.toMapCoordinates(end))

    def _reset(self) -> None:
        self._start = None
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)


class AreaOverlay:
    """Shows the drawn rectangle on the canvas, in whatever CRS that is."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas
        self._shown: Optional[tuple[QgsGeometry, QgsCoordinateReferenceSystem]] = None
        self.band = area_band(canvas)
        canvas.destinationCrsChanged.connect(self._draw)

    def show(self, geometry: Optional[QgsGeometry], crs: QgsCoordinateReferenceSystem) -> None:
        """Show this; None shows nothing."""
        self._shown = None if geometry is None else (geometry, QgsCoordinateReferenceSystem(crs))
        self._draw()

    def set_visible(self, visible: bool) -> None:
        """Hide it, for instance while the panel is closed."""
        self.band.setVisible(visible)

    def close(self) -> None:
        """Take it off the canvas."""
        self._canvas.destinationCrsChanged.disconnect(self._draw)
        self._canvas.scene().removeItem(self.band)

    def _draw(self) -> None:
        self.band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        if self._shown is not None:
            self.band.setToGeometry(*self._shown)


def area_band(canvas: QgsMapCanvas) -> QgsRubberBand:
    """The look of a search area."""
    band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
    band.setStrokeColor(AREA_LINE)
    band.setSecondaryStrokeColor(HALO)
    band.setFillColor(AREA_FILL)
    band.setWidth(_WIDTH_PX)
    band.setLineStyle(Qt.PenStyle.DashLine)
    return band
