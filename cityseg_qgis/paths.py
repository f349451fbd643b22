"""The only module that knows where the plugin's files lie, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent


def _beside_or_inside(name: str) -> Path:
    """`name` inside the package as it is installed, else beside it as in a checkout."""
    inside = PACKAGE_DIR / name
    return inside if inside.exists() else PACKAGE_DIR.parent / name


def metadata_path() -> Path:
    """The plugin's metadata.txt."""
    return _beside_or_inside("metadata.txt")


def resources_dir() -> Path:
    """Icons, styles, help and translations."""
    return _beside_or_inside("resources")


def icon_path(name: str) -> str:
    """Path of the SVG icon `name` (without extension)."""
    return str(resources_dir() / "icons" / f"{name}.svg")


def style_path(name: str) -> str:
    """Path of the QML style `name` (without extension)."""
    return str(resources_dir() / "styles" / f"{name}.qml")


def help_path(name: str) -> str:
    """Path of the help page `name` (HTML, without extension)."""
    return str(resources_dir() / "help" / f"{name}.html")


def translations_dir() -> Path:
    """Folder of the compiled translations (.qm)."""
    return resources_dir() / "i18n"


def requirements_path(name: str) -> Path:
    """The pinned requirements called `name` (backend, uv)."""
    return _beside_or_inside("requirements") / f"{name}.txt"
