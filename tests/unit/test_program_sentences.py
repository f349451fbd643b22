"""Sentences and the programs they become: a table to be checked by eye, minimal pairs, spellings."""

from __future__ import annotations

import pytest

from inference_backend.language.coordination import coordinate
from inference_backend.language.lexicon import nouns, split_words
from inference_backend.language.ontology import concepts
from inference_backend.language.parse import understand
from inference_backend.language.program import Program
from inference_backend.language.tagging import tag_text
from tests.unit.program_text import short

# Sentence -> program, in the notation of `program_text`.
TABLE = (
    (
        "buildings larger than 200 m² within 50 m of water",
        "building[area > 200 m²][near water 50 m]",
    ),
    ("the red-roofed buildings north of the river", "building[red][north of river]"),
    ("the largest building", "building{area most 1}"),
    ("the northernmost building", "building{north most 1}"),
    ("the three largest buildings", "building{area most 3}"),
    ("the second largest building", "building{area most #2}"),
    ("trees next to a road", "tree[next to road]"),
    ("cars on the parking lot", "car[on parking lot]"),
    ("houses without solar panels", "building[not with solar array]"),
    ("buildings between the road and the river", "building[between road & river]"),
    ("pools in the upper left", "pool[@upper left]"),
    ("everything but water", "(* - water)"),
    ("roads and parking lots", "(road + parking lot)"),
    ("how many cars are there?", "number of car"),
    ("buildings that are not red", "building[not red]"),
    ("trees or bushes", "(tree + shrub)"),
    ("buildings, roads, trees", "(building + road + tree)"),
    ("long narrow buildings", "building[long][narrow]"),
    ("round tanks", "tank[round]"),
    ("buildings smaller than 0.1 ha", "building[area < 0.1 ha]"),
    ("buildings over 2,000 sq ft", "building[area > 2000 sq ft]"),
    ("trees within half a kilometre of the river", "tree[near river 0.5 km]"),
    ("the building closest to the pool", "building{distance least 1 to pool}"),
    ("isolated trees", "tree[alone]"),
    ("buildings touching water", "building[touching water]"),
    ("the biggest house in the lower right corner", "building[@lower right]{area most 1}"),
    ("solar panels on buildings", "solar array[on building]"),
    ("dense groups of houses", "building[grouped]"),
    ("please show me all buildings", "building"),
    ("could you find the white cars and trucks please", "(car[white] + truck)"),
    ("red and blue cars on roads or parking lots", "car[red/blue][on (road + parking lot)]"),
    ("buildings near roads and trees", "building[(near road and near tree)]"),
    ("buildings near roads and trees near water", "(building[near road] + tree[near water])"),
    ("buildings between 100 and 200 m²", "building[area >= 100 m²][area <= 200 m²]"),
    ("houses with a red roof", "building[red]"),
    ("houses with red roofs and a pool", "building[red][with pool]"),
    ("the second building from the left", "building{right least #2}"),
    ("all buildings except the largest", "(building - building{area most 1})"),
    ("all buildings but the red ones", "(building - building[red])"),
    ("the nearest tree to the largest building", "tree{distance least 1 to building{area most 1}}"),
    ("the 3 trees closest to a pool", "tree{distance least 3 to pool}"),
    ("buildings more than 50 m away from the road", "building[far from road 50 m]"),
    ("buildings less than a mile from the river", "building[near river 1 mi]"),
    (
        "large buildings that are red or blue and near water",
        "building[large][red/blue][near water]",
    ),
    ("where are the boats?", "boat"),
    ("which houses have solar panels?", "building[with solar array]"),
    ("what is the largest building?", "building{area most 1}"),
    ("cars not on a road", "car[not on road]"),
    ("buildings south-west of the lake", "building[southwest of lake]"),
    ("the building to the left of the road", "building[left road]"),
    (
        "cars in the parking lot next to the largest building",
        "car[inside parking lot][next to building{area most 1}]",
    ),
    ("are there any ships?", "any of ship"),
    ("how many hectares of forest are there", "area of tree"),
    ("trees near a building that is red", "tree[near building[red]]"),
    ("buildings near water that are larger than 200 m²", "building[near water][area > 200 m²]"),
    ("trees along the road but not near water", "tree[next to road][not near water]"),
    ("buildings with an area of more than 0.5 acres", "building[area > 0.5 ac]"),
    ("buildings from 100 to 200 m2", "building[area >= 100 m²][area <= 200 m²]"),
    ("vehicles that are not cars", "(vehicle - car)"),
    ("roads wider than 6 m", "road[width > 6 m]"),
    ("the tallest building", "building{height most 1}"),
    ("everything except buildings and roads", "(* - (building + road))"),
    ("small houses within 20 metres of a big tree", "building[small][near tree[large] 20 m]"),
    (
        "buildings larger than 200 m² or within 50 m of water",
        "building[(area > 200 m² or near water 50 m)]",
    ),
    ("all buildings except those near water", "(building - building[near water])"),
    ("trees between buildings", "tree[between building]"),
    ("bridges over the river", "bridge[crossing river]"),
    ("two buildings near the lake", "building[near lake]{score most 2}"),
    ("buildings at least 100 feet from any road", "building[far from road 100 ft]"),
    ("houses with pools but without solar panels", "building[with pool][not with solar array]"),
    ("not water", "(* - water)"),
    ("houses with a pool", "building[with pool]"),
    ("quarry near the railway", "quarry[near railway]"),
    ("buildings by the sea", "building[next to sea]"),
    ("show me where the trees are", "tree"),
    ("trees that touch the road", "tree[touching road]"),
    ("a big red building", "building[large][red]"),
    ("lakes larger than two hundred and fifty thousand square metres", "lake[area > 250000 m²]"),
    ("the 2nd biggest lake", "lake{area most #2}"),
    (
        "buildings that do not have solar panels and are larger than 500 sqm",
        "building[not with solar array][area > 500 m²]",
    ),
    ("cars parked on the street", "car[on road]"),
    ("green fields", "field[green]"),
    ("dark roofs", "building[dark]"),
    ("any buildings?", "building"),
    ("houses surrounded by trees", "building[surrounded by tree]"),
    ("the tree farthest from the road", "tree{distance most 1 to road}"),
    ("trees within 20 m north of the road", "tree[north of road 20 m]"),
    ("buildings in the north", "building[@northern part]"),
    ("the northern buildings", "building[@northern part]"),
    ("buildings at the edge of the image", "building[@edge]"),
    ("the first five buildings from the left", "building{right least 5}"),
    ("houses with white cars next to them", "building[with car[white]]"),
    ("tell me how many trees are near the river", "number of tree[near river]"),
    ("how much of the image is covered by water?", "area of water"),
    ("water", "water"),
    ("Buildings Near Water!!!", "building[near water]"),
    ("buildings > 200 m2", "building[area > 200 m²]"),
    (
        "trucks or buses on the highway between the lake and the quarry",
        "(truck + bus)[on road][between lake & quarry]",
    ),
    ("pools next to houses with red roofs", "pool[next to building[red]]"),
    ("largest buildings", "building{area most 5}"),
    ("all the trees in the city park please", "tree[inside park]"),
    ("roofs with solar arrays", "building[with solar array]"),
    ("vehicles except cars and trucks", "(vehicle - (car + truck))"),
    ("smallest pool on the left side", "pool[@left]{area least 1}"),
    ("buildings no more than 30 metres from the railway", "building[near railway 30 m]"),
    ("houses or sheds", "building"),
    ("Please segment every road in the image.", "road"),
    ("highlight all parking lots", "parking lot"),
    ("i want to see the tennis courts", "tennis court"),
    ("show me solar panels", "solar array"),
    ("buildings of more than 300 square metres", "building[area > 300 m²]"),
    ("buildings with a size of over 1 acre", "building[area > 1 ac]"),
    ("buildings bigger than half a hectare", "building[area > 0.5 ha]"),
    ("buildings at least 150 m²", "building[area >= 150 m²]"),
    ("buildings up to 150 m²", "building[area <= 150 m²]"),
    ("buildings larger than 200 but smaller than 500 m²", "building[area > 200 m²][area < 500 m²]"),
    ("buildings between 0.1 and 0.5 ha", "building[area >= 0.1 ha][area <= 0.5 ha]"),
    ("roads longer than 1 km", "road[length > 1 km]"),
    ("buildings taller than 10 m", "building[height > 10 m]"),
    ("trees within fifty metres of a building", "tree[near building 50 m]"),
    ("trees within 10 yards of the road", "tree[near road 10 yd]"),
    ("cars within a radius of 20 m of the pool", "car[near pool 20 m]"),
    ("buildings less than 20 m from trees", "building[near tree 20 m]"),
    ("buildings farther than 100 m from any road", "building[far from road 100 m]"),
    ("buildings not within 50 m of water", "building[not near water 50 m]"),
    ("trees around the lake", "tree[near lake]"),
    ("buildings far from the road", "building[far from road]"),
    ("trees beside buildings", "tree[next to building]"),
    ("buildings that touch each other", "building[touching building]"),
    ("cars in parking lots", "car[inside parking lot]"),
    ("boats on the lake", "boat[on lake]"),
    ("houses with swimming pools", "building[with pool]"),
    ("house with a pool and solar panels", "building[with pool][with solar array]"),
    ("houses without a pool or solar panels", "building[(not with pool and not with solar array)]"),
    ("buildings without trees nearby", "building[not with tree]"),
    ("houses with a grey or black roof", "building[grey/black]"),
    ("bridges crossing the railway", "bridge[crossing railway]"),
    ("trees east of the building", "tree[east of building]"),
    ("trees to the east of buildings", "tree[east of building]"),
    ("trees above the road", "tree[above road]"),
    ("pools below the largest building", "pool[below building{area most 1}]"),
    ("the rightmost car", "car{right most 1}"),
    ("the westernmost pool", "pool{east least 1}"),
    ("the third largest pool", "pool{area most #3}"),
    ("the two smallest pools", "pool{area least 2}"),
    ("the biggest red building", "building[red]{area most 1}"),
    ("the largest building near the river", "building[near river]{area most 1}"),
    ("the longest road", "road{length most 1}"),
    ("the darkest roof", "building{lightness least 1}"),
    ("the tree nearest to the pool", "tree{distance least 1 to pool}"),
    (
        "the two cars closest to the largest building",
        "car{distance least 2 to building{area most 1}}",
    ),
    ("the second closest car to the building", "car{distance least #2 to building}"),
    ("the third tree from the right", "tree{right most #3}"),
    ("the first tree from the top", "tree{up most #1}"),
    ("the most isolated tree", "tree{isolation most 1}"),
    ("trees in a group", "tree[grouped]"),
    ("small round pools", "pool[small][round]"),
    ("white or grey cars", "car[white/grey]"),
    ("dark red cars", "car[dark][red]"),
    ("the red car", "car[red]"),
    ("square buildings", "building[square]"),
    ("buildings in the middle", "building[@centre]"),
    ("buildings in the centre of the image", "building[@centre]"),
    ("cars on the left", "car[@left]"),
    ("trees in the bottom right corner of the picture", "tree[@lower right]"),
    ("buildings in the eastern part", "building[@eastern part]"),
    ("upper right buildings", "building[@upper right]"),
    ("number of red cars", "number of car[red]"),
    ("count the trees within 20 m of the road", "number of tree[near road 20 m]"),
    ("are there any pools north of the river?", "any of pool[north of river]"),
    ("how much area is covered by trees", "area of tree"),
    ("all vehicles other than trucks", "(vehicle - truck)"),
    ("everything but buildings and trees", "(* - (building + tree))"),
    ("trees but not near buildings", "tree[not near building]"),
    ("buildings, but not the largest one", "(building - building{area most 1})"),
    (
        "trees that are not near a road and not near a building",
        "tree[not near road][not near building]",
    ),
    (
        "large buildings, small pools and the longest road",
        "(building[large] + pool[small] + road{length most 1})",
    ),
    ("cars and trucks on the road", "(car + truck)[on road]"),
    ("red cars and blue trucks", "(car[red] + truck[blue])"),
    ("cars near the largest building or on a road", "car[(near building{area most 1} or on road)]"),
    ("trees between the two largest buildings", "tree[between building{area most 2}]"),
    (
        "buildings between the railway and the lake larger than 100 m²",
        "building[between railway & lake][area > 100 m²]",
    ),
    ("pools near red buildings", "pool[near building[red]]"),
    ("trees near a tank that is round", "tree[near tank[round]]"),
    ("wind turbines at least 300 m from buildings", "wind turbine[far from building 300 m]"),
    ("trees within 5 m of each other", "tree[near tree 5 m]"),
)


