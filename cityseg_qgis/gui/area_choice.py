"""Where to search: the visible map, a drawn rectangle, selected polygons, or the whole raster."""

from __future__ import annotations

from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMapLayerProxyModel,
    QgsPointXY,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface, QgsMapLayerComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core.text_request import (
    AREAS,
    POLYGONS,
    RECTANGLE,
    VISIBLE,
    WHOLE,
    Area,
    selected_polygons,
)
from cityseg_qgis.errors import GeometryProblem
from cityseg_qgis.gui.maptools.area_tool import AreaOverlay, AreaTool
from cityseg_qgis.i18n import tr


class AreaChoice(QWidget):
    """A list, and beside it what the choice needs. Owns the tool that draws and the rectangle on the canvas.

    `changed` comes when another area is chosen or drawn; both panels follow one another by it.
    """

    changed = pyqtSignal()

    def __init__(
        self,
        iface: QgisInterface,
        parent: Optional[QWidget] = None,
        remembered: settings.Setting[str] = settings.TEXT_AREA,
        whole: str = "",
    ) -> None:
        """`remembered` keeps what was chosen; `whole` is what all of it is called, a raster's whole by default."""
        super().__init__(parent)
        self._iface = iface
        self._remembered = remembered
        self._canvas = iface.mapCanvas()
        self._drawn: Optional[QgsRectangle] = None
        self._drawn_crs = QgsCoordinateReferenceSystem()
        self._tool_before = None
        self._left_out = ""
        self.tool = AreaTool(self._canvas)
        self.tool.drawn.connect(self._on_drawn)
        self.tool.given_up.connect(self.put_tool_down)
        self.tool.deactivated.connect(self._refresh)
        self.overlay = AreaOverlay(self._canvas)
        self.combo = QComboBox(self)
        self.combo.setObjectName("CitySegArea")
        for kind, caption in _captions(whole).items():
            self.combo.addItem(caption, kind)
        self.combo.setCurrentIndex(self.combo.findData(remembered.value()))
        self.combo.activated.connect(self._on_chosen)
        self.draw_button = QPushButton(self)
        self.draw_button.setObjectName("CitySegDrawArea")
        self.draw_button.setCheckable(True)
        self.draw_button.clicked.connect(self._on_draw_clicked)
        self.layer_combo = QgsMapLayerComboBox(self)
        self.layer_combo.setObjectName("CitySegAreaLayer")
        self.layer_combo.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.layer_combo.setToolTip(tr("The layer whose selected polygons are the area; its CRS may be any"))
        self.layer_combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.layer_combo.setMinimumContentsLength(8)
        self.layer_combo.layerChanged.connect(self._on_layer_changed)
        self.count_label = QLabel(self)
        self._followed: Optional[QgsVectorLayer] = None
        self._lay_out()
        self._on_layer_changed()

    @property
    def kind(self) -> str:
        """What is chosen."""
        return str(self.combo.currentData())

    def choose(self, kind: str) -> None:
        """Choose an area."""
        self.combo.setCurrentIndex(self.combo.findData(kind))
        self._on_chosen()

    def area(self) -> Area:
        """The area of this moment. Raises `GeometryProblem` where there is none yet."""
        if self.kind == WHOLE:
            return Area()
        if self.kind == POLYGONS:
            return selected_polygons(self.layer_combo.currentLayer())
        if self.kind == RECTANGLE:
            if self._drawn is None:
                raise GeometryProblem(tr("Draw the rectangle on the map first."))
            return Area.rectangle(self._drawn, self._drawn_crs)
        view = self._canvas.mapSettings()
        if view.rotation():
            # The map is turned: what is visible is no rectangle along the axes.
            ring = [QgsPointXY(corner.x(), corner.y()) for corner in view.visiblePolygon()]
            shape = QgsGeometry.fromPolygonXY([[*ring, ring[0]]])
            return Area(POLYGONS, (shape,), view.destinationCrs())
        return Area.rectangle(view.visibleExtent(), view.destinationCrs(), VISIBLE)

    def leave_out(self, layer: Optional[QgsVectorLayer]) -> None:
        """A polygon layer that is no area to search in."""
        layer_id = "" if layer is None else layer.id()
        if layer_id != self._left_out:
            self._left_out = layer_id
            self.layer_combo.setExceptedLayerList([] if layer is None else [layer])

    def set_shown(self, shown: bool) -> None:
        """Whether the rectangle is of interest: only beside its panel, and where it is what will be searched."""
        there = shown and self.kind == RECTANGLE and self._drawn is not None
        shape = QgsGeometry.fromRect(self._drawn) if there else None
        self.overlay.show(shape, self._drawn_crs)
        if not shown:
            self.put_tool_down()

    def close_choice(self) -> None:
        """Leave nothing on the canvas."""
        self.put_tool_down()
        self._canvas.unsetMapTool(self.tool)
        self._follow(None)
        self.tool.close()
        self.overlay.close()

    def _lay_out(self) -> None:
        first = QHBoxLayout()
        first.setSpacing(6)
        first.addWidget(self.combo, 1)
        first.addWidget(self.draw_button)
        self._second = QWidget(self)
        second = QHBoxLayout(self._second)
        second.setContentsMargins(0, 0, 0, 0)
        second.addWidget(self.layer_combo, 1)
        second.addWidget(self.count_label)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(first)
        column.addWidget(self._second)

    def _refresh(self) -> None:
        drawing = self._canvas.mapTool() is self.tool
        self.draw_button.setVisible(self.kind == RECTANGLE)
        self.draw_button.setChecked(drawing)
        caption = tr("Draw…") if self._drawn is None else tr("Draw anew…")
        self.draw_button.setText(tr("Drag on the map") if drawing else caption)
        self._second.setVisible(self.kind == POLYGONS)
        layer = self.layer_combo.currentLayer()
        count = layer.selectedFeatureCount() if layer is not None else 0
        self.count_label.setText(tr("{count} selected").format(count=count))
        self.set_shown(self.isVisible())

    def _on_chosen(self, *_: object) -> None:
        self._remembered.set_value(self.kind)
        active = self._iface.activeLayer()
        if self.kind == POLYGONS and isinstance(active, QgsVectorLayer) and active.selectedFeatureCount():
            self.layer_combo.setLayer(active)
        if self.kind == RECTANGLE and self._drawn is None:
            self._take_tool_up()
        elif self.kind != RECTANGLE:
            self.put_tool_down()
        self._refresh()
        self.changed.emit()

    def _on_draw_clicked(self, checked: bool) -> None:
        if checked:
            self._take_tool_up()
        else:
            self.put_tool_down()
        self._refresh()

    def _take_tool_up(self) -> None:
        if self._canvas.mapTool() is not self.tool:
            self._tool_before = self._canvas.mapTool()
            self._canvas.setMapTool(self.tool)

    def put_tool_down(self) -> None:
        """Give the canvas back to the tool that had it before."""
        before, self._tool_before = self._tool_before, None
        if self._canvas.mapTool() is self.tool:
            if before is not None:
                self._canvas.setMapTool(before)
            else:
                self._canvas.unsetMapTool(self.tool)

    def _on_drawn(self, rectangle: QgsRectangle) -> None:
        self._drawn = rectangle
        self._drawn_crs = self._canvas.mapSettings().destinationCrs()
        self.put_tool_down()
        self._refresh()
        self.changed.emit()

    def _on_layer_changed(self, *_: object) -> None:
        layer = self.layer_combo.currentLayer()
        self._follow(layer if isinstance(layer, QgsVectorLayer) else None)
        self._refresh()

    def _follow(self, layer: Optional[QgsVectorLayer]) -> None:
        """Count its selection as it changes."""
        if self._followed is not None:
            self._followed.selectionChanged.disconnect(self._refresh)
            self._followed.willBeDeleted.disconnect(self._on_layer_dies)
        self._followed = layer
        if layer is not None:
            layer.selectionChanged.connect(self._refresh)
            layer.willBeDeleted.connect(self._on_layer_dies)

    def _on_layer_dies(self) -> None:
        self._follow(None)


def _captions(whole: str) -> dict[str, str]:
    captions = {
        VISIBLE: tr("Visible map"),
        RECTANGLE: tr("Drawn rectangle"),
        POLYGONS: tr("Selected polygons"),
        WHOLE: whole or tr("Whole raster"),
    }
    return {kind: captions[kind] for kind in AREAS}
