"""Bad input on the command line: exit code 2, one clear sentence on stderr, and nothing lost or left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import Point

from inference_backend.cli import main
from inference_backend.imagery.source import open_raster
from tests.data.rasters import UTM, box, named_crs, point, two_roofs, write_geojson, write_tif
from tests.data.small_disk import mounted

ROOT = Path(__file__).resolve().parents[2]
CLICK = [(point(70, 80), {"object": 1})]


COLOUR_SEGMENT = str(ROOT / "tests" / "data" / "colour_segment.py")


def environment():
    """The child imports the checkout, wherever it runs."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(folder, *arguments, program=("-m", "inference_backend.cli", "segment")):
    """The real command in a process of its own."""
    command = [sys.executable, *program, *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=environment(),
    )


def sentence(code: int, out: str, err: str) -> str:
    """The line a user sees; a traceback, a library's own line or a table would fail here."""
    assert (code, out) == (2, ""), err
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("cityseg: ")
    assert lines[0].endswith(".")
    return lines[0]


@pytest.fixture
def refused(folder, capfd, monkeypatch):
    """Runs the command on `folder`, and gives its sentence; what libraries print from C is caught as well."""

    def run_here(source="a.tif", prompts="p.geojson", *flags, pixel=True, out="o.gpkg") -> str:
        monkeypatch.chdir(folder)
        before = sorted(path.name for path in folder.iterdir())
        how = ("--pixel",) if pixel else ()
        code = main(
            ["segment", source, "--prompts", prompts, *how, "--out", out, "--device", "cpu", *flags]
        )
        assert sorted(path.name for path in folder.iterdir()) == before
        return sentence(code, *capfd.readouterr())

    return run_here


@pytest.fixture
def folder(tmp_path):
    write_tif(tmp_path / "a.tif", two_roofs())
    write_geojson(tmp_path / "p.geojson", CLICK)
    return tmp_path


