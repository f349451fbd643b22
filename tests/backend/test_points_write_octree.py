"""The octree of COPC and EPT: each point in one node, one point a cell, and the same from tiles on disk as from memory."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.cancel import CancelToken
from inference_backend.points import nodes as nodes_module
from inference_backend.points import octree, spill, write_ept
from inference_backend.points.open import open_cloud
from inference_backend.points.write import write_cloud
from tests.data.classified_clouds import (
    LABELS,
    assert_same_ept,
    assert_same_points,
    expected,
    make_results,
    read_ept,
)
from tests.data.clouds import make_las

copclib = pytest.importorskip("copclib", reason="needs the test dependency copclib")

XYZ = np.dtype([("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("number", "<i4")])
SCALES, OFFSETS = (0.01, 0.01, 0.001), (500_000.0, 6_000_000.0, 0.0)


def scattered(count: int, seed: int, place: str) -> np.ndarray:
    """A flat town, a town with one bird a hundred kilometres up, points on a line, or all in one place."""
    rng = np.random.default_rng(seed)
    points = np.zeros(count, XYZ)
    points["number"] = np.arange(count)
    if place == "equal":
        points["X"], points["Y"], points["Z"] = 5, -7, 11
        return points
    points["X"] = rng.integers(-50_000, 50_000, count)
    points["Y"] = points["X"] if place == "line" else rng.integers(-50_000, 50_000, count)
    points["Z"] = rng.integers(0, 20_000, count)
    if place == "outlier":
        points["Z"][0] = 100_000_000
    return points


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles and leaves of few points: what a hundred million points do, with a few thousand."""
    monkeypatch.setattr(spill, "TILE_POINTS", 1500)
    monkeypatch.setattr(spill, "_MEAN_POINTS", 700)
    monkeypatch.setattr(octree, "LEAF_POINTS", 100)
    monkeypatch.setattr(octree, "SPAN", 8)
    monkeypatch.setattr(octree, "_SPAN_BITS", 3)
    monkeypatch.setattr(nodes_module, "_BATCH_POINTS", 500)
    monkeypatch.setattr(write_ept, "_HIERARCHY_NODES", 40)


@given(
    count=st.sampled_from([1, 2, 90, 3000]),
    seed=st.integers(0, 99),
    place=st.sampled_from(["town", "outlier", "line", "equal"]),
)
@settings(max_examples=40)
def test_nodes_hold_every_point_once_and_one_a_cell(count, seed, place):
    leaf, octree.LEAF_POINTS = octree.LEAF_POINTS, 100
    try:
        points = scattered(count, seed, place)
        cube = cube_around(points)
        plan = octree.plan_nodes(points, cube, (0, 0, 0, 0), octree.CoarseCells())
    finally:
        octree.LEAF_POINTS = leaf
    assert sorted(plan.order.tolist()) == list(range(count))
    assert len(set(plan.keys)) == len(plan.keys)
    keys = set(plan.keys)
    for number, key in enumerate(plan.keys):
        members = plan.order[plan.starts[number] : plan.starts[number + 1]]
        assert len(members)
        # In the order of the source, which compresses better.
        assert np.all(np.diff(members) > 0)
        check_node(points[members], cube, key, leaf=not has_children(key, keys))
        assert key[0] == 0 or (key[0] - 1, *(axis >> 1 for axis in key[1:])) in keys


def cube_around(points):
    least = [points[name].min() * s + o for name, s, o in zip("XYZ", SCALES, OFFSETS, strict=True)]
    most = [points[name].max() * s + o for name, s, o in zip("XYZ", SCALES, OFFSETS, strict=True)]
    return octree.cube_of(least, most, SCALES, OFFSETS)


def has_children(key, keys):
    level, x, y, z = key
    return any(
        (level + 1, 2 * x + i, 2 * y + j, 2 * z + k) in keys
        for i in (0, 1)
        for j in (0, 1)
        for k in (0, 1)
    )


