"""What a point cloud is, read from its header alone: what a user wants to know before anything is classified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_backend.errors import InvalidInput

CLOUD = "cloud"


def is_cloud(spec: object) -> bool:
    """Whether the `source` of a request is a point cloud."""
    return isinstance(spec, Mapping) and spec.get("kind") == CLOUD


def describe_cloud(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` is {"kind": "cloud", "path"[, "crs"]}. Raises InvalidInput where it cannot be classified.

    `bounds` are (minx, miny, minz, maxx, maxy, maxz) in the cloud's own coordinates.
    """
    path, crs = spec.get("path"), spec.get("crs")
    if not isinstance(path, str) or not isinstance(crs, (str, type(None))):
        raise InvalidInput("A point cloud needs a 'path', and a 'crs' that is text where it has one.")
    from inference_backend.points.open import open_cloud

    with open_cloud(path, crs or None) as cloud:
        info = cloud.info
        return {
            "path": str(info.path),
            "kind": info.kind,
            "count": info.count,
            "bounds": [float(value) for value in info.bounds_source],
            "crs_wkt": info.crs_wkt,
            "point_format": info.point_format,
            "dims": list(info.dims),
            "has_rgb": info.has_rgb,
            "xy_unit_m": info.xy_unit_m,
            "z_unit_m": info.z_unit_m,
            "warnings": list(info.warnings),
        }
