"""Accepting an object: four operations, one undo step each, in any CRS and into any polygon layer."""

from __future__ import annotations

import pytest
from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsVectorLayer,
    QgsVectorLayerUtils,
    QgsWkbTypes,
)

from cityseg_qgis.core import result
from cityseg_qgis.core.attributes import FIELDS, Provenance
from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.core.target import new_memory_layer
from cityseg_qgis.errors import GeometryProblem, TargetProblem

UTM = QgsCoordinateReferenceSystem("EPSG:32632")
MERCATOR = QgsCoordinateReferenceSystem("EPSG:3857")
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
X, Y = 500_000, 5_000_000
PROVENANCE = Provenance("building", 0.8765432, "2 point+", "default-2d", "abc123", "roofs.tif")


def rectangle(x0, y0, x1, y1):
    """In UTM, metres from (X, Y)."""
    ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    return QgsGeometry.fromWkt(f"POLYGON(({', '.join(f'{X + x} {Y + y}' for x, y in ring)}))")


@pytest.fixture
def target(qgis_new_project, qgis_app):
    from qgis.core import QgsProject

    return new_memory_layer("objects", UTM, QgsProject.instance())


def plain_layer(kind="MultiPolygon", crs="EPSG:32632", fields=""):
    return QgsVectorLayer(f"{kind}?crs={crs}{fields}", "plain", "memory")


def put(layer, *geometries):
    """Features that were there before, committed."""
    layer.startEditing()
    for geometry in geometries:
        layer.addFeature(QgsVectorLayerUtils.createFeature(layer, geometry.coerceToType(layer.wkbType())[0], {}))
    assert layer.commitChanges()


def shapes(layer):
    return sorted((f.geometry() for f in layer.getFeatures()), key=lambda g: (g.boundingBox().xMinimum(), g.boundingBox().yMinimum()))


def areas(layer):
    return sorted(round(g.area(), 3) for g in shapes(layer))


def wkts(layer):
    return sorted((f.id(), f.geometry().asWkt(3), tuple(map(str, f.attributes()))) for f in layer.getFeatures())


def test_add_writes_geometry_and_all_attributes(target):
    outcome = result.accept(target, rectangle(0, 0, 20, 10), UTM, result.ADD, PROVENANCE)
    assert (outcome.added, outcome.changed, outcome.removed) == (1, 0, 0)
    (feature,) = target.getFeatures()
    assert feature.fields().names() == list(FIELDS)
    assert feature["object"] == 1
    assert feature["class"] == "building"
    assert feature["score"] == pytest.approx(0.8765)
    assert feature["area_m2"] == pytest.approx(200)
    assert feature["perim_m"] == pytest.approx(60)
    assert feature["prompt"] == "2 point+"
    assert feature["task"] == "interactive"
    assert feature["model"] == "default-2d"
    assert feature["weights"] == "abc123"
    assert feature["source"] == "roofs.tif"
    assert feature["created"].endswith("Z")
    assert feature.geometry().isGeosEqual(rectangle(0, 0, 20, 10))
    assert QgsWkbTypes.isMultiType(feature.geometry().wkbType())


def test_objects_are_numbered_on(target):
    for step in range(3):
        result.accept(target, rectangle(30 * step, 0, 30 * step + 10, 10), UTM, result.ADD, PROVENANCE)
    assert sorted(f["object"] for f in target.getFeatures()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (result.CUT, [50, 100]),
        (result.CLIP, [50, 100]),
        (result.UNITE, [100, 150]),
        (result.ADD, [100, 100, 100]),
    ],
)
def test_each_operation_is_one_undo_step(target, operation, expected):
    """Two squares of 100 m²; the object covers the right half of the first and 50 m² of nothing."""
    put(target, rectangle(0, 0, 10, 10), rectangle(50, 0, 60, 10))
    before = wkts(target)
    target.startEditing()
    result.accept(target, rectangle(5, 0, 15, 10), UTM, operation, PROVENANCE)
    after = wkts(target)
    assert areas(target) == expected
    stack = target.undoStack()
    assert stack.count() == 1
    assert stack.undoText() == result.command_name(operation)
    stack.undo()
    assert wkts(target) == before
    stack.redo()
    assert [row[1] for row in wkts(target)] == [row[1] for row in after]


def test_cut_keeps_what_lies_outside_and_measures_again(target):
    put(target, rectangle(0, 0, 10, 10))
    outcome = result.accept(target, rectangle(5, 0, 15, 10), UTM, result.CUT, PROVENANCE)
    assert outcome.changed == 1
    (feature,) = target.getFeatures()
    assert feature.geometry().isGeosEqual(rectangle(0, 0, 5, 10))
    assert feature["area_m2"] == pytest.approx(50)
    assert feature["perim_m"] == pytest.approx(30)


def test_cut_removes_a_feature_that_is_covered(target):
    put(target, rectangle(0, 0, 10, 10), rectangle(50, 0, 60, 10))
    outcome = result.accept(target, rectangle(-1, -1, 11, 11), UTM, result.CUT, PROVENANCE)
    assert (outcome.changed, outcome.removed) == (0, 1)
    assert areas(target) == [100]


