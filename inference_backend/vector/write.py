"""Features to a file that a GIS reads: written beside the target under another name, checked, then renamed.

Whatever goes wrong, the target is the old file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.imagery.ground import geodetic
from inference_backend.vector.attributes import FIELDS
from inference_backend.vector.drafts import PREFIX, draft_folder

DRIVERS: Mapping[str, str] = {
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
}
# Files that belong to a Shapefile; an index left over from the old one would hide features of the new one.
_SHAPEFILE_PARTS = (
    ".shx",
    ".dbf",
    ".prj",
    ".cpg",
    ".qix",
    ".sbn",
    ".sbx",
    ".fix",
    ".qpj",
    ".shp.xml",
    ".idm",
    ".ind",
)
# RFC 7946 suggests seven digits, a centimetre; drone imagery is finer than that.
_GEOJSON_DIGITS = 8
_FULL_BYTES = 1 << 20
# Where what found the features is kept, beside them.
PROGRAM_KEY = "cityseg_program"
_PROGRAM_IN_COLUMN = ("GeoJSON", "FlatGeobuf")
# Root may write anything: a file that nobody may write is still marked as one to keep.
_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class TargetProblem(InvalidInput, OSError):
    """The file that the user named cannot be written."""


class DiskProblem(ResourceProblem):
    """The disk refused while a file was written; on the command line this is bad input as well."""

    exit_code = 2


def write_features(
    path: str | os.PathLike[str],
    rows: Sequence[tuple[Any, Mapping[str, Any]]],
    crs: pyproj.CRS | None,
    columns: Mapping[str, str] = FIELDS,
    program: str = "",
) -> None:
    """Write `rows` of (polygon geometry in the source frame, attributes) in the order given, `columns` of them.

    `program` (JSON) is what found them: a GeoPackage keeps it in the layer's metadata, GeoJSON and FlatGeobuf in a column;
    a Shapefile's text is too short for it. The extension picks the format. GeoJSON is RFC 7946, in longitude and latitude, unless there is no CRS. An
    existing file is replaced. Raises TargetProblem and DiskProblem.
    """
    target = Path(path)
    driver = check_target(target)
    with replacing(target) as temporary:
        _write(temporary, driver, rows, crs, columns, program)
        _verify(temporary, len(rows))


def check_target(path: str | os.PathLike[str]) -> str:
    """The driver for `path`; raises TargetProblem, before any work is done, if it cannot be written."""
    target = Path(path)
    driver = DRIVERS.get(target.suffix.lower())
    if driver is None:
        raise TargetProblem(
            f"'{target.name}' has no known format; end its name with {', '.join(DRIVERS)}."
        )
    check_writable(target)
    if driver == "GPKG" and target.exists():
        _check_geopackage(target)
    return driver


def files_of(target: Path) -> list[Path]:
    """The file of this name, and the other parts of a Shapefile."""
    suffixes = _SHAPEFILE_PARTS if target.suffix.lower() == ".shp" else ()
    return [target, *(target.with_name(target.stem + suffix) for suffix in suffixes)]


def check_writable(target: Path) -> None:
    """Raise TargetProblem where a file of this name cannot be made or replaced."""
    folder = target.parent
    if not folder.is_dir():
        raise TargetProblem(f"The folder '{folder}' does not exist; make it or choose another.")
    if target.is_dir():
        raise TargetProblem(f"'{target}' is a folder; give a file name.")
    if target.exists() and not (os.access(target, os.W_OK) and target.stat().st_mode & _WRITE_BITS):
        raise TargetProblem(
            f"'{target}' is read-only; choose another name or change its permissions."
        )
    try:
        handle, probe = tempfile.mkstemp(prefix=PREFIX, dir=folder)
        os.close(handle)
        Path(probe).unlink()
    except OSError as error:
        raise TargetProblem(
            f"Nothing can be written in '{folder}' ({error.strerror}); choose another folder."
        ) from error


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to, of the same name in a folder beside `target`; its files take the target's place at the end."""
    try:
        with draft_folder(target.parent) as folder:
            yield folder / target.name
            _move(folder, target)
    except OSError as error:
        if isinstance(error, (TargetProblem, ResourceProblem)):
            raise
        raise explain(target, error) from error


