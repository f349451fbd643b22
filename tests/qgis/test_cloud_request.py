"""Which cloud, which classes, which area and which files: what goes over the wire, and the sentences where it cannot."""

from __future__ import annotations

import os

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsPointCloudLayer,
    QgsRectangle,
    QgsVectorLayer,
)

from cityseg_qgis.core import cloud_target
from cityseg_qgis.core.cloud_request import (
    CloudRequest,
    added_in,
    bounds_in_cloud,
    crs_text,
    names_in,
)
from cityseg_qgis.core.cloud_source import (
    CloudSource,
    cloud_stem,
    file_source,
    layer_source,
    read_description,
)
from cityseg_qgis.core.cloud_target import COPC, EPT, LAZ
from cityseg_qgis.core.text_request import POLYGONS, Area
from cityseg_qgis.errors import BackendFailed, GeometryProblem, SaveProblem, UnsupportedLayer
from tests.data import tiny_clouds as tiny

UTM = QgsCoordinateReferenceSystem(tiny.UTM)
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")
X, Y, _ = tiny.ORIGIN
EXTENT = QgsRectangle(X, Y, X + 60, Y + 60)


@pytest.fixture
def las(tmp_path):
    return tiny.write_las(tmp_path / "street.las", tiny.street())


def test_a_file(las):
    source = file_source(f" {las} ")
    assert (source.path, source.name) == (str(las), "street")


def test_the_folder_of_an_ept_is_its_json(tmp_path):
    path = tiny.write_ept(tmp_path / "town", tiny.street())
    assert file_source(str(path.parent)).path == str(path)
    assert file_source(str(path)).name == "town"


def test_a_layer(qgis_app, tmp_path):
    path = tiny.write_ept(tmp_path / "town", tiny.street())
    layer = QgsPointCloudLayer(str(path), "my town", "ept")
    source = layer_source(layer)
    assert (source.path, source.name, source.layer_crs) == (str(path), "my town", UTM)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "Choose a point cloud first"),
        (lambda folder: QgsVectorLayer("Point", "clicks", "memory"), "“clicks” is not a point cloud"),
        (
            lambda folder: QgsPointCloudLayer("https://example.org/town/ept.json", "far", "ept"),
            "“far” lies on a server; download it",
        ),
        (lambda folder: QgsPointCloudLayer(str(folder / "gone" / "ept.json"), "gone", "ept"), "“ept.json” is gone"),
    ],
    ids=["none", "vector", "web", "gone"],
)
def test_layers_that_cannot_be_classified(qgis_app, tmp_path, make, sentence):
    with pytest.raises(UnsupportedLayer) as caught:
        layer_source(make(tmp_path))
    assert sentence in caught.value.user_message


def test_files_that_cannot_be_classified(tmp_path):
    (tmp_path / "points.xyz").write_text("1 2 3")
    for name, sentence in (("points.xyz", "no point cloud of a known kind"), ("gone.las", "is gone")):
        with pytest.raises(UnsupportedLayer) as caught:
            file_source(str(tmp_path / name))
        assert sentence in caught.value.user_message


@pytest.mark.parametrize(
    ("path", "stem"),
    [("/a/town.copc.laz", "town"), ("/a/town.LAZ", "town"), ("/a/town/ept.json", "town"), ("/a/v1.2", "v1.2"), ("/a/t.vpc", "t")],
)
def test_stems(path, stem):
    assert cloud_stem(path) == stem


def test_names():
    assert names_in(" building,tree , power  line;car,,tree") == ("building", "tree", "power line", "car")
    assert names_in("  ") == ()
    assert added_in("greenhouse: building, noise barrier") == ("greenhouse:building", "noise barrier")
    for broken in (":building", "shed:"):
        with pytest.raises(GeometryProblem, match="is no new class"):
            added_in(broken)


def test_only_what_is_wanted_goes_over_the_wire():
    source = CloudSource("/a/town.laz", "town")
    assert CloudRequest(source, "/a/out").to_wire() == {"source": "/a/town.laz", "out": "/a/out"}
    full = CloudRequest(
        source, "/a/out", ("tree",), ("shed:building",), (0.0, 1.0, 2.0, 3.0), "EPSG:2154", "/a/o.gpkg", "/a/d.tif",
        "/a/h.tif", 0.0, "cpu", ("buildings", "water"),
    )  # fmt: skip
    assert full.to_wire() == {
        "source": "/a/town.laz",
        "out": "/a/out",
        "classes": ["tree"],
        "add": ["shed:building"],
        "extent": [0.0, 1.0, 2.0, 3.0],
        "crs": "EPSG:2154",
        "vectors": "/a/o.gpkg",
        "layers": ["buildings", "water"],
        "dtm": "/a/d.tif",
        "hag": "/a/h.tif",
        "threshold": 0.0,
        "device": "cpu",
    }


