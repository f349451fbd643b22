"""Label rasters and masks to polygons: by value, without stairs, the same whatever the strips."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from pyogrio import read_dataframe
from rasterio.features import rasterize

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.vectorize import VectorizeJob, run_vectorize
from tests.data.rasters import write_tif

UTM = "EPSG:32632"
HALF_METRE = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)


def vectorize(tmp_path, values, transform=HALF_METRE, crs=UTM, profile=None, **job):
    """The frame of what comes out."""
    raster = write_tif(tmp_path / "labels.tif", values[None], transform, crs, **(profile or {}))
    out = tmp_path / "out.gpkg"
    summary = run_vectorize(VectorizeJob(str(raster), str(out), **job))
    frame = read_dataframe(out)
    assert summary["count"] == len(frame)
    return frame


def blocks():
    labels = np.zeros((300, 400), np.uint16)
    labels[50:100, 40:90] = 7
    labels[50:100, 90:150] = 3
    labels[200:220, 300:400] = 7
    return labels


def disc(radius_px=40.0):
    rows, cols = np.mgrid[:200, :200] + 0.5
    return ((rows - 100) ** 2 + (cols - 90) ** 2 < radius_px**2).astype(np.uint8)


def vertices(geometry):
    return shapely.get_num_coordinates(geometry)


def test_each_connected_part_of_a_value_is_a_feature(tmp_path):
    found = vectorize(tmp_path, blocks())
    assert sorted(zip(found["value"], found["area_m2"].round(0))) == [(3, 750), (7, 500), (7, 625)]
    seven = found[(found["value"] == 7) & (found["area_m2"] > 600)].geometry.iloc[0]
    truth = shapely.box(500_020, 4_999_950, 500_045, 4_999_975)
    assert seven.intersection(truth).area / seven.union(truth).area > 0.995


def test_without_split_each_value_is_a_feature(tmp_path):
    found = vectorize(tmp_path, blocks(), split=False)
    assert list(found["value"]) == [3, 7]
    assert [len(shape.geoms) for shape in found.geometry] == [1, 2]


def test_outlines_have_no_stairs(tmp_path):
    found = vectorize(tmp_path, disc())
    assert len(found) == 1
    outline = found.geometry.iloc[0]
    assert vertices(outline) < 25
    assert found["area_m2"].iloc[0] == pytest.approx(np.pi * 20**2, rel=0.01)
    circle = shapely.Point(500_045, 4_999_950).buffer(20, quad_segs=64)
    assert outline.hausdorff_distance(circle) < 0.5


@pytest.mark.parametrize("threshold", [None, 0.5], ids=["labels", "mask"])
def test_a_turned_roof_has_few_corners(tmp_path, threshold):
    roof = shapely.affinity.rotate(shapely.box(60, 70, 140, 110), 7)
    pixels = rasterize([roof], out_shape=(200, 200), dtype="uint8")
    found = vectorize(tmp_path, pixels, threshold=threshold).geometry.iloc[0]
    truth = shapely.affinity.affine_transform(roof, [0.5, 0, 0, -0.5, 500_000, 5_000_000])
    assert vertices(found) <= 9
    assert found.intersection(truth).area / found.union(truth).area > 0.99


def test_a_tolerance_of_zero_keeps_every_vertex(tmp_path):
    assert vertices(vectorize(tmp_path, disc(), tolerance_m=0.0).geometry.iloc[0]) > 150


def test_strips_do_not_show(tmp_path, monkeypatch):
    labels = disc(60) + blocks()[:200, :200].astype(np.uint8)
    whole = vectorize(tmp_path, labels, tolerance_m=0.0)
    for module in ("imagery.bands", "vectorize"):
        monkeypatch.setattr(f"inference_backend.{module}.STRIP_PX", 200 * 7)
    strips = vectorize(tmp_path, labels, tolerance_m=0.0)
    key = ["value", "area_m2"]
    whole, strips = whole.sort_values(key), strips.sort_values(key)
    assert list(strips["value"]) == list(whole["value"])
    for one, other in zip(strips.geometry, whole.geometry):
        assert one.symmetric_difference(other).area < 1e-4 * other.area


def test_a_threshold_cuts_a_probability_between_pixels(tmp_path):
    """A ramp over ten columns is 0.5 at column 50: the edge lies there, not at a pixel's edge."""
    ramp = np.clip((np.arange(100) + 0.5 - 45.25) / 10, 0, 1).astype(np.float32)
    field = np.tile(ramp, (60, 1))
    (edge, _, right, _), = [g.bounds for g in vectorize(tmp_path, field, threshold=0.5).geometry]
    assert edge == pytest.approx(500_000 + 50.25 / 2, abs=0.01)
    assert right == 500_050
    (edge, *_), = [g.bounds for g in vectorize(tmp_path, field, threshold=0.7).geometry]
    assert edge == pytest.approx(500_000 + 52.25 / 2, abs=0.01)


