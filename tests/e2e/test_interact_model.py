"""The panel with the model that ships: what a user has after installing."""

from __future__ import annotations

import pytest
from qgis.core import QgsRasterLayer, QgsSettings

from cityseg_qgis import settings
from tests.data import gdal_scenes as scenes
from tests.e2e.outlines import PYTHON, accept, answered, iou
from tests.workers.desktop import Session, wait_until


@pytest.fixture
def session(qgis_app, monkeypatch):
    monkeypatch.delenv("CITYSEG_COMMAND", raising=False)
    monkeypatch.setenv("CITYSEG_PYTHON", str(PYTHON))
    QgsSettings().remove(settings.GROUP)
    session = Session()
    yield session
    session.close()
    QgsSettings().remove(settings.GROUP)


def test_the_model_that_ships_outlines_a_roof(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    wait_until(lambda: len(session.interaction.models) > 1)
    default = session.interaction.models[0]
    assert default.id == "default-2d"
    assert default.available, default.why_not
    combo = session.panel.layer_step.model_combo
    assert combo.currentData() == "default-2d"
    unavailable = [row for row, model in enumerate(session.interaction.models) if not model.available]
    assert unavailable, "the checkpoints to download are listed"
    assert not combo.model().item(unavailable[0]).isEnabled()
    col0, row0, col1, row1 = scenes.RED
    session.desktop.drag([scenes.place(col0 - 2, row0 - 2), scenes.place(col1 + 2, row1 + 2)])
    preview = answered(session)
    assert iou(preview.geometry, preview.crs, scenes.RED) > 0.75
    assert 0.3 < preview.score <= 1.0
    target = accept(session)
    (feature,) = target.getFeatures()
    assert feature["model"] == "default-2d"
    assert feature["weights"]
    assert feature["prompt"] == "1 box+"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("half.pth", b"PK\x03\x04 and no more", "half.pth is"),
        ("text.pth", b"not a checkpoint", "text.pth is"),
        ("half.safetensors", b"garbage" * 50, "half.safetensors is damaged"),
        ("gone.pth", None, "There is no checkpoint"),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence_and_another_model_goes_on(
    session, tmp_path, name, content, sentence
):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    wait_until(lambda: len(session.interaction.models) > 1)
    session.interaction.set_model(str(tmp_path / name))
    session.desktop.click(scenes.place(*scenes.middle(scenes.RED)))
    wait_until(lambda: session.desktop.said() and not session.interaction.busy)
    assert sentence in session.desktop.said()
    assert session.prompts == [("point", 1)]
    session.interaction.set_model("default-2d")
    assert not answered(session).is_empty
