"""Layers and label rasters: what is written is read back, and a target is old or new, never half."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from shapely import MultiPolygon, Polygon, box

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput, ResourceProblem
from inference_backend.imagery.source import open_raster, pixels_source
from inference_backend.prompts import Prompt
from inference_backend.vector.attributes import FIELDS, describe_prompts, result_row
from inference_backend.vector.label_raster import label_values, write_labels
from inference_backend.vector.write import write_features
from tests.data.rasters import UTM, UTM_GRID, write_tif
from tests.data.small_disk import mounted

ROOT = Path(__file__).resolve().parents[2]
CRS = pyproj.CRS(UTM)
HOLED = box(500_000, 4_999_900, 500_040, 5_000_000).difference(
    box(500_010, 4_999_950, 500_020, 4_999_960)
)
SPLIT = MultiPolygon(
    [box(500_100, 4_999_900, 500_110, 4_999_910), box(500_120, 4_999_900, 500_130, 4_999_915)]
)
EXTENSIONS = ["gpkg", "shp", "geojson", "json", "fgb"]


def rows(object_ids=(3, 7), crs=CRS):
    given = {
        "score": 0.91234,
        "class_name": "Gebäude",
        "model": "m",
        "weights": "w",
        "source": "/somewhere/ortho.tif",
    }
    return [
        (shape, result_row(name, shape, crs, prompt="1 point+", **given))
        for name, shape in zip(object_ids, (HOLED, SPLIT))
    ]


def read_in_order(path):
    """FlatGeobuf sorts features by place, for its index; the others keep their order."""
    table = geopandas.read_file(path)
    return table.sort_values("object", ignore_index=True) if path.suffix == ".fgb" else table


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_format_keeps_shapes_attributes_and_order(tmp_path, extension):
    path = tmp_path / f"roofs.{extension}"
    write_features(path, rows(), CRS)
    table = read_in_order(path)
    assert list(table.columns)[:-1] == list(FIELDS)
    assert table["object"].tolist() == [3, 7]
    assert table["class"].tolist() == ["Gebäude"] * 2
    assert table["area_m2"].tolist() == [pytest.approx(3900), pytest.approx(250)]
    assert table["perim_m"].tolist() == [pytest.approx(320), pytest.approx(90)]
    assert table["score"].tolist() == [0.9123] * 2
    assert set(table["source"]) == {"ortho.tif"}
    assert table["prompt"].tolist() == ["1 point+"] * 2
    geographic = extension in ("geojson", "json")
    assert table.crs == pyproj.CRS(4326 if geographic else UTM)
    placed = table.to_crs(UTM).geometry
    for found, shape in zip(placed, (HOLED, SPLIT)):
        assert found.is_valid
        assert found.symmetric_difference(shape).area < (0.5 if geographic else 1e-6)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_names_fit_a_shapefile_and_the_list_is_the_designed_one():
    names = "object, class, score, area_m2, perim_m, prompt, task, model, weights, source, created"
    assert list(FIELDS) == names.split(", ")
    assert max(map(len, FIELDS)) <= 10


def test_created_is_iso_utc():
    row = result_row(1, HOLED, CRS, score=1)
    assert time.strptime(row["created"], "%Y-%m-%dT%H:%M:%SZ")


def test_geojson_is_rfc_7946(tmp_path):
    path = tmp_path / "roofs.geojson"
    write_features(path, rows(), CRS)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert "crs" not in document
    ring = shapely.geometry.shape(document["features"][0]["geometry"])
    assert shapely.get_parts(ring)[0].exterior.is_ccw
    lon, lat = ring.centroid.coords[0]
    assert (round(lon, 3), round(lat, 3)) == (9.0, 45.153)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_without_a_crs_coordinates_stay_and_areas_are_unknown(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, rows(crs=None), None)
    table = read_in_order(path)
    assert table.geometry.iloc[0].symmetric_difference(HOLED).area < 1e-3
    assert table["area_m2"].isna().all()


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_no_feature_is_a_layer_all_the_same(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, [], CRS)
    assert pyogrio.read_info(path, force_feature_count=True)["features"] == 0


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_names_of_objects_may_be_words(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, rows(("north wing", 7)), CRS)
    assert sorted(geopandas.read_file(path)["object"]) == ["7", "north wing"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_old_file_is_replaced_with_all_its_parts(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, rows() * 20, CRS)
    stale = path.with_suffix(".qix")
    if extension == "shp":
        stale.write_bytes(b"an index of the old features")
    write_features(path, rows(), CRS)
    assert len(geopandas.read_file(path)) == 2
    assert not stale.exists()


def test_other_tables_of_a_geopackage_are_not_lost(tmp_path):
    path = tmp_path / "project.gpkg"
    geopandas.GeoDataFrame(geometry=[HOLED], crs=UTM).to_file(path, layer="parcels")
    with pytest.raises(InvalidInput, match="also holds 'parcels'"):
        write_features(path, rows(), CRS)
    assert len(geopandas.read_file(path, layer="parcels")) == 1


def test_a_geopackage_that_is_open_elsewhere_is_left_alone(tmp_path):
    import sqlite3

    path = tmp_path / "a.gpkg"
    write_features(path, rows(), CRS)
    other = sqlite3.connect(path)
    other.execute("pragma journal_mode = wal")
    other.execute("create table note (text)")
    other.commit()
    with pytest.raises(InvalidInput, match="open in another program"):
        write_features(path, rows(), CRS)
    other.close()


@pytest.mark.parametrize("name", ["a.kml", "a", "a.gpkg.zip", "a.tif"])
def test_an_unknown_extension_names_the_known_ones(tmp_path, name):
    with pytest.raises(InvalidInput, match=r"end its name with \.gpkg, \.shp"):
        write_features(tmp_path / name, rows(), CRS)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInput, match="does not exist"):
        write_features(tmp_path / "none" / "a.gpkg", rows(), CRS)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_read_only_file_stays_as_it_is(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, rows(), CRS)
    before = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(InvalidInput, match="read-only"):
        write_features(path, rows() * 3, CRS)
    assert path.read_bytes() == before


_WRITE_MANY = """
import resource, signal, sys
import pyproj, shapely
from inference_backend.errors import CitySegError
from inference_backend.vector.attributes import result_row
from inference_backend.vector.write import write_features
path, limit, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
crs = pyproj.CRS(32632)
shape = shapely.Point(500000, 5000000).buffer(20, 64)
row = result_row(1, shape, crs, score=1)
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    while True:
        write_features(path, [(shape, row)] * count, crs)
        if limit or count == 1:
            break
