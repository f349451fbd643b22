"""Scores of points against values reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference_backend.evaluation.points_metrics import (
    Confusion,
    Levels,
    ground_errors,
    harmonic,
)
from inference_backend.models.cityseg.label_graph import LabelGraph, Node

# Ten points: 4 a, 3 b, 2 c, 1 ignored. a: 3 right, 1 as b. b: 1 right, 1 as a, 1 as nothing. c: none right, 2 as a.
TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, -1])
ANSWER = np.array([0, 0, 0, 1, 1, 0, -1, 0, 0, 1])


@pytest.fixture
def confusion() -> Confusion:
    return Confusion.of(("a", "b", "c", "d"), TRUTH, ANSWER)


def test_counts(confusion):
    assert confusion.counts.tolist() == [
        [3, 1, 0, 0, 0],
        [1, 1, 0, 0, 1],
        [2, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert confusion.points == 9


def test_flat_scores(confusion):
    assert confusion.iou[:3] == pytest.approx([3 / 7, 1 / 4, 0])
    assert math.isnan(confusion.iou[3])
    assert confusion.recall[:3] == pytest.approx([3 / 4, 1 / 3, 0])
    assert confusion.precision[:2] == pytest.approx([3 / 6, 1 / 2])
    assert math.isnan(confusion.precision[2])
    assert confusion.f1[:3] == pytest.approx([6 / 10, 2 / 5, 0])
    assert confusion.overall == pytest.approx(4 / 9)
    assert confusion.mean_iou() == pytest.approx((3 / 7 + 1 / 4) / 3)
    assert confusion.mean_accuracy == pytest.approx((3 / 4 + 1 / 3) / 3)


def test_a_class_that_only_the_answer_has_is_not_averaged():
    found = Confusion.of(("a", "b"), np.zeros(4, int), np.array([0, 0, 0, 1]))
    assert found.iou.tolist() == [0.75, 0.0]
    assert found.mean_iou() == 0.75


def test_mean_iou_among_some(confusion):
    assert confusion.mean_iou(np.array([True, False, True, True])) == pytest.approx(3 / 14)
    assert math.isnan(confusion.mean_iou(np.array([False, False, False, True])))


def test_no_points_at_all():
    empty = Confusion.of(("a",), np.array([], int), np.array([], int))
    assert math.isnan(empty.overall)
    assert math.isnan(empty.mean_iou())


def test_harmonic_mean():
    assert harmonic(0.6, 0.3) == pytest.approx(0.4)
    assert harmonic(0.6, 0.0) == 0
    assert harmonic(0.0, 0.0) == 0
    assert math.isnan(harmonic(0.5, float("nan")))


# root > plant > (oak, moss), root > house > (roof, wall), root > sea. Leaves: oak moss roof wall sea.
GRAPH = LabelGraph(
    [
        Node("root", None),
        Node("plant", "root"),
        Node("oak", "plant"),
        Node("moss", "plant"),
        Node("house", "root"),
        Node("roof", "house"),
        Node("wall", "house"),
        Node("sea", "root"),
    ]
)
# What three labels of a data set may be: oak alone, any plant, house or sea; a fourth is ignored.
ALLOWED = np.array(
    [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]],
    bool,
)


def counts(entries: dict[tuple[int, str], int]) -> np.ndarray:
    table = np.zeros((4, len(GRAPH)), np.int64)
    for (truth, node), number in entries.items():
        table[truth, GRAPH.index(node)] = number
    return table


TABLE = counts(
    {
        (0, "oak"): 4,
        (0, "moss"): 1,
        (0, "plant"): 1,
        (1, "moss"): 3,
        (1, "roof"): 2,
        (2, "sea"): 5,
        (2, "oak"): 1,
        (3, "oak"): 100,
    }
)


def test_level_one_counts_what_labels_decide_there():
    found = Levels(GRAPH, ALLOWED).confusion(1, TABLE)
    rows = dict(zip(found.names, found.counts.tolist(), strict=True))
    columns = list(found.names)
    # Truths 0 and 1 are plants: 4 + 1 + 1 + 3 right, 2 houses. Truth 2 may be house or sea, and says nothing here.
    assert found.points == 11
    assert rows["plant"][columns.index("plant")] == 9
    assert rows["plant"][columns.index("house")] == 2
    assert found.mean_iou() == pytest.approx(9 / 11)


def test_the_level_of_leaves():
    levels = Levels(GRAPH, ALLOWED)
    assert levels.depth == 2
    found = levels.confusion(2, TABLE)
    # Only truth 0 is a leaf: 4 right, 1 moss, 1 stayed at plant, which is no leaf.
    assert found.points == 6
    assert found.iou[found.names.index("oak")] == pytest.approx(4 / 6)
    assert found.counts[found.names.index("oak"), -1] == 1
    assert "sea" in found.names


def test_consistent_answers():
    # Right or not to be disproved: 4 oak of truth 0, 3 moss of truth 1, 5 sea of truth 2, of 17 points.
    assert Levels(GRAPH, ALLOWED).consistent(TABLE) == pytest.approx(12 / 17)


def test_hierarchical_f1():
    # Truth 0, way {plant, oak}: 4x oak shares 2 of 2, 1x moss 1 of 2, 1x plant 1 of 1. Truth 1, way {plant}: 3x moss is cut to
    # plant, 1 of 1; 2x roof shares 0 of 2. Truth 2 is root alone and left out.
    found = Levels(GRAPH, ALLOWED).hierarchical(TABLE)
    shared, said, wanted = 8 + 1 + 1 + 3, 8 + 2 + 1 + 3 + 4, 12 + 5
    assert found["hP"] == pytest.approx(shared / said)
    assert found["hR"] == pytest.approx(shared / wanted)
    assert found["hF1"] == pytest.approx(2 * shared / (said + wanted))


def test_ground_filter_errors():
    table = np.array([[90, 10], [20, 180], [500, 500]])
    found = ground_errors(np.array([1, 0, -1]), table, np.array([True, False]))
    assert found == pytest.approx({"type_1": 0.10, "type_2": 0.10, "total": 30 / 300})
    nothing = ground_errors(np.array([0]), np.array([[1, 3]]), np.array([True, False]))
    assert math.isnan(nothing["type_1"])
    assert nothing["type_2"] == 0.25
