"""Generated scenes: deterministic, and their truth agrees with what was painted."""

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.language.ontology import LEAVES
from inference_backend.training.scenes import (
    KINDS,
    SEMANTIC_NAMES,
    make_scene,
    make_truth_polygons,
    scene_leaves,
)
from inference_backend.training.scenes.canvas import Canvas, Sun, circle, rectangle
from inference_backend.training.scenes.roofs import Wing, roof_faces


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
