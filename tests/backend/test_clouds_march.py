"""Rays through reliefs made by hand: where they must be reflected can be worked out."""

from __future__ import annotations

import numpy as np
import pytest

from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.march import Beam, Echoes, Grids, Rays, march
from inference_backend.training.clouds.relief import OPAQUE, Relief

SIDE = 80  # cells of 0.25 m
ONE = Beam(max_returns=1)


def flat(height: float = 10.0) -> Relief:
    ground = np.full((SIDE, SIDE), height, np.float32)
    return Relief.over(ground, np.full((SIDE, SIDE), ID["open ground"], np.uint8))


def shoot(
    relief: Relief, slope_x: float = 0.0, beam: Beam = ONE, count: int = 4000
) -> tuple[Rays, Echoes]:
    """Rays over the middle of the relief, aimed at the height 10."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(4, 16, (2, count)).astype(np.float32)
    lean = np.full(count, slope_x, np.float32)
    rays = Rays(x, y, lean, np.zeros(count, np.float32), 10.0)
    return rays, march(Grids(relief), rays, beam, rng)


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_a_plain_reflects_every_ray_where_it_was_aimed_at(slope: float) -> None:
    rays, echoes = shoot(flat(), slope)
    assert len(np.unique(echoes.ray)) == len(echoes.ray) == len(rays.x)
    np.testing.assert_allclose(echoes.xyz[:, 2], 10.0, atol=1e-3)
    np.testing.assert_allclose(echoes.xyz[:, 0], rays.x[echoes.ray], atol=1e-3)
    np.testing.assert_allclose(echoes.xyz[:, 1], rays.y[echoes.ray], atol=1e-3)


def test_a_slope_is_met_on_its_plane_and_not_on_steps() -> None:
    relief = flat()
    x = (np.arange(SIDE, dtype=np.float32) + 0.5) * 0.25
    relief.top[:] = relief.ground[:] = 10 + 0.4 * (x - 10)
    _, echoes = shoot(relief, 0.3)
    off = echoes.xyz[:, 2] - (10 + 0.4 * (echoes.xyz[:, 0] - 10))
    assert np.abs(off).max() < 0.02
    assert not echoes.side.any()


def test_slanting_rays_meet_the_wall_that_faces_them_and_leave_a_shadow() -> None:
    relief = flat()
    rows, cols = (values.ravel() for values in np.mgrid[0:SIDE, 32:48])  # x from 8 to 12
    relief.solid(rows, cols, 15.0, ID["flat roof"], ID["facade"])
    _, echoes = shoot(relief, 0.5)  # the scanner stands towards larger x
    facade = echoes.leaf == ID["facade"]
    assert facade.sum() > 300
    assert np.abs(echoes.xyz[facade, 0] - 12).max() < 0.3
    assert echoes.xyz[facade, 2].min() < 10.6
    assert echoes.xyz[facade, 2].max() > 14.4
    ground = echoes.xyz[echoes.leaf == ID["open ground"]]
    assert not (
        (ground[:, 0] > 5.6) & (ground[:, 0] < 11.9)
    ).any()  # 2.5 m of shadow before the box
    roof = echoes.xyz[echoes.leaf == ID["flat roof"]]
    np.testing.assert_allclose(roof[:, 2], 15.0, atol=1e-3)


def test_a_crown_weakens_rays_as_its_depth_says() -> None:
    relief = flat()
    relief.crown.put((slice(None), slice(None)), 13.0, 17.0, ID["broadleaf tree"], 0.1)
    beam = Beam(max_returns=5, dead_m=0.5, spent=(50, 60), first=0.5, between=0.5)
    rays, echoes = shoot(relief, 0.0, beam)
    crown = echoes.leaf == ID["broadleaf tree"]
    missed = 1 - len(np.unique(echoes.ray[crown])) / len(rays.x)
    assert missed == pytest.approx(np.exp(-0.4 / 0.5), abs=0.03)
    z = echoes.xyz[crown, 2]
    assert z.min() >= 13 - 1e-3
    assert z.max() <= 17 + 1e-3
    assert (~crown).sum() == len(rays.x)  # nothing was spent: all reach the ground


def test_a_spent_pulse_never_reaches_the_ground() -> None:
    relief = flat()
    relief.crown.put((slice(None), slice(None)), 12.0, 18.0, ID["broadleaf tree"], 2.0)
    _, echoes = shoot(relief, 0.0, Beam(max_returns=5, dead_m=0.5, spent=(1, 2)))
    assert (echoes.leaf == ID["broadleaf tree"]).all()


def test_below_a_deck_nothing_is_seen_from_above_and_something_from_the_side() -> None:
    relief = flat()
    relief.slab.put((slice(None), slice(32, 48)), 15.0, 16.0, ID["bridge"], OPAQUE)
    _, down = shoot(relief, 0.0)
    ground = down.xyz[down.leaf == ID["open ground"]]
    assert not ((ground[:, 0] > 8.01) & (ground[:, 0] < 11.99)).any()
    _, aslant = shoot(relief, 0.6)
    ground = aslant.xyz[aslant.leaf == ID["open ground"]]
    assert ((ground[:, 0] > 9.5) & (ground[:, 0] < 11.9)).sum() > 100


def test_a_wire_answers_and_the_ground_below_it_too() -> None:
    relief = flat()
    t = np.arange(0, 20, 0.1)
    relief.thread(
        np.column_stack([t, np.full(len(t), 10.1), np.full(len(t), 25.0)]), 0.1, "wire", 8.0
    )
    _, echoes = shoot(relief, 0.0, Beam(spent=(30, 40)), 20_000)
    wire = echoes.leaf == ID["wire"]
    assert wire.sum() > 200
    assert np.abs(echoes.xyz[wire, 2] - 25).max() < 0.11
    assert np.abs(echoes.xyz[wire, 1] - 10.1).max() < 0.25
    assert np.isin(echoes.ray[wire], echoes.ray[~wire]).mean() > 0.95