@pytest.mark.parametrize(("text", "program"), TABLE)
def test_a_sentence_becomes_its_program(text, program):
    understood = understand(text)
    assert understood.path == "program"
    assert understood.task == "referring"
    assert understood.program is not None
    wire = understood.program.to_json()
    assert short(wire["find"]) == program
    assert Program.from_json(wire) == understood.program
    assert understood.sentence
    assert [found.name for found in understood.concepts] == list(understood.program.select_words())


def test_the_table_is_long_and_says_each_thing_once():
    assert len(TABLE) >= 80
    assert len({text for text, _ in TABLE}) == len(TABLE)


# Two sentences that differ in one word differ in their program.
MINIMAL_PAIRS = (
    ("trees north of the road", "trees south of the road"),
    ("trees left of the road", "the road left of trees"),
    ("buildings with a pool", "buildings without a pool"),
    ("pools with a building", "buildings with a pool"),
    ("the largest building", "the smallest building"),
    ("the second largest building", "the third largest building"),
    ("the two largest buildings", "the second largest building"),
    ("buildings larger than 20 m²", "buildings larger than 20 m"),
    ("buildings larger than 20 m²", "buildings at least 20 m²"),
    ("buildings within 20 m of water", "buildings more than 20 m from water"),
    ("red buildings", "buildings that are not red"),
    ("buildings near roads and water", "buildings near roads or water"),
    ("buildings near roads and water", "buildings near roads, water"),
    ("red cars and trucks", "red cars and red trucks"),
    ("everything but water", "water"),
    ("cars near the largest building", "the largest building near cars"),
    ("buildings in the left part", "buildings left of the road"),
    ("how many trees are there", "trees"),
    ("how many trees are there", "are there trees"),
)


