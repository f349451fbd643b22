"""The executor on geometry laid out by hand: what each word finds, and what is said where nothing is found.

One ground frame for most tests, in metres, y to the north, view 200 m by 200 m round (0, 0).
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon, box

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.colours import NAMES, is_colour, lab, names_of, overlap
from inference_backend.language.execute import Instance, Outcome, View, execute
from inference_backend.language.measures import has_shape, sides
from inference_backend.language.parse import understand
from inference_backend.language.program import Program
from inference_backend.language.relations import Frame, References, between_two, subdivide

VIEW = View((-100, -100, 100, 100))
RED, WHITE, GREY, GREEN = (176, 84, 70), (232, 232, 230), (140, 140, 140), (80, 120, 92)


def square(name: str, x: float, y: float, side: float = 10, **more: object) -> Instance:
    """A square round (x, y)."""
    half = side / 2
    shape = box(x - half, y - half, x + half, y + half)
    concept = more.pop("concept", "building")
    return Instance(shape, concept, attributes={"name": name, **more.pop("attributes", {})}, **more)


def area_of(concept: str, shape: shapely.Geometry) -> Instance:
    return Instance(shape, concept, attributes={"name": concept})


def ask(text: str, *things: Instance, view: View = VIEW) -> Outcome:
    """What a sentence finds among things, sorted to their concepts."""
    understood = understand(text)
    assert understood.program is not None, understood.sentence
    by_concept: dict[str, list[Instance]] = {}
    for thing in things:
        by_concept.setdefault(thing.concept, []).append(thing)
    return execute(understood.program, by_concept, view)


def names(outcome: Outcome) -> str:
    """The names of what was found, in the outcome's order."""
    return " ".join(thing.attributes["name"] for thing in outcome.instances)


def found(text: str, *things: Instance, view: View = VIEW) -> set[str]:
    return set(names(ask(text, *things, view=view)).split())


RIVER = area_of("river", box(-100, -5, 100, 5))  # flows east to west through the middle


def test_sizes_are_exact_and_strict():
    things = [
        square("a", -50, 0, 10),
        square("b", 0, 0, 14),
        square("c", 50, 0, 20),
    ]  # 100, 196, 400
    assert found("buildings larger than 196 m²", *things) == {"c"}
    assert found("buildings at least 196 m²", *things) == {"b", "c"}
    assert found("buildings smaller than 196 m²", *things) == {"a"}
    assert found("buildings up to 196 m²", *things) == {"a", "b"}
    assert found("buildings between 0.015 and 0.03 ha", *things) == {"b"}
    # 196 m² are 2,109.7 sq ft.
    assert found("buildings over 2,110 sq ft", *things) == {"c"}
    assert found("buildings over 2,109 sq ft", *things) == {"b", "c"}


def test_a_slanted_building_is_as_long_as_it_is():
    slanted = Instance(
        shapely.affinity.rotate(box(0, 0, 30, 8), 30, origin=(0, 0)),
        "building",
        attributes={"name": "s"},
    )
    length, width = sides(np.array([slanted.geometry]))
    assert (length[0], width[0]) == (pytest.approx(30), pytest.approx(8))
    assert found("buildings longer than 29 m", slanted) == {"s"}
    assert found("buildings longer than 31 m", slanted) == set()
    assert found("long buildings", slanted) == {"s"}
    assert found("buildings narrower than 9 m", slanted) == {"s"}


def test_large_and_small_are_thirds_of_the_usual_sizes_whatever_else_is_there():
    # Buildings are 12 to 4,000 m²: small below 83, large above 577.
    things = [square("a", -50, 0, 9), square("b", 0, 0, 15), square("c", 50, 0, 25)]  # 81, 225, 625
    assert found("small buildings", *things) == {"a"}
    assert found("medium buildings", *things) == {"b"}
    assert found("large buildings", *things) == {"c"}
    assert found("large buildings", things[0], things[1]) == set()


