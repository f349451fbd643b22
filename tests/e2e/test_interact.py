"""From a click to a saved feature, with the real plugin, the real process and a model that can be reckoned by hand."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)
from qgis.PyQt.QtCore import Qt

from cityseg_qgis import settings
from cityseg_qgis.core.frames import transformed_geometry
from tests.data import gdal_scenes as scenes
from tests.e2e.outlines import (
    BLUE_AT,
    BLUE_M2,
    DEGREES,
    MERCATOR,
    RED_AT,
    RED_M2,
    SLACK_M2,
    UTM,
    accept,
    answered,
    iou,
)
from tests.workers.desktop import CTRL, RIGHT, SHIFT, settle


def test_a_click_becomes_an_outline_and_enter_a_feature(session, roofs):
    session.panel.accept_step.class_edit.setText("building")
    session.desktop.click(RED_AT)
    preview = answered(session)
    assert iou(preview.geometry, preview.crs, scenes.RED) > 0.95
    assert preview.area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    assert "100 % sure" in session.panel.accept_step.score_label.text()
    assert "m²" in session.panel.accept_step.area_label.text()
    assert not session.panel.overlay.band.asGeometry().isEmpty()
    target = accept(session)
    (feature,) = target.getFeatures()
    assert target.crs() == UTM
    assert feature["class"] == "building"
    assert feature["prompt"] == "1 point+"
    assert feature["model"] == "colour-test"
    assert feature["source"] == "roofs.tif"
    assert feature["area_m2"] == pytest.approx(RED_M2, abs=SLACK_M2)
    assert session.prompts == []
    assert session.interaction.preview is None
    assert session.panel.overlay.band.asGeometry().isEmpty()
    assert settings.remembered_class_names() == ["building"]


def test_the_next_object_begins_at_once(session, roofs):
    for number, at in enumerate((RED_AT, BLUE_AT), 1):
        session.desktop.click(at)
        answered(session)
        target = accept(session)
        assert target.featureCount() == number
    assert sorted(f["object"] for f in target.getFeatures()) == [1, 2]


def test_undo_and_redo_of_prompts_move_the_outline(session, roofs):
    session.desktop.click(RED_AT)
    one = answered(session)
    session.desktop.click(BLUE_AT)
    both = answered(session)
    assert both.area_m2 > RED_M2 + 300
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert answered(session).geometry.isGeosEqual(one.geometry)
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert answered(session).geometry.isGeosEqual(both.geometry)
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.interaction.preview is None
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert answered(session).geometry.isGeosEqual(both.geometry)


def test_a_right_click_takes_away(session, roofs):
    session.desktop.click(RED_AT)
    answered(session)
    session.desktop.click(BLUE_AT)
    answered(session)
    session.desktop.click(BLUE_AT, RIGHT)
    preview = answered(session)
    assert preview.area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)


def test_after_an_accept_ctrl_z_takes_it_back_by_the_layers_own_undo(session, roofs):
    session.desktop.click(RED_AT)
    answered(session)
    target = accept(session)
    assert target.undoStack().undoText() == "CitySeg: add object"
    session.desktop.key(Qt.Key.Key_Z, CTRL)
    assert target.featureCount() == 0
    session.desktop.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert target.featureCount() == 1
    target.undoStack().undo()
    assert target.featureCount() == 0


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("add", [600, 100_000]), ("cut", [99_400]), ("unite", [100_000]), ("clip", [600])],
)
def test_operations_on_a_layer_in_a_third_crs(session, roofs, operation, expected):
    """Map in degrees, image in UTM, target in Mercator with one feature of ten hectares that holds the roof."""
    session.desktop.canvas.setDestinationCrs(DEGREES)
    session.desktop.canvas.setExtent(
        session.desktop.canvas.mapSettings().layerExtentToOutputExtent(roofs, roofs.extent())
    )
    settle()
    target = QgsVectorLayer("MultiPolygon?crs=EPSG:3857&field=area_m2:double", "parcels", "memory")
    QgsProject.instance().addMapLayer(target)
    x, y = RED_AT
    parcel = QgsGeometry.fromWkt(
        f"MULTIPOLYGON((({x - 158} {y - 158}, {x + 158} {y - 158}, {x + 158} {y + 158.5}, {x - 158} {y + 158.5}, {x - 158} {y - 158})))"
    )
    target.startEditing()
    moved = transformed_geometry(parcel, UTM, MERCATOR)
    target.addFeature(QgsVectorLayerUtils.createFeature(target, moved, {}))
    target.commitChanges()
    session.interaction.set_target(target)
    session.panel.accept_step.operations.buttons[operation].click()
    place = transformed_geometry(QgsGeometry.fromWkt(f"POINT({x} {y})"), UTM, DEGREES).asPoint()
    session.desktop.click((place.x(), place.y()))
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    accept(session)
    areas = sorted(transformed_geometry(f.geometry(), MERCATOR, UTM).area() for f in target.getFeatures())
    assert areas == pytest.approx(expected, abs=300)
    assert target.undoStack().count() == 1


def test_an_image_without_georeference(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "plain.tif", scenes.roofs(), None, "")), "plain")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    col, row = scenes.middle(scenes.RED)
    session.desktop.click((col, -row))
    preview = answered(session)
    bounds = preview.geometry.boundingBox()
    assert (bounds.xMinimum(), bounds.yMaximum()) == pytest.approx((40, -60), abs=1)
    assert (bounds.xMaximum(), bounds.yMinimum()) == pytest.approx((100, -100), abs=1)
    assert preview.area_m2 is None
    target = accept(session)
    assert target.featureCount() == 1
    assert not target.crs().isValid()


@pytest.mark.parametrize(
    "transform",
    [(500_000, 0.5, 0, 4_999_872, 0, 0.5), (500_000, 0.4, 0.3, 5_000_000, 0.3, -0.4)],
    ids=["south up", "rotated"],
)
def test_an_image_with_a_turned_geotransform(session, tmp_path, transform):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "t.tif", scenes.roofs(), transform)), "t")
    session.desktop.show(layer)
    session.panel.set_prompting(True)
    x0, a, b, y0, d, e = transform
    col, row = scenes.middle(scenes.RED)
    centre = (x0 + a * col + b * row, y0 + d * col + e * row)
    session.desktop.click(centre)
    preview = answered(session)
    middle = preview.geometry.centroid().asPoint()
    assert (middle.x(), middle.y()) == pytest.approx(centre, abs=0.5)
    assert preview.area_m2 == pytest.approx(60 * 40 * abs(a * e - b * d), rel=0.05)


def test_changing_the_image_asks_the_same_prompts_again(session, roofs, tmp_path):
    session.desktop.click(RED_AT)
    answered(session)
    grey = scenes.roofs()
    grey[:] = 90
    grey[:, 50:110, 30:110] = 200
    other = QgsRasterLayer(str(scenes.write(tmp_path / "other.tif", grey)), "other")
    QgsProject.instance().addMapLayer(other)
    session.panel.layer_step.layer_combo.setLayer(other)
    preview = answered(session)
    assert preview.area_m2 == pytest.approx(80 * 60 * 0.25, abs=SLACK_M2)
    assert preview.source.file_name == "other.tif"


def test_clicks_are_answered_into_a_geopackage_and_saved_with_its_edits(session, roofs, tmp_path, monkeypatch):
    monkeypatch.setattr(session.panel, "ask_geopackage", lambda: str(tmp_path / "city.gpkg"))
    session.panel.accept_step.target_combo.geopackage_wanted.emit()
    for at in (RED_AT, BLUE_AT):
        session.desktop.click(at)
        answered(session)
        accept(session)
    session.panel.accept_step.save_edits_button.click()
    saved = QgsVectorLayer(str(tmp_path / "city.gpkg"), "saved", "ogr")
    assert sorted(f["area_m2"] for f in saved.getFeatures()) == pytest.approx([RED_M2, BLUE_M2], abs=SLACK_M2)
    assert session.interaction.target.isEditable()


@pytest.mark.parametrize("kind", ["box", "scribble", "lasso"])
def test_every_gesture_is_answered(session, roofs, kind, monkeypatch):
    monkeypatch.setenv("CITYSEG_HOLD_MS", "200")
    col0, row0, col1, row1 = scenes.RED
    corners = [scenes.place(*p) for p in ((col0, row0), (col1, row0), (col1, row1), (col0, row1))]
    if kind == "box":
        session.desktop.drag([corners[0], corners[2]])
    elif kind == "scribble":
        session.desktop.drag([scenes.place(50, 70), scenes.place(90, 90)], hold_ms=350)
    else:
        session.desktop.drag(corners, modifiers=CTRL)
    assert session.prompts == [(kind, 1)]
    assert answered(session).area_m2 == pytest.approx(RED_M2, abs=SLACK_M2)
    target = accept(session)
    (feature,) = target.getFeatures()
    assert feature["prompt"] == f"1 {kind}+"
