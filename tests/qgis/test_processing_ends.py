"""Runs of the algorithms that find nothing, are cancelled, or break."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
from qgis.core import (
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsVectorLayer,
)

from cityseg_qgis.core.target import apply_style
from tests.data.text_scene import BLUES, REDS
from tests.qgis.test_processing import asked, gate, image, provider
from tests.workers.algorithm_runs import (
    BackgroundRun,
    Feedback,
    algorithm,
    make_context,
    run_here,
    run_in_background,
)
from tests.workers.client_harness import wait_until

__all__ = ["asked", "gate", "image", "provider"]


def test_nothing_found_is_an_answer(image):
    done = run_here("segmentwithtext", INPUT=image, TEXT="green")
    assert done.ok
    assert done.features == []
    assert done.results["COUNT"] == 0
    assert "nothing of that here" in done.results["ANSWER"]


def test_an_unknown_word_is_warned_of(image):
    done = run_here("segmentwithtext", INPUT=image, TEXT="red flobs")
    assert "“flobs” is not known; the nearest that is: red, blue." in done.feedback.warnings


@pytest.mark.parametrize("tiles", ["0", "3"])
def test_a_cancel_ends_the_run_and_keeps_what_was_found(image, gate, tmp_path, tiles):
    gate.write_text(tiles)
    out = tmp_path / "out.gpkg"
    running = BackgroundRun("segmentwithtext", INPUT=image, TEXT="red, blue", OUTPUT=str(out))
    wait_until(lambda: running.feedback.texts and running.feedback.percent >= 25 * int(tiles))
    running.feedback.cancel()
    done = running.wait()
    assert not done.ok
    if tiles == "0":
        assert not out.exists()
        return
    kept = QgsVectorLayer(str(out), "kept", "ogr").featureCount()
    assert 0 < kept < len(REDS) + len(BLUES)
    assert f"({kept}) is in {out}" in done.feedback.said


def test_a_cancel_in_the_main_thread(image, gate):
    gate.write_text("2")
    feedback = Feedback(cancel_at=50)
    done = run_here("segmentwithtext", feedback, INPUT=image, TEXT="red, blue")
    assert done.results["COUNT"] == len(done.features)
    assert "Cancelled: what was found until then" in feedback.said


def test_a_run_that_is_cancelled_before_it_begins_starts_nothing(image, tmp_path):
    (tmp_path / "asked.json").unlink(missing_ok=True)
    feedback = Feedback()
    feedback.cancel()
    run_here("segmentwithtext", feedback, INPUT=image, TEXT="red")
    assert not (tmp_path / "asked.json").exists()


def test_a_process_that_dies_is_started_again_and_nothing_is_counted_twice(
    image, gate, monkeypatch, tmp_path
):
    """It dies after the first tile; the cancel comes in the second life, after two tiles."""
    monkeypatch.setenv("TEXT_DIE", str(tmp_path / "died"))
    gate.write_text("2")
    running = BackgroundRun(
        "segmentwithtext", INPUT=image, TEXT="red, blue", OUTPUT=str(tmp_path / "out.gpkg")
    )
    wait_until(lambda: running.feedback.percent >= 50)
    running.feedback.cancel()
    running.wait()
    assert (tmp_path / "died").exists()
    layer = QgsVectorLayer(str(tmp_path / "out.gpkg"), "kept", "ogr")
    shapes = [f.geometry().asWkt() for f in layer.getFeatures()]
    assert len(shapes) == len(set(shapes)) > 0


@pytest.mark.parametrize("words", ["red", "a contradiction"])
def test_nothing_is_left_to_pythons_collector(image, words):
    """It may run in any thread, and layers and processes may end in their own only."""
    gc.collect()
    gc.disable()
    try:
        done = run_in_background("segmentwithtext", Feedback(cancel_at=50), INPUT=image, TEXT=words)
        context = weakref.ref(done.context)
        del done
        assert context() is None
    finally:
        gc.enable()


def test_without_a_backend_it_says_how_to_install_it(image, monkeypatch, tmp_path):
    monkeypatch.delenv("CITYSEG_COMMAND")
    monkeypatch.delenv("CITYSEG_PYTHON", raising=False)
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "empty"))
    done = run_in_background("segmentwithtext", INPUT=image, TEXT="red")
    assert not done.ok
    assert "not installed yet: install it from the CitySeg panel" in done.error
    assert "(without the desktop: set the variable CITYSEG_PYTHON)." in done.error


def test_a_backend_that_does_not_start_is_said(image, monkeypatch):
    monkeypatch.setenv("CITYSEG_COMMAND", f"{sys.executable} -I -c pass")
    done = run_in_background("segmentwithtext", INPUT=image, TEXT="red")
    assert not done.ok
    assert "before it was ready" in done.error


def test_a_loaded_result_gets_our_look(image):
    context, feedback = make_context(), Feedback()
    target = QgsProcessingOutputLayerDefinition("memory:", QgsProject.instance())
    results, ok = algorithm("segmentwithtext").run(
        {"INPUT": image, "TEXT": "red", "OUTPUT": target}, context, feedback
    )
    assert ok
    layer = context.getMapLayer(results["OUTPUT"])
    plain = layer.renderer().symbol().dump()
    loading = context.layerToLoadOnCompletionDetails(results["OUTPUT"])
    loading.postProcessor().postProcessLayer(layer, context, feedback)
    styled = QgsVectorLayer("MultiPolygon?field=class:string", "styled", "memory")
    apply_style(styled)
    assert layer.renderer().symbol().dump() == styled.renderer().symbol().dump() != plain
