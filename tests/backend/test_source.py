"""Any raster, one interface: data types, band orders, gaps, georeferences and windows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import open_raster, pixels_source
from tests.data.rasters import UTM, UTM_GRID, two_roofs, write_gcps, write_tif

RNG = np.random.default_rng(11)
NOISE = RNG.integers(0, 256, (3, 97, 131), dtype=np.uint8)


def native(source, window=None):
    col, row, cols, rows = window or (0, 0, source.width, source.height)
    return source.read_rgb(col, row, cols, rows, rows, cols)


def test_eight_bit_rgb_is_read_as_it_is(tmp_path):
    with open_raster(write_tif(tmp_path / "a.tif", NOISE)) as source:
        rgb, valid = native(source)
        assert source.stretch.kind == "none"
        assert (source.width, source.height, source.count, source.dtype) == (131, 97, 3, "uint8")
    np.testing.assert_array_equal(rgb, NOISE.transpose(1, 2, 0))
    assert valid.all()


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "float32", "float64"]
)
def test_every_data_type_gives_the_same_picture_once_stretched(tmp_path, dtype):
    scale, offset = {"int8": (0.4, -50), "int16": (50, -6000), "uint16": (200, 9)}.get(
        dtype, (0.7, 3)
    )
    values = NOISE.astype(float) * scale + offset
    data = values.astype(dtype)
    low, high = offset, offset + 255 * scale
    with open_raster(write_tif(tmp_path / "a.tif", data), stretch=f"minmax:{low},{high}") as source:
        rgb, valid = native(source)
    assert valid.all()
    expected = np.clip((data.astype(float) - low) / (high - low) * 255, 0, 255)
    assert np.abs(rgb.transpose(2, 0, 1) - expected).max() <= 0.51


def test_colour_roles_decide_the_bands_whatever_their_order(tmp_path):
    order = (ColorInterp.undefined, ColorInterp.blue, ColorInterp.red, ColorInterp.green)
    bands = np.stack([np.zeros_like(NOISE[0]), NOISE[2], NOISE[0], NOISE[1]])
    path = write_tif(tmp_path / "a.tif", bands, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = order
    with open_raster(path) as source:
        assert source.bands == (3, 4, 2)
        np.testing.assert_array_equal(native(source)[0], NOISE.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("count", "bands"), [(1, (1, 1, 1)), (2, (1, 1, 1)), (3, (1, 2, 3)), (9, (1, 2, 3))]
)
def test_without_roles_the_first_three_bands_or_grey(tmp_path, count, bands):
    data = RNG.integers(0, 256, (count, 20, 30), dtype=np.uint8)
    with open_raster(write_tif(tmp_path / "a.tif", data, photometric="MINISBLACK")) as source:
        assert source.bands == bands
        expected = data[[band - 1 for band in bands]].transpose(1, 2, 0)
        np.testing.assert_array_equal(native(source)[0], expected)


def test_chosen_bands_win_and_a_band_that_is_not_there_is_named(tmp_path):
    path = write_tif(tmp_path / "a.tif", NOISE)
    with open_raster(path, bands=(3, 1, 1)) as source:
        np.testing.assert_array_equal(native(source)[0], NOISE[[2, 0, 0]].transpose(1, 2, 0))
    with open_raster(path, bands=[2]) as source:
        assert source.bands == (2, 2, 2)
    with pytest.raises(InvalidInput, match="no band 4; its bands are 1 to 3"):
        open_raster(path, bands=(1, 2, 4))
    with pytest.raises(InvalidInput, match="one band or three, not 2"):
        open_raster(path, bands=(1, 2))


def test_nodata_in_all_bands_is_a_gap_and_in_one_band_a_colour(tmp_path):
    data = np.full((3, 8, 8), 100, np.uint8)
    data[:, :4] = 0
    data[0, 6] = 0
    with open_raster(write_tif(tmp_path / "a.tif", data, nodata=0)) as source:
        rgb, valid = native(source)
    assert not valid[:4].any()
    assert valid[4:].all()
    assert not rgb[:4].any()
    assert tuple(rgb[6, 0]) == (0, 100, 100)


def test_alpha_is_no_colour_and_hides(tmp_path):
    data = np.concatenate([NOISE, np.full((1, 97, 131), 255, np.uint8)])
    data[3, :, :50] = 0
    path = write_tif(tmp_path / "a.tif", data, photometric="RGB", alpha="yes")
    with open_raster(path) as source:
        rgb, valid = native(source)
    assert not valid[:, :50].any()
    assert valid[:, 50:].all()
    np.testing.assert_array_equal(rgb[:, 50:], NOISE.transpose(1, 2, 0)[:, 50:])


def test_a_mask_band_hides(tmp_path):
    path = write_tif(tmp_path / "a.tif", NOISE)
    mask = np.full((97, 131), 255, np.uint8)
    mask[10:20] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    with open_raster(path) as source:
        np.testing.assert_array_equal(native(source)[1], mask > 0)


def test_not_a_number_is_a_gap_at_every_scale(tmp_path):
    data = np.ones((1, 64, 64), np.float32) * np.arange(64, dtype=np.float32)
    data[0, :32, :32] = np.nan
    data[0, 40, 40] = np.inf
    with open_raster(write_tif(tmp_path / "a.tif", data), stretch="minmax:0,63") as source:
        _, valid = native(source)
        _, coarse = source.read_rgb(0, 0, 64, 64, 4, 4)
    expected = np.isfinite(data[0])
    np.testing.assert_array_equal(valid, expected)
    assert not coarse[:2, :2].any()
    assert coarse[0, 2:].all()


def test_averages_leave_gaps_out(tmp_path):
    data = np.full((1, 40, 40), 200, np.uint16)
    data[0, ::2, ::4] = 60_000
    path = write_tif(tmp_path / "a.tif", data, nodata=60_000)
    with open_raster(path, stretch="minmax:0,255") as source:
        rgb, valid = source.read_rgb(0, 0, 40, 40, 10, 10)
    assert valid.all()
    assert (rgb == 200).all()


def test_palette_becomes_colour_and_is_averaged_as_colour(tmp_path):
    index = np.zeros((1, 16, 16), np.uint8)
    index[0, :, 8:] = 1
    path = write_tif(tmp_path / "a.tif", index, photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (250, 10, 20, 255), 1: (0, 100, 240, 255)})
        dataset.colorinterp = (ColorInterp.palette,)
    with open_raster(path) as source:
        rgb, _ = native(source)
        middle, _ = source.read_rgb(7, 0, 2, 2, 1, 1)
    assert tuple(rgb[0, 0]) == (250, 10, 20)
    assert tuple(rgb[0, 15]) == (0, 100, 240)
    assert tuple(middle[0, 0]) == (125, 55, 130)


def gradient_source(tmp_path, cols=211, rows=173):
    """Values 2 x + 3 y at pixel centres: averages and linear interpolation of it are known everywhere."""
    path = tmp_path / "gradient.tif"
    if not path.exists():
        row, col = np.mgrid[:rows, :cols] + 0.5
        write_tif(path, (2 * col + 3 * row)[None].astype(np.float32))
    return open_raster(path, stretch="minmax:0,1020")


@settings(max_examples=60, deadline=None)
@given(
    st.floats(5, 80),
    st.floats(5, 60),
    st.floats(3, 120),
    st.floats(3, 100),
    st.integers(1, 90),
    st.integers(1, 90),
)
def test_any_window_at_any_scale_is_where_it_says(
    tmp_path_factory, col0, row0, cols, rows, out_cols, out_rows
):
    folder = Path(tmp_path_factory.getbasetemp()) / "gradient"
    folder.mkdir(exist_ok=True)
    with gradient_source(folder) as source:
        rgb, valid = source.read_rgb(col0, row0, cols, rows, out_rows, out_cols)
    x = col0 + (np.arange(out_cols) + 0.5) * cols / out_cols
    y = row0 + (np.arange(out_rows) + 0.5) * rows / out_rows
    assert valid.all()
    expected = (2 * x + 3 * y[:, None]) / 4
    # Rounding to 8 bits, and an eighth of an output pixel, which cells cut by a window may cost.
    allowed = 0.51 + 0.125 * (2 * cols / out_cols + 3 * rows / out_rows) / 4
    assert np.abs(rgb[..., 0] - expected).max() <= allowed


@settings(max_examples=40, deadline=None)
@given(st.integers(-40, 150), st.integers(-40, 120), st.integers(1, 90), st.integers(1, 90))
def test_outside_is_black_and_not_valid(tmp_path_factory, col0, row0, cols, rows):
    source = pixels_source(NOISE.transpose(1, 2, 0))
    rgb, valid = source.read_rgb(col0, row0, cols, rows, rows, cols)
    col, row = np.arange(col0, col0 + cols), np.arange(row0, row0 + rows)
    inside = ((row >= 0) & (row < 97))[:, None] & ((col >= 0) & (col < 131))
    np.testing.assert_array_equal(valid, inside)
    assert not rgb[~inside].any()
    shown = NOISE[:, row[inside.any(1)]][:, :, col[inside.any(0)]]
    np.testing.assert_array_equal(rgb[inside], shown.reshape(3, -1).T)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 8])
def test_crops_agree_with_the_whole_at_every_scale(tmp_path, factor):
    """Also at the right and lower edge, where the last cell is narrower."""
    with open_raster(
        write_tif(tmp_path / "a.tif", NOISE.astype(np.uint16)), stretch="minmax:0,255"
    ) as source:
        out_cols, out_rows = 131 // factor + 1, 97 // factor + 1
        whole, seen = source.read_rgb(
            0, 0, out_cols * factor, out_rows * factor, out_rows, out_cols
        )
        half_cols, half_rows = out_cols // 2, out_rows // 2
        crop, valid = source.read_rgb(
            half_cols * factor,
            half_rows * factor,
            (out_cols - half_cols) * factor,
            (out_rows - half_rows) * factor,
            out_rows - half_rows,
            out_cols - half_cols,
        )
    np.testing.assert_array_equal(crop, whole[half_rows:, half_cols:])
    np.testing.assert_array_equal(valid, seen[half_rows:, half_cols:])


def test_overviews_are_used(tmp_path):
    """They are made to differ from the pixels here, so that the answer shows what was read."""
    path = write_tif(tmp_path / "a.tif", np.zeros((1, 512, 512), np.uint8), tiled=True)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([4])
    with rasterio.open(path, "r+", OVERVIEW_LEVEL=0) as overview:
        overview.write(np.full((1, 128, 128), 77, np.uint8))
    with open_raster(path) as source:
        assert (source.read_rgb(0, 0, 512, 512, 128, 128)[0] == 77).all()
        assert (source.read_rgb(0, 0, 512, 512, 64, 64)[0] == 77).all()
        assert (native(source)[0] == 0).all()


@pytest.mark.parametrize(
    ("crs", "transform", "gsd_m"),
    [
        (UTM, UTM_GRID, 0.5),
        (UTM, Affine.translation(5e5, 5e6) * Affine.rotation(30) * Affine.scale(0.25, -0.25), 0.25),
        (UTM, Affine(0.5, 0, 5e5, 0, 0.5, 5e6), 0.5),
        ("EPSG:2263", Affine(2, 0, 980_000, 0, -2, 200_000), 2 * 0.3048006096),
        ("EPSG:3857", Affine(1, 0, 1.0e6, 0, -1, 8_399_737.9), 0.5011),
        ("EPSG:4326", Affine(1e-5, 0, 10, 0, -1e-5, 60), np.sqrt(0.5580 * 1.1141)),
        (None, UTM_GRID, None),
        (None, None, None),
    ],
    ids=["utm", "rotated", "south-up", "feet", "mercator", "degrees", "no crs", "no georeference"],
)
def test_ground_sampling_distance_is_in_ground_metres(tmp_path, crs, transform, gsd_m):
    path = write_tif(tmp_path / "a.tif", NOISE, transform, crs)
    with open_raster(path) as source:
        assert source.has_georeference == (transform is not None)
        assert (source.crs is None) == (crs is None)
        if transform is not None:
            assert source.transform.almost_equals(transform)
        if gsd_m is None:
            assert source.gsd_m is None
        else:
            assert source.gsd_m == pytest.approx(gsd_m, rel=1e-3)


def test_ground_control_points_place_a_raster(tmp_path):
    grid = Affine.translation(5e5, 5e6) * Affine.rotation(12) * Affine.scale(0.5, -0.5)
    with open_raster(write_gcps(tmp_path / "a.tif", NOISE, grid, UTM)) as source:
        assert source.has_georeference
        assert source.crs == pyproj.CRS(UTM)
        assert source.transform.almost_equals(grid, 1e-6)
        assert source.gsd_m == pytest.approx(0.5)


@pytest.mark.parametrize("driver", ["PNG", "JPEG", "BMP", "HFA"])
def test_other_formats(tmp_path, driver):
    path = write_tif(tmp_path / f"a.{driver.lower()}", two_roofs(), None, None, driver=driver)
    with open_raster(path) as source:
        rgb, valid = native(source)
    assert valid.all()
    assert np.abs(rgb[80, 70].astype(int) - (200, 40, 30)).max() < 12


def test_key_changes_with_all_that_a_model_sees(tmp_path):
    path = write_tif(tmp_path / "a.tif", NOISE)
    keys = []
    for arguments in (
        {},
        {"bands": (3, 2, 1)},
        {"stretch": "minmax:0,200"},
        {"stretch": "minmax:0,201"},
    ):
        with open_raster(path, **arguments) as source:
            keys.append(source.key)
    with open_raster(path) as source:
        assert source.key == keys[0]
    os.utime(path, ns=(1, 1))
    with open_raster(path) as source:
        keys.append(source.key)
    assert len(set(keys)) == len(keys)


def test_inline_pixels_have_the_same_interface():
    image = NOISE.transpose(1, 2, 0)
    wkt = pyproj.CRS(UTM).to_wkt()
    source = pixels_source(image, tuple(UTM_GRID)[:6], wkt, "web")
    assert (source.width, source.height, source.crs.to_epsg()) == (131, 97, 32632)
    assert source.gsd_m == pytest.approx(0.5)
    small, _ = source.read_rgb(0, 0, 128, 96, 32, 32)
    blocks = image[:96, :128].reshape(32, 3, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 1
    assert pixels_source(image).key != pixels_source(image[::-1]).key
    with pytest.raises(InvalidInput, match="8-bit RGB"):
        pixels_source(NOISE)


def test_a_raster_over_four_gigabytes_is_read_by_windows(tmp_path):
    """5 GB of pixels of which one tile is on the disk: the rest would take minutes to read, and the memory shows it."""
    resource = pytest.importorskip("resource")
    path, side = tmp_path / "large.tif", 71_000
    profile = {
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "sparse_ok": True,
        "bigtiff": "yes",
    }
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=1,
        dtype="uint8",
        crs=UTM,
        transform=UTM_GRID,
        **profile,
    ) as dataset:
        tile = RNG.integers(1, 255, (512, 512), dtype=np.uint8)
        dataset.write(tile, 1, window=Window(69_632, 70_144, 512, 512))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_raster(path, stretch="percentile") as source:
        assert source.stretch.kind == "percentile"
    with open_raster(path) as source:
        assert source.width * source.height > 2**32
        rgb, valid = native(source, (69_632, 70_144, 512, 512))
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    np.testing.assert_array_equal(rgb[..., 0], tile)
    assert valid.all()
    assert grown_mb < 600
