"""The way in: a path becomes a cloud, whatever its format."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import PointCloud
from inference_backend.points.las import open_las

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")


def open_cloud(path: str | os.PathLike[str], crs: str | None = None) -> PointCloud:
    """Open a LAS, LAZ or COPC file, an EPT (its folder or its ept.json) or a VPC.

    `crs` is used in place of the file's own. Raises InvalidInput, ResourceProblem.
    """
    return open_las(local_path(path), crs)


def local_path(path: str | os.PathLike[str]) -> Path:
    """The path of a local file or folder that is there. Raises InvalidInput."""
    text = os.fspath(path)
    scheme = _SCHEME.match(text)
    if scheme or text.startswith("/vsi"):
        raise InvalidInput(
            f"'{text}' is not on this machine: only local files are read; download it first."
        )
    if not text.strip() or "\0" in text:
        raise InvalidInput(
            "No point cloud is named: give the path of a LAS, LAZ, COPC, EPT or VPC."
        )
    found = Path(text)
    try:
        there = found.exists()
    except OSError as error:
        raise InvalidInput(f"'{text}' is not there.", str(error)) from error
    if not there:
        raise InvalidInput(f"'{text}' is not there.")
    return found
