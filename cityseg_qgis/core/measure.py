"""Areas and lengths on the ground, by the same rules as the backend's.

Degrees and Mercator coordinates are measured on the ellipsoid, every other projected CRS in its plane. Without a
CRS there are no metres.
"""

from __future__ import annotations

from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsDistanceArea,
    QgsGeometry,
    QgsProject,
    QgsUnitTypes,
)

_ON_ELLIPSOID = ("+proj=merc", "+proj=webmerc")
_ELLIPSOID_WITHOUT_NAME = "EPSG:7030"


def area_m2(geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[float]:
    """Ground square metres; None without a CRS."""
    if not crs.isValid():
        return None
    if _planar(crs):
        return geometry.area() * _metres_a_unit(crs) ** 2
    return _calculator(crs).measureArea(geometry)


def perimeter_m(geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[float]:
    """Ground metres of all rings, holes included; None without a CRS."""
    if not crs.isValid():
        return None
    if _planar(crs):
        # QgsGeometry.length() of a polygon is that of all its rings.
        return geometry.length() * _metres_a_unit(crs)
    return _calculator(crs).measurePerimeter(geometry)


def _planar(crs: QgsCoordinateReferenceSystem) -> bool:
    proj = crs.toProj()
    return not crs.isGeographic() and not proj.startswith(_ON_ELLIPSOID)


def _metres_a_unit(crs: QgsCoordinateReferenceSystem) -> float:
    metres = QgsUnitTypes.DistanceUnit.DistanceMeters
    return QgsUnitTypes.fromUnitToUnitFactor(crs.mapUnits(), metres)


def _calculator(crs: QgsCoordinateReferenceSystem) -> QgsDistanceArea:
    calculator = QgsDistanceArea()
    calculator.setSourceCrs(crs, QgsProject.instance().transformContext())
    calculator.setEllipsoid(crs.ellipsoidAcronym() or _ELLIPSOID_WITHOUT_NAME)
    return calculator
