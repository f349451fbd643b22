"""From words to features: on every grid, for every way of asking, and what is kept when a run ends early."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from shapely.affinity import affine_transform
from shapely.geometry import box as rectangle
from shapely.geometry import mapping, shape

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.text_job import TextJob, run_text_job
from tests.data.colour_model import ColourModel
from tests.data.colour_text_model import ColourTextModel
from tests.data.coloured_scene import crowded, drawn
from tests.data.rasters import UTM, UTM_GRID, write_tif

BIG, SMALL, POOL = (
    ("building", 60, 50, 160, 120),
    ("building", 300, 80, 350, 120),
    ("pool", 200, 70, 240, 100),
)
TOWN = drawn(320, 480, BIG, SMALL, POOL, ("road", 0, 200, 480, 216), ("tree", 400, 240, 424, 264))
GRIDS = {
    "utm": (UTM_GRID, UTM),
    "south-up": (Affine(0.5, 0, 5e5, 0, 0.5, 5e6), UTM),
    "rotated": (Affine.translation(5e5, 5e6) @ Affine.rotation(25) @ Affine.scale(0.5, -0.5), UTM),
    "degrees": (Affine(5e-6, 0, 9, 0, -5e-6, 45), "EPSG:4326"),
    "mercator": (Affine(0.7, 0, 1e6, 0, -0.7, 6e6), "EPSG:3857"),
    "feet": (Affine(1.5, 0, 980_000, 0, -1.5, 200_000), "EPSG:2263"),
}


def iou(a, b):
    return a.intersection(b).area / a.union(b).area


def to_pixels(geometry, grid):
    t = ~grid
    return affine_transform(geometry, [t.a, t.b, t.d, t.e, t.c, t.f])


def placed(geometry, grid):
    return affine_transform(geometry, [grid.a, grid.b, grid.d, grid.e, grid.c, grid.f])


@pytest.fixture
def files(tmp_path):
    write_tif(tmp_path / "a.tif", np.moveaxis(TOWN.rgb, 2, 0))
    return tmp_path


def job(folder, **asked):
    values = {"source": str(folder / "a.tif"), **asked}
    if isinstance(values.get("out"), str):
        values["out"] = str(folder / values["out"])
    if isinstance(values.get("mask"), str):
        values["mask"] = str(folder / values["mask"])
    return TextJob.from_json(values)


def answered(folder, tile_px=256, **asked):
    return run_text_job(job(folder, **asked), model=ColourTextModel(tile_px))


def shapes(result, name=None):
    return [
        shape(feature["geometry"])
        for feature in result["features"]
        if name in (None, feature["properties"]["class"])
    ]


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_things_land_where_they_are(tmp_path, name):
    grid, crs = GRIDS[name]
    write_tif(tmp_path / "a.tif", np.moveaxis(TOWN.rgb, 2, 0), grid, crs)
    result = answered(tmp_path, classes=["buildings", "roads"])
    houses = sorted(shapes(result, "building"), key=lambda found: -found.area)
    assert len(houses) == 2
    for found, (_, *corners) in zip(houses, (BIG, SMALL)):
        assert found.is_valid
        assert iou(to_pixels(found, grid), rectangle(*corners)) > 0.96
    (road,) = shapes(result, "road")
    assert iou(to_pixels(road, grid), rectangle(0, 200, 480, 216)) > 0.93
    assert result["answer"] == "Found 2 buildings and roads in 1 area."


@pytest.mark.parametrize("name", ["utm", "degrees", "mercator", "feet"])
def test_sizes_in_a_program_are_those_of_the_ground(tmp_path, name):
    """A limit a little below and above the true area of the larger house: the program must tell them apart."""
    grid, crs = GRIDS[name]
    write_tif(tmp_path / "a.tif", np.moveaxis(TOWN.rgb, 2, 0), grid, crs)
    lonlat = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    house = shapely.segmentize(placed(rectangle(*BIG[1:]), grid), 100 * abs(grid.a))
    ground = shapely.transform(house, lonlat.transform, interleaved=False)
    true_m2 = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(ground)[0])
    under = answered(tmp_path, text=f"buildings larger than {0.97 * true_m2:.0f} m2")
    over = answered(tmp_path, text=f"buildings larger than {1.03 * true_m2:.0f} m2")
    assert (under["count"], over["count"]) == (1, 0)
    (feature,) = under["features"]
    assert feature["properties"]["area_m2"] == pytest.approx(true_m2, rel=0.02)
    assert "larger than" in over["answer"]


@pytest.mark.parametrize(
    ("words", "corners"),
    [
        ("the largest building", BIG),
        ("the smallest building", SMALL),
        ("the easternmost building", SMALL),
        ("the building west of the pool", BIG),
        ("the building right of the pool", SMALL),
        ("buildings within 25 m of the pool", BIG),
        ("buildings that are not near the pool", SMALL),
        ("the building closest to a tree", SMALL),
    ],
)
def test_programs_choose(files, words, corners):
    result = answered(files, text=words)
    assert result["understood"]["path"] == "program"
    (found,) = shapes(result)
    assert iou(to_pixels(found, UTM_GRID), rectangle(*corners[1:])) > 0.95


def test_a_south_up_raster_has_its_north_in_the_north(tmp_path):
    grid = GRIDS["south-up"][0]
    high, low = ("building", 50, 40, 90, 80), ("building", 300, 240, 340, 280)
    write_tif(tmp_path / "a.tif", np.moveaxis(drawn(320, 480, high, low).rgb, 2, 0), grid)
    (found,) = shapes(answered(tmp_path, text="the northernmost building"))
    assert iou(to_pixels(found, grid), rectangle(*low[1:])) > 0.95


def test_without_a_crs_up_is_up_and_north_is_refused(tmp_path):
    high, low = ("building", 50, 40, 90, 80), ("building", 300, 240, 340, 280)
    write_tif(tmp_path / "a.tif", np.moveaxis(drawn(320, 480, high, low).rgb, 2, 0), None, None)
    (found,) = shapes(answered(tmp_path, text="the topmost building"))
    assert iou(found, rectangle(*high[1:])) > 0.95
    with pytest.raises(InvalidInput, match="north"):
        answered(tmp_path, text="the northernmost building")
    with pytest.raises(InvalidInput, match="no CRS"):
        answered(tmp_path, text="buildings larger than 200 m2")


def test_a_question_is_answered_with_its_reason(files):
    result = answered(files, ask="Where do people live?")
    assert result["count"] == 2
    assert "Understood as: building" in result["answer"]
    properties = result["features"][0]["properties"]
    assert properties["task"] == "reasoning"
    assert properties["prompt"] == "Where do people live?"
    assert properties["why"]
    assert result["understood"]["concepts"][0]["because"]


def test_an_absent_thing_is_said_to_be_absent(files):
    result = answered(files, text="ships")
    assert result["features"] == []
    tiles = result["tiles"]["done"]
    assert (
        result["answer"]
        == f"No ships were found in this area (looked at {tiles} tiles; nothing above 0.5)."
    )
    assert result["understood"]["presence"] == 0.0


def test_what_is_there_is_listed_beside_what_is_not(files):
    result = answered(files, classes="buildings, ships")
    assert result["answer"] == "Found 2 buildings and no ships."


def test_find_one_gives_the_surest(files):
    result = answered(files, text="buildings", find="one")
    every = answered(files, text="buildings")
    best = max(feature["properties"]["score"] for feature in every["features"])
    (feature,) = result["features"]
    assert feature["properties"]["score"] == best
    assert "surest" in result["answer"]


def test_counting_tells_the_number(files):
    assert answered(files, ask="how many buildings are there?")["answer"].startswith(
        "There are 2 buildings"
    )


def test_an_edited_program_is_run(files):
    first = answered(files, text="buildings larger than 100 m2")
    assert first["count"] == 2
    limit = next(chip for chip in first["understood"]["chips"] if chip["kind"] == "number")
    changed = answered(
        files,
        text="buildings larger than 100 m2",
        program=first["understood"]["program"],
        changes={limit["id"]: 1000},
    )
    assert changed["count"] == 1
    assert changed["features"][0]["properties"]["prompt"] == "buildings larger than 100 m2"
    again = answered(files, program=changed["understood"]["program"])
    assert again["count"] == 1


def test_the_threshold_is_the_probability_of_a_pixel(files):
    loose, strict = (
        sum(found.area for found in shapes(answered(files, text="buildings", threshold=t)))
        for t in (0.2, 0.8)
    )
    assert loose > strict > 0


def test_specks_are_dropped_and_the_minimum_is_the_user_s(files):
    result = answered(files, text="buildings", options={"min_area_m2": 1000})
    assert result["count"] == 1


AREAS = [
    {"bounds": [500_020, 4_999_930, 500_130, 5_000_000]},
    {"polygons": [mapping(rectangle(500_020, 4_999_930, 500_130, 4_999_990))]},
]


@pytest.mark.parametrize("area", AREAS, ids=["bounds", "polygons"])
def test_only_the_area_is_looked_at(files, area):
    result = answered(files, 128, text="buildings", area=area)
    whole = answered(files, 128, text="buildings")
    assert result["tiles"]["of"] < whole["tiles"]["of"]
    (found,) = shapes(result)
    assert iou(to_pixels(found, UTM_GRID), rectangle(*BIG[1:])) > 0.96


def test_an_area_cuts_what_crosses_its_edge(files):
    inside = rectangle(*placed(rectangle(100, 0, 480, 320), UTM_GRID).bounds)
    result = answered(files, text="buildings", area={"bounds": list(inside.bounds)})
    assert len(result["features"]) == 2
    for found in shapes(result):
        assert found.difference(inside).area < 1e-6
    assert iou(to_pixels(shapes(result)[0], UTM_GRID), rectangle(100, 50, 160, 120)) > 0.93


def test_areas_and_features_in_pixels(files):
    result = answered(files, text="buildings", pixel=True, area={"bounds": [0, 0, 250, 320]})
    (found,) = shapes(result)
    assert iou(found, rectangle(*BIG[1:])) > 0.96


def test_a_place_has_the_same_outlines_whatever_area_and_tiles(tmp_path):
    """Crowded, with touching things and roads: one class of areas, two of objects."""
    write_tif(
        tmp_path / "a.tif",
        np.moveaxis(crowded(420, 560, 9).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    asked = {"classes": ["roads", "buildings", "pools"], "options": {"min_area_m2": 4}}
    one, other, whole = (answered(tmp_path, tile, **asked) for tile in (128, 200, 1024))
    part = rectangle(500_040, 4_999_900, 500_110, 4_999_970)
    some = answered(tmp_path, 128, **asked, area={"bounds": list(part.bounds)})
    for name in ("road", "building", "pool"):
        assert len(shapes(one, name)) == len(shapes(other, name)) == len(shapes(whole, name)) > 0
        unions = [shapely.union_all(shapes(result, name)) for result in (one, other, whole)]
        for union in unions[1:]:
            assert iou(unions[0], union) > 0.995
        inner = part.buffer(-0.5)
        shown = shapely.union_all(shapes(some, name)).intersection(inner)
        assert iou(shown, unions[0].intersection(inner)) > 0.98


@pytest.mark.parametrize(
    ("area", "sentence"),
    [
        ({"bounds": [0, 0, 10, 10]}, "outside the raster, which covers 500000"),
        ({"bounds": [5, 0, 5, 10]}, "no size"),
        ({"bounds": [5, 0, 1, 10]}, "lesser values first"),
        ({"bounds": [1, 2, 3]}, "xmin, ymin, xmax, ymax"),
        ({"bounds": [1, 2, float("nan"), 4]}, "no size"),
        ({"polygons": []}, "no polygon"),
        ({"polygons": [{"type": "Point", "coordinates": [1, 2]}]}, "not of a Point"),
        ({"polygons": [{"type": "Polygon"}]}, "cannot be read"),
        (
            {"polygons": [{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0], [0, 0]]]}]},
            "no size",
        ),
        ({"circle": 3}, "either 'bounds' or 'polygons'"),
    ],
)
def test_an_area_that_cannot_be(files, area, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        answered(files, text="buildings", area=area)


def test_an_area_without_data_says_so(tmp_path):
    bands = np.moveaxis(TOWN.rgb, 2, 0).copy()
    bands[:, :, 240:] = 0
    write_tif(tmp_path / "a.tif", bands, nodata=0)
    with pytest.raises(InvalidInput, match="no image data in this area"):
        answered(
            tmp_path, text="buildings", area={"bounds": [500_150, 4_999_850, 500_230, 4_999_990]}
        )
    (found,) = shapes(answered(tmp_path, text="buildings"))
    assert iou(to_pixels(found, UTM_GRID), rectangle(*BIG[1:])) > 0.96


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Say what to find"),
        ({"text": ""}, "text is empty"),
        ({"text": "  "}, "text is empty"),
        ({"text": "trees " * 400}, "characters"),
        ({"text": "où sont les maisons"}, "only English"),
        ({"text": "trees", "ask": "where?"}, "not text and ask"),
        ({"text": 5}, "must be text"),
        ({"classes": []}, "No class was named"),
        ({"classes": ["a"] * 3 + [f"c{k}" for k in range(40)]}, "too many"),
        ({"classes": ["buildings near water"]}, "more than the name of a class"),
        ({"program": {"version": 1}}, "version"),
        ({"program": [1]}, "not an object"),
        ({"text": "trees", "task": "interactive"}, "needs clicks"),
        ({"text": "trees", "task": "guess"}, "no task"),
        ({"text": "trees", "find": "some"}, "nothing to find"),
        ({"text": "trees", "threshold": 1.5}, "between 0 and 1"),
        ({"text": "trees", "options": {"size": 1}}, "not an option"),
        ({"text": "trees", "colour": 1}, "no part of a text job"),
        ({"text": "trees", "out": "o.png"}, "no known format"),
        ({"text": "trees", "mask": "o.png"}, "end its name with .tif"),
        ({"text": "trees", "out": "a.tif"}, "no known format"),
        ({"text": "trees", "mask": "a.tif"}, "would be lost"),
        ({"text": "trees", "bands": [1, 2, 9]}, "no band 9"),
    ],
)
def test_a_request_that_makes_no_sense(files, asked, sentence):
    before = (files / "a.tif").read_bytes()
    with pytest.raises(InvalidInput, match=sentence):
        answered(files, **asked)
    assert (files / "a.tif").read_bytes() == before


def test_a_model_that_hears_no_words_says_so(files):
    with pytest.raises(ModelProblem, match="takes no text"):
        run_text_job(job(files, text="buildings"), model=ColourModel())


@pytest.mark.parametrize("extension", ["gpkg", "shp", "geojson", "fgb"])
def test_files_hold_the_attributes_and_the_program(files, extension):
    path = files / f"o.{extension}"
    result = answered(files, text="the largest building", out=path.name)
    (row,) = geopandas.read_file(path).to_dict("records")
    assert (row["object"], row["class"], row["task"]) == (1, "building", "referring")
    assert (row["prompt"], row["source"], row["model"]) == (
        "the largest building",
        "a.tif",
        "colour-text-test",
    )
    assert row["why"] == "The largest building."
    assert row["area_m2"] == pytest.approx(1750, rel=0.02)
    assert 0.9 < row["score"] <= 1
    program = result["understood"]["program"]
    if extension == "gpkg":
        metadata = pyogrio.read_info(path)["layer_metadata"]
        assert json.loads(metadata["cityseg_program"]) == program
    elif extension == "shp":
        assert "program" not in row
    else:
        # In GeoJSON it is an object, as GDAL writes whatever looks like one.
        kept = row["program"]
        assert (kept if isinstance(kept, dict) else json.loads(kept)) == program


def test_the_mask_has_the_numbers_of_the_features(files):
    result = answered(files, text="buildings", out="o.gpkg", mask="m.tif")
    table = geopandas.read_file(files / "o.gpkg").set_index("object")
    assert len(result["objects"]) == len(table) == 2
    with rasterio.open(files / "m.tif") as dataset:
        labels = dataset.read(1)
    for number, geometry in table.geometry.items():
        inside = to_pixels(geometry, UTM_GRID)
        assert (labels == number).sum() == pytest.approx(inside.area, rel=0.02)


def test_a_palette_of_depths_and_bands(tmp_path):
    bands = np.moveaxis(TOWN.rgb, 2, 0)[::-1].astype(np.uint16) * 40 + 300
    write_tif(tmp_path / "a.tif", bands)
    result = answered(tmp_path, text="buildings", bands=[3, 2, 1], stretch="minmax:300,10500")
    assert result["count"] == 2


def test_one_band_is_looked_at_in_grey_and_says_so(tmp_path):
    grey = np.full((1, 200, 200), 20, np.uint8)
    grey[:, 50:90, 50:90] = 153
    write_tif(tmp_path / "a.tif", grey)
    result = answered(tmp_path, text="roads")
    assert result["count"] == 1
    assert "one band" in result["answer"]
