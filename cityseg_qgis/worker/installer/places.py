"""Where the installed environments live, and which one is current.

    <home>/envs/<name>/          one environment; never changed after it was found to work
    <home>/envs/<name>.partial/  one being built; swept away when its builder is gone
    <home>/current.json          {"environment": <name>, ...}, replaced atomically
    <home>/uv-cache/             what uv downloaded; the environments are links into it
    <home>/install.lock          held while installing
    <home>/install.log           what the last installation printed

A new environment gets a new name, because Windows cannot rename a folder whose DLLs a running backend has open.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional


def data_home(environ: Optional[Mapping[str, str]] = None, platform: str = sys.platform) -> Path:
    """The per-user folder for what CitySeg keeps, the same as the backend's; `CITYSEG_HOME` overrides it."""
    environ = os.environ if environ is None else environ
    if environ.get("CITYSEG_HOME"):
        return Path(environ["CITYSEG_HOME"]).expanduser()
    if platform == "win32":
        # LOCALAPPDATA, not APPDATA: gigabytes must not roam with a Windows profile.
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "CitySeg"
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "CitySeg"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cityseg"


def python_of(environment: Path, platform: str = sys.platform) -> Path:
    """The interpreter inside a virtual environment."""
    return environment / ("Scripts/python.exe" if platform == "win32" else "bin/python")


def envs_dir(home: Path) -> Path:
    """The folder of all environments."""
    return home / "envs"


def uv_cache_dir(home: Path) -> Path:
    """Where uv keeps its downloads, unless the user chose a folder with UV_CACHE_DIR."""
    return home / "uv-cache"


def lock_path(home: Path) -> Path:
    """The file that keeps two installations apart."""
    return home / "install.lock"


def log_path(home: Path) -> Path:
    """What the last installation printed."""
    return home / "install.log"


def free_name(home: Path, stem: str) -> str:
    """A name for a new environment that none has: `stem`, `stem-2`, `stem-3`, ..."""
    taken = {path.name for path in envs_dir(home).glob("*")}
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        if name not in taken:
            return name
        number += 1


def read_current(home: Path) -> dict[str, str]:
    """The record of the current environment; empty when there is none or it cannot be read."""
    try:
        record = json.loads((home / "current.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in record.items()} if isinstance(record, dict) else {}


def write_current(home: Path, record: Mapping[str, str]) -> None:
    """Make `record["environment"]` the current one, atomically."""
    partial = home / "current.json.partial"
    partial.write_text(json.dumps(dict(record), indent=1) + "\n", encoding="utf-8")
    partial.replace(home / "current.json")


def installed_python(home: Optional[Path] = None) -> Optional[Path]:
    """The interpreter of the current environment, or None when nothing is installed."""
    home = data_home() if home is None else home
    name = read_current(home).get("environment", "")
    if not name or Path(name).name != name:
        return None
    python = python_of(envs_dir(home) / name)
    return python if python.is_file() else None


def leftovers(home: Path) -> list[Path]:
    """Environments that are neither current nor whole: what a clean-up may remove while it holds the lock."""
    current = read_current(home).get("environment", "")
    folder = envs_dir(home)
    return sorted(path for path in folder.glob("*") if path.is_dir() and path.name != current)
