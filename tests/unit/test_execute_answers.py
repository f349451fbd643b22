"""What the executor says, also where nothing is found, without a CRS, and in a large scene."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.execute import Instance, View, execute
from inference_backend.language.parse import understand
from inference_backend.language.program import Program
from tests.unit.ground_scene import (
    GREY,
    RED,
    RIVER,
    VIEW,
    area_of,
    ask,
    found,
    names,
    square,
)

NO_CRS = View((0, 0, 100, 100), north=None, up=(0, 1), metres=False)


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
        ("how many grey buildings are there?", "2 of 3 buildings are grey."),
        ("the largest grey building", "The largest of 2 buildings that are grey covers 400 m²."),
        (
            "the largest red building",
            "The only one of the buildings that are red covers 100 m².",
        ),
        (
            "the largest building near the river",
            "3 buildings were found here, but none of them is near the river.",
        ),
        ("two buildings", "The 2 surest of 3 buildings."),
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
    trees = [
        Instance(Point(x, y).buffer(3, quad_segs=2), "tree")
        for x, y in rng.uniform(0, 4000, (5000, 2))
    ]
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
