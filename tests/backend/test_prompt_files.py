"""Prompt files of any CRS land on the right pixels, in order, grouped by object."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPoint, Point, Polygon, box
from shapely.geometry import mapping

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import open_raster, pixels_source
from inference_backend.predict import prompts_to_pixels
from inference_backend.prompt_files import read_prompts
from inference_backend.prompts import Prompt
from tests.data.rasters import (
    UTM,
    UTM_GRID,
    named_crs,
    point,
    two_roofs,
    write_geojson,
    write_tif,
)
from tests.data.rasters import box as geojson_box

BLANK = np.zeros((200, 300, 3), np.uint8)
WKT = pyproj.CRS(UTM).to_wkt()
ROTATED = Affine.translation(5e5, 5e6) * Affine.rotation(25) * Affine.scale(0.5, -0.5)


@pytest.fixture
def source():
    return pixels_source(BLANK, UTM_GRID, WKT)


@pytest.fixture
def image():
    return pixels_source(BLANK)


def table(geometries, columns=None, grid=UTM_GRID, crs=UTM):
    """Pixel geometries as a table in the CRS of the raster."""
    from shapely.affinity import affine_transform

    numbers = [grid.a, grid.b, grid.d, grid.e, grid.c, grid.f]
    return geopandas.GeoDataFrame(
        columns or {}, geometry=[affine_transform(g, numbers) for g in geometries], crs=crs
    )


def flat(objects):
    return [(o.object_id, p.kind, p.label) for o in objects for p in o.prompts]


@pytest.mark.parametrize("target_crs", [UTM, "EPSG:4326", "EPSG:3857", "EPSG:25832", "EPSG:3035"])
@pytest.mark.parametrize("extension", ["gpkg", "shp", "geojson"])
def test_any_crs_in_any_format_lands_on_the_pixels(tmp_path, source, extension, target_crs):
    clicks = [Point(10.5, 20.25), Point(250, 180), Point(33, 44)]
    path = tmp_path / f"clicks.{extension}"
    table(clicks, {"object": [1, 1, 2], "label": [1, 0, 1]}).to_crs(target_crs).to_file(path)
    objects = read_prompts(path, source)
    assert flat(objects) == [(1, "point", 1), (1, "point", 0), (2, "point", 1)]
    found = np.concatenate([p.xy for o in objects for p in o.prompts])
    np.testing.assert_allclose(found, [(c.x, c.y) for c in clicks], atol=0.01)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 300), st.floats(0, 200), st.sampled_from(["north-up", "south-up", "rotated"]))
def test_longitude_and_latitude_round_trip(tmp_path_factory, col, row, name):
    grid = {"north-up": UTM_GRID, "south-up": Affine(0.5, 0, 5e5, 0, 0.5, 5e6), "rotated": ROTATED}[
        name
    ]
    to_lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    path = tmp_path_factory.mktemp("prompts") / "p.geojson"
    write_geojson(path, [(point(*to_lonlat.transform(*(grid * (col, row)))), {})])
    (found,) = read_prompts(path, pixels_source(BLANK, grid, WKT))
    np.testing.assert_allclose(found.prompts[0].xy, [(col, row)], atol=1e-3)


def test_every_kind_of_geometry(tmp_path, image):
    lasso = Polygon([(10, 10), (60, 20), (40, 70)])
    stroke = LineString([(5, 5), (15, 25), (30, 20)])
    members = [
        (point(1, 2), {}),
        (mapping(MultiPoint([(3, 4), (5, 6)])), {}),
        (mapping(stroke), {}),
    ]
    members += [(geojson_box(10, 20, 60, 90), {}), (mapping(lasso), {})]
    objects = read_prompts(write_geojson(tmp_path / "p.geojson", members), image, pixel=True)
    kinds = [[p.kind for p in o.prompts] for o in objects]
    assert kinds == [["point"], ["point", "point"], ["scribble"], ["box"], ["lasso"]]
    np.testing.assert_array_equal(objects[3].prompts[0].xy, [(10, 20), (60, 90)])
    np.testing.assert_array_equal(objects[4].prompts[0].xy[:3], [(10, 10), (60, 20), (40, 70)])


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_rectangle_is_a_box_from_whichever_corner(tmp_path, image, turn, reverse):
    ring = [(10.0, 20.0), (35.0, 20.0), (60.0, 20.0), (60.0, 90.0), (10.0, 90.0)]
    ring = ring[turn:] + ring[:turn]
    ring = ring[::-1] if reverse else ring
    path = write_geojson(tmp_path / "p.geojson", [(mapping(Polygon(ring)), {})])
    (found,) = read_prompts(path, image, pixel=True)
    assert found.prompts[0].kind == "box"
    np.testing.assert_allclose(found.prompts[0].xy, [(10, 20), (60, 90)])


def test_a_rectangle_of_another_crs_is_a_box_where_it_still_is_one(tmp_path, source):
    """The meridians converge: drawn in degrees the box leans a little, and keeps its size."""
    path = tmp_path / "p.gpkg"
    table([box(10, 20, 60, 90)]).to_crs("EPSG:3035").to_file(path)
    (found,) = read_prompts(path, source)
    assert found.prompts[0].kind == "box"
    np.testing.assert_allclose(found.prompts[0].xy, [(10, 20), (60, 90)], atol=1.0)


def test_a_map_rectangle_on_a_rotated_raster_is_a_lasso(tmp_path):
    path = tmp_path / "p.gpkg"
    x, y = ROTATED * (100, 100)
    geopandas.GeoDataFrame(geometry=[box(x, y, x + 20, y + 10)], crs=UTM).to_file(path)
    (found,) = read_prompts(path, pixels_source(BLANK, ROTATED, WKT))
    assert found.prompts[0].kind == "lasso"


def test_objects_come_in_the_order_in_which_they_are_first_named(tmp_path, image):
    names = [7, "north", None, 7, None, "north", 2]
    members = [(point(i, i), {"object": name, "class": f"c{i}"}) for i, name in enumerate(names)]
    objects = read_prompts(write_geojson(tmp_path / "p.geojson", members), image, pixel=True)
    assert [o.object_id for o in objects] == [7, "north", 8, 9, 2]
    assert [len(o.prompts) for o in objects] == [2, 2, 1, 1, 1]
    assert [p.xy[0, 0] for p in objects[0].prompts] == [0, 3]
    assert [o.class_name for o in objects] == ["c0", "c1", "c2", "c4", "c6"]


def test_without_object_each_feature_is_its_own(tmp_path, image):
    members = [(point(i, i), {}) for i in range(4)]
    objects = read_prompts(write_geojson(tmp_path / "p.geojson", members), image, pixel=True)
    assert [o.object_id for o in objects] == [1, 2, 3, 4]


def test_missing_values_of_a_table_are_no_values(tmp_path, source):
    """A table's integer column with gaps reads as floats with not-a-number."""
    path = tmp_path / "p.gpkg"
    columns = {
        "object": [5.0, None],
        "label": [None, 0.0],
        "class": [None, "roof"],
        "text": [None, "the red one"],
    }
    table([Point(1, 1), Point(2, 2)], columns).to_file(path)
    objects = read_prompts(path, source)
    assert [(o.object_id, o.class_name) for o in objects] == [(5, ""), (6, "roof")]
    assert [(p.label, p.text) for o in objects for p in o.prompts] == [(1, ""), (0, "the red one")]


