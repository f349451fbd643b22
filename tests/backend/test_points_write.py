"""Clouds written in every format hold every point and every dimension of the source, whatever the source is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.errors import InvalidInput
from inference_backend.points.open import open_cloud
from inference_backend.points.write import write_cloud
from tests.data.classified_clouds import (
    LABELS,
    assert_equal_dimensions,
    assert_same_ept,
    assert_same_points,
    expected,
    make_results,
    read_ept,
)
from tests.data.clouds import VERSIONS, make_header, make_points, two_extra_records

LIDAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "lidar"
FORMATS = ("las", "laz", "copc.laz", "ept")
# One of each width and kind; arrays are the deprecated pairs and triples of LAS 1.4.
EXTRA_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
EXTRA_TYPES += ("float32", "float64", "2int32", "3uint8", "5uint8")


@st.composite
def clouds(draw):
    """A source, the format of its result, and how its points lie."""
    version, point_format = draw(
        st.sampled_from([(v, f) for v, formats in VERSIONS.items() for f in formats if v != "1.0"])
    )
    return {
        "version": version,
        "point_format": point_format,
        "extra": draw(st.lists(st.sampled_from(EXTRA_TYPES), max_size=3)),
        "count": draw(st.sampled_from([1, 2, 17, 400])),
        "place": draw(st.sampled_from(["spread", "equal", "line"])),
        "scale": draw(st.sampled_from([0.01, 0.001, 0.25])),
        "most_code": draw(st.sampled_from([6, 31, 32, 255])),
        "seed": draw(st.integers(0, 1000)),
    }


def make_source(path: Path, values: dict) -> laspy.LasData:
    head = make_header(
        values["point_format"], values["version"], extra=False, scale=values["scale"]
    )
    plain = make_points(head, values["count"], values["seed"], side=50)
    for number, kind in enumerate(values["extra"]):
        head.add_extra_dim(laspy.ExtraBytesParams(f"extra {number}", kind))
    points = laspy.ScaleAwarePointRecord.zeros(len(plain), header=head)
    for name in plain.array.dtype.names:
        points.array[name] = plain.array[name]
    rng = np.random.default_rng(values["seed"])
    for name in head.point_format.extra_dimension_names:
        column = points.array[name]
        # Every bit may be set, but those of a 64-bit integer that an EPT cannot hold, and of a float that is no number.
        data = rng.integers(0, 256, column.nbytes, dtype=np.uint8).view(column.dtype)
        data = data.reshape(column.shape)
        if column.dtype.base.kind == "f":
            data = np.nan_to_num(data, nan=1.5, posinf=0, neginf=0)
        elif column.dtype.base.itemsize == 8:
            data = data // 4096
        points.array[name] = data
    if values["place"] != "spread":
        for name in "XYZ" if values["place"] == "equal" else "XZ":
            points.array[name] = 7
    points["classification"] = rng.integers(0, 32, len(points))
    laspy.LasData(head, points).write(path)
    return laspy.read(path)


@pytest.mark.parametrize("form", FORMATS)
@given(values=clouds())
@settings(max_examples=15)
def test_every_point_and_dimension_comes_through(form, values):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_source(folder / "source.laz", values)
        results = make_results(len(source), folder / "results", most_code=values["most_code"])
        out = folder / (form if form == "ept" else f"out.{form}")
        with open_cloud(folder / "source.laz") as cloud:
            written = write_cloud(cloud, out, results, LABELS)
        assert written.count == len(source)
        wanted = expected(source, results)
        if form == "ept":
            assert_same_ept(read_ept(out), wanted)
            return
        las = laspy.read(out)
        assert_head(las, source, form, values)
        if form == "copc.laz":
            assert_same_points(las, wanted)
        else:
            assert_equal_dimensions(las, wanted)
        if las.point_format.id != source.point_format.id:
            order = slice(None) if form != "copc.laz" else None
            assert_overlap(las, source, order)
        results.close()


def assert_head(las, source, form, values):
    old, new = source.header, las.header
    np.testing.assert_array_equal(new.scales, old.scales)
    np.testing.assert_array_equal(new.offsets, old.offsets)
    np.testing.assert_allclose(new.mins, old.mins, rtol=0, atol=1e-9)
    np.testing.assert_allclose(new.maxs, old.maxs, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(new.number_of_points_by_return, old.number_of_points_by_return)
    assert (new.uuid, new.file_source_id) == (old.uuid, old.file_source_id)
    assert new.creation_date == old.creation_date
    assert new.parse_crs() == old.parse_crs()
    narrow = old.point_format.id < 6
    if form == "copc.laz" or (narrow and values["most_code"] > 31):
        assert new.point_format.id == {0: 6, 1: 6, 2: 7, 3: 7}.get(
            old.point_format.id, old.point_format.id
        )
        assert str(new.version) == "1.4"
        assert new.global_encoding.wkt
    else:
        assert (new.point_format.id, new.version) == (old.point_format.id, old.version)


def assert_overlap(las, source, order):
    """Class 12 of old formats says "overlap", which is a flag of its own in the new ones."""
    if order is not None:
        np.testing.assert_array_equal(
            np.asarray(las.overlap), np.asarray(source.classification) == 12
        )
    assert int(np.sum(las.overlap)) == int(np.sum(np.asarray(source.classification) == 12))


@pytest.mark.parametrize("form", FORMATS)
def test_an_extent_gets_its_points_only(tmp_path, form):
    source = make_source(tmp_path / "s.laz", SPREAD)
    results = make_results(len(source), tmp_path / "results")
    box = (770_510.0, 6_277_505.0, 770_530.0, 6_277_540.0)
    inside = (
        (source.x >= box[0]) & (source.x <= box[2]) & (source.y >= box[1]) & (source.y <= box[3])
    )
    assert 0 < inside.sum() < len(source)
    out = tmp_path / (form if form == "ept" else f"out.{form}")
    with open_cloud(tmp_path / "s.laz") as cloud:
        written = write_cloud(cloud, out, results, LABELS, bounds_source=box)
    assert written.count == inside.sum()
    wanted = expected(source, results, inside)
    if form == "ept":
        ept = read_ept(out)
        assert_same_ept(ept, wanted)
        low = ept.meta["boundsConforming"]
        assert box[0] <= low[0] <= low[3] <= box[2]
    elif form == "copc.laz":
        assert_same_points(laspy.read(out), wanted)
    else:
        assert_equal_dimensions(laspy.read(out), wanted)
        assert laspy.read(out).header.mins[0] == np.asarray(source.x)[inside].min()


SPREAD = {
    "version": "1.4",
    "point_format": 7,
    "extra": ["uint8", "int16"],
    "count": 3000,
    "place": "spread",
    "scale": 0.01,
    "most_code": 18,
    "seed": 3,
}


@pytest.mark.parametrize("form", FORMATS)
def test_an_extent_without_points_is_said_and_nothing_is_written(tmp_path, form):
    make_source(tmp_path / "s.laz", SPREAD)
    results = make_results(SPREAD["count"], tmp_path / "results")
    out = tmp_path / (form if form == "ept" else f"out.{form}")
    with (
        open_cloud(tmp_path / "s.laz") as cloud,
        pytest.raises(InvalidInput, match="No point of 's.laz' lies in the extent"),
    ):
        write_cloud(cloud, out, results, LABELS, bounds_source=(0.0, 0.0, 10.0, 10.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "s.laz"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_run_takes_the_place_of_the_first(tmp_path, form):
    source = make_source(tmp_path / "s.laz", SPREAD)
    first = tmp_path / (form if form == "ept" else f"first.{form}")
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, first, make_results(len(source), tmp_path / "r1", 1), LABELS)
    results = make_results(len(source), tmp_path / "r2", 2)
    with open_cloud(first) as cloud:
        assert cloud.info.count == len(source)
        order = np.concatenate([chunk.record.array["gps_time"] for chunk in cloud.chunks()])
        for second in ("second.laz", "second.copc.laz", "second_ept"):
            write_cloud(cloud, tmp_path / second, results, LABELS)
    # GPS times are all different and sorted in the source: they say where each point of the first result came from.
    came = np.searchsorted(np.asarray(source.gps_time), order)
    by_source = PointsByPlace(results, came)
    wanted = expected(source, by_source)
    assert_same_points(laspy.read(tmp_path / "second.copc.laz"), wanted)
    assert_same_points(laspy.read(tmp_path / "second.laz"), wanted)
    assert_same_ept(read_ept(tmp_path / "second_ept"), wanted)
    with laspy.open(tmp_path / "second.laz") as reader:
        names = list(reader.header.point_format.extra_dimension_names)
        assert names == ["extra 0", "extra 1", "cityseg_conf", "cityseg_label"]
        assert len([one for one in reader.header.vlrs if one.user_id == "CitySeg"]) == 1


class PointsByPlace:
    """Results by the source's order, from those by the order of a first result."""

    def __init__(self, results, came):
        self.code, self.conf, self.label = (
            self._put(column, came) for column in (results.code, results.conf, results.label)
        )

    @staticmethod
    def _put(column, came):
        by_source = np.zeros_like(column)
        by_source[came] = column
        return by_source