def test_a_truncated_tiff(folder, refused):
    whole = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(whole[: len(whole) // 4])
    assert "damaged, incomplete" in refused()


def test_a_truncated_compressed_tiff_of_sixteen_bits(folder, refused):
    """Here the stretch already meets the gap."""
    noise = np.random.default_rng(0).integers(0, 60_000, (3, 256, 256), dtype=np.uint16)
    write_tif(folder / "a.tif", noise, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    whole = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(whole[: len(whole) // 2])
    assert "damaged, incomplete" in refused()


def test_a_truncated_tiff_in_a_process_of_its_own(folder):
    """Here nothing of the test's own set-up of logs and warnings can hide a second line."""
    whole = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(whole[: len(whole) // 4])
    done = run(folder, "a.tif", "--prompts", "p.geojson", "--pixel", "--out", "o.gpkg")
    assert "damaged, incomplete" in sentence(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("driver", "end"), [("PNG", b""), ("JPEG", b"\xff\xd9")])
def test_a_truncated_picture(folder, refused, driver, end):
    """GDAL reads these without an error: the PNG by a shortcut, the JPEG with a warning."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 300, 300), dtype=np.uint8)
    write_tif(folder / "a.tif", noise, driver=driver)
    whole = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(whole[: len(whole) // 2] + end)
    assert "damaged, incomplete" in refused()


def test_a_truncated_jpeg_in_a_process_of_its_own(folder):
    """GDAL's warning is no second line."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 300, 300), dtype=np.uint8)
    write_tif(folder / "a.tif", noise, driver="JPEG")
    whole = (folder / "a.tif").read_bytes()
    (folder / "a.tif").write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    done = run(folder, "a.tif", "--prompts", "p.geojson", "--pixel", "--out", "o.gpkg")
    assert "damaged, incomplete" in sentence(done.returncode, done.stdout, done.stderr)


def test_a_corrupt_header(folder, refused):
    (folder / "a.tif").write_bytes(b"II*\x00" + bytes(range(256)) * 20)
    assert "cannot be read as a raster" in refused()


def test_an_empty_file(folder, refused):
    (folder / "a.tif").write_bytes(b"")
    assert "is empty" in refused()


def test_a_text_file(folder, refused):
    (folder / "a.tif").write_text("no raster")
    assert "cannot be read as a raster" in refused()


def test_a_folder(folder, refused):
    (folder / "tiles").mkdir()
    assert "is a folder" in refused("tiles")


def test_a_vanished_file(folder, refused):
    (folder / "a.tif").unlink()
    assert "does not exist" in refused()


def test_a_mosaic_whose_parts_vanished(folder, refused):
    """The index opens, its pixels are gone."""
    vrt = (
        '<VRTDataset rasterXSize="256" rasterYSize="256">'
        + "".join(
            f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">part.tif</SourceFilename><SourceBand>{band}</SourceBand>'
            '<SourceProperties RasterXSize="256" RasterYSize="256" DataType="Byte" BlockXSize="256" BlockYSize="8"/>'
            '<SrcRect xOff="0" yOff="0" xSize="256" ySize="256"/><DstRect xOff="0" yOff="0" xSize="256" ySize="256"/>'
            "</SimpleSource></VRTRasterBand>"
            for band in (1, 2, 3)
        )
        + "</VRTDataset>"
    )
    (folder / "a.vrt").write_text(vrt)
    assert "damaged, incomplete or gone" in refused("a.vrt")


def test_no_band(folder, refused):
    """A container of two rasters has none of its own; the message names one that can be opened."""
    for table in ("north", "south"):
        extra = {"driver": "GPKG", "RASTER_TABLE": table, "APPEND_SUBDATASET": table == "south"}
        write_tif(folder / "a.gpkg", two_roofs(), **extra)
    line = refused("a.gpkg")
    assert "no raster band; name one of its parts, for example GPKG:" in line
    assert "north" in line
    part = line.split("for example ")[1].rstrip(".")
    with open_raster(part) as source:
        assert source.width == 256


def test_no_band_at_all(folder, refused):
    (folder / "a.vrt").write_text('<VRTDataset rasterXSize="9" rasterYSize="9"></VRTDataset>')
    assert "cannot be read as a raster" in refused("a.vrt")


@pytest.mark.parametrize("stretch", [(), ("--stretch", "minmax:0,1")], ids=["measured", "given"])
def test_not_a_number_everywhere(folder, refused, stretch):
    write_tif(folder / "a.tif", np.full((3, 64, 64), np.nan, np.float32))
    write_geojson(folder / "p.geojson", [(point(30, 30), {})])
    assert "no valid pixel" in refused("a.tif", "p.geojson", *stretch)


def test_nodata_everywhere(folder, refused):
    write_tif(folder / "a.tif", np.zeros((3, 256, 256), np.uint8), nodata=0)
    assert "no valid pixel" in refused()


def test_a_point_cloud(folder, refused):
    (folder / "a.laz").write_bytes(b"LASF")
    assert "point cloud" in refused("a.laz")


@pytest.mark.parametrize("at", [(-3, 80), (70, 256.5), (9e9, 4)])
def test_a_click_outside(folder, refused, at):
    write_geojson(folder / "p.geojson", [*CLICK, (point(*at), {"object": 2})])
    line = refused()
    assert "object 2 lies outside the raster" in line
    assert "256 × 256" in line


def test_a_click_in_another_country(folder, refused):
    write_geojson(folder / "p.geojson", [(point(-97.1, 47.9), {})])
    assert "outside the raster" in refused(pixel=False)


def test_a_box_half_outside_is_answered():
    """The counterpart: what overlaps the raster is no mistake (see also the job's own tests)."""
    from inference_backend.imagery.source import pixels_source
    from inference_backend.job_checks import check_prompts
    from inference_backend.prompt_files import PromptedObject
    from inference_backend.prompts import Prompt

    half = PromptedObject(1, (Prompt("box", [[-20, -20], [30, 30]]),))
    check_prompts([half], pixels_source(np.zeros((64, 64, 3), np.uint8)))


def test_only_prompts_that_remove(folder, refused):
    write_geojson(folder / "p.geojson", [(point(70, 80), {"label": 0})])
    assert "All prompts of object 1 remove" in refused()


def test_no_crs_and_map_prompts(folder, refused):
    write_tif(folder / "a.tif", two_roofs(), None, None)
    write_geojson(folder / "p.geojson", [(point(9, 45), {})])
    assert "has no CRS" in refused(pixel=False)


def test_projected_coordinates_without_a_crs(folder, refused):
    write_geojson(folder / "p.geojson", [(point(500_030, 4_999_960), {})])
    assert "not in longitude and latitude" in refused(pixel=False)


def test_mixed_crs(folder, refused):
    write_geojson(folder / "p.geojson", [(point(9, 45), {}), (point(500_030, 4_999_960), {})])
    assert "not in longitude and latitude" in refused(pixel=False)


def test_a_crs_of_its_own_in_a_feature(folder, refused):
    geometry = {**point(500_030, 4_999_960), "crs": named_crs("EPSG:25832")}
    write_geojson(folder / "p.geojson", [(geometry, {})], crs=named_crs("EPSG:32632"))
    assert "another CRS than its file" in refused(pixel=False)


def test_a_shapefile_without_its_crs(folder, refused):
    geopandas.GeoDataFrame(geometry=[Point(500_030, 4_999_960)], crs=UTM).to_file(folder / "p.shp")
    (folder / "p.prj").unlink()
    assert "has no CRS" in refused("a.tif", "p.shp", pixel=False)


def test_prompts_that_are_no_prompts(folder, refused):
    (folder / "p.geojson").write_text('{"type": "FeatureCollection", "features": [')
    assert "no valid GeoJSON" in refused()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("what", ["half", "text", "empty", "gone"])
def test_a_wrong_checkpoint(folder, refused, what, suffix):
    """Half of one, and what never was one."""
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    path, tensors = folder / f"mine.{suffix}", {"weight": torch.zeros(5000)}
    if what == "half":
        save = torch.save if suffix == "pth" else safetensors.save_file
        save(tensors, path)
        path.write_bytes(path.read_bytes()[:9000])
    elif what != "gone":
        path.write_text("no weights at all" if what == "text" else "")
    line = refused("a.tif", "p.geojson", "--model", str(path))
    assert "mine" in line
    assert {"gone": "There is no checkpoint", "empty": ""}.get(what, " is ") in line


def test_a_read_only_target(folder, refused):
    geopandas.GeoDataFrame(geometry=[Point(1, 1)], crs=UTM).to_file(folder / "o.gpkg")
    (folder / "o.gpkg").chmod(0o444)
    before = (folder / "o.gpkg").read_bytes()
    assert "read-only" in refused()
    assert (folder / "o.gpkg").read_bytes() == before


def test_an_unknown_extension(folder, refused):
    line = refused(out="o.dwg")
    assert ".gpkg, .shp, .geojson" in line


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB of its own; needs the right to mount."""
    with mounted(tmp_path / "disk", "100k") as folder:
        yield folder


def test_a_disk_that_may_only_be_read(refused, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    line = refused(out=str(small_disk / "o.gpkg"))
    assert f"Nothing can be written in '{small_disk}'" in line


def test_a_full_disk(folder, small_disk):
    (small_disk / "filler").write_bytes(bytes(60_000))
    arguments = ("a.tif", "--prompts", "p.geojson", "--pixel", "--out", small_disk / "o.gpkg")
    done = run(folder, 0, *arguments, program=(COLOUR_SEGMENT,))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "is full; free some space" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX here")
@pytest.mark.parametrize(
    "how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=["kill", "term", "interrupt"]
)
def test_a_job_that_is_stopped_in_the_middle_leaves_what_was_there(folder, how):
    write_geojson(folder / "p.geojson", [*CLICK, (box(148, 118, 212, 202), {"object": 2})])
    geopandas.GeoDataFrame(geometry=[Point(1, 1)], crs=UTM).to_file(folder / "o.gpkg", layer="o")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = [
        "0.3",
        "a.tif",
        "--prompts",
        "p.geojson",
        "--pixel",
        "--out",
        "o.gpkg",
        "--mask",
        "m.tif",
    ]
    child = subprocess.Popen(
        [sys.executable, COLOUR_SEGMENT, *arguments],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "working\n"
    child.send_signal(how)
    _, stderr = child.communicate(timeout=120)
    if how == signal.SIGKILL:
        assert child.returncode == -signal.SIGKILL
    else:
        assert (child.returncode, stderr) == (130, "cityseg: Cancelled.\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_same_job_not_stopped_replaces_what_was_there(folder):
    """The counterpart of the two above: the small model's job does end well."""
    geopandas.GeoDataFrame(geometry=[Point(1, 1)], crs=UTM).to_file(folder / "o.gpkg", layer="o")
    arguments = ("a.tif", "--prompts", "p.geojson", "--pixel", "--out", "o.gpkg")
    done = run(folder, 0, *arguments, program=(COLOUR_SEGMENT,))
    assert (done.returncode, done.stderr) == (0, "")
    assert geopandas.read_file(folder / "o.gpkg")["object"].tolist() == [1]
