"""An EPT: a folder with ept.json, a hierarchy and a file of points a node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pyproj

from inference_backend.errors import InvalidInput
from inference_backend.points.bounds import checked_bounds
from inference_backend.points.cloud import Bounds2D, CloudInfo, Piece, PointCloud
from inference_backend.points.ept_nodes import (
    ENDINGS,
    Node,
    check_files,
    read_nodes,
    stored_points,
)
from inference_backend.points.ept_schema import EptSchema
from inference_backend.points.json_file import read_json
from inference_backend.points.las import LasFile, info_of
from inference_backend.points.recast import Recast
from inference_backend.points.units import carry_crs, cloud_crs, given_crs, header_crs, parsed_crs

_META_BYTES = 64 * 1024 * 1024
_SCAN_POINTS = 250_000
_ROUNDED = "The cloud has coordinates of floating point: they are rounded to {0:g} of a unit."


class EptCloud(PointCloud):
    """An EPT. Its order: nodes by depth, then by key."""

    def __init__(
        self,
        folder: Path,
        nodes: list[Node],
        points: NodePoints,
        info: CloudInfo,
        cube: tuple[float, ...],
    ) -> None:
        super().__init__(info, points.header)
        self._folder, self._nodes, self._points, self._cube = folder, nodes, points, cube

    def pieces(self, most: int, bounds_source: Bounds2D | None) -> Iterator[Piece]:
        for node in self._nodes:
            if bounds_source is not None and not node.touches(self._cube, bounds_source):
                continue
            first = node.start
            for array in self._points(node, most):
                yield Piece(np.arange(first, first + len(array), dtype=np.int64), array)
                first += len(array)


class NodePoints:
    """The points of one node after another, as LAS points of `header`."""

    def __init__(
        self, folder: Path, data_type: str, meta: dict[str, Any], nodes: list[Node]
    ) -> None:
        self._folder, self._data_type = folder, data_type
        self.schema: EptSchema | None = None
        if data_type == "laszip":
            check_files(folder, nodes, data_type, 0)
            self.header = LasFile(self._file(nodes[0])).header
        else:
            self.schema = EptSchema(meta.get("schema"), _bounds(meta, "bounds"))
            self.header = self.schema.header
            check_files(folder, nodes, data_type, self.schema.dtype.itemsize)

    def _file(self, node: Node) -> Path:
        return self._folder / "ept-data" / f"{node.name}.{ENDINGS[self._data_type]}"

    def __call__(self, node: Node, most: int) -> Iterator[np.ndarray]:
        """At most `most` at once. Raises InvalidInput where the node is damaged."""
        if self.schema is not None:
            dtype = self.schema.dtype
            for stored in stored_points(self._folder, node, self._data_type, dtype, most):
                yield self.schema.to_las(stored)
            return
        file = LasFile(self._file(node))
        if file.count != node.count:
            raise InvalidInput(
                f"'ept-data/{file.name}' holds {file.count:,} points and the hierarchy promises {node.count:,}: the EPT is "
                "damaged; copy it again."
            )
        recast = Recast(file.header, self.header)
        for piece in file.points(most):
            yield recast(piece.array)


def open_ept(path: Path, crs: str | None) -> EptCloud:
    """Open an EPT by its folder or its ept.json. Raises InvalidInput, ResourceProblem."""
    folder = path if path.is_dir() else path.parent
    meta = read_json(folder / "ept.json", _META_BYTES)
    data_type = meta.get("dataType")
    if data_type not in ENDINGS:
        raise InvalidInput(
            f"'{folder.name}' is an EPT of data type '{data_type}'; binary, laszip and zstandard are read."
        )
    cube = _bounds(meta, "bounds")
    nodes = read_nodes(folder)
    if not nodes:
        raise InvalidInput(f"'{folder.name}' holds no points.")
    points = NodePoints(folder, data_type, meta, nodes)
    count = nodes[-1].start + nodes[-1].count
    found, wkt, warnings = _crs(meta, crs, points.header)
    stated = _bounds(meta, "boundsConforming") if "boundsConforming" in meta else cube
    bounds, wrong = checked_bounds(
        stated,
        points.header,
        lambda: points(nodes[0], _SCAN_POINTS),
        lambda: (array for node in nodes for array in points(node, _SCAN_POINTS)),
        folder.name,
    )
    placed = cloud_crs(found, wkt, bounds, folder.name, (*warnings, *wrong))
    placed = replace(placed, warnings=(*placed.warnings, *_differences(meta, count, points)))
    carry_crs(points.header, placed)
    info = info_of(folder, "ept", count, bounds, placed, points.header)
    return EptCloud(folder, nodes, points, info, cube)


def _differences(meta: dict[str, Any], count: int, points: NodePoints) -> tuple[str, ...]:
    said = []
    if isinstance(meta.get("points"), int) and meta["points"] != count:
        said.append(f"ept.json promises {meta['points']:,} points; its hierarchy has {count:,}.")
    if points.schema is not None and points.schema.rounded:
        said.append(_ROUNDED.format(float(points.header.scales.min())))
    return tuple(said)


def _bounds(meta: dict[str, Any], name: str) -> tuple[float, ...]:
    """Six numbers, or InvalidInput."""
    values = meta.get(name)
    try:
        bounds = tuple(float(one) for one in values)  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"ept.json says no '{name}': it is damaged.") from error
    if len(bounds) != 6 or not all(math.isfinite(one) for one in bounds):
        raise InvalidInput(f"ept.json says no '{name}': it is damaged.")
    return bounds


def _crs(
    meta: dict[str, Any], crs: str | None, header: laspy.LasHeader
) -> tuple[pyproj.CRS | None, str, tuple[str, ...]]:
    """(CRS, WKT as written, warnings): the user's, that of ept.json, or that of the first node."""
    if crs is not None:
        return given_crs(crs), "", ()
    srs = meta.get("srs")
    srs = srs if isinstance(srs, dict) else {}
    codes = [str(srs[name]) for name in ("horizontal", "vertical") if srs.get(name)]
    named = f"{srs.get('authority')}:{'+'.join(codes)}" if srs.get("authority") and codes else ""
    for text in (srs.get("wkt"), named):
        found = parsed_crs(text) if isinstance(text, str) and text else None
        if found is not None:
            return found, text if text == srs.get("wkt") else "", ()
    return header_crs(header)
