"""From probabilities to labels: what is believed, what falls back to its parent, and what is asked for alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_backend.classify_scheme import Wanted, all_known, asked_for
from inference_backend.models.cityseg.label_graph import label_graph

GRAPH = label_graph()


def answer(scheme, **shares) -> np.ndarray:
    """One point whose columns have these probabilities; words with an underscore for a space."""
    row = np.zeros((1, len(scheme.columns)), np.float16)
    names = [column.name for column in scheme.columns]
    for name, share in shares.items():
        row[0, names.index(name.replace("_", " "))] = share
    return row


def decided(scheme, threshold=0.5, **shares) -> tuple[str, int, int, float]:
    place, sure = scheme.decide(answer(scheme, **shares), threshold)
    label = int(scheme.ids[place[0]])
    return scheme.names()[label], int(scheme.codes[place[0]]), label, float(sure[0])


def test_a_sure_leaf_keeps_its_code_and_its_number():
    name, code, label, sure = decided(all_known(GRAPH), wire=0.9, power_tower=0.1)
    assert (name, code, label) == ("wire", 14, GRAPH.leaf_id("wire") + 1)
    assert sure == pytest.approx(0.9, abs=1e-3)


def test_below_the_threshold_the_parent_is_believed_with_its_own_probability():
    shares = {"flat_roof": 0.3, "pitched_roof": 0.3, "facade": 0.1, "open_ground": 0.3}
    name, code, label, sure = decided(all_known(GRAPH), **shares)
    assert (name, code) == ("roof", 6)
    assert label == GRAPH.index("roof") + 1
    assert sure == pytest.approx(0.6, abs=1e-3)


def test_the_group_counts_and_not_the_single_best_leaf():
    """Open ground is the most probable leaf; that it is a building is more probable still."""
    shares = {"flat_roof": 0.2, "pitched_roof": 0.2, "facade": 0.2, "open_ground": 0.4}
    assert decided(all_known(GRAPH), **shares)[:2] == ("building", 6)


def test_what_no_group_reaches_stays_unclassified_and_says_how_unsure():
    shares = {"open_ground": 0.4, "water": 0.3, "car": 0.3}
    name, code, label, sure = decided(all_known(GRAPH), **shares)
    assert (name, code, label) == ("unclassified", 1, 0)
    assert sure == pytest.approx(0.4, abs=1e-3)


def test_a_higher_threshold_climbs_higher():
    shares = {"flat_roof": 0.62, "facade": 0.2, "open_ground": 0.18}
    scheme = all_known(GRAPH)
    names = [decided(scheme, threshold, **shares)[0] for threshold in (0.5, 0.7, 0.9)]
    assert names == ["flat roof", "building", "unclassified"]


def test_hidden_leaves_are_looked_for_only_where_they_are_named():
    assert "greenhouse" not in [column.name for column in all_known(GRAPH).columns]
    added = all_known(GRAPH, [Wanted("greenhouse", ("greenhouse",))])
    assert decided(added, greenhouse=0.8)[1:3] == (6, GRAPH.leaf_id("greenhouse") + 1)
    assert decided(added, greenhouse=0.4, facade=0.4)[0] == "building"


def test_a_new_class_has_the_code_of_its_nearest_ancestor_and_a_number_after_all_nodes():
    scheme = all_known(GRAPH, [Wanted("gazebo", (), "building")])
    name, code, label, _ = decided(scheme, gazebo=0.7)
    assert (name, code, label) == ("gazebo", 6, len(GRAPH) + 1)
    assert decided(scheme, gazebo=0.3, flat_roof=0.3)[0] == "building"


def test_a_new_class_below_the_root_has_code_one():
    scheme = all_known(GRAPH, [Wanted("statue", (), "root")])
    assert decided(scheme, statue=0.7)[:2] == ("statue", 1)


def test_only_what_was_asked_for_and_the_rest():
    scheme = asked_for(
        GRAPH, [Wanted("tree", ("tree",)), Wanted("power line", ("wire",)), Wanted("car", ("car",))]
    )
    assert decided(scheme, broadleaf_tree=0.4, conifer_tree=0.3)[:2] == ("tree", 5)
    assert decided(scheme, wire=0.8)[:3] == ("power line", 14, GRAPH.leaf_id("wire") + 1)
    name, code, label, sure = decided(scheme, flat_roof=0.9, car=0.1)
    assert (name, code, label) == ("other", 1, 0)
    assert sure == pytest.approx(0.9, abs=1e-3)


def test_what_was_asked_for_and_is_not_believed_is_the_rest():
    scheme = asked_for(GRAPH, [Wanted("car", ("car",)), Wanted("truck", ("truck",))])
    assert decided(scheme, car=0.4, truck=0.4, bridge=0.2)[:2] == ("other", 1)


def test_of_nested_classes_the_finer_is_believed_where_it_is_sure():
    scheme = asked_for(GRAPH, [Wanted("building", ("building",)), Wanted("facade", ("facade",))])
    assert decided(scheme, facade=0.6, flat_roof=0.3)[0] == "facade"
    assert decided(scheme, facade=0.3, flat_roof=0.6)[0] == "building"


def test_classes_that_share_some_leaves_do_not_count_them_twice():
    first = Wanted("green", ("broadleaf tree", "shrub"))
    second = Wanted("woody", ("broadleaf tree", "conifer tree"))
    scheme = asked_for(GRAPH, [first, second])
    assert scheme.members.sum(axis=1).max() == 1
    assert decided(scheme, broadleaf_tree=0.9)[0] == "green"
    assert decided(scheme, conifer_tree=0.9)[0] == "woody"


def test_two_words_for_one_thing_are_one_class_and_it_is_said():
    scheme = asked_for(GRAPH, [Wanted("car", ("car",)), Wanted("automobile", ("car",))])
    assert [label.name for label in scheme.labels if label.name in ("car", "automobile")] == ["car"]
    assert "automobile" in scheme.warnings[0]


def test_numbers_of_labels_are_unique_and_fit_a_byte():
    new = [Wanted(f"new {k}", (), "structure") for k in range(60)]
    for scheme in (all_known(GRAPH, new), asked_for(GRAPH, new)):
        ids = [label.id for label in scheme.labels]
        assert len(set(ids)) == len(ids)
        assert min(ids) > 0
        assert max(ids) <= 255


def test_noise_has_labels_of_its_own_where_it_was_not_asked_for():
    scheme = asked_for(GRAPH, [Wanted("car", ("car",))])
    assert [scheme.labels[p].code for p in (scheme.low_noise, scheme.high_noise)] == [7, 18]
    assert decided(scheme, low_noise=1.0)[0] == "other"


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.6, 0.8]))
def test_the_label_is_the_lowest_that_is_probable_enough(seed, threshold):
    """Against a search of all labels, one point at a time."""
    scheme = all_known(GRAPH)
    chances = np.random.default_rng(seed).dirichlet(np.full(len(scheme.columns), 0.08), 20)
    summed = chances.astype(np.float32) @ scheme.members
    places, sure = scheme.decide(chances, threshold)
    for row, place, chance in zip(summed, places, sure, strict=True):
        enough = [k for k in range(len(scheme.labels)) if row[k] >= threshold]
        depth = {k: GRAPH.level(scheme.labels[k].name) for k in enough}
        if not enough:
            assert place == -1
            continue
        assert depth[int(place)] == max(depth.values())
        assert chance == pytest.approx(row[place], abs=1e-4)


def test_all_terrain_is_ground_unless_a_kind_of_it_is_asked_for():
    shares = {"pavement": 0.9, "open_ground": 0.1}
    assert decided(all_known(GRAPH), **shares)[:2] == ("pavement", 2)
    assert decided(all_known(GRAPH), rail_track=0.9, open_ground=0.1)[:2] == ("rail track", 2)
    assert decided(asked_for(GRAPH, [Wanted("road", ("pavement",))]), **shares)[:2] == ("road", 11)
