"""The features of a prompt file, GeoJSON, GeoPackage or Shapefile, each with its CRS."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyproj
import shapely
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput

_LONLAT = "OGC:CRS84"
# What shapely raises for a geometry that is none.
_MALFORMED = (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError)


@dataclass(frozen=True)
class Feature:
    """One feature of a file, its CRS None for pixels; `where` names it in messages."""

    geometry: BaseGeometry | None
    properties: Mapping[str, Any]
    crs: pyproj.CRS | None
    where: str


def read_features(path: Path, pixel: bool) -> list[Feature]:
    """Features in the order of the file, names of properties in lower case. Raises InvalidInput."""
    return list(_read_geojson(path, pixel) if _is_geojson(path) else _read_layers(path, pixel))


def _is_geojson(path: Path) -> bool:
    return path.suffix.lower() in (".geojson", ".json")


def _read_geojson(path: Path, pixel: bool) -> Iterator[Feature]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(
            f"'{path}' cannot be read ({error.strerror}); check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"'{path.name}' is no valid GeoJSON; export it again.", detail=str(error)
        ) from error
    if isinstance(document, dict) and document.get("type") == "Feature":
        document = {**document, "type": "FeatureCollection", "features": [document]}
    if not isinstance(document, dict) or not isinstance(document.get("features"), list):
        raise InvalidInput(f"'{path.name}' is no GeoJSON feature collection; export it again.")
    crs = None if pixel else _geojson_crs(document, path.name)
    for number, record in enumerate(document["features"], 1):
        where = f"Feature {number} of '{path.name}'"
        feature = _geojson_feature(record, crs, where)
        if not pixel:
            _check_one_crs(record, document, where)
            if crs is not None and crs.is_geographic and feature.geometry is not None:
                _check_degrees(feature, "crs" in document)
        yield feature


def _geojson_feature(record: Any, crs: pyproj.CRS | None, where: str) -> Feature:
    named = (record.get("properties") or {}) if isinstance(record, dict) else None
    if not isinstance(named, dict):
        raise InvalidInput(f"{where} is no GeoJSON feature; export the file again.")
    properties = {str(name).lower(): value for name, value in named.items()}
    geometry = record.get("geometry")
    if geometry is None:
        return Feature(None, properties, crs, where)
    try:
        return Feature(shapely.force_2d(shape(geometry)), properties, crs, where)
    except _MALFORMED as error:
        raise InvalidInput(
            f"{where} has a geometry that cannot be read; draw it again.", detail=str(error)
        ) from error


def _geojson_crs(document: Mapping[str, Any], name: str) -> pyproj.CRS:
    member = document.get("crs")
    if member is None:
        if "crs" in document:
            raise InvalidInput(
                f"'{name}' says that its CRS is unknown (crs: null); name it, or use --pixel."
            )
        return pyproj.CRS(_LONLAT)
    try:
        return pyproj.CRS.from_user_input(member["properties"]["name"])
    except (CRSError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"'{name}' has a 'crs' member that cannot be understood.", detail=str(error)
        ) from error


def _check_one_crs(record: Mapping[str, Any], document: Mapping[str, Any], where: str) -> None:
    """GeoJSON of 2008 let a feature have a CRS of its own."""
    for member in (record.get("crs"), (record.get("geometry") or {}).get("crs")):
        if member is not None and member != document.get("crs"):
            raise InvalidInput(
                f"{where} has another CRS than its file; save all prompts in one CRS."
            )


def _check_degrees(feature: Feature, declared: bool) -> None:
    xmin, ymin, xmax, ymax = feature.geometry.bounds
    if xmin < -360 or xmax > 360 or ymin < -90 or ymax > 90:
        remedy = (
            "save all prompts in one CRS"
            if declared
            else "add a 'crs' member, or use --pixel for pixels"
        )
        raise InvalidInput(
            f"{feature.where} is not in longitude and latitude, as its file says; {remedy}."
        )


def _read_layers(path: Path, pixel: bool) -> Iterator[Feature]:
    """Features of every layer, each in its own CRS."""
    if pixel:
        raise InvalidInput(f"Prompts in pixels come as GeoJSON, not as '{path.name}'.")
    if not path.exists():
        raise InvalidInput(f"'{path}' does not exist; check the path.")
    # A file geodatabase is a folder, but one with an extension.
    if path.is_dir() and not path.suffix:
        raise InvalidInput(f"'{path}' is a folder; give a file of prompts in it.")
    from pyogrio import list_layers
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        with warnings.catch_warnings():
            # Of a prompt only its place counts: measures (M) and curves are left to the reader.
            warnings.filterwarnings("ignore", category=UserWarning, module="pyogrio")
            layers = [str(name) for name, kind in list_layers(path) if kind is not None]
            found = [list(_layer_features(path, layer, len(layers) > 1)) for layer in layers]
    except (DataSourceError, DataLayerError, RuntimeError) as error:
        raise InvalidInput(
            f"'{path.name}' cannot be read as GeoJSON, GeoPackage or Shapefile; export it again.",
            detail=str(error),
        ) from error
    for features in found:
        yield from features


def _layer_features(path: Path, layer: str, several: bool) -> Iterator[Feature]:
    from pyogrio import raw

    meta, _, geometries, columns = raw.read(path, layer=layer, force_2d=True)
    crs, prefix = meta["crs"], f"of '{layer}' in '{path.name}'" if several else f"of '{path.name}'"
    if len(geometries) and not crs:
        raise InvalidInput(
            f"'{path.name}' has no CRS; set it in QGIS (Set Layer CRS) and save it again."
        )
    parsed = pyproj.CRS.from_user_input(crs) if crs else None
    names = [str(name).lower() for name in meta["fields"]]
    for number, blob in enumerate(geometries):
        properties = {name: column[number] for name, column in zip(names, columns)}
        geometry = None if blob is None else shapely.from_wkb(blob)
        yield Feature(geometry, properties, parsed, f"Feature {number + 1} {prefix}")
