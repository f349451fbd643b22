"""Where words are searched for: what goes over the wire, and what is then found."""

from __future__ import annotations

import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
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
from tests.data.text_scene import REDS, thing_wkt, things
from tests.workers.desktop import settle
from tests.workers.text_session import (
    box_round,
    named,
    sessions,
    show_scene,
)


@pytest.fixture
def session(qgis_app, monkeypatch, tmp_path):
    yield from sessions(tmp_path, monkeypatch)


@pytest.fixture
def scene(session, tmp_path):
    return show_scene(session, tmp_path)


def polygons(crs, *shapes):
    layer = QgsVectorLayer(f"Polygon?crs={crs}", "zones", "memory")
    layer.startEditing()
    for shape in shapes:
        layer.addFeature(QgsVectorLayerUtils.createFeature(layer, shape, {}))
    assert layer.commitChanges()
    QgsProject.instance().addMapLayer(layer)
    return layer


def zone(rectangle, crs=scenes.UTM):

    shape = QgsGeometry.fromWkt(thing_wkt(rectangle)).buffer(4, 8)
    return transformed_geometry(shape, QgsCoordinateReferenceSystem(scenes.UTM), QgsCoordinateReferenceSystem(crs))


def test_only_the_visible_map_is_searched_at_first(session, scene):
    canvas = session.desktop.canvas
    canvas.setExtent(box_round(REDS[0], 5))
    settle()
    session.ask("red things")
    assert session.found() == named(REDS[:1], "red")


def test_the_whole_raster_has_no_area(session, scene):
    session.desktop.canvas.setExtent(box_round(REDS[0], 5))
    session.open_tab()
    session.side.area.choose("whole")
    session.ask("red things")
    assert "area" not in session.asked
    assert session.found() == named(REDS, "red")
    assert settings.TEXT_AREA.value() == "whole"


def test_the_visible_map_in_another_crs(session, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "things.tif", things())), "things")
    session.desktop.show(layer, QgsCoordinateReferenceSystem("EPSG:3857"))
    session.ask("red things")
    assert session.found() == named(REDS, "red")
    xmin, ymin, xmax, ymax = session.asked["area"]["bounds"]
    extent = layer.extent()
    assert (xmin, ymin, xmax, ymax) == pytest.approx(
        (extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())
    )


def test_a_view_beside_the_raster_is_one_sentence(session, scene):
    session.desktop.canvas.setExtent(QgsGeometry.fromWkt("POLYGON((0 0,9 0,9 9,0 9,0 0))").boundingBox())
    panel = session.ask("red things")
    assert "zoom to the layer" in panel.note.text.text()
    assert not panel.note.isHidden()
    assert session.desktop.said() == ""


def test_a_drawn_rectangle(session, scene):
    panel = session.open_tab()
    area = session.side.area
    area.choose("rectangle")
    assert session.desktop.canvas.mapTool() is area.tool
    bounds = box_round(REDS[1], 4)
    session.desktop.drag([(bounds.xMinimum(), bounds.yMaximum()), (bounds.xMaximum(), bounds.yMinimum())])
    settle()
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    assert area.overlay.band.numberOfVertices() > 3
    session.ask("red things")
    assert session.found() == named(REDS[1:2], "red")
    session.panel.tabs.buttons["interact"].click()
    assert area.overlay.band.numberOfVertices() == 0
    assert panel.isHidden()


def test_a_rectangle_that_was_not_drawn_is_asked_for(session, scene):
    session.open_tab()
    session.side.area.choose("rectangle")
    session.desktop.key(Qt.Key.Key_Escape)
    assert session.desktop.canvas.mapTool() is session.desktop.pan
    panel = session.ask("red things")
    assert "Draw the rectangle" in panel.note.text.text()


@pytest.mark.parametrize("crs", [scenes.UTM, "EPSG:4326"])
def test_selected_polygons_in_any_crs(session, scene, crs):
    layer = polygons(crs, zone(REDS[0], crs), zone(REDS[2], crs), zone(REDS[1], crs))
    layer.selectByIds([1, 2])
    session.desktop.active = layer
    session.open_tab()
    area = session.side.area
    area.choose("polygons")
    assert area.layer_combo.currentLayer() is layer
    assert area.count_label.text() == "2 selected"
    session.ask("red things")
    assert session.found() == named([REDS[0], REDS[2]], "red")


def test_no_selected_polygon_says_what_to_do(session, scene):
    polygons(scenes.UTM, zone(REDS[0]))
    session.open_tab()
    session.side.area.choose("polygons")
    panel = session.ask("red things")
    assert "“zones” is selected; select the area first" in panel.note.text.text()


def test_a_raster_without_georeference(session, tmp_path):


    source = gdal.Open(str(scenes.write(tmp_path / "t.tif", things(), transform=None, crs="")))
    path = tmp_path / "plain.png"
    gdal.GetDriverByName("PNG").CreateCopy(str(path), source)
    layer = QgsRasterLayer(str(path), "plain")
    session.desktop.show(layer)
    session.ask("red things")
    assert session.asked["pixel"] is True
    assert session.asked["area"]["bounds"] == pytest.approx([0, 0, scenes.SIZE, scenes.SIZE])
    assert len(session.found()) == len(REDS)
    shapes = [f.geometry().boundingBox() for f in session.review.layer.getFeatures()]
    col0, row0, col1, row1 = REDS[0]
    assert any(
        (box.xMinimum(), box.yMaximum(), box.xMaximum(), box.yMinimum()) == (col0, -row0, col1, -row1)
        for box in shapes
    )
