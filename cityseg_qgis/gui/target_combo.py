"""Where results go: a new temporary layer, a new GeoPackage table, or a polygon layer of the project."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsIconUtils, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from cityseg_qgis.core.target import targets
from cityseg_qgis.i18n import tr

TEMPORARY, GEOPACKAGE = "", "+geopackage"


class TargetCombo(QComboBox):
    """Follows the project. Choosing the GeoPackage entry only asks for one: the panel makes it."""

    layer_chosen = pyqtSignal(object)
    geopackage_wanted = pyqtSignal()

    def __init__(self, project: QgsProject, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._project = project
        self._chosen = TEMPORARY
        self.setObjectName("CitySegTargetCombo")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setToolTip(tr("The layer that accepted outlines change: any polygon layer, in any CRS"))
        self.activated.connect(self._on_activated)
        project.layersAdded.connect(self.refresh)
        project.layersRemoved.connect(self.refresh)
        self.refresh()

    def choose(self, layer: Optional[QgsVectorLayer]) -> None:
        """Show `layer` as chosen; None is a new temporary layer."""
        self._chosen = TEMPORARY if layer is None else layer.id()
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Fill the list anew."""
        self.clear()
        self.addItem(tr("New temporary layer"), TEMPORARY)
        self.addItem(tr("New GeoPackage table…"), GEOPACKAGE)
        layers = targets(self._project)
        if layers:
            self.insertSeparator(self.count())
        for layer in layers:
            label = tr("{name} (editing)").format(name=layer.name()) if layer.isModified() else layer.name()
            self.addItem(QgsIconUtils.iconForLayer(layer), label, layer.id())
        self.setCurrentIndex(max(0, self.findData(self._chosen)))

    def showPopup(self) -> None:
        """Names and editability may have changed since."""
        self.refresh()
        super().showPopup()

    def disconnect_project(self) -> None:
        """The end of this widget's work."""
        self._project.layersAdded.disconnect(self.refresh)
        self._project.layersRemoved.disconnect(self.refresh)

    def _on_activated(self, row: int) -> None:
        chosen = self.itemData(row)
        if chosen == GEOPACKAGE:
            self.setCurrentIndex(max(0, self.findData(self._chosen)))
            self.geopackage_wanted.emit()
            return
        self._chosen = str(chosen)
        self.layer_chosen.emit(self._project.mapLayer(self._chosen))
