"""Prompt state: every change is one step, back and forth."""

from __future__ import annotations

import math

import pytest
from qgis.core import QgsCoordinateReferenceSystem

from cityseg_qgis.core.prompts import ADD, REMOVE, Prompt, summary
from cityseg_qgis.core.session import PromptSession


def point(x, y, label=ADD):
    return Prompt("point", ((x, y),), label)


@pytest.fixture
def session(qgis_app):
    session = PromptSession()
    session.heard = 0

    def hear():
        session.heard += 1

    session.changed.connect(hear)
    return session


def test_undo_and_redo_walk_through_every_state(session):
    first, second, third = point(1, 1), point(2, 2, REMOVE), point(3, 3)
    states = [()]
    for prompt in (first, second, third):
        session.add(prompt)
        states.append(session.prompts)
    for state in reversed(states[:-1]):
        assert session.undo()
        assert session.prompts == state
    assert not session.undo()
    for state in states[1:]:
        assert session.redo()
        assert session.prompts == state
    assert not session.redo()
    assert session.heard == 9


def test_a_new_prompt_after_an_undo_forgets_what_was_undone(session):
    session.add(point(1, 1))
    session.add(point(2, 2))
    session.undo()
    session.add(point(3, 3))
    assert not session.can_redo
    assert [p.xy for p in session.prompts] == [((1, 1),), ((3, 3),)]


def test_clear_is_a_step_that_can_be_undone(session):
    session.add(point(1, 1))
    session.add(point(2, 2))
    session.clear()
    assert session.is_empty
    session.undo()
    assert len(session.prompts) == 2


def test_clearing_nothing_is_no_step(session):
    session.clear()
    assert not session.can_undo
    assert session.heard == 0


def test_the_next_object_has_nothing_to_undo(session):
    session.add(point(1, 1))
    session.undo()
    session.redo()
    session.next_object()
    assert session.is_empty
    assert not session.can_undo
    assert not session.can_redo


def test_the_crs_is_fixed_by_the_first_prompt_of_an_object(session):
    utm, degrees = (QgsCoordinateReferenceSystem(name) for name in ("EPSG:32632", "EPSG:4326"))
    assert session.fix_crs(utm) == utm
    session.add(point(1, 1))
    assert session.fix_crs(degrees) == utm
    session.undo()
    assert session.fix_crs(degrees) == utm, "a redo would bring back a prompt in UTM"
    session.next_object()
    assert session.fix_crs(degrees) == degrees


@pytest.mark.parametrize(
    ("kind", "xy", "label"),
    [("point", (), 1), ("box", ((0, 0),), 1), ("lasso", ((0, 0), (1, 1)), 1), ("star", ((0, 0),), 1), ("point", ((0, 0),), 2)],
)
def test_a_prompt_that_is_none_is_refused(kind, xy, label):
    with pytest.raises(ValueError):
        Prompt(kind, xy, label)


def test_a_box_turned_by_a_transform_becomes_the_upright_box_round_it():
    turned = Prompt("box", ((0, 0), (2, 1))).mapped(lambda p: (p[0] - p[1], p[0] + p[1]))
    assert turned.xy == ((0, 0), (2, 2), (1, 3), (-1, 1))
    assert turned.to_wire() == {"kind": "box", "xy": [[-1, 0], [2, 3]], "label": 1}


@pytest.mark.parametrize("degrees", [0, 3, -5, 88])
def test_a_box_that_leans_a_little_keeps_its_size_and_place(degrees):
    """What a box on a web map is on an image in UTM; the box round its corners would be up to a third larger."""
    turn = math.radians(degrees)
    sine, cosine = math.sin(turn), math.cos(turn)
    leaning = Prompt("box", ((-50, -10), (50, 10))).mapped(
        lambda p: (cosine * p[0] - sine * p[1], sine * p[0] + cosine * p[1])
    )
    (x0, y0), (x1, y1) = leaning.to_wire()["xy"]
    assert (x0 + x1, y0 + y1) == pytest.approx((0, 0), abs=1e-9)
    assert sorted((x1 - x0, y1 - y0)) == pytest.approx([20, 100], rel=0.01)


def test_summary_counts_kinds_and_signs():
    prompts = [point(0, 0), point(1, 1), point(2, 2, REMOVE), Prompt("box", ((0, 0), (1, 1)))]
    assert summary(prompts) == "2 point+, 1 point-, 1 box+"