def test_shapes():
    ring = np.stack([np.cos(np.arange(0, 2 * np.pi, 0.3)), np.sin(np.arange(0, 2 * np.pi, 0.3))], 1)
    shapes = {
        "disc": Polygon(ring * 10),
        "square": box(0, 0, 10, 10),
        "bar": box(0, 0, 40, 8),
        "corner": Polygon([(0, 0), (30, 0), (30, 8), (8, 8), (8, 30), (0, 30)]),
    }
    array = np.array(list(shapes.values()))

    def which(shape: str) -> set[str]:
        return {name for name, fits in zip(shapes, has_shape(array, shape), strict=True) if fits}

    assert which("round") == {"disc"}
    assert which("square") == {"square"}
    assert which("rectangular") == {"square", "bar"}
    assert which("long") == which("narrow") == {"bar"}
    assert which("compact") == {"disc", "square", "corner"}
    assert which("irregular") == {"corner"}


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


def test_orders_and_ties():
    things = [square("a", -50, 10, 10), square("b", 0, 0, 20), square("c", 50, -10, 30)]
    assert names(ask("the largest building", *things)) == "c"
    assert names(ask("the two largest buildings", *things)) == "c b"
    assert names(ask("the second largest building", *things)) == "b"
    assert names(ask("the smallest building", *things)) == "a"
    assert names(ask("the northernmost building", *things)) == "a"
    assert names(ask("the easternmost building", *things)) == "c"
    assert names(ask("the second building from the left", *things)) == "b"
    assert names(ask("the most central building", *things)) == "b"
    tied = ask("the largest building", square("x", 0, 0), square("y", 40, 0), square("z", 80, 0, 5))
    assert set(names(tied).split()) == {"x", "y"}
    assert tied.sentence == "2 buildings share the rank of the largest, 100 m² each."
    second = ask(
        "the second largest building", square("x", 0, 0), square("y", 40, 0), square("z", 80, 0, 5)
    )
    assert set(names(second).split()) == {"x", "y"}


def test_the_order_comes_after_the_conditions():
    things = [square("big", 0, 80, 30), square("small", 0, 20, 10), RIVER]
    assert names(ask("the largest building within 20 m of the river", *things)) == "small"
    tree = square("t", 0, 60, 4, concept="tree")
    assert found("trees within 10 m of the largest building", *things, tree) == {"t"}


def test_nearest_and_farthest():
    pool = square("p", 0, 0, 4, concept="pool")
    things = [square("a", 20, 0), square("b", -30, 0), square("c", 0, 60)]
    assert names(ask("the building closest to the pool", *things, pool)) == "a"
    assert names(ask("the two buildings closest to the pool", *things, pool)) == "a b"
    assert names(ask("the second closest building to the pool", *things, pool)) == "b"
    assert names(ask("the building farthest from the pool", *things, pool)) == "c"
    largest = square("d", 0, 90, 30)
    assert names(ask("the nearest building to the largest building", *things, largest)) == "c"


def test_regions_of_the_view():
    things = [
        square("ul", -50, 50, 4),
        square("ur", 50, 50, 4),
        square("ll", -50, -50, 4),
        square("m", 5, 5, 4),
    ]
    assert found("buildings in the upper left", *things) == {"ul"}
    assert found("buildings on the left", *things) == {"ul", "ll"}
    assert found("buildings at the top of the image", *things) == {"ul", "ur", "m"}
    assert found("buildings in the centre", *things) == {"m"}
    assert found("buildings in the northern part", *things) == {"ul", "ur", "m"}
    assert found("buildings at the edge of the image", *things, square("e", 99, 0, 4)) == {"e"}
    elsewhere = View((-80, 20, 0, 100))
    assert found("buildings in the lower left", things[0], view=elsewhere) == {"ul"}


