"""Prompt files: GeoJSON, GeoPackage or Shapefile in any CRS, to prompts in a raster's pixel frame, by object.

One feature is one prompt. `object` groups features into one mask, `label` is 1 (default) or 0, `text` and `class`
are optional. Points are clicks, lines scribbles, polygons boxes where they are rectangles, else lassos.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import RasterSource
from inference_backend.prompt_features import Feature, read_features
from inference_backend.prompts import Prompt, box_corners

ObjectId = int | str


@dataclass(frozen=True, eq=False)
class PromptedObject:
    """One mask that is asked for: its prompts in the order of the file, in the pixel frame."""

    object_id: ObjectId
    prompts: tuple[Prompt, ...]
    class_name: str = ""


def read_prompts(
    path: str | os.PathLike[str], source: RasterSource, pixel: bool = False
) -> list[PromptedObject]:
    """Objects in the order in which the file first names them. Raises InvalidInput.

    `pixel`: the file is GeoJSON in (column, row) of the image, whatever CRS it claims.
    """
    name = Path(path)
    features = read_features(name, pixel)
    if not features:
        raise InvalidInput(f"'{name.name}' holds no prompt; draw at least one.")
    return group_features(features, source)


def group_features(features: Sequence[Feature], source: RasterSource) -> list[PromptedObject]:
    """Prompts by object; a feature without `object` is an object of its own, numbered after those named."""
    to_pixels = _PixelFrame(source)
    names = [_object_id(feature) for feature in features]
    unused = max((name for name in names if isinstance(name, int)), default=0) + 1
    prompts: dict[ObjectId, list[Prompt]] = {}
    classes: dict[ObjectId, str] = {}
    for feature, name in zip(features, names):
        if name is None:
            name, unused = unused, unused + 1
        prompts.setdefault(name, []).extend(_prompts(feature, to_pixels))
        class_name = _text(feature.properties.get("class"))
        if class_name and not classes.get(name):
            classes[name] = class_name
    return [
        PromptedObject(name, tuple(given), classes.get(name, "")) for name, given in prompts.items()
    ]


class _PixelFrame:
    """Coordinates of a file's CRS to the raster's pixels."""

    def __init__(self, source: RasterSource) -> None:
        self._source = source
        self._inverse: Affine = ~source.transform
        self._transformers: dict[str, pyproj.Transformer] = {}

    def __call__(self, xy: np.ndarray, feature: Feature) -> np.ndarray:
        if feature.crs is None:
            return xy
        x, y = self._to_source(xy, feature)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise InvalidInput(
                f"{feature.where} lies where the raster's CRS is not defined; check its CRS."
            )
        t = self._inverse
        return np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], axis=1)

    def _to_source(self, xy: np.ndarray, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
        if self._source.crs is None:
            raise InvalidInput(
                f"'{Path(self._source.path).name}' has no CRS, so that prompts of a map cannot be placed on it; "
                "assign its CRS, or give prompts in (column, row) with --pixel."
            )
        key = feature.crs.to_wkt()
        try:
            if key not in self._transformers:
                self._transformers[key] = pyproj.Transformer.from_crs(
                    feature.crs, self._source.crs, always_xy=True
                )
            return self._transformers[key].transform(xy[:, 0], xy[:, 1])
        except ProjError as error:
            raise InvalidInput(
                f"{feature.where} cannot be taken to the raster's CRS; check the CRS of both.",
                detail=str(error),
            ) from error


def _prompts(feature: Feature, to_pixels: _PixelFrame) -> Iterator[Prompt]:
    text = _text(feature.properties.get("text"))
    if feature.geometry is None or feature.geometry.is_empty:
        raise InvalidInput(
            f"{feature.where} is text without a place, and this version takes drawn prompts; add a click or a box."
            if text
            else f"{feature.where} has no geometry; draw it again."
        )
    label = _label(feature)
    for part in _simple_parts(feature.geometry):
        if part.geom_type == "Polygon":
            ring = to_pixels(shapely.get_coordinates(part.exterior), feature)
            corners = box_corners(ring[:-1])
            if corners is not None:
                yield Prompt("box", corners, label, text)
            else:
                yield Prompt("lasso", ring, label, text)
            continue
        xy = to_pixels(shapely.get_coordinates(part), feature)
        yield Prompt("point" if part.geom_type == "Point" else "scribble", xy, label, text)


def _simple_parts(geometry: BaseGeometry) -> Iterator[BaseGeometry]:
    if hasattr(geometry, "geoms"):
        for part in geometry.geoms:
            yield from _simple_parts(part)
    elif not geometry.is_empty:
        yield geometry


def _object_id(feature: Feature) -> ObjectId | None:
    value = feature.properties.get("object")
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, (bool, list, dict)):
        raise InvalidInput(f"{feature.where}: 'object' must be a number or a name, not {value!r}.")
    if isinstance(value, (int, np.integer)) or (
        isinstance(value, (float, np.floating)) and float(value).is_integer()
    ):
        number = int(value)
        # Beyond 64 bits no format has a number for it.
        return number if abs(number) < 2**63 else str(number)
    return str(value)


def _label(feature: Feature) -> int:
    value = feature.properties.get("label")
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return 1
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if number not in (0.0, 1.0):
        raise InvalidInput(
            f"{feature.where}: 'label' is 1 (part of the object) or 0 (not), not {value!r}."
        )
    return int(number)


def _text(value: Any) -> str:
    return (
        ""
        if value is None or (isinstance(value, float) and np.isnan(value))
        else str(value).strip()
    )
