"""Layers of a cloud's vectors to files that a GIS reads: written under another name, read back, then renamed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.ground import geodetic, horizontal
from inference_backend.vector.write import (
    DRIVERS,
    TargetProblem,
    check_writable,
    explain,
    replacing,
)

Row = tuple[BaseGeometry, dict[str, Any]]

GEOMETRY_OF: Mapping[str, str] = {
    "buildings": "Polygon",
    "trees": "Point",
    "crowns": "Polygon",
    "water": "Polygon",
    "roads": "Polygon",
    "wires": "LineString Z",
}
"""The layers in the order of the file, and what they hold."""
LAYERS = tuple(GEOMETRY_OF)
COLUMNS: Mapping[str, str] = {
    "object": "whole",
    "class": "text",
    "score": "real",
    "area_m2": "real",
    "perim_m": "real",
    "height_max": "real",
    "height_med": "real",
    "ground_z": "real",
    "n_points": "whole",
    "model": "text",
    "weights": "text",
    "source": "text",
    "created": "text",
}
"""Attributes of every layer; the names fit a Shapefile."""
_GEOJSON_DIGITS = 8


def check_cloud_target(path: Path) -> None:
    """Raise TargetProblem, before any work is done, where `path` and the files named for its layers cannot be written."""
    if path.suffix.lower() not in DRIVERS:
        raise TargetProblem(
            f"'{path.name}' has no known format; end its name with {', '.join(DRIVERS)}."
        )
    check_writable(path)
    for file in set(layer_paths(path, LAYERS).values()):
        check_writable(file)
    if path.suffix.lower() == ".gpkg" and path.exists():
        _check_geopackage(path)


def layer_paths(path: Path, layers: Sequence[str]) -> dict[str, Path]:
    """The file of each layer: one GeoPackage for all, else one named for the layer too."""
    if path.suffix.lower() == ".gpkg":
        return dict.fromkeys(layers, path)
    return {name: path.with_name(f"{path.stem}_{name}{path.suffix}") for name in layers}


def write_layers(path: Path, layers: Mapping[str, Sequence[Row]], crs: pyproj.CRS | None) -> None:
    """Write rows of (geometry in the source frame, attributes) as layers; existing files of these names are replaced.

    A GeoPackage is written even without any layer's features, as long as there is a layer. All files are complete before the first
    is renamed. Raises TargetProblem, DiskProblem.
    """
    paths = layer_paths(path, list(layers))
    with ExitStack() as stack:
        drafts = {
            file: stack.enter_context(replacing(file)) for file in dict.fromkeys(paths.values())
        }
        started: set[Path] = set()
        for name, rows in layers.items():
            draft = drafts[paths[name]]
            _write(draft, paths[name], name, rows, crs, draft in started)
            started.add(draft)
        for name, rows in layers.items():
            _verify(drafts[paths[name]], paths[name], name, len(rows))


def _write(
    draft: Path,
    target: Path,
    name: str,
    rows: Sequence[Row],
    crs: pyproj.CRS | None,
    append: bool,
) -> None:
    from pyogrio import raw
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError

    driver = DRIVERS[target.suffix.lower()]
    flat = None if crs is None else horizontal(crs)
    options: dict[str, Any] = {}
    if driver == "GeoJSON":
        known = flat is not None and geodetic(flat) is not None
        options = {
            "RFC7946": "YES" if known else "NO",
            "COORDINATE_PRECISION": _GEOJSON_DIGITS,
        }
    columns = [_column(column, kind, rows) for column, kind in COLUMNS.items()]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="'crs' was not provided", category=UserWarning
            )
            raw.write(
                draft,
                np.array([shapely.to_wkb(geometry) for geometry, _ in rows], dtype=object),
                [values for values, _ in columns],
                np.array(list(COLUMNS), dtype=object),
                field_mask=[mask for _, mask in columns],
                layer=_layer_name(driver, draft, name),
                driver=driver,
                geometry_type=GEOMETRY_OF[name],
                crs=None if flat is None else flat.to_wkt(),
                encoding="UTF-8",
                append=append,
                layer_options=options,
            )
    except (DataSourceError, DataLayerError, FeatureError, CRSError, RuntimeError) as error:
        raise explain(target, error) from error


def _layer_name(driver: str, draft: Path, name: str) -> str | None:
    if driver == "GPKG":
        return name
    return None if driver == "GeoJSON" else draft.stem


def _column(name: str, kind: str, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and the mask of absent ones."""
    values = [attributes.get(name) for _, attributes in rows]
    if kind == "text":
        return np.array(
            ["" if value is None else str(value) for value in values], dtype=object
        ), None
    absent = np.array([value is None for value in values], bool)
    dtype = np.int64 if kind == "whole" else np.float64
    return np.array([0 if value is None else value for value in values], dtype), absent


def _check_geopackage(target: Path) -> None:
    from pyogrio import list_layers
    from pyogrio.errors import DataSourceError

    if any(target.with_name(target.name + suffix).exists() for suffix in ("-wal", "-journal")):
        raise TargetProblem(
            f"'{target}' is open in another program; close it there or choose another name."
        )
    try:
        others = [str(name) for name, _ in list_layers(target) if name not in LAYERS]
    except DataSourceError:
        return
    if others:
        raise TargetProblem(
            f"'{target}' also holds '{others[0]}', which would be lost; choose the name of a new file."
        )


def _verify(draft: Path, target: Path, name: str, count: int) -> None:
    """Read the layer back: some drivers keep silent about a disk that took only half of it."""
    from pyogrio import read_info
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read

    layer = name if target.suffix.lower() == ".gpkg" else None
    try:
        found = int(read_info(draft, layer=layer, force_feature_count=True)["features"])
        geometries = read(draft, layer=layer, columns=[])[2] if found else []
    except (DataSourceError, DataLayerError, RuntimeError) as error:
        raise explain(target, error) from error
    if found != count or any(geometry is None for geometry in geometries):
        raise explain(target, OSError(f"{found} of {count} features were kept"))
