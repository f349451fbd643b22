"""The way in: a path becomes a cloud, whatever its format."""

from __future__ import annotations

import os
import re
from pathlib import Path

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import PointCloud
from inference_backend.points.copc import open_file
from inference_backend.points.ept import open_ept
from inference_backend.points.vpc import open_vpc

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")


def open_cloud(path: str | os.PathLike[str], crs: str | None = None) -> PointCloud:
    """Open a LAS, LAZ or COPC file, an EPT (its folder or its ept.json) or a VPC.

    `crs` is used in place of the file's own. Raises InvalidInput, ResourceProblem.
    """
    found = local_path(path)
    if found.is_dir():
        if not (found / "ept.json").is_file():
            raise InvalidInput(
                f"The folder '{found}' is no EPT: it has no ept.json; give a file or the folder of an EPT."
            )
        return open_ept(found, crs)
    if found.name.lower() == "ept.json":
        return open_ept(found, crs)
    if found.suffix.lower() == ".vpc":
        return open_vpc(found, crs)
    return open_file(found, crs)


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
