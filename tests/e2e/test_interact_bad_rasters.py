"""Rasters that are broken, blank or bare, in QGIS: one sentence or an outline, and the prompts stay."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer, QgsVectorLayer

from tests.data import gdal_scenes as scenes
from tests.e2e.outlines import RED_AT, RED_M2, SLACK_M2, accept, answered, iou
from tests.workers.desktop import wait_until

NOISE = np.random.default_rng(0).integers(0, 255, (3, scenes.SIZE, scenes.SIZE)).astype(np.uint8)


def truncated(path):
    scenes.write(path, NOISE)
    layer = QgsRasterLayer(str(path), "cut")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 4])
    return layer


def overwritten(path):
    layer = QgsRasterLayer(str(scenes.write(path, scenes.roofs())), "text")
    path.write_text("no raster any more")
    return layer


def not_a_number(path):
    return QgsRasterLayer(str(scenes.write(path, np.full((1, 64, 64), np.nan, np.float32))), "nan")


def no_data(path):
    scenes.write(path, np.zeros((3, scenes.SIZE, scenes.SIZE), np.uint8))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    for band in (1, 2, 3):
        dataset.GetRasterBand(band).SetNoDataValue(0)
    del dataset
    return QgsRasterLayer(str(path), "blank")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (truncated, "is damaged, incomplete or gone; copy it again"),
        (overwritten, "cannot be read as a raster"),
        (not_a_number, "no image data around the prompt"),
        (no_data, "no image data around the prompt"),
    ],
)
def test_a_raster_that_shows_nothing_is_one_sentence_and_keeps_the_prompts(
    session, tmp_path, make, sentence
):
    session.desktop.show(make(tmp_path / "a.tif"))
    session.panel.set_prompting(True)
    session.desktop.click(scenes.place(30, 30))
    wait_until(lambda: session.desktop.said() and not session.interaction.busy)
    assert sentence in session.desktop.said()
    assert session.prompts == [("point", 1)]
    assert session.interaction.preview is None
    assert not session.panel.status_line.retry_button.isHidden()


@pytest.mark.parametrize(
    "values", [np.full((1, 64, 64), 7.5, np.float32), np.full((1, 1, 1), 7, np.uint8)], ids=["flat", "one pixel"]
)
def test_a_raster_of_one_value_is_answered(session, tmp_path, values):
    session.desktop.show(QgsRasterLayer(str(scenes.write(tmp_path / "a.tif", values)), "flat"))
    session.panel.set_prompting(True)
    session.desktop.click(scenes.place(values.shape[2] / 2, values.shape[1] / 2))
    preview = answered(session)
    assert session.desktop.said() == ""
    assert preview is not None


def test_a_project_without_a_crs_is_in_the_coordinates_of_its_layers(session, tmp_path):
    none = QgsCoordinateReferenceSystem()
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "a.tif", scenes.roofs())), "roofs")
    QgsProject.instance().setCrs(none)
    session.desktop.show(layer, none)
    session.panel.set_prompting(True)
    session.desktop.click(RED_AT)
    preview = answered(session)
    assert iou(preview.geometry, preview.crs, scenes.RED) > 0.95
    target = accept(session)
    assert target.crs() == layer.crs()
    assert [f["area_m2"] for f in target.getFeatures()] == pytest.approx([RED_M2], abs=SLACK_M2)
    assert not QgsProject.instance().crs().isValid()


def test_an_image_without_a_crs_into_a_target_that_has_one(session, tmp_path):
    """As QGIS draws it: the coordinates are taken as they are."""
    bare = scenes.write(tmp_path / "a.tif", scenes.roofs(), scenes.UTM_TRANSFORM, "")
    session.desktop.show(QgsRasterLayer(str(bare), "bare"))
    target = QgsVectorLayer("Polygon?crs=EPSG:32632&field=area_m2:double", "mine", "memory")
    QgsProject.instance().addMapLayer(target)
    session.panel.set_prompting(True)
    session.interaction.set_target(target)
    session.desktop.click(RED_AT)
    answered(session)
    accept(session)
    (feature,) = target.getFeatures()
    assert iou(feature.geometry(), target.crs(), scenes.RED) > 0.95
    assert feature["area_m2"] == pytest.approx(RED_M2, abs=SLACK_M2)


def test_an_image_of_few_colours_is_seen_in_its_colours(session, tmp_path):
    """Grey ground of the same brightness as the roof: only the colour table tells them apart."""
    index = np.ones((1, scenes.SIZE, scenes.SIZE), np.uint8)
    col0, row0, col1, row1 = scenes.RED
    index[:, row0:row1, col0:col1] = 2
    path = scenes.write(tmp_path / "a.tif", index)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    table = gdal.ColorTable()
    for entry, colour in enumerate([(0, 0, 0), (120, 120, 120), (200, 100, 90), (255, 255, 255)]):
        table.SetColorEntry(entry, (*colour, 255))
    dataset.GetRasterBand(1).SetColorTable(table)
    del dataset
    session.desktop.show(QgsRasterLayer(str(path), "few colours"))
    session.panel.set_prompting(True)
    session.desktop.click(RED_AT)
    preview = answered(session)
    assert iou(preview.geometry, preview.crs, scenes.RED) > 0.95
