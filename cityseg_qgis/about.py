"""Name, version and addresses of the plugin, read from metadata.txt so that they are typed once."""

from __future__ import annotations

from configparser import ConfigParser, Error
from functools import lru_cache

from cityseg_qgis.paths import metadata_path

TITLE = "CitySeg"


@lru_cache(maxsize=1)
def metadata() -> dict[str, str]:
    """The [general] section of metadata.txt; empty when the file is missing or broken."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(metadata_path(), encoding="utf-8")
        return dict(parser["general"])
    except (Error, KeyError, OSError):
        return {}


def version() -> str:
    """The plugin's version, for example "0.1.0"; "0" when metadata.txt cannot be read."""
    return metadata().get("version", "0")


def tracker_url() -> str:
    """Where to report a problem."""
    return metadata().get("tracker", "")
