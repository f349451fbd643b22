"""Runs inside desktop QGIS (--code): prompts and asks as a user does, with mouse and keys, and takes the pictures."""

import json
import os
import sys
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import QgsPointXY, QgsProject, QgsRasterLayer, QgsRectangle
from qgis.PyQt.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QTimer
from qgis.PyQt.QtGui import QMouseEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QToolBar
from qgis.utils import iface

RASTER = os.environ["CITYSEG_SHOT_RASTER"]
PROMPTS = os.environ["CITYSEG_SHOT_PROMPTS"]
CLOUD = os.environ.get("CITYSEG_SHOT_CLOUD", "")
OUT = Path(os.environ["CITYSEG_SHOT_OUT"])
PART = os.environ["CITYSEG_SHOT_PART"]
WAIT_MS = 300_000
SIZE = (1440, 900)
REFER_WORDS, ASK_WORDS = "buildings with a red roof larger than 100 m²", "What gives shade in summer?"


def wait(ms):
    """Let QGIS work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def wait_for(condition):
    """Let QGIS work until `condition()`."""
    waited = 0
    while not condition():
        if waited > WAIT_MS:
            raise RuntimeError("waited in vain")
        wait(100)
        waited += 100


def grab(name):
    """Save a picture of QGIS's window."""
    wait(600)
    iface.mainWindow().grab().save(str(OUT / name))


def pixel(canvas, x, y):
    """Where a map position is on the canvas."""
    point = canvas.getCoordinateTransform().transform(QgsPointXY(x, y))
    return QPoint(round(point.x()), round(point.y()))


def objects():
    """Groups of prompts of the scene, as ((kind, [(x, y), …], label), …)."""
    groups = {}
    for feature in json.loads(Path(PROMPTS).read_text())["features"]:
        groups.setdefault(feature["properties"]["object"], []).append(feature)
    return groups


def tidy_window():
    """Only what the picture is about."""
    window = iface.mainWindow()
    for dock in window.findChildren(QDockWidget):
        if dock.objectName() not in ("CitySegDock", "Layers"):
            dock.hide()
    keep = ("CitySegToolBar", "mMapNavToolBar", "mFileToolBar")
    for bar in window.findChildren(QToolBar):
        if bar.parent() is window and bar.objectName() not in keep:
            bar.hide()
    window.showNormal()
    window.resize(*SIZE)
    window.setWindowTitle("CitySeg in QGIS")


def click(canvas, x, y, button=Qt.MouseButton.LeftButton):
    """A mouse click at a map position."""
    view, at = canvas.viewport(), pixel(canvas, x, y)
    QTest.mouseMove(view, at)
    QTest.mouseClick(view, button, Qt.KeyboardModifier.NoModifier, at)


def drag(canvas, places, modifiers=Qt.KeyboardModifier.NoModifier, hold_ms=0):
    """Press at the first map position, wait, move through the others, release at the last."""
    view, left, way = canvas.viewport(), Qt.MouseButton.LeftButton, [pixel(canvas, *p) for p in places]
    QTest.mousePress(view, left, modifiers, way[0])
    wait(hold_ms)
    for start, end in zip(way, way[1:]):
        for step in range(1, 9):
            # QTest.mouseMove presses no button, so the event is made by hand.
            at = QPointF(start + (end - start) * step / 8)
            event = QMouseEvent(QEvent.Type.MouseMove, at, left, left, modifiers)
            QApplication.sendEvent(view, event)
    QTest.mouseRelease(view, left, modifiers, way[-1])


def prompt(canvas, feature):
    """Play one prompt of the scene."""
    kind, places = feature["geometry"]["type"], feature["geometry"]["coordinates"]
    if kind == "Point":
        remove = feature["properties"].get("label", 1) == 0
        click(canvas, *places[:2], Qt.MouseButton.RightButton if remove else Qt.MouseButton.LeftButton)
    elif kind == "LineString":
        drag(canvas, places, hold_ms=600)
    elif len(places[0]) == 5:
        xs, ys = [x for x, _ in places[0]], [y for _, y in places[0]]
        drag(canvas, [(min(xs), max(ys)), (max(xs), min(ys))])
    else:
        drag(canvas, places[0], Qt.KeyboardModifier.ControlModifier)


def run():
    """Load, and take the pictures that are wanted."""
    tidy_window()
    layer = QgsRasterLayer(RASTER, "orthophoto")
    QgsProject.instance().addMapLayer(layer)
    canvas = iface.mapCanvas()
    canvas.setDestinationCrs(layer.crs())
    plugin = qgis.utils.plugins["cityseg_qgis"]
    dock, interaction = plugin.dock, plugin.dock.panel.interaction
    dock.setUserVisible(True)
    iface.mainWindow().resizeDocks([dock], [360], Qt.Orientation.Horizontal)
    wait(1500)
    if PART == "prompts":
        look_at(canvas, layer, 0.66)
        picture_prompts(canvas, dock, interaction)
    if PART == "words":
        look_at(canvas, layer, 0.5)
        picture_words(canvas, dock.panel)
    if PART == "processing":
        picture_processing(layer)
    if PART == "clouds":
        QgsProject.instance().removeMapLayer(layer)
        picture_clouds(canvas, dock)


