"""Reading COPC, EPT and virtual point clouds."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import PointCloud
from inference_backend.points.open import open_cloud
from tests.data import clouds

LOW_X, LOW_Y, _ = clouds.ORIGIN
FLOATS = tuple(
    (name, "float", 8) if name in "XYZ" else (name, kind, size)
    for name, kind, size in clouds.EPT_SCHEMA
)


def columns(cloud: PointCloud, **options: object) -> dict[str, np.ndarray]:
    """All points: index, X, Y, Z and x, y, z, and every other field of the record."""
    chunks = list(cloud.chunks(**options))
    if not chunks:
        return {"index": np.zeros(0, np.int64)}
    names = chunks[0].record.array.dtype.names or ()
    found = {name: np.concatenate([one.record.array[name] for one in chunks]) for name in names}
    for name in ("index", "x", "y", "z", "return_number", "classification"):
        found[name] = np.concatenate([getattr(one, name) for one in chunks])
    return found


def raw_xyz(found: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([found["X"], found["Y"], found["Z"]], 1)


@pytest.mark.parametrize("point_format", clouds.NEW_FORMATS)
def test_copc_in_the_files_order(tmp_path: Path, point_format: int) -> None:
    path = tmp_path / "cloud.copc.laz"
    written = clouds.make_copc(path, 3000, point_format=point_format)
    with open_cloud(path) as cloud:
        read = columns(cloud, size=700)
        assert (cloud.info.kind, cloud.info.count) == ("copc", 3000)
        assert cloud.info.point_format == point_format
        assert cloud.info.crs is not None
        # They describe the layout of this file and may not go into another.
        assert not [vlr for vlr in cloud.header.vlrs if vlr.user_id == "copc"]
        assert not [vlr for vlr in cloud.header.evlrs if vlr.user_id == "copc"]
    assert read["index"].tolist() == list(range(3000))
    assert (raw_xyz(read) == laspy_xyz(path)).all()
    assert sorted(map(tuple, raw_xyz(read))) == sorted(map(tuple, written))


def laspy_xyz(path: Path) -> np.ndarray:
    read = laspy.read(path)
    return np.stack([read.X, read.Y, read.Z], 1)


@pytest.fixture(scope="module")
def octrees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One octree of each kind."""
    folder = tmp_path_factory.mktemp("octrees")
    clouds.make_copc(folder / "cloud.copc.laz", 3000)
    for data_type in ("binary", "laszip", "zstandard"):
        clouds.make_ept(folder / data_type, data_type)
    clouds.make_ept(folder / "split", split=True)
    clouds.make_las(folder / "a.laz", 7, "1.4", origin=clouds.ORIGIN)
    clouds.make_las(folder / "b.laz", 6, "1.4", origin=(LOW_X + 100, LOW_Y, 0.0))
    clouds.make_vpc(folder / "cloud.vpc", ["a.laz", "./b.laz"])
    return {path.name: path for path in folder.iterdir()}


@cache
def read_once(path: str) -> tuple[PointCloud, dict[str, np.ndarray]]:
    """A cloud and all its points: the same for every example."""
    cloud = open_cloud(path)
    return cloud, columns(cloud)


@pytest.mark.parametrize(
    "name", ["cloud.copc.laz", "binary", "laszip", "zstandard", "split", "cloud.vpc"]
)
@settings(max_examples=10)
@given(
    west=st.floats(-20, 120),
    south=st.floats(-20, 120),
    wide=st.floats(0, 90),
    high=st.floats(0, 90),
)
def test_bounds_give_what_a_filter_of_all_points_gives(
    octrees: dict[str, Path], name: str, west: float, south: float, wide: float, high: float
) -> None:
    box = (LOW_X + west, LOW_Y + south, LOW_X + west + wide, LOW_Y + south + high)
    cloud, every = read_once(str(octrees[name]))
    found = columns(cloud, bounds_source=box, size=500)
    inside = (every["x"] >= box[0]) & (every["x"] <= box[2])
    inside &= (every["y"] >= box[1]) & (every["y"] <= box[3])
    assert found["index"].tolist() == np.flatnonzero(inside).tolist()
    if inside.any():
        assert (raw_xyz(found) == raw_xyz(every)[inside]).all()


def test_a_part_of_a_copc_decodes_a_part_of_the_file(octrees: dict[str, Path]) -> None:
    with open_cloud(octrees["cloud.copc.laz"]) as cloud:
        box = (LOW_X, LOW_Y, LOW_X + 10, LOW_Y + 10)
        decoded = sum(len(piece.index) for piece in cloud.pieces(1000, box))
        found = sum(map(len, cloud.chunks(bounds_source=box)))
    assert 0 < found < decoded < 1500


