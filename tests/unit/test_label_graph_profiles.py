"""Dataset profiles: every one that ships is sound, and says what its data set says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import LabelGraph, Node, label_graph
from inference_backend.models.cityseg.profiles_reader import Profile, names

# As the sets publish them.
CLASSES = {
    "sensaturban": 13,
    "urbanbis": 7,
    "dales": 8,
    "toronto3d": 8,
    "stpls3d": 19,
    "stpls3d_real": 6,
    "h3d": 11,
    "campus3d": 14,
    "fractal": 7,
    "swiss3dcities": 5,
}


def leaves(row: np.ndarray) -> set[str]:
    return {leaf for leaf, there in zip(label_graph().leaves, row, strict=True) if there}


@pytest.mark.parametrize("name", names())
def test_a_profile_is_sound(name):
    profile = Profile.load(name)
    assert profile.name == name
    assert len(profile.source) > 20
    assert profile.class_leaves.shape == (len(profile.classes), len(label_graph().leaves))
    assert not (profile.firm & ~profile.table).any()
    named = {code for code in range(256) if profile.class_of_code[code] >= 0}
    assert named == {code for code in range(256) if profile.table[code].any()}


@pytest.mark.parametrize(("name", "count"), CLASSES.items())
def test_a_benchmark_has_its_classes(name, count):
    assert len(Profile.load(name).classes) == count


def test_generated_clouds_name_their_leaf():
    profile = Profile.load("generated")
    graph = label_graph()
    codes = np.arange(1, len(graph.leaves) + 1, dtype=np.uint8)
    assert np.array_equal(profile.allowed(codes), np.eye(len(graph.leaves), dtype=bool))
    assert profile.ignored[0]
    assert profile.ignored[len(graph.leaves) + 1 :].all()


def test_codes_of_montpellier():
    profile = Profile.load("montpellier")
    assert profile.ignored[[0, 64]].all()
    assert leaves(profile.table[2]) == {"open ground", "pavement", "rail track"}
    assert "facade" in leaves(profile.table[1])
    assert "facade" not in leaves(profile.firm[1])
    assert profile.classes[profile.class_of_code[3]] == profile.classes[profile.class_of_code[5]]


def test_signs_in_a_list_of_nodes():
    graph = LabelGraph(
        [
            Node("root", None),
            Node("plant", "root"),
            Node("oak", "plant"),
            Node("moss", "plant"),
            Node("rock", "root"),
        ]
    )
    content = {
        "name": "small",
        "title": "",
        "source": "",
        "names": {"1": "plants", "2": "rest", "3": "rest"},
        "codes": {"0": "ignore", "1": ["plant", "-moss", "?rock"], "2": ["rock"], "3": ["?moss"]},
    }
    profile = Profile(content, graph)
    assert graph.leaves == ("oak", "moss", "rock")
    assert profile.allowed(np.array([1, 2, 3, 0, 9])).tolist() == [
        [True, False, True],
        [False, False, True],
        [False, True, False],
        [False, False, False],
        [False, False, False],
    ]
    assert profile.classes == ("plants", "rest")
    assert profile.class_of_code[:5].tolist() == [-1, 0, 1, 1, -1]
    assert profile.class_of_leaf.tolist() == [0, -1, 1]


def test_a_leaf_of_two_classes_is_refused():
    content = {"name": "x", "title": "", "source": "", "names": {"1": "a", "2": "b"}}
    profile = Profile({**content, "codes": {"1": ["car"], "2": ["vehicle"]}}, label_graph())
    with pytest.raises(ValueError, match="'car' belongs to two classes"):
        _ = profile.class_leaves


def test_unknown_names_and_broken_files_are_said(tmp_path):
    with pytest.raises(InvalidInput, match="no dataset profile 'kitti'; use ahn3"):
        Profile.load("kitti")
    own = tmp_path / "own.json"
    own.write_text('{"name": "own"}')
    with pytest.raises(InvalidInput, match=r"own\.json"):
        Profile.load(str(own))
    with pytest.raises(InvalidInput, match=r"missing\.json"):
        Profile.load(str(tmp_path / "missing.json"))
    own.write_text(
        json.dumps(
            {"name": "own", "title": "", "source": "", "names": {"7": "c"}, "codes": {"7": ["car"]}}
        )
    )
    assert Profile.load(str(own)).classes == ("c",)
