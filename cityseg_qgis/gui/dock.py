"""The dock: the panel in a scroll area, with the log and the doctor in its foot."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication, QgsProject
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from cityseg_qgis.about import TITLE
from cityseg_qgis.core.backend import missing_backend
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.gui.doctor_dialog import DoctorDialog
from cityseg_qgis.gui.help_dialog import HelpDialog
from cityseg_qgis.gui.interact_panel import InteractPanel
from cityseg_qgis.gui.look import PANEL_STYLE
from cityseg_qgis.gui.widgets import flat_button
from cityseg_qgis.i18n import tr

OPTIONS_PAGE = "CitySegOptions"
_LEAST_WIDTH_PX = 300
_FOOT_ICON_PX = 16


class CitySegDock(QgsDockWidget):
    """Made by the plugin, which removes it; hiding the dock puts the map tool down."""

    def __init__(
        self,
        iface: QgisInterface,
        interaction: Interaction,
        project: QgsProject,
        parent: Optional[QWidget] = None,
    ) -> None:
        super().__init__(TITLE, parent)
        self.setObjectName("CitySegDock")
        self._iface = iface
        self.panel = InteractPanel(iface, interaction, project, self)
        self.panel.install_wanted.connect(self.open_install_dialog)
        # On the parts: set on the widget around the scroll area, desktop QGIS 3.22 shows none of it.
        for part in (self.panel, self.panel.status_line):
            part.setStyleSheet(PANEL_STYLE)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.panel)
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(area, 1)
        column.addWidget(self.panel.status_line)
        column.addLayout(self._foot(whole))
        # Nothing is cut off on the right when the scroll bar shows.
        needed_px = self.panel.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width()
        whole.setMinimumWidth(max(_LEAST_WIDTH_PX, needed_px))
        self.setWidget(whole)
        self.visibilityChanged.connect(self._on_visibility_changed)
        self.refresh_banner()

    def refresh_banner(self) -> None:
        """Say whether the backend is missing."""
        self.panel.banner.show_reason(missing_backend())

    def open_install_dialog(self) -> None:
        """The installer; afterwards the backend starts anew and waiting prompts are asked again."""
        from cityseg_qgis.gui.install_dialog import InstallDialog

        dialog = InstallDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.backend_ready.connect(self._on_backend_ready)
        dialog.open()

    def open_doctor(self) -> None:
        """The report for a bug report."""
        dialog = DoctorDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def open_help(self) -> None:
        """Mouse, keys and operations on one page."""
        dialog = HelpDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def _foot(self, parent: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(8, 2, 8, 6)
        row.setSpacing(2)
        row.addStretch(1)
        doctor_hint = tr("Check the backend and make a report to paste into a bug report")
        for name, icon, caption, hint, slot in (
            ("Help", "/mActionHelpContents.svg", tr("Help"), tr("Mouse, keys and operations"), self.open_help),
            ("Doctor", "/mIconSuccess.svg", tr("Doctor"), doctor_hint, self.open_doctor),
            ("Log", "/mMessageLog.svg", tr("Log"), tr("Open QGIS's message log"), self._open_log),
            ("Options", "/mActionOptions.svg", tr("Options"), tr("CitySeg's options"), self._open_options),
        ):
            button = flat_button(QgsApplication.getThemeIcon(icon), caption, hint, parent)
            button.setObjectName(f"CitySegOpen{name}")
            button.setIconSize(QSize(_FOOT_ICON_PX, _FOOT_ICON_PX))
            button.setAutoRaise(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.clicked.connect(slot)
            row.addWidget(button)
        return row

    def _open_log(self) -> None:
        self._iface.openMessageLog()

    def _open_options(self) -> None:
        self._iface.showOptionsDialog(self._iface.mainWindow(), OPTIONS_PAGE)

    def _on_backend_ready(self) -> None:
        self.refresh_banner()
        interaction = self.panel.interaction
        interaction.client.restart()
        if self.panel.prompting:
            interaction.prepare()
        interaction.retry()

    def _on_visibility_changed(self, visible: bool) -> None:
        # A dock behind another tab is not visible either: prompting goes on, only a closed dock ends it.
        closed = not visible and self.isHidden()
        self.panel.set_shown(not closed)