def test_a_hole_is_cut_into_a_larger_feature(target):
    put(target, rectangle(0, 0, 10, 10))
    result.accept(target, rectangle(4, 4, 6, 6), UTM, result.CUT, PROVENANCE)
    (shape,) = shapes(target)
    assert len(shape.asMultiPolygon()[0]) == 2
    assert shape.area() == pytest.approx(96)


def test_clip_leaves_features_alone_that_the_object_does_not_meet(target):
    put(target, rectangle(0, 0, 10, 10), rectangle(50, 0, 60, 10))
    outcome = result.accept(target, rectangle(0, 0, 5, 10), UTM, result.CLIP, PROVENANCE)
    assert outcome.touched == 1
    assert areas(target) == [50, 100]


def test_unite_merges_all_that_it_meets_and_keeps_the_attributes_of_the_greatest_overlap(target):
    put(target, rectangle(0, 0, 10, 10), rectangle(12, 0, 30, 10))
    target.startEditing()
    for feature in target.getFeatures():
        small = feature.geometry().area() < 150
        target.changeAttributeValue(feature.id(), target.fields().indexOf("class"), "shed" if small else "barn")
    target.commitChanges()
    outcome = result.accept(target, rectangle(8, 0, 20, 10), UTM, result.UNITE, PROVENANCE)
    assert (outcome.added, outcome.changed, outcome.removed) == (0, 1, 1)
    (feature,) = target.getFeatures()
    assert feature["class"] == "barn"
    assert feature.geometry().area() == pytest.approx(300)
    assert feature["area_m2"] == pytest.approx(300)


def test_unite_with_nothing_adds(target):
    put(target, rectangle(50, 0, 60, 10))
    outcome = result.accept(target, rectangle(0, 0, 10, 10), UTM, result.UNITE, PROVENANCE)
    assert (outcome.added, outcome.changed) == (1, 0)
    assert target.featureCount() == 2


def test_neighbours_that_only_touch_are_left_alone(target):
    put(target, rectangle(0, 0, 10, 10))
    outcome = result.accept(target, rectangle(10, 0, 20, 10), UTM, result.UNITE, PROVENANCE)
    assert outcome.added == 1
    assert areas(target) == [100, 100]


@pytest.mark.parametrize("operation", [result.CUT, result.CLIP])
def test_meeting_nothing_changes_nothing(target, operation):
    put(target, rectangle(50, 0, 60, 10))
    before = wkts(target)
    assert result.accept(target, rectangle(0, 0, 10, 10), UTM, operation, PROVENANCE).touched == 0
    assert wkts(target) == before


def test_a_selection_limits_the_change(target):
    put(target, rectangle(0, 0, 10, 10), rectangle(20, 0, 30, 10))
    first = next(f for f in target.getFeatures() if f.geometry().boundingBox().xMinimum() < X + 15)
    target.selectByIds([first.id()])
    result.accept(target, rectangle(5, 0, 25, 10), UTM, result.CUT, PROVENANCE)
    assert areas(target) == [50, 100]


@pytest.mark.parametrize("crs", [MERCATOR, DEGREES], ids=lambda crs: crs.authid())
def test_the_target_may_have_another_crs(qgis_new_project, crs):
    from qgis.core import QgsProject

    target = new_memory_layer("far", crs, QgsProject.instance())
    shape = rectangle(0, 0, 20, 10)
    result.accept(target, shape, UTM, result.ADD, PROVENANCE)
    (feature,) = target.getFeatures()
    back = transformed_geometry(feature.geometry(), crs, UTM)
    assert back.hausdorffDistance(shape) < 0.001
    # UTM's scale is 0.9996 on its central meridian: the ellipsoid gives 200.16 m².
    assert feature["area_m2"] == pytest.approx(200.16, abs=0.05)
    result.accept(target, rectangle(10, 0, 30, 10), UTM, result.CUT, PROVENANCE)
    (feature,) = target.getFeatures()
    assert feature["area_m2"] == pytest.approx(100.08, abs=0.05)


def test_without_a_crs_there_are_no_metres(qgis_new_project):
    from qgis.core import QgsProject

    none = QgsCoordinateReferenceSystem()
    target = new_memory_layer("plain", none, QgsProject.instance())
    result.accept(target, rectangle(0, 0, 20, 10), none, result.ADD, PROVENANCE)
    (feature,) = target.getFeatures()
    assert feature["area_m2"] == NULL
    assert feature["perim_m"] == NULL
    assert feature.geometry().area() == pytest.approx(200)


def test_only_the_fields_of_the_target_are_written_and_fitted_to_it():
    layer = plain_layer(fields="&field=class:string(4)&field=score:integer&field=owner:string(20)&field=created:date")
    result.accept(layer, rectangle(0, 0, 20, 10), UTM, result.ADD, PROVENANCE)
    (feature,) = layer.getFeatures()
    assert feature["class"] == "buil"
    assert feature["score"] == 1
    assert feature["owner"] == NULL
    assert layer.fields().names() == ["class", "score", "owner", "created"]


