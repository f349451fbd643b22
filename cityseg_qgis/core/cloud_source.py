"""Which point cloud is meant: a layer of the project or a file, and what the backend says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsPointCloudLayer,
    QgsProviderRegistry,
    QgsRectangle,
)

from cityseg_qgis.errors import BackendFailed, UnsupportedLayer
from cityseg_qgis.i18n import tr

EPT_FILE = "ept.json"
_SUFFIXES = (".las", ".laz", ".vpc")
# QGIS takes these as well as the lower case; so do we.
FILE_FILTER = "*.las *.laz *.LAS *.LAZ *.vpc ept.json"


@dataclass(frozen=True)
class CloudSource:
    """A point cloud as it was chosen; nothing of it has been read. `layer_crs` is what a layer of QGIS says it lies in."""

    path: str
    name: str
    layer_crs: QgsCoordinateReferenceSystem = field(
        default_factory=QgsCoordinateReferenceSystem, compare=False
    )


@dataclass(frozen=True)
class CloudDescription:
    """What a cloud is, read from its header. Lengths in metres but for `bounds`, (minx, miny, minz, maxx, maxy, maxz)."""

    kind: str
    count: int
    bounds: tuple[float, ...]
    crs: QgsCoordinateReferenceSystem = field(compare=False)
    xy_unit_m: float = 1.0
    warnings: tuple[str, ...] = ()

    @property
    def extent(self) -> QgsRectangle:
        """In the cloud's own coordinates."""
        return QgsRectangle(self.bounds[0], self.bounds[1], self.bounds[3], self.bounds[4])

    @property
    def width_m(self) -> float:
        """West to east."""
        return (self.bounds[3] - self.bounds[0]) * self.xy_unit_m

    @property
    def height_m(self) -> float:
        """South to north."""
        return (self.bounds[4] - self.bounds[1]) * self.xy_unit_m

    @property
    def density(self) -> float:
        """Points a square metre of the bounds; 0 where they have no area."""
        area_m2 = self.width_m * self.height_m
        return self.count / area_m2 if area_m2 > 0 else 0.0


def layer_source(layer: Optional[QgsMapLayer]) -> CloudSource:
    """What to send for `layer`. Raises `UnsupportedLayer` with a sentence that says what to do."""
    if layer is None:
        raise UnsupportedLayer(tr("Choose a point cloud first: a layer, or a file by the button beside it."))
    if not isinstance(layer, QgsPointCloudLayer):
        raise UnsupportedLayer(
            tr("“{name}” is not a point cloud; choose a point-cloud layer or a file.").format(name=layer.name())
        )
    parts = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source())
    path = str(parts.get("path") or layer.source())
    if "://" in path:
        raise UnsupportedLayer(
            tr("“{name}” lies on a server; download it and choose the file.").format(name=layer.name())
        )
    return CloudSource(_checked(path), layer.name(), QgsCoordinateReferenceSystem(layer.crs()))


def file_source(path: str) -> CloudSource:
    """A file, or the folder of an EPT. Raises `UnsupportedLayer` with a sentence that says what to do."""
    checked = _checked(path.strip())
    return CloudSource(checked, cloud_stem(checked))


def cloud_stem(path: str) -> str:
    """The name without what says its format: `town` of town.copc.laz, town/ept.json and town.las."""
    file = Path(path)
    if file.name == EPT_FILE:
        return file.parent.name
    stem = file.name
    while Path(stem).suffix.lower() in (*_SUFFIXES, ".copc"):
        stem = Path(stem).stem
    return stem


def read_description(result: Mapping[str, Any]) -> CloudDescription:
    """From the answer of the backend. Raises `BackendFailed` where it makes no sense."""
    try:
        bounds = tuple(float(value) for value in result["bounds"])
        if len(bounds) != 6:
            raise ValueError(f"{len(bounds)} bounds")
        wkt = str(result.get("crs_wkt") or "")
        return CloudDescription(
            kind=str(result["kind"]),
            count=int(result["count"]),
            bounds=bounds,
            crs=QgsCoordinateReferenceSystem.fromWkt(wkt) if wkt else QgsCoordinateReferenceSystem(),
            xy_unit_m=float(result.get("xy_unit_m") or 1.0),
            warnings=tuple(str(text) for text in result.get("warnings") or ()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BackendFailed(
            tr("The backend's description of the point cloud could not be read; update the backend."),
            f"{type(error).__name__}: {error}",
        ) from error


def _checked(path: str) -> str:
    """An absolute path of a kind that can be classified, the ept.json for the folder of an EPT."""
    file = Path(path).absolute()
    try:
        if file.is_dir() and (file / EPT_FILE).is_file():
            file = file / EPT_FILE
        there = file.is_file()
    except OSError as error:
        raise UnsupportedLayer(
            tr("“{name}” cannot be read; check the path.").format(name=file.name), str(error)
        ) from error
    if not there:
        raise UnsupportedLayer(
            tr("The file “{name}” is gone; put it back, or choose another.").format(name=file.name), str(file)
        )
    if file.name != EPT_FILE and file.suffix.lower() not in _SUFFIXES:
        raise UnsupportedLayer(
            tr("“{name}” is no point cloud of a known kind; choose a LAS, LAZ, COPC, VPC or ept.json file.").format(
                name=file.name
            )
        )
    return str(file)
