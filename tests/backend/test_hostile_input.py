"""Input that is odd or hostile rather than plainly broken: an answer or one sentence, and inputs are never replaced."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import Point

from inference_backend.cli import main
from inference_backend.models import registry
from tests.data.colour_model import ColourModel
from tests.data.rasters import UTM, box, point, two_roofs, write_geojson, write_tif

CLICK = [(point(70, 80), {"object": 1})]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_tif(tmp_path / "a.tif", two_roofs())
    write_geojson(tmp_path / "p.geojson", CLICK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "get", lambda name, device: ColourModel())
    return tmp_path


def segment(source="a.tif", prompts="p.geojson", out="o.gpkg", *flags, pixel=True):
    how = ("--pixel",) if pixel else ()
    return main(["segment", source, "--prompts", prompts, *how, "--out", out, *flags])


def refused(capfd, *arguments, **options) -> str:
    assert segment(*arguments, **options) == 2
    (line,) = capfd.readouterr().err.splitlines()
    return line


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("source", "prompts", "out", "flags"),
    [
        ("a.tif", "p.geojson", "o.gpkg", ("--mask", "a.tif")),
        ("a.tif", "p.geojson", "p.geojson", ()),
        ("a.tif", "p.geojson", "link.geojson", ()),
        ("a.vrt", "p.geojson", "o.gpkg", ("--mask", "a.tif")),
        ("a.tif", "q.gpkg", "q.gpkg", ()),
        ("a.tif", "q.shp", "q.shp", ()),
        ("r.gpkg", "p.geojson", "r.gpkg", ()),
    ],
    ids=["mask", "prompts", "link", "tile", "table", "shapefile", "raster table"],
)
def test_what_the_job_reads_is_not_replaced(folder, capfd, source, prompts, out, flags):
    prompted = geopandas.GeoDataFrame(geometry=[Point(500_035, 4_999_960)], crs=UTM)
    prompted.to_file(folder / "q.gpkg", layer="q")
    prompted.to_file(folder / "q.shp")
    (folder / "link.geojson").symlink_to(folder / "p.geojson")
    write_tif(folder / "r.gpkg", two_roofs(), driver="GPKG", raster_table="r")
    write_vrt(folder / "a.vrt", "a.tif")
    before = contents(folder)
    line = refused(capfd, source, prompts, out, *flags, pixel=prompts.endswith("geojson"))
    assert "would be lost; give the result another name" in line
    assert contents(folder) == before


def write_vrt(path, tile):
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">{tile}'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3)
    )
    path.write_text(f'<VRTDataset rasterXSize="256" rasterYSize="256">{bands}</VRTDataset>')


def test_another_name_beside_the_inputs_is_fine(folder):
    """The counterpart: only the very same files are kept."""
    assert segment("a.tif", "p.geojson", "a.gpkg", "--mask", "p.tif") == 0
    assert geopandas.read_file("a.gpkg")["object"].tolist() == [1]


@pytest.mark.parametrize(
    ("value", "dtype"), [(7, np.uint8), (7.5, np.float32), (0, np.float64)], ids=str
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (3, 40, 1)], ids=str)
def test_rasters_of_one_value_and_of_one_pixel(folder, capfd, shape, value, dtype):
    write_tif(folder / "a.tif", np.full(shape, value, dtype))
    write_geojson(folder / "p.geojson", [(point(0.5, 0.5), {})])
    assert segment() == 0
    assert "no valid pixel" not in capfd.readouterr().err


def test_a_box_far_larger_than_the_raster_has_data(folder):
    write_geojson(folder / "p.geojson", [(box(-1e6, -1e6, 1e6, 1e6), {})])
    assert segment() == 0


def test_a_prompt_in_a_gap_of_a_sound_raster_is_empty_and_the_others_are_answered(folder):
    pixels = np.zeros((3, 1200, 1200), np.uint8)
    pixels[:, :256, :256] = two_roofs()
    write_tif(folder / "a.tif", pixels, nodata=0)
    gap = (point(1000, 1000), {"object": 2})
    write_geojson(folder / "p.geojson", [*CLICK, gap])
    assert segment() == 0
    assert geopandas.read_file("o.gpkg")["object"].tolist() == [1]


def test_values_beyond_single_precision_are_no_data_without_a_word_from_numpy(folder, capfd):
    write_tif(folder / "a.tif", np.full((3, 64, 64), 1e300))
    write_geojson(folder / "p.geojson", [(point(30, 30), {})])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "no valid pixel" in refused(capfd)


@pytest.mark.parametrize("at", [(0, 0), (256, 256), (256, 80), (0, 256)], ids=str)
def test_a_click_on_the_very_border_is_on_the_raster(folder, at):
    write_geojson(folder / "p.geojson", [(point(*at), {})])
    assert segment() == 0


@pytest.mark.parametrize(
    "ring",
    [
        [[70, 80], [70, 80], [70, 80], [70, 80]],
        [[60, 80], [90, 80], [90, 80], [60, 80]],
        [[60, 80], [70, 80], [90, 80], [60, 80]],
    ],
    ids=["box without size", "flat box", "flat lasso"],
)
def test_areas_without_an_area_are_answered(folder, ring):
    write_geojson(folder / "p.geojson", [({"type": "Polygon", "coordinates": [ring]}, {})])
    assert segment() == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, "no valid GeoJSON"),
        ('{"features": [{"properties": [1], "geometry": null}]}', "no GeoJSON feature"),
        ('{"features": [{"properties": {}, "geometry": [1, 2]}]}', "cannot be read"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": [1e300, 4]}}]}', "1e+300"),
        ('{"features": [{"geometry": {"type": "Point", "coordinates": [NaN, 4]}}]}', "number"),
    ],
    ids=["deep", "list of properties", "list for a geometry", "far away", "not a number"],
)
def test_geojson_that_is_odd(folder, capfd, text, sentence):
    (folder / "p.geojson").write_text(text)
    line = refused(capfd)
    assert sentence in line
    assert len(line) < 250


def test_a_folder_instead_of_prompts(folder, capfd):
    (folder / "prompts").mkdir()
    assert "'prompts' is a folder" in refused(capfd, prompts="prompts", pixel=False)


def test_a_raster_without_a_name(folder, capfd):
    assert "has no name" in refused(capfd, "")


@pytest.mark.parametrize("extension", ["gpkg", "shp", "geojson"])
def test_names_that_no_field_can_hold_are_cut_or_kept_as_text(folder, capfd, extension):
    """Cut between letters, in bytes: a driver that cuts by itself warns, and may cut a letter in two."""
    names = [2**70, "ä" * 200, 3]
    write_geojson(
        folder / "p.geojson",
        [(point(70, 80), {"object": name, "class": "é" * 200}) for name in names],
    )
    assert segment(out=f"o.{extension}") == 0
    assert capfd.readouterr().err == ""
    table = geopandas.read_file(f"o.{extension}")
    assert table["object"].tolist() == [str(2**70), "ä" * 127, "3"]
    assert set(table["class"]) == {"é" * 127}


def test_a_disk_that_is_gone_is_no_surprise(folder, capfd):
    (folder / "sub").mkdir()
    shutil.rmtree(folder / "sub")
    assert "does not exist; make it" in refused(capfd, out="sub/o.gpkg")
