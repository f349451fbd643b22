"""The dock: the panel in a scroll area, with the log and the doctor in its foot."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication, QgsProject
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis.about import TITLE
from cityseg_qgis.core.backend import missing_backend
from cityseg_qgis.core.cloud_run import CloudRun
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.gui.cloud_panel import CloudPanel
from cityseg_qgis.gui.cloud_switch import CLOUDS, IMAGES, SectionSwitch
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
        cloud_run: CloudRun,
        project: QgsProject,
        parent: Optional[QWidget] = None,
    ) -> None:
        super().__init__(TITLE, parent)
        self.setObjectName("CitySegDock")
        self._iface = iface
        self.panel = InteractPanel(iface, interaction, project, self)
        self.panel.install_wanted.connect(self.open_install_dialog)
        self.cloud_panel = CloudPanel(iface, cloud_run, project, self)
        self.cloud_panel.install_wanted.connect(self.open_install_dialog)
        self.sections = SectionSwitch(self)
        self.sections.chosen.connect(self.show_section)
        self.panel.tool.activated.connect(lambda: self.show_section(IMAGES))
        self._stack = QStackedWidget(self)
        self._pages = {IMAGES: self._page(self.panel), CLOUDS: self._page(self.cloud_panel)}
        whole = QWidget(self)
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.sections)
        column.addWidget(self._stack, 1)
        column.addLayout(self._foot(whole))
        # Set on the parts: on the widget around the scroll area, desktop QGIS 3.22 shows none of it.
        self.sections.setStyleSheet(PANEL_STYLE)
        self.setWidget(whole)
        self.visibilityChanged.connect(self._on_visibility_changed)
        self.refresh_banner()

    def show_section(self, name: str) -> None:
        """Show IMAGES or CLOUDS; what the other has on the map goes with it."""
        self.sections.choose(name)
        self._stack.setCurrentWidget(self._pages[name])
        self._set_shown(not self.isHidden())

    def refresh_banner(self) -> None:
        """Say whether the backend is missing."""
        for panel in (self.panel, self.cloud_panel):
            panel.banner.show_reason(missing_backend())

    def close_panels(self) -> None:
        """The plugin unloads: leave nothing on the canvas."""
        self.panel.close_panel()
        self.cloud_panel.close_panel()

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
        """Mouse, keys and operations on one page; that of point clouds where their section is shown."""
        dialog = HelpDialog("pointcloud" if self.sections.current == CLOUDS else "interact", self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def _page(self, panel: QWidget) -> QWidget:
        """A panel that scrolls, its status line below it, as wide as it needs to be."""
        for part in (panel, panel.status_line):
            part.setStyleSheet(PANEL_STYLE)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(panel)
        page = QWidget(self)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(area, 1)
        column.addWidget(panel.status_line)
        # Nothing is cut off on the right when the scroll bar shows.
        needed_px = panel.minimumSizeHint().width() + area.verticalScrollBar().sizeHint().width()
        page.setMinimumWidth(max(_LEAST_WIDTH_PX, needed_px))
        self._stack.addWidget(page)
        return page

    def _set_shown(self, shown: bool) -> None:
        clouds = self.sections.current == CLOUDS
        self.panel.set_shown(shown and not clouds)
        self.cloud_panel.set_shown(shown and clouds)

    def _foot(self, parent: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(8, 2, 8, 6)
        row.setSpacing(2)
        row.addStretch(1)
        doctor_hint = tr("Check the backend and make a report to paste into a bug report")
        for name, icon, caption, hint, slot in (
            ("Help", "/mActionHelpContents.svg", tr("Help"), tr("How it is used"), self.open_help),
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
        self.cloud_panel.backend_ready()

    def _on_visibility_changed(self, visible: bool) -> None:
        # A dock behind another tab is not visible either: prompting goes on, only a closed dock ends it.
        closed = not visible and self.isHidden()
        self._set_shown(not closed)
