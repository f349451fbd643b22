"""The algorithms with the real process: files on both sides, every kind of raster, prompts, masks and models."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)

from cityseg_qgis.core.frames import transformed_geometry
from tests.data import gdal_scenes as scenes
from tests.workers.algorithm_runs import (
    Feedback,
    make_context,
    run_here,
    run_in_background,
)
from tests.workers.words_python import make_python

UTM = QgsCoordinateReferenceSystem(scenes.UTM)
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
NOWHERE = QgsCoordinateReferenceSystem()
# 60 × 40 and 60 × 80 pixels of 0.5 m.
RED_M2, BLUE_M2 = 600.0, 1200.0


@pytest.fixture
def backend_python(tmp_path):
    """What stands for the backend's Python here: see `backend`."""
    return make_python(tmp_path)


@pytest.fixture
def roofs(backend, tmp_path):
    return str(scenes.write(tmp_path / "roofs.tif", scenes.roofs()))


def iou(geometry, rectangle):
    truth = QgsGeometry.fromWkt(scenes.rectangle_wkt(rectangle))
    return geometry.intersection(truth).area() / geometry.combine(truth).area()


def prompts(crs, *features, fields="object:integer,label:integer,class:string,text:string"):
    """A memory layer of (WKT, attributes)."""
    uri = "&".join(f"field={field}" for field in fields.split(","))
    kind = features[0][0].split("(")[0].strip() if features else "Point"
    layer = QgsVectorLayer(f"{kind}?{uri}", "clicks", "memory")
    layer.setCrs(crs)
    for wkt, values in features:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(wkt))
        for name, value in values.items():
            feature[name] = value
        layer.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(layer)
    return layer.id()


def at(rectangle):
    x, y = scenes.place(*scenes.middle(rectangle))
    return f"Point({x} {y})"


def test_a_text_with_a_mask(roofs, tmp_path):
    mask = tmp_path / "mask.tif"
    done = run_in_background(
        "segmentwithtext", INPUT=roofs, TEXT="buildings, pools", MASK=str(mask)
    )
    assert done.ok, done.feedback.said
    found = {f["class"]: f for f in done.features}
    assert set(found) == {"building", "pool"}
    assert iou(found["building"].geometry(), scenes.RED) > 0.95
    assert iou(found["pool"].geometry(), scenes.BLUE) > 0.95
    assert found["building"]["area_m2"] == pytest.approx(RED_M2, rel=0.03)
    assert done.results["PATH"] == "classes"
    labels = gdal.Open(str(mask)).ReadAsArray()
    for feature, rectangle in ((found["building"], scenes.RED), (found["pool"], scenes.BLUE)):
        col, row = map(int, scenes.middle(rectangle))
        assert labels[row, col] == feature["object"]
    assert labels[5, 5] == 0
    assert not any("cityseg.fgb" in text for text in done.feedback.texts)


def test_a_program_chooses(roofs):
    done = run_here("segmentwithtext", INPUT=roofs, TEXT="buildings larger than 5000 m²")
    assert done.ok, done.error
    assert done.features == []
    assert done.results["PATH"] == "program"
    assert "5000" in done.results["UNDERSTOOD"].replace(",", "")
    assert '"larger"' in done.results["PROGRAM"] or "5000" in done.results["PROGRAM"]


def test_a_question_is_answered_by_why(roofs):
    done = run_here("segmentwithreasoning", INPUT=roofs, QUESTION="Where do people live?")
    assert done.ok, done.error
    assert {f["task"] for f in done.features} == {"reasoning"}
    assert iou(done.features[0].geometry(), scenes.RED) > 0.95
    assert "live" in done.results["ANSWER"]


@pytest.mark.parametrize(
    "transform",
    [(500_000, 0.5, 0, 4_999_872, 0, 0.5), (500_000, 0.4, 0.3, 5_000_000, 0.3, -0.4)],
    ids=["south up", "rotated"],
)
def test_a_turned_raster(backend, tmp_path, transform):
    turned = str(scenes.write(tmp_path / "t.tif", scenes.roofs(), transform))
    x0, a, b, y0, d, e = transform
    col, row = scenes.middle(scenes.RED)
    centre = (x0 + a * col + b * row, y0 + d * col + e * row)
    area = 60 * 40 * abs(a * e - b * d)
    text = run_here("segmentwithtext", INPUT=turned, TEXT="buildings")
    click = prompts(UTM, (f"Point({centre[0]} {centre[1]})", {}))
    clicked = run_here("segmentwithprompts", INPUT=turned, PROMPTS=click)
    for done in (text, clicked):
        assert done.ok, done.error
        (feature,) = done.features
        middle = feature.geometry().centroid().asPoint()
        assert (middle.x(), middle.y()) == pytest.approx(centre, abs=0.5)
        assert feature["area_m2"] == pytest.approx(area, rel=0.05)


