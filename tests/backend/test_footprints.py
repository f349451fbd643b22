"""Footprints: what comes back of houses whose walls are known."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon
from shapely.affinity import rotate, translate

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled
from inference_backend.evaluation.footprint_metrics import footprint_scores, polygon_iou
from inference_backend.vector.buildings import find_buildings
from inference_backend.vector.cloud_rasters import CloudEvidence, pick_cell_m
from inference_backend.vector.directions import main_directions
from inference_backend.vector.partition import LabelGrid, cut_block
from inference_backend.vector.regularize import regularize
from inference_backend.vector.roof_steps import roof_parts

L_SHAPE = Polygon([(0, 0), (20, 0), (20, 8), (9, 8), (9, 15), (0, 15)])


def survey(roofs, density=15.0, side_m=60.0, seed=0, ground=lambda x, y: 3.0 + 0 * x):
    """Points over a square: `roofs` are (polygon, height above ground). x, y, z, hag, building."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, side_m, (2, int(density * side_m**2)))
    z = ground(x, y) + rng.normal(0, 0.03, len(x))
    building = np.zeros(len(x), np.float32)
    for polygon, height in roofs:
        inside = shapely.contains_xy(polygon, x + rng.normal(0, 0.05, len(x)), y)
        z[inside] = ground(x, y)[inside] + (height(x, y)[inside] if callable(height) else height)
        building[inside] = 1
    return x, y, z, z - ground(x, y), building


def buildings_of(points, cell_m=0.5, side_m=60.0):
    x, y, z, hag, building = points
    with CloudEvidence((0, 0, side_m, side_m), cell_m) as evidence:
        evidence.add(x, y, z, hag, {"building": building})
        return find_buildings(evidence, CancelToken())


@pytest.mark.parametrize("angle", [0, 17, 45, 71])
def test_a_house_comes_back_with_its_own_corners(angle):
    house = rotate(translate(L_SHAPE, 18, 20), angle)
    found = buildings_of(survey([(house, 7.0)]))
    assert len(found) == 1
    one = found[0]
    assert polygon_iou(one.polygon, house) > 0.95
    assert len(one.polygon.exterior.coords) - 1 == 6
    assert one.height_max_m == pytest.approx(7.0, abs=0.2)
    assert one.height_med_m == pytest.approx(7.0, abs=0.1)
    assert one.ground_m == pytest.approx(3.0, abs=0.1)
    assert one.n_points == pytest.approx(15 * house.area, rel=0.1)
    assert one.score > 0.95


@pytest.mark.parametrize("density", [4.0, 15.0, 60.0])
def test_the_cell_follows_the_density_and_the_outline_the_cell(density):
    house = rotate(translate(L_SHAPE, 18, 20), 30)
    cell_m = pick_cell_m(density)
    found = buildings_of(survey([(house, 6.0)], density), cell_m)
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, house) > 0.9
    assert pick_cell_m(4.0) > pick_cell_m(15.0) > pick_cell_m(60.0)


def test_houses_that_touch_are_parted_at_the_step_of_their_roofs():
    row = [(translate(Polygon([(0, 0), (9, 0), (9, 12), (0, 12)]), 10 + 9 * k, 20), h) for k, h in
           enumerate((6.0, 9.5, 6.5))]  # fmt: skip
    row = [(rotate(house, 20, origin=(25, 25)), height) for house, height in row]
    found = buildings_of(survey(row))
    scores = footprint_scores([one.polygon for one in found], [house for house, _ in row])
    assert scores.found == 3
    assert scores.completeness == 1
    assert scores.mean_iou > 0.9
    assert sorted(round(one.height_med_m) for one in found) == [6, 6, 10]
    block = shapely.union_all([one.polygon for one in found])
    assert block.area == pytest.approx(sum(one.polygon.area for one in found), rel=1e-6)
    # Neighbours share their wall: nothing between them.
    assert shapely.get_num_geometries(block) == 1
    assert not shapely.get_parts(block)[0].interiors


def test_a_steep_gable_is_one_building():
    house = translate(Polygon([(0, 0), (16, 0), (16, 10), (0, 10)]), 20, 20)
    found = buildings_of(survey([(house, lambda x, y: 4 + 1.4 * (5 - np.abs(y - 25)))]))
    assert len(found) == 1
    assert found[0].height_max_m == pytest.approx(11, abs=0.6)


def test_a_lift_shaft_is_part_of_its_roof():
    house = translate(Polygon([(0, 0), (20, 0), (20, 14), (0, 14)]), 15, 20)
    shaft = translate(Polygon([(0, 0), (4, 0), (4, 4), (0, 4)]), 23, 25)
    found = buildings_of(survey([(house, 9.0), (shaft, 12.5)]))
    assert len(found) == 1
    assert found[0].height_max_m == pytest.approx(12.5, abs=0.2)
    assert found[0].height_med_m == pytest.approx(9.0, abs=0.1)
    assert not found[0].polygon.interiors