def check_node(points, cube, key, leaf):
    side = cube.side / 2 ** key[0]
    cells = []
    for axis, name in enumerate("XYZ"):
        place = points[name] * SCALES[axis] + OFFSETS[axis] - cube.corner[axis]
        inside = place / side - key[axis + 1]
        assert inside.min() >= -1e-6
        assert inside.max() <= 1 + 1e-6
        cells.append(np.clip(np.floor(inside * octree.SPAN + 1e-9), 0, octree.SPAN - 1))
    if not leaf:
        # The sum of rounding: a point on the border of two cells may count for either.
        assert len(points) - len(np.unique(np.stack(cells), axis=1).T) <= 1


@given(
    count=st.sampled_from([1600, 4000]),
    seed=st.integers(0, 99),
    place=st.sampled_from(["town", "outlier", "line", "equal"]),
    lie=st.sampled_from([0.0, 300.0, -300.0]),
)
@settings(max_examples=25)
def test_tiles_on_disk_give_every_point_back_with_a_cube_that_holds_it(count, seed, place, lie):
    points = scattered(count, seed, place)
    before = spill.TILE_POINTS, spill._MEAN_POINTS
    spill.TILE_POINTS, spill._MEAN_POINTS = 1500, 700
    try:
        with tempfile.TemporaryDirectory() as folder:
            true = np.array(cube_around(points).bounds)
            stated = true + np.array([lie, 0, 0, lie, 0, 0])
            tiles = spill.Spill(Path(folder), XYZ, stated, count, SCALES, OFFSETS)
            for at in range(0, count, 400):
                tiles.add(points[at : at + 400])
            seen = []
            for cube, key, some in tiles.tiles(CancelToken()):
                check_node(some, cube, key, leaf=True)
                seen.append(some["number"])
                assert place == "equal" or len(some) <= 1500
            assert not list(Path(folder).rglob("*.points"))
        assert sorted(np.concatenate(seen).tolist()) == list(range(count))
    finally:
        spill.TILE_POINTS, spill._MEAN_POINTS = before


@pytest.mark.parametrize("form", ["copc.laz", "ept"])
def test_a_cloud_larger_than_memory_is_written_whole(tmp_path, small_tiles, form):
    source = make_las(tmp_path / "s.laz", 7, "1.4", count=30_000)
    results = make_results(len(source), tmp_path / "results")
    out = tmp_path / (form if form == "ept" else f"o.{form}")
    told = []
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, out, results, LABELS, progress=told.append)
    wanted = expected(source, results)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(set(told)) > 10
    if form == "ept":
        ept = read_ept(out)
        assert_same_ept(ept, wanted)
        assert ept.meta["points"] == 30_000
        assert len(ept.hierarchies) > 4
        assert max(map(len, ept.hierarchies.values())) <= 9 + 8 * 40
        assert len(ept.nodes) > 300
        return
    assert_same_points(laspy.read(out), wanted)
    reader = copclib.FileReader(str(out))
    nodes = reader.GetAllNodes()
    assert sum(node.point_count for node in nodes) == 30_000
    assert len(nodes) > 300
    assert reader.ValidateSpatialBounds(False)


def test_copc_answers_by_place_and_by_resolution(tmp_path):
    source = make_las(tmp_path / "s.laz", 6, "1.4", count=60_000)
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, tmp_path / "o.copc.laz", results, LABELS)
    with laspy.CopcReader.open(tmp_path / "o.copc.laz") as reader:
        assert reader.header.parse_crs().to_epsg() == 2154
        info = reader.copc_info
        assert info.spacing == pytest.approx(2 * info.halfsize / 128)
        assert info.gps_min == pytest.approx(float(np.min(source.gps_time)))
        assert info.gps_max == pytest.approx(float(np.max(source.gps_time)))
        low, high = np.array([770_520.0, 6_277_530.0]), np.array([770_540.0, 6_277_570.0])
        found = reader.query(bounds=laspy.copc.Bounds(low, high))
        xy = np.stack([source.x, source.y], axis=1)
        inside = ((xy >= low) & (xy <= high)).all(axis=1)
        assert len(found) == inside.sum() > 0
        wanted = source.points.array["X"][inside]
        assert sorted(found.array["X"].tolist()) == sorted(wanted.tolist())
        coarse = reader.query(resolution=info.spacing)
        assert 0 < len(coarse) < len(source)
        assert len(reader.query()) == len(source)


