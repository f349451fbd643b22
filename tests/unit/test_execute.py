"""The executor on geometry laid out by hand: sizes, shapes, colours, orders, regions, and, or, not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from inference_backend.language.colours import is_colour, lab, names_of, overlap
from inference_backend.language.execute import Instance, View
from inference_backend.language.measures import has_shape, sides
from tests.unit.ground_scene import (
    GREEN,
    GREY,
    RED,
    RIVER,
    SQUARES,
    WHITE,
    ask,
    found,
    names,
    square,
)


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
