"""What is asked in words: the words, where to look, and how both go over the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCsException,
    QgsFeatureRequest,
    QgsGeometry,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)

from cityseg_qgis.core.asking import outline_options
from cityseg_qgis.core.frames import (
    flipped_geometry,
    transform_between,
    transformed_geometry,
    valid_polygon,
)
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.errors import GeometryProblem
from cityseg_qgis.i18n import tr

REFER, ASK = "refer", "ask"
ALL, ONE = "all", "one"
VISIBLE, RECTANGLE, POLYGONS, WHOLE = "visible", "rectangle", "polygons", "whole"
AREAS = (VISIBLE, RECTANGLE, POLYGONS, WHOLE)

# A name of a class is short, and says nothing of another class: such commas join a phrase, not a list.
_MOST_WORDS_A_CLASS = 3
_IN_PHRASES = frozenset(
    (
        *("of", "than", "near", "nearest", "within", "between", "inside", "outside", "next", "beside", "to", "from"),
        *("at", "in", "on", "with", "without", "by", "not", "but", "that", "which", "where", "larger", "smaller"),
        *("bigger", "more", "less", "most", "least", "largest", "smallest", "north", "south", "east", "west", "left"),
        *("right", "above", "below"),
    )
)
_JOINED = re.compile(r"\s+(?:and|or)\s+")


@dataclass(frozen=True)
class Area:
    """Where to look: the whole raster, a rectangle, or polygons (`geometries`, all in `crs`)."""

    kind: str = WHOLE
    geometries: tuple[QgsGeometry, ...] = ()
    crs: QgsCoordinateReferenceSystem = field(default_factory=QgsCoordinateReferenceSystem)

    @classmethod
    def rectangle(
        cls, rectangle: QgsRectangle, crs: QgsCoordinateReferenceSystem, kind: str = RECTANGLE
    ) -> Area:
        """Along the axes of `crs`."""
        return cls(kind, (QgsGeometry.fromRect(rectangle),), crs)

    def to_wire(self, source: SourceDescription) -> Optional[dict[str, Any]]:
        """As the request carries it, in the source's frame; None for the whole raster.

        A rectangle becomes the bounds round it. Raises `GeometryProblem` where nothing of the raster lies inside.
        """
        if self.kind == WHOLE:
            return None
        if self.kind == POLYGONS:
            return {"polygons": [polygon_json(part) for part in self._polygons(source)]}
        bounds = self._bounds(source).intersect(source.extent)
        if bounds.isEmpty():
            raise _nothing_inside(self.kind, source)
        if source.frame == "pixel":
            bounds = flipped_geometry(QgsGeometry.fromRect(bounds)).boundingBox()
        return {
            "bounds": [bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()]
        }

    def _bounds(self, source: SourceDescription) -> QgsRectangle:
        transform = transform_between(self.crs, source.crs)
        rectangle = self.geometries[0].boundingBox()
        try:
            # Densified: the sides of a rectangle are bent in another projection.
            moved = transform.transformBoundingBox(rectangle)
        except QgsCsException as error:
            raise _no_place(source, str(error)) from error
        if not moved.isFinite():
            raise _no_place(source, f"{rectangle.toString()} became {moved.toString()}")
        return moved

    def _polygons(self, source: SourceDescription) -> list[QgsGeometry]:
        extent = QgsGeometry.fromRect(source.extent)
        found = []
        for geometry in self.geometries:
            moved = valid_polygon(transformed_geometry(geometry, self.crs, source.crs))
            if not moved.isEmpty() and moved.intersects(extent):
                found.append(source.from_wire(moved))
        if not found:
            raise _nothing_inside(self.kind, source)
        return found


@dataclass(frozen=True)
class TextRequest:
    """One question in words. `program` is one that the backend made of them, `changes` the chips to change in it first
    (a value each by the chip's id, None to leave that part out): they go before the words.
    """

    words: str
    mode: str = REFER
    area: Area = Area()
    find: str = ALL
    program: Optional[Mapping[str, Any]] = field(default=None, compare=False)
    changes: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def to_wire(self, source: SourceDescription, model: str) -> dict[str, Any]:
        """The parameters of `segment`. Raises `GeometryProblem` where the area misses the raster."""
        params: dict[str, Any] = {
            "source": source.wire,
            "model": model,
            "find": self.find,
            "options": outline_options(),
            "pixel": source.frame == "pixel",
            **self._asked(),
        }
        area = self.area.to_wire(source)
        return params if area is None else {**params, "area": area}

    def _asked(self) -> dict[str, Any]:
        if self.program is not None:
            said = "ask" if self.mode == ASK else "text"
            return {"program": dict(self.program), "changes": dict(self.changes), said: self.words}
        if self.mode == ASK:
            return {"ask": self.words}
        classes = class_list(self.words)
        return {"classes": classes} if classes else {"text": self.words}


def class_list(words: str) -> list[str]:
    """The classes in "roads, trees and cars"; empty where `words` is one phrase, commas or not."""
    pieces = [" ".join(piece.split()) for piece in words.strip(" .!").split(",")]
    if len(pieces) < 2 or not all(pieces):
        return []
    pieces[-1] = re.sub(r"^(?:and|or)\s+", "", pieces[-1])
    pieces[-1:] = _JOINED.split(pieces[-1])
    plain = all(
        len(piece.split()) <= _MOST_WORDS_A_CLASS and not _IN_PHRASES & set(piece.lower().split())
        for piece in pieces
    )
    return list(dict.fromkeys(pieces)) if plain else []


def selected_polygons(layer: Optional[QgsVectorLayer]) -> Area:
    """The selected polygons of `layer` as an area. Raises `GeometryProblem` with what to do where there are none."""
    if layer is None:
        raise GeometryProblem(
            tr("There is no polygon layer to take the area from; add one, or search elsewhere.")
        )
    shapes = [
        feature.geometry()
        for feature in layer.getSelectedFeatures(QgsFeatureRequest().setNoAttributes())
        if feature.hasGeometry()
    ]
    if not shapes:
        raise GeometryProblem(
            tr("No polygon of “{name}” is selected; select the area first.").format(name=layer.name())
        )
    return Area(POLYGONS, tuple(shapes), layer.crs())


def polygon_json(geometry: QgsGeometry) -> dict[str, Any]:
    """`geometry` as a GeoJSON Polygon or MultiPolygon, straight lines and two dimensions only."""
    flat = QgsGeometry(geometry.constGet().segmentize())
    if QgsWkbTypes.isMultiType(flat.wkbType()):
        polygons = [[_ring(ring) for ring in polygon] for polygon in flat.asMultiPolygon()]
        return {"type": "MultiPolygon", "coordinates": polygons}
    return {"type": "Polygon", "coordinates": [_ring(ring) for ring in flat.asPolygon()]}


def _ring(points: Sequence[Any]) -> list[list[float]]:
    return [[point.x(), point.y()] for point in points]


def _no_place(source: SourceDescription, detail: str) -> GeometryProblem:
    return GeometryProblem(
        tr("The area has no coordinates in the CRS of “{layer}”; move closer to the layer.").format(
            layer=source.name
        ),
        detail,
    )


def _nothing_inside(kind: str, source: SourceDescription) -> GeometryProblem:
    sentence = {
        VISIBLE: tr("The map shows nothing of “{layer}”; zoom to the layer, or search the whole raster."),
        RECTANGLE: tr("The drawn rectangle lies outside “{layer}”; draw another, or search the whole raster."),
        POLYGONS: tr("The selected polygons lie outside “{layer}”; select others, or search the whole raster."),
    }[kind]
    return GeometryProblem(sentence.format(layer=source.name))
