"""Saves a layer as GeoPackage, Shapefile, GeoJSON or FlatGeobuf: whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from cityseg_qgis.core.drafts import draft_folder
from cityseg_qgis.core.target import free_table_name, table_name
from cityseg_qgis.errors import CitySegError, SaveProblem
from cityseg_qgis.i18n import tr

DRIVERS = {
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
}
# Indexes of an older Shapefile of the same name: beside new data they would be wrong.
_STALE_SIDECARS = (".qix", ".sbn", ".sbx", ".idm", ".ind", ".atx")
_WGS84 = "EPSG:4326"


def file_filter() -> str:
    """For a file dialog."""
    return ";;".join(
        ("GeoPackage (*.gpkg)", "ESRI Shapefile (*.shp)", "GeoJSON (*.geojson)", "FlatGeobuf (*.fgb)")
    )


def save_layer(layer: QgsVectorLayer, path: Path) -> Path:
    """Write all features of `layer`, unsaved edits too, to `path`; the extension says the format.

    An existing GeoPackage gets one more table, any other existing file is replaced. GeoJSON is written in WGS 84, as
    its standard wants. Raises `SaveProblem`; then the file is as it was before.
    """
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SaveProblem(
            tr("“{name}” has no known extension; use .gpkg, .shp, .geojson or .fgb.").format(
                name=path.name
            )
        )
    _check_place(path)
    if driver == "GPKG" and path.exists():
        _add_table(layer, path)
        return path
    _check_not_open(path)
    with _drafting(path) as folder:
        draft = folder / path.name
        _write(layer, draft, driver, table_name(path.stem))
        _check_complete(layer, draft, "")
        _move_in(folder, path)
    return path


def _add_table(layer: QgsVectorLayer, path: Path) -> None:
    try:
        table = free_table_name(path, layer.name())
    except CitySegError as error:
        raise SaveProblem(error.user_message, error.detail) from error
    _write(layer, path, "GPKG", table, into_existing=True)
    _check_complete(layer, path, table)


def _write(
    layer: QgsVectorLayer, path: Path, driver: str, table: str, into_existing: bool = False
) -> None:
    actions = QgsVectorFileWriter.ActionOnExistingFile
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = driver
    options.fileEncoding = "UTF-8"
    options.layerName = table
    options.actionOnExistingFile = (
        actions.CreateOrOverwriteLayer if into_existing else actions.CreateOrOverwriteFile
    )
    options.attributes = _attributes(layer)
    options.skipAttributeCreation = not options.attributes
    if driver == "GeoJSON" and layer.crs().isValid():
        options.layerOptions = ["RFC7946=YES"]
        options.ct = QgsCoordinateTransform(
            layer.crs(), QgsCoordinateReferenceSystem(_WGS84), QgsProject.instance()
        )
    context = QgsProject.instance().transformContext()
    code, message, *_ = QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), context, options)
    if code != QgsVectorFileWriter.WriterError.NoError:
        raise _not_written(path, message)


def _attributes(layer: QgsVectorLayer) -> list[int]:
    """All fields but the row number of a GeoPackage: unsaved features have none, and the new file makes its own."""
    keys = set(layer.primaryKeyAttributes()) if layer.providerType() == "ogr" else set()
    return [index for index in range(layer.fields().count()) if index not in keys]


def _check_complete(layer: QgsVectorLayer, path: Path, table: str) -> None:
    """A full disk may show only when the file is closed, which the writer does not report: count again."""
    written = QgsVectorLayer(f"{path}|layername={table}" if table else str(path), "check", "ogr")
    expected = sum(1 for _ in layer.getFeatures())
    found = sum(1 for _ in written.getFeatures()) if written.isValid() else -1
    if expected and found != expected:
        raise _not_written(path, f"{found} of {expected} features were written")


def _check_place(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise SaveProblem(
            tr("The folder “{folder}” does not exist; choose another.").format(folder=folder)
        )
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise SaveProblem(
            tr("“{name}” is read-only; choose another folder or file name.").format(name=path.name),
            str(path),
        )


def _check_not_open(path: Path) -> None:
    """Replacing the file under a layer of the project would break that layer."""
    for other in QgsProject.instance().mapLayers().values():
        if _is_same_file(path, other.source().split("|")[0]):
            raise SaveProblem(
                tr("“{file}” is open in this project as “{layer}”; choose another file name.").format(
                    file=path.name, layer=other.name()
                )
            )


def _is_same_file(path: Path, source: str) -> bool:
    """False also where `source` is no file at all: memory layers and databases have long names there."""
    try:
        return path.samefile(source)
    except (OSError, ValueError):
        return False


@contextmanager
def _drafting(path: Path) -> Iterator[Path]:
    try:
        with draft_folder(path.parent) as folder:
            yield folder
    except OSError as error:
        raise _not_written(path, str(error)) from error


def _move_in(folder: Path, path: Path) -> None:
    """Rename every file of the draft into place, the one that the user named last."""
    for suffix in _STALE_SIDECARS:
        if path.suffix.lower() == ".shp":
            path.with_suffix(suffix).unlink(missing_ok=True)
    for draft in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
        draft.replace(path.parent / draft.name)


def _not_written(path: Path, detail: str) -> SaveProblem:
    return SaveProblem(
        tr(
            "“{name}” could not be written; check that the disk is not full and the folder may be written. "
            "The layer in QGIS is unchanged."
        ).format(name=path.name),
        f"{path}: {detail}",
    )
