"""One ground frame for the tests of the executor: metres, y to the north, view 200 m by 200 m round (0, 0)."""

from __future__ import annotations

import shapely
from hypothesis import strategies as st
from shapely import box

from inference_backend.language.execute import Instance, Outcome, View, execute
from inference_backend.language.parse import understand

VIEW = View((-100, -100, 100, 100))


RED, WHITE, GREY, GREEN = (176, 84, 70), (232, 232, 230), (140, 140, 140), (80, 120, 92)


SQUARES = st.lists(
    st.tuples(st.integers(-90, 90), st.integers(-90, 90), st.integers(1, 30)),
    min_size=1,
    max_size=12,
)


def square(name: str, x: float, y: float, side: float = 10, **more: object) -> Instance:
    """A square round (x, y)."""
    half = side / 2
    shape = box(x - half, y - half, x + half, y + half)
    concept = more.pop("concept", "building")
    return Instance(shape, concept, attributes={"name": name, **more.pop("attributes", {})}, **more)


def area_of(concept: str, shape: shapely.Geometry) -> Instance:
    return Instance(shape, concept, attributes={"name": concept})


RIVER = area_of("river", box(-100, -5, 100, 5))  # flows east to west through the middle


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
