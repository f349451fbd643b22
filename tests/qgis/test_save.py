"""Saving a layer: whole and right in four formats, or not at all."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsProject,
    QgsVectorLayer,
)

from cityseg_qgis.core import result
from cityseg_qgis.core.attributes import FIELDS, Provenance
from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.core.save import save_layer
from cityseg_qgis.core.target import new_geopackage_table, new_memory_layer, table_names
from cityseg_qgis.errors import SaveProblem, TargetProblem

UTM = QgsCoordinateReferenceSystem("EPSG:32632")
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")


def square(number):
    x, y = 500_000 + 30 * number, 5_000_000
    return QgsGeometry.fromWkt(
        f"POLYGON(({x} {y}, {x + 20} {y}, {x + 20} {y + 10}, {x} {y + 10}, {x} {y}))"
    )


@pytest.fixture
def project(qgis_new_project):
    return QgsProject.instance()


@pytest.fixture
def layer(project):
    """Three objects, the last one not yet committed."""
    layer = new_memory_layer("city", UTM, project)
    for number in range(3):
        if number == 2:
            assert layer.commitChanges()
        result.accept(layer, square(number), UTM, result.ADD, Provenance("Gebäude", 0.5, "1 point+"))
    assert layer.isModified()
    return layer


@contextmanager
def full_disk(limit_bytes):
    """No file of this process may grow beyond `limit_bytes`: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["out.gpkg", "out.shp", "out.geojson", "out.fgb"])
def test_every_format_keeps_features_attributes_and_places(layer, tmp_path, name):
    assert save_layer(layer, tmp_path / name) == tmp_path / name
    saved = QgsVectorLayer(str(tmp_path / name), "saved", "ogr")
    assert saved.isValid()
    assert [field for field in saved.fields().names() if field != "fid"] == list(FIELDS)
    features = sorted(saved.getFeatures(), key=lambda f: f["object"])
    assert [f["object"] for f in features] == [1, 2, 3]
    assert {f["class"] for f in features} == {"Gebäude"}
    assert {round(f["area_m2"], 1) for f in features} == {200.0}
    expected_crs = DEGREES if name.endswith("geojson") else UTM
    assert saved.crs().authid() == expected_crs.authid() or saved.crs().authid() == "OGC:CRS84"
    for number, feature in enumerate(features):
        back = transformed_geometry(feature.geometry(), saved.crs(), UTM)
        assert back.hausdorffDistance(square(number)) < 0.02
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert layer.isModified(), "saving a copy is not committing"


def test_geojson_is_rfc_7946(layer, tmp_path):
    save_layer(layer, tmp_path / "out.geojson")
    text = json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))
    assert "crs" not in text
    place = text["features"][0]["geometry"]["coordinates"]
    while isinstance(place[0], list):
        place = place[0]
    assert abs(place[0] - 9.0) < 0.01


def test_an_empty_layer_is_saved(project, tmp_path):
    save_layer(new_memory_layer("empty", UTM, project), tmp_path / "empty.shp")
    saved = QgsVectorLayer(str(tmp_path / "empty.shp"), "saved", "ogr")
    assert saved.isValid()
    assert saved.featureCount() == 0


def test_a_layer_without_crs_is_saved_as_it_is(project, tmp_path):
    none = QgsCoordinateReferenceSystem()
    layer = new_memory_layer("plain", none, project)
    result.accept(layer, square(0), none, result.ADD, Provenance())
    save_layer(layer, tmp_path / "plain.geojson")
    (feature,) = QgsVectorLayer(str(tmp_path / "plain.geojson"), "s", "ogr").getFeatures()
    assert feature.geometry().hausdorffDistance(square(0)) < 0.01


def test_an_existing_geopackage_gets_one_more_table(layer, tmp_path):
    path = tmp_path / "out.gpkg"
    save_layer(layer, path)
    save_layer(layer, path)
    save_layer(layer, path)
    assert sorted(table_names(path)) == ["city", "city_2", "out"]


def test_unsaved_objects_of_a_geopackage_are_saved_elsewhere(project, tmp_path):
    layer = new_geopackage_table(tmp_path / "a.gpkg", "objects", UTM, project)
    for number in range(2):
        result.accept(layer, square(number), UTM, result.ADD, Provenance())
    for name in ("b.gpkg", "b.shp", "b.fgb"):
        save_layer(layer, tmp_path / name)
        assert QgsVectorLayer(str(tmp_path / name), "s", "ogr").featureCount() == 2