def look_at(canvas, layer, share):
    """Show the middle of the layer."""
    extent = QgsRectangle(layer.extent())
    extent.scale(share)
    canvas.setExtent(extent)
    canvas.refresh()
    wait(1500)


def picture_prompts(canvas, dock, interaction):
    """Prompt, accept: dock.png, preview.png, accepted.png."""
    dock.panel.prompt_step.start_button.click()
    wait_for(lambda: interaction.client.state == "ready")
    grab("dock.png")
    done, pictured = 0, False
    view = canvas.extent()
    for features in objects().values():
        xy = features[0]["geometry"]["coordinates"]
        while isinstance(xy[0], list):
            xy = xy[0]
        if not view.contains(QgsPointXY(*xy[:2])):
            continue
        dock.panel.accept_step.class_edit.setText(features[0]["properties"].get("class") or "building")
        for feature in features:
            prompt(canvas, feature)
        wait_for(lambda: not interaction.busy)
        if len(features) > 1 and not pictured:
            grab("preview.png")
            pictured = True
        QTest.keyClick(canvas, Qt.Key.Key_Return)
        wait(100)
        done += 1
    wait(1000)
    grab("accepted.png")
    sys.stdout.write(f"{done} objects accepted\n")


def picture_words(canvas, panel):
    """Refer, review, ask: refer.png, review.png, ask.png."""
    side = panel.text_side
    ask(panel, "refer", REFER_WORDS)
    grab("refer.png")
    review = side.review
    for fid in review.open_ids()[3:5]:
        at = review.store.features((fid,))[0].geometry().pointOnSurface().asPoint()
        if canvas.extent().contains(at):
            click(canvas, at.x(), at.y())
            wait(300)
    best = review.open_ids()[-1]
    at = review.store.features((best,))[0].geometry().pointOnSurface().asPoint()
    click(canvas, at.x(), at.y(), Qt.MouseButton.RightButton)
    # So that the slider hides two, whatever the scores are.
    least = review.store.features((review.open_ids()[2],))[0]["score"]
    side.review_panel.slider.setValue(int(100 * least))
    wait(1000)
    grab("review.png")
    side.review_panel.slider.setValue(0)
    ask(panel, "ask", ASK_WORDS)
    grab("ask.png")


def ask(panel, tab, words):
    """Type words into a tab, press Enter, wait for the answer."""
    QTest.mouseClick(panel.tabs.buttons[tab], Qt.MouseButton.LeftButton)
    wait(500)
    line = panel.text_side.panels[tab].entry.line
    line.setFocus()
    QTest.keyClicks(line, words)
    line.completer().popup().hide()
    QTest.keyClick(line, Qt.Key.Key_Return)
    wait(200)
    wait_for(lambda: not panel.text_side.run.busy)
    line.completer().popup().hide()
    wait(1500)


def picture_clouds(canvas, dock):
    """The point-cloud section and its result: pointcloud.png."""
    QTest.mouseClick(dock.sections.buttons["clouds"], Qt.MouseButton.LeftButton)
    panel = dock.cloud_panel
    panel.choose_file(CLOUD)
    wait_for(lambda: not panel.run.describing)
    iface.mainWindow().resizeDocks([dock], [400], Qt.Orientation.Horizontal)
    panel.output_step.run_button.click()
    wait_for(lambda: not panel.run.busy)
    layer = next(one for one in QgsProject.instance().mapLayers().values() if "points" in one.name())
    canvas.setDestinationCrs(layer.crs())
    look_at(canvas, layer, 1.02)
    wait(3000)
    grab("pointcloud.png")
    # All of the panel, also what one would have to scroll to.
    panel.grab().save(str(OUT / "pointcloud-dock.png"))


def picture_processing(layer):
    """The dialog of an algorithm: processing.png."""
    from qgis import processing

    given = {"INPUT": layer.id(), "TEXT": "buildings larger than 150 m² within 20 m of a road", "MIN_AREA": 10}
    dialog = processing.createAlgorithmDialog("cityseg:segmentwithtext", given)
    dialog.resize(1000, 680)
    dialog.show()
    wait(1500)
    dialog.grab().save(str(OUT / "processing.png"))
    dialog.close()


def main():
    """End QGIS whatever happens."""
    try:
        run()
    except Exception:
        sys.stderr.write(traceback.format_exc())
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(0)


QTimer.singleShot(1500, main)
