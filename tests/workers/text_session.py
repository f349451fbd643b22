"""The plugin in a desktop with the worker that answers words by colour, and what tests of words do with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from qgis.core import (
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from cityseg_qgis import settings
from cityseg_qgis.core.review import Review
from tests.data import gdal_scenes as scenes
from tests.data.text_scene import things
from tests.workers.desktop import Session, settle, wait_until

COMMAND = f"{sys.executable} -I -u {Path(__file__).resolve().with_name('text_worker.py')}"
Rectangle = tuple[int, int, int, int]


class TextSession(Session):
    """`asked` is the last question as the backend got it."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    @property
    def side(self):
        return self.panel.text_side

    @property
    def review(self) -> Review:
        return self.side.review

    @property
    def asked(self) -> dict:
        return json.loads(self._log.read_text(encoding="utf-8"))

    def open_tab(self, mode: str = "refer"):
        """Click on a tab; its panel."""
        self.panel.tabs.buttons[mode].click()
        settle()
        return self.side.panels[mode]

    def ask(self, words: str, mode: str = "refer"):
        """Type and press Enter; the panel, once it is answered."""
        panel = self.open_tab(mode)
        panel.entry.line.clear()
        if words.isascii():
            QTest.keyClicks(panel.entry.line, words)
        else:
            # QTest knows no keys for other letters.
            panel.entry.set_words(words)
        QTest.keyClick(panel.entry.line, Qt.Key.Key_Return)
        self.wait()
        return panel

    def wait(self) -> None:
        """Until the question is answered."""
        wait_until(lambda: not self.side.run.busy)
        settle()

    def found(self) -> list[tuple[str, float]]:
        """Class and area of everything under review."""
        features = self.review.layer.getFeatures()
        return sorted((f["class"], round(f.geometry().area(), 1)) for f in features)

    def id_of(self, rectangle: Rectangle) -> int | None:
        """The object under review there."""
        return self.review.id_at(QgsPointXY(*middle(rectangle)))

    def state_at(self, rectangle: Rectangle) -> str:
        """Of the object there."""
        return self.review.state_of(self.id_of(rectangle))


def sessions(folder: Path, patch) -> Iterator[TextSession]:
    """The body of a fixture: a session that is closed afterwards."""
    patch.setenv("CITYSEG_COMMAND", COMMAND)
    patch.setenv("TEXT_LOG", str(folder / "asked.json"))
    QgsSettings().remove(settings.GROUP)
    session = TextSession(folder / "asked.json")
    yield session
    session.close()
    QgsSettings().remove(settings.GROUP)


def show_scene(session: Session, folder: Path, crs=None) -> QgsRasterLayer:
    """The red and blue things on the map."""
    layer = QgsRasterLayer(str(scenes.write(folder / "things.tif", things())), "things")
    session.desktop.show(layer, crs)
    return layer


def areas(layer_or_features: QgsVectorLayer | Sequence) -> list[float]:
    """Sorted."""
    features = getattr(layer_or_features, "getFeatures", lambda: layer_or_features)()
    return sorted(round(feature.geometry().area(), 1) for feature in features)


def sizes(rectangles: Sequence[Rectangle]) -> list[float]:
    """Square metres of rectangles in pixels, sorted."""
    return sorted((c1 - c0) * (r1 - r0) * scenes.UTM_GSD**2 for c0, r0, c1, r1 in rectangles)


def named(rectangles: Sequence[Rectangle], name: str) -> list[tuple[str, float]]:
    """As `TextSession.found` has them."""
    return [(name, size) for size in sizes(rectangles)]


def middle(rectangle: Rectangle) -> tuple[float, float]:
    """Map position of a rectangle's centre."""
    return scenes.place(*scenes.middle(rectangle))


def box_round(rectangle: Rectangle, margin_m: float):
    """Its bounds on the map, and a little more."""
    return QgsGeometry.fromWkt(scenes.rectangle_wkt(rectangle)).boundingBox().buffered(margin_m)


def forget_layers(session: Session) -> None:
    """An empty project, nothing open."""
    side = session.panel.text_side
    side.refinement.cancel()
    side.set_reviewing(False)
    side.refer_panel.adds_button.setChecked(False)
    session.panel.interaction.set_target(None)
    QgsProject.instance().clear()
    session.desktop.bar.clearWidgets()
    settle()