def test_a_courtyard_is_kept_and_a_gap_between_houses_too():
    ring = Polygon([(5, 5), (30, 5), (30, 30), (5, 30)], [[(13, 13), (22, 13), (22, 22), (13, 22)]])
    beside = Polygon([(32.5, 5), (44, 5), (44, 30), (32.5, 30)])
    found = buildings_of(survey([(ring, 8.0), (beside, 8.0)]))
    scores = footprint_scores([one.polygon for one in found], [ring, beside])
    assert (scores.found, scores.completeness) == (2, 1)
    assert scores.mean_iou > 0.94
    assert sum(len(one.polygon.interiors) for one in found) == 1


def test_a_balcony_far_below_the_eaves_is_no_footprint():
    house = translate(Polygon([(0, 0), (16, 0), (16, 10), (0, 10)]), 20, 20)
    balcony = translate(Polygon([(0, 0), (16, 0), (16, 1.0), (0, 1.0)]), 20, 19)
    found = buildings_of(survey([(house, 14.0), (balcony, 5.0)]))
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, house) > 0.96


def test_a_low_annex_wider_than_a_balcony_is_kept():
    house = translate(Polygon([(0, 0), (16, 0), (16, 10), (0, 10)]), 20, 25)
    annex = translate(Polygon([(0, 0), (16, 0), (16, 5), (0, 5)]), 20, 20)
    found = buildings_of(survey([(house, 12.0), (annex, 4.0)]))
    assert footprint_scores([one.polygon for one in found], [house, annex]).completeness == 1


def test_what_the_ground_filter_took_for_ground_is_a_building_still():
    house = translate(Polygon([(0, 0), (26, 0), (26, 26), (0, 26)]), 15, 15)
    x, y, z, hag, building = survey([(house, 6.0)])
    middle = shapely.contains_xy(house.buffer(-6), x, y)
    found = buildings_of((x, y, z, np.where(middle, 0.0, hag), building))
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, house) > 0.96
    assert found[0].ground_m == pytest.approx(3.0, abs=0.1)
    assert found[0].height_med_m == pytest.approx(6.0, abs=0.1)


def test_small_low_and_stray_things_are_no_buildings():
    shed = translate(Polygon([(0, 0), (2.5, 0), (2.5, 2.5), (0, 2.5)]), 10, 10)
    car = translate(Polygon([(0, 0), (5, 0), (5, 3), (0, 3)]), 30, 30)
    x, y, z, hag, building = survey([(shed, 3.0), (car, 1.4)])
    stray = np.random.default_rng(1).random(len(x)) < 0.003
    building[stray] = 1
    assert buildings_of((x, y, z, hag, building)) == []


def test_a_tree_over_the_roof_bites_nothing_out_of_it():
    house = translate(Polygon([(0, 0), (16, 0), (16, 10), (0, 10)]), 20, 20)
    x, y, z, hag, building = survey([(house, 6.0)])
    over = np.flatnonzero(np.hypot(x - 36, y - 30) < 3)
    leaves = np.random.default_rng(2).choice(over, len(over) // 2, replace=False)
    hag[leaves], building[leaves] = 11.0, 0
    found = buildings_of((x, y, 3 + hag, hag, building))
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, house) > 0.95


def test_the_order_and_the_tiles_of_points_do_not_matter():
    house = rotate(translate(L_SHAPE, 18, 20), 30)
    points = survey([(house, 7.0)])
    whole = buildings_of(points)
    with CloudEvidence((0, 0, 60, 60), 0.5) as evidence:
        tile = (points[0] // 20 + 3 * (points[1] // 20)).astype(int)
        for number in (4, 0, 8, 1, 7, 2, 6, 3, 5):
            x, y, z, hag, building = (values[tile == number] for values in points)
            evidence.add(x, y, z, hag, {"building": building})
        tiled = find_buildings(evidence, CancelToken())
    assert len(tiled) == len(whole) == 1
    assert tiled[0].polygon.equals_exact(whole[0].polygon, 1e-3)


def test_a_house_across_windows_is_one_polygon(monkeypatch):
    from inference_backend.vector import cell_areas

    house = rotate(translate(L_SHAPE, 18, 20), 30)
    points = survey([(house, 7.0)])
    whole = buildings_of(points)
    monkeypatch.setattr(cell_areas, "_STRIP_ROWS", 32)
    monkeypatch.setattr(cell_areas, "_BAND_COLS", 32)
    cut = buildings_of(points)
    assert len(cut) == 1
    assert cut[0].polygon.symmetric_difference(whole[0].polygon).area < 0.3


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(3, 14),
                       st.integers(3, 14)), min_size=1, max_size=6),
    st.floats(0, 90),
)  # fmt: skip
def test_regularized_blocks_are_valid_and_keep_their_area(rectangles, angle):
    block = shapely.union_all([shapely.box(x, y, x + w, y + h) for x, y, w, h in rectangles])
    for part in shapely.get_parts(rotate(block, angle)):
        made = regularize(part, 0.5)
        assert made.polygon.is_valid
        assert made.polygon.geom_type == "Polygon"
        assert abs(made.polygon.area / part.area - 1) < 0.06
        assert polygon_iou(made.polygon, Polygon(part.exterior, part.interiors)) > 0.84


