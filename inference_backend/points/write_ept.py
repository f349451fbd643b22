"""EPT results (Entwine Point Tiles 1.0, data type `binary`): the one format that QGIS before 3.26 opens everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyproj

from inference_backend.points.ept_records import EptRecords
from inference_backend.points.ept_statistics import EptStatistics
from inference_backend.points.las_keep import extra_fields, wkt_text
from inference_backend.points.nodes import Node, node_batches
from inference_backend.points.octree import SPAN, Cube, NodeKey
from inference_backend.points.spill import Spill
from inference_backend.points.writing import Writing, bounds_of

LABELS_FILE = "cityseg.json"
# Levels in one file of the hierarchy: a few thousand nodes at most.
_HIERARCHY_STEP = 4
_READ_SHARE = 0.5


def write_ept(writing: Writing, folder: Path, spill_folder: Path) -> int:
    """Write all points of `writing` into the empty `folder`; returns their number. Raises OSError, Cancelled, InvalidInput."""
    cloud = writing.cloud
    header = cloud.header
    records = EptRecords(header, extra_fields(cloud))
    statistics = EptStatistics()
    bounds = bounds_of(cloud, writing.bounds_source)
    spill = Spill(
        spill_folder, records.dtype, bounds, cloud.info.count, header.scales, header.offsets
    )
    for chunk, found in writing.chunks(_READ_SHARE):
        points = records.build(chunk.record.array, found)
        statistics.add(points)
        spill.add(points)
    cube, nodes = _write_nodes(spill, writing, folder / "ept-data")
    _write_hierarchy(nodes, folder / "ept-hierarchy")
    labels = writing.labels.as_json()
    meta = _meta(writing, records, statistics, spill, cube) | {"cityseg": labels}
    _write_json(folder / LABELS_FILE, labels)
    _write_json(folder / "ept.json", meta)
    for name in sorted(records.inexact):
        writing.warnings.append(
            f"'{name}' has integers of more than 53 bits, which an EPT for QGIS rounds; LAZ and COPC keep them."
        )
    return spill.count


def _write_nodes(spill: Spill, writing: Writing, folder: Path) -> tuple[Cube | None, list[Node]]:
    folder.mkdir()
    nodes: list[Node] = []
    cube = None
    for batch in node_batches(spill, writing, _READ_SHARE):
        cube = batch.cube
        for node, points in batch.parts():
            with (folder / f"{_name(node.key)}.bin").open("wb") as stream:
                stream.write(points.data)
        nodes += batch.nodes
    return cube, nodes


def _write_hierarchy(nodes: list[Node], folder: Path) -> None:
    """A file for the root and one for each node at which the levels of the file above end, marked -1 there."""
    folder.mkdir()
    files: dict[NodeKey, dict[str, int]] = {}
    for node in sorted(nodes, key=lambda node: node.key):
        level = node.key[0]
        root = _ancestor(node.key, level // _HIERARCHY_STEP * _HIERARCHY_STEP)
        files.setdefault(root, {})[_name(node.key)] = node.count
        if level and root == node.key:
            files[_ancestor(root, level - _HIERARCHY_STEP)][_name(root)] = -1
    for root, counts in files.items():
        _write_json(folder / f"{_name(root)}.json", counts)


def _ancestor(key: NodeKey, level: int) -> NodeKey:
    up = key[0] - level
    return level, key[1] >> up, key[2] >> up, key[3] >> up


def _name(key: NodeKey) -> str:
    return "-".join(map(str, key))


def _meta(
    writing: Writing,
    records: EptRecords,
    statistics: EptStatistics,
    spill: Spill,
    cube: Cube | None,
) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "dataType": "binary",
        "hierarchyType": "json",
        "points": spill.count,
        "span": SPAN,
        "bounds": cube.bounds if cube else [0.0] * 6,
        "boundsConforming": spill.bounds,
        "schema": statistics.complete(records.schema()),
        "srs": _srs(writing),
    }


def _srs(writing: Writing) -> dict[str, str]:
    """EPT's form of a CRS; empty without one."""
    wkt, crs = wkt_text(writing.cloud), writing.cloud.info.crs
    if crs is None:
        return {}
    parts = crs.sub_crs_list if crs.is_compound else [crs]
    codes = [_code(part) for part in parts]
    if not codes[0]:
        return {"wkt": wkt}
    found = {"authority": "EPSG", "horizontal": codes[0], "wkt": wkt}
    return found | ({"vertical": codes[1]} if len(codes) > 1 and codes[1] else {})


def _code(crs: pyproj.CRS) -> str:
    code = crs.to_epsg()
    return str(code) if code else ""


def _write_json(path: Path, value: object) -> None:
    with path.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, ensure_ascii=False, indent=1)
