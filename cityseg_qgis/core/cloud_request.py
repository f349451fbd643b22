"""What is asked of a point cloud, and how it goes over the wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCsException,
    QgsRectangle,
)

from cityseg_qgis.core.cloud_source import CloudSource
from cityseg_qgis.core.frames import transform_between
from cityseg_qgis.core.text_request import WHOLE, Area
from cityseg_qgis.errors import GeometryProblem
from cityseg_qgis.i18n import tr

Bounds = tuple[float, float, float, float]
_PARENT = ":"


@dataclass(frozen=True)
class CloudRequest:
    """`classes` empty means all; `added` are names that no training set had, as "name" or "name:parent".

    `bounds` are (xmin, ymin, xmax, ymax) in the cloud's coordinates, None for the whole. `vectors`, `dtm` and `hag` are
    the files to write, empty where none is wanted; `layers` are the outlines in `vectors`, empty for all. `threshold`
    None is the backend's.
    """

    source: CloudSource
    out: str
    classes: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    bounds: Optional[Bounds] = None
    crs: str = ""
    vectors: str = ""
    dtm: str = ""
    hag: str = ""
    threshold: Optional[float] = None
    device: str = ""
    layers: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """The parameters of `classify`: what is not wanted is left out."""
        params: dict[str, Any] = {
            "classes": list(self.classes),
            "add": list(self.added),
            "extent": None if self.bounds is None else list(self.bounds),
            "crs": self.crs,
            "vectors": self.vectors,
            "layers": list(self.layers),
            "dtm": self.dtm,
            "hag": self.hag,
            "device": self.device,
        }
        params = {name: value for name, value in params.items() if value}
        if self.threshold is not None:
            params["threshold"] = self.threshold
        return {"source": self.source.path, "out": self.out, **params}


def names_in(words: str) -> tuple[str, ...]:
    """The names in "building, tree, power line": each once, without blanks around."""
    names = (" ".join(part.split()) for part in words.replace(";", ",").replace("\n", ",").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def added_in(words: str) -> tuple[str, ...]:
    """The names in "greenhouse:building, noise barrier: wall", as the backend takes them. Raises `GeometryProblem`."""
    found = []
    for name in names_in(words):
        child, colon, parent = (part.strip() for part in name.partition(_PARENT))
        if not child or (colon and not parent):
            raise GeometryProblem(
                tr("“{name}” is no new class: write a name, or a name and its parent such as greenhouse:building.").format(
                    name=name
                )
            )
        found.append(f"{child}{_PARENT}{parent}" if parent else child)
    return tuple(found)


def bounds_in_cloud(
    area: Area, extent: QgsRectangle, crs: QgsCoordinateReferenceSystem, name: str
) -> Optional[Bounds]:
    """The bounds of `area` in a cloud of `extent` and `crs`, cut at the cloud; None for the whole.

    Raises `GeometryProblem` where the area misses the cloud or has no place in its CRS.
    """
    if area.kind == WHOLE:
        return None
    boxes = [_moved(geometry.boundingBox(), area.crs, crs, name) for geometry in area.geometries]
    wanted = QgsRectangle(boxes[0])
    for box in boxes[1:]:
        wanted.combineExtentWith(box)
    return bounds_of(wanted, extent, name)


def bounds_of(wanted: QgsRectangle, extent: QgsRectangle, name: str) -> Optional[Bounds]:
    """`wanted` cut at `extent`, both in the cloud's coordinates; None where it holds all of it. Raises `GeometryProblem`."""
    if wanted.contains(extent):
        return None
    inside = wanted.intersect(extent)
    if inside.isEmpty():
        raise GeometryProblem(
            tr("The area lies outside “{name}”; choose another, or the whole cloud.").format(name=name),
            f"{wanted.toString()} and {extent.toString()}",
        )
    return inside.xMinimum(), inside.yMinimum(), inside.xMaximum(), inside.yMaximum()


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """A CRS as the backend takes it: its code, else its whole definition; empty for none."""
    if not crs.isValid():
        return ""
    return crs.authid() if crs.authid() and not crs.authid().startswith("USER:") else crs.toWkt()


def _moved(
    box: QgsRectangle,
    source: QgsCoordinateReferenceSystem,
    destination: QgsCoordinateReferenceSystem,
    name: str,
) -> QgsRectangle:
    try:
        # Densified: the sides of a rectangle are bent in another projection.
        moved = transform_between(source, destination).transformBoundingBox(box)
    except QgsCsException as error:
        raise _no_place(name, str(error)) from error
    if not all(map(math.isfinite, (moved.xMinimum(), moved.yMinimum(), moved.xMaximum(), moved.yMaximum()))):
        raise _no_place(name, f"{box.toString()} became {moved.toString()}")
    return moved


def _no_place(name: str, detail: str) -> GeometryProblem:
    return GeometryProblem(
        tr("The area has no coordinates in the CRS of “{name}”; move closer to the cloud.").format(name=name),
        detail,
    )