def test_a_copc_whose_index_lies_still_gives_all_points_inside(tmp_path: Path) -> None:
    path = tmp_path / "cloud.copc.laz"
    clouds.make_copc(path, 1000)
    box = (LOW_X, LOW_Y, LOW_X + 50, LOW_Y + 50)
    with open_cloud(path) as cloud:
        sound = columns(cloud, bounds_source=box)["index"].tolist()
    raw = path.read_bytes()
    # The info record is the first; the place of the root page follows center, half size and spacing.
    for offset, value in ((40, 0), (40, 2**60), (48, 2**40), (24, 0)):
        path.write_bytes(raw)
        clouds.patch(path, 375 + 54 + offset, "<Q", value)
        with open_cloud(path) as cloud:
            assert columns(cloud, bounds_source=box)["index"].tolist() == sound


@pytest.mark.parametrize("data_type", ["binary", "laszip", "zstandard"])
@pytest.mark.parametrize("split", [False, True])
def test_ept_by_level_and_key(tmp_path: Path, data_type: str, split: bool) -> None:
    written = clouds.make_ept(tmp_path / "ept", data_type, split=split)
    for path in (tmp_path / "ept", tmp_path / "ept" / "ept.json"):
        with open_cloud(path) as cloud:
            read = columns(cloud, size=333)
            assert (cloud.info.kind, cloud.info.count) == ("ept", len(written))
            assert (cloud.info.point_format, cloud.info.has_rgb) == (7, True)
            assert cloud.info.crs is not None
            assert cloud.info.crs.to_epsg() == 2154
            assert cloud.header.parse_crs().to_epsg() == 2154
    assert read["index"].tolist() == list(range(len(written)))
    for theirs, ours in (
        ("X", "X"),
        ("Y", "Y"),
        ("Z", "Z"),
        ("Intensity", "intensity"),
        ("Classification", "classification"),
        ("ReturnNumber", "return_number"),
        ("GpsTime", "gps_time"),
        ("Red", "red"),
        ("OriginId", "OriginId"),
    ):
        assert (read[ours] == written[theirs]).all(), ours


def test_dimensions_of_an_ept_that_las_has_otherwise(tmp_path: Path) -> None:
    schema = (
        *clouds.EPT_SCHEMA,
        ("ClassFlags", "unsigned", 1),
        ("Infrared", "unsigned", 2),
        ("ScanChannel", "unsigned", 1),
        ("Reflectance", "float", 4),
        ("A dimension whose name is longer than LAS allows", "signed", 8),
        ("intensity", "unsigned", 1),
    )
    points = clouds.ept_points(200, schema=schema)
    points["ClassFlags"] = 0b0101
    points["ScanAngleRank"] = -12.0
    points["ScanChannel"] = 3
    points["Reflectance"] = np.linspace(-20, 5, 200)
    written = clouds.make_ept(tmp_path / "ept", "binary", points)
    with open_cloud(tmp_path / "ept") as cloud:
        chunk = next(iter(cloud.chunks()))
    record = chunk.record
    assert record.point_format.id == 8
    assert set(np.asarray(record["synthetic"])) == {1}
    assert set(np.asarray(record["withheld"])) == {1}
    assert set(np.asarray(record["key_point"])) == {0}
    assert set(np.asarray(record["scanner_channel"])) == {3}
    assert set(record["scan_angle"].tolist()) == {-2000}
    assert (record["nir"] == written["Infrared"]).all()
    assert (record["Reflectance"] == written["Reflectance"]).all()
    assert (record["intensity_2"] == written["intensity"]).all()
    assert (record["intensity"] == written["Intensity"]).all()
    long = schema[-2][0]
    assert (record[long[:32]] == written[long]).all()


def test_an_ept_of_floating_point_is_rounded_and_says_so(tmp_path: Path) -> None:
    written = clouds.make_ept(tmp_path / "ept", "binary", clouds.ept_points(500, schema=FLOATS))
    with open_cloud(tmp_path / "ept") as cloud:
        read = columns(cloud)
        assert any("rounded to 0.001" in said for said in cloud.info.warnings)
    for ours, theirs in (("x", "X"), ("y", "Y"), ("z", "Z")):
        assert np.abs(read[ours] - written[theirs]).max() < 0.0005 + 1e-6