def test_and_or_not():
    things = [
        square("red big", -50, 40, 20, colour=RED),
        square("red", 0, 40, 5, colour=RED),
        square("white big", 50, -40, 20, colour=WHITE),
        square("grey", 80, -40, 5, colour=GREY),
    ]
    for thing in things:
        thing.attributes["name"] = thing.attributes["name"].replace(" ", "-")
    assert found("red buildings larger than 100 m²", *things) == {"red-big"}
    assert found("red or white buildings", *things) == {"red-big", "red", "white-big"}
    assert found("buildings that are red or larger than 100 m²", *things) == {
        "red-big",
        "red",
        "white-big",
    }
    assert found("buildings that are not red", *things) == {"white-big", "grey"}
    assert found("buildings that are not red and smaller than 100 m²", *things) == {"grey"}
    assert found("buildings except the largest", *things) == {"red", "grey"}
    assert found("all buildings but the red ones", *things) == {"white-big", "grey"}


def test_everything_but_is_the_rest_of_the_view():
    outcome = ask("everything but the river", RIVER)
    (rest,) = outcome.instances
    assert rest.geometry.area == pytest.approx(200 * 200 - 200 * 10)
    assert not rest.geometry.intersects(Point(0, 0))
    assert outcome.sentence == "Everything but rivers: 38,000 m²."


def test_a_thing_with_two_names_counts_once_and_is_left_out_by_either():
    car = square("car", 0, 0, 4, concept="car")
    same = Instance(box(-2, -2, 2, 2.2), "vehicle", attributes={"name": "same"})
    truck = square("truck", 30, 0, 8, concept="vehicle")
    assert found("cars and vehicles", car, same, truck) == {"car", "truck"}
    assert found("vehicles except cars", car, same, truck) == {"truck"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("buildings", "3 buildings were found."),
        ("buildings and pools", "3 buildings and 1 pool were found."),
        ("buildings and tanks", "3 buildings and no tank were found."),
        ("tanks", "No tank was found here."),
        ("tanks or ships", "No tank or ship was found here."),
        ("red buildings", "1 of 3 buildings is red."),
        ("green buildings", "3 buildings were found here, but none of them is green."),
        ("buildings smaller than 5000 m²", "All 3 buildings are smaller than 5,000 m²."),
        ("the largest building", "The largest of 3 buildings covers 400 m²."),
        ("the second largest building", "The second largest of 3 buildings covers 225 m²."),
        (
            "the fifth largest building",
            "Only 3 buildings were found here, so there is no fifth largest.",
        ),
        ("the 5 largest buildings", "Only 3 buildings were found, so all are among the 5 largest."),
        ("buildings north of the lake", "No lake was found here, so nothing can be north of it."),
        ("houses with tanks", "No tank was found here, so nothing can have one."),
        ("houses without tanks", "All 3 buildings are without tanks. No tank was found here."),
        (
            "the building closest to a tank",
            "No tank was found here, so no building can be closest to it.",
        ),
        ("how many buildings are there?", "There are 3 buildings here."),
        ("how many pools are there?", "There is 1 pool here."),
        ("how many tanks are there?", "No tank was found here."),
        ("are there any buildings?", "Yes. There are 3 buildings here."),
        ("are there any tanks?", "No tank was found here."),
        ("how much area is covered by buildings?", "Buildings: 725 m²."),
        ("the tallest building", "How tall things are cannot be seen in this image."),
        ("buildings taller than 5 m", "How tall things are cannot be seen in this image."),
        ("the river", "1 river was found."),
        ("water", "1 area of water was found, 2,000 m²."),
        ("the building closest to the pool", "The closest to the pool of 3 buildings: 5 m away."),
        ("buildings except the largest", "2 of 3 buildings are left."),
    ],
)
def test_the_answer_is_said(text, sentence):
    things = [
        square("a", -50, 50, 10, colour=RED),
        square("b", 0, 50, 15, colour=GREY),
        square("c", 50, 50, 20, colour=GREY),
        square("p", 15.0, 50, 5, concept="pool"),
        RIVER,
        area_of("water", RIVER.geometry),
    ]
    assert ask(text, *things).sentence == sentence


def test_counts_and_what_was_considered():
    things = [square("a", -50, 50), square("b", 0, 50), square("c", 50, -50)]
    outcome = ask("how many buildings are north of the river", *things, RIVER)
    assert (outcome.count, outcome.considered, len(outcome.instances)) == (2, 3, 2)
    assert ask("buildings", *things).count is None
    assert ask("buildings near the lake", *things).missing == ("lake",)


