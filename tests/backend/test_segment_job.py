"""The job from prompts to files, with a small model whose answers are known exactly."""

from __future__ import annotations

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from shapely.affinity import affine_transform
from shapely.geometry import box as rectangle

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.predict import AnswerOptions
from inference_backend.segment import SegmentJob, run_segment
from tests.data.colour_model import ColourModel
from tests.data.rasters import (
    BLUE_ROOF,
    RED_ROOF,
    UTM,
    UTM_GRID,
    box,
    point,
    two_roofs,
    write_gcps,
    write_geojson,
    write_tif,
)

RED, BLUE = rectangle(*RED_ROOF), rectangle(*BLUE_ROOF)
CLICKS = [(point(70, 80), {"object": 5, "class": "roof"}), (box(145, 115, 215, 205), {"object": 9})]
GRIDS = {
    "utm": (UTM_GRID, UTM),
    "south-up": (Affine(0.5, 0, 5e5, 0, 0.5, 5e6), UTM),
    "rotated": (Affine.translation(5e5, 5e6) * Affine.rotation(25) * Affine.scale(0.5, -0.5), UTM),
    "degrees": (Affine(5e-6, 0, 9, 0, -5e-6, 45), "EPSG:4326"),
    "mercator": (Affine(0.7, 0, 1e6, 0, -0.7, 6e6), "EPSG:3857"),
    "feet": (Affine(1.5, 0, 980_000, 0, -1.5, 200_000), "EPSG:2263"),
}


def iou(a, b):
    return a.intersection(b).area / a.union(b).area


def to_pixels(geometry, grid):
    t = ~grid
    return affine_transform(geometry, [t.a, t.b, t.d, t.e, t.c, t.f])


@pytest.fixture
def files(tmp_path):
    write_tif(tmp_path / "a.tif", two_roofs())
    write_geojson(tmp_path / "p.geojson", CLICKS)
    return tmp_path


def job(folder, out="o.gpkg", **changes):
    given = {"source": str(folder / "a.tif"), "prompts": str(folder / "p.geojson"), "pixel": True}
    return SegmentJob(**{**given, "out": str(folder / out), **changes})


@pytest.mark.parametrize("name", sorted(GRIDS))
@pytest.mark.parametrize("extension", ["gpkg", "shp", "geojson", "fgb"])
def test_roofs_land_where_they_are(tmp_path, name, extension):
    grid, crs = GRIDS[name]
    write_tif(tmp_path / "a.tif", two_roofs(), grid, crs)
    write_geojson(tmp_path / "p.geojson", CLICKS)
    summary = run_segment(job(tmp_path, f"o.{extension}"), model=ColourModel())
    table = geopandas.read_file(tmp_path / f"o.{extension}").sort_values("object")
    assert table["object"].tolist() == [5, 9]
    for geometry, roof in zip(table.to_crs(crs).geometry, (RED, BLUE)):
        assert geometry.is_valid
        assert iou(to_pixels(geometry, grid), roof) > 0.97
    assert summary["features"] == 2
    assert [entry["object"] for entry in summary["objects"]] == [5, 9]


@pytest.mark.parametrize("name", ["utm", "degrees", "mercator", "feet"])
def test_areas_are_those_of_the_ground(tmp_path, name):
    grid, crs = GRIDS[name]
    write_tif(tmp_path / "a.tif", two_roofs(), grid, crs)
    write_geojson(tmp_path / "p.geojson", CLICKS)
    summary = run_segment(job(tmp_path), model=ColourModel())
    roof = affine_transform(RED, [grid.a, grid.b, grid.d, grid.e, grid.c, grid.f])
    lonlat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    ground = shapely.transform(
        shapely.segmentize(roof, roof.length / 400), lonlat.transform, interleaved=False
    )
    expected = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(ground)[0])
    assert summary["objects"][0]["area_m2"] == pytest.approx(expected, rel=0.02)


