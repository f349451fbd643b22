"""Generated cities: every leaf appears, things stand where they can, and terrain is what was drawn."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from inference_backend.training.clouds import LEAVES, City, LabelledCloud, make_city, make_cloud
from inference_backend.training.clouds.leaves import ID, ids
from inference_backend.training.clouds.relief import EMPTY
from inference_backend.training.clouds.utilities import catenary

SEEDS = (203, 205, 214, 216, 217, 225, 231, 248, 252, 3)


@cache
def clouds() -> tuple[LabelledCloud, ...]:
    return tuple(make_cloud(seed, 128, "als", 10) for seed in SEEDS)


def test_every_leaf_appears_over_a_few_cities() -> None:
    counts = sum(np.bincount(cloud.leaf, minlength=len(LEAVES)) for cloud in clouds())
    missing = [name for name, count in zip(LEAVES, counts, strict=True) if count < 3]
    assert missing == []


def test_leaves_keep_to_the_heights_such_things_have() -> None:
    limits = {
        "car": (0.2, 3.0), "street lamp": (0.0, 13.5), "wire": (3.0, 90), "hedge": (0.0, 4.0),
        "low vegetation": (-0.3, 3.0), "water": (-0.5, 0.5), "train": (0.0, 5.5), "bus": (0, 5.2),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        # Some drive on bridges.
        level = [cloud for cloud in clouds() if ID["bridge"] not in cloud.leaf]
        above = np.concatenate([(c.xyz[:, 2] - c.ground_z)[c.leaf == ID[name]] for c in level])
        assert len(above) > 5
        inside = (above > low - 0.4) & (above < high + 0.4)
        assert inside.mean() > 0.93, (name, np.quantile(above, [0.01, 0.5, 0.99]))


def test_noise_lies_below_the_ground_and_above_what_stands_there() -> None:
    for cloud in clouds():
        above = cloud.xyz[:, 2] - cloud.ground_z
        assert (above[cloud.leaf == ID["low noise"]] < -0.5).all()
        assert (above[cloud.leaf == ID["high noise"]] > 3).all()
        assert np.isin(cloud.leaf, ids("low noise", "high noise")).mean() < 0.001
        # Walls that hold earth and houses on a slope reach below the ground of their cell.
        buried = (above < -1.0) & ~np.isin(cloud.leaf, ids("low noise", "wall", "facade"))
        assert buried.mean() < 2e-4


@cache
def city(kind: str, seed: int = 21) -> City:
    return make_city(seed, 96, kind)


def test_a_city_is_the_scene_of_its_seed_and_kind() -> None:
    from inference_backend.training.scenes import make_scene

    drawn = make_city(8, 48)
    scene = make_scene(8, 192, 0.25, drawn.kind)
    np.testing.assert_array_equal(drawn.place.instances[::-1], scene.instances)
    np.testing.assert_array_equal(drawn.place.rgb[::-1], scene.rgb)


def test_each_water_is_level_and_lower_than_its_shores() -> None:
    relief = city("river").relief
    waters, count = ndimage.label(relief.leaf == ID["water"])
    sizes = np.bincount(waters.ravel())[1:]
    assert sizes.max() > 4000
    for number in range(1, count + 1):
        water = waters == number
        assert np.ptp(relief.top[water]) < 0.01
    water = waters == 1 + sizes.argmax()
    shore = ndimage.binary_dilation(water, iterations=80) & (relief.leaf == ID["open ground"])
    assert np.median(relief.ground[shore]) > relief.top[water].mean() + 0.2


def test_terrain_is_flat_or_steep_by_seed() -> None:
    slopes = []
    for seed in range(24):
        ground = make_city(seed, 48, "rural").relief.ground[::8, ::8]
        dy, dx = np.gradient(ground, 2.0)
        slopes.append(float(np.median(np.hypot(dx, dy))))
    assert min(slopes) < 0.03
    assert max(slopes) > 0.12
    assert max(slopes) < 0.6


def test_nothing_grows_into_roofs_and_layers_have_their_bottom_below_their_top() -> None:
    relief = city("suburb").relief
    for layer in relief.layers:
        held = layer.top > EMPTY
        assert (layer.top[held] > layer.bottom[held] - 1e-3).all()
        assert (layer.extinction[held] > 0).all()
    roof = np.isin(relief.leaf, ids("flat roof", "pitched roof")) & (relief.crown.top > EMPTY)
    roof &= relief.top > relief.ground + 2.5
    assert (relief.crown.bottom[roof] >= relief.top[roof] - 0.5).mean() > 0.95


@pytest.mark.parametrize("sag", [0.0, 3.0])
def test_a_wire_hangs_between_its_ends(sag: float) -> None:
    ends = np.array([[0.0, 0.0, 20.0], [60.0, 0.0, 26.0]])
    points = catenary(*ends, sag)
    np.testing.assert_allclose(points[[0, -1]], ends)
    middle = points[len(points) // 2]
    assert middle[2] == pytest.approx(23.0 - sag, abs=0.1)
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() < 0.25