def test_several_records_of_extra_bytes_become_one_that_all_read(tmp_path):
    source = two_extra_records(tmp_path / "s.las")
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(tmp_path / "s.las") as cloud:
        write_cloud(cloud, tmp_path / "o.laz", results, LABELS)
        write_cloud(cloud, tmp_path / "o.copc.laz", results, LABELS)
    wanted = expected(source, results)
    las = laspy.read(tmp_path / "o.laz")
    assert_equal_dimensions(las, wanted)
    assert list(las.point_format.extra_dimension_names)[-2:] == ["cityseg_conf", "cityseg_label"]
    np.testing.assert_allclose(np.asarray(las.echo_width), np.asarray(source.echo_width))
    assert_same_points(laspy.read(tmp_path / "o.copc.laz"), wanted)


def test_bytes_that_nothing_describes_are_kept(tmp_path):
    source = make_source(tmp_path / "s.las", SPREAD | {"extra": ["5uint8", "uint16"]})
    raw = bytearray((tmp_path / "s.las").read_bytes())
    at = raw.index(b"LASF_Spec")
    raw[at : at + 9] = b"Forgotten"
    (tmp_path / "s.las").write_bytes(raw)
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(tmp_path / "s.las") as cloud:
        write_cloud(cloud, tmp_path / "o.laz", results, LABELS)
    las = laspy.read(tmp_path / "o.laz")
    kept = np.asarray(las.undocumented_1)
    np.testing.assert_array_equal(kept[:, :5], source.points.array["extra 0"])
    pair = np.ascontiguousarray(kept[:, 5:]).view("<u2")[:, 0]
    np.testing.assert_array_equal(pair, source.points.array["extra 1"])
    np.testing.assert_array_equal(np.asarray(las.cityseg_conf), results.conf)


def real_files():
    return sorted(LIDAR.rglob("*.la[sz]")) if LIDAR.is_dir() else []


@pytest.mark.realdata
@pytest.mark.skipif(not LIDAR.is_dir(), reason="needs ../shared/data/lidar")
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.stem[-24:])
def test_real_surveys_come_through_in_all_formats(tmp_path, path):
    source = laspy.read(path)
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(path) as cloud:
        for form in FORMATS:
            out = tmp_path / (form if form == "ept" else f"out.{form}")
            assert write_cloud(cloud, out, results, LABELS).count == len(source)
    wanted = expected(source, results)
    for form in ("las", "laz"):
        las = laspy.read(tmp_path / f"out.{form}")
        assert las.point_format.id == source.point_format.id
        assert_equal_dimensions(las, wanted)
        assert las.header.parse_crs() == source.header.parse_crs()
    assert_same_points(laspy.read(tmp_path / "out.copc.laz"), wanted)
    assert_same_ept(read_ept(tmp_path / "ept"), wanted)
    crs = source.header.parse_crs()
    found = laspy.read(tmp_path / "out.copc.laz").header.parse_crs()
    assert (found is None) == (crs is None)
    if crs is not None:
        assert found.to_epsg() == crs.to_epsg() or found == crs