@pytest.mark.parametrize("crs", ["", scenes.UTM], ids=["nothing", "a CRS and no place"])
def test_an_image_without_georeference(backend, tmp_path, crs):
    plain = str(scenes.write(tmp_path / "plain.tif", scenes.roofs(), None, crs))
    col, row = scenes.middle(scenes.RED)
    click = prompts(NOWHERE, (f"Point({col} {-row})", {}))
    text = run_here("segmentwithtext", INPUT=plain, TEXT="buildings")
    clicked = run_here("segmentwithprompts", INPUT=plain, PROMPTS=click)
    extent = "30,110,-110,-50"
    within = run_here("segmentwithprompts", INPUT=plain, PROMPTS=click, EXTENT=extent)
    for done in (text, clicked, within):
        assert done.ok, done.error
        (feature,) = done.features
        bounds = feature.geometry().boundingBox()
        assert (bounds.xMinimum(), bounds.yMaximum()) == pytest.approx((40, -60), abs=1)
        assert (bounds.xMaximum(), bounds.yMinimum()) == pytest.approx((100, -100), abs=1)


@pytest.mark.parametrize("crs", [UTM, DEGREES], ids=["its own CRS", "degrees"])
def test_prompts_show_objects(roofs, tmp_path, crs):
    def moved(wkt):
        return transformed_geometry(QgsGeometry.fromWkt(wkt), UTM, crs).asWkt(9)

    x, y = scenes.place(*scenes.middle(scenes.BLUE))
    clicks = prompts(
        crs,
        (moved(at(scenes.RED)), {"object": 4, "class": "roof"}),
        (moved(at(scenes.BLUE)), {"object": 9}),
        (moved(f"Point({x} {y + 5})"), {"object": 9, "label": 1}),
    )
    mask = tmp_path / "mask.tif"
    done = run_in_background(
        "segmentwithprompts", INPUT=roofs, PROMPTS=clicks, CLASS="thing", MASK=str(mask)
    )
    assert done.ok, done.feedback.said
    assert done.results["COUNT"] == 2
    assert done.results["EMPTY"] == 0
    found = {f["object"]: f for f in done.features}
    assert iou(found[4].geometry(), scenes.RED) > 0.95
    assert iou(found[9].geometry(), scenes.BLUE) > 0.95
    assert (found[4]["class"], found[9]["class"]) == ("roof", "thing")
    assert (found[4]["prompt"], found[9]["prompt"]) == ("1 point+", "2 point+")
    assert set(np.unique(gdal.Open(str(mask)).ReadAsArray())) == {0, 4, 9}


def test_boxes_and_outlines_are_prompts_too(roofs):
    (x0, y0), (x1, y1) = scenes.place(38, 102), scenes.place(102, 58)
    box = f"Polygon(({x0} {y0}, {x1} {y0}, {x1} {y1}, {x0} {y1}, {x0} {y0}))"
    lasso = scenes.rectangle_wkt(scenes.BLUE).replace("))", "))")
    done = run_here("segmentwithprompts", INPUT=roofs, PROMPTS=prompts(UTM, (box, {}), (lasso, {})))
    assert [f["prompt"] for f in done.features] == ["1 box+", "1 box+"]
    assert iou(done.features[0].geometry(), scenes.RED) > 0.9


def test_objects_may_have_names(roofs):
    clicks = prompts(
        UTM,
        (at(scenes.RED), {"object": "church"}),
        (at(scenes.BLUE), {"object": "pool"}),
        fields="object:string",
    )
    done = run_here("segmentwithprompts", INPUT=roofs, PROMPTS=clicks)
    assert sorted(f["object"] for f in done.features) == ["church", "pool"]


def test_words_narrow_what_is_shown(roofs):
    clicks = prompts(UTM, (at(scenes.RED), {"text": "pool"}), (at(scenes.BLUE), {}))
    done = run_here("segmentwithprompts", INPUT=roofs, PROMPTS=clicks, TEXT="pools")
    assert done.results["EMPTY"] == 1
    assert iou(done.features[0].geometry(), scenes.BLUE) > 0.9
    assert any("Nothing was found for the objects 1" in text for text in done.feedback.warnings)