def test_walls_have_the_directions_of_the_building():
    rng = np.random.default_rng(4)
    house = rotate(L_SHAPE, 23, origin=(0, 0))
    spots = shapely.line_interpolate_point(house.exterior, np.arange(0, house.exterior.length, 0.4))
    rough = Polygon(shapely.get_coordinates(spots) + rng.normal(0, 0.12, (len(spots), 2)))
    made = regularize(rough.buffer(0), 0.5).polygon
    steps = np.diff(shapely.get_coordinates(made.exterior), axis=0)
    angles = np.degrees(np.arctan2(steps[:, 1], steps[:, 0])) % 90
    assert len(steps) == 6
    assert np.ptp(angles) < 1e-6
    assert angles[0] == pytest.approx(23, abs=1.5)
    assert len(made.exterior.coords) < len(rough.exterior.coords) / 5


def test_a_round_building_stays_round():
    tower = shapely.Point(30, 30).buffer(8, quad_segs=32)
    found = buildings_of(survey([(tower, 12.0)]))
    assert len(found) == 1
    assert polygon_iou(found[0].polygon, tower) > 0.95


def test_parts_tile_their_block_exactly():
    block = rotate(translate(L_SHAPE, 5, 5), 10)
    x, y = np.meshgrid((np.arange(60) + 0.5) * 0.5, (np.arange(60) + 0.5) * 0.5)
    labels = np.where(shapely.contains_xy(block, x, y), 1 + (x > 12) + (x > 18), 0).astype(int)
    parts = cut_block(block, LabelGrid(labels, 0, 0, 0.5), main_directions(block, 0.5), 8.0)
    assert len(parts) == 3
    assert sum(part.area for part in parts) == pytest.approx(block.area, rel=1e-9)
    assert shapely.union_all(parts).symmetric_difference(block).area < 1e-6
    for index, part in enumerate(parts):
        assert part.is_valid
        assert all(part.intersection(other).area < 1e-9 for other in parts[index + 1 :])


def test_a_roof_without_a_step_has_one_part():
    block = np.zeros((40, 40), bool)
    block[5:35, 5:35] = True
    slope = np.where(block, 5 + 0.5 * np.arange(40)[None, :], np.nan)
    assert set(np.unique(roof_parts(slope, block, 0.5))) == {0, 1}
    stepped = np.where(np.arange(40)[None, :] > 20, slope + 3, slope)
    assert set(np.unique(roof_parts(stepped, block, 0.5))) == {0, 1, 2}
    assert roof_parts(slope, np.zeros_like(block), 0.5).max() == 0


def test_a_cancel_stops_the_search():
    cancel = CancelToken()
    cancel.cancel()
    x, y, z, hag, building = survey([(translate(L_SHAPE, 18, 20), 7.0)])
    with CloudEvidence((0, 0, 60, 60), 0.5) as evidence:
        evidence.add(x, y, z, hag, {"building": building})
        with pytest.raises(Cancelled):
            find_buildings(evidence, cancel)


def test_scores_of_footprints_by_hand():
    one, two = shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)
    half = shapely.box(0, 0, 10, 4)
    same = footprint_scores([one, two], [two, one])
    assert (same.area_iou, same.completeness, same.correctness, same.quality) == (1, 1, 1, 1)
    assert same.boundary_rmse_m == pytest.approx(0)
    assert same.vertices == 4
    some = footprint_scores([one, half], [one, two])
    assert (some.completeness, some.correctness) == (0.5, 0.5)
    assert some.quality == pytest.approx(1 / 3)
    assert some.area_iou == pytest.approx(0.5)
    moved = footprint_scores([translate(one, 1, 0)], [one])
    assert moved.mean_iou == pytest.approx(9 / 11)
    # Two of the four walls lie a metre off, and the others' ends reach a metre past a corner.
    assert 0.6 < moved.boundary_rmse_m < 0.85
    assert footprint_scores([], []).area_iou == 1
    nothing = footprint_scores([], [one])
    assert (nothing.area_iou, nothing.completeness, nothing.correctness) == (0, 0, 1)
    assert nothing.boundary_rmse_m is None
    cut = footprint_scores([one], [one, two], within=shapely.box(-1, -1, 11, 5))
    assert (cut.mapped, cut.area_iou) == (1, 1)
