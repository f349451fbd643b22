"""A QGIS profile of our own: where `make qgis` and `make verify-zip` put the plugin, away from the user's profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import stage

PROFILE = "cityseg"


def make_profile(folder: Path, enabled: bool, settings: str = "") -> Path:
    """An empty profile under `folder` (a --profiles-path); returns its plugin folder.

    `settings` is more text for QGIS's ini file.
    """
    profile = folder / "profiles" / PROFILE
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    ini = profile / "QGIS" / "QGIS3.ini"
    if not ini.exists():
        ini.parent.mkdir(parents=True, exist_ok=True)
        switch = f"[PythonPlugins]\n{stage.PLUGIN}=true\n" if enabled else ""
        # No welcome page, no news, no check for updates: nothing that waits for a person or the network.
        quiet = (
            "[qgis]\nshowTips340=false\ncheckVersion=false\nenableMacros=0\n"
            "[core]\nNewsFeed\\httpsfeedqgisorg\\disabled=true\n[app]\nnews-feed\\items\\disabled=true\n"
        )
        ini.write_text(switch + quiet + settings, encoding="utf-8")
    return plugins


def remove_profile(folder: Path) -> None:
    """Start from nothing."""
    shutil.rmtree(folder, ignore_errors=True)