def test_layers_of_a_geopackage_each_in_its_crs(tmp_path, source):
    path = tmp_path / "p.gpkg"
    table([Point(10, 10)], {"object": [1]}).to_file(path, layer="clicks")
    table([box(20, 20, 40, 40)], {"object": [2]}).to_crs(4326).to_file(path, layer="boxes")
    objects = read_prompts(path, source)
    assert {o.object_id for o in objects} == {1, 2}
    assert {p.kind for o in objects for p in o.prompts} == {"point", "box"}


def test_a_crs_member_is_obeyed(tmp_path, source):
    x, y = UTM_GRID * (30, 40)
    path = write_geojson(
        tmp_path / "p.geojson", [(point(x, y), {})], crs=named_crs("urn:ogc:def:crs:EPSG::32632")
    )
    (found,) = read_prompts(path, source)
    np.testing.assert_allclose(found.prompts[0].xy, [(30, 40)], atol=1e-6)


def test_pixels_ignore_the_crs_that_programs_write_of_themselves(tmp_path, source):
    path = write_geojson(
        tmp_path / "p.geojson",
        [(point(30, 40), {})],
        crs=named_crs("urn:ogc:def:crs:OGC:1.3:CRS84"),
    )
    (found,) = read_prompts(path, source, pixel=True)
    np.testing.assert_array_equal(found.prompts[0].xy, [(30, 40)])


def test_height_and_capitals_are_no_obstacle(tmp_path, image):
    path = write_geojson(
        tmp_path / "p.geojson",
        [({"type": "Point", "coordinates": [3, 4, 120]}, {"OBJECT": 3, "Label": "0"})],
    )
    (found,) = read_prompts(path, image, pixel=True)
    assert flat([found]) == [(3, "point", 0)]
    np.testing.assert_array_equal(found.prompts[0].xy, [(3, 4)])


def bad(tmp_path, document):
    path = tmp_path / "p.geojson"
    path.write_text(
        document if isinstance(document, str) else json.dumps(document), encoding="utf-8"
    )
    return path