def test_heights_are_used_where_they_are_known():
    things = [
        square("low", 0, 0, attributes={"height_m": 4.0}),
        square("high", 40, 0, attributes={"height_m": 12.0}),
    ]
    things.append(square("unknown", 80, 0))
    assert found("buildings taller than 10 m", *things) == {"high"}
    assert names(ask("the tallest building", *things)) == "high"


def test_scores_and_attributes_are_carried():
    thing = square("a", 0, 0, score=0.7)
    (carried,) = ask("the largest building", thing).instances
    assert carried is thing


NO_CRS = View((0, 0, 100, 100), north=None, up=(0, 1), metres=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("buildings larger than 200 m²", "200 m² cannot be measured"),
        ("buildings within 50 m of the river", "50 m cannot be measured"),
        ("buildings north of the river", "where north is"),
        ("the northernmost building", "where north is"),
        ("buildings in the northern part", "where north is"),
    ],
)
def test_without_a_crs_metres_and_north_are_refused(text, message):
    with pytest.raises(InvalidInput, match="no CRS") as refused:
        ask(text, square("a", 50, 50), RIVER, view=NO_CRS)
    assert message in refused.value.user_message


def test_without_a_crs_the_view_still_has_sides_and_things_have_sizes():
    # "near" is then three times its own size: 30 for a square of 10.
    things = [square("near", 50, 35), square("far", 50, 45), square("left", 10, 90)]
    assert found("buildings near the river", *things, RIVER, view=NO_CRS) == {"near"}
    assert found("buildings above the river", *things, RIVER, view=NO_CRS) == {
        "near",
        "far",
        "left",
    }
    assert found("the leftmost building", *things, view=NO_CRS) == {"left"}
    assert ask("how much area is covered by buildings", *things, view=NO_CRS).sentence.endswith(
        "300 square pixels."
    )


def test_colours():
    assert "red" in names_of(RED)
    assert "orange" in names_of((176, 98, 68))
    assert names_of(WHITE) == ("white", "bright")
    assert "green" in names_of(GREEN)
    assert "blue" in names_of((72, 110, 146))
    assert "black" in names_of((34, 36, 40))
    assert not is_colour(np.array([[np.nan, 0, 0]]), "dark").any()
    # CIE values of sRGB primaries.
    assert lab(np.array([[255, 0, 0]]))[0] == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert lab(np.array([[255, 255, 255]]))[0] == pytest.approx([100, 0, 0], abs=0.05)
    assert overlap("red", "orange")
    assert not overlap("red", "blue")


def test_a_thing_of_unknown_colour_has_none():
    assert found("red buildings", square("a", 0, 0)) == set()
    assert found("buildings that are not red", square("a", 0, 0)) == {"a"}


@settings(max_examples=60)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_a_name_or_is_between_names(rgb):
    assert set(names_of(rgb)) <= set(NAMES)
    assert ("dark" in names_of(rgb)) == (lab(np.array([rgb]))[0, 0] < 45)


