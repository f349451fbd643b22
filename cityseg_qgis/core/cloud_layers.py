"""The results of a classified point cloud as layers: coloured by class, in a group, with outlines and rasters beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsPointCloudCategory,
    QgsPointCloudClassifiedRenderer,
    QgsPointCloudLayer,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorLayer,
)

from cityseg_qgis.core.cloud_answer import CloudAnswer, CloudClass
from cityseg_qgis.core.cloud_target import openable
from cityseg_qgis.errors import UnsupportedLayer
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import style_path

LABEL, CLASSIFICATION = "cityseg_label", "Classification"
VECTORS = ("buildings", "trees", "crowns", "water", "roads", "wires")
# Every point is a little larger than QGIS's millimetre on a dense screen, so that no ground shows through a roof.
_POINT_SIZE_MM = 1.0
_STYLE = "cloud_{name}"
# Between the parts of what a provider says of a sublayer: number, name, count, …
_SEPARATOR = "!!::!!"


@dataclass(frozen=True)
class ResultLayers:
    """The layers of one result; `cloud` is None where this QGIS does not open its format."""

    cloud: Optional[QgsPointCloudLayer]
    vectors: tuple[QgsVectorLayer, ...] = ()
    rasters: tuple[QgsRasterLayer, ...] = ()

    @property
    def all(self) -> tuple[QgsMapLayer, ...]:
        """From top to bottom."""
        cloud = () if self.cloud is None else (self.cloud,)
        return (*self.vectors, *cloud, *self.rasters)


def result_layers(
    answer: CloudAnswer, crs: QgsCoordinateReferenceSystem, wanted: Iterable[str] = VECTORS
) -> ResultLayers:
    """Layers of all that an answer wrote, in no project yet; of the outlines only those `wanted`.

    `crs` is for files that say none.
    """
    chosen = set(wanted)
    vectors = [
        layer
        for path in answer.vectors
        for layer in vector_layers(path)
        if layer.name() in chosen
    ]
    vectors.sort(key=lambda layer: _drawn_first(layer.name()))
    rasters = [_raster_layer(path) for path in answer.rasters]
    cloud = None
    if provider_of(answer.out):
        cloud = cloud_layer(answer.out, answer.classes)
    result = ResultLayers(cloud, tuple(vectors), tuple(filter(None, rasters)))
    for layer in result.all:
        if not layer.crs().isValid() and crs.isValid():
            layer.setCrs(crs)
    return result


def add_group(
    project: QgsProject, layers: ResultLayers, name: str
) -> Optional[QgsLayerTreeGroup]:
    """Put the layers into a group at the head of the tree; rasters lie below and are off. None where there is nothing."""
    if not layers.all:
        return None
    group = project.layerTreeRoot().insertGroup(0, name)
    for layer in layers.all:
        project.addMapLayer(layer, False)
        node = group.addLayer(layer)
        if layer in layers.rasters:
            node.setItemVisibilityChecked(False)
        if layer is not layers.cloud:
            node.setExpanded(False)
    return group


def provider_of(out: str) -> str:
    """The provider of this QGIS that opens a point cloud; empty where none does."""
    path = openable(out).lower()
    there = QgsProviderRegistry.instance().providerList()
    if path.endswith("ept.json"):
        candidates: tuple[str, ...] = ("ept",)
    elif path.endswith(".copc.laz"):
        candidates = ("copc", "pdal")
    else:
        candidates = ("pdal",)
    return next((name for name in candidates if name in there), "")


def cloud_layer(out: str, classes: Sequence[CloudClass], name: str = "") -> QgsPointCloudLayer:
    """A point-cloud layer with the classes as its legend. Raises `UnsupportedLayer` where QGIS cannot open it."""
    path = openable(out)
    layer = QgsPointCloudLayer(path, name or tr("classified points"), provider_of(out))
    if not layer.isValid():
        # QGIS 3.22 crashes when it is to sum up an error that is none.
        detail = "" if layer.error().isEmpty() else layer.error().summary()
        raise UnsupportedLayer(
            tr("“{name}” was written, and this QGIS cannot open it.").format(name=Path(out).name), detail
        )
    colour_by_class(layer, classes)
    return layer


def colour_by_class(layer: QgsPointCloudLayer, classes: Sequence[CloudClass]) -> None:
    """Set the renderer: by our own labels where the layer has them, else by the codes of the ASPRS."""
    names = [attribute.name() for attribute in layer.attributes().attributes()]
    layer.setRenderer(class_renderer(classes, LABEL if LABEL in names else CLASSIFICATION))


def class_renderer(classes: Sequence[CloudClass], attribute: str) -> QgsPointCloudClassifiedRenderer:
    """A colour and a name a class; classes of one ASPRS code share the colour of the most frequent."""
    categories = []
    for value, members in _by_value(classes, attribute).items():
        names = list(dict.fromkeys(member.name for member in members))
        categories.append(
            QgsPointCloudCategory(value, members[0].colour, ", ".join(names), True)
        )
    # 3.22 knows no constructor with arguments.
    renderer = QgsPointCloudClassifiedRenderer()
    renderer.setAttribute(attribute)
    renderer.setCategories(categories)
    renderer.setPointSize(_POINT_SIZE_MM)
    return renderer


def vector_layers(path: str) -> list[QgsVectorLayer]:
    """The layers of a GeoPackage, or of a folder of Shapefiles, with our styles."""
    file = Path(path)
    if file.is_dir():
        found = [QgsVectorLayer(str(one), one.stem, "ogr") for one in sorted(file.glob("*.shp"))]
    else:
        found = [
            QgsVectorLayer(f"{path}|layername={name}", name, "ogr") for name in vector_names(path)
        ]
    valid = [layer for layer in found if layer.isValid()]
    for layer in valid:
        style_vector(layer)
    return valid


def vector_names(path: str) -> list[str]:
    """How the layers of a GeoPackage are called."""
    probe = QgsVectorLayer(path, "probe", "ogr")
    if not probe.isValid():
        return []
    return [line.split(_SEPARATOR)[1] for line in probe.dataProvider().subLayers()]


def style_vector(layer: QgsVectorLayer) -> None:
    """The style that belongs to a layer of that name, if there is one."""
    style = style_path(_STYLE.format(name=layer.name()))
    if Path(style).is_file():
        layer.loadNamedStyle(style)


def _raster_layer(path: str) -> Optional[QgsRasterLayer]:
    layer = QgsRasterLayer(path, Path(path).stem, "gdal")
    return layer if layer.isValid() else None


def _by_value(classes: Sequence[CloudClass], attribute: str) -> dict[int, list[CloudClass]]:
    found: dict[int, list[CloudClass]] = {}
    for one in sorted(classes, key=lambda c: -c.count):
        found.setdefault(one.id if attribute == LABEL else one.code, []).append(one)
    return found


def _drawn_first(name: str) -> int:
    """Points and lines over areas; small areas over large ones."""
    order = ("trees", "wires", "buildings", "crowns", "roads", "water")
    return order.index(name) if name in order else len(order)