except CitySegError as error:
    sys.stderr.write(error.user_message + chr(10))
    sys.exit(error.exit_code)
"""


def run_writer(path, limit, count, **arguments):
    command = [sys.executable, "-c", _WRITE_MANY, str(path), str(limit), str(count)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **arguments
    )


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_quota_that_is_reached_keeps_the_old_file(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    write_features(path, rows(), CRS)
    before = {part.name: part.read_bytes() for part in tmp_path.iterdir()}
    done = run_writer(path, 200_000, 500)
    assert done.returncode == 2, done.stderr
    assert "could not be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {part.name: part.read_bytes() for part in tmp_path.iterdir()} == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB of its own; needs the right to mount."""
    with mounted(tmp_path / "disk", "600k") as folder:
        yield folder


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_full_disk_keeps_the_old_file(small_disk, extension):
    path = small_disk / f"a.{extension}"
    write_features(path, rows(), CRS)
    before = {part.name: part.read_bytes() for part in small_disk.iterdir()}
    many = [rows()[0]] * 4000
    many = [(shapely.segmentize(shape, 5), row) for shape, row in many]
    with pytest.raises(ResourceProblem, match="is full; free some space") as caught:
        write_features(path, many, CRS)
    assert caught.value.exit_code == 2
    assert {part.name: part.read_bytes() for part in small_disk.iterdir()} == before


