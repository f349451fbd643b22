"""Generated scenes: deterministic, and their truth agrees with what was painted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from inference_backend.errors import InvalidInput
from inference_backend.language.ontology import LEAVES
from inference_backend.training.scenes import (
    KINDS,
    SEMANTIC_NAMES,
    make_scene,
    make_truth_polygons,
    scene_leaves,
)
from inference_backend.training.scenes.aircraft import aircraft
from inference_backend.training.scenes.canvas import Canvas, Sun, circle, rectangle
from inference_backend.training.scenes.layouts import LAYOUTS
from inference_backend.training.scenes.roadway import network, plan_road
from inference_backend.training.scenes.roofs import Wing, roof_faces
from inference_backend.training.scenes.storage import tank


def _canvas(size_px=100, gsd_m=0.5):
    sun = Sun(np.array([1.0, 0.0]), np.deg2rad(45), 0.4, np.ones(3))
    return Canvas(size_px, gsd_m, np.random.default_rng(0), sun)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_consistent_truth(kind):
    scene = make_scene(5, size_px=384, gsd_m=0.25, kind=kind)
    assert scene.rgb.shape == (384, 384, 3)
    assert scene.rgb.dtype == np.uint8
    assert scene.instances.dtype == np.uint16
    assert scene.kind == kind
    leaves = scene_leaves(scene)
    assert leaves.dtype == np.uint8
    for number, name in scene.classes.items():
        named = {"sport": "sport field"}.get(name, name)
        assert set(np.unique(leaves[scene.instances == number])) == {LEAVES.index(named)}
    ground = scene.instances == 0
    for code in np.unique(scene.semantic[ground]):
        named = {"sport": "sport field"}.get(SEMANTIC_NAMES[code], SEMANTIC_NAMES[code])
        here = ground & (scene.semantic == code)
        assert set(np.unique(leaves[here])) == {LEAVES.index(named)}
    present = set(np.unique(scene.instances)) - {0}
    assert present == set(scene.classes) == set(scene.attributes)
    assert scene.semantic.max() < len(SEMANTIC_NAMES)
    for number, row in scene.attributes.items():
        mask = scene.instances == number
        assert row["pixels"] == mask.sum()
        assert row["area_m2"] == pytest.approx(mask.sum() * 0.25**2, abs=0.01)
        rows, cols = np.nonzero(mask)
        assert row["box_px"] == (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)


def test_the_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = make_scene(11, 256), make_scene(11, 256), make_scene(12, 256)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.instances, again.instances)
    assert first.classes == again.classes
    assert first.attributes == again.attributes
    assert not np.array_equal(first.rgb, other.rgb)


def test_the_state_of_numpys_global_generator_does_not_matter():
    np.random.seed(1)
    first = make_scene(4, 128).rgb
    np.random.seed(2)
    assert np.array_equal(first, make_scene(4, 128).rgb)


def test_semantic_code_of_a_building_is_building():
    scene = make_scene(3, 384, 0.2, "suburb")
    buildings = [n for n, name in scene.classes.items() if name == "building"]
    assert buildings
    codes = scene.semantic[np.isin(scene.instances, buildings)]
    assert set(np.unique(codes)) == {SEMANTIC_NAMES.index("building")}


def test_solar_arrays_are_objects_of_their_own_on_top_of_roofs():
    found = 0
    for seed in range(4):
        scene = make_scene(seed, 384, 0.2, "energy")
        for number, name in scene.classes.items():
            if name == "solar array":
                found += 1
                codes = np.unique(scene.semantic[scene.instances == number])
                assert set(codes) == {SEMANTIC_NAMES.index("solar array")}
    assert found > 5


def test_truth_polygons_cover_exactly_the_pixels():
    scene = make_scene(7, 256, 0.2, "village")
    rows = make_truth_polygons(scene)
    assert {row["object"] for row in rows} == set(scene.classes)
    for row in rows:
        assert row["geometry"].is_valid
        assert row["geometry"].area == pytest.approx(row["pixels"])
    only = make_truth_polygons(scene, ("building",))
    assert {row["class"] for row in only} == {"building"}


def test_a_painted_rectangle_covers_its_area():
    canvas = _canvas()
    ring = rectangle(25.0, 25.0, 20.0, 10.0, 0.3)
    canvas.paint(canvas.patch([ring]), np.array([255, 0, 0]), number=canvas.new_id("building"))
    area_m2 = (canvas.instances == 1).sum() * 0.5**2
    assert area_m2 == pytest.approx(200, rel=0.03)
    rows, cols = np.nonzero(canvas.instances == 1)
    assert cols.mean() + 0.5 == pytest.approx(50, abs=0.3)
    assert rows.mean() + 0.5 == pytest.approx(50, abs=0.3)


def test_axis_aligned_edges_fall_on_the_pixels_they_should():
    canvas = _canvas(20, 1.0)
    ring = np.array([[4.0, 6.0], [10.0, 6.0], [10.0, 9.0], [4.0, 9.0]])
    canvas.paint(canvas.patch([ring]), np.array([0, 0, 0]), number=canvas.new_id("x"))
    rows, cols = np.nonzero(canvas.instances)
    assert (cols.min(), cols.max(), rows.min(), rows.max()) == (4, 9, 6, 8)


def test_a_shadow_falls_away_from_the_sun_by_height_over_tangent():
    canvas = _canvas()
    canvas.cast_shadow([rectangle(25.0, 25.0, 4.0, 4.0)], 6.0)
    rows, cols = np.nonzero(canvas.shadow > 0.5)
    # Sun from +x at 45 degrees: the tip lies 6 m to the -x side of the far edge at x = 23 m.
    assert cols.min() * 0.5 == pytest.approx(17.0, abs=0.6)
    assert (cols.max() + 1) * 0.5 == pytest.approx(27.0, abs=0.6)


def test_a_gable_has_two_faces_that_look_away_from_the_ridge():
    canvas = _canvas()
    wing = Wing(25.0, 25.0, 20.0, 10.0, 0.0)
    patch = canvas.patch([wing.ring])
    faces = roof_faces(patch, [wing], "gable")
    _, v = patch.local(25.0, 25.0, 0.0)
    assert np.allclose(faces.downhill_y[v > 0.3], 1)
    assert np.allclose(faces.downhill_y[v < -0.3], -1)


def test_objects_outside_leave_nothing():
    assert _canvas().patch([circle(-50.0, -50.0, 5.0)]) is None


def test_a_bad_kind_or_size_is_named():
    with pytest.raises(InvalidInput, match="'moon' is not a kind of scene"):
        make_scene(0, kind="moon")
    with pytest.raises(InvalidInput, match="at least 32 pixels"):
        make_scene(0, size_px=8)


# What each kind of place is there for; found within a few seeds.
SHOWN = {
    "airport": {"runway", "taxiway", "aircraft", "building"},
    "harbour": {"sea", "ship", "boat", "pier", "container", "car"},
    "tank farm": {"tank", "road"},
    "sports": {"tennis court", "basketball court", "baseball diamond", "running track"},
    "railway": {"railway", "train"},
    "motorway": {"road", "bridge", "car", "truck"},
    "roundabout": {"road", "car"},
    "beach": {"beach", "sea"},
    "river": {"river", "bridge", "road"},
    "golf": {"golf course", "tree"},
    "quarry": {"quarry"},
    "landslide": {"landslide"},
    "greenhouses": {"greenhouse", "road"},
    "orchard": {"orchard", "road"},
    "wind farm": {"wind turbine", "field"},
    "shopping": {"parking lot", "car", "building"},
    "industrial": {"construction site", "tank", "container", "building", "parking lot"},
    "leisure": {"sport field", "tennis court", "helipad", "pool"},
    "suburb": {"building", "road", "tree", "lawn", "pool", "car", "hedge", "solar array"},
}


@pytest.mark.parametrize("kind", SHOWN)
def test_a_kind_of_place_shows_what_it_is_named_for(kind):
    missing = set(SHOWN[kind])
    for seed in range(40):
        missing -= set(make_scene(seed, 256, 0.6, kind).classes.values())
        if not missing:
            return
    assert not missing


def test_wide_things_without_objects_are_in_the_semantic_codes():
    woods = make_scene(1, 256, 0.5, "forest")
    assert (woods.semantic == SEMANTIC_NAMES.index("tree")).mean() > 0.3
    bushes = make_scene(2, 256, 0.2, "chaparral")
    assert (bushes.semantic == SEMANTIC_NAMES.index("shrub")).mean() > 0.02


def test_places_where_people_live_are_the_most_common_and_none_is_rare():
    chances = {name: chance for name, (_, chance) in LAYOUTS.items()}
    total = sum(chances.values())
    assert min(chances.values()) / total >= 0.02
    lived_in = {"suburb", "informal", "village", "downtown"}
    others = [chance for name, chance in chances.items() if name not in lived_in]
    assert min(chances[name] for name in lived_in) > max(others)


@pytest.mark.parametrize(("kind", "gsd_m"), [("suburb", 0.08), ("airport", 1.0), ("rural", 1.0)])
def test_the_finest_and_the_coarsest_pixels_give_scenes(kind, gsd_m):
    scene = make_scene(3, 200, gsd_m, kind)
    assert scene.classes
    assert scene.rgb.std() > 3


@pytest.mark.parametrize("kind", ["airport", "harbour", "river", "forest", "orchard", "railway"])
def test_new_kinds_are_the_same_each_time(kind):
    first, again = make_scene(21, 192, 0.3, kind), make_scene(21, 192, 0.3, kind)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.instances, again.instances)
    assert np.array_equal(first.semantic, again.semantic)
    assert first.attributes == again.attributes


def test_streets_that_cross_stay_one_road_without_pavement_across():
    canvas = _canvas(200, 0.25)
    ends = np.linspace(-10.0, 60.0, 12)
    along = np.stack([ends, np.full(12, 25.0)], 1)
    across = along[:, ::-1]
    grey = np.array([120.0, 120, 120], np.float32)
    roads = [replace(plan_road(canvas, line, 6.0, grey), walk_m=4.0) for line in (along, across)]
    network(canvas, roads, canvas.new_id("road"))
    x = (np.arange(200) + 0.5) * 0.25
    on_road = (np.abs(x - 25) < 2.9)[None, :] | (np.abs(x - 25) < 2.9)[:, None]
    assert (canvas.instances[on_road] == 1).all()
    assert (canvas.semantic[on_road] == SEMANTIC_NAMES.index("road")).all()
    beside = (np.abs(np.abs(x - 25) - 4) < 0.6)[None, :] & (np.abs(x - 25) > 6)[:, None]
    assert (canvas.instances[beside] == 0).all()
    assert (canvas.semantic[beside] == SEMANTIC_NAMES.index("paved")).all()


def test_a_tank_has_the_area_of_its_radius():
    canvas = _canvas()
    number = tank(canvas, 25.0, 25.0, 10.0, 8.0)
    assert canvas.classes[number] == "tank"
    area_m2 = (canvas.instances == number).sum() * 0.25
    assert area_m2 == pytest.approx(np.pi * 100, rel=0.04)


def test_an_aircraft_is_as_long_and_as_wide_as_its_kind():
    canvas = _canvas(200, 0.5)
    number = aircraft(canvas, 50.0, 50.0, 0.0, "airliner")
    rows, cols = np.nonzero(canvas.instances == number)
    length, span = (cols.max() - cols.min()) * 0.5, (rows.max() - rows.min()) * 0.5
    assert 38 * 0.9 < length < 38 * 1.1
    assert 35 * 0.9 < span < 35 * 1.1
    assert canvas.attributes[number]["kind"] == "airliner"


def test_a_bridge_lies_over_its_river():
    for seed in range(30):
        scene = make_scene(seed, 256, 0.5, "river")
        if "bridge" in scene.classes.values():
            break
    bridges = np.isin(scene.instances, [n for n, name in scene.classes.items() if name == "bridge"])
    water = np.isin(scene.instances, [n for n, name in scene.classes.items() if name == "river"])
    grown = ndimage.binary_dilation(bridges, iterations=3)
    assert bridges.any()
    assert (grown & water).any()


def test_below_snow_an_object_has_the_colour_that_is_seen():
    scene = next(
        scene
        for scene in (make_scene(seed, 160, 0.3, "suburb") for seed in range(200))
        if scene.biome == "snow"
    )
    rows = [row for row in scene.attributes.values() if "colour" in row]
    assert rows
    assert all(row["colour"] == row["colour_seen"] for row in rows)
    ground = np.isin(scene.semantic, [SEMANTIC_NAMES.index(name) for name in ("grass", "field")])
    trees = scene.semantic == SEMANTIC_NAMES.index("tree")
    if ground.any() and trees.any():
        assert scene.rgb[ground].mean() > scene.rgb[trees].mean()


def test_buildings_tell_their_colour_roof_shape_height_and_area():
    scene = make_scene(3, 384, 0.2, "suburb")
    rows = [scene.attributes[n] for n, name in scene.classes.items() if name == "building"]
    for row in rows:
        assert {"colour", "roof", "material", "shape", "height_m", "area_m2"} <= set(row)