def explain(target: Path, error: Exception) -> DiskProblem | TargetProblem:
    """Turn a failed write into a sentence."""
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError:
        return TargetProblem(
            f"The folder of '{target}' is gone; choose another.", detail=str(error)
        )
    if free < _FULL_BYTES:
        return DiskProblem(
            f"The disk that holds '{target}' is full; free some space or choose another.",
            detail=str(error),
        )
    if isinstance(error, PermissionError):
        return TargetProblem(
            f"'{target}' may not be written; choose another place.", detail=str(error)
        )
    return DiskProblem(
        f"'{target}' could not be written; check the disk and its quota.", detail=str(error)
    )


def _move(folder: Path, target: Path) -> None:
    """Rename every part into place, the part that makes the data visible last."""
    if target.suffix.lower() == ".shp":
        for part in files_of(folder / target.name)[1:]:
            if part.exists():
                part.replace(target.with_name(part.name))
            else:
                target.with_name(part.name).unlink(missing_ok=True)
    (folder / target.name).replace(target)


def _check_geopackage(target: Path) -> None:
    from pyogrio import list_layers
    from pyogrio.errors import DataSourceError

    if any(target.with_name(target.name + suffix).exists() for suffix in ("-wal", "-journal")):
        raise TargetProblem(
            f"'{target}' is open in another program; close it there or choose another name."
        )
    try:
        others = [str(name) for name, _ in list_layers(target) if name != target.stem]
    except DataSourceError:
        return
    if others:
        raise TargetProblem(
            f"'{target}' also holds '{others[0]}', which would be lost; choose the name of a new file."
        )


def _write(
    path: Path,
    driver: str,
    rows: Sequence[tuple[Any, Mapping[str, Any]]],
    crs: pyproj.CRS | None,
    columns: Mapping[str, str],
    program: str,
) -> None:
    from pyogrio import raw
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError

    geometries = np.array([shapely.to_wkb(geometry) for geometry, _ in rows], dtype=object)
    named = dict(columns)
    if program and driver in _PROGRAM_IN_COLUMN:
        named["program"] = "text"
        rows = [(geometry, {**attributes, "program": program}) for geometry, attributes in rows]
    filled = [_column(name, kind, rows) for name, kind in named.items()]
    metadata = {PROGRAM_KEY: program} if program and driver == "GPKG" else None
    options = {}
    if driver == "GeoJSON":
        georeferenced = crs is not None and geodetic(crs) is not None
        options = {
            "RFC7946": "YES" if georeferenced else "NO",
            "COORDINATE_PRECISION": _GEOJSON_DIGITS,
        }
    try:
        with warnings.catch_warnings():
            # A plain image has no CRS: its outlines are in pixels on purpose.
            warnings.filterwarnings(
                "ignore", message="'crs' was not provided", category=UserWarning
            )
            raw.write(
                path,
                geometries,
                [values for values, _ in filled],
                np.array(list(named), dtype=object),
                field_mask=[mask for _, mask in filled],
                layer=None if driver == "GeoJSON" else path.stem,
                driver=driver,
                geometry_type="MultiPolygon",
                promote_to_multi=True,
                crs=None if crs is None else crs.to_wkt(),
                encoding="UTF-8",
                layer_options=options,
                layer_metadata=metadata,
            )
    except (DataSourceError, DataLayerError, FeatureError, CRSError, RuntimeError) as error:
        raise explain(path.parent.parent / path.name, error) from error


def _column(
    name: str, kind: str, rows: Sequence[tuple[Any, Mapping[str, Any]]]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and the mask of absent ones."""
    values = [attributes.get(name) for _, attributes in rows]
    if kind == "key" and all(isinstance(value, int) for value in values):
        return np.array(values, np.int64), None
    if kind == "real":
        absent = np.array([value is None for value in values], bool)
        return np.array([0.0 if value is None else value for value in values], np.float64), absent
    return np.array(["" if value is None else str(value) for value in values], dtype=object), None


def _verify(path: Path, count: int) -> None:
    """Read the file back: some drivers keep silent about a disk that took only half of it."""
    from pyogrio import read_info
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read

    try:
        found = int(read_info(path, force_feature_count=True)["features"])
        geometries = read(path, columns=[])[2] if found else []
    except (DataSourceError, DataLayerError, RuntimeError) as error:
        raise explain(path.parent.parent / path.name, error) from error
    if found != count or any(geometry is None for geometry in geometries):
        raise explain(
            path.parent.parent / path.name, OSError(f"{found} of {count} features were kept")
        )