def test_copc_is_as_copclib_expects_it(tmp_path):
    source = make_las(tmp_path / "s.laz", 3, "1.2", count=50_000)
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, tmp_path / "o.copc.laz", results, LABELS)
    reader = copclib.FileReader(str(tmp_path / "o.copc.laz"))
    config = reader.copc_config
    assert config.las_header.point_format_id == 7
    assert "Lambert" in config.wkt
    # Two dimensions of the source of three bytes, and ours.
    assert len(config.extra_bytes_vlr.items) == 4
    assert config.las_header.EbByteSize() == 5
    assert reader.ValidateSpatialBounds(False)
    seen = []
    for node in reader.GetAllNodes():
        points = reader.GetPoints(node)
        assert len(points) == node.point_count > 0
        seen += [bytes(point.extra_bytes)[-2:] for point in points]
    ours = np.stack([results.conf, results.label], axis=1).tobytes()
    assert sorted(seen) == sorted(ours[at : at + 2] for at in range(0, len(ours), 2))


def test_ept_says_what_qgis_and_pdal_ask(tmp_path):
    source = make_las(tmp_path / "s.laz", 3, "1.2", count=5000)
    results = make_results(len(source), tmp_path / "results")
    with open_cloud(tmp_path / "s.laz") as cloud:
        write_cloud(cloud, tmp_path / "town", results, LABELS)
    ept = read_ept(tmp_path / "town")
    assert (ept.meta["dataType"], ept.meta["hierarchyType"]) == ("binary", "json")
    assert ept.meta["srs"]["horizontal"] == "2154"
    assert "Lambert" in ept.meta["srs"]["wkt"]
    counts = {one["value"]: one["count"] for one in ept.entry("Classification")["counts"]}
    assert counts == dict(zip(*np.unique(results.code, return_counts=True), strict=True))
    x = ept.entry("X")
    assert (x["minimum"], x["maximum"]) == (np.min(source.x), np.max(source.x))
    echo = ept.entry("echo_width")
    assert (echo["scale"], echo["offset"]) == (0.1, 5.0)
    assert echo["maximum"] == pytest.approx(float(np.max(source.echo_width)))
    labels = {"1": "open ground", "2": "Straße"}
    assert ept.meta["cityseg"]["labels"] == labels
    assert ept.meta["cityseg"]["colours"]["1"] == [150, 120, 90]
    beside = json.loads((tmp_path / "town" / "cityseg.json").read_text(encoding="utf-8"))
    assert beside == ept.meta["cityseg"]
    low, high = np.array(ept.meta["bounds"]).reshape(2, 3)
    assert len(set(np.round(high - low, 9))) == 1


def test_integers_too_long_for_an_ept_are_said(tmp_path):
    head = laspy.LasHeader(point_format=6, version="1.4")
    head.add_extra_dims([laspy.ExtraBytesParams(name, "uint64") for name in ("short", "long")])
    las = laspy.LasData(head, laspy.ScaleAwarePointRecord.zeros(3, header=head))
    las.X, las.short, las.long = [1, 2, 3], [2**53, 1, 2], [2**60 + 1, 1, 2]
    las.write(tmp_path / "s.las")
    results = make_results(3, tmp_path / "results")
    with open_cloud(tmp_path / "s.las") as cloud:
        written = write_cloud(cloud, tmp_path / "town", results, LABELS)
        assert [text.split()[0] for text in written.warnings] == ["'long'"]
        assert write_cloud(cloud, tmp_path / "o.copc.laz", results, LABELS).warnings == ()
    assert sorted(laspy.read(tmp_path / "o.copc.laz")["long"].tolist()) == [1, 2, 2**60 + 1]
    assert sorted(read_ept(tmp_path / "town").points["short"].tolist()) == [1, 2, 2**53]
