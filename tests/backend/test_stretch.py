"""One stretch for a whole raster, so that a result does not depend on the crop."""

from __future__ import annotations

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import open_raster
from inference_backend.imagery.stretch import Stretch, parse_stretch
from tests.data.rasters import write_tif


def sixteen_bit(tmp_path, nodata=None):
    """Values 1000 to 5000 from left to right, with a dark and a bright outlier column."""
    ramp = np.linspace(1000, 5000, 400).astype(np.uint16)
    data = np.broadcast_to(ramp, (3, 300, 400)).copy()
    data[:, :, 0], data[:, :, -1] = 0, 60_000
    return write_tif(tmp_path / "a.tif", data, nodata=nodata)


def test_percentiles_of_the_whole_raster(tmp_path):
    with open_raster(sixteen_bit(tmp_path)) as source:
        assert source.stretch.kind == "percentile"
        assert source.stretch.low[0] == pytest.approx(1000 + 0.02 * 4000, abs=20)
        assert source.stretch.high[0] == pytest.approx(1000 + 0.98 * 4000, abs=20)


def test_nodata_is_left_out_of_the_percentiles(tmp_path):
    data = np.full((1, 100, 100), 65_535, np.uint16)
    data[0, :30] = np.linspace(100, 200, 100).astype(np.uint16)
    with open_raster(write_tif(tmp_path / "a.tif", data, nodata=65_535)) as source:
        assert source.stretch.high[0] < 201


def test_every_crop_gets_the_same_stretch(tmp_path):
    with open_raster(sixteen_bit(tmp_path)) as source:
        whole, _ = source.read_rgb(0, 0, 400, 300, 300, 400)
        dark, _ = source.read_rgb(10, 0, 50, 50, 50, 50)
    np.testing.assert_array_equal(dark, whole[:50, 10:60])
    assert dark.max() < 40


def test_the_stretch_is_the_same_each_time_it_is_computed(tmp_path):
    path = sixteen_bit(tmp_path)
    with open_raster(path) as first, open_raster(path) as second:
        assert first.stretch == second.stretch


def test_a_large_raster_is_sampled_alike(tmp_path):
    """More pixels than are read whole: the patches find the same limits as the whole would."""
    rng = np.random.default_rng(3)
    data = rng.normal(3000, 500, (1, 4100, 4000)).astype(np.uint16)
    with open_raster(write_tif(tmp_path / "a.tif", data, tiled=True)) as source:
        low, high = np.percentile(data, (2, 98))
        assert source.stretch.low[0] == pytest.approx(low, abs=10)
        assert source.stretch.high[0] == pytest.approx(high, abs=10)


def test_data_that_all_patches_miss_are_found_after_all(tmp_path):
    data = np.zeros((1, 4100, 4000), np.uint16)
    data[0, 100:130, 100:130] = 500
    path = write_tif(tmp_path / "a.tif", data, nodata=0, tiled=True, compress="deflate")
    with open_raster(path) as source:
        assert source.stretch.low[0] == pytest.approx(500, abs=1)


def test_limits_of_a_layer_are_taken_as_given(tmp_path):
    wish = {"kind": "minmax", "low": [1000, 2000, 0], "high": [5000, 4000, 8000]}
    with open_raster(sixteen_bit(tmp_path), stretch=wish) as source:
        assert source.stretch.to_json() == wish
        rgb, _ = source.read_rgb(100, 0, 1, 1, 1, 1)
    value = np.linspace(1000, 5000, 400).astype(np.uint16)[100]
    expected = [(value - 1000) / 4000, (value - 2000) / 2000, value / 8000]
    np.testing.assert_allclose(rgb[0, 0], np.array(expected) * 255, atol=0.51)


def test_a_flat_band_is_no_division_by_zero(tmp_path):
    with open_raster(write_tif(tmp_path / "a.tif", np.full((1, 9, 9), 7, np.float32))) as source:
        rgb, valid = source.read_rgb(0, 0, 9, 9, 9, 9)
    assert valid.all()
    assert (rgb == rgb[0, 0, 0]).all()


@pytest.mark.parametrize(
    ("word", "kind"),
    [("none", "none"), ("percentile", "percentile"), ("percentile:1,99", "percentile")],
)
def test_words_of_the_command_line(word, kind):
    assert parse_stretch(word).kind == kind


def test_minmax_words():
    assert parse_stretch("minmax:5,90").limits == Stretch("minmax", (5, 5, 5), (90, 90, 90))
    assert parse_stretch("minmax:1,2,3,4,5,6").limits == Stretch("minmax", (1, 3, 5), (2, 4, 6))


@pytest.mark.parametrize(
    "wish",
    [
        "sigma",
        "minmax",
        "minmax:9",
        "minmax:9,1",
        "minmax:a,b",
        "percentile:2",
        "percentile:98,2",
        "none:1",
        {"kind": "minmax", "low": [1, 2], "high": [3, 4]},
        {"kind": "log"},
        {"kind": "minmax", "low": [0] * 3, "high": [0] * 3},
        {"kind": "minmax", "low": [0] * 3, "high": [float("nan")] * 3},
    ],
)
def test_what_is_no_stretch_says_so(wish):
    with pytest.raises(InvalidInput):
        parse_stretch(wish)
