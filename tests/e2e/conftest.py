"""The plugin in a desktop, with the real process and a model that can be reckoned by hand."""

from __future__ import annotations

import os

import pytest
from qgis.core import QgsProject, QgsRasterLayer, QgsSettings

from cityseg_qgis import settings
from tests.data import gdal_scenes as scenes
from tests.e2e.outlines import BACKEND, PYTHON
from tests.workers.desktop import Session, settle


@pytest.fixture(scope="module")
def loaded(qgis_app, tmp_path_factory):
    """The plugin and its process, once for all tests here: importing torch takes longer than any of them."""
    gate = tmp_path_factory.mktemp("gate") / "open"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLOUR_GATE", str(gate))
        patch.setenv("CITYSEG_COMMAND", f"{PYTHON} -I {BACKEND}")
        QgsSettings().remove(settings.GROUP)
        session = Session()
        session.gate = gate
        yield session
        session.close()
        QgsSettings().remove(settings.GROUP)


@pytest.fixture
def session(loaded):
    """Nothing prompted, no layer, the defaults chosen."""
    loaded.gate.touch()
    yield loaded
    loaded.gate.touch()
    loaded.interaction.clear()
    loaded.interaction.session.next_object()
    loaded.panel.set_prompting(False)
    QgsProject.instance().clear()
    loaded.desktop.bar.clearWidgets()
    loaded.panel.accept_step.operations.buttons["add"].click()
    loaded.panel.accept_step.class_edit.clear()
    QgsSettings().remove(settings.GROUP)
    settle()


@pytest.fixture
def gate(session):
    """While this file is missing, the model's encoder waits."""
    return session.gate


@pytest.fixture
def fault(session):
    """Makes the next process of the backend fail in a certain way."""

    def set_fault(kind):
        os.environ["COLOUR_FAULT"] = kind
        session.interaction.client.restart()

    yield set_fault
    os.environ.pop("COLOUR_FAULT", None)
    session.interaction.client.restart()


@pytest.fixture
def roofs(session, tmp_path):
    """The scene on the map, prompting on."""
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    return layer