def test_a_full_disk_keeps_the_old_label_raster(small_disk):
    path = small_disk / "labels.tif"
    grid = pixels_source(np.zeros((2048, 2048, 3), np.uint8))
    write_labels(path, grid, [(box(10, 10, 20, 20), 1)])
    before = path.read_bytes()
    (small_disk / "filler").write_bytes(bytes(500_000))
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 2040, (60_000, 2))
    specks = [(box(x, y, x + 3, y + 3), int(number) + 1) for number, (x, y) in enumerate(corners)]
    with pytest.raises(ResourceProblem, match="is full; free some space"):
        write_labels(path, grid, specks)
    assert path.read_bytes() == before
    assert sorted(part.name for part in small_disk.iterdir()) == ["filler", "labels.tif"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill is POSIX")
@pytest.mark.parametrize("extension", ["gpkg", "shp", "geojson", "fgb"])
def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path, extension):
    """Killed over and over in the middle of a write, which the folder beside the target shows."""
    path = tmp_path / f"a.{extension}"
    assert run_writer(path, 0, 1).returncode == 0
    command = [sys.executable, "-c", _WRITE_MANY, str(path), "0", "3000"]
    killed_inside = 0
    for delay in (0.0, 0.03, 0.1):
        child = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".cityseg-*/*")) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        killed_inside += bool(list(tmp_path.glob(".cityseg-*")))
        assert len(geopandas.read_file(path)) in (1, 3000)
        for left in tmp_path.glob(".cityseg-*"):
            for part in left.iterdir():
                part.unlink()
            left.rmdir()
    assert killed_inside


GRIDS = {
    "north-up": (UTM_GRID, UTM),
    "south-up": (Affine(0.5, 0, 5e5, 0, 0.5, 4_999_500), UTM),
    "rotated": (Affine.translation(5e5, 5e6) * Affine.rotation(20) * Affine.scale(0.5, -0.5), UTM),
    "plain image": (Affine.identity(), None),
}


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_labels_lie_on_the_source_s_grid(tmp_path, name):
    transform, crs = GRIDS[name]
    bands = np.zeros((1, 700, 900), np.uint8)
    georeference = (None, None) if transform.is_identity else (transform, crs)
    source = open_raster(write_tif(tmp_path / "source.tif", bands, *georeference))
    pixels = {300: box(100, 200, 140, 260), 2: box(500, 500, 620, 530)}
    t = transform
    placed = [
        (shapely.affinity.affine_transform(shape, [t.a, t.b, t.d, t.e, t.c, t.f]), value)
        for value, shape in pixels.items()
    ]
    write_labels(tmp_path / "labels.tif", source, placed)
    with rasterio.open(tmp_path / "labels.tif") as dataset:
        labels = dataset.read(1)
        assert dataset.transform.almost_equals(transform)
        assert (dataset.crs is None) == (crs is None)
        assert (dataset.dtypes[0], dataset.nodata, dataset.compression.name) == (
            "uint16",
            0,
            "deflate",
        )
    expected = np.zeros((700, 900), np.uint16)
    expected[200:260, 100:140], expected[500:530, 500:620] = 300, 2
    np.testing.assert_array_equal(labels, expected)


def test_a_label_raster_of_five_gigabytes_takes_little_space(tmp_path):
    class Grid:
        width = height = 71_000
        transform, crs = UTM_GRID, CRS

    shape = shapely.affinity.translate(box(0, 0, 50, 50), 500_000 + 35_000, 5_000_000 - 35_200)
    write_labels(tmp_path / "labels.tif", Grid(), [(shape, 1)])
    assert (tmp_path / "labels.tif").stat().st_size < 2_000_000
    with rasterio.open(tmp_path / "labels.tif") as dataset:
        found = dataset.read(1, window=rasterio.windows.Window(70_000, 70_300, 100, 100))
    assert found.all()


def test_a_cancelled_mask_leaves_no_file(tmp_path):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        write_labels(
            tmp_path / "m.tif",
            pixels_source(np.zeros((9, 9, 3), np.uint8)),
            [(box(1, 1, 5, 5), 1)],
            cancel,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "values"),
    [([4, 2], [4, 2]), (["a", "b"], [1, 2]), ([0, 5], [1, 2]), ([-1], [1]), ([3, "b"], [1, 2])],
)
def test_label_values(names, values):
    assert label_values(names) == values


def test_prompts_in_words():
    point = Prompt("point", [[1, 1]])
    prompts = [
        point,
        point,
        Prompt("point", [[2, 2]], 0),
        Prompt("box", [[0, 0], [3, 3]], 1, "the red roof"),
    ]
    assert describe_prompts(prompts) == "2 point+, 1 point-, 1 box+; the red roof"


def test_an_area_is_the_ground_s_in_mercator():
    """A square of 100 Mercator metres at 60 degrees north is a quarter of a hectare."""
    row = result_row(1, box(1e6, 8_399_737, 1_000_100, 8_399_837), pyproj.CRS(3857), score=1)
    assert row["area_m2"] == pytest.approx(2506, rel=5e-3)
    assert result_row(1, Polygon(), CRS, score=0)["area_m2"] == 0
