"""The plugin in a desktop with its point-cloud section open, and pictures of what it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from qgis.core import (
    QgsMapLayer,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsSettings,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage

from cityseg_qgis import settings
from cityseg_qgis.core.cloud_target import best_format
from cityseg_qgis.gui.cloud_switch import CLOUDS
from tests.workers.desktop import Session, settle, wait_until

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("CITYSEG_PYTHON", ROOT / ".venv" / "bin" / "python"))


def make_python(folder: Path) -> Path:
    """An executable that stands for the backend's Python and starts `gated_cloud_backend`."""
    script = folder / "cloud-python"
    backend = Path(__file__).with_name("gated_cloud_backend.py")
    script.write_text(f'#!/bin/sh\nexec "{PYTHON}" -I -X utf8 -u "{backend}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


class CloudSession(Session):
    """Opened at the section for point clouds."""

    def __init__(self) -> None:
        super().__init__()
        self.open_section()

    def open_section(self) -> None:
        """As a user opens it."""
        self.plugin.dock.sections.buttons[CLOUDS].click()
        settle()

    @property
    def clouds(self):
        return self.plugin.dock.cloud_panel

    @property
    def run(self):
        return self.clouds.run

    @property
    def note(self) -> str:
        """The problem on the card; empty where there is none."""
        note = self.clouds.note
        return "" if note.isHidden() else note.text.text()

    def choose(self, path: Path) -> None:
        """Choose a file and wait until it is known what it is, or why not."""
        self.clouds.choose_file(str(path))
        self.wait_described()

    def wait_described(self) -> None:
        wait_until(lambda: not self.run.describing)
        settle()

    def make_only(self, *names: str) -> None:
        """Tick these boxes and no other."""
        for name, box in self.clouds.output_step.boxes.items():
            if box.isChecked() != (name in names):
                box.click()

    def classify(self) -> Path:
        """Press the button and wait for the end; where the result was to go."""
        out = Path(self.clouds.output_step.path_line.text())
        self.clouds.output_step.run_button.click()
        wait_until(lambda: not self.run.busy)
        settle()
        return out

    def rows(self) -> dict[str, tuple[str, ...]]:
        """The table of classes: name to points, share, confidence."""
        table = self.clouds.answer_view.table
        cells = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount())]
        return {row[0]: tuple(row[1:]) for row in cells}


def sessions(folder: Path, patch) -> Iterator[CloudSession]:
    """The body of a fixture of a module: importing torch takes longer than most tests."""
    patch.delenv("CITYSEG_COMMAND", raising=False)
    patch.setenv("CITYSEG_PYTHON", str(make_python(folder)))
    QgsSettings().remove(settings.GROUP)
    session = CloudSession()
    yield session
    session.close()
    QgsSettings().remove(settings.GROUP)


def forget(session: CloudSession) -> None:
    """Nothing chosen, no layer, the defaults."""
    panel = session.clouds
    session.run.stop()
    QgsProject.instance().clear()
    panel.source_step.layer_combo.setLayer(None)
    panel.wanted_step.entry.line.clear()
    panel.wanted_step.added_line.clear()
    panel.wanted_step.area.choose("whole")
    panel.output_step.format_combo.setCurrentIndex(panel.output_step.format_combo.findData(best_format()))
    panel.note.clear()
    panel.answer_view.hide()
    session.desktop.bar.clearWidgets()
    QgsSettings().remove(settings.GROUP)
    settle()


def group_layers(name: str) -> dict[str, QgsMapLayer]:
    """The layers of a group of the project by name."""
    group = QgsProject.instance().layerTreeRoot().findGroup(name)
    assert group is not None, f"there is no group {name}"
    return {node.layer().name(): node.layer() for node in group.findLayers()}


def picture(layers: Sequence[QgsMapLayer], extent: QgsRectangle | None = None, side_px: int = 400) -> np.ndarray:
    """The map as RGB uint8 (side, side, 3), on white. Saved where CITYSEG_PICTURES names a folder."""
    view = QgsMapSettings()
    view.setLayers(list(layers))
    view.setDestinationCrs(layers[0].crs())
    view.setExtent(extent or layers[-1].extent())
    view.setOutputSize(QSize(side_px, side_px))
    view.setBackgroundColor(QColor(255, 255, 255))
    job = QgsMapRendererParallelJob(view)
    job.start()
    job.waitForFinished()
    image = job.renderedImage().convertToFormat(QImage.Format.Format_RGB888)
    folder = os.environ.get("CITYSEG_PICTURES")
    if folder:
        image.save(str(Path(folder) / f"{os.environ['PYTEST_CURRENT_TEST'].split('::')[-1].split(' ')[0]}.png"))
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def share_of(image: np.ndarray, colour: QColor | Sequence[int]) -> float:
    """The share of pixels that have a colour."""
    rgb = colour.getRgb()[:3] if isinstance(colour, QColor) else tuple(colour)
    return float((np.abs(image.astype(int) - rgb).max(2) < 12).mean())
