"""The two sections of the dock: images, and point clouds."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from cityseg_qgis.gui.widgets import flat_button
from cityseg_qgis.i18n import tr

IMAGES, CLOUDS = "images", "clouds"
_ICON_PX = 16


class SectionSwitch(QWidget):
    """Two buttons of which one is down. `chosen` comes when the user presses the other."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 6, 6, 0)
        row.setSpacing(4)
        for name, icon, caption, hint in (
            (IMAGES, "/mIconRaster.svg", tr("Image"), tr("Outline objects in an image, by clicks or words")),
            (CLOUDS, "/mIconPointCloudLayer.svg", tr("Point cloud"), tr("Classify a point cloud, by names of classes")),
        ):
            button = flat_button(QgsApplication.getThemeIcon(icon), caption, hint, self)
            button.setObjectName("CitySegSegment")
            button.setCheckable(True)
            button.setIconSize(QSize(_ICON_PX, _ICON_PX))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[name] = button
            row.addWidget(button)
        self.choose(IMAGES)

    @property
    def current(self) -> str:
        """IMAGES or CLOUDS."""
        return next(name for name, button in self.buttons.items() if button.isChecked())

    def choose(self, name: str) -> None:
        """Show a section as chosen."""
        self.buttons[name].setChecked(True)
