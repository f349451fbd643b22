"""The demo's prompts: read from any file, and kept as layers that QGIS can draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
from affine import Affine
from shapely.geometry import LineString, Point, Polygon, box

from inference_backend.imagery.source import open_raster
from inference_backend.prompt_files import read_prompts

_TABLE = {"point": "clicks", "scribble": "strokes"}


def read_objects(raster: Path, prompts: Path, copy: Path) -> list[dict[str, Any]]:
    """Objects with their prompts in the coordinates in which QGIS draws the raster; also written to `copy`.

    Prompts for a raster without CRS are GeoJSON in (column, row). Raises InvalidInput.
    """
    with open_raster(raster) as source:
        crs = source.crs.to_wkt() if source.crs is not None else None
        found = read_prompts(prompts, source, pixel=crs is None)
        # QGIS draws a raster without georeference at (column, -row).
        to_map = source.transform if source.has_georeference else Affine.scale(1, -1)
    objects = [
        {
            "class": item.class_name or "object",
            "prompts": [
                {
                    "kind": p.kind,
                    "label": p.label,
                    "xy": [to_map * (x, y) for x, y in p.xy.tolist()],
                }
                for p in item.prompts
            ],
        }
        for item in found
    ]
    _write(objects, crs, copy)
    return objects


def _write(objects: list[dict[str, Any]], crs: str | None, path: Path) -> None:
    """One table a geometry type, to be drawn in the picture and the project."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, item in enumerate(objects, 1):
        for prompt in item["prompts"]:
            table = _TABLE.get(prompt["kind"], "areas")
            row = {"object": number, "kind": prompt["kind"], "label": prompt["label"]}
            rows.setdefault(table, []).append({**row, "geometry": _shape(prompt)})
    for table, of_table in rows.items():
        frame = gpd.GeoDataFrame(of_table, geometry="geometry", crs=crs)
        frame.to_file(path, layer=table, driver="GPKG")


def _shape(prompt: dict[str, Any]) -> Point | LineString | Polygon:
    xy = prompt["xy"]
    if prompt["kind"] == "point":
        return Point(xy[0])
    if prompt["kind"] == "scribble":
        return LineString(xy)
    if prompt["kind"] == "box":
        xs, ys = [x for x, _ in xy], [y for _, y in xy]
        return box(min(xs), min(ys), max(xs), max(ys))
    return Polygon(xy)
