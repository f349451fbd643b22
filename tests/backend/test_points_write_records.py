"""What a LAS file says besides its points comes through: records byte for byte, and the CRS in the form the format wants."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pyproj
import pytest
from laspy.vlrs.vlrlist import VLRList

from inference_backend.errors import InvalidInput
from inference_backend.points.labels import Labels
from inference_backend.points.open import open_cloud
from inference_backend.points.write import write_cloud
from tests.data.classified_clouds import LABELS, make_results, read_ept
from tests.data.clouds import make_copc, make_header, make_las, make_points

COUNT = 500
OWN = (b"Surveyor", 7)
LOOKUP = b"".join(struct.pack("<B15s", code, f"cl/ss_{code}".encode()) for code in range(256))
BOX = (770_500.0, 6_277_500.0, 770_550.0, 6_277_600.0)


def raw_records(path: Path) -> tuple[dict, dict]:
    """VLRs and EVLRs by (user id, number): the bytes, read by hand."""
    raw = path.read_bytes()
    at, _, count = struct.unpack_from("<HII", raw, 94)
    found: tuple[dict, dict] = ({}, {})
    for _ in range(count):
        at = _one(raw, at, "<H16sHH32s", found[0])
    if raw[25] >= 4:
        at, count = struct.unpack_from("<QI", raw, 235)
        for _ in range(count):
            at = _one(raw, at, "<H16sHQ32s", found[1])
    return found


def _one(raw: bytes, at: int, form: str, into: dict) -> int:
    _, user, number, size, _ = struct.unpack_from(form, raw, at)
    at += struct.calcsize(form)
    key = (user.split(b"\0")[0], number)
    assert key not in into
    into[key] = raw[at : at + size]
    return at + size


def source_with_records(path: Path) -> Path:
    """Records that libraries parse and write otherwise, among others that no longer hold in a result."""
    head = make_header(7, "1.4")
    head.vlrs.append(laspy.VLR("LASF_Spec", 0, "names", LOOKUP))
    head.vlrs.append(laspy.VLR("Surveyor", 7, "odd", bytes(range(256))))
    las = laspy.LasData(head, make_points(head, COUNT))
    las.evlrs = VLRList(
        [
            laspy.VLR("Surveyor", 8, "long", bytes(100_000)),
            laspy.VLR("LAStools", 30, "index", b"by number"),
            laspy.VLR("qgis", 0, "statistics", b"{}"),
        ]
    )
    las.write(path)
    return path


@pytest.mark.parametrize("name", ["o.las", "o.laz", "o.copc.laz"])
def test_records_are_kept_byte_for_byte(tmp_path, name):
    source = source_with_records(tmp_path / "s.laz")
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(source) as cloud:
        write_cloud(cloud, tmp_path / name, results, LABELS)
        write_cloud(cloud, tmp_path / f"part_{name}", results, LABELS, bounds_source=BOX)
    old, new = raw_records(source), raw_records(tmp_path / name)
    for key in ((b"LASF_Spec", 0), OWN, (b"LASF_Projection", 2112)):
        assert new[0][key] == old[0][key]
    assert new[1][b"Surveyor", 8] == bytes(100_000)
    assert (b"qgis", 0) not in new[1]
    # An index of point numbers holds only where every point keeps its place.
    assert ((b"LAStools", 30) in new[1]) == (name != "o.copc.laz")
    part = raw_records(tmp_path / f"part_{name}")
    assert (b"LAStools", 30) not in part[1]
    assert part[1][b"Surveyor", 8] == bytes(100_000)
    las = laspy.read(tmp_path / name)
    assert las.header.evlrs.get_by_id("Surveyor")[0].record_id == 8


def test_copc_to_laz_is_no_copc(tmp_path):
    make_copc(tmp_path / "s.copc.laz", count=800)
    results = make_results(800, tmp_path / "results")
    with open_cloud(tmp_path / "s.copc.laz") as cloud:
        write_cloud(cloud, tmp_path / "o.laz", results, LABELS)
    vlrs, evlrs = raw_records(tmp_path / "o.laz")
    assert not [key for key in (*vlrs, *evlrs) if key[0] == b"copc"]
    assert len(laspy.read(tmp_path / "o.laz")) == 800


def test_the_info_record_of_copc_comes_first_and_at_its_place(tmp_path):
    source = source_with_records(tmp_path / "s.laz")
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(source) as cloud:
        write_cloud(cloud, tmp_path / "o.copc.laz", results, LABELS)
    raw = (tmp_path / "o.copc.laz").read_bytes()
    assert raw[377:381] == b"copc"
    size = struct.unpack_from("<H", raw, 375 + 20)[0]
    assert (struct.unpack_from("<H", raw, 94)[0], size) == (375, 160)
    at, length = struct.unpack_from("<2Q", raw, 429 + 40)
    assert raw_records(tmp_path / "o.copc.laz")[1][b"copc", 1000] == raw[at : at + length]


def test_names_of_labels_stand_in_a_record(tmp_path):
    make_las(tmp_path / "s.laz", count=COUNT)
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, tmp_path / "o.laz", results, LABELS)
        endless = Labels(dict.fromkeys(range(1, 256), "x" * 500))
        with pytest.raises(InvalidInput, match="names of the classes are too long"):
            write_cloud(cloud, tmp_path / "p.laz", results, endless)
    text = raw_records(tmp_path / "o.laz")[0][b"CitySeg", 1].decode("utf-8")
    assert '"labels": {"1": "open ground", "2": "Straße"}' in text
    assert not (tmp_path / "p.laz").exists()


@pytest.mark.parametrize(
    "crs", ["EPSG:2154", "EPSG:2154+5720", "EPSG:2229", "+proj=laea +lat_0=45"]
)
@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_a_crs_that_the_user_gives_is_in_the_result(tmp_path, crs, version):
    make_las(tmp_path / "s.las", 3, version, count=COUNT, crs=None)
    given = pyproj.CRS.from_user_input(crs)
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(tmp_path / "s.las", crs) as cloud:
        for name in ("o.laz", "o.copc.laz", "town"):
            write_cloud(cloud, tmp_path / name, results, LABELS)
    for name in ("o.laz", "o.copc.laz", "town"):
        with open_cloud(tmp_path / name) as cloud:
            assert cloud.info.crs is not None
            assert cloud.info.crs.to_2d() == given.to_2d() or same_axes(cloud.info.crs, given)
    head = laspy.read(tmp_path / "o.copc.laz").header
    assert head.global_encoding.wkt
    assert (laspy.read(tmp_path / "o.laz").header.version.minor >= 4) == (version == "1.4")


def same_axes(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Equal where a CRS went through WKT 1, which loses the names of axes."""
    keys = ("proj", "lat_0", "lon_0", "x_0", "y_0", "units", "to_meter")
    return all(one.to_dict().get(key, 0) == other.to_dict().get(key, 0) for key in keys)