def test_a_mask_of_255_by_its_threshold(tmp_path):
    found = vectorize(tmp_path, disc() * np.uint8(255), threshold=127.5)
    assert list(found["value"]) == [1]
    assert found["area_m2"].iloc[0] == pytest.approx(np.pi * 20**2, rel=0.01)


def test_no_data_and_background_are_no_objects(tmp_path):
    labels = blocks()
    found = vectorize(tmp_path, labels, profile={"nodata": 7})
    assert set(found["value"]) == {3}
    found = vectorize(tmp_path, labels, background=3)
    assert set(found["value"]) == {0, 7}


def test_small_parts_and_holes_go(tmp_path):
    labels = blocks()
    labels[60:64, 60:64] = 0
    labels[280:284, 10:14] = 9
    found = vectorize(tmp_path, labels, min_area_m2=10.0)
    assert set(found["value"]) == {3, 7}
    assert all(not part.interiors for shape in found.geometry for part in shape.geoms)
    found = vectorize(tmp_path, labels, min_area_m2=10.0, min_hole_m2=0.0)
    assert sum(len(part.interiors) for shape in found.geometry for part in shape.geoms) == 1


@pytest.mark.parametrize(
    "transform",
    [Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000), Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000)],
    ids=["rotated", "south up"],
)
def test_a_turned_raster(tmp_path, transform):
    found = vectorize(tmp_path, disc(), transform)
    middle = found.geometry.iloc[0].centroid
    assert (middle.x, middle.y) == pytest.approx(transform * (90, 100), abs=0.1)
    assert found["area_m2"].iloc[0] == pytest.approx(np.pi * 20**2, rel=0.01)


def test_without_a_crs_there_are_no_metres(tmp_path):
    found = vectorize(tmp_path, disc(), None, None)
    assert found.crs is None
    assert found["area_m2"].isna().all()
    assert found.geometry.iloc[0].area == pytest.approx(np.pi * 40**2, rel=0.01)


def test_nothing_there_is_an_empty_layer(tmp_path):
    assert len(vectorize(tmp_path, np.zeros((50, 50), np.uint8))) == 0
    assert len(vectorize(tmp_path, np.zeros((50, 50), np.float32), threshold=0.5)) == 0


def test_whole_numbers_in_floats_are_labels(tmp_path):
    labels = blocks().astype(np.float32)
    labels[labels == 0] = np.nan
    assert set(vectorize(tmp_path, labels)["value"]) == {3, 7}


@pytest.mark.parametrize(
    ("values", "job", "words"),
    [
        (np.full((20, 20), 0.25, np.float32), {}, "give a threshold"),
        (np.ones((20, 20), np.uint8), {"band": 2}, "no band 2"),
        (np.ones((20, 20), np.uint8), {"tolerance_m": -1.0}, "zero or more"),
        (np.ones((20, 20), np.complex64), {}, "complex"),
        (np.ones((20, 20), np.uint8), {"threshold": float("nan")}, "threshold"),
    ],
)
def test_what_cannot_be_vectorized_is_said(tmp_path, values, job, words):
    with pytest.raises(InvalidInput, match=words):
        vectorize(tmp_path, values, **job)
    assert not (tmp_path / "out.gpkg").exists()


def test_measurements_are_told_from_labels(tmp_path):
    heights = np.random.default_rng(1).integers(1, 2000, (400, 400)).astype(np.int16)
    with pytest.raises(InvalidInput, match="all over each other"):
        vectorize(tmp_path, heights)


def test_the_input_is_not_overwritten(tmp_path):
    raster = write_tif(tmp_path / "a.gpkg", blocks()[None].astype(np.uint8), HALF_METRE, UTM, driver="GPKG")
    with pytest.raises(InvalidInput, match="would be lost"):
        run_vectorize(VectorizeJob(str(raster), str(raster)))


def test_a_cancelled_run_writes_nothing(tmp_path):
    raster = write_tif(tmp_path / "labels.tif", blocks()[None], HALF_METRE, UTM)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        run_vectorize(
            VectorizeJob(str(raster), str(tmp_path / "out.gpkg")),
            lambda fraction, message: cancel.cancel() if fraction > 0.2 else None,
            cancel,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.parametrize(
    "values", [{"source": "a.tif"}, {"source": 1, "out": "b.gpkg"}, {"source": "a", "out": "b", "colour": 1}]
)
def test_a_malformed_job_is_said(values):
    with pytest.raises(InvalidInput):
        VectorizeJob.from_json(values)
