"""Programs: strict JSON, words, chips, contradictions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.colours import NAMES
from inference_backend.language.contradictions import check
from inference_backend.language.nodes import (
    And,
    Colour,
    Count,
    Crowd,
    Except,
    Filter,
    Measure,
    Not,
    Or,
    Ordinal,
    Region,
    Relate,
    Select,
    Shape,
    Size,
    Superlative,
    Union,
)
from inference_backend.language.program import Program, selects
from inference_backend.language.units import Quantity, number

BUILDINGS = Select("building", "buildings")
TREES = Select("tree", "trees")
RIVER = Select("river", "river")
WATER = Select("water", "water")


def metres(value: float) -> Quantity:
    return Quantity(value, "m")


def square_metres(value: float) -> Quantity:
    return Quantity(value, "m²")


LENGTHS = st.builds(Quantity, st.floats(0, 1e4), st.sampled_from(["m", "km", "ft", "yd", "mi"]))
AREAS = st.builds(Quantity, st.floats(0, 1e6), st.sampled_from(["m²", "ha", "ac", "sq ft"]))
SELECTS = st.sampled_from([BUILDINGS, TREES, RIVER, WATER, Select("", "zeppelin")])
SIMPLE_TESTS = st.one_of(
    st.builds(Colour, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple)),
    st.builds(Measure, st.just("area"), st.sampled_from(nodes.OPERATORS), AREAS),
    st.builds(
        Measure,
        st.sampled_from(["length", "width", "height"]),
        st.sampled_from(nodes.OPERATORS),
        LENGTHS,
    ),
    st.builds(Size, st.sampled_from(nodes.SIZES)),
    st.builds(Shape, st.sampled_from(nodes.SHAPES)),
    st.builds(Crowd, st.sampled_from(nodes.CROWDS), st.none() | LENGTHS),
    st.builds(Region, st.sampled_from([*nodes.REGIONS, nodes.EDGE])),
)


def _tests(sets: st.SearchStrategy) -> st.SearchStrategy:
    plain = SIMPLE_TESTS | st.builds(
        Relate,
        st.sampled_from([name for name in nodes.RELATIONS if name != "between"]),
        sets,
        st.none() | LENGTHS,
    )
    between = st.builds(Relate, st.just("between"), sets, st.none(), st.none() | sets)
    pair = st.tuples(plain, plain)
    return plain | between | plain.map(Not) | pair.map(And) | pair.map(Or)


SETS = st.recursive(
    SELECTS,
    lambda inner: st.one_of(
        st.builds(Filter, inner, _tests(inner)),
        st.builds(
            Superlative,
            inner,
            st.sampled_from([key for key in nodes.KEYS if key != "distance"]),
            st.sampled_from(nodes.ENDS),
            st.integers(1, 9),
        ),
        st.builds(
            Ordinal,
            inner,
            st.just("distance"),
            st.sampled_from(nodes.ENDS),
            st.integers(1, 9),
            inner,
        ),
        st.tuples(inner, inner).map(Union),
        st.builds(Except, st.none() | inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(SETS, st.sampled_from([None, *nodes.COUNTS]))
def test_every_consistent_program_survives_the_wire_and_can_be_told(root, count):
    root = root if count is None else Count(root, count)
    try:
        program = Program(root)
    except InvalidInput:
        return
    wire = json.loads(json.dumps(program.to_json()))
    assert Program.from_json(wire) == program
    assert program.sentence().endswith(".")
    assert set(program.select_words()) == {select.key for select in selects(root)}


@settings(max_examples=100)
@given(SETS)
def test_setting_a_chip_to_its_own_value_changes_nothing(root):
    try:
        program = Program(root)
    except InvalidInput:
        return
    ids = [chip["id"] for chip in program.chips()]
    assert len(ids) == len(set(ids))
    for chip in program.chips():
        json.dumps(chip)
        changed = program.with_chip(chip["id"], chip["value"])
        kept = {one["id"]: one["value"] for one in changed.chips()}
        assert kept == {one["id"]: one["value"] for one in program.chips()}


EXAMPLE = Program(
    Superlative(
        Filter(
            Filter(BUILDINGS, Measure("area", "more", square_metres(200))),
            Relate("near", RIVER, metres(50)),
        ),
        "area",
        "most",
        2,
    )
)


@pytest.mark.parametrize(
    ("chip_id", "value", "told"),
    [
        ("find.of.test.distance", 80, "within 80 m of the river"),
        ("find.of.test.distance", "0.5 km", "within 0.5 km of the river"),
        ("find.of.test.distance", {"value": 100, "unit": "ft"}, "within 100 ft of the river"),
        ("find.of.test.relation", "far from", "more than 50 m from the river"),
        ("find.of.test.to", "lake", "within 50 m of the lake"),
        ("find.of.test.to", "swimming pools", "within 50 m of pools"),
        ("find.of.of.test.than", "1 ha", "larger than 1 ha"),
        ("find.of.of.test.op", "at most", "at most 200 m² large"),
        ("find.of.of.of", "tree", "of the trees that"),
        ("find.n", 3, "The 3 largest"),
        ("find", "northernmost", "The 2 northernmost"),
        ("find", "smallest", "The 2 smallest"),
    ],
)
def test_a_chip_changes_its_part_only(chip_id, value, told):
    changed = EXAMPLE.with_chip(chip_id, value)
    assert told in changed.sentence()
    before = {chip["id"]: chip["value"] for chip in EXAMPLE.chips()}
    after = {chip["id"]: chip["value"] for chip in changed.chips()}
    differing = {key for key in before | after if before.get(key) != after.get(key)}
    assert differing <= {chip_id}


def test_a_condition_can_be_taken_away_by_any_of_its_chips():
    without = EXAMPLE.with_chip("find.of.test.distance", None)
    assert without.root.of == Filter(BUILDINGS, Measure("area", "more", square_metres(200)))
    assert without.with_chip("find.of.test.op", None).root.of == BUILDINGS


def test_a_negation_is_a_chip_that_can_be_switched_off():
    program = Program(Filter(BUILDINGS, Not(Colour(("red",)))))
    assert "not red" in program.sentence()
    changed = program.with_chip("find.test", False)
    assert changed.root == Filter(BUILDINGS, Colour(("red",)))


def test_several_colours_are_given_with_commas():
    program = Program(Filter(BUILDINGS, Colour(("red",))))
    assert program.with_chip("find.test.names", "Gray, blue").root.test == Colour(("grey", "blue"))


@pytest.mark.parametrize(
    ("chip_id", "value", "message"),
    [
        ("find.of.test.distance", -1, "cannot be -1"),
        ("find.of.test.distance", float("nan"), "cannot be nan"),
        ("find.of.test.distance", "50 m²", "Distance cannot be 50 m²"),
        ("find.of.test.distance", "far", "is no"),
        ("find.of.test.distance", True, "is a number"),
        ("find.of.test.relation", "over the moon from", "is no relation"),
        ("find.of.test.to", "unicorn", "I do not know 'unicorn'"),
        ("find.of.test.to", None, "cannot be taken away"),
        ("find.n", 0, "rank"),
        ("find.n", 2.5, "rank"),
        ("find", "closest", "is no order here"),
        ("find.of.of.test.op", 7, "Choose one of"),
        ("nothing.there", 1, "has no part"),
    ],
)
def test_a_wrong_chip_gets_a_sentence(chip_id, value, message):
    with pytest.raises(InvalidInput, match="^[^\n]+$") as refused:
        EXAMPLE.with_chip(chip_id, value)
    assert message in refused.value.user_message


def test_an_edit_that_contradicts_is_refused():
    program = Program(
        Filter(
            Filter(BUILDINGS, Measure("area", "more", square_metres(100))),
            Measure("area", "less", square_metres(500)),
        )
    )
    with pytest.raises(InvalidInput, match="both larger than 600 m² and smaller than 500 m²"):
        program.with_chip("find.of.test.than", 600)


GOOD = EXAMPLE.to_json()


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (None, "object with 'version' and 'find'"),
        ([], "object with 'version' and 'find'"),
        ({**GOOD, "extra": 1}, "and no more"),
        ({**GOOD, "version": 2}, "reads version 1"),
        ({**GOOD, "version": True}, "reads version 1"),
        ({"version": 1, "find": {"do": "explode"}}, "does not know how to do 'explode'"),
        ({"version": 1, "find": {"do": ["select"]}}, "does not know how to do"),
        ({"version": 1, "find": "buildings"}, "must stand"),
        ({"version": 1, "find": {**GOOD["find"], "colour": "red"}}, "has no 'colour'"),
        ({"version": 1, "find": {"do": "select", "concept": "building"}}, "lacks 'words'"),
        ({"version": 1, "find": {"do": "select", "concept": "", "words": ""}}, "Name what to find"),
        ({"version": 1, "find": {**GOOD["find"], "n": "2"}}, "whole number"),
        ({"version": 1, "find": {**GOOD["find"], "n": True}}, "whole number"),
        ({"version": 1, "find": {**GOOD["find"], "key": "beauty"}}, "is no order"),
        ({"version": 1, "find": {**GOOD["find"], "key": "distance"}}, "needs a reference"),
        ({"version": 1, "find": {"do": "union", "sets": []}}, "two parts"),
        ({"version": 1, "find": {"do": "union", "sets": [GOOD["find"]] * 100}}, "at most 64"),
    ],
)
def test_a_program_from_elsewhere_is_read_strictly(wire, message):
    with pytest.raises(InvalidInput, match="^[^\n]+$") as refused:
        Program.from_json(wire)
    assert message in refused.value.user_message


def test_an_unknown_concept_is_refused():
    wire = {"version": 1, "find": {"do": "select", "concept": "unicorn", "words": "unicorns"}}
    with pytest.raises(InvalidInput, match="unicorn"):
        Program.from_json(wire)


def test_a_bottomless_program_is_refused():
    find: dict = {"do": "select", "concept": "building", "words": "buildings"}
    for _ in range(3000):
        find = {"do": "filter", "of": find, "test": {"do": "size", "size": "large"}}
    with pytest.raises(InvalidInput, match="nested"):
        Program.from_json({"version": 1, "find": find})


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        (
            (
                Measure("area", "more", square_metres(200)),
                Measure("area", "less", square_metres(100)),
            ),
            "larger than 200 m²",
        ),
        (
            (
                Measure("area", "more", Quantity(1, "ha")),
                Measure("area", "less", square_metres(10_000)),
            ),
            "1 ha",
        ),
        ((Colour(("red",)), Not(Colour(("red",)))), "red and not red"),
        ((Not(Colour(("red",))), Colour(("red",))), "red"),
        ((Colour(("red",)), Colour(("blue",))), "red and blue"),
        ((Size("small"), Size("large")), "small and large"),
        ((Crowd("alone"), Crowd("grouped")), "alone and in a group"),
        ((Region("left"), Region("upper right")), "left"),
        ((Relate("near", WATER), Relate("far from", WATER)), "near water"),
        (
            (Relate("near", WATER, metres(20)), Relate("far from", WATER, metres(50))),
            "within 20 m of water",
        ),
        ((Relate("with", TREES), Not(Relate("with", TREES))), "with trees and without trees"),
        ((And((Colour(("red",)), Size("large"))), Colour(("blue",))), "red"),
        ((Or((Colour(("red",)), Colour(("orange",)))), Colour(("blue",))), "blue"),
    ],
)
def test_a_contradiction_is_named(tests, message):
    inner = BUILDINGS
    for test in tests:
        inner = Filter(inner, test)
    for root in (inner, Count(inner), Filter(TREES, Relate("near", inner)), Except(None, inner)):
        with pytest.raises(InvalidInput, match="Nothing can be both") as refused:
            Program(root)
        assert message in refused.value.user_message


@pytest.mark.parametrize(
    "tests",
    [
        (
            Measure("area", "more", square_metres(100)),
            Measure("area", "less", square_metres(200)),
        ),
        (
            Measure("area", "at least", square_metres(100)),
            Measure("area", "at most", square_metres(100)),
        ),
        (Measure("area", "more", square_metres(200)), Measure("length", "less", metres(20))),
        (Colour(("red",)), Colour(("orange",))),
        (Colour(("dark",)), Colour(("red",))),
        (Colour(("red", "blue")), Not(Colour(("red",)))),
        (Relate("near", WATER, metres(100)), Relate("far from", WATER, metres(50))),
        (Relate("near", WATER), Relate("far from", TREES)),
        (Region("left"), Region("top")),
        (Or((Colour(("red",)), Size("large"))), Colour(("blue",))),
        (Relate("north of", RIVER), Relate("south of", RIVER)),
    ],
)
def test_what_can_be_is_no_contradiction(tests):
    inner = BUILDINGS
    for test in tests:
        inner = Filter(inner, test)
    check(inner)


def test_the_sentence_says_what_its_words_mean():
    program = Program(Filter(Filter(BUILDINGS, Relate("near", RIVER)), Size("large")))
    # (12 m², 4000 m²) in thirds by ratio: 12 * (4000 / 12) ** (2 / 3) = 577.
    assert program.sentence() == (
        "Buildings that are near the river and large. Large, of buildings: over 580 m². "
        "Near: at most 30 m away."
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2000, "2,000"),
        (0.1, "0.1"),
        (1234567, "1,234,570"),
        (0, "0"),
        (2.5, "2.5"),
        (1e-4, "0.0001"),
    ],
)
def test_numbers_are_short(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("quantity", "si"),
    [
        (Quantity(2, "km"), 2000),
        (Quantity(1, "mi"), 1609.344),
        (Quantity(10, "ft"), 3.048),
        (Quantity(0.5, "ha"), 5000),
        (Quantity(1, "ac"), 4046.8564224),
        (Quantity(1000, "sq ft"), 92.90304),
    ],
)
def test_units_in_metres(quantity, si):
    assert quantity.si == pytest.approx(si, rel=1e-12)