def test_a_crs_that_the_user_gives_takes_the_place_of_the_files_own(tmp_path):
    make_las(tmp_path / "s.laz", 3, "1.2", count=COUNT, crs="EPSG:2154")
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(tmp_path / "s.laz", "EPSG:3946") as cloud:
        for name in ("o.las", "o.copc.laz"):
            write_cloud(cloud, tmp_path / name, results, LABELS)
            assert laspy.read(tmp_path / name).header.parse_crs().to_epsg() == 3946
        write_cloud(cloud, tmp_path / "town", results, LABELS)
    assert read_ept(tmp_path / "town").meta["srs"]["horizontal"] == "3946"


def test_keys_of_old_files_stay_keys_and_become_wkt_in_new_formats(tmp_path):
    make_las(tmp_path / "s.laz", 1, "1.2", count=COUNT, crs="EPSG:28992")
    plain, high = (make_results(COUNT, tmp_path / f"r{code}", most_code=code) for code in (6, 64))
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, tmp_path / "same.laz", plain, LABELS)
        write_cloud(cloud, tmp_path / "wide.laz", high, LABELS)
    old, same = raw_records(tmp_path / "s.laz")[0], raw_records(tmp_path / "same.laz")[0]
    assert same[b"LASF_Projection", 34735] == old[b"LASF_Projection", 34735]
    wide = raw_records(tmp_path / "wide.laz")[0]
    assert (b"LASF_Projection", 34735) not in wide
    assert b"Amersfoort" in wide[b"LASF_Projection", 2112]
    las = laspy.read(tmp_path / "wide.laz")
    assert las.header.parse_crs().to_epsg() == 28992
    assert int(np.max(las.classification)) == 64


def test_without_a_crs_there_is_none(tmp_path):
    make_las(tmp_path / "s.laz", 3, "1.2", count=COUNT, crs=None)
    results = make_results(COUNT, tmp_path / "results")
    with open_cloud(tmp_path / "s.laz") as cloud:
        for name in ("o.las", "o.copc.laz", "town"):
            write_cloud(cloud, tmp_path / name, results, LABELS)
    assert laspy.read(tmp_path / "o.las").header.parse_crs() is None
    assert laspy.read(tmp_path / "o.copc.laz").header.parse_crs() is None
    assert read_ept(tmp_path / "town").meta["srs"] == {}
