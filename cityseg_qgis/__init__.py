"""CitySeg for QGIS. Imports nothing at module level: the backend shares `cityseg_qgis.protocol` and has no Qt."""

from __future__ import annotations


def classFactory(iface):  # noqa: ANN001, ANN201, N802 - the name and signature that QGIS calls
    """The plugin object. The import is here so that a broken one shows as a plugin error in QGIS."""
    from cityseg_qgis.plugin import CitySegPlugin

    return CitySegPlugin(iface)
