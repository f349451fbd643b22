"""Reading LAS and LAZ: every version and format, every point once, in order, with every dimension."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput, ResourceProblem
from inference_backend.points.cloud import Chunk, PointCloud
from inference_backend.points.open import open_cloud
from tests.data import clouds

KINDS = [
    (version, point_format, ending)
    for version, formats in clouds.VERSIONS.items()
    for point_format in formats
    for ending in (".las", ".laz")
]
LIDAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "lidar"


def whole(cloud: PointCloud, **options: object) -> Chunk:
    """All points as one chunk."""
    chunks = list(cloud.chunks(**options))
    record = chunks[0].record
    array = np.concatenate([chunk.record.array for chunk in chunks])
    index = np.concatenate([chunk.index for chunk in chunks])
    return Chunk(
        index,
        laspy.ScaleAwarePointRecord(array, record.point_format, record.scales, record.offsets),
    )


@pytest.mark.parametrize(("version", "point_format", "ending"), KINDS)
def test_every_version_and_format_comes_back_as_written(
    tmp_path: Path, version: str, point_format: int, ending: str
) -> None:
    path = tmp_path / f"cloud{ending}"
    written = clouds.make_las(path, point_format, version, count=777)
    with open_cloud(path) as cloud:
        read = whole(cloud, size=100)
        info = cloud.info
    assert (info.kind, info.count, info.point_format) == (ending[1:], 777, point_format)
    assert read.index.tolist() == list(range(777))
    assert (read.record.array == written.points.array).all()
    for axis in "xyz":
        assert (getattr(read, axis) == np.asarray(written[axis])).all()
    assert (read.classification == np.asarray(written.classification)).all()
    assert (read.return_number == np.asarray(written.return_number)).all()
    assert (read.number_of_returns == np.asarray(written.number_of_returns)).all()
    assert (read.intensity == written.intensity).all()
    assert info.has_rgb == (point_format in (2, 3, 7, 8))
    assert (read.rgb is not None) == info.has_rgb
    if read.rgb is not None:
        assert (read.rgb[:, 2] == written.blue).all()
    assert {"confidence", "echo_width"} <= set(info.dims)
    assert (read.record["echo_width"] == written["echo_width"]).all()
    places = np.stack([written.x, written.y, written.z])
    assert np.allclose(info.bounds_source, [*places.min(axis=1), *places.max(axis=1)])


@pytest.mark.parametrize("ending", [".las", ".laz"])
@settings(max_examples=20)
@given(size=st.integers(1, 400), count=st.integers(1, 300))
def test_chunks_partition_the_cloud(
    tmp_path_factory: pytest.TempPathFactory, ending: str, size: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("cloud") / f"cloud{ending}"
    written = clouds.make_las(path, 6, "1.4", count=count, extra=False)
    with open_cloud(path) as cloud:
        chunks = list(cloud.chunks(size))
    assert all(0 < len(chunk) <= size for chunk in chunks)
    assert np.concatenate([chunk.index for chunk in chunks]).tolist() == list(range(count))
    assert (np.concatenate([chunk.x for chunk in chunks]) == np.asarray(written.x)).all()


@pytest.mark.parametrize("ending", [".las", ".laz"])
def test_bounds_give_exactly_the_points_inside(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"cloud{ending}"
    written = clouds.make_las(path, count=3000)
    x, y = np.asarray(written.x), np.asarray(written.y)
    # An edge on a point: points on the edge belong to it.
    box = (float(np.sort(x)[600]), 6_277_520.0, 770_555.5, float(np.sort(y)[2400]))
    inside = (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])
    with open_cloud(path) as cloud:
        found = whole(cloud, bounds_source=box)
        nothing = list(cloud.chunks(bounds_source=(0, 0, 1, 1)))
    assert 0 < inside.sum() < 3000
    assert found.index.tolist() == np.flatnonzero(inside).tolist()
    assert (found.x == x[inside]).all()
    assert nothing == []


def test_laz_of_several_compressed_chunks(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    written = clouds.make_las(path, 1, "1.2", count=120_001, extra=False)
    with open_cloud(path) as cloud:
        read = whole(cloud, size=70_000)
    assert (read.record.array == written.points.array).all()


def test_several_records_of_extra_bytes_are_all_read(tmp_path: Path) -> None:
    for name, compress in (("two.las", False), ("two.laz", True)):
        written = clouds.two_extra_records(tmp_path / name, compress=compress)
        with open_cloud(tmp_path / name) as cloud:
            assert cloud.info.dims[-2:] == ("confidence", "echo_width")
            read = whole(cloud)
            assert len(cloud.header.vlrs.get("ExtraBytesVlr")) == 1
        for dimension in ("confidence", "echo_width"):
            assert (read.record[dimension] == written[dimension]).all()


def test_extra_bytes_that_nobody_describes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    written = clouds.make_las(path, 1, "1.2", count=50)
    raw = path.read_bytes()
    at = int.from_bytes(raw[96:100], "little")
    described = raw.index(b"LASF_Spec")
    clouds.patch(path, described, "<9s", b"nobody\0\0\0")
    with open_cloud(path) as cloud:
        read = whole(cloud)
    assert read.record.array.tobytes() == raw[at : at + 50 * written.header.point_format.size]


def test_records_with_names_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, 1, "1.2", count=50)
    clouds.patch(path, path.read_bytes().index(b"LASF_Spec"), "<9s", b"\xe9\xff\xfe\x80abcd\0")
    with open_cloud(path) as cloud:
        assert len(whole(cloud)) == 50


def test_each_iteration_begins_anew_and_two_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, count=1000)
    with open_cloud(path) as cloud:
        first, second = cloud.chunks(100), cloud.chunks(150)
        next(first)
        starts = [next(second).index[0], next(first).index[0], next(second).index[0]]
        assert starts == [0, 100, 150]
        assert len(whole(cloud)) == 1000


def test_closing_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, count=1000)
    cloud = open_cloud(path)
    next(cloud.chunks(10))
    kept = cloud.chunks(10)
    next(kept)
    cloud.close()
    assert list(kept) == []
    fds = Path("/proc/self/fd")
    if fds.is_dir():
        assert str(path) not in {os.path.realpath(one) for one in fds.iterdir()}


def test_cancel_stops_between_pieces(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, count=1000)
    cancel = CancelToken()
    with open_cloud(path) as cloud:
        chunks = cloud.chunks(100, cancel=cancel)
        next(chunks)
        cancel.cancel()
        with pytest.raises(Cancelled):
            next(chunks)


@pytest.mark.parametrize("point_format", clouds.WAVEFORMS)
def test_waveforms_are_refused(tmp_path: Path, point_format: int) -> None:
    path = tmp_path / "cloud.las"
    header = laspy.LasHeader(version="1.4", point_format=point_format)
    laspy.LasData(header, laspy.ScaleAwarePointRecord.zeros(5, header=header)).write(path)
    with pytest.raises(InvalidInput, match="waveforms"):
        open_cloud(path)


def test_one_point_equal_points_and_lonely_points_are_clouds(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "one.laz", count=1)
    header = clouds.make_header(crs=None, extra=False)
    equal = laspy.ScaleAwarePointRecord.zeros(5000, header=header)
    laspy.LasData(header, equal).write(tmp_path / "equal.laz")
    clouds.make_las(tmp_path / "sparse.las", count=100, side=10_000.0)
    for name, count in (("one.laz", 1), ("equal.laz", 5000), ("sparse.las", 100)):
        with open_cloud(tmp_path / name) as cloud:
            assert len(whole(cloud)) == count
            assert "bounds" not in "".join(cloud.info.warnings)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions here")
def test_no_permission_is_said(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, count=5)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ResourceProblem, match="permission"):
        open_cloud(path)


def test_the_old_count_counts_where_the_new_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, 1, "1.4", count=60)
    clouds.patch(path, clouds.COUNT14_AT, "<Q", 0)
    clouds.patch(path, clouds.COUNT_AT, "<L", 60)
    with open_cloud(path) as cloud:
        assert len(whole(cloud)) == 60


def test_threads_may_each_read(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, count=2000)
    found: list[int] = []
    with open_cloud(path) as cloud:
        threads = [
            threading.Thread(target=lambda: found.append(len(whole(cloud)))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [2000] * 3


@pytest.mark.realdata
@pytest.mark.skipif(not LIDAR.is_dir(), reason="../shared/data/lidar is not here")
def test_real_files_read_as_laspy_reads_them() -> None:
    files = sorted(LIDAR.rglob("*.la[sz]"))
    assert len(files) >= 10
    for path in files:
        expected = laspy.read(path)
        with open_cloud(path) as cloud:
            read = whole(cloud, size=200_000)
            info = cloud.info
        assert (read.record.array == expected.points.array).all(), path.name
        assert set(info.dims) == set(expected.point_format.dimension_names)
        known = "LA93" in path.name or "several" in path.name
        assert (info.crs is not None) == known, path.name
        assert any("no CRS" in said for said in info.warnings) != known
        if info.crs is not None:
            assert info.crs.to_epsg() == 2154 or info.crs.sub_crs_list[0].to_epsg() == 2154
        assert (info.xy_unit_m, info.z_unit_m) == (1.0, 1.0)
