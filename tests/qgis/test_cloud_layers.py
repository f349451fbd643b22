"""The result of a classified point cloud as layers: legend, picture, group, and what this QGIS cannot open."""

from __future__ import annotations

import pytest
from osgeo import gdal, ogr, osr
from qgis.core import QgsCoordinateReferenceSystem, QgsProject
from qgis.PyQt.QtGui import QColor

from cityseg_qgis.core.cloud_answer import CloudAnswer, CloudClass, read_cloud_answer, read_colour
from cityseg_qgis.core.cloud_layers import (
    CLASSIFICATION,
    LABEL,
    add_group,
    class_renderer,
    cloud_layer,
    provider_of,
    result_layers,
)
from cityseg_qgis.core.cloud_target import LAZ, opens
from cityseg_qgis.errors import BackendFailed, UnsupportedLayer
from tests.data import tiny_clouds as tiny
from tests.workers.cloud_session import picture, share_of

UTM = QgsCoordinateReferenceSystem(tiny.UTM)


def classes():
    points = tiny.street()
    total = len(points["code"])
    found = [
        CloudClass(label, name, code, int((points["label"] == label).sum()), 0.0, 0.9, QColor(*colour))
        for label, code, name, colour in tiny.CLASSES
    ]
    assert sum(one.count for one in found) == total
    return tuple(sorted(found, key=lambda one: -one.count))


@pytest.fixture
def project(qgis_app):
    yield QgsProject.instance()
    QgsProject.instance().clear()


@pytest.fixture
def ept(project, tmp_path):
    return tiny.write_ept(tmp_path / "street", tiny.street())


def test_the_points_have_the_colours_and_names_of_their_classes(ept):
    layer = cloud_layer(str(ept.parent), classes())
    renderer = layer.renderer()
    assert renderer.attribute() == LABEL
    legend = {c.value(): (c.label(), c.color().name()) for c in renderer.categories()}
    assert legend == {
        label: (name, QColor(*colour).name()) for label, _, name, colour in tiny.CLASSES
    }
    image = picture([layer])
    for _, _, name, colour in tiny.CLASSES:
        assert share_of(image, colour) > 0.01, name
    # The roof is a quarter of the area that the ground has, and lies where it was put.
    x0, y0, x1, y1 = (value / tiny.SIDE_M for value in tiny.ROOF)
    roof = image[int((1 - y1) * 400) + 5 : int((1 - y0) * 400) - 5, int(x0 * 400) + 5 : int(x1 * 400) - 5]
    assert share_of(roof, tiny.CLASSES[1][3]) > 0.5
    assert share_of(roof, tiny.CLASSES[0][3]) == 0.0


def test_without_labels_the_codes_decide(project, tmp_path):
    path = tiny.write_ept(tmp_path / "plain", tiny.street(), labels=False)
    layer = cloud_layer(str(path.parent), classes())
    assert layer.renderer().attribute() == CLASSIFICATION
    assert {c.value() for c in layer.renderer().categories()} == {2, 5, 6}
    assert share_of(picture([layer]), tiny.CLASSES[2][3]) > 0.01


def test_classes_of_one_code_share_an_entry():
    tree = CloudClass(8, "broadleaf tree", 5, 10, 0.5, 0.9, QColor(0, 100, 0))
    conifer = CloudClass(9, "conifer tree", 5, 20, 0.5, 0.9, QColor(0, 50, 0))
    by_code = class_renderer((tree, conifer), CLASSIFICATION).categories()
    assert [(c.value(), c.label(), c.color().name()) for c in by_code] == [
        (5, "conifer tree, broadleaf tree", "#003200")
    ]
    assert {c.value() for c in class_renderer((tree, conifer), LABEL).categories()} == {8, 9}


def gpkg(path):
    """Buildings, trees and roads, a feature each."""
    reference = osr.SpatialReference()
    reference.SetFromUserInput(tiny.UTM)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    x, y, _ = tiny.ORIGIN
    box = "POLYGON(({0} {1},{2} {1},{2} {3},{0} {3},{0} {1}))"
    x0, y0, x1, y1 = tiny.ROOF
    shapes = {
        "buildings": (ogr.wkbPolygon, box.format(x + x0, y + y0, x + x1, y + y1)),
        "trees": (ogr.wkbPoint, f"POINT({x + 45} {y + 45})"),
        "roads": (ogr.wkbPolygon, box.format(x, y, x + 60, y + 5)),
    }
    for name, (kind, wkt) in shapes.items():
        layer = source.CreateLayer(name, reference, kind)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        layer.CreateFeature(feature)
    source.FlushCache()
    return str(path)


