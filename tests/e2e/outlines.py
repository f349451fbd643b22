"""Where the shapes of the scene are, what they measure, and ways to wait for their outlines."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry
from qgis.PyQt.QtCore import Qt

from cityseg_qgis.core.frames import transformed_geometry
from tests.data import gdal_scenes as scenes
from tests.workers.desktop import settle, wait_until

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("CITYSEG_PYTHON", ROOT / ".venv" / "bin" / "python"))
BACKEND = ROOT / "tests" / "workers" / "colour_backend.py"
UTM = QgsCoordinateReferenceSystem(scenes.UTM)
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
MERCATOR = QgsCoordinateReferenceSystem("EPSG:3857")
RED_AT, BLUE_AT = scenes.place(*scenes.middle(scenes.RED)), scenes.place(*scenes.middle(scenes.BLUE))
# 60 × 40 and 60 × 80 pixels of 0.5 m; the outline may be off by a fraction of a pixel along its edge.
RED_M2, BLUE_M2, SLACK_M2 = 600.0, 1200.0, 30.0


def answered(session):
    wait_until(lambda: not session.interaction.busy)
    settle()
    return session.interaction.preview


def accept(session):
    session.desktop.key(Qt.Key.Key_Return)
    return session.interaction.target


def iou(geometry, crs, rectangle):
    mine = transformed_geometry(geometry, crs, UTM)
    truth = QgsGeometry.fromWkt(scenes.rectangle_wkt(rectangle))
    return mine.intersection(truth).area() / mine.combine(truth).area()
