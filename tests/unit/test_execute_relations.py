"""Relations on geometry laid out by hand: who is near, north of, on, between and with what."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, box

from inference_backend.language.colours import NAMES, lab, names_of
from inference_backend.language.execute import Instance, View
from inference_backend.language.references import References, subdivide
from inference_backend.language.relations import Frame, between_two
from tests.unit.ground_scene import (
    RED,
    RIVER,
    SQUARES,
    area_of,
    found,
    square,
)


def test_within_a_distance_is_measured_between_outlines():
    # The river's bank is at y = 5; a 10 m square round y has its wall at y - 5.
    things = [square("at 50", 0, 60), square("at 50.1", 30, 60.1), square("on", 60, 0)]
    things = [
        Instance(t.geometry, t.concept, attributes={"name": t.attributes["name"].replace(" ", "_")})
        for t in things
    ]
    assert found("buildings within 50 m of the river", *things, RIVER) == {"at_50", "on"}
    assert found("buildings more than 50 m from the river", *things, RIVER) == {"at_50.1"}
    assert found("buildings within 0.0501 km of the river", *things, RIVER) == {
        "at_50",
        "at_50.1",
        "on",
    }


def test_near_next_to_touching_and_far_have_their_own_distances():
    # Gaps to the bank: 0.9, 4.9, 5.1, 29, 31, 101 m; all 4 m squares, so half their own size is 2 m.
    gaps = (0.9, 4.9, 5.1, 29, 31, 101)
    things = [square(f"{gap}", 0, 5 + gap + 2, 4) for gap in gaps]
    assert found("buildings touching the river", *things, RIVER) == {"0.9"}
    assert found("buildings next to the river", *things, RIVER) == {"0.9", "4.9"}
    assert found("buildings near the river", *things, RIVER) == {"0.9", "4.9", "5.1", "29"}
    assert found("buildings not near the river", *things, RIVER) == {"31", "101"}
    assert found("buildings far from the river", *things, RIVER) == {"101"}


def test_next_to_grows_with_the_thing():
    # A hall of 40 m by 40 m, 15 m from the bank: half its own size is 20 m.
    assert found("buildings next to the river", square("hall", 0, 40, 40), RIVER) == {"hall"}
    assert found("buildings next to the river", square("hut", 0, 22, 4), RIVER) == set()


def test_directions_are_seen_from_the_nearest_point():
    things = [
        square("n", 0, 50),
        square("s", 0, -50),
        square("ne", 150, 60),
        square("in", 20, 0, 4),
    ]
    assert found("buildings north of the river", *things, RIVER) == {"n"} | {"ne"}
    assert found("buildings south of the river", *things, RIVER) == {"s"}
    # East of the river's end at x = 100 lie 45 m, north of it 50 m: its centre goes north more than east.
    assert found("buildings east of the river", *things, RIVER) == set()
    assert found("buildings east of the river", square("e", 160, 30), RIVER) == {"e"}


def test_a_direction_has_a_cone_of_45_degrees_round_a_small_thing():
    pool = area_of("pool", box(-1, -1, 1, 1))
    things = [
        square("n", 0, 30, 2),
        square("nne", 20, 30, 2),
        square("ene", 30, 20, 2),
        square("e", 30, 0, 2),
    ]
    assert found("buildings north of the pool", *things, pool) == {"n", "nne"}
    assert found("buildings east of the pool", *things, pool) == {"ene", "e"}
    assert found("buildings northeast of the pool", *things, pool) == {"nne", "ene"}


def test_a_house_in_the_bend_of_a_river_lies_north_of_it_beyond_its_northern_end():
    # A river with a bend: its nearest point lies to the east, but the house is beyond all of it.
    bend = area_of("river", LineString([(-50, 0), (0, 0), (20, 30), (40, 0), (90, 0)]).buffer(2))
    house = square("h", 5, 45, 4)
    assert found("buildings north of the river", house, bend) == {"h"}


def test_a_river_that_runs_north_has_no_north_side():
    river = area_of("river", box(-5, -100, 5, 100))
    things = [square("w", -40, 50), square("e", 40, 50)]
    assert found("buildings north of the river", *things, river) == set()
    assert found("buildings west of the river", *things, river) == {"w"}


def test_within_and_direction_together():
    things = [square("a", 0, 20), square("b", 0, 80), square("c", 0, -20)]
    assert found("buildings within 30 m north of the river", *things, RIVER) == {"a"}


def test_left_and_above_are_of_the_view_and_north_is_north():
    # South is up in this view.
    turned = View((-100, -100, 100, 100), north=(0, 1), up=(0, -1))
    things = [square("n", 0, 50), square("s", 0, -50)]
    assert found("buildings above the river", *things, RIVER, view=turned) == {"s"}
    assert found("buildings north of the river", *things, RIVER, view=turned) == {"n"}
    pool = area_of("pool", box(-1, -1, 1, 1))
    sides_of_pool = [square("w", -40, 0), square("e", 40, 0)]
    assert found("buildings left of the pool", *sides_of_pool, pool) == {"w"}
    assert found("buildings left of the pool", *sides_of_pool, pool, view=turned) == {"e"}


def test_on_counts_half_of_the_area():
    lot = area_of("parking lot", box(0, 0, 50, 50))
    things = [
        square("in", 20, 20, 4, concept="car"),
        square("half", 50, 30, 4, concept="car"),
        square("edge", 51, 10, 4, concept="car"),
        square("out", 60, 20, 4, concept="car"),
    ]
    assert found("cars on the parking lot", *things, lot) == {"in", "half"}
    assert found("cars not on the parking lot", *things, lot) == {"edge", "out"}


def test_a_car_in_its_own_hole_is_on_the_parking_lot():
    hole, bite = box(20, 20, 22, 24), box(48, 20, 50, 24)
    lot = area_of("parking lot", box(0, 0, 50, 50).difference(hole).difference(bite))
    inside = Instance(hole.buffer(-0.2), "car", attributes={"name": "inside"})
    bitten = Instance(bite, "car", attributes={"name": "bitten"})
    beside = Instance(box(50.3, 30, 52.3, 34), "car", attributes={"name": "beside"})
    assert found("cars on the parking lot", inside, bitten, beside, lot) == {"inside", "bitten"}


def test_with_gives_each_thing_to_the_nearest_house():
    # The pool lies 2 m from one house and 9 m from the other; both lie within 15 m.
    near, far = square("near", 0, 0), square("far", 21, 0)
    pool = square("p", 9, 0, 4, concept="pool")
    assert found("houses with a pool", near, far, pool) == {"near"}
    assert found("houses without a pool", near, far, pool) == {"far"}
    # Who has the pool does not depend on which houses are asked about.
    coloured = Instance(far.geometry, "building", colour=RED, attributes={"name": "far"})
    assert found("red houses with a pool", near, coloured, pool) == set()


def test_with_counts_what_lies_on_a_roof_even_if_another_house_is_near():
    one, two = square("one", 0, 0), square("two", 11, 0)
    panel = square("panel", 4.5, 0, 1, concept="solar array")
    assert found("houses with solar panels", one, two, panel) == {"one"}
    assert found("houses without solar panels", one, two, panel) == {"two"}
    far_pool = square("p", 0, 40, 4, concept="pool")
    assert found("houses with a pool", one, far_pool) == set()


def test_surrounded_by():
    ring = Point(0, 0).buffer(30).difference(Point(0, 0).buffer(8))
    trees = area_of("tree", ring)
    half = area_of("tree", ring.intersection(box(-50, 0, 50, 50)))
    house = square("h", 0, 0, 8)
    assert found("houses surrounded by trees", house, trees) == {"h"}
    assert found("houses surrounded by trees", house, half) == set()


def test_between_two():
    road = area_of("road", box(-100, 60, 100, 66))
    things = [square("in", 0, 30), square("north", 0, 90), square("south", 0, -40)]
    assert found("buildings between the road and the river", *things, road, RIVER) == {"in"}
    assert found("buildings not between the road and the river", *things, road, RIVER) == {
        "north",
        "south",
    }


def test_between_needs_120_degrees():
    one, two = np.array([Point(-30, 0).buffer(1)]), np.array([Point(30, 0).buffer(1)])
    none = np.array([-1])
    # Seen from (0, y), the two lie 2 * atan(30 / y) apart: 120 degrees at y = 17.3.
    shapes = np.array([box(-1, 15, 1, 17), box(-1, 18, 1, 20)])
    own = np.repeat(none, 2)
    assert list(between_two(shapes, References(one, own), References(two, own))) == [True, False]


def test_between_the_parts_of_one_kind():
    things = [square("a", -40, 0), square("b", 0, 0), square("c", 40, 0)]
    trees = [square("t1", -20, 0, 4, concept="tree"), square("t2", 70, 0, 4, concept="tree")]
    assert found("trees between buildings", *things, *trees) == {"t1"}
    assert found("buildings between buildings", *things) == {"b"}


def test_a_thing_is_not_near_itself():
    one, two, far = square("one", 0, 0), square("two", 15, 0), square("far", 0, 90)
    assert found("buildings within 10 m of each other", one, two, far) == {"one", "two"}
    assert found("buildings near buildings", far) == set()
    assert found("isolated buildings", one, two, far) == {"far"}


def test_isolated_counts_all_of_the_kind():
    # The small tree beside it is a neighbour of the large tree, though only large ones are asked for.
    large, small = (
        square("large", 0, 0, 12, concept="tree"),
        square("small", 15, 0, 2, concept="tree"),
    )
    assert found("isolated large trees", large, small) == set()
    assert found("isolated large trees", large) == {"large"}


def test_groups_have_three_neighbours():
    close = [square(f"c{i}", 12 * i, 0, 8) for i in range(4)]
    assert found("groups of houses", *close, square("far", 0, 90)) == {"c1", "c2"}


@settings(max_examples=60)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_a_name_or_is_between_names(rgb):
    assert set(names_of(rgb)) <= set(NAMES)
    assert ("dark" in names_of(rgb)) == (lab(np.array([rgb]))[0, 0] < 45)


@settings(max_examples=60)
@given(SQUARES, st.integers(0, 100))
def test_near_and_far_part_all_things(layout, distance):
    things = [square(str(i), x, y, side) for i, (x, y, side) in enumerate(layout)]
    near = found(f"buildings within {distance} m of the river", *things, RIVER)
    far = found(f"buildings more than {distance} m from the river", *things, RIVER)
    assert near | far == {str(i) for i in range(len(things))}
    assert not near & far
    # Exactly so far counts as within, whatever the last digit of a computed distance is.
    limit = distance + 1e-9
    assert near == {
        str(i) for i, t in enumerate(things) if t.geometry.distance(RIVER.geometry) <= limit
    }


@settings(max_examples=40)
@given(SQUARES)
def test_directions_turn_with_the_world(layout):
    """North of the river is west of it once all is turned by 90 degrees."""
    things = [square(str(i), x, y, side) for i, (x, y, side) in enumerate(layout)]
    turned = [
        Instance(
            shapely.affinity.rotate(t.geometry, 90, origin=(0, 0)),
            t.concept,
            attributes=t.attributes,
        )
        for t in (*things, RIVER)
    ]
    assert found("buildings north of the river", *things, RIVER) == found(
        "buildings west of the river", *turned
    )


def test_a_large_shape_in_pieces_is_the_same_shape():
    wavy = LineString([(x, 20 * np.sin(x / 7)) for x in np.linspace(-500, 500, 3000)]).buffer(3)
    pieces, owner = subdivide(np.array([wavy, box(0, 100, 1, 101)]))
    assert shapely.get_num_coordinates(pieces).max() <= 256
    assert shapely.area(pieces[owner == 0]).sum() == pytest.approx(wavy.area, rel=1e-9)
    assert shapely.union_all(pieces[owner == 0]).symmetric_difference(wavy).area < 1e-6
    points = np.array([Point(x, y) for x in range(-400, 400, 97) for y in (-60, 5, 60)])
    to = References(np.array([wavy]), np.full(len(points), -1))
    assert to.nearest(points)[0] == pytest.approx(shapely.distance(points, wavy), abs=1e-9)


def test_a_frame_turns_its_directions():
    frame = Frame(north=(0, 1), up=(1, 0), metres=True, reach=1)
    assert frame.direction("north of") == pytest.approx([0, 1])
    assert frame.direction("northeast of") == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])
    assert frame.direction("above") == pytest.approx([1, 0])
    assert frame.direction("right") == pytest.approx([0, -1])