def test_prompts_in_map_coordinates_give_the_same(files):
    pixels = run_segment(job(files), model=ColourModel())
    members = []
    for geometry, properties in CLICKS:
        shape = affine_transform(shapely.geometry.shape(geometry), [0.5, 0, 0, -0.5, 5e5, 5e6])
        members.append((shape, properties))
    prompts = geopandas.GeoDataFrame(
        [p for _, p in members], geometry=[g for g, _ in members], crs=UTM
    )
    prompts.to_crs(4326).to_file(files / "map.geojson")
    mapped = run_segment(
        job(files, "m.gpkg", prompts=str(files / "map.geojson"), pixel=False), model=ColourModel()
    )
    for one, other in zip(pixels["objects"], mapped["objects"]):
        assert one["area_m2"] == pytest.approx(other["area_m2"], rel=1e-6)


def test_a_plain_image_gives_outlines_in_its_pixels(tmp_path):
    write_tif(tmp_path / "a.tif", two_roofs(), None, None)
    write_geojson(tmp_path / "p.geojson", CLICKS)
    summary = run_segment(
        job(tmp_path, "o.geojson", mask=str(tmp_path / "m.tif")), model=ColourModel()
    )
    table = geopandas.read_file(tmp_path / "o.geojson")
    assert iou(table.geometry.iloc[0], RED) > 0.97
    assert summary["objects"][0]["area_m2"] is None
    with rasterio.open(tmp_path / "m.tif") as dataset:
        labels = dataset.read(1)
    assert set(np.unique(labels)) == {0, 5, 9}
    assert labels[80, 70] == 5


def test_control_points_place_the_result(tmp_path):
    grid = GRIDS["rotated"][0]
    write_gcps(tmp_path / "a.tif", two_roofs(), grid, UTM)
    write_geojson(tmp_path / "p.geojson", CLICKS)
    run_segment(job(tmp_path), model=ColourModel())
    table = geopandas.read_file(tmp_path / "o.gpkg")
    assert iou(to_pixels(table.geometry.iloc[0], grid), RED) > 0.97
    assert table.crs == UTM


def test_the_mask_has_the_numbers_of_the_objects(files):
    summary = run_segment(job(files, mask=str(files / "m.tif")), model=ColourModel())
    assert [entry["mask_value"] for entry in summary["objects"]] == [5, 9]
    with rasterio.open(files / "m.tif") as dataset:
        labels = dataset.read(1)
        assert dataset.transform == UTM_GRID
        assert dataset.crs.to_epsg() == 32632
    for value, (col0, row0, col1, row1) in ((5, RED_ROOF), (9, BLUE_ROOF)):
        expected = np.zeros(labels.shape, bool)
        expected[row0:row1, col0:col1] = True
        found = labels == value
        assert (found & expected).sum() / (found | expected).sum() > 0.97


def test_an_extent_clips(files):
    west = (500_000, 4_999_900, 500_030, 5_000_000)
    summary = run_segment(job(files, extent=west, mask=str(files / "m.tif")), model=ColourModel())
    assert summary["features"] == 1
    assert summary["objects"][1]["empty"]
    table = geopandas.read_file(files / "o.gpkg")
    assert table.total_bounds[2] == pytest.approx(500_030)
    assert table["area_m2"].iloc[0] == pytest.approx(20 * 20 * 0.5, rel=0.03)
    with rasterio.open(files / "m.tif") as dataset:
        assert not dataset.read(1)[:, 60:].any()


def test_an_extent_elsewhere_or_turned_round_says_so(files):
    with pytest.raises(InvalidInput, match="outside the raster, which covers 500000"):
        run_segment(job(files, extent=(0, 0, 10, 10)), model=ColourModel())
    with pytest.raises(InvalidInput, match="lesser values first"):
        run_segment(job(files, extent=(500_030, 0, 500_000, 1)), model=ColourModel())


