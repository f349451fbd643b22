"""Fixtures that several files of this tier use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsProject, QgsSettings

from cityseg_qgis import settings
from cityseg_qgis.plugin import CitySegPlugin
from tests.workers.algorithm_runs import end_runs


@pytest.fixture
def backend(qgis_app, monkeypatch, backend_python: Path) -> Iterator[None]:
    """The algorithms, with a process that the Python `backend_python` (a fixture of the test's own file) starts."""
    monkeypatch.delenv("CITYSEG_COMMAND", raising=False)
    monkeypatch.setenv("CITYSEG_PYTHON", str(backend_python))
    QgsSettings().remove(settings.GROUP)
    plugin = CitySegPlugin(None)
    plugin.initProcessing()
    yield
    end_runs()
    plugin.unload()
    QgsProject.instance().clear()
