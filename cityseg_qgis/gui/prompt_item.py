"""Draws the prompts on the canvas: clicks with plus and minus, boxes, scribbles and lassos."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsPointXY
from qgis.gui import QgsMapCanvas, QgsMapCanvasItem
from qgis.PyQt.QtCore import QLineF, QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from cityseg_qgis.core.prompts import ADD, BOX, LASSO, MASK, POINT, SCRIBBLE, Prompt
from cityseg_qgis.gui.look import HALO, SHADOW, prompt_colour

_RADIUS_PX = 7.5
_SIGN_PX = 3.6
_LINE_PX = 2.5
_SCRIBBLE_PX = 5.0
_HINT_PX = 1.5
_Z = 200


class PromptItem(QgsMapCanvasItem):
    """One item for all prompts, and the sketch under the mouse; positions in the canvas's CRS."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._prompts: tuple[Prompt, ...] = ()
        self._sketch: tuple[Prompt, ...] = ()
        self.setZValue(_Z)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What is drawn, without the sketch."""
        return self._prompts

    def set_prompts(self, prompts: Sequence[Prompt]) -> None:
        """Draw these."""
        self._prompts = tuple(prompts)
        self.update()

    def set_sketch(self, sketch: Sequence[Prompt]) -> None:
        """Draw this on top, while the mouse is down."""
        self._sketch = tuple(sketch)
        self.update()

    def boundingRect(self) -> QRectF:
        """The whole view: prompts may be anywhere in it."""
        return QRectF(0, 0, self._canvas.width(), self._canvas.height())

    def updatePosition(self) -> None:
        """The map moved or zoomed."""
        self.update()

    def paint(self, painter: QPainter, *_: object) -> None:
        """Lines first, clicks on top."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        drawn = self._prompts + self._sketch
        for prompt in drawn:
            if prompt.kind != POINT:
                self._paint_line(painter, prompt)
        for prompt in drawn:
            if prompt.kind == POINT:
                _paint_click(painter, self._pixel(prompt.xy[0]), prompt.label)

    def _paint_line(self, painter: QPainter, prompt: Prompt) -> None:
        path = QPolygonF([self._pixel(position) for position in prompt.corners])
        colour = prompt_colour(prompt.label)
        closed = prompt.kind in (BOX, LASSO)
        width = _SCRIBBLE_PX if prompt.kind == SCRIBBLE else _LINE_PX
        if prompt.kind == MASK:
            # What is corrected is only hinted at: the outline that is made of it lies on top.
            painter.setPen(_pen(colour, _HINT_PX, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolygon(path)
            return
        style = Qt.PenStyle.DashLine if prompt.kind == LASSO else Qt.PenStyle.SolidLine
        wash = QColor(colour)
        wash.setAlpha(28)
        painter.setBrush(QBrush(wash) if closed else Qt.BrushStyle.NoBrush)
        for pen in (_pen(SHADOW, width + 3), _pen(HALO, width + 1.6), _pen(colour, width, style)):
            painter.setPen(pen)
            painter.drawPolygon(path) if closed else painter.drawPolyline(path)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _pixel(self, position: tuple[float, float]) -> QPointF:
        return self.toCanvasCoordinates(QgsPointXY(*position)) - self.pos()


def _paint_click(painter: QPainter, centre: QPointF, label: int) -> None:
    painter.setPen(_pen(SHADOW, 1.0))
    painter.setBrush(QBrush(HALO))
    painter.drawEllipse(centre, _RADIUS_PX + 1.8, _RADIUS_PX + 1.8)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(prompt_colour(label)))
    painter.drawEllipse(centre, _RADIUS_PX, _RADIUS_PX)
    painter.setPen(_pen(QColor(255, 255, 255), 2.2))
    across, down = QPointF(_SIGN_PX, 0), QPointF(0, _SIGN_PX)
    painter.drawLine(QLineF(centre - across, centre + across))
    if label == ADD:
        painter.drawLine(QLineF(centre - down, centre + down))


def _pen(
    colour: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine
) -> QPen:
    return QPen(
        QBrush(colour), width, style, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    )
