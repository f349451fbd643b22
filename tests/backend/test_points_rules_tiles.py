"""Tiles on disk, blocks with halo, and votes without seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.points.blocks import RawPoints, Surroundings, halo_weight, make_block, survey
from inference_backend.points.density import GRIDS_M
from inference_backend.points.tile_records import tile_sizes
from inference_backend.points.tiles import TileStore
from inference_backend.points.voting import Vote, Voting

BOUNDS = (3.0, 5.0, 303.0, 255.0)
TILE_M, HALO_M = 96.0, 12.0


def cloud(count: int = 60_000, seed: int = 1) -> RawPoints:
    rng = np.random.default_rng(seed)
    returns = rng.integers(1, 5, count).astype(np.uint8)
    return RawPoints(
        np.arange(count),
        BOUNDS[0] + rng.random(count) * 300,
        BOUNDS[1] + rng.random(count) * 250,
        rng.random(count) * 3,
        rng.integers(0, 60_000, count).astype(np.uint16),
        rng.integers(1, returns + 1).astype(np.uint8),
        returns,
        rng.integers(0, 256, (count, 3)).astype(np.uint16),
    )


def rows(points: RawPoints, which: np.ndarray) -> tuple:
    columns = (points.index, points.x, points.y, points.z, points.intensity)
    columns += (points.return_number, points.number_of_returns, points.rgb)
    return tuple(None if column is None else column[which] for column in columns)


def fill(store: TileStore, points: RawPoints, parts: int = 4, seed: int = 2) -> TileStore:
    order = np.random.default_rng(seed).permutation(len(points.x))
    for part in np.array_split(order, parts):
        store.add(*rows(points, part))
    store.finish()
    return store


@pytest.fixture(scope="module")
def points() -> RawPoints:
    return cloud()


@pytest.fixture(scope="module")
def around(points: RawPoints) -> Surroundings:
    return survey(points)


@pytest.mark.parametrize("most", [2_000_000, 1_500, 40])
def test_every_point_is_core_of_one_tile_and_comes_back_as_it_was(
    tmp_path: Path, points: RawPoints, around: Surroundings, most: int
) -> None:
    if most == 40:
        points = RawPoints(*rows(points, np.arange(3000)))
    store = fill(TileStore(tmp_path, BOUNDS, TILE_M, most), points)
    seen = np.zeros(len(points.x), int)
    for tile in store.tiles():
        assert tile.count <= most
        block = store.block(tile, HALO_M, around)
        assert block.core.sum() == tile.count
        seen[block.index[block.core]] += 1
        at = block.index
        xyz = block.xyz_m + np.array(block.corner_m)
        assert xyz[:, 0] == pytest.approx(points.x[at], abs=2e-3)
        assert xyz[:, 1] == pytest.approx(points.y[at], abs=2e-3)
        assert xyz[:, 2] == pytest.approx(points.z[at], abs=2e-3)
        assert np.array_equal(block.return_number, points.return_number[at])
        assert np.array_equal(block.number_of_returns, points.number_of_returns[at])
        assert block.rgb == pytest.approx(points.rgb[at] / 255, abs=1e-6)
        assert np.array_equal(block.intensity_rank, around.ranks.rank(points.intensity[at]))
    assert (seen == 1).all()


def test_the_halo_has_all_points_near_the_core_and_no_others(
    tmp_path: Path, points: RawPoints, around: Surroundings
) -> None:
    store = fill(TileStore(tmp_path, BOUNDS, TILE_M, 1_500), points)
    tile = store.tiles()[len(store.tiles()) // 2]
    xmin, ymin, xmax, ymax = tile.bounds_m
    near = (points.x > xmin - HALO_M) & (points.x < xmax + HALO_M)
    near &= (points.y > ymin - HALO_M) & (points.y < ymax + HALO_M)
    block = store.block(tile, HALO_M, around)
    missing = np.setxor1d(block.index, np.flatnonzero(near))
    edge = np.minimum(
        np.minimum(np.abs(points.x - xmin + HALO_M), np.abs(points.x - xmax - HALO_M)),
        np.minimum(np.abs(points.y - ymin + HALO_M), np.abs(points.y - ymax - HALO_M)),
    )
    assert (edge[missing] < 1e-3).all()
    assert block.side_m == tile.side_m + 2 * HALO_M
    assert block.xyz_m[:, :2].min() >= -1e-3
    assert block.xyz_m[:, :2].max() <= block.side_m + 1e-3


def test_memory_and_open_files_are_bounded(
    tmp_path: Path, points: RawPoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_backend.points.tiles.BUFFER_BYTES", 50_000)
    store = TileStore(tmp_path, BOUNDS, 16.0)
    held = 0
    for part in np.array_split(np.arange(len(points.x)), 60):
        store.add(*rows(points, part))
        held = max(held, sum(r.nbytes for kept in store._buffers.values() for r in kept))
    store.finish()
    assert held <= 50_000
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert on_disk == 25 * len(points.x)


def test_points_that_are_no_numbers_are_dropped_and_counted(
    tmp_path: Path, points: RawPoints
) -> None:
    x = points.x.copy()
    x[[3, 500]] = np.nan, np.inf
    store = TileStore(tmp_path, BOUNDS, TILE_M)
    store.add(points.index, x, *rows(points, np.arange(len(x)))[2:])
    store.finish()
    assert store.dropped == 2
    assert sum(tile.count for tile in store.tiles()) == len(x) - 2


def test_points_beyond_the_bounds_are_kept(tmp_path: Path, around: Surroundings) -> None:
    far = RawPoints(
        np.arange(2),
        np.array([50.0, 900.0]),
        np.array([50.0, -40.0]),
        np.zeros(2),
        *(np.ones(2, np.uint16) for _ in range(3)),
    )
    store = fill(TileStore(tmp_path, BOUNDS, TILE_M), far, parts=1)
    votes = answer(store, around, lambda block: np.ones((len(block.index), 2)))
    assert sorted(np.concatenate([vote.index for vote in votes]).tolist()) == [0, 1]


def test_a_cloud_without_a_point_has_no_tile(tmp_path: Path) -> None:
    store = TileStore(tmp_path, (0, 0, 0, 0), TILE_M)
    store.finish()
    assert store.tiles() == []


def test_equal_points_are_split_by_number(tmp_path: Path) -> None:
    count = 1000
    same = RawPoints(
        np.arange(count),
        *(np.full(count, 7.0) for _ in range(3)),
        *(np.ones(count, np.uint16) for _ in range(3)),
    )
    store = fill(TileStore(tmp_path, (0, 0, 50, 50), TILE_M, 300), same)
    assert [tile.count for tile in store.tiles()] == [300, 300, 300, 100]
    around = survey(same)
    votes = answer(store, around, lambda block: np.ones((len(block.index), 2)))
    assert sorted(np.concatenate([vote.index for vote in votes]).tolist()) == list(range(count))


def test_a_full_disk_is_a_sentence(tmp_path: Path, points: RawPoints) -> None:
    store = TileStore(tmp_path / "gone", BOUNDS, TILE_M)
    store.add(*rows(points, np.arange(10)))
    with pytest.raises(ResourceProblem, match="Temporary files cannot be written"):
        store.finish()


def test_more_points_than_can_be_numbered_are_refused(tmp_path: Path, points: RawPoints) -> None:
    store = TileStore(tmp_path, BOUNDS, TILE_M)
    columns = list(rows(points, np.arange(1)))
    columns[0] = np.array([2**32])
    with pytest.raises(InvalidInput, match="4 billion"):
        store.add(*columns)


def test_black_colour_is_no_colour(tmp_path: Path, points: RawPoints, around: Surroundings) -> None:
    store = TileStore(tmp_path, BOUNDS, TILE_M)
    columns = list(rows(points, np.arange(500)))
    columns[-1] = np.zeros((500, 3), np.uint16)
    store.add(*columns)
    store.finish()
    assert store.block(store.tiles()[0], HALO_M, around).rgb is None


def answer(store: TileStore, around: Surroundings, model) -> list[Vote]:
    voting = Voting(store, HALO_M)
    votes = []
    for tile in store.tiles():
        block = store.block(tile, HALO_M, around)
        votes += voting.add(tile, block, model(block))
    assert voting.rest() == []
    return votes


def gathered(votes: list[Vote], count: int) -> np.ndarray:
    """Probability (count, K); fails where a point has no answer or two."""
    index = np.concatenate([vote.index for vote in votes])
    assert np.array_equal(np.sort(index), np.arange(count))
    result = np.empty((count, votes[0].probability.shape[1]), np.float32)
    result[index] = np.concatenate([vote.probability for vote in votes])
    return result


@pytest.mark.parametrize("most", [2_000_000, 1_500])
def test_a_model_that_knows_no_blocks_leaves_no_seam(
    tmp_path: Path, points: RawPoints, around: Surroundings, most: int
) -> None:
    def smooth(xy: np.ndarray) -> np.ndarray:
        return 0.5 + 0.4 * np.sin(xy[:, 0] / 20) * np.cos(xy[:, 1] / 15)

    store = fill(TileStore(tmp_path, BOUNDS, TILE_M, most), points)
    votes = answer(
        store,
        around,
        lambda block: np.stack(
            [(p := smooth(block.xyz_m[:, :2].astype(float) + block.corner_m[:2])), 1 - p], axis=1
        ).astype(np.float16),
    )
    result = gathered(votes, len(points.x))
    truth = smooth(np.stack([points.x, points.y], axis=1))
    assert np.abs(result[:, 0] - truth).max() < 2e-3
    assert result.sum(axis=1) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("most", [2_000_000, 3_000])
def test_blocks_that_disagree_are_blended(
    tmp_path: Path, points: RawPoints, around: Surroundings, most: int
) -> None:
    """Every block gives an answer of its own; between points a metre apart it changes a little only."""
    store = fill(TileStore(tmp_path, BOUNDS, TILE_M, most), points)

    def stubborn(block) -> np.ndarray:
        value = abs(hash((round(block.corner_m[0]), round(block.corner_m[1])))) % 2
        return np.tile([float(value), 1.0 - value], (len(block.index), 1))

    result = gathered(answer(store, around, stubborn), len(points.x))[:, 0]
    xy = np.stack([points.x, points.y], axis=1)
    assert 0.1 < result.mean() < 0.9
    order = np.lexsort((xy[:, 0], np.floor(xy[:, 1] / 0.5)))
    step = np.diff(xy[order], axis=0)
    near = (np.abs(step[:, 0]) < 1) & (np.abs(step[:, 1]) < 0.5)
    change = np.abs(np.diff(result[order]))[near]
    # Without blending it would be 1 at each edge; a weight changes by 1 / halo a metre.
    assert change.max() < 2.5 * np.hypot(1, 0.5) / HALO_M
    assert change.max() > 0


def test_answers_come_as_soon_as_no_block_is_missing(
    tmp_path: Path, points: RawPoints, around: Surroundings
) -> None:
    store = fill(TileStore(tmp_path, BOUNDS, TILE_M), points)
    voting = Voting(store, HALO_M)
    tile = store.tiles()[0]
    block = store.block(tile, HALO_M, around)
    early = voting.add(tile, block, np.ones((len(block.index), 2), np.float16))
    inner = sum(len(vote.index) for vote in early)
    share = ((TILE_M - 2 * HALO_M) / TILE_M) ** 2
    assert 0.3 * share * tile.count < inner < tile.count
    assert voting.waiting_points == tile.count - inner
    late = voting.rest()
    assert sum(len(vote.index) for vote in late) == tile.count - inner


def test_what_waits_does_not_grow_with_the_cloud(tmp_path: Path) -> None:
    most = []
    for length in (600, 2400):
        rng = np.random.default_rng(3)
        count = length * 10
        strip = RawPoints(
            np.arange(count),
            rng.random(count) * 200,
            rng.random(count) * length,
            np.zeros(count),
            *(np.ones(count, np.uint16) for _ in range(3)),
        )
        folder = tmp_path / str(length)
        folder.mkdir()
        store = fill(TileStore(folder, (0, 0, 200, length), TILE_M), strip)
        voting, waiting, around = Voting(store, HALO_M), 0, survey(strip)
        for tile in store.tiles():
            block = store.block(tile, HALO_M, around)
            voting.add(tile, block, np.ones((len(block.index), 2), np.float16))
            waiting = max(waiting, voting.waiting_points)
        most.append(waiting)
    assert most[1] < 1.5 * most[0]


def test_weight_is_one_in_the_core_and_nothing_at_the_border() -> None:
    x = np.array([0.0, 50, 100, 106, 112, -6, -12])
    weight = halo_weight(x, np.full(7, 50.0), (0, 0, 100, 100), 12.0)
    assert weight == pytest.approx([1, 1, 1, 0.5, 0, 0.5, 0])
    assert (halo_weight(x, x, (0, 0, 1, 1), 0.0) == 1).all()


def test_an_extent_of_a_cloud_has_the_tiles_of_the_whole(tmp_path: Path, points: RawPoints) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = fill(TileStore(tmp_path / "a", BOUNDS, TILE_M), points)
    extent = (110.0, 100.0, 200.0, 190.0)
    inside = (points.x > extent[0]) & (points.x < extent[2])
    inside &= (points.y > extent[1]) & (points.y < extent[3])
    part = fill(TileStore(tmp_path / "b", extent, TILE_M), RawPoints(*rows(points, inside)))
    corners = {tile.corner_m for tile in whole.tiles()}
    assert {tile.corner_m for tile in part.tiles()} <= corners


def test_sizes_fit_the_grid_of_the_context() -> None:
    for grid_m in GRIDS_M:
        core, halo = tile_sizes(grid_m)
        assert core % 8 == 0
        assert 120 * grid_m <= core <= 200 * grid_m
        assert halo >= 16 * grid_m
        assert halo < core / 2


def test_a_block_of_a_cloud_in_memory(points: RawPoints, around: Surroundings) -> None:
    block = make_block(points, around, (BOUNDS[0], BOUNDS[1], BOUNDS[2], BOUNDS[3]), 0.0)
    assert len(block) == len(points.x)
    assert block.core.all()
    assert block.hag_m == pytest.approx(around.ground.height_above(points.x, points.y, points.z))
    assert block.context.shape == (4, 64, 64)
    empty = make_block(RawPoints(*rows(points, np.arange(0))), around, BOUNDS, 4.0)
    assert len(empty) == 0