def test_an_ept_that_promises_another_number_says_so(tmp_path: Path) -> None:
    clouds.make_ept(tmp_path / "ept")
    meta = tmp_path / "ept" / "ept.json"
    meta.write_text(meta.read_text().replace('"points": 4000', '"points": 4001'))
    with open_cloud(tmp_path / "ept") as cloud:
        assert any("4,001" in said for said in cloud.info.warnings)
        assert sum(map(len, cloud.chunks())) == 4000


def test_a_vpc_joins_files_of_one_family(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    parts = [
        clouds.make_las(tmp_path / "tiles" / "a.las", 1, "1.2", count=300, scale=0.01),
        clouds.make_las(
            tmp_path / "b.laz",
            2,
            "1.3",
            400,
            1,
            extra=False,
            scale=0.001,
            origin=(LOW_X + 100.005, LOW_Y, 1.0),
        ),
    ]
    clouds.make_vpc(tmp_path / "cloud.vpc", ["tiles/a.las", (tmp_path / "b.laz").as_uri()])
    with open_cloud(tmp_path / "cloud.vpc") as cloud:
        read = columns(cloud, size=250)
        info = cloud.info
    # GPS time of the one, colours of the other.
    assert (info.kind, info.count, info.point_format) == ("vpc", 700, 3)
    assert {"gps_time", "red", "confidence", "echo_width"} <= set(info.dims)
    assert not info.warnings
    assert read["index"].tolist() == list(range(700))
    for axis in "xyz":
        wanted = np.concatenate([np.asarray(part[axis]) for part in parts])
        assert np.abs(read[axis] - wanted).max() < 1e-6
    assert (read["gps_time"][:300] == parts[0].gps_time).all()
    assert (read["red"][300:] == parts[1].red).all()
    assert (read["red"][:300] == 0).all()
    assert (read["confidence"][:300] == parts[0]["confidence"]).all()
    assert (read["classification"][300:] == np.asarray(parts[1].classification)).all()


def test_a_vpc_of_grids_that_do_not_meet_says_that_it_rounds(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "a.las", scale=0.01)
    clouds.make_las(tmp_path / "b.las", scale=0.01, origin=(LOW_X + 0.004, LOW_Y, 0.0))
    clouds.make_vpc(tmp_path / "cloud.vpc", ["a.las", "b.las"])
    with open_cloud(tmp_path / "cloud.vpc") as cloud:
        assert any("rounded" in said for said in cloud.info.warnings)


def test_a_vpc_of_things_that_do_not_belong_together(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "old.las", 3, "1.2")
    clouds.make_las(tmp_path / "new.las", 6, "1.4")
    clouds.make_las(tmp_path / "other.las", 3, "1.2", crs="EPSG:32631")
    for hrefs, said in (
        (["old.las", "new.las"], "point format"),
        (["old.las", "other.las"], "different CRSs"),
        (["old.las", "./old.las"], "twice"),
    ):
        clouds.make_vpc(tmp_path / "cloud.vpc", hrefs)
        with pytest.raises(InvalidInput, match=said):
            open_cloud(tmp_path / "cloud.vpc")


def test_files_without_a_crs_take_that_of_the_vpc(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "a.las", crs=None)
    clouds.make_vpc(tmp_path / "cloud.vpc", ["a.las"])
    with open_cloud(tmp_path / "cloud.vpc") as cloud:
        assert cloud.info.crs is not None
        assert cloud.info.crs.to_epsg() == 2154
        assert not cloud.info.warnings
    with open_cloud(tmp_path / "cloud.vpc", "EPSG:2263") as cloud:
        assert cloud.info.xy_unit_m == pytest.approx(1200 / 3937)


def test_a_damaged_file_of_a_vpc_is_named(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "a.laz")
    clouds.make_las(tmp_path / "b.laz")
    raw = (tmp_path / "b.laz").read_bytes()
    (tmp_path / "b.laz").write_bytes(raw[: len(raw) // 2])
    clouds.make_vpc(tmp_path / "cloud.vpc", ["a.laz", "b.laz"])
    with pytest.raises(InvalidInput, match="'b.laz' is cut off"):
        open_cloud(tmp_path / "cloud.vpc")


def test_layout_of_the_info_record_that_the_tests_patch(tmp_path: Path) -> None:
    """`test_a_copc_whose_index_lies` writes to these places."""
    path = tmp_path / "cloud.copc.laz"
    clouds.make_copc(path, 100)
    raw = path.read_bytes()
    assert raw[377:381] == b"copc"
    root_at = struct.unpack_from("<Q", raw, 375 + 54 + 40)[0]
    assert 0 <= struct.unpack_from("<4i", raw, root_at)[0] <= 2