def test_a_layer_of_single_polygons_gets_one_feature_a_part():
    layer = plain_layer("Polygon", fields="&field=class:string(20)&field=area_m2:double")
    two = QgsGeometry.collectGeometry([rectangle(0, 0, 10, 10), rectangle(20, 0, 25, 10)])
    assert result.accept(layer, two, UTM, result.ADD, PROVENANCE).added == 2
    assert areas(layer) == [50, 100]
    assert sorted(f["area_m2"] for f in layer.getFeatures()) == [50, 100]


def test_a_cut_that_splits_a_single_polygon_keeps_its_attributes_on_both_parts():
    layer = plain_layer("Polygon", fields="&field=class:string(20)&field=area_m2:double")
    put(layer, rectangle(0, 0, 30, 10))
    layer.startEditing()
    (feature,) = layer.getFeatures()
    layer.changeAttributeValue(feature.id(), 0, "barn")
    layer.commitChanges()
    outcome = result.accept(layer, rectangle(10, -5, 15, 15), UTM, result.CUT, PROVENANCE)
    assert (outcome.added, outcome.changed) == (1, 1)
    assert areas(layer) == [100, 150]
    assert {f["class"] for f in layer.getFeatures()} == {"barn"}
    assert layer.getFeature(feature.id()).geometry().area() == pytest.approx(150)


def test_heights_of_a_target_survive():
    layer = plain_layer("MultiPolygonZ")
    result.accept(layer, rectangle(0, 0, 10, 10), UTM, result.ADD, PROVENANCE)
    (feature,) = layer.getFeatures()
    assert QgsWkbTypes.hasZ(feature.geometry().wkbType())


def test_a_bow_tie_is_repaired(target):
    bow = QgsGeometry.fromWkt(
        f"POLYGON(({X} {Y}, {X + 10} {Y + 10}, {X + 10} {Y}, {X} {Y + 10}, {X} {Y}))"
    )
    result.accept(target, bow, UTM, result.ADD, PROVENANCE)
    (shape,) = shapes(target)
    assert shape.isGeosValid()
    assert shape.area() == pytest.approx(50)


def test_an_invalid_feature_of_the_target_does_not_stop_a_cut():
    layer = plain_layer()
    bow = QgsGeometry.fromWkt(
        f"MULTIPOLYGON((({X} {Y}, {X + 10} {Y + 10}, {X + 10} {Y}, {X} {Y + 10}, {X} {Y})))"
    )
    put(layer, bow)
    result.accept(layer, rectangle(0, 0, 5, 10), UTM, result.CUT, PROVENANCE)
    assert areas(layer) == [25]


@pytest.mark.parametrize("geometry", [QgsGeometry(), QgsGeometry.fromWkt("POLYGON EMPTY")])
def test_an_empty_outline_is_refused_and_starts_no_editing(target, geometry):
    with pytest.raises(GeometryProblem):
        result.accept(target, geometry, UTM, result.ADD, PROVENANCE)
    assert not target.isEditable()


def test_a_failure_in_the_middle_leaves_the_layer_as_it_was():
    """The second feature cannot be deleted: the change to the first is taken back with it."""
    layer = plain_layer("Polygon")
    put(layer, rectangle(0, 0, 10, 10), rectangle(20, 0, 30, 10))
    before = wkts(layer)
    layer.startEditing()

    class Stubborn(result._Writer):
        def _replace(self, feature, parts):
            super()._replace(feature, parts)
            raise TargetProblem("refused")

    original, result._Writer = result._Writer, Stubborn
    try:
        with pytest.raises(TargetProblem, match="refused"):
            result.accept(layer, rectangle(5, 0, 25, 10), UTM, result.CUT, PROVENANCE)
    finally:
        result._Writer = original
    assert wkts(layer) == before
    assert layer.isEditable()
    assert layer.undoStack().count() == 0


def test_a_read_only_layer_is_refused(target):
    target.setReadOnly(True)
    with pytest.raises(TargetProblem, match="cannot be edited"):
        result.accept(target, rectangle(0, 0, 1, 1), UTM, result.ADD, PROVENANCE)


def test_a_layer_of_points_is_no_target():
    with pytest.raises(TargetProblem):
        result.accept(plain_layer("Point"), rectangle(0, 0, 1, 1), UTM, result.ADD, PROVENANCE)


def test_edits_that_were_there_stay_their_own_step(target):
    target.startEditing()
    target.beginEditCommand("by hand")
    feature = QgsFeature(target.fields())
    feature.setGeometry(rectangle(0, 0, 10, 10).coerceToType(target.wkbType())[0])
    target.addFeature(feature)
    target.endEditCommand()
    result.accept(target, rectangle(5, 0, 15, 10), UTM, result.CUT, PROVENANCE)
    target.undoStack().undo()
    assert areas(target) == [100]
    assert target.undoStack().undoText() == "by hand"
