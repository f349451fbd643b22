"""Vectors and rasters of a cloud: what is drawn from points whose truth is known, and the files."""

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from shapely import Polygon

from inference_backend.cancel import CancelToken
from inference_backend.cloud_layers import COLUMNS, LAYERS
from inference_backend.cloud_raster_files import write_dtm, write_hag
from inference_backend.cloud_vectors import Provenance, write_vectors
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.evaluation.footprint_metrics import footprint_scores, polygon_iou
from inference_backend.points.metric import MetricFrame
from inference_backend.points.surface import SurfaceGrid
from inference_backend.vector.buildings import find_buildings
from inference_backend.vector.cloud_rasters import CloudEvidence, Window, pick_cell_m
from inference_backend.vector.panels import PANEL_CELLS, PanelStore
from inference_backend.vector.surfaces import ROAD, WATER, find_surfaces
from inference_backend.vector.tree_tops import find_trees
from inference_backend.vector.write import TargetProblem

AMSTERDAM = Path(__file__).parents[2].parent / "shared/data/lidar/amsterdam"
HOUSE = shapely.box(10, 10, 26, 20)
RIVER = Polygon([(0, 40), (80, 52), (80, 64), (0, 52)])
ROAD_AREA = shapely.box(0, 28, 80, 35)
TREES = ((40.0, 12.0, 9.0, 3.0), (52.0, 12.0, 14.0, 4.0), (62.5, 14.0, 11.0, 3.5))