@pytest.mark.parametrize(("one", "other"), MINIMAL_PAIRS)
def test_sentences_that_differ_a_little_mean_different_things(one, other):
    assert understand(one).program != understand(other).program


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gray roofs", "grey roofs"),
        ("trees in the center", "trees in the centre"),
        ("trees within 2 kilometers of a river", "trees within 2 kilometres of a river"),
        ("trees within 2 km of a river", "trees within two kilometres of a river"),
        ("buildings larger than 1,000 square meters", "buildings larger than 1000 m2"),
        ("buildings over 200 sq. m", "buildings over 200 m^2"),
        ("buildings over 0.5 hectares", "buildings larger than half a hectare"),
        ("Please show me all the trees, thank you.", "trees"),
        ("Could you segment every tree?", "trees"),
        ("trees northeast of the road", "trees to the north-east of the road"),
    ],
)
def test_spellings_units_and_politeness_change_nothing(one, other):
    assert short(understand(one).program.to_json()["find"]) == short(
        understand(other).program.to_json()["find"]
    )


@pytest.mark.parametrize("concept", concepts(), ids=lambda concept: concept.name)
def test_every_trained_wording_is_read_as_its_concept(concept):
    for wording in concept.wordings:
        understood = understand(wording)
        assert understood.path == "program", wording
        assert {found.name for found in understood.concepts} == {
            nouns()[tuple(split_words(wording))].concept
        }
        assert not understood.unknown


@pytest.mark.parametrize(
    ("text", "joints"),
    [
        ("roads and trees", ["SET_AND"]),
        ("roads, trees", ["SET_COMMA"]),
        ("red and blue cars", ["ADJ_AND"]),
        ("red cars and blue cars", ["SET_AND"]),
        ("buildings near roads and trees", ["REF_AND"]),
        ("buildings near roads or trees", ["REF_OR"]),
        ("buildings near roads and larger than 5 m²", ["COND_AND"]),
        ("buildings near roads and trees near water", ["SET_AND"]),
        ("buildings between roads and trees and red", ["FAR_AND", "COND_AND"]),
        ("red, white and blue cars", ["ADJ_AND", "ADJ_AND"]),
        ("roads, trees, and cars", ["SET_COMMA", "SET_AND"]),
    ],
)
def test_what_joints_join(text, joints):
    kinds = [one.kind for one in coordinate(tag_text(text)[0])]
    assert [
        kind for kind in kinds if "_" in kind and kind.split("_")[1] in ("AND", "OR", "COMMA")
    ] == joints