def collection(*geometries, properties=None, **members):
    features = [
        {"type": "Feature", "properties": properties or {}, "geometry": g} for g in geometries
    ]
    return {"type": "FeatureCollection", "features": features, **members}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{not json", "no valid GeoJSON"),
        ("[1, 2]", "no GeoJSON feature collection"),
        (collection(), "holds no prompt"),
        (collection(None), "Feature 1 of 'p.geojson' has no geometry"),
        (collection(None, properties={"text": "the roof"}), "text without a place"),
        (collection({"type": "Point", "coordinates": []}), "no geometry"),
        (collection({"type": "Blob", "coordinates": [1, 2]}), "cannot be read"),
        (collection({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}), "cannot be read"),
        (collection(point(9, 45), properties={"label": 2}), "'label' is 1"),
        (collection(point(9, 45), properties={"label": "yes"}), "'label' is 1"),
        (collection(point(9, 45), properties={"object": [1]}), "'object' must be"),
        (collection(point(500_000, 5_000_000)), "not in longitude and latitude.*--pixel"),
        (collection(point(9, 45), point(500_000, 5_000_000)), "Feature 2 .*not in longitude"),
        (collection(point(9, 45), crs=None), "CRS is unknown"),
        (
            collection(point(9, 45), crs=named_crs("EPSG:0")),
            "'crs' member that cannot be understood",
        ),
        (collection({**point(9, 45), "crs": named_crs("EPSG:25832")}), "another CRS than its file"),
        (
            collection({"type": "Point", "coordinates": [float("nan"), 1]}),
            "not defined|not a number",
        ),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, source, document, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read_prompts(bad(tmp_path, document), source)


def test_a_shapefile_without_prj_says_so(tmp_path, source):
    path = tmp_path / "p.shp"
    table([Point(1, 1)], {"object": [1]}).to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(InvalidInput, match="has no CRS; set it"):
        read_prompts(path, source)


def test_a_map_prompt_on_a_raster_without_crs_says_so(tmp_path):
    raster = write_tif(tmp_path / "a.tif", BLANK.transpose(2, 0, 1), None, None)
    path = write_geojson(tmp_path / "p.geojson", [(point(9, 45), {})])
    with (
        open_raster(raster) as source,
        pytest.raises(InvalidInput, match="'a.tif' has no CRS.*--pixel"),
    ):
        read_prompts(path, source)


def test_pixels_come_as_geojson(tmp_path, source):
    path = tmp_path / "p.gpkg"
    table([Point(1, 1)]).to_file(path)
    with pytest.raises(InvalidInput, match="come as GeoJSON"):
        read_prompts(path, source, pixel=True)


@pytest.mark.parametrize("name", ["none.geojson", "none.gpkg", "none.shp"])
def test_a_file_that_is_not_there(tmp_path, source, name):
    with pytest.raises(InvalidInput, match=name):
        read_prompts(tmp_path / name, source)


@pytest.mark.parametrize("name", ["p.gpkg", "p.shp", "p.txt"])
def test_a_file_that_is_something_else(tmp_path, source, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 50)
    with pytest.raises(InvalidInput, match="cannot be read as GeoJSON, GeoPackage or Shapefile"):
        read_prompts(tmp_path / name, source)


@pytest.mark.parametrize(
    ("turn", "kind"), [(0, "box"), (3, "box"), (-5, "box"), (25, "lasso"), (90, "box")]
)
def test_a_box_over_the_wire_becomes_what_the_same_rectangle_of_a_file_becomes(
    tmp_path, turn, kind
):
    """A grid that is turned a little keeps the box and its size; one that is turned far gets its corners."""
    grid = Affine.translation(5e5, 5e6) @ Affine.rotation(turn) @ Affine.scale(0.5, -0.5)
    write_tif(tmp_path / "turned.tif", two_roofs(), grid)
    around = shapely.affinity.translate(box(0, 0, 20, 12), *(grid @ (100, 120)))
    geopandas.GeoDataFrame(geometry=[around], crs=UTM).to_file(tmp_path / "p.gpkg")
    with open_raster(tmp_path / "turned.tif") as source:
        ((from_file,),) = [found.prompts for found in read_prompts(tmp_path / "p.gpkg", source)]
        corners = np.array(around.bounds).reshape(2, 2)
        (sent,) = prompts_to_pixels([Prompt("box", corners)], source.transform)
    assert (sent.kind, from_file.kind) == (kind, kind)
    assert np.allclose(sent.bounds, from_file.bounds, atol=1e-6)
    if kind == "box":
        assert sorted(np.ptp(sent.xy, axis=0)) == pytest.approx([24, 40], rel=0.01)


@pytest.mark.filterwarnings("error")
def test_measures_of_a_point_are_no_reason_for_a_second_line(tmp_path, source):
    """Points of a survey carry heights and measures; only their place counts."""
    x, y = UTM_GRID @ (30, 40)
    text = f"""<OGRVRTDataSource><OGRVRTLayer name="p"><SrcDataSource relativeToVRT="1">p.csv</SrcDataSource>
    <GeometryType>wkbPointZM</GeometryType><LayerSRS>{UTM}</LayerSRS>
    <GeometryField encoding="PointFromColumns" x="x" y="y" z="z" m="m"/></OGRVRTLayer></OGRVRTDataSource>"""
    (tmp_path / "p.csv").write_text(f"x,y,z,m\n{x},{y},3,4\n")
    (tmp_path / "p.vrt").write_text(text)
    (found,) = read_prompts(tmp_path / "p.vrt", source)
    assert np.allclose(found.prompts[0].xy, [[30, 40]])