def test_an_extent_cuts_the_outlines_of_prompts(roofs):
    x, y = scenes.place(70, 100)
    extent = f"{x},{x + 100},{y},{y + 100} [{scenes.UTM}]"
    done = run_here(
        "segmentwithprompts", INPUT=roofs, PROMPTS=prompts(UTM, (at(scenes.RED), {})), EXTENT=extent
    )
    assert done.features[0]["area_m2"] == pytest.approx(RED_M2 / 2, rel=0.05)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([], "“clicks” has no feature"),
        ([("Point(500035 4999960)", {"label": 3})], "'label' is 1"),
        ([("Point(500035 4999960)", {"label": 0})], "All prompts of object 1 remove"),
        ([("Point(500935 4999960)", {})], "lies outside the raster"),
    ],
)
def test_prompts_that_show_nothing_are_said(roofs, features, words):
    done = run_here("segmentwithprompts", INPUT=roofs, PROMPTS=prompts(UTM, *features))
    assert not done.ok
    assert words in done.error


def test_prompts_beyond_their_crs_are_said(roofs):
    far = prompts(DEGREES, ("Point(500 1000)", {}))
    done = run_here("segmentwithprompts", INPUT=roofs, PROMPTS=far)
    assert not done.ok
    assert "Prompt 1 cannot be taken to the CRS of “roofs”" in done.error or "outside" in done.error


def test_an_unknown_model_is_said(roofs):
    done = run_here("segmentwithtext", INPUT=roofs, TEXT="buildings", MODEL="tower")
    assert not done.ok
    assert "There is no model 'tower'" in done.error


def test_labels_become_polygons(backend, tmp_path):
    labels = np.zeros((1, 256, 256), np.uint16)
    for value, (col0, row0, col1, row1) in ((7, scenes.RED), (300, scenes.BLUE)):
        labels[0, row0:row1, col0:col1] = value
    raster = str(scenes.write(tmp_path / "labels.tif", labels))
    done = run_in_background("vectorizemask", INPUT=raster)
    assert done.ok, done.feedback.said
    found = {f["value"]: f for f in done.features}
    assert set(found) == {7, 300}
    assert iou(found[7].geometry(), scenes.RED) > 0.99
    assert found[300]["area_m2"] == pytest.approx(BLUE_M2, rel=0.01)
    assert (done.results["COUNT"], done.results["VALUES"]) == (2, 2)
    assert done.layer.crs() == UTM


def test_a_mask_without_georeference_becomes_polygons(backend, tmp_path):
    on = np.zeros((1, 256, 256), np.uint8)
    col0, row0, col1, row1 = scenes.RED
    on[0, row0:row1, col0:col1] = 255
    done = run_here(
        "vectorizemask",
        INPUT=str(scenes.write(tmp_path / "m.tif", on, None, "")),
        THRESHOLD=127.5,
        BAND=1,
    )
    assert done.ok, done.error
    (feature,) = done.features
    expected = QgsRectangle(col0, -row1, col1, -row0)
    assert feature.geometry().boundingBox().intersect(expected).area() > 0.97 * expected.area()
    assert feature["value"] == 1


def test_what_holds_no_labels_is_said(backend, tmp_path):
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (1, 256, 1))
    done = run_here("vectorizemask", INPUT=str(scenes.write(tmp_path / "ramp.tif", ramp)))
    assert not done.ok
    assert "give a threshold" in done.error
    done = run_here("vectorizemask", INPUT=str(tmp_path / "ramp.tif"), THRESHOLD=0.5)
    assert done.features[0].geometry().boundingBox().xMinimum() == pytest.approx(
        500_000 + 64, abs=0.3
    )


def test_a_model_of_algorithms(roofs):
    """Words to a mask, and the mask to polygons again, in one model run in the background thread's way."""
    model = QgsProcessingModelAlgorithm("chain", "tests")
    model.addModelParameter(
        QgsProcessingParameterRasterLayer("image"), QgsProcessingModelParameter("image")
    )
    source = QgsProcessingModelChildParameterSource
    first = QgsProcessingModelChildAlgorithm("cityseg:segmentwithtext")
    first.setChildId("words")
    first.addParameterSources("INPUT", [source.fromModelParameter("image")])
    first.addParameterSources("TEXT", [source.fromStaticValue("pools")])
    first.addParameterSources("MASK", [source.fromStaticValue("TEMPORARY_OUTPUT")])
    model.addChildAlgorithm(first)
    second = QgsProcessingModelChildAlgorithm("cityseg:vectorizemask")
    second.setChildId("polygons")
    second.addParameterSources("INPUT", [source.fromChildOutput("words", "MASK")])
    output = QgsProcessingModelOutput("result", "result")
    output.setChildOutputName("OUTPUT")
    output.setChildId("polygons")
    second.setModelOutputs({"result": output})
    model.addChildAlgorithm(second)
    model.initAlgorithm()
    context, feedback = make_context(), Feedback()
    results, ok = model.run({"image": roofs, "polygons:result": "memory:"}, context, feedback)
    assert ok, feedback.said
    (feature,) = context.getMapLayer(results["polygons:result"]).getFeatures()
    assert iou(feature.geometry(), scenes.BLUE) > 0.95