SQUARES = st.lists(
    st.tuples(st.integers(-90, 90), st.integers(-90, 90), st.integers(1, 30)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(SQUARES, st.integers(0, 100))
def test_near_and_far_part_all_things(layout, distance):
    things = [square(str(i), x, y, side) for i, (x, y, side) in enumerate(layout)]
    near = found(f"buildings within {distance} m of the river", *things, RIVER)
    far = found(f"buildings more than {distance} m from the river", *things, RIVER)
    assert near | far == {str(i) for i in range(len(things))}
    assert not near & far
    assert near == {
        str(i) for i, t in enumerate(things) if t.geometry.distance(RIVER.geometry) <= distance
    }


@settings(max_examples=60)
@given(SQUARES, st.integers(1, 5))
def test_ranks_and_firsts_agree(layout, n):
    things = [square(str(i), x, y, side) for i, (x, y, side) in enumerate(layout)]
    first = found(f"the {n} largest buildings", *things)
    ranked = set().union(
        *(
            found(f"the {rank} largest building", *things)
            for rank in ("first", "second", "third", "fourth", "fifth")[:n]
        )
    )
    assert ranked == first
    kept = [things[int(i)].geometry.area for i in first]
    dropped = [t.geometry.area for i, t in enumerate(things) if str(i) not in first]
    assert not dropped or min(kept) > max(dropped)


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


def test_five_thousand_things_and_a_road_network():
    rng = np.random.default_rng(7)
    corners = rng.uniform(0, 4000, (5000, 2))
    sizes = rng.uniform(5, 30, (5000, 2))
    houses = [
        Instance(box(x, y, x + w, y + h), "building", colour=tuple(rng.integers(0, 256, 3)))
        for (x, y), (w, h) in zip(corners, sizes, strict=True)
    ]
    lines = [LineString([(0, y), (4000, y)]) for y in range(0, 4001, 100)]
    lines += [LineString([(x, 0), (x, 4000)]) for x in range(0, 4001, 100)]
    roads = [Instance(shapely.union_all(lines).buffer(4), "road")]
    trees = [Instance(Point(x, y).buffer(3), "tree") for x, y in rng.uniform(0, 4000, (5000, 2))]
    view = View((0, 0, 4000, 4000))
    scene = {"building": houses, "road": roads, "tree": trees}
    geometry = np.array([house.geometry for house in houses])
    expected = (shapely.area(geometry) > 200) & (shapely.distance(geometry, roads[0].geometry) <= 5)
    program = understand("buildings larger than 200 m² within 5 m of the road").program
    outcome = execute(program, scene, view)
    assert {id(thing) for thing in outcome.instances} == {
        id(house) for house, keep in zip(houses, expected, strict=True) if keep
    }
    for text in (
        "the three largest buildings north of the road with a tree",
        "isolated trees on the road",
        "buildings between roads surrounded by trees",
        "houses without trees near each other",
        "clustered red buildings not on the road",
        "the building farthest from the road",
    ):
        outcome = execute(understand(text).program, scene, view)
        assert outcome.considered == 5000
        assert len(outcome.instances) < 5000


def test_a_frame_turns_its_directions():
    frame = Frame(north=(0, 1), up=(1, 0), metres=True, reach=1)
    assert frame.direction("north of") == pytest.approx([0, 1])
    assert frame.direction("northeast of") == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])
    assert frame.direction("above") == pytest.approx([1, 0])
    assert frame.direction("right") == pytest.approx([0, -1])


def test_every_relation_and_order_runs_on_an_empty_and_on_a_full_view():
    full = {
        "building": [square("a", 0, 0), square("b", 30, 0)],
        "tree": [square("t", 10, 0, 2, concept="tree")],
    }
    buildings, trees = nodes.Select("building", ""), nodes.Select("tree", "")
    roots = [nodes.Filter(buildings, nodes.Relate(name, trees)) for name in nodes.RELATIONS]
    roots += [nodes.Filter(buildings, nodes.Region(name)) for name in (*nodes.REGIONS, nodes.EDGE)]
    roots += [nodes.Filter(buildings, nodes.Shape(name)) for name in nodes.SHAPES]
    roots += [nodes.Filter(buildings, nodes.Crowd(name)) for name in nodes.CROWDS]
    for key in nodes.KEYS:
        to = trees if key == "distance" else None
        for end in nodes.ENDS:
            roots += [
                nodes.Superlative(buildings, key, end, 1, to),
                nodes.Ordinal(buildings, key, end, 2, to),
            ]
    for root in roots:
        for scene in ({}, {"building": full["building"]}, {"tree": full["tree"]}, full):
            for program in (Program(root), Program(nodes.Count(root))):
                outcome = execute(program, scene, VIEW)
                assert outcome.sentence.endswith(".")
                assert outcome.considered == len(scene.get("building", ()))
                assert len(outcome.instances) <= outcome.considered
