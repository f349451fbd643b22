"""Where accepted objects go: a new GeoPackage table, a memory layer, or a polygon layer of the project."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from cityseg_qgis.core.attributes import FIELDS
from cityseg_qgis.errors import TargetProblem
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import style_path

DEFAULT_NAME = "objects"
# Formats without edits in place: their driver holds all features, and makes the file again.
_WRITTEN_ANEW = (".fgb", ".geojson", ".json")


def is_target(layer: Optional[QgsMapLayer]) -> bool:
    """Whether `layer` takes polygons and may be edited."""
    return (
        isinstance(layer, QgsVectorLayer)
        and layer.isValid()
        and layer.geometryType() == QgsWkbTypes.GeometryType.PolygonGeometry
        and not layer.readOnly()
        and layer.supportsEditing()
    )


def file_is_gone(layer: QgsVectorLayer) -> bool:
    """Whether the file behind `layer` was deleted: its provider still has it open, and would write into nothing."""
    name = layer.source().split("|")[0]
    if layer.providerType() != "ogr" or name.startswith("/vsi"):
        return False
    path = Path(name)
    return path.is_absolute() and path.suffix.lower() not in _WRITTEN_ANEW and not path.exists()


def targets(project: QgsProject) -> list[QgsVectorLayer]:
    """Every layer of the project that can take results, by name."""
    found = [layer for layer in project.mapLayers().values() if is_target(layer)]
    return sorted(found, key=lambda layer: layer.name().lower())


def new_memory_layer(
    name: str, crs: QgsCoordinateReferenceSystem, project: QgsProject
) -> QgsVectorLayer:
    """A temporary polygon layer with all result attributes, added to the project."""
    layer = _memory_layer(name, crs)
    return _added(layer, project)


def new_geopackage_table(
    path: Path, table: str, crs: QgsCoordinateReferenceSystem, project: QgsProject
) -> QgsVectorLayer:
    """A new table in the GeoPackage `path`, which is made where it is missing; added to the project.

    A table that exists is never replaced: the name gets a number. Raises `TargetProblem`.
    """
    path = path if path.suffix.lower() == ".gpkg" else path.with_name(path.name + ".gpkg")
    _check_folder(path)
    if path.exists():
        table = free_table_name(path, table)
        _write_empty(path, table, crs, into_existing=True)
    else:
        table = table_name(table)
        # Made beside its place and renamed, so that a failure leaves no half of a file.
        draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.gpkg")
        try:
            _write_empty(draft, table, crs, into_existing=False)
            draft.replace(path)
        except OSError as error:
            raise _cannot_write(path, str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
    layer = QgsVectorLayer(f"{path}|layername={table}", table, "ogr")
    if not layer.isValid():
        raise _cannot_write(path, layer.error().message())
    return _added(layer, project)


def table_name(name: str) -> str:
    """`name` as a table's name: letters, digits, underscores and dashes."""
    clean = re.sub(r"[^\w-]+", "_", name.strip(), flags=re.UNICODE).strip("_")
    return clean or DEFAULT_NAME


def free_table_name(path: Path, name: str) -> str:
    """`name`, or `name_2`, `name_3`, …: the first that the GeoPackage `path` does not have."""
    taken = {existing.lower() for existing in table_names(path)}
    wish = candidate = table_name(name)
    number = 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{wish}_{number}"
    return candidate


def table_names(path: Path) -> list[str]:
    """The vector tables of a GeoPackage. Raises `TargetProblem` where it is none."""
    probe = QgsVectorLayer(str(path), "probe", "ogr")
    if probe.isValid():
        separator = probe.dataProvider().sublayerSeparator()
        return [entry.split(separator)[1] for entry in probe.dataProvider().subLayers()]
    # A GeoPackage with rasters only opens as no vector layer; anything else is no GeoPackage.
    with path.open("rb") as file:
        if file.read(15) == b"SQLite format 3":
            return []
    raise TargetProblem(
        tr("“{path}” is not a GeoPackage; choose another file.").format(path=path.name)
    )


def apply_style(layer: QgsVectorLayer) -> None:
    """The results' own look, with a colour for each class."""
    layer.loadNamedStyle(style_path("objects"))


def _memory_layer(name: str, crs: QgsCoordinateReferenceSystem) -> QgsVectorLayer:
    fields = "&".join(f"field={field}:{kind}" for field, kind in FIELDS.items())
    layer = QgsVectorLayer(f"MultiPolygon?{fields}", name, "memory")
    layer.setCrs(crs)
    return layer


def _write_empty(
    path: Path, table: str, crs: QgsCoordinateReferenceSystem, into_existing: bool
) -> None:
    actions = QgsVectorFileWriter.ActionOnExistingFile
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = table
    options.actionOnExistingFile = (
        actions.CreateOrOverwriteLayer if into_existing else actions.CreateOrOverwriteFile
    )
    writer = QgsVectorFileWriter.create(
        str(path),
        _memory_layer(table, crs).fields(),
        QgsWkbTypes.Type.MultiPolygon,
        crs,
        QgsProject.instance().transformContext(),
        options,
    )
    failed = writer.hasError() != QgsVectorFileWriter.WriterError.NoError
    message = writer.errorMessage()
    # Deleting the writer is what closes the file.
    del writer
    if failed:
        raise _cannot_write(path, message)


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise TargetProblem(
            tr("The folder “{folder}” does not exist; choose another.").format(folder=path.parent)
        )
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    if not writable:
        raise _cannot_write(path, "not writable")


def _cannot_write(path: Path, detail: str) -> TargetProblem:
    return TargetProblem(
        tr(
            "“{path}” cannot be written; check that the folder may be written and that the disk is not full."
        ).format(path=path.name.lstrip(".")),
        f"{path}: {detail}",
    )


def _added(layer: QgsVectorLayer, project: QgsProject) -> QgsVectorLayer:
    apply_style(layer)
    project.addMapLayer(layer)
    return layer
