"""Where results go: new tables and layers, and which layers of a project are targets."""

from __future__ import annotations

import sqlite3

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)

from cityseg_qgis.core.attributes import FIELDS
from cityseg_qgis.core.target import (
    free_table_name,
    is_target,
    new_geopackage_table,
    new_memory_layer,
    table_names,
    targets,
)
from cityseg_qgis.errors import TargetProblem
from tests.data import gdal_scenes as scenes

UTM = QgsCoordinateReferenceSystem("EPSG:32632")


@pytest.fixture
def project(qgis_new_project):
    return QgsProject.instance()


def test_a_new_geopackage_has_every_field_and_the_crs(project, tmp_path):
    layer = new_geopackage_table(tmp_path / "city.gpkg", "my objects!", UTM, project)
    assert layer.isValid()
    assert layer.crs() == UTM
    assert layer.name() == "my_objects"
    assert layer.fields().names() == ["fid", *FIELDS]
    assert layer.wkbType() == QgsWkbTypes.Type.MultiPolygon
    assert project.mapLayer(layer.id()) is layer
    assert is_target(layer)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".gpkg"] == ["city.gpkg"]


def test_the_extension_is_added(project, tmp_path):
    new_geopackage_table(tmp_path / "city.v2", "objects", UTM, project)
    assert (tmp_path / "city.v2.gpkg").is_file()


def test_an_existing_geopackage_gets_one_more_table_and_loses_none(project, tmp_path):
    path = tmp_path / "city.gpkg"
    names = [new_geopackage_table(path, "objects", UTM, project).name() for _ in range(3)]
    assert names == ["objects", "objects_2", "objects_3"]
    assert sorted(table_names(path)) == names
    assert free_table_name(path, "OBJECTS") == "OBJECTS_4"


def test_a_geopackage_of_rasters_gets_a_table(project, tmp_path):
    path = tmp_path / "images.gpkg"
    scenes.write(path, scenes.roofs(), driver="GPKG")
    new_geopackage_table(path, "objects", UTM, project)
    assert table_names(path) == ["objects"]
    assert QgsRasterLayer(str(path), "image").isValid()


def test_a_new_table_without_crs(project, tmp_path):
    layer = new_geopackage_table(tmp_path / "plain.gpkg", "objects", QgsCoordinateReferenceSystem(), project)
    assert layer.isValid()
    assert layer.isSpatial()


def test_a_file_that_is_no_geopackage_is_left_alone(project, tmp_path):
    path = tmp_path / "notes.gpkg"
    path.write_text("dear diary", encoding="utf-8")
    with pytest.raises(TargetProblem, match=r"notes\.gpkg.* is not a GeoPackage"):
        new_geopackage_table(path, "objects", UTM, project)
    assert path.read_text(encoding="utf-8") == "dear diary"
    assert not project.mapLayers()


def test_a_folder_that_does_not_exist(project, tmp_path):
    with pytest.raises(TargetProblem, match="does not exist"):
        new_geopackage_table(tmp_path / "no" / "city.gpkg", "objects", UTM, project)


def test_a_place_that_cannot_be_written(project, tmp_path):
    from pathlib import Path

    with pytest.raises(TargetProblem, match="cannot be written"):
        new_geopackage_table(Path("/proc/city.gpkg"), "objects", UTM, project)


def test_a_damaged_geopackage_is_one_sentence(project, tmp_path):
    path = tmp_path / "city.gpkg"
    new_geopackage_table(path, "objects", UTM, project)
    project.clear()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE gpkg_contents")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(TargetProblem):
        new_geopackage_table(path, "more", UTM, project)
    assert path.read_bytes() == before


def test_targets_are_editable_polygon_layers_only(project, tmp_path):
    roofs = scenes.write(tmp_path / "roofs.tif", scenes.roofs())
    areas = QgsVectorLayer("MultiPolygonZ?crs=EPSG:4326", "areas", "memory")
    frozen = QgsVectorLayer("Polygon?crs=EPSG:4326", "frozen", "memory")
    frozen.setReadOnly(True)
    others = [
        QgsVectorLayer("Point?crs=EPSG:4326", "points", "memory"),
        QgsVectorLayer("None", "table", "memory"),
        QgsRasterLayer(str(roofs), "roofs"),
        frozen,
    ]
    made = new_memory_layer("Made", UTM, project)
    project.addMapLayers([areas, *others])
    assert targets(project) == [areas, made]
    assert not is_target(None)


def test_a_new_layer_is_styled_by_class(project):
    layer = new_memory_layer("objects", UTM, project)
    symbol = layer.renderer().symbol().symbolLayer(0)
    assert symbol.dataDefinedProperties().hasActiveProperties()
