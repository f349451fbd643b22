"""A main window with a map, shortcuts and a message bar, as far as a plugin sees it; mouse and keys go in as events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from qgis.core import QgsPointXY, QgsProject, QgsRasterLayer
from qgis.gui import QgsMapCanvas, QgsMapToolPan, QgsMessageBar
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QObject, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QKeySequence, QMouseEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QAction, QApplication, QMainWindow, QToolBar

from cityseg_qgis.plugin import CitySegPlugin

PATIENCE_S = 200
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


class Desktop(QObject):
    """What the plugin is given as `iface`: real widgets, and a record of what was registered."""

    def __init__(self) -> None:
        super().__init__()
        self.window = QMainWindow()
        self.window.resize(1100, 700)
        self.canvas = QgsMapCanvas(self.window)
        self.canvas.setObjectName("theMapCanvas")
        self.window.setCentralWidget(self.canvas)
        self.bar = QgsMessageBar(self.canvas)
        self.raster_menu = self.window.menuBar().addMenu("Raster")
        self.factories: list[object] = []
        self.active = None
        self.pan = QgsMapToolPan(self.canvas)
        self.canvas.setMapTool(self.pan)
        # QGIS has these shortcuts of its own; the counters tell who got the keys.
        self.own_keys = dict.fromkeys(("Ctrl+Z", "Ctrl+Shift+Z", "Esc", "Return"), 0)
        for keys in self.own_keys:
            action = QAction(keys, self.window)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked, pressed=keys: self._count(pressed))
            self.window.addAction(action)
        self.window.show()
        QApplication.setActiveWindow(self.window)
        QTest.qWaitForWindowExposed(self.window)

    def _count(self, keys: str) -> None:
        self.own_keys[keys] += 1

    # The part of QgisInterface that the plugin uses.

    def mainWindow(self):
        return self.window

    def mapCanvas(self):
        return self.canvas

    def messageBar(self):
        return self.bar

    def activeLayer(self):
        return self.active

    def addDockWidget(self, area, dock):
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock):
        self.window.removeDockWidget(dock)

    def addToolBar(self, title):
        bar = QToolBar(title, self.window)
        self.window.addToolBar(bar)
        return bar

    def addPluginToRasterMenu(self, _title, action):
        self.raster_menu.addAction(action)

    def removePluginRasterMenu(self, _title, action):
        self.raster_menu.removeAction(action)

    def registerOptionsWidgetFactory(self, factory):
        self.factories.append(factory)

    def unregisterOptionsWidgetFactory(self, factory):
        self.factories.remove(factory)

    # What a user does.

    def show(self, layer: QgsRasterLayer, crs=None) -> None:
        """Add `layer` and zoom to it, in `crs` or its own."""
        QgsProject.instance().addMapLayer(layer)
        self.canvas.setDestinationCrs(layer.crs() if crs is None else crs)
        self.canvas.setLayers([layer])
        extent = self.canvas.mapSettings().layerExtentToOutputExtent(layer, layer.extent())
        self.canvas.setExtent(extent)
        settle()

    def pixel(self, place: Sequence[float]) -> QPoint:
        """Where a map position is on the canvas."""
        point = self.canvas.getCoordinateTransform().transform(QgsPointXY(*place))
        return QPoint(round(point.x()), round(point.y()))

    def click(self, place: Sequence[float], button=LEFT, modifiers=NONE) -> None:
        """Press and release at a map position."""
        QTest.mouseClick(self.canvas.viewport(), button, modifiers, self.pixel(place))

    def drag(self, places: Sequence[Sequence[float]], button=LEFT, modifiers=NONE, hold_ms: int = 0) -> None:
        """Press at the first map position, wait, move through the others, release at the last."""
        view, way = self.canvas.viewport(), [self.pixel(place) for place in places]
        QTest.mousePress(view, button, modifiers, way[0])
        if hold_ms:
            QTest.qWait(hold_ms)
        for start, end in zip(way, way[1:]):
            for step in range(1, 6):
                move(view, start + (end - start) * step / 5, button, modifiers)
        QTest.mouseRelease(view, button, modifiers, way[-1])

    def key(self, key, modifiers=NONE, widget=None) -> None:
        """A key press where the keyboard is, through QGIS's shortcuts as a window system would send it."""
        QTest.keyClick(widget or self.canvas, key, modifiers)
        settle()

    def said(self) -> str:
        """The text of the message bar's newest message; empty where it shows none."""
        item = self.bar.currentItem()
        return item.text() if item is not None else ""

    def close(self) -> None:
        """The end of the window."""
        self.canvas.unsetMapTool(self.pan)
        self.window.close()
        self.window.deleteLater()
        settle()


class Session:
    """A desktop with the plugin loaded."""

    def __init__(self) -> None:
        self.desktop = Desktop()
        self.plugin = CitySegPlugin(self.desktop)
        self.plugin.initGui()
        settle()

    @property
    def panel(self):
        return self.plugin.dock.panel

    @property
    def interaction(self):
        return self.panel.interaction

    @property
    def prompts(self):
        return [(p.kind, p.label) for p in self.interaction.session.prompts]

    def close(self) -> None:
        self.plugin.unload()
        self.desktop.close()
        QgsProject.instance().clear()


def move(view, pixel: QPoint, button=LEFT, modifiers=NONE) -> None:
    """QTest.mouseMove says that no button is down, so the event is made by hand."""
    event = QMouseEvent(QEvent.Type.MouseMove, QPointF(pixel), Qt.MouseButton.NoButton, button, modifiers)
    QApplication.sendEvent(view, event)


def wait_until(condition: Callable[[], object]) -> None:
    """Run the event loop until `condition()`; a process that imports torch on a loaded machine takes its time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        QTest.qWait(10)


def settle() -> None:
    """Let Qt deliver what is queued, deletions too."""
    for _ in range(5):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QCoreApplication.processEvents()
