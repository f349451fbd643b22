"""EPT results (Entwine Point Tiles 1.0, data type `binary`): the one format that QGIS before 3.26 opens everywhere."""

from __future__ import annotations

import json
from collections import Counter
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
# A branch with more nodes has a file of its own: viewers read few files, and none that is long.
_HIERARCHY_NODES = 4096
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
    """One file, or one for each large branch, which is marked -1 in the file above."""
    folder.mkdir()
    by_key = sorted(nodes, key=lambda node: node.key)
    sizes: Counter[NodeKey] = Counter()
    for node in reversed(by_key):
        sizes[node.key] += 1
        sizes[_parent(node.key)] += sizes[node.key]
    root_of: dict[NodeKey, NodeKey] = {}
    files: dict[NodeKey, dict[str, int]] = {}
    for node in by_key:
        key, root = node.key, root_of.get(_parent(node.key), node.key)
        if root != key and sizes[key] > _HIERARCHY_NODES:
            files[root][_name(key)] = -1
            root = key
        root_of[key] = root
        files.setdefault(root, {})[_name(key)] = node.count
    for root, counts in files.items():
        _write_json(folder / f"{_name(root)}.json", counts)


def _parent(key: NodeKey) -> NodeKey:
    return key[0] - 1, key[1] >> 1, key[2] >> 1, key[3] >> 1


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
