"""The version, which is typed once in metadata.txt and travels with the files or with the installation."""

from __future__ import annotations

import re
from pathlib import Path

UNKNOWN = "0"


def backend_version() -> str:
    """For example "0.1.0"; "0" where it cannot be told. Fast enough for the first answer of the process."""
    # metadata.txt lies beside this package in a checkout and in the plugin's folder; not after `pip install`.
    path = Path(__file__).resolve().parent.parent / "metadata.txt"
    try:
        found = re.search(r"^version\s*=\s*(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return _installed_version()
    return found.group(1) if found else UNKNOWN


def _installed_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("cityseg-qgis")
    except metadata.PackageNotFoundError:
        return UNKNOWN
