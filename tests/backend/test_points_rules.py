"""Rules of preprocessing that look at a cloud as a whole: frame, surface, density, intensity, noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_backend.errors import InvalidInput
from inference_backend.points.context import ContextGrid
from inference_backend.points.density import GRIDS_M, density_per_m2, grid_for
from inference_backend.points.ground import Ground
from inference_backend.points.intensity import IntensityRanks
from inference_backend.points.metric import MetricFrame, finite
from inference_backend.points.noise import noise_mask
from inference_backend.points.surface import MAX_CELLS, SurfaceGrid, sample

FOOT_M = 1200 / 3937


def test_feet_become_metres_and_come_back() -> None:
    frame = MetricFrame.of((1_000_000.3, 500_000.7, 10, 1_000_100.3, 500_200.7, 90), FOOT_M, 0.3048)
    x, y, z = frame.to_metric(np.array([1_000_100.3]), np.array([500_200.7]), np.array([90.0]))
    assert 0 <= frame.bounds_m[0] < 1
    assert 0 <= frame.bounds_m[1] < 1
    assert x[0] - frame.bounds_m[0] == pytest.approx(100 * FOOT_M)
    assert y[0] - frame.bounds_m[1] == pytest.approx(200 * FOOT_M)
    assert z[0] == pytest.approx(90 * 0.3048)
    back = frame.to_source(x, y, z)
    assert [axis[0] for axis in back] == pytest.approx([1_000_100.3, 500_200.7, 90.0], abs=1e-6)


def test_the_origin_lies_on_whole_metres() -> None:
    frame = MetricFrame.of((870_000.37, 6_618_000.9, 5, 870_100, 6_618_100, 9))
    assert frame.origin_source == (870_000.0, 6_618_000.0, 0.0)


def test_a_height_that_is_no_place_on_earth_moves_the_origin_of_z() -> None:
    frame = MetricFrame.of((0, 0, 5e6, 10, 10, 5e6 + 7.3))
    _, _, z = frame.to_metric(np.zeros(1), np.zeros(1), np.array([5e6 + 7.3]))
    assert float(np.float32(z[0])) == pytest.approx(7.3, abs=1e-4)


@pytest.mark.parametrize(
    "bounds", [(np.nan, 0, 0, 1, 1, 1), (0, 0, 0, np.inf, 1, 1), (5, 0, 0, 1, 1, 1), (0, 0, 1, 1)]
)
def test_bounds_that_are_no_numbers_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="bounds"):
        MetricFrame.of(bounds)


def test_a_unit_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="unit"):
        MetricFrame.of((0, 0, 0, 1, 1, 1), xy_unit_m=0.0)


def test_a_raster_of_the_frame_has_north_up_in_the_source() -> None:
    frame = MetricFrame.of((1000, 2000, 0, 1100, 2050, 9), FOOT_M, FOOT_M)
    a, _, left, _, e, top = frame.raster_transform(1.0, (0.0, 0.0), rows=20)
    assert a == pytest.approx(1 / FOOT_M)
    assert e == -a
    x, y, _ = frame.to_source(np.array([0.0]), np.array([20.0]), np.zeros(1))
    assert (left, top) == (pytest.approx(x[0]), pytest.approx(y[0]))


def test_surface_keeps_lowest_highest_and_first_returns_whatever_the_chunks() -> None:
    rng = np.random.default_rng(1)
    x, y, z = rng.random(5000) * 30, rng.random(5000) * 20, rng.normal(size=5000)
    first = rng.random(5000) < 0.7
    grid = SurfaceGrid((0, 0, 30, 20))
    for part in np.array_split(rng.permutation(5000), 7):
        grid.add(x[part], y[part], z[part], first[part])
    row, col = 13, 4
    inside = (np.floor(x) == col) & (np.floor(y) == row)
    assert grid.low()[row, col] == np.float32(z[inside].min())
    assert grid.high()[row, col] == np.float32(z[inside].max())
    assert grid.count()[row, col] == (inside & first).sum()
    assert grid.count().sum() == first.sum()


def test_surface_leaves_out_what_is_no_number_or_outside() -> None:
    grid = SurfaceGrid((0, 0, 10, 10))
    x = np.array([1.0, np.nan, 5.0, 99.0, 5.0])
    grid.add(x, np.array([1.0, 1, np.inf, 1, 5]), np.array([3.0, 1, 1, 1, np.nan]))
    assert grid.points == 1
    assert np.isfinite(grid.low()).sum() == 1
    assert grid.low()[1, 1] == 3


def test_wide_bounds_get_larger_cells_and_absurd_ones_a_sentence() -> None:
    grid = SurfaceGrid((0, 0, 8_000, 8_000))
    assert grid.rows * grid.cols <= MAX_CELLS
    assert 1.0 < grid.cell_m < 2.0
    with pytest.raises(InvalidInput, match=r"870 km by 6,600 km"):
        SurfaceGrid((0, 0, 870_000, 6_600_000))
    with pytest.raises(InvalidInput, match="bounds"):
        SurfaceGrid((0, 0, np.nan, 1))


def test_an_extent_of_a_cloud_has_the_cells_of_the_whole() -> None:
    whole, part = SurfaceGrid((3.2, 4.7, 90, 80)), SurfaceGrid((31.6, 40.2, 60.1, 70))
    for corner in (0, 1):
        assert (part.corner_m[corner] - whole.corner_m[corner]) % whole.cell_m == 0


@given(a=st.floats(-2, 2), b=st.floats(-2, 2), x=st.floats(0.5, 9.4), y=st.floats(0.5, 5.4))
def test_sampling_is_exact_on_a_plane(a: float, b: float, x: float, y: float) -> None:
    cols, rows = np.meshgrid(np.arange(10) + 0.5, np.arange(6) + 0.5)
    plane = (a * cols + b * rows).astype(np.float32)
    value = sample(plane, 1.0, (0.0, 0.0), np.array([x]), np.array([y]))[0]
    assert value == pytest.approx(a * x + b * y, abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_sampling_a_single_row_or_column(shape: tuple[int, int]) -> None:
    raster = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    values = sample(raster, 2.0, (0.0, 0.0), np.array([-5.0, 50.0]), np.array([-5.0, 50.0]))
    assert values.tolist() == [0.0, float(raster.max())]


@pytest.mark.parametrize("density", [0.3, 1.0, 4.0, 15.0, 66.0, 400.0])
def test_density_is_that_of_what_was_flown(density: float) -> None:
    rng = np.random.default_rng(2)
    side = 400 if density < 2 else 100
    x, y = rng.random((2, int(density * side * side))) * side
    strip = x + y < 1.2 * side
    lake = (x - side / 2) ** 2 + (y - side / 3) ** 2 < (side / 6) ** 2
    grid = SurfaceGrid((0, 0, side, side))
    keep = strip & ~lake
    grid.add(x[keep], y[keep], np.zeros(int(keep.sum())))
    assert density_per_m2(grid.count(), grid.cell_m) == pytest.approx(density, rel=0.15)


def test_density_of_nothing_and_of_one_point() -> None:
    assert density_per_m2(np.zeros((5, 5)), 1.0) == 0.0
    grid = SurfaceGrid((0, 0, 1000, 1000))
    grid.add(np.array([500.0]), np.array([500.0]), np.array([1.0]))
    assert 0 < density_per_m2(grid.count(), 1.0) < 0.1


def test_grid_follows_density() -> None:
    assert [grid_for(d) for d in (14, 4, 66, 0.3, 1000, 0.0)] == [0.5, 0.7, 0.25, 1.0, 0.25, 1.0]
    grids = [grid_for(d) for d in np.geomspace(0.1, 200, 60)]
    assert set(grids) == set(GRIDS_M)
    assert grids == sorted(grids, reverse=True)


def test_intensity_ranks_do_not_know_the_sensor() -> None:
    rng = np.random.default_rng(3)
    dim = rng.integers(0, 255, 4000).astype(np.uint16)
    bright = (dim.astype(np.uint32) * 201 + 3).astype(np.uint16)
    ranks = []
    for values in (dim, bright):
        ranker = IntensityRanks()
        for part in np.array_split(values, 5):
            ranker.add(part)
        ranks.append(ranker.rank(values))
    assert np.array_equal(ranks[0], ranks[1])
    assert ranks[0].mean() == pytest.approx(0.5, abs=1e-3)
    assert 0 <= ranks[0].min() < ranks[0].max() <= 1


@pytest.mark.parametrize("values", [[], [7], [300] * 50])
def test_an_intensity_that_says_nothing_is_absent(values: list[int]) -> None:
    ranker = IntensityRanks()
    ranker.add(np.array(values, np.uint16))
    assert ranker.absent
    assert ranker.rank(np.array(values, np.uint16)) is None


def surface_with_strays(density: float, slope: float) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(4)
    n = int(density * 100 * 100)
    x, y = rng.random((2, n)) * 100
    z = slope * x + rng.normal(0, 0.03, n)
    z[: n // 10] += rng.random(n // 10) * 15  # trees
    x = np.r_[x, 20.0, 70, 40]
    y = np.r_[y, 30.0, 60, 80]
    z = np.r_[z, slope * 20 - 8, slope * 70 + 120, slope * 40 + 300]
    return x, y, z


@pytest.mark.parametrize("density", [0.5, 5.0, 40.0])
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_strays_are_noise_and_nothing_else_is(density: float, slope: float) -> None:
    x, y, z = surface_with_strays(density, slope)
    mask = noise_mask(x, y, z, z - slope * x)
    assert mask[-3:].tolist() == [7, 18, 18]
    assert not mask[:-3].any()


def test_a_wire_is_no_noise() -> None:
    x, y, z = surface_with_strays(15.0, 0.0)
    along = np.arange(0, 100, 0.5)
    wire = (np.r_[x, along], np.r_[y, np.full(200, 50.0)], np.r_[z, np.full(200, 55.0)])
    mask = noise_mask(*wire, wire[2])
    assert not mask[-200:].any()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_points_make_no_noise(count: int) -> None:
    x = np.linspace(0, 3000, count)
    assert not noise_mask(x, x, np.zeros(count), np.zeros(count)).any()


def test_equal_points_are_no_noise() -> None:
    same = np.full(1000, 5.0)
    assert not noise_mask(same, same, same).any()


def test_finite_knows_all_three_axes() -> None:
    good, bad = np.zeros(3), np.array([0.0, np.nan, -np.inf])
    assert finite(good, good, bad).tolist() == [True, False, False]
    assert finite(bad, good, good).tolist() == [True, False, False]


def test_context_says_what_lies_about_a_place() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.random((2, 40_000)) * 400
    roof = (x > 200) & (x < 240) & (y > 200) & (y < 220)
    z = np.where(roof, 112.0, 100.0)
    crown = x < 40
    number = np.ones(40_000, np.uint8)
    returns = np.where(crown, 3, 1).astype(np.uint8)
    grid = ContextGrid((0, 0, 400, 400))
    for part in np.array_split(np.arange(40_000), 3):
        grid.add(x[part], y[part], z[part], number[part], returns[part])
    grid.finish(Ground(np.full((400, 400), 100, np.float32), 1.0))
    window = grid.window((200.0, 200.0))
    assert window.shape == (4, 64, 64)
    assert window[:2, 33, 34] == pytest.approx(1.2, abs=0.01)
    assert abs(window[:2, 20, 20]).max() < 0.01
    assert np.expm1(window[2].mean() * 4) == pytest.approx(0.25, rel=0.2)
    assert window[3, 32, 60] == 0
    edge = grid.window((8.0, 200.0))
    assert not edge[:, :, :30].any()
    assert edge[3, :, 32:40].mean() > 0.8