def test_an_empty_answer_is_reported_and_no_error(files):
    """A click that adds and one that takes the same region away."""
    members = [
        (point(70, 80), {"object": 1}),
        (point(75, 85), {"object": 1, "label": 0}),
        (point(180, 160), {"object": 2}),
    ]
    write_geojson(files / "p.geojson", members)
    summary = run_segment(job(files), model=ColourModel())
    first, second = summary["objects"]
    assert (first["empty"], first["n_vertices"], first["area_m2"]) == (True, 0, 0)
    assert not second["empty"]
    assert geopandas.read_file(files / "o.gpkg")["object"].tolist() == [2]


def test_all_empty_is_an_empty_layer(files):
    members = [(point(70, 80), {"object": 1}), (point(75, 85), {"object": 1, "label": 0})]
    write_geojson(files / "p.geojson", members)
    assert run_segment(job(files), model=ColourModel())["features"] == 0
    assert len(geopandas.read_file(files / "o.gpkg")) == 0


def test_specks_below_the_minimum_are_dropped(files):
    options = AnswerOptions(min_area_m2=700)
    summary = run_segment(job(files, options=options), model=ColourModel())
    assert [entry["empty"] for entry in summary["objects"]] == [True, False]


def test_tolerance_is_in_ground_metres(files):
    fine = run_segment(job(files, options=AnswerOptions(tolerance_m=0.05)), model=ColourModel())
    coarse = run_segment(job(files, options=AnswerOptions(tolerance_m=1.5)), model=ColourModel())
    assert coarse["objects"][0]["n_vertices"] < fine["objects"][0]["n_vertices"]


def test_a_class_for_all_gives_way_to_a_feature_s_own(files):
    run_segment(job(files, class_name="building"), model=ColourModel())
    assert geopandas.read_file(files / "o.gpkg")["class"].tolist() == ["roof", "building"]


def test_provenance(files):
    run_segment(job(files), model=ColourModel())
    row = geopandas.read_file(files / "o.gpkg").iloc[1]
    assert (row["source"], row["model"], row["weights"]) == ("a.tif", "colour-test", "none")
    assert (row["prompt"], row["task"]) == ("1 box+", "interactive")


def test_sixteen_bits_in_another_band_order(tmp_path):
    bands = two_roofs().astype(np.uint16)[::-1] * 40 + 300
    write_tif(tmp_path / "a.tif", bands)
    write_geojson(tmp_path / "p.geojson", CLICKS)
    summary = run_segment(
        job(tmp_path, bands=(3, 2, 1), stretch="minmax:300,10500"), model=ColourModel()
    )
    assert summary["objects"][0]["area_m2"] == pytest.approx(600, rel=0.02)


def test_progress_rises_to_the_end(files):
    seen = []
    run_segment(job(files), lambda fraction, message: seen.append(fraction), model=ColourModel())
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("when", [0.0, 0.05, 0.5])
def test_a_cancelled_job_leaves_no_file(files, when):
    cancel = CancelToken()

    def stop(fraction, message):
        if fraction >= when:
            cancel.cancel()

    before = sorted(path.name for path in files.iterdir())
    with pytest.raises(Cancelled):
        run_segment(job(files, mask=str(files / "m.tif")), stop, cancel, model=ColourModel())
    assert sorted(path.name for path in files.iterdir()) == before


def test_a_job_travels_as_json(files):
    given = job(
        files, extent=(500_000, 4_999_900, 500_060, 5_000_000), options=AnswerOptions(min_area_m2=2)
    )
    again = SegmentJob.from_json(given.to_json())
    assert again == given
    assert run_segment(again, model=ColourModel())["features"] == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"source": "a.tif"}, "needs 'source', 'prompts' and 'out'"),
        ({"source": "a", "prompts": "b", "out": "c", "colour": 1}, "'colour' is no part"),
        ({"source": "a", "prompts": "b", "out": "c", "options": {"size": 1}}, "needs"),
        ({"source": "a", "prompts": "b", "out": "c", "extent": 5}, "needs"),
    ],
)
def test_a_job_that_makes_no_sense(values, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        SegmentJob.from_json(values)
