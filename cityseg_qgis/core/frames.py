"""Positions and geometries between the frames: map, layer (source), pixel and target."""

from __future__ import annotations

import math

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QTransform

from cityseg_qgis.core.prompts import Position, Prompt
from cityseg_qgis.errors import GeometryProblem
from cityseg_qgis.i18n import tr

# QGIS draws a raster without georeference with its first row at y = 0 going down: (column, -row).
_FLIP_Y = QTransform(1, 0, 0, -1, 0, 0)


def transform_between(
    source: QgsCoordinateReferenceSystem, destination: QgsCoordinateReferenceSystem
) -> QgsCoordinateTransform:
    """The project's transform; does nothing where either CRS is unknown, as QGIS itself draws."""
    return QgsCoordinateTransform(source, destination, QgsProject.instance())


def transformed_prompt(
    prompt: Prompt, source: QgsCoordinateReferenceSystem, destination: QgsCoordinateReferenceSystem
) -> Prompt:
    """`prompt` in another CRS. Raises `GeometryProblem` outside the area where the CRS is defined."""
    transform = transform_between(source, destination)

    def move(position: Position) -> Position:
        point = transform.transform(QgsPointXY(*position))
        return point.x(), point.y()

    try:
        moved = prompt.mapped(move)
    except QgsCsException as error:
        raise _outside(destination, str(error)) from error
    if not all(math.isfinite(value) for position in moved.xy for value in position):
        # Some PROJ versions answer infinity instead of failing.
        raise _outside(destination, f"{prompt.xy} became {moved.xy}")
    return moved


def transformed_geometry(
    geometry: QgsGeometry,
    source: QgsCoordinateReferenceSystem,
    destination: QgsCoordinateReferenceSystem,
) -> QgsGeometry:
    """A copy of `geometry` in another CRS. Raises `GeometryProblem`."""
    moved = QgsGeometry(geometry)
    try:
        result = moved.transform(transform_between(source, destination))
    except QgsCsException as error:
        raise _outside(destination, str(error)) from error
    bounds = moved.boundingBox()
    if result != Qgis.GeometryOperationResult.Success or not bounds.isFinite():
        raise _outside(destination, f"{result}, {bounds.toString()}")
    return moved


def flipped_prompt(prompt: Prompt) -> Prompt:
    """Between QGIS's frame of a raster without georeference and the pixel frame, both ways."""
    return prompt.mapped(lambda position: (position[0], -position[1]))


def flipped_geometry(geometry: QgsGeometry) -> QgsGeometry:
    """As `flipped_prompt`, for a geometry."""
    flipped = QgsGeometry(geometry)
    flipped.transform(_FLIP_Y)
    return flipped


def valid_polygon(geometry: QgsGeometry) -> QgsGeometry:
    """`geometry` repaired and without the lines and points that repairing leaves; may be empty.

    Raises `GeometryProblem` where it cannot be repaired.
    """
    repaired = geometry if geometry.isGeosValid() else geometry.makeValid()
    if repaired.isNull():
        raise GeometryProblem(
            tr("The outline could not be repaired; add a prompt and try again."),
            geometry.lastError(),
        )
    if QgsWkbTypes.geometryType(repaired.wkbType()) == QgsWkbTypes.GeometryType.PolygonGeometry:
        return repaired
    polygons = [
        part
        for part in repaired.asGeometryCollection()
        if QgsWkbTypes.geometryType(part.wkbType()) == QgsWkbTypes.GeometryType.PolygonGeometry
    ]
    return QgsGeometry.collectGeometry(polygons) if polygons else QgsGeometry()


def _outside(crs: QgsCoordinateReferenceSystem, detail: str) -> GeometryProblem:
    return GeometryProblem(
        tr("That place has no coordinates in {crs}; move closer to the layer.").format(
            crs=crs.authid() or crs.description() or tr("the layer's CRS")
        ),
        detail,
    )