def town(density=15.0, seed=0, echoless=None):
    """x, y, z, hag and probabilities of a small town over 80 m: a house, three trees, a river, a road, two wires."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 80, (2, int(density * 80 * 80)))
    hag = rng.normal(0, 0.03, len(x))
    share = {kind: np.zeros(len(x), np.float32) for kind in ("building", "tree", "water", "road")}
    inside = shapely.contains_xy(HOUSE, x, y)
    hag[inside], share["building"][inside] = 6.0, 0.95
    for cx, cy, top, radius in TREES:
        away = np.hypot(x - cx, y - cy)
        crown = (away < radius) & (rng.random(len(x)) < 0.8)
        hag[crown] = top - 0.6 * away[crown] - rng.exponential(0.3, crown.sum())
        share["tree"][crown] = 0.9
    low = hag < 1
    share["water"][shapely.contains_xy(RIVER, x, y) & low] = 0.9
    share["road"][shapely.contains_xy(ROAD_AREA, x, y) & low] = 0.9
    share["wire"] = np.zeros(len(x), np.float32)
    along = rng.uniform(0, 1, 400)
    aside = rng.integers(0, 2, 400)
    x = np.append(x, 5 + 70 * along)
    y = np.append(y, 70 + 2.0 * aside + 5 * along)
    hag = np.append(hag, 15 - 4 * 2.5 * along * (1 - along) + rng.normal(0, 0.03, 400))
    share = {kind: np.append(p, np.zeros(400, np.float32)) for kind, p in share.items()}
    share["wire"][-400:] = 1
    if echoless is not None:
        keep = ~shapely.contains_xy(echoless, x, y)
        x, y, hag = x[keep], y[keep], hag[keep]
        share = {kind: p[keep] for kind, p in share.items()}
    return x, y, 100 + hag, hag, share


@pytest.fixture(scope="module")
def evidence():
    with CloudEvidence((0, 0, 80, 80), 0.5) as gathered:
        gathered.add(*town())
        yield gathered


def test_each_tree_has_one_top_and_a_crown(evidence):
    trees = sorted(find_trees(evidence, CancelToken()), key=lambda tree: tree.top.x)
    assert len(trees) == 3
    for tree, (x, y, top, radius) in zip(trees, TREES, strict=True):
        assert np.hypot(tree.top.x - x, tree.top.y - y) < 1.2
        assert tree.height_m == pytest.approx(top, abs=0.6)
        assert tree.ground_m == pytest.approx(100, abs=0.2)
        assert tree.crown.area == pytest.approx(np.pi * radius**2, rel=0.25)
        assert tree.crown.contains(tree.top)
        assert tree.score == pytest.approx(0.9, abs=0.02)
        assert tree.n_points > 100


def test_trees_do_not_depend_on_windows(evidence, monkeypatch):
    from inference_backend.vector import tree_tops

    whole = {tree.top.wkt for tree in find_trees(evidence, CancelToken())}
    monkeypatch.setattr(tree_tops, "_WINDOW_CELLS", 24)
    assert {tree.top.wkt for tree in find_trees(evidence, CancelToken())} == whole


def test_water_and_road_come_back(evidence):
    for rules, truth in ((WATER, RIVER), (ROAD, ROAD_AREA)):
        found = find_surfaces(evidence, rules, CancelToken())
        assert len(found) == 1
        assert polygon_iou(found[0].polygon, truth) > 0.94
        assert found[0].ground_m == pytest.approx(100, abs=0.1)
        assert found[0].score > 0.8
        assert len(found[0].polygon.exterior.coords) < 40


def test_water_without_echoes_is_water_and_an_island_is_not():
    dark, island = shapely.box(30, 47, 45, 55), shapely.Point(60, 55).buffer(3.5)
    x, y, z, hag, share = town(echoless=dark)
    share["water"][shapely.contains_xy(island, x, y)] = 0
    with CloudEvidence((0, 0, 80, 80), 0.5) as gathered:
        gathered.add(x, y, z, hag, share)
        found = find_surfaces(gathered, WATER, CancelToken())
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, RIVER.difference(island)) > 0.92
    assert len(found[0].polygon.interiors) == 1


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".fgb"])
def test_layers_are_written_in_the_clouds_own_coordinates(evidence, tmp_path, suffix):
    frame = MetricFrame.of([120_000.4, 485_000.2, -3, 120_080, 485_080, 120])
    crs = pyproj.CRS(28992)
    made = Provenance("default-3d", "abc", "/somewhere/cloud.laz", "2026-01-01T00:00:00Z")
    told = []
    layers = write_vectors(
        evidence, tmp_path / f"out{suffix}", frame, crs, made, progress=told.append
    )
    assert [layer.name for layer in layers] == list(LAYERS)
    assert {layer.name: layer.count for layer in layers} == {
        "buildings": 1, "trees": 3, "crowns": 3, "water": 1, "roads": 1, "wires": 2,
    }  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == 1
    for layer in layers:
        named = layer.name if suffix == ".gpkg" else None
        table = pyogrio.read_dataframe(layer.path, layer=named)
        assert list(table.columns) == [*COLUMNS, "geometry"]
        assert len(table) == layer.count
        assert set(table["source"]) == {"cloud.laz"}
        assert set(table["model"]) == {"default-3d"}
        if suffix != ".geojson":
            assert table.crs.to_epsg() == 28992
            assert table.total_bounds[0] >= 120_000
            assert table.total_bounds[3] <= 485_081
    assert not list(tmp_path.glob(".cityseg*"))


def test_attributes_are_metres_and_heights_those_of_the_points(evidence, tmp_path):
    frame = MetricFrame.of([120_000, 485_000, 0, 120_080, 485_080, 120])
    write_vectors(evidence, tmp_path / "out.gpkg", frame, pyproj.CRS(28992))
    house = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="buildings").iloc[0]
    assert house["area_m2"] == pytest.approx(HOUSE.area, rel=0.03)
    assert house["perim_m"] == pytest.approx(HOUSE.length, rel=0.03)
    assert house["height_max"] == pytest.approx(6, abs=0.1)
    assert house["ground_z"] == pytest.approx(100, abs=0.1)
    assert house["n_points"] == pytest.approx(15 * HOUSE.area, rel=0.1)
    assert house["class"] == "building"
    wires = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="wires")
    assert (wires.geometry.has_z).all()
    assert wires["perim_m"].to_numpy() == pytest.approx(70.4, abs=1.5)
    assert wires["height_max"].to_numpy() == pytest.approx(15, abs=0.3)
    assert shapely.get_coordinates(wires.geometry, include_z=True)[:, 2].min() == pytest.approx(
        112.5, abs=0.2
    )
    water = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="water").iloc[0]
    assert np.isnan(water["height_max"])


def test_a_cloud_in_feet_keeps_its_feet_and_has_square_metres(evidence, tmp_path):
    foot = 1200 / 3937
    frame = MetricFrame.of([6_000_000, 2_000_000, 10, 6_000_262, 2_000_262, 400], foot, foot)
    write_vectors(evidence, tmp_path / "out.gpkg", frame, pyproj.CRS(2227))
    house = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="buildings")
    assert house["area_m2"][0] == pytest.approx(HOUSE.area, rel=0.03)
    assert house.geometry[0].area == pytest.approx(HOUSE.area / foot**2, rel=0.03)
    x0 = frame.origin_source[0]
    assert house.total_bounds[0] == pytest.approx(x0 + 10 / foot, abs=1)
    wires = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="wires")
    z = shapely.get_coordinates(wires.geometry, include_z=True)[:, 2]
    assert z.max() == pytest.approx(115 / foot, abs=1)


def test_only_the_layers_asked_for_are_written(evidence, tmp_path):
    frame = MetricFrame.of([0, 0, 0, 80, 80, 120])
    layers = write_vectors(
        evidence, tmp_path / "a.gpkg", frame, None, layers=["wires", "buildings"]
    )
    assert [layer.name for layer in layers] == ["buildings", "wires"]
    assert {name for name, _ in pyogrio.list_layers(tmp_path / "a.gpkg")} == {"buildings", "wires"}
    with pytest.raises(InvalidInput, match="hedges"):
        write_vectors(evidence, tmp_path / "b.gpkg", frame, None, layers=["hedges"])


def test_nothing_found_is_no_file(tmp_path):
    frame = MetricFrame.of([0, 0, 0, 80, 80, 120])
    with CloudEvidence((0, 0, 80, 80), 0.5) as empty:
        x = np.linspace(1, 79, 100)
        empty.add(x, x, x * 0, x * 0, {"building": x * 0})
        assert write_vectors(empty, tmp_path / "out.gpkg", frame, None) == []
        asked = write_vectors(
            empty, tmp_path / "out.shp", frame, None, layers=["buildings", "water"]
        )
    assert asked == []
    assert not list(tmp_path.iterdir())


def test_a_second_run_replaces_the_first_and_spares_what_is_not_its_own(evidence, tmp_path):
    frame = MetricFrame.of([0, 0, 0, 80, 80, 120])
    for _ in range(2):
        write_vectors(evidence, tmp_path / "out.gpkg", frame, None, layers=["buildings", "water"])
    assert len(pyogrio.list_layers(tmp_path / "out.gpkg")) == 2
    houses = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="buildings")
    pyogrio.write_dataframe(houses.set_crs(28992), tmp_path / "mine.gpkg", layer="my houses")
    with pytest.raises(TargetProblem, match="my houses"):
        write_vectors(evidence, tmp_path / "mine.gpkg", frame, None)
    with pytest.raises(TargetProblem, match="known format"):
        write_vectors(evidence, tmp_path / "out.txt", frame, None)


def test_a_cancel_leaves_nothing_behind(evidence, tmp_path):
    cancel = CancelToken()
    frame = MetricFrame.of([0, 0, 0, 80, 80, 120])
    with pytest.raises(Cancelled):
        write_vectors(
            evidence, tmp_path / "out.gpkg", frame, None, cancel=cancel,
            progress=lambda fraction: cancel.cancel(),
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_panels_that_go_to_disk_come_back(tmp_path):
    rng = np.random.default_rng(3)
    small = 4 * 2 * 4 * PANEL_CELLS**2
    side = 6 * PANEL_CELLS
    truth = np.zeros((side, side), np.float32)
    with PanelStore((0.0, -np.inf), tmp_path, memory_bytes=small) as store:
        for _ in range(60):
            row, col = rng.integers(0, 6, 2).tolist()
            panel = store.to_change((row, col))
            r, c = rng.integers(0, PANEL_CELLS, 2).tolist()
            panel[0, r, c] += 1
            truth[row * PANEL_CELLS + r, col * PANEL_CELLS + c] += 1
        got = store.window([0, 1], -10, -20, side + 30, side + 40)
        assert (got[0, 10 : 10 + side, 20 : 20 + side] == truth).all()
        assert got[0].sum() == 60
        assert np.isneginf(got[1]).all()
        assert len(store._held) <= 4
    assert not list(tmp_path.iterdir())


def test_evidence_counts_each_point_in_its_cell():
    with CloudEvidence((0, 0, 10, 10), 1.0) as gathered:
        x, y = np.array([0.5, 0.5, 9.9, np.nan]), np.array([0.5, 0.6, 0.1, 1.0])
        gathered.add(
            x, y, x * 0 + [5, 7, 3, 1], x * 0 + [2.5, 4.5, 0.5, 0], {"building": [1, 0.8, 0, 1]}
        )
        layers = gathered.layers(
            ("count", "inside", "roof_top", "above_ground"), Window(0, 0, 1, 10)
        )
    assert layers["count"][0].tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert layers["inside"][0, 0] == pytest.approx(1.8)
    assert layers["roof_top"][0, 0] + gathered.base_z_m == pytest.approx(7)
    assert layers["above_ground"][0, 0] == pytest.approx(4.5)
    with pytest.raises(ValueError, match="hedge"):
        gathered.add(x, y, x, y, {"hedge": x})


def test_rasters_have_north_up_and_the_clouds_own_heights(tmp_path, evidence):
    foot = 0.3048
    frame = MetricFrame.of([1000, 2000, 0, 1000 + 80 / foot, 2000 + 80 / foot, 400], foot, foot)
    rows, cols = 40, 80
    dtm = np.add.outer(np.arange(rows) * 1.0, np.zeros(cols)).astype(np.float32)
    dtm[5, 7] = np.nan
    write_dtm(tmp_path / "dtm.tif", dtm, 1.0, (0.0, 0.0), frame, pyproj.CRS(2227))
    with rasterio.open(tmp_path / "dtm.tif") as file:
        values = file.read(1, masked=True)
        assert file.crs.to_epsg() == 2227
        assert file.res[0] == pytest.approx(1 / foot)
        assert file.bounds.bottom == pytest.approx(frame.origin_source[1])
        assert values[-1, 0] == pytest.approx(0)
        assert values[0, 0] == pytest.approx(39 / foot, rel=1e-6)
        assert values.mask.sum() == 1
        assert values.mask[rows - 6, 7]
    metric = MetricFrame.of([0, 0, 0, 80, 80, 120])
    write_hag(tmp_path / "hag.tif", evidence, metric, pyproj.CRS(28992))
    with rasterio.open(tmp_path / "hag.tif") as file:
        heights = file.read(1, masked=True)
        row, col = file.index(18, 15)
        assert heights[row, col] == pytest.approx(6, abs=0.01)
        assert heights.max() == pytest.approx(15, abs=0.3)
        row, col = file.index(70, 5)
        assert abs(heights[row, col]) < 0.3
    with pytest.raises(TargetProblem, match="GeoTIFF"):
        write_hag(tmp_path / "hag.png", evidence, metric, None)


@pytest.mark.realdata
@pytest.mark.skipif(not AMSTERDAM.exists(), reason="needs ../shared/data/lidar/amsterdam")
def test_footprints_of_amsterdam_are_the_mapped_buildings():
    import laspy

    with (AMSTERDAM / "bag/bag_buildings_demo.csv").open() as stream:
        mapped = [Polygon(json.loads(row["polygon"])) for row in csv.DictReader(stream)]
    found, area = [], []
    for path in sorted((AMSTERDAM / "ahn").glob("*.laz")):
        cloud = laspy.read(path)
        x, y, z = (np.asarray(cloud[name]) for name in "xyz")
        code = np.asarray(cloud.classification)
        bounds = (np.floor(x.min()), np.floor(y.min()), x.max(), y.max())
        # Ground as the survey marked it: what is measured here are the outlines.
        grid = SurfaceGrid(bounds, 2.0)
        grid.add(x[code == 2], y[code == 2], z[code == 2])
        low = grid.low()
        ground = np.where(np.isfinite(low), low, np.nanmedian(low))
        hag = z - grid.sample(ground, x, y)
        area.append(shapely.box(*bounds))
        with CloudEvidence(bounds, pick_cell_m(len(x) / area[-1].area)) as gathered:
            gathered.add(x, y, z, hag, {"building": (code == 6).astype(np.float32)})
            found += [one.polygon for one in find_buildings(gathered, CancelToken())]
    scores = footprint_scores(found, mapped, shapely.union_all(area))
    assert scores.area_iou > 0.8
    assert scores.vertices < scores.mapped_vertices / 2
    for index, one in enumerate(found):
        assert one.is_valid
        assert all(one.intersection(other).area < 1e-4 for other in found[index + 1 :])
