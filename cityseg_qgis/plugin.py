"""The plugin: makes its parts, registers them with QGIS, and takes every one of them away again."""

from __future__ import annotations

from typing import Optional

from qgis.core import Qgis, QgsApplication, QgsProject
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import Qt, QTranslator
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction, QToolBar

from cityseg_qgis import i18n
from cityseg_qgis.about import TITLE
from cityseg_qgis.core.backend import make_client
from cityseg_qgis.core.cloud_run import CloudRun
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.gui.dock import CitySegDock
from cityseg_qgis.gui.options_page import OptionsFactory
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import clear_messages, log
from cityseg_qgis.paths import icon_path
from cityseg_qgis.processing.provider import CitySegProvider
from cityseg_qgis.worker.client import BackendClient


class CitySegPlugin:
    """One instance a load. `unload` undoes `initGui` in reverse."""

    def __init__(self, iface: QgisInterface) -> None:
        self._iface = iface
        self._translator: Optional[QTranslator] = None
        self._client: Optional[BackendClient] = None
        self._interaction: Optional[Interaction] = None
        self._cloud_run: Optional[CloudRun] = None
        self._toolbar: Optional[QToolBar] = None
        self._actions: list[QAction] = []
        self._options: Optional[OptionsFactory] = None
        self._provider: Optional[CitySegProvider] = None
        self.dock: Optional[CitySegDock] = None

    def initGui(self) -> None:
        """QGIS shows the plugin. Nothing heavy: the backend starts with the first use."""
        self.initProcessing()
        window = self._iface.mainWindow()
        self._client = make_client(window)
        self._client.log_line.connect(_log_backend_line)
        self._interaction = Interaction(self._client, QgsProject.instance(), window)
        # A process of its own, started when it is wanted: a click in an image waits for no cloud.
        cloud_client = make_client(window)
        cloud_client.log_line.connect(_log_backend_line)
        self._cloud_run = CloudRun(cloud_client, window)
        self.dock = CitySegDock(
            self._iface, self._interaction, self._cloud_run, QgsProject.instance(), window
        )
        self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self._add_actions()
        self._options = OptionsFactory(self._on_backend_changed)
        self._iface.registerOptionsWidgetFactory(self._options)

    def initProcessing(self) -> None:
        """All that `qgis_process` wants of a plugin; there is no interface then."""
        self._translator = i18n.install_translator()
        self._provider = CitySegProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def unload(self) -> None:
        """Leave nothing: no action, dock, tool, canvas item, algorithm, connection or process."""
        if self._options is not None:
            self._iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
        self._remove_actions()
        if self.dock is not None:
            self.dock.close_panels()
            self._iface.removeDockWidget(self.dock)
            self.dock.setParent(None)
            self.dock.deleteLater()
            self.dock = None
        if self._interaction is not None:
            self._interaction.deleteLater()
            self._interaction = None
        if self._cloud_run is not None:
            self._cloud_run.client.deleteLater()
            self._cloud_run.deleteLater()
            self._cloud_run = None
        if self._client is not None:
            self._client.shutdown()
            self._client.deleteLater()
            self._client = None
        if self._iface is not None:
            clear_messages(self._iface.messageBar())
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
        i18n.remove_translator(self._translator)
        self._translator = None

    def _add_actions(self) -> None:
        window = self._iface.mainWindow()
        panel_action = self.dock.toggleViewAction()
        panel_action.setIcon(QIcon(icon_path("cityseg")))
        panel_action.setText(tr("CitySeg panel"))
        panel_action.setToolTip(tr("Show or hide the CitySeg panel"))
        prompt_action = QAction(QIcon(icon_path("mode-auto")), tr("Prompt an object"), window)
        prompt_action.setObjectName("CitySegPromptAction")
        prompt_action.setToolTip(tr("Click an object in the image and get its outline"))
        prompt_action.setCheckable(True)
        prompt_action.triggered.connect(self._on_prompt_triggered)
        self.dock.panel.tool.setAction(prompt_action)
        self._toolbar = self._iface.addToolBar(TITLE)
        self._toolbar.setObjectName("CitySegToolBar")
        for action in (panel_action, prompt_action):
            self._toolbar.addAction(action)
            self._iface.addPluginToRasterMenu(TITLE, action)
        # The dock deletes its own action.
        self._actions = [prompt_action]

    def _remove_actions(self) -> None:
        if self.dock is not None:
            self._iface.removePluginRasterMenu(TITLE, self.dock.toggleViewAction())
            self.dock.panel.tool.setAction(None)
        for action in self._actions:
            self._iface.removePluginRasterMenu(TITLE, action)
            action.deleteLater()
        self._actions = []
        if self._toolbar is not None:
            self._iface.mainWindow().removeToolBar(self._toolbar)
            self._toolbar.deleteLater()
            self._toolbar = None

    def _on_prompt_triggered(self, checked: bool) -> None:
        self.dock.setUserVisible(True)
        self.dock.panel.set_prompting(checked)

    def _on_backend_changed(self) -> None:
        self.dock.refresh_banner()
        self._client.restart()
        self._cloud_run.restart_backend()


def _log_backend_line(level: str, text: str) -> None:
    levels = {"warning": Qgis.MessageLevel.Warning, "error": Qgis.MessageLevel.Critical}
    log(text, levels.get(level, Qgis.MessageLevel.Info))
