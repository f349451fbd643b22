"""Outlines and rasters beside a classified cloud: where the things are, and all of them or none."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
from shapely.geometry import box

from inference_backend.cancel import CancelToken
from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from inference_backend.errors import Cancelled
from tests.data.block_town import ORIGIN, make_town, write_town
from tests.data.rule_cloud_model import RuleCloudModel

SIDE_M = 80.0


def run(source: Path, out: Path, cancel=None, progress=None, **values) -> dict:
    job = ClassifyJob.from_json({"source": str(source), "out": str(out), **values})
    return run_classify_job(job, cancel, progress, RuleCloudModel())


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.laz"
    write_town(path, make_town(SIDE_M))
    return path


@pytest.fixture(scope="module")
def made(source, tmp_path_factory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("made")
    names = {"vectors": "v.gpkg", "dtm": "dtm.tif", "hag": "hag.tif"}
    values = {name: str(folder / file) for name, file in names.items()}
    return run(source, folder / "out.laz", **values), folder


def roofs():
    """The houses of the town in its CRS."""
    corners = [(x + ORIGIN[0] + 4, y + ORIGIN[1] + 4) for x in (0, 40) for y in (0, 40)]
    return [box(x, y, x + 16, y + 16) for x, y in corners]


def test_all_that_was_asked_for_is_there_and_nothing_else(made):
    answer, folder = made
    assert {path.name for path in folder.iterdir()} == {"out.laz", "v.gpkg", "dtm.tif", "hag.tif"}
    assert answer["vectors"] == [str(folder / "v.gpkg")]
    assert answer["rasters"] == [str(folder / "dtm.tif"), str(folder / "hag.tif")]
    for layer in answer["vector_layers"]:
        assert len(gpd.read_file(layer["path"], layer=layer["name"])) == layer["count"]


def test_outlines_of_the_layers_that_are_wanted_alone(source, tmp_path):
    file = tmp_path / "v.gpkg"
    answer = run(source, tmp_path / "out.laz", vectors=str(file), layers="trees, crowns")
    assert [layer["name"] for layer in answer["vector_layers"]] == ["trees", "crowns"]
    assert {name for name, _ in pyogrio.list_layers(file)} == {"trees", "crowns"}


def test_the_houses_are_outlined_where_they_stand(made):
    found = gpd.read_file(made[1] / "v.gpkg", layer="buildings")
    assert found.crs.to_epsg() == 2154
    assert len(found) == 4
    for roof in roofs():
        best = max(found.geometry, key=lambda shape: shape.intersection(roof).area)
        assert best.intersection(roof).area / best.union(roof).area > 0.85
    assert found["height_med"].to_numpy() == pytest.approx(6.0, abs=0.3)
    assert set(found["model"]) == {"rule-test"}


def test_each_tree_has_a_top(made):
    tops = gpd.read_file(made[1] / "v.gpkg", layer="trees")
    places = [(ORIGIN[0] + x + 30, ORIGIN[1] + y + 30) for x in (0, 40) for y in (0, 40)]
    for x, y in places:
        assert min(np.hypot(top.x - x, top.y - y) for top in tops.geometry) < 4.5


def test_the_ground_is_a_raster_of_the_clouds_heights(made):
    with rasterio.open(made[1] / "dtm.tif") as dtm:
        assert dtm.crs.to_epsg() == 2154
        rows, cols = np.mgrid[0 : dtm.height, 0 : dtm.width]
        x, y = rasterio.transform.xy(dtm.transform, rows.ravel(), cols.ravel())
        truth = 30 + 0.02 * (np.array(x) - ORIGIN[0]) + 0.01 * (np.array(y) - ORIGIN[1])
        assert np.abs(dtm.read(1).ravel() - truth).mean() < 0.15


def test_heights_above_ground_are_those_of_the_roofs(made):
    with rasterio.open(made[1] / "hag.tif") as hag:
        found = [value[0] for value in hag.sample([roof.centroid.coords[0] for roof in roofs()])]
    assert found == pytest.approx([6.0] * 4, abs=0.4)


def test_an_extent_cuts_outlines_and_rasters_too(source, tmp_path):
    x0, y0 = ORIGIN
    extent = (x0, y0, x0 + 38, y0 + 38)
    names = {"vectors": "v.gpkg", "dtm": "dtm.tif", "hag": "hag.tif"}
    values = {name: str(tmp_path / file) for name, file in names.items()}
    run(source, tmp_path / "out.laz", extent=list(extent), **values)
    assert len(gpd.read_file(tmp_path / "v.gpkg", layer="buildings")) == 1
    for name in ("dtm.tif", "hag.tif"):
        with rasterio.open(tmp_path / name) as raster:
            assert np.allclose(raster.bounds, extent, atol=2.0)


def test_a_folder_gets_shapefiles(source, tmp_path):
    answer = run(source, tmp_path / "out.laz", vectors=str(tmp_path / "maps"))
    assert {path.suffix for path in (tmp_path / "maps").iterdir()} == {
        ".shp",
        ".shx",
        ".dbf",
        ".prj",
        ".cpg",
    }
    for path in answer["vectors"]:
        assert len(gpd.read_file(path)) > 0


@pytest.mark.parametrize("word", ["Drawing", "Writing"])
def test_a_cancel_leaves_neither_cloud_nor_outlines(source, tmp_path, word):
    cancel = CancelToken()
    values = {name: str(tmp_path / f"{name}.tif") for name in ("dtm", "hag")}

    def stop(fraction: float, message: str) -> None:
        if word in message:
            cancel.cancel()

    with pytest.raises(Cancelled):
        run(source, tmp_path / "o.laz", cancel, stop, vectors=str(tmp_path / "v.gpkg"), **values)
    assert not list(tmp_path.iterdir())
