"""Lays out the installed plugin: the one place that knows what ships. `make zip` copies it, `make qgis` links it.

<target>/cityseg_qgis/{*.py, ..., metadata.txt, LICENSE, resources/, inference_backend/, requirements/}
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "cityseg_qgis"
# Where each tracked source goes inside the plugin's folder; a folder stands for all that git tracks in it.
LAYOUT = {
    "cityseg_qgis": "",
    "inference_backend": "inference_backend",
    "resources": "resources",
    "metadata.txt": "metadata.txt",
    "LICENSE": "LICENSE",
    "requirements/backend.txt": "requirements/backend.txt",
    "requirements/uv.txt": "requirements/uv.txt",
}


def shipped_files(root: Path = ROOT) -> Iterator[tuple[Path, Path]]:
    """(source, path inside the plugin's folder) of every file that ships, in a stable order."""
    for name in _tracked(root):
        for source, inside in LAYOUT.items():
            if name == source or name.startswith(source + "/"):
                yield root / name, Path(inside) / name[len(source) :].lstrip("/")
                break


def copy_plugin(target: Path, root: Path = ROOT) -> Path:
    """Copy the plugin into `target`; returns its folder. An earlier one there is replaced."""
    folder = target / PLUGIN
    shutil.rmtree(folder, ignore_errors=True)
    for source, inside in shipped_files(root):
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / inside)
    return folder


def link_plugin(target: Path, root: Path = ROOT) -> Path:
    """Make `target`/cityseg_qgis a folder of links to the checkout, so that an edit shows at the next start of QGIS."""
    folder = target / PLUGIN
    shutil.rmtree(folder, ignore_errors=True)
    for source, inside in shipped_files(root):
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).symlink_to(source)
    return folder


def _tracked(root: Path) -> list[str]:
    """What git tracks, plus what is new and not ignored: what a developer sees is what ships."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = sorted(set(answer.stdout.decode().split("\0")) - {""})
    return [name for name in names if (root / name).is_file()]