def test_the_area_in_the_clouds_coordinates(qgis_app):
    assert bounds_in_cloud(Area(), EXTENT, UTM, "street") is None
    part = Area.rectangle(QgsRectangle(X + 10, Y + 20, X + 500, Y + 30), UTM)
    assert bounds_in_cloud(part, EXTENT, UTM, "street") == (X + 10, Y + 20, X + 60, Y + 30)
    # All of the cloud is no area.
    assert bounds_in_cloud(Area.rectangle(EXTENT.buffered(5), UTM), EXTENT, UTM, "street") is None


def test_the_area_in_another_crs(qgis_app):
    # The central meridian of the zone: 500 km east of it, on the meridian itself.
    degrees = QgsRectangle(9.0, 48.7, 9.0004, 48.76)
    xmin, ymin, xmax, ymax = bounds_in_cloud(
        Area.rectangle(degrees, DEGREES), QgsRectangle(X, Y - 9000, X + 60, Y + 9000), UTM, "street"
    )
    assert xmin == pytest.approx(X, abs=0.01)
    assert xmax == pytest.approx(X + 29.4, abs=0.5)
    assert Y - 9000 < ymin < ymax < Y + 9000


def test_polygons_mean_their_bounds(qgis_app):
    shapes = tuple(
        QgsGeometry.fromWkt(f"Polygon(({X + a} {Y + b},{X + a + 5} {Y + b},{X + a} {Y + b + 5},{X + a} {Y + b}))")
        for a, b in ((3, 4), (30, 40))
    )
    assert bounds_in_cloud(Area(POLYGONS, shapes, UTM), EXTENT, UTM, "street") == (X + 3, Y + 4, X + 35, Y + 45)


@pytest.mark.parametrize(
    ("area", "sentence"),
    [
        (lambda: Area.rectangle(QgsRectangle(0, 0, 1, 1), UTM), "outside “street”"),
        (lambda: Area.rectangle(QgsRectangle(-400, 91, -300, 95), DEGREES), "no coordinates in the CRS"),
    ],
    ids=["outside", "nowhere"],
)
def test_areas_that_miss_the_cloud(qgis_app, area, sentence):
    with pytest.raises(GeometryProblem) as caught:
        bounds_in_cloud(area(), EXTENT, UTM, "street")
    assert sentence in caught.value.user_message


def test_crs_texts(qgis_app):
    assert crs_text(QgsCoordinateReferenceSystem()) == ""
    assert crs_text(UTM) == tiny.UTM
    own = QgsCoordinateReferenceSystem.fromProj("+proj=tmerc +lat_0=1.5 +lon_0=7.25 +units=m")
    assert crs_text(own).startswith(("PROJCRS", "PROJCS", "BOUNDCRS"))


def test_a_free_name_beside_the_source(tmp_path):
    source = tmp_path / "town.laz"
    first = cloud_target.suggested(str(source), COPC)
    assert first.out == tmp_path / "town_classified.copc.laz"
    assert first.vectors == tmp_path / "town_classified.gpkg"
    first.dtm.touch()
    # Also what would lie beside it must not be in the way.
    assert cloud_target.suggested(str(source), COPC).out.name == "town_classified_2.copc.laz"
    assert cloud_target.suggested(str(tmp_path / "city" / "ept.json"), EPT).out == tmp_path / "city_classified"
    assert cloud_target.suggested(str(source), LAZ).out.name == "town_classified_2.laz"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (" ", "Say where"),
        ("result.laz", "give the whole path"),
        ("{folder}/none/out.laz", "does not exist; make it"),
        ("{folder}/there.laz", "“there.laz” is there already"),
        ("{folder}/rest.laz", "“rest_dtm.tif” is there already"),
    ],
)
def test_targets_that_cannot_be(tmp_path, name, sentence):
    for there in ("there.laz", "rest_dtm.tif"):
        (tmp_path / there).touch()
    with pytest.raises(SaveProblem) as caught:
        cloud_target.checked(name.format(folder=tmp_path))
    assert sentence in caught.value.user_message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SaveProblem, match="may not be written"):
        cloud_target.checked(str(tmp_path / "out.laz"))
    tmp_path.chmod(0o700)


def test_the_best_format_is_one_that_qgis_opens(qgis_app):
    assert cloud_target.opens(cloud_target.best_format())
    assert cloud_target.best_format() == (COPC if cloud_target.opens(COPC) else EPT)


def test_a_description():
    described = read_description(
        {"kind": "laz", "count": 7200, "bounds": [0, 0, 5, 100, 200, 9], "crs_wkt": "", "xy_unit_m": 0.3, "warnings": ["feet"]}
    )
    assert (described.width_m, described.height_m) == (pytest.approx(30), pytest.approx(60))
    assert described.density == pytest.approx(4.0)
    assert not described.crs.isValid()
    assert described.warnings == ("feet",)
    for broken in ({}, {"kind": "las", "count": 1, "bounds": [1]}, {"kind": "las", "count": "x", "bounds": [0] * 6}):
        with pytest.raises(BackendFailed, match="could not be read"):
            read_description(broken)
