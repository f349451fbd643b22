"""Words to features while it goes on: parts of the answer, runs that end early, and jobs that come as files."""

from __future__ import annotations

import warnings

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from shapely.geometry import box as rectangle
from shapely.geometry import mapping, shape

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.text_job import asks_in_words, run_text_job
from tests.backend.test_text_job import answered, files, job
from tests.data.colour_text_model import ColourTextModel
from tests.data.coloured_scene import crowded
from tests.data.rasters import UTM, write_geojson, write_tif

__all__ = ["files"]


def test_parts_of_the_answer_come_while_it_goes_on(tmp_path):
    write_tif(
        tmp_path / "a.tif",
        np.moveaxis(crowded(700, 300, 5).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    told, progress = [], []
    result = run_text_job(
        job(tmp_path, classes=["buildings", "roads"]),
        progress=lambda fraction, message: progress.append(fraction),
        model=ColourTextModel(128),
        partial=told.append,
    )
    features = [feature for some in told for feature in some]
    assert len(told) > 0
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    assert len(features) == result["count"]
    numbers = [feature["properties"]["object"] for feature in features]
    assert numbers == list(range(1, len(numbers) + 1))
    final = {shapely.normalize(shape(f["geometry"])).wkt for f in result["features"]}
    assert {shapely.normalize(shape(f["geometry"])).wkt for f in features} == final


def stopped_after(files, tiles, keep, **asked):
    cancel, seen = CancelToken(), []

    def stop(fraction, message):
        seen.append(message)
        if message.startswith(f"Tile {tiles} "):
            cancel.cancel()

    with pytest.raises(Cancelled) as info:
        run_text_job(job(files, **asked), stop, cancel, model=ColourTextModel(128), keep=keep)
    return info.value


def test_a_cancelled_run_keeps_what_is_done(tmp_path):
    write_tif(
        tmp_path / "a.tif",
        np.moveaxis(crowded(900, 300, 5).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    error = stopped_after(tmp_path, 15, True, text="buildings", out="o.gpkg")
    table = geopandas.read_file(tmp_path / "o.gpkg")
    whole = answered(tmp_path, 128, text="buildings")
    assert 0 < len(table) < whole["count"]
    assert f"Cancelled after 15 of {whole['tiles']['of']} tiles; {len(table)} features" in str(
        error
    )
    assert "o.gpkg" in str(error)
    assert error.exit_code == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "o.gpkg"]


@pytest.mark.parametrize("tiles", [0, 1, 15])
def test_a_cancelled_request_leaves_no_file(tmp_path, tiles):
    write_tif(
        tmp_path / "a.tif",
        np.moveaxis(crowded(900, 300, 5).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
    )
    assert (
        str(stopped_after(tmp_path, tiles, False, text="buildings", out="o.gpkg")) == "Cancelled."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_damaged_raster_keeps_what_is_done(tmp_path):
    path = write_tif(
        tmp_path / "a.tif",
        np.moveaxis(crowded(900, 300, 5).rgb, 2, 0),
        Affine(0.3, 0, 5e5, 0, -0.3, 5e6),
        tiled=True,
        blockxsize=64,
        blockysize=64,
        compress="deflate",
    )
    data = bytearray(path.read_bytes())
    at = len(data) * 3 // 4
    data[at : at + 4000] = b"\xff" * 4000
    path.write_bytes(bytes(data))
    with pytest.raises(
        InvalidInput, match=r"cannot be read: .*; stopped after \d+ of \d+ tiles; \d+ feature"
    ):
        run_text_job(
            job(tmp_path, text="buildings", out="o.gpkg"), model=ColourTextModel(128), keep=True
        )
    assert len(geopandas.read_file(tmp_path / "o.gpkg")) > 0


def test_a_job_of_prompts_is_none_of_words():
    assert asks_in_words({"text": "roofs"})
    assert asks_in_words({"program": {}})
    assert not asks_in_words({"text": "roofs", "prompts": "p.geojson"})
    assert not asks_in_words({"prompts": "p.geojson"})


def test_a_file_of_polygons_in_another_crs_is_an_area(files):
    lonlat = pyproj.Transformer.from_crs(UTM, "OGC:CRS84", always_xy=True)
    near = shapely.transform(
        rectangle(500_020, 4_999_930, 500_130, 4_999_990), lonlat.transform, interleaved=False
    )
    write_geojson(files / "z.geojson", [(mapping(near), {})])
    result = answered(files, 128, text="buildings", area_file=str(files / "z.geojson"))
    assert result["count"] == 1
    write_geojson(files / "z.geojson", [({"type": "Point", "coordinates": [9, 45]}, {})])
    with pytest.raises(InvalidInput, match="made of polygons"):
        answered(files, text="buildings", area_file=str(files / "z.geojson"))


def test_no_warning_is_left_to_the_user(files):
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("error", category)
        answered(files, text="buildings near the pool", out="o.gpkg", mask="m.tif")
