"""A virtual point cloud: a list of local LAS, LAZ and COPC files that are read one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import laspy
import numpy as np
import pyproj

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import (
    Bounds2D,
    Bounds3D,
    CloudInfo,
    Piece,
    PointCloud,
    slack,
)
from inference_backend.points.copc import open_file
from inference_backend.points.json_file import read_json
from inference_backend.points.las import info_of
from inference_backend.points.recast import Recast, joint_header
from inference_backend.points.units import (
    NO_CRS,
    carry_crs,
    cloud_crs,
    horizontal_crs,
    parsed_crs,
)

_LIST_BYTES = 256 * 1024 * 1024
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
_ENDINGS = (".las", ".laz")
_ROUNDED = "The files have different scales or offsets: some coordinates are rounded to the finest of them."


class VpcCloud(PointCloud):
    """The files of a VPC as one cloud; the places of a file's points follow those of the file before."""

    def __init__(self, parts: list[PointCloud], header: laspy.LasHeader, info: CloudInfo) -> None:
        super().__init__(info, header)
        self._parts = parts
        self._recasts = [Recast(part.header, header) for part in parts]

    @property
    def files(self) -> tuple[Path, ...]:
        """The list and the files on it."""
        return (self.info.path, *(file for part in self._parts for file in part.files))

    def pieces(self, most: int, bounds_source: Bounds2D | None) -> Iterator[Piece]:
        start = 0
        for part, recast in zip(self._parts, self._recasts, strict=True):
            if bounds_source is None or _meets(part.info.bounds_source, bounds_source):
                for piece in part.pieces(most, bounds_source):
                    yield Piece(piece.index + start, recast(piece.array))
            start += part.info.count


def open_vpc(path: Path, crs: str | None) -> VpcCloud:
    """Open a VPC. Its files lie where it says: beside it, or at absolute local paths. Raises InvalidInput, ResourceProblem."""
    features = _features(path)
    files = [_local(feature, path) for feature in features]
    if len({file.resolve() for file in files}) < len(files):
        raise InvalidInput(f"'{path.name}' names a file twice: its points would be there twice.")
    parts: list[PointCloud] = [open_file(file, crs) for file in files]
    found, wkt, warnings = _joint_crs(parts, features, path.name)
    bounds = _union([part.info.bounds_source for part in parts])
    placed = cloud_crs(found, wkt, bounds, path.name, warnings)
    header = joint_header(
        [part.header for part in parts], bounds, [part.info.path.name for part in parts]
    )
    carry_crs(header, placed)
    rounded = () if all(Recast(part.header, header).exact for part in parts) else (_ROUNDED,)
    count = sum(part.info.count for part in parts)
    own = [said for part in parts for said in part.info.warnings if said != NO_CRS]
    warnings = (*dict.fromkeys(own), *rounded)
    return VpcCloud(parts, header, info_of(path, "vpc", count, bounds, placed, header, warnings))


def _features(path: Path) -> list[dict[str, Any]]:
    found = read_json(path, _LIST_BYTES).get("features")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"'{path.name}' is no virtual point cloud: it lists no files.")
    if not found:
        raise InvalidInput(f"'{path.name}' holds no points: it lists no files.")
    return found


def _local(feature: dict[str, Any], path: Path) -> Path:
    """The file of a feature. Nothing but a LAS or LAZ file of this machine is opened, whatever the VPC says."""
    href = _href(feature)
    if not href or "\0" in href:
        raise InvalidInput(f"'{path.name}' has an entry without a file: it is damaged.")
    if href.lower().startswith("file:"):
        parts = urlsplit(href)
        local = unquote(parts.path) if parts.netloc in ("", "localhost") else ""
        # file:///C:/data has a slash before the drive.
        href = local[1:] if re.match(r"^/[A-Za-z]:", local) else local
    # Two slashes name another machine on Windows, one letter before a colon a drive.
    elsewhere = href.startswith(("//", "\\\\", "/vsi")) or not href
    if elsewhere or (_SCHEME.match(href) and not re.match(r"^[A-Za-z]:[\\/]", href)):
        raise InvalidInput(
            f"'{path.name}' names '{_href(feature)}', which is not on this machine: only local files are read; download it first."
        )
    if not href.lower().endswith(_ENDINGS):
        raise InvalidInput(f"'{path.name}' names '{href}', which is no LAS, LAZ or COPC file.")
    file = path.parent / href
    if not file.is_file():
        raise InvalidInput(f"'{path.name}' names '{href}', which is not there.")
    return file


def _href(feature: dict[str, Any]) -> str:
    """The asset named `data`, or the only one."""
    assets = feature.get("assets")
    if not isinstance(assets, dict) or not assets:
        return ""
    data = assets.get("data") or next(iter(assets.values()))
    href = data.get("href") if isinstance(data, dict) else None
    return href if isinstance(href, str) else ""


def _joint_crs(
    parts: list[PointCloud], features: list[dict[str, Any]], name: str
) -> tuple[pyproj.CRS | None, str, tuple[str, ...]]:
    """(CRS, WKT, warnings) of all files; what the VPC says of them counts where they say nothing themselves."""
    known = [part.info for part in parts if part.info.crs is not None]
    if not known:
        properties = features[0].get("properties")
        properties = properties if isinstance(properties, dict) else {}
        code = properties.get("proj:epsg")
        wkt = properties.get("proj:wkt2") or (f"EPSG:{code}" if code else "")
        return (parsed_crs(wkt) if isinstance(wkt, str) and wkt else None), "", ()
    first = known[0]
    for other in known[1:]:
        if not _same(first.crs, other.crs):
            raise InvalidInput(
                f"'{first.path.name}' and '{other.path.name}' of '{name}' have different CRSs: reproject them to one first."
            )
    warnings = ()
    if len(known) < len(parts):
        warnings = (f"Some files name no CRS: they are taken for {_called(first.crs)}.",)
    return first.crs, first.crs_wkt, warnings


def _same(one: pyproj.CRS | None, other: pyproj.CRS | None) -> bool:
    if one is None or other is None or one == other:
        return one is other or one == other
    flat, flat_other = horizontal_crs(one), horizontal_crs(other)
    if flat.to_epsg() is not None and flat.to_epsg() == flat_other.to_epsg():
        return True
    return flat.equals(flat_other, ignore_axis_order=True)


def _called(crs: pyproj.CRS | None) -> str:
    return crs.name if crs is not None else ""


def _union(bounds: list[Bounds3D]) -> Bounds3D:
    every = np.array(bounds)
    return (*map(float, every[:, :3].min(axis=0)), *map(float, every[:, 3:].max(axis=0)))


def _meets(bounds: Bounds3D, wanted: Bounds2D) -> bool:
    """Whether a file may have points within; a little is added, for headers round."""
    room_x, room_y = (slack(bounds[axis], bounds[axis + 3], 0.0) for axis in range(2))
    return (
        bounds[0] - room_x <= wanted[2]
        and bounds[3] + room_x >= wanted[0]
        and bounds[1] - room_y <= wanted[3]
        and bounds[4] + room_y >= wanted[1]
    )
