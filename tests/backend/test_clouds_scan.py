"""Generated clouds: the same every time, at the density asked for, and with heights and returns as they must be."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.training.clouds import (
    LEAVES,
    City,
    LabelledCloud,
    draw_survey,
    make_city,
    make_cloud,
    scan,
)
from inference_backend.training.clouds.leaves import CODES, ID, ids
from inference_backend.training.clouds.survey import Strip, Survey

GAP_M = 0.3  # range noise, roughness and what a strip may lie off


@cache
def suburb() -> City:
    return make_city(3, 96, "suburb")


def flown(city: City, density: float = 12.0, lean: float = 0.0, **more: object) -> LabelledCloud:
    """One strip at 1,000 m whose rays lean by `lean` (tangent) over the city."""
    strip = Strip(0.4, lean * 1000, 1000, "parallel", density, (0.0, 0.0, 0.0))
    return scan(city, Survey("als", density, (strip,), **more), np.random.default_rng(1))


@cache
def suburb_cloud() -> LabelledCloud:
    return flown(suburb(), lean=0.2)


def test_the_leaves_are_those_of_the_label_graph_in_its_order() -> None:
    assert label_graph().leaves == LEAVES
    assert (LEAVES[0], LEAVES[12], LEAVES[25], LEAVES[38]) == (
        "open ground", "facade", "wire", "high noise",
    )  # fmt: skip
    assert [CODES[ID[name]] for name in ("wire", "bridge", "car", "palm")] == [14, 17, 1, 5]


@pytest.mark.parametrize("platform", ["als", "uav", "photo"])
def test_the_same_arguments_give_the_same_cloud(platform: str) -> None:
    first, again = (make_cloud(11, 32, platform, 20) for _ in range(2))
    other = make_cloud(12, 32, platform, 20)
    for name in ("xyz", "leaf", "intensity", "return_number", "number_of_returns", "ground_z"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.rgb is None) == (again.rgb is None)
    assert len(other) != len(first) or not np.array_equal(other.xyz, first.xyz)


def test_columns_have_one_row_a_point_and_the_points_lie_in_the_city() -> None:
    cloud = suburb_cloud()
    count = len(cloud)
    assert cloud.xyz.shape == (count, 3)
    assert cloud.xyz.dtype == np.float64
    assert np.isfinite(cloud.xyz).all()
    for column, kind in (
        (cloud.leaf, np.uint8), (cloud.intensity, np.uint16), (cloud.return_number, np.uint8),
        (cloud.number_of_returns, np.uint8), (cloud.ground_z, np.float32),
    ):  # fmt: skip
        assert column.shape == (count,)
        assert column.dtype == kind
    assert cloud.xyz[:, :2].min() >= 0
    assert cloud.xyz[:, :2].max() < 96


def test_returns_of_a_pulse_are_numbered_from_the_top_down() -> None:
    cloud = suburb_cloud()
    real = ~np.isin(cloud.leaf, ids("low noise", "high noise"))
    nth, total, z = (
        a[real] for a in (cloud.return_number, cloud.number_of_returns, cloud.xyz[:, 2])
    )
    assert nth.min() == 1
    assert total.max() <= 5
    assert (nth <= total).all()
    later = (nth[1:] == nth[:-1] + 1) & (total[1:] == total[:-1]) & (nth[1:] > 1)
    assert later.sum() > 500
    assert (z[1:][later] < z[:-1][later]).all()


@pytest.mark.parametrize("density", [2.0, 20.0])
def test_the_density_asked_for_is_reached(density: float) -> None:
    cloud = flown(make_city(1, 64, "sports"), density)
    first = (cloud.return_number == 1).sum() / 64**2
    assert first == pytest.approx(density, rel=0.12)


def test_thinning_keeps_its_share_of_the_pulses() -> None:
    cloud = flown(make_city(1, 64, "sports"), 10.0, keep=0.1)
    assert (cloud.return_number == 1).sum() / 64**2 == pytest.approx(1.0, rel=0.2)


def test_crowns_let_light_through_and_pavement_does_not() -> None:
    city = make_city(5, 64, "forest")
    cloud = flown(city, 15.0)
    tree = np.isin(cloud.leaf, ids("broadleaf tree", "conifer tree", "palm"))
    multiple = cloud.number_of_returns > 1
    assert 0.35 < multiple[tree].mean() < 0.995
    below = (cloud.return_number > 1) & (CODES[cloud.leaf] == 2)
    assert below.sum() > 100  # ground below the canopy
    road = suburb_cloud().leaf == ID["pavement"]
    assert (suburb_cloud().number_of_returns > 1)[road].mean() < 0.2


def test_ground_points_lie_on_the_ground() -> None:
    cloud = suburb_cloud()
    ground = np.isin(cloud.leaf, ids("open ground", "pavement"))
    off = cloud.xyz[ground, 2] - cloud.ground_z[ground]
    assert abs(np.median(off)) < 0.02
    assert np.quantile(np.abs(off), 0.9) < GAP_M


def test_roofs_have_the_heights_the_scene_gives_them() -> None:
    city, cloud = suburb(), suburb_cloud()
    rows, cols = (np.floor(cloud.xyz[:, k] / 0.25).astype(int) for k in (1, 0))
    owner = city.place.instances[rows, cols]
    roof = np.isin(cloud.leaf, ids("flat roof", "pitched roof"))
    errors = []
    for number, building in city.buildings.items():
        on = roof & (owner == number)
        wanted = city.place.scene.attributes[number]["height_m"]
        assert building.from_scene
        if on.sum() > 60:
            errors.append(float(np.median(cloud.xyz[on, 2])) - building.base - wanted)
    assert len(errors) >= 10
    assert np.median(np.abs(errors)) < 0.4
    assert np.quantile(np.abs(errors), 0.9) < 1.5


def test_points_of_buildings_lie_in_the_buildings_of_the_image() -> None:
    city, cloud = suburb(), suburb_cloud()
    roof = np.isin(cloud.leaf, ids("flat roof", "pitched roof", "roof structure"))
    # Picture rows run down, the cloud's y up.
    rows = (96 / 0.25 - 1 - np.floor(cloud.xyz[roof, 1] / 0.25)).astype(int)
    cols = np.floor(cloud.xyz[roof, 0] / 0.25).astype(int)
    scene = city.place.scene
    over = [n for n, name in scene.classes.items() if name in ("building", "solar array", "tree")]
    inside = np.isin(scene.instances[rows, cols], over)
    assert inside.mean() > 0.97


def test_facades_are_met_by_slanting_rays() -> None:
    straight, slanting = flown(suburb(), lean=0.0), flown(suburb(), lean=0.45)
    shares = [(cloud.leaf == ID["facade"]).mean() for cloud in (straight, slanting)]
    assert shares[1] > 3 * shares[0]
    assert shares[1] > 0.01


def test_a_cloud_from_pictures_has_colours_and_one_return() -> None:
    cloud = make_cloud(4, 48, "photo", 30, "suburb")
    assert cloud.rgb is not None
    assert cloud.rgb.shape == (len(cloud), 3)
    assert (cloud.number_of_returns == 1).all()
    assert (cloud.leaf == ID["facade"]).any()
    floating = (CODES[cloud.leaf] == 2) & (cloud.xyz[:, 2] > cloud.ground_z + 1.5)
    assert floating.sum() < 0.01 * len(cloud)


def test_a_drawn_survey_is_within_what_is_flown() -> None:
    for seed in range(60):
        survey = draw_survey(np.random.default_rng(seed))
        low, high = {"als": (0.3, 40), "uav": (50, 200), "photo": (8, 120)}[survey.platform]
        assert low <= survey.density <= high
        assert (len(survey.strips) > 0) == (survey.platform != "photo")


def test_wrong_arguments_are_refused_with_a_sentence() -> None:
    with pytest.raises(InvalidInput, match="platform"):
        make_cloud(1, 32, "satellite", 5)
    with pytest.raises(InvalidInput, match="density"):
        make_cloud(1, 32, "als", -1)
    with pytest.raises(InvalidInput, match="side"):
        make_cloud(1, 5)
