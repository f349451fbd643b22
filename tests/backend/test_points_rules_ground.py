"""The ground filter on terrain whose truth is known, and on real surveys where they are at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inference_backend.points.ground import Ground, GroundRules, filter_ground
from inference_backend.points.ground_cells import coarsen_factor, fill_smooth, low_outliers
from inference_backend.points.surface import SurfaceGrid
from scripts.benchmarks.ground import errors, measure, surveys

Terrain = Callable[[np.ndarray, np.ndarray], np.ndarray]
SIDE = 200.0


def flat(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.3 * np.sin(x / 60) * np.cos(y / 70)


def steep(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes up to 40 degrees."""
    return 25 * np.sin(x / 45) + 15 * np.cos(y / 40)


def points(terrain: Terrain, density: float, seed: int = 1) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, int(density * SIDE**2))) * SIDE
    return x, y, terrain(x, y) + rng.normal(0, 0.03, len(x))


def put_box(cloud: tuple, box: tuple[float, float, float, float], height: float) -> np.ndarray:
    """Lift the points in a box to a flat roof; says which they are."""
    x, y, z = cloud
    inside = (x >= box[0]) & (y >= box[1]) & (x < box[2]) & (y < box[3])
    z[inside] = z[inside].max() + height
    return inside


def ground_of(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Ground:
    grid = SurfaceGrid((x.min(), y.min(), x.max(), y.max()))
    grid.add(x, y, z)
    return filter_ground(grid.low(), grid.cell_m, grid.corner_m)


@pytest.mark.parametrize("terrain", [flat, steep])
@pytest.mark.parametrize("density", [0.3, 1.5, 15.0])
def test_houses_and_trees_are_taken_away_and_hillsides_are_not(
    terrain: Terrain, density: float
) -> None:
    cloud = x, y, z = points(terrain, density)
    objects = np.zeros(len(x), bool)
    for corner in ((20, 20), (90, 40), (150, 120), (60, 150)):
        objects |= put_box(cloud, (*corner, corner[0] + 15, corner[1] + 22), 6.0)
    rng = np.random.default_rng(2)
    trees = ((x - 130) ** 2 + (y - 60) ** 2 < 18**2) & (rng.random(len(x)) < 0.8) & ~objects
    z[trees] += 3 + 12 * rng.random(trees.sum())
    ground = ground_of(x, y, z)
    result = errors(ground.is_ground(x, y, z), ~(objects | trees))
    assert result["type_1"] < 2
    assert result["type_2"] < 5
    off = ground.at(x, y) - terrain(x, y)
    assert np.sqrt(np.mean(off**2)) < (0.15 if terrain is flat else 0.6)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_thinned_cloud_has_the_same_ground(share: float) -> None:
    cloud = x, y, z = points(steep, 10.0)
    put_box(cloud, (80, 80, 100, 110), 8.0)
    whole = ground_of(x, y, z)
    keep = np.random.default_rng(3).random(len(x)) < share
    thin = ground_of(x[keep], y[keep], z[keep])
    assert np.quantile(np.abs(whole.at(x, y) - thin.at(x, y)), 0.95) < 0.7


def test_a_hall_wider_than_any_window_is_no_ground() -> None:
    cloud = x, y, z = points(flat, 4.0)
    hall = put_box(cloud, (40, 60, 130, 150), 9.0)
    ground = ground_of(x, y, z)
    assert not ground.is_ground(x, y, z)[hall].any()
    assert ground.is_ground(x, y, z)[~hall].mean() > 0.97
    assert np.median(ground.height_above(x, y, z)[hall]) == pytest.approx(9.0, abs=0.6)


def test_a_terrace_behind_a_wall_stays_ground() -> None:
    x, y, z = points(flat, 4.0)
    z[x > 100] += 4.0
    ground = ground_of(x, y, z)
    assert ground.is_ground(x, y, z).mean() > 0.97


@pytest.mark.parametrize("box", [(0, 50, 25, 90), (0, 0, 30, 30), (170, 80, 200, 115)])
def test_a_tall_building_at_the_border_of_the_data_is_no_ground(box: tuple) -> None:
    cloud = x, y, z = points(flat, 8.0)
    tower = put_box(cloud, box, 45.0)
    ground = ground_of(x, y, z)
    assert not ground.is_ground(x, y, z)[tower].any()
    assert ground.height_above(x, y, z)[tower].min() > 40


def test_a_bridge_over_water_without_returns_is_no_ground() -> None:
    cloud = x, y, z = points(flat, 8.0)
    deck = put_box(cloud, (90, 70, 102, 130), 5.0)
    keep = ~((y > 75) & (y < 125)) | deck
    x, y, z, deck = x[keep], y[keep], z[keep], deck[keep]
    ground = ground_of(x, y, z)
    over = deck & (y > 80) & (y < 120)
    assert not ground.is_ground(x, y, z)[over].any()
    assert ground.is_ground(x, y, z)[~deck].mean() > 0.97


def test_houses_at_the_water_do_not_go_on_over_it() -> None:
    cloud = x, y, z = points(flat, 8.0)
    house = put_box(cloud, (60, 40, 80, 80), 9.0)
    keep = (y < 80) | (y > 130)
    x, y, z, house = x[keep], y[keep], z[keep], house[keep]
    ground = ground_of(x, y, z)
    assert not ground.is_ground(x, y, z)[house].any()
    assert np.abs(ground.at(np.array([70.0]), np.array([105.0]))) < 1


def test_strays_under_the_ground_do_not_pull_it_down() -> None:
    x, y, z = points(flat, 8.0)
    rng = np.random.default_rng(4)
    deep = np.r_[z, -rng.uniform(3, 60, 12)]
    x, y = np.r_[x, rng.random(12) * SIDE], np.r_[y, rng.random(12) * SIDE]
    ground = ground_of(x, y, deep)
    assert np.abs(ground.dtm - np.median(ground.dtm)).max() < 1
    assert not ground.is_ground(x, y, deep)[-12:].any()


def test_a_dense_forest_keeps_its_few_ground_points() -> None:
    x, y, z = points(steep, 15.0)
    rng = np.random.default_rng(5)
    truth = rng.random(len(x)) < 0.04
    z[~truth] += 8 + 10 * rng.random((~truth).sum())
    ground = ground_of(x, y, z)
    assert ground.is_ground(x, y, z)[truth].mean() > 0.75
    assert ground.is_ground(x, y, z)[~truth].mean() < 0.02


def test_edge_cases_have_a_ground() -> None:
    nothing = filter_ground(np.full((5, 7), np.nan, np.float32), 1.0)
    assert not nothing.dtm.any()
    for shape in ((1, 1), (1, 40), (40, 1), (3, 3), (2, 50)):
        ground = filter_ground(np.full(shape, 12.5, np.float32), 1.0)
        assert ground.dtm.shape == shape
        assert ground.dtm == pytest.approx(12.5, abs=1e-3)
    lone = np.full((1500, 1500), np.nan, np.float32)
    lone[700, 800] = 40.0
    assert filter_ground(lone, 1.0).dtm == pytest.approx(40.0, abs=1e-2)


def test_one_point_a_square_kilometre_is_ground() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.random((2, 16)) * 4000
    z = 0.01 * x
    ground = ground_of(x, y, z)
    assert np.isfinite(ground.dtm).all()
    assert np.abs(ground.height_above(x, y, z)).max() < 40


def test_the_ground_does_not_depend_on_where_the_cloud_lies() -> None:
    cloud = x, y, z = points(steep, 5.0)
    put_box(cloud, (80, 80, 100, 110), 8.0)
    here = ground_of(x, y, z)
    there = ground_of(x + 4096, y + 8192, z + 500)
    assert there.dtm - 500 == pytest.approx(here.dtm, abs=2e-3)


def test_tolerance_of_ground_grows_with_slope() -> None:
    columns = np.arange(50, dtype=np.float32)
    level = Ground(np.zeros((50, 50), np.float32), 1.0, rules=GroundRules())
    hill = Ground(np.tile(columns, (50, 1)), 1.0, rules=GroundRules())
    at = np.array([25.0])
    raised = 0.5
    assert not level.is_ground(at, at, np.array([raised])).any()
    assert hill.is_ground(at, at, hill.at(at, at) + raised).all()
    assert level.is_ground(at, at, np.array([raised]), tolerance=0.6).all()


def test_thin_cells_are_coarsened_until_most_hold_a_point() -> None:
    rng = np.random.default_rng(7)
    full = np.zeros((120, 120), np.float32)
    assert coarsen_factor(full) == 1
    thin = np.where(rng.random(full.shape) < 0.2, full, np.float32(np.nan))
    assert coarsen_factor(thin) in (3, 4)


def test_filling_keeps_what_is_known_and_stays_between() -> None:
    raster = np.full((33, 47), np.nan, np.float32)
    raster[:, 0], raster[:, -1] = 10.0, 20.0
    filled = fill_smooth(raster)
    assert (filled[:, 0] == 10).all()
    assert (filled[:, -1] == 20).all()
    assert filled.min() >= 10
    assert filled.max() <= 20
    assert np.abs(np.diff(filled[16])).max() < 5


def test_a_hole_of_one_cell_is_a_stray_and_a_ditch_is_none() -> None:
    raster = np.zeros((64, 64), np.float32)
    raster[30, 30] = -6.0
    raster[10:12, :] = -3.0
    found = low_outliers(raster[20:], 1.0)
    assert found[10, 30]
    assert found.sum() == 1
    assert not low_outliers(raster, 1.0)[10:12].any()


@pytest.mark.realdata
def test_a_survey_of_another_country_has_its_ground_found() -> None:
    found = [measure(survey) for survey in surveys() if survey.split == "test"]
    if not found:
        pytest.skip("../shared/data/lidar/amsterdam is not here")
    assert min(row.iou for row in found) > 93.0


@pytest.mark.realdata
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_thinned_survey_has_its_ground_found(share: float) -> None:
    found = [measure(survey, share) for survey in surveys() if survey.split == "test"]
    if not found:
        pytest.skip("../shared/data/lidar/amsterdam is not here")
    assert min(row.iou for row in found) > 90.0
