"""Targets of every kind: curves and heights, rules of fields, files that vanish or are locked."""

from __future__ import annotations

import sqlite3

import pytest
from osgeo import ogr, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsVectorLayer,
    QgsVectorLayerUtils,
    QgsWkbTypes,
)

from cityseg_qgis.core import result
from cityseg_qgis.core.attributes import Provenance
from cityseg_qgis.core.save import save_layer
from cityseg_qgis.errors import TargetProblem

UTM = QgsCoordinateReferenceSystem("EPSG:32632")
X, Y = 500_000, 5_000_000
PROVENANCE = Provenance("building", 0.8765432, "2 point+", "default-2d", "abc123", "roofs.tif")
KINDS = ("Polygon", "PolygonZ", "PolygonM", "PolygonZM", "MultiPolygonZM", "CurvePolygon", "CurvePolygonZ", "MultiSurface")


def rectangle(x0, y0, x1, y1):
    """In UTM, metres from (X, Y)."""
    ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    return QgsGeometry.fromWkt(f"POLYGON(({', '.join(f'{X + x} {Y + y}' for x, y in ring)}))")


def plain_layer(kind="MultiPolygon", crs="EPSG:32632", fields=""):
    return QgsVectorLayer(f"{kind}?crs={crs}{fields}", "plain", "memory")


def areas(layer):
    return sorted(round(feature.geometry().area(), 3) for feature in layer.getFeatures())


@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_works_on_every_kind_of_polygon_layer(kind):
    layer = plain_layer(kind, fields="&field=area_m2:double")
    expected = {result.ADD: 200, result.UNITE: 300, result.CUT: 282, result.CLIP: 63}
    objects = (rectangle(0, 0, 20, 10), rectangle(10, 0, 30, 10), rectangle(5, 2, 8, 8), rectangle(0, 0, 9, 9))
    for (operation, area), shape in zip(expected.items(), objects):
        result.accept(layer, shape, UTM, operation, PROVENANCE)
        (feature,) = layer.getFeatures()
        assert feature.geometry().area() == pytest.approx(area)
        assert feature["area_m2"] == pytest.approx(area)
    assert layer.commitChanges()
    (feature,) = layer.getFeatures()
    assert QgsWkbTypes.hasZ(feature.geometry().wkbType()) == QgsWkbTypes.hasZ(layer.wkbType())
    assert QgsWkbTypes.hasM(feature.geometry().wkbType()) == QgsWkbTypes.hasM(layer.wkbType())


def test_a_true_curve_of_a_target_is_cut():
    layer = plain_layer("CurvePolygon", fields="&field=area_m2:double")
    circle = f"CIRCULARSTRING({X} {Y}, {X + 10} {Y + 10}, {X + 20} {Y}, {X + 10} {Y - 10}, {X} {Y})"
    layer.startEditing()
    curve = QgsGeometry.fromWkt(f"CURVEPOLYGON({circle})")
    layer.addFeature(QgsVectorLayerUtils.createFeature(layer, curve, {}))
    assert layer.commitChanges()
    result.accept(layer, rectangle(0, -20, 10, 20), UTM, result.CUT, PROVENANCE)
    (feature,) = layer.getFeatures()
    assert feature["area_m2"] == pytest.approx(50 * 3.14159, rel=0.001)


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
@pytest.mark.parametrize("saved_before", [False, True])
def test_a_target_whose_file_vanished_loses_no_unsaved_object(tmp_path, suffix, saved_before):
    """The provider has the file open still: it would write, report success, and nothing would be anywhere."""
    path = tmp_path / f"mine.{suffix}"
    save_layer(plain_layer(fields="&field=object:integer&field=area_m2:double"), path)
    layer = QgsVectorLayer(str(path), "mine", "ogr")
    result.accept(layer, rectangle(0, 0, 20, 10), UTM, result.ADD, PROVENANCE)
    if saved_before:
        result.save_edits(layer)
        result.accept(layer, rectangle(30, 0, 50, 10), UTM, result.ADD, PROVENANCE)
    for part in tmp_path.iterdir():
        part.unlink()
    with pytest.raises(TargetProblem, match="is gone, and its edits are kept in QGIS"):
        result.save_edits(layer)
    with pytest.raises(TargetProblem, match="is gone; choose another target"):
        result.accept(layer, rectangle(60, 0, 80, 10), UTM, result.ADD, PROVENANCE)
    assert layer.isModified()
    rescued = save_layer(layer, tmp_path / "rescued.gpkg")
    assert areas(QgsVectorLayer(str(rescued), "rescued", "ogr")) == [200]


def test_a_format_that_is_written_anew_makes_its_vanished_file_again(tmp_path):
    path = save_layer(plain_layer(fields="&field=object:integer"), tmp_path / "mine.fgb")
    layer = QgsVectorLayer(str(path), "mine", "ogr")
    for x in (0, 30):
        result.accept(layer, rectangle(x, 0, x + 20, 10), UTM, result.ADD, PROVENANCE)
        path.unlink()
        result.save_edits(layer)
        assert path.exists()
    assert areas(QgsVectorLayer(str(path), "again", "ogr")) == [200, 200]


def test_a_table_that_another_window_has_locked_keeps_the_edits_until_it_is_free(tmp_path):
    path = tmp_path / "mine.gpkg"
    save_layer(plain_layer(fields="&field=object:integer"), path)
    layer = QgsVectorLayer(str(path), "mine", "ogr")
    result.accept(layer, rectangle(0, 0, 20, 10), UTM, result.ADD, PROVENANCE)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin exclusive")
    with pytest.raises(TargetProblem, match="kept in QGIS"):
        result.save_edits(layer)
    other.execute("rollback")
    other.close()
    result.save_edits(layer)
    assert areas(QgsVectorLayer(str(path), "again", "ogr")) == [200]


def test_a_field_that_must_be_filled_is_named_as_the_reason(tmp_path):
    path = tmp_path / "strict.gpkg"
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32632)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    owner = ogr.FieldDefn("owner", ogr.OFTString)
    owner.SetNullable(False)
    source.CreateLayer("strict", reference, ogr.wkbPolygon).CreateField(owner)
    del source
    layer = QgsVectorLayer(str(path), "strict", "ogr")
    result.accept(layer, rectangle(0, 0, 20, 10), UTM, result.ADD, PROVENANCE)
    with pytest.raises(TargetProblem, match="a field of the layer has a rule"):
        result.save_edits(layer)
    (feature,) = layer.getFeatures()
    layer.changeAttributeValue(feature.id(), layer.fields().indexOf("owner"), "me")
    result.save_edits(layer)
    assert areas(QgsVectorLayer(str(path), "again", "ogr")) == [200]