def raster(path):
    data = gdal.GetDriverByName("GTiff").Create(str(path), 60, 60, 1, gdal.GDT_Float32)
    data.SetGeoTransform((tiny.ORIGIN[0], 1, 0, tiny.ORIGIN[1] + 60, 0, -1))
    data.FlushCache()
    return str(path)


def test_everything_lies_in_one_group(project, ept, tmp_path):
    answer = CloudAnswer(
        out=str(ept.parent),
        kind="ept",
        count=1,
        seconds=1.0,
        classes=classes(),
        vectors=(gpkg(tmp_path / "street.gpkg"),),
        rasters=(raster(tmp_path / "street_dtm.tif"),),
    )
    layers = result_layers(answer, UTM, ("buildings", "trees"))
    group = add_group(project, layers, "street")
    assert project.layerTreeRoot().children()[0] is group
    names = [node.name() for node in group.children()]
    assert names == ["trees", "buildings", "classified points", "street_dtm"]
    assert len(project.mapLayers()) == 4
    assert [node.isVisible() for node in group.children()] == [True, True, True, False]
    # The raster says no CRS of its own.
    assert layers.rasters[0].crs() == UTM


def test_a_cloud_without_crs_gets_the_one_that_was_given(project, tmp_path):
    path = tiny.write_ept(tmp_path / "nowhere", tiny.street(), crs=None)
    answer = CloudAnswer(str(path.parent), "ept", 1, 1.0, classes())
    assert result_layers(answer, UTM).cloud.crs() == UTM


@pytest.mark.skipif(opens(LAZ), reason="this QGIS opens LAZ")
def test_what_qgis_cannot_open_is_no_layer(project, tmp_path):
    answer = CloudAnswer(str(tmp_path / "out.laz"), "laz", 1, 1.0, classes())
    layers = result_layers(answer, UTM)
    assert layers.cloud is None
    assert add_group(project, layers, "out") is None
    assert project.layerTreeRoot().children() == []


def test_a_broken_result_is_a_sentence(project, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ept.json").write_text("no JSON")
    assert provider_of(str(tmp_path / "broken")) == "ept"
    with pytest.raises(UnsupportedLayer, match="cannot open it"):
        cloud_layer(str(tmp_path / "broken"), classes())


def test_an_answer_from_the_wire():
    answer = read_cloud_answer(
        {
            "out": "/a/b",
            "kind": "ept",
            "count": 10,
            "seconds": 0.5,
            "classes": [
                {"id": 3, "name": "water", "code": 9, "count": 0, "share": 0, "mean_conf": 0, "colour": [0, 0, 255]},
                {"id": 1, "name": "ground", "code": 2, "count": 4, "share": 0.4, "mean_conf": 0.5, "colour": "#aabbcc"},
                {"id": 2, "name": "roof", "code": 6, "count": 6, "share": 0.6, "mean_conf": 0.7, "colour": [1, 2, 3]},
            ],
            "placements": [{"words": "shed", "kind": "new", "sentence": "A shed is a kind of building."}],
            "vectors": ["/a/b.gpkg"],
            "rasters": [],
            "warnings": ["no CRS"],
            "sentence": "Done.",
        }
    )
    assert [one.name for one in answer.classes] == ["roof", "ground"]
    assert answer.classes[1].colour.name() == "#aabbcc"
    assert (answer.vectors, answer.rasters, answer.warnings) == (("/a/b.gpkg",), (), ("no CRS",))
    assert answer.placements[0].sentence == "A shed is a kind of building."


@pytest.mark.parametrize("result", [{}, {"out": "x", "classes": [{}]}, {"out": "x", "classes": 3}])
def test_an_answer_that_makes_no_sense(result):
    with pytest.raises(BackendFailed, match="update the backend"):
        read_cloud_answer(result)


@pytest.mark.parametrize(
    ("given", "name"), [([255, 0, 10], "#ff000a"), ("#00ff00", "#00ff00"), (None, "#969696"), ([1], "#969696")]
)
def test_colours(given, name):
    assert read_colour(given).name() == name