def test_an_existing_shapefile_is_replaced_with_all_its_parts(layer, tmp_path):
    path = tmp_path / "out.shp"
    save_layer(layer, path)
    path.with_suffix(".qix").write_bytes(b"an index of the old data")
    layer.startEditing()
    layer.deleteFeature(next(layer.getFeatures()).id())
    save_layer(layer, path)
    assert QgsVectorLayer(str(path), "s", "ogr").featureCount() == 2
    assert not path.with_suffix(".qix").exists()


@pytest.mark.parametrize("name", ["out.gpkg", "out.shp", "out.geojson", "out.fgb"])
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(project, tmp_path, name):
    layer = new_memory_layer("many", UTM, project)
    ring = ", ".join(f"{500_000 + i} {5_000_000 + (i % 7)}" for i in range(400))
    big = QgsGeometry.fromWkt(f"POLYGON(({ring}, 500200 5000900, 500000 5000000))")
    for _ in range(30):
        result.accept(layer, big, UTM, result.ADD, Provenance())
    if name != "out.gpkg":
        (tmp_path / name).write_text("precious", encoding="utf-8")
    with full_disk(60_000), pytest.raises(SaveProblem, match="could not be written"):
        save_layer(layer, tmp_path / name)
    if name == "out.gpkg":
        assert not list(tmp_path.iterdir())
    else:
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text(encoding="utf-8") == "precious"
    assert layer.featureCount() == 30


def test_a_full_disk_while_saving_edits_keeps_them_in_qgis(project, tmp_path):
    layer = new_geopackage_table(tmp_path / "a.gpkg", "objects", UTM, project)
    ring = ", ".join(f"{500_000 + i} {5_000_000 + (i % 7)}" for i in range(3000))
    big = QgsGeometry.fromWkt(f"POLYGON(({ring}, 500200 5000900, 500000 5000000))")
    for _ in range(20):
        result.accept(layer, big, UTM, result.ADD, Provenance())
    with full_disk((tmp_path / "a.gpkg").stat().st_size + 20_000):
        with pytest.raises(TargetProblem, match="are kept in QGIS"):
            result.save_edits(layer)
        assert layer.isEditable()
    assert sum(1 for _ in layer.getFeatures()) == 20
    result.save_edits(layer)
    assert not layer.isModified()
    assert layer.isEditable()
    saved = QgsVectorLayer(f"{tmp_path / 'a.gpkg'}|layername=objects", "s", "ogr")
    assert sum(1 for _ in saved.getFeatures()) == 20, "an attempt that failed must leave nothing behind"


@pytest.mark.parametrize("name", ["out", "out.kml", "out.tif"])
def test_an_unknown_extension(layer, tmp_path, name):
    with pytest.raises(SaveProblem, match="no known extension"):
        save_layer(layer, tmp_path / name)


def test_a_folder_that_does_not_exist(layer, tmp_path):
    with pytest.raises(SaveProblem, match="does not exist"):
        save_layer(layer, tmp_path / "no" / "out.shp")


def test_a_place_that_cannot_be_written(layer):
    with pytest.raises(SaveProblem, match="could not be written|read-only"):
        save_layer(layer, Path("/proc/out.shp"))


def test_a_file_under_a_layer_of_the_project_is_not_replaced(layer, project, tmp_path):
    path = tmp_path / "open.shp"
    save_layer(layer, path)
    project.addMapLayer(QgsVectorLayer(str(path), "in use", "ogr"))
    with pytest.raises(SaveProblem, match="in use"):
        save_layer(layer, path)


KILLED = """
import os, signal, sys
from pathlib import Path
from cityseg_qgis.core.drafts import draft_folder
with draft_folder(Path(sys.argv[1])) as folder:
    (folder / "out.shp").write_bytes(b"half of it")
    print("writing", flush=True)
    if len(sys.argv) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def start_saving(folder, *flags):
    """Another QGIS in the middle of a save."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), *flags],
        cwd=Path(__file__).resolve().parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert child.stdout.readline() == "writing\n"
    return child


def hidden(folder):
    return [path for path in folder.iterdir() if path.name.startswith(".cityseg-")]


def test_what_a_crash_left_is_swept_by_the_next_save(layer, tmp_path):
    start_saving(tmp_path, "crash").communicate()
    assert len(hidden(tmp_path)) == 1
    save_layer(layer, tmp_path / "mine.shp")
    assert hidden(tmp_path) == []
    assert QgsVectorLayer(str(tmp_path / "mine.shp"), "mine", "ogr").featureCount() == 3


def test_what_another_window_is_saving_is_left_alone(layer, tmp_path):
    other = start_saving(tmp_path)
    save_layer(layer, tmp_path / "mine.shp")
    assert len(hidden(tmp_path)) == 1
    other.communicate()
    assert hidden(tmp_path) == []
