"""Broken and hostile clouds: one clear sentence each, no other fault, no memory for what is only promised."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_backend.errors import CitySegError, InvalidInput
from inference_backend.points.open import open_cloud
from tests.data import clouds


def refusal(path: Path | str) -> str:
    """What is said of a cloud when it is opened, or else when it is read."""
    with pytest.raises(InvalidInput) as caught, open_cloud(path) as cloud:  # noqa: PT012
        for _ in cloud.chunks(1000):
            pass
    sentence = caught.value.user_message
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("ending", [".las", ".laz"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused_when_it_is_opened(
    tmp_path: Path, ending: str, part: float
) -> None:
    path = tmp_path / f"cloud{ending}"
    clouds.make_las(path, 7, "1.4", count=60_000, extra=False)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    with pytest.raises(InvalidInput, match="again"):
        open_cloud(path)


def test_bytes_that_are_damaged_in_the_middle_are_found_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, 7, "1.4", count=120_000, extra=False)
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 200_000] = bytes(200_000)
    path.write_bytes(raw)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"LASF", "header"), (b"hello" * 100, "no LAS"), (b"PK\3\4" * 90, "no LAS")],
)
def test_files_that_are_no_cloud(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "cloud.las"
    path.write_bytes(content)
    assert said in refusal(path)


def test_places_that_are_no_cloud(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "no EPT" in refusal(tmp_path / "folder")
    assert "not there" in refusal(tmp_path / "nothing.laz")
    assert "only local files" in refusal("https://example.org/ept.json")
    assert "only local files" in refusal("s3://bucket/cloud.copc.laz")
    assert "only local files" in refusal("/vsicurl/https://example.org/cloud.laz")
    assert "No point cloud" in refusal("")
    assert "not there" in refusal("x" * 5000)


def test_no_points(tmp_path: Path) -> None:
    for name in ("none.las", "none.laz"):
        clouds.make_las(tmp_path / name, count=0)
        assert "no points" in refusal(tmp_path / name)


@pytest.mark.parametrize("ending", [".las", ".laz"])
@pytest.mark.parametrize("lie", [1_001, 200_000, 2**40, 2**63])
def test_a_header_that_promises_too_many_points(tmp_path: Path, ending: str, lie: int) -> None:
    path = tmp_path / f"cloud{ending}"
    clouds.make_las(path, 6, "1.4", count=1000)
    clouds.patch(path, clouds.COUNT14_AT, "<Q", lie)
    assert "fewer" in refusal(path)


def test_a_compressed_file_that_holds_more_than_its_header_promises(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, 6, "1.4", count=120_000, extra=False)
    clouds.patch(path, clouds.COUNT14_AT, "<Q", 10)
    assert "repair" in refusal(path)


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf"), -0.01])
def test_a_scale_that_means_nothing(tmp_path: Path, scale: float) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path)
    clouds.patch(path, clouds.SCALE_AT + 8, "<d", scale)
    assert "scale" in refusal(path)


@pytest.mark.parametrize("offset", [float("nan"), float("-inf"), 1e300, 4e9])
def test_an_offset_that_means_nothing(tmp_path: Path, offset: float) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path)
    clouds.patch(path, clouds.OFFSET_AT, "<d", offset)
    assert "offset" in refusal(path)


@pytest.mark.parametrize(
    "stated",
    [
        (1e30, -1e30, 1e30, -1e30, 1e30, -1e30),
        (float("nan"),) * 6,
        (0.0,) * 6,
        (9e8, -9e8, 9e8, -9e8, 900.0, 0.0),
        # Lower and upper in each other's place.
        (770_500.0, 770_600.0, 6_277_500.0, 6_277_600.0, 20.0, 40.0),
    ],
)
@pytest.mark.parametrize("ending", [".las", ".laz"])
def test_bounds_that_lie_are_replaced_by_those_of_the_points(
    tmp_path: Path, ending: str, stated: tuple[float, ...]
) -> None:
    path = tmp_path / f"cloud{ending}"
    written = clouds.make_las(path)
    # The header has max before min, axis by axis.
    clouds.patch(path, clouds.BOUNDS_AT, "<6d", *stated)
    with open_cloud(path) as cloud:
        places = np.stack([written.x, written.y, written.z])
        assert np.allclose(cloud.info.bounds_source, [*places.min(axis=1), *places.max(axis=1)])
        assert any("bounds" in said for said in cloud.info.warnings)
        assert sum(map(len, cloud.chunks())) == 1000


def test_a_point_outside_the_bounds_that_no_look_saw_is_found_while_reading(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cloud.las"
    written = clouds.make_las(path, 0, "1.2", count=100_000, extra=False)
    point = written.header.point_format.size
    at = struct.unpack_from("<L", path.read_bytes(), 96)[0]
    clouds.patch(path, at + 5_500 * point, "<l", 2**31 - 1)
    assert "outside the bounds" in refusal(path)


def test_formats_and_versions_that_do_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path)
    clouds.patch(path, clouds.FORMAT_AT, "<B", 37)
    assert "point format 37" in refusal(path)
    clouds.make_las(path)
    clouds.patch(path, 24, "<BB", 2, 7)
    assert "2.7" in refusal(path)


def test_records_that_are_longer_than_the_header(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path)
    clouds.patch(path, 100, "<L", 2**31)
    assert "records" in refusal(path)
    clouds.make_las(path)
    clouds.patch(path, 96, "<L", 2**32 - 1)
    assert "ends before" in refusal(path)
    clouds.make_las(path, 6, "1.4")
    clouds.patch(path, 235, "<QL", 375, 2**32 - 1)
    assert "last records" in refusal(path)


def test_a_table_of_chunks_that_lies_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, 6, "1.4", count=1000, extra=False)
    raw = path.read_bytes()
    data_at = struct.unpack_from("<L", raw, 96)[0]
    table_at = struct.unpack_from("<q", raw, data_at)[0]
    clouds.patch(path, table_at + 4, "<L", 2**32 - 1)
    tracemalloc.start()
    try:
        assert "cut off" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_chunk_size_that_lies_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, 6, "1.4", count=1000, extra=False)
    # The chunk size follows 12 bytes into the LASzip record.
    at = path.read_bytes().index(b"laszip encoded") - 2 + 54 + 12
    clouds.patch(path, at, "<L", 2**31)
    clouds.patch(path, clouds.COUNT14_AT, "<Q", 2**31)
    tracemalloc.start()
    try:
        assert "fewer" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()


def test_chunks_too_large_to_hold_are_read_point_by_point(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    written = clouds.make_las(path, 6, "1.4", count=1000, extra=False)
    with open_cloud(path) as cloud:
        cloud._file.table = replace(cloud._file.table, whole=False)
        read = list(cloud.chunks(300))
    assert (np.concatenate([one.record.array for one in read]) == written.points.array).all()


def test_old_compression_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path)
    clouds.patch(path, path.read_bytes().index(b"laszip encoded") - 2 + 54, "<H", 1)
    assert "2011" in refusal(path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of one small cloud of each kind of file."""
    folder = tmp_path_factory.mktemp("sound")
    clouds.make_las(folder / "old.las", 3, "1.2", count=300)
    clouds.make_las(folder / "old.laz", 3, "1.2", count=300)
    clouds.make_las(folder / "new.laz", 7, "1.4", count=300)
    clouds.make_copc(folder / "cloud.copc.laz", count=300)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["old.las", "old.laz", "new.laz", "cloud.copc.laz"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_is_a_sentence_or_all_points(
    tmp_path: Path, sound: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    raw = bytearray(sound[name])
    reach = data.draw(st.sampled_from([600, 2500, len(raw)]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(reach, len(raw)) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(1, len(raw))) :]
    path = tmp_path / name
    path.write_bytes(raw)
    bounds = data.draw(st.sampled_from([None, (770_510.0, 6_277_510.0, 770_550.0, 6_277_550.0)]))
    said = "."
    try:
        with open_cloud(path) as cloud:
            count = sum(map(len, cloud.chunks(100, bounds_source=bounds)))
            assert count == cloud.info.count or bounds is not None
    except CitySegError as error:
        said = error.user_message
    assert said.endswith(".")


def _deep(text: str) -> str:
    return "[" * 100_000 + text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-5], "no JSON"),
        (_deep, "no JSON"),
        (lambda text: "[1, 2]", "no JSON object"),
        (lambda text: text.replace('"binary"', '"quadtree"'), "quadtree"),
        (lambda text: text.replace('"X"', '"W"'), "no X"),
        (lambda text: text.replace('"scale": 0.01', '"scale": 0'), "scale"),
        (lambda text: text.replace('"scale": 0.01', '"scale": NaN'), "scale"),
        (lambda text: text.replace('"size": 4', '"size": 400000000'), "schema"),
        (lambda text: text.replace('"bounds":', '"boundaries":'), "bounds"),
    ],
)
def test_an_ept_json_that_is_damaged(
    tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    clouds.make_ept(tmp_path / "ept")
    file = tmp_path / "ept" / "ept.json"
    file.write_text(change(file.read_text()))
    assert said in refusal(tmp_path / "ept")


@pytest.mark.parametrize("data_type", ["binary", "laszip", "zstandard"])
def test_an_ept_with_a_node_that_is_missing_or_short(tmp_path: Path, data_type: str) -> None:
    clouds.make_ept(tmp_path / "ept", data_type)
    node = max((tmp_path / "ept" / "ept-data").iterdir())
    raw = node.read_bytes()
    node.write_bytes(raw[: len(raw) // 2])
    said = refusal(tmp_path / "ept")
    assert node.name in said
    node.unlink()
    with pytest.raises(InvalidInput, match="lacks"):
        open_cloud(tmp_path / "ept" / "ept.json")


def test_an_ept_whose_keys_lead_elsewhere(tmp_path: Path) -> None:
    clouds.make_ept(tmp_path / "ept")
    hierarchy = tmp_path / "ept" / "ept-hierarchy" / "0-0-0-0.json"
    sound_keys = json.loads(hierarchy.read_text())
    for key in ("../../../secret", "0-0-0-0/../../x", "1-5-0-0", "99-0-0-0", "1-0-0"):
        hierarchy.write_text(json.dumps(sound_keys | {key: -1}))
        assert "no node" in refusal(tmp_path / "ept")
    hierarchy.write_text(json.dumps(sound_keys | {"1-0-0-0": "many"}))
    assert "no node" in refusal(tmp_path / "ept")
    hierarchy.write_text(json.dumps(sound_keys | {"2-1-1-1": -1}))
    assert "2-1-1-1.json" in refusal(tmp_path / "ept")
    hierarchy.write_text("{}")
    assert "no points" in refusal(tmp_path / "ept")


def test_a_zstandard_node_that_unpacks_to_more_than_it_should_is_not_unpacked(
    tmp_path: Path,
) -> None:
    import zstandard

    points = clouds.ept_points(30)
    clouds.make_ept(tmp_path / "ept", "zstandard", points)
    for node in (tmp_path / "ept" / "ept-data").iterdir():
        node.write_bytes(zstandard.compress(bytes(500_000_000)))
    tracemalloc.start()
    try:
        with open_cloud(tmp_path / "ept") as cloud:
            assert sum(map(len, cloud.chunks())) == 30
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e12])
def test_coordinates_that_are_no_place(tmp_path: Path, value: float) -> None:
    schema = tuple(
        (name, "float", 8) if name in "XYZ" else (name, kind, size)
        for name, kind, size in clouds.EPT_SCHEMA
    )
    points = clouds.ept_points(50, schema=schema)
    clouds.make_ept(tmp_path / "ept", "binary", points)
    node = min((tmp_path / "ept" / "ept-data").iterdir())
    stored = np.frombuffer(bytearray(node.read_bytes()), points.dtype)
    stored["Y"][0] = value
    node.write_bytes(stored.tobytes())
    said = refusal(tmp_path / "ept")
    assert "NaN" in said or "outside the bounds" in said


@pytest.mark.parametrize(
    ("href", "said"),
    [
        ("https://example.org/cloud.laz", "not on this machine"),
        ("//server/share/cloud.laz", "not on this machine"),
        ("\\\\server\\share\\cloud.laz", "not on this machine"),
        ("file://server/share/cloud.laz", "not on this machine"),
        ("/vsizip/cloud.zip/cloud.laz", "not on this machine"),
        ("missing.laz", "missing.laz"),
        ("/etc/passwd", "no LAS"),
        ("other.vpc", "no LAS"),
        ("", "without a file"),
    ],
)
def test_a_vpc_whose_file_is_elsewhere_or_nowhere(tmp_path: Path, href: str, said: str) -> None:
    clouds.make_vpc(tmp_path / "cloud.vpc", [href])
    assert said in refusal(tmp_path / "cloud.vpc")


def test_a_vpc_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "cloud.vpc"
    for content, said in (
        ("{}", "no virtual point cloud"),
        ('{"features": []}', "no points"),
        ('{"features": [{}]}', "without a file"),
        ('{"features": [{"assets": {"data": 7}}]}', "without a file"),
        ("<xml/>", "no JSON"),
    ):
        path.write_text(content)
        assert said in refusal(path)
