"""Rasters whose pixels are lost: an error with one sentence, never pixels that nobody wrote; whole files are read."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import rasterio

from inference_backend.errors import InvalidInput
from inference_backend.imagery.bands import BandReader, Box
from inference_backend.imagery.dataset import open_dataset
from inference_backend.imagery.source import open_raster

LOST = "damaged, incomplete"
END_OF_JPEG = b"\xff\xd9"


def picture(side: int, bands: int) -> np.ndarray:
    """Noise, so that every byte of the file matters."""
    return np.random.default_rng(0).integers(1, 255, (bands, side, side), dtype=np.uint8)


def write(path, driver: str, values: np.ndarray, **options) -> bytes:
    bands, rows, cols = values.shape
    profile = {"driver": driver, "width": cols, "height": rows, "count": bands, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(values)
    return path.read_bytes()


def read(path) -> np.ndarray:
    with open_raster(path) as source:
        rgb, _ = source.read_rgb(0, 0, source.width, source.height, source.height, source.width)
    return np.moveaxis(rgb, 2, 0)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize(("side", "bands"), [(300, 3), (300, 1), (1500, 1), (1500, 3)])
def test_a_png_that_ends_early(tmp_path, side, bands, share):
    path = tmp_path / "a.png"
    values = picture(side, bands)
    whole = write(path, "PNG", values)
    assert np.array_equal(read(path), values if bands == 3 else np.repeat(values, 3, axis=0))
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidInput, match=LOST):
        read(path)


@pytest.mark.parametrize("options", [{}, {"PROGRESSIVE": "ON"}], ids=["rows", "progressive"])
@pytest.mark.parametrize("end", [b"", END_OF_JPEG], ids=["no end", "an end of its own"])
def test_a_jpeg_that_ends_early(tmp_path, end, options):
    path = tmp_path / "a.jpg"
    whole = write(path, "JPEG", picture(300, 3), **options)
    assert read(path).shape == (3, 300, 300)
    path.write_bytes(whole[: len(whole) // 2] + end)
    with pytest.raises(InvalidInput, match=LOST):
        read(path)


def test_a_jpeg_2000_that_ends_early(tmp_path):
    """GDAL decodes large ones in threads whose faults it does not report."""
    path = tmp_path / "a.jp2"
    values = picture(1500, 3)
    whole = write(path, "JP2OpenJPEG", values, QUALITY="100", REVERSIBLE="YES")
    assert np.array_equal(read(path), values)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match=LOST):
        read(path)


def test_a_jpeg_with_padding_is_whole(tmp_path, caplog):
    """Some cameras pad; libjpeg warns of that as well."""
    path = tmp_path / "a.jpg"
    whole = write(path, "JPEG", picture(300, 3), PROGRESSIVE="ON")
    expected = read(path)
    tables = whole.rindex(b"\xff\xc4")
    path.write_bytes(whole[:tables] + bytes(9) + whole[tables:])
    assert np.array_equal(read(path), expected)
    assert "9 extraneous bytes" in caplog.text


def test_what_was_lost_once_stays_lost(tmp_path):
    """GDAL has the half-decoded rows in its cache by then, and does not warn again; other threads are told as well."""
    path = tmp_path / "a.jpg"
    whole = write(path, "JPEG", picture(300, 3))
    path.write_bytes(whole[: len(whole) // 2] + END_OF_JPEG)
    told: list[str] = []

    def look(source) -> None:
        try:
            source.read_rgb(0, 0, 300, 300, 300, 300)
        except InvalidInput as error:
            told.append(error.user_message)

    with open_raster(path) as source:
        look(source)
        other = threading.Thread(target=look, args=(source,))
        other.start()
        other.join()
    assert len(told) == 2
    assert all(LOST in sentence for sentence in told)


def test_a_mask_that_ends_early(tmp_path):
    path = tmp_path / "mask.png"
    whole = write(path, "PNG", picture(400, 1))
    path.write_bytes(whole[: len(whole) // 2])
    with open_dataset(str(path)) as dataset, pytest.raises(InvalidInput, match=LOST):
        BandReader(dataset, 1).read(Box(0, 0, 400, 400))
