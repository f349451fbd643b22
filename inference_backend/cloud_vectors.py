"""Vectors of a classified cloud: buildings, trees, crowns, water, roads and wires, as layers of one file or one file a layer.

Coordinates are the cloud's own, in its CRS and its unit, z of wires too. Areas, lengths, heights and `ground_z` are metres
whatever that unit is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.cloud_layers import (
    LAYERS,
    Row,
    check_cloud_target,
    layer_paths,
    write_layers,
)
from inference_backend.errors import InvalidInput
from inference_backend.points.metric import MetricFrame
from inference_backend.vector.attributes import fitting, now
from inference_backend.vector.buildings import find_buildings
from inference_backend.vector.cloud_rasters import CloudEvidence
from inference_backend.vector.measure import area_m2, perimeter_m
from inference_backend.vector.surfaces import RULES, find_surfaces
from inference_backend.vector.tree_tops import find_trees
from inference_backend.vector.wires import find_wires

Progress = Callable[[float], None]

__all__ = ["LAYERS", "Provenance", "WrittenLayer", "check_cloud_target", "write_vectors"]

# What each layer is drawn from.
_KIND_OF = {
    "buildings": "building",
    "trees": "tree",
    "crowns": "tree",
    "water": "water",
    "roads": "road",
    "wires": "wire",
}
_CLASS_OF = {**_KIND_OF, "crowns": "tree crown"}


@dataclass(frozen=True)
class Provenance:
    """What made the features: goes into each of them."""

    model: str = ""
    weights: str = ""
    source: str = ""
    created: str = ""


@dataclass(frozen=True)
class WrittenLayer:
    """A layer that was written: its file, and how many features it has."""

    name: str
    path: Path
    count: int


def write_vectors(
    evidence: CloudEvidence,
    out: str | os.PathLike[str],
    frame: MetricFrame,
    crs: pyproj.CRS | None,
    provenance: Provenance | None = None,
    *,
    layers: Sequence[str] | None = None,
    cancel: CancelToken | None = None,
    progress: Progress | None = None,
) -> list[WrittenLayer]:
    """Draw `layers` (default: all that the evidence speaks of) and write those that have a feature to `out`.

    A GeoPackage holds all layers; of other formats each layer is a file named for `out` and the layer. Raises InvalidInput, TargetProblem, DiskProblem, Cancelled.
    """
    cancel, report = cancel or CancelToken(), progress or (lambda fraction: None)
    wanted = _wanted(evidence, layers)
    target = Path(out)
    check_cloud_target(target)
    drawing = _Drawing(evidence, frame, crs, provenance or Provenance(), cancel)
    found: dict[str, list[Row]] = {}
    for number, name in enumerate(wanted):
        cancel.check()
        if name not in found:
            found.update(drawing.draw(name, _part_of(report, number, len(wanted))))
    rows = {name: found[name] for name in wanted if found[name]}
    paths = layer_paths(target, list(rows))
    cancel.check()
    write_layers(target, rows, crs)
    report(1.0)
    return [WrittenLayer(name, paths[name], len(kept)) for name, kept in rows.items()]


def _wanted(evidence: CloudEvidence, layers: Sequence[str] | None) -> list[str]:
    unknown = sorted(set(layers or ()) - set(LAYERS))
    if unknown:
        raise InvalidInput(f"'{unknown[0]}' is no layer of vectors; there are {', '.join(LAYERS)}.")
    names = LAYERS if layers is None else layers
    return [name for name in LAYERS if name in names and _KIND_OF[name] in evidence.kinds]


def _part_of(report: Progress, number: int, count: int) -> Progress:
    return lambda fraction: report(0.95 * (number + fraction) / count)


class _Drawing:
    """From evidence to rows of each layer, in the source frame."""

    def __init__(
        self,
        evidence: CloudEvidence,
        frame: MetricFrame,
        crs: pyproj.CRS | None,
        provenance: Provenance,
        cancel: CancelToken,
    ) -> None:
        self._evidence, self._frame, self._crs, self._cancel = evidence, frame, crs, cancel
        self._common = {
            "model": fitting(provenance.model),
            "weights": fitting(provenance.weights),
            "source": fitting(PurePath(provenance.source).name),
            "created": provenance.created or now(),
        }

    def draw(self, name: str, progress: Progress) -> dict[str, list[Row]]:
        """Rows of a layer, and of those that come with it."""
        if name == "buildings":
            return {name: list(self._buildings(progress))}
        if name in ("trees", "crowns"):
            return self._trees(progress)
        if name == "wires":
            return {name: list(self._wires())}
        return {name: list(self._surfaces(name, progress))}

    def _buildings(self, progress: Progress) -> Iterator[Row]:
        for number, one in enumerate(find_buildings(self._evidence, self._cancel, progress), 1):
            yield self._row(
                "buildings",
                number,
                one.polygon,
                one.score,
                height_max=one.height_max_m,
                height_med=one.height_med_m,
                ground_m=one.ground_m,
                n_points=one.n_points,
            )

    def _trees(self, progress: Progress) -> dict[str, list[Row]]:
        tops: list[Row] = []
        crowns: list[Row] = []
        for number, tree in enumerate(find_trees(self._evidence, self._cancel, progress), 1):
            told = {
                "height_max": tree.height_m,
                "height_med": tree.height_med_m,
                "ground_m": tree.ground_m,
                "n_points": tree.n_points,
            }
            crown = self._row("crowns", number, tree.crown, tree.score, **told)
            top = self._row("trees", number, tree.top, tree.score, **told)
            # A point has no size of its own: a tree's is its crown's.
            top[1].update(area_m2=crown[1]["area_m2"], perim_m=crown[1]["perim_m"])
            crowns.append(crown)
            tops.append(top)
        return {"trees": tops, "crowns": crowns}

    def _surfaces(self, name: str, progress: Progress) -> Iterator[Row]:
        rules = RULES[_KIND_OF[name]]
        found = find_surfaces(self._evidence, rules, self._cancel, progress)
        for number, one in enumerate(found, 1):
            yield self._row(
                name, number, one.polygon, one.score, ground_m=one.ground_m, n_points=one.n_points
            )

    def _wires(self) -> Iterator[Row]:
        for number, one in enumerate(find_wires(self._evidence.wire_points(), self._cancel), 1):
            yield self._row(
                "wires",
                number,
                one.line,
                one.score,
                height_max=one.height_max_m,
                height_med=one.height_med_m,
                ground_m=one.ground_m,
                n_points=one.n_points,
            )

    def _row(
        self,
        layer: str,
        number: int,
        geometry_m: BaseGeometry,
        score: float,
        *,
        height_max: float | None = None,
        height_med: float | None = None,
        ground_m: float | None = None,
        n_points: int | None = None,
    ) -> Row:
        placed = self._placed(geometry_m)
        area, length = self._sizes(geometry_m, placed)
        ground = None if ground_m is None else ground_m + self._base_m()
        attributes: dict[str, Any] = {
            "object": number,
            "class": _CLASS_OF[layer],
            "score": round(float(score), 4),
            "area_m2": area,
            "perim_m": length,
            "height_max": _rounded(height_max),
            "height_med": _rounded(height_med),
            "ground_z": _rounded(ground),
            "n_points": n_points,
            **self._common,
        }
        return placed, attributes

    def _placed(self, geometry_m: BaseGeometry) -> BaseGeometry:
        """The geometry in the source frame."""
        has_z = geometry_m.has_z

        def to_source(xyz: np.ndarray) -> np.ndarray:
            z = xyz[:, 2] if has_z else np.zeros(len(xyz))
            x, y, z = self._frame.to_source(xyz[:, 0], xyz[:, 1], z)
            return np.column_stack([x, y, z] if has_z else [x, y])

        placed = shapely.transform(geometry_m, to_source, include_z=has_z)
        return shapely.orient_polygons(placed) if placed.geom_type == "Polygon" else placed

    def _sizes(
        self, geometry_m: BaseGeometry, placed: BaseGeometry
    ) -> tuple[float | None, float | None]:
        if geometry_m.geom_type == "LineString":
            return None, round(_length_m(geometry_m), 3)
        if geometry_m.geom_type != "Polygon":
            return None, None
        if self._crs is None:
            return round(geometry_m.area, 3), round(geometry_m.length, 3)
        return round(area_m2(placed, self._crs), 3), round(perimeter_m(placed, self._crs), 3)

    def _base_m(self) -> float:
        """What a height of the metric frame lacks to one above the cloud's own datum, in metres."""
        return self._frame.origin_source[2] * self._frame.z_unit_m


def _length_m(line: BaseGeometry) -> float:
    """Length in space."""
    xyz = shapely.get_coordinates(line, include_z=True)
    return float(np.sqrt((np.diff(xyz, axis=0) ** 2).sum(axis=1)).sum())


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 3)
