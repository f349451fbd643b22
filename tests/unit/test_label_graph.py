"""The label graph against the contract: leaves, their order, codes and hidden ones; and what is reckoned from it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import LabelGraph, Node, label_graph, load

# The order is that of `cityseg_label`: a change breaks every classified file and all weights.
LEAVES = {
    "terrain": {"open ground": 2, "pavement": 11, "rail track": 10},
    "root": {"water": 9},
    "low plants": {"low vegetation": 3, "shrub": 4, "hedge": 4},
    "tree": {"broadleaf tree": 5, "conifer tree": 5, "palm": 5},
    "roof": {"flat roof": 6, "pitched roof": 6},
    "building": {"facade": 6},
    "roof ": {"roof structure": 6, "solar panel": 6},
    "building ": {"greenhouse": 6},
    "structure": {
        **{"bridge": 17, "wall": 1, "fence": 1, "tank": 1, "silo": 1, "chimney": 1},
        **{"wind turbine": 1, "crane": 1, "pier": 1},
    },
    "utility": {"wire": 14, "power tower": 15, "utility pole": 1, "street lamp": 1},
    "vehicle": {"car": 1, "truck": 1, "bus": 1, "train": 1, "boat": 1, "aircraft": 1},
    "furniture": {"container": 1, "rubble pile": 1},
    "noise": {"low noise": 7, "high noise": 18},
}
HIDDEN = {"hedge", "palm", "greenhouse", "silo", "crane", "street lamp", "bus", "train"}


def small() -> LabelGraph:
    return LabelGraph(
        [
            Node("root", None, 1),
            Node("plant", "root", 3),
            Node("oak", "plant"),
            Node("rock", "root"),
            Node("moss", "plant", 4),
        ]
    )


def test_leaves_their_order_parents_and_codes_are_those_of_the_contract():
    graph = label_graph()
    wanted = [
        (leaf, parent.strip(), code) for parent, row in LEAVES.items() for leaf, code in row.items()
    ]
    found = [
        (leaf, graph.node(leaf).parent, int(code))
        for leaf, code in zip(graph.leaves, graph.leaf_codes, strict=True)
    ]
    assert found == wanted


def test_eight_leaves_are_hidden():
    graph = label_graph()
    assert {
        leaf for leaf, hidden in zip(graph.leaves, graph.hidden, strict=True) if hidden
    } == HIDDEN


def test_no_word_means_two_nodes_and_all_nodes_have_words_and_a_colour():
    graph = label_graph()
    words = [word for node in graph.nodes for word in (node.name, *node.names)]
    assert len(words) == len(set(words))
    for node in graph.nodes:
        assert len(node.names) >= 5, node.name
        assert len(node.description) > 20, node.name
        assert all(0 <= part <= 255 for part in node.colour)
    colours = [node.colour for node in graph.nodes]
    assert len(colours) == len(set(colours))


def test_shares_lie_between_nought_and_one():
    for node in label_graph().nodes:
        shape = node.geometry
        for share in (shape.roughness, shape.verticality, shape.penetrable, shape.linear):
            assert share is None or 0 <= share <= 1, node.name


def test_numbers_ancestors_and_paths():
    graph = small()
    assert graph.leaves == ("oak", "rock", "moss")
    assert graph.inner == ("root", "plant")
    assert [graph.index(name) for name in ("oak", "rock", "moss", "root", "plant")] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert graph.parents.tolist() == [4, 3, 4, -1, 3]
    assert graph.ancestors("oak") == ("plant", "root")
    assert graph.path("oak") == ("plant", "oak")
    assert graph.path("root") == ("root",)
    assert graph.level("oak") == 2
    assert graph.leaves_of("plant") == ("oak", "moss")
    assert graph.leaves_of("oak") == ("oak",)
    assert graph.children("root") == ("rock", "plant")


def test_descendants_and_edges():
    graph = small()
    assert graph.descendants.astype(int).tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 1, 1],
        [1, 0, 1],
    ]
    assert sorted(map(tuple, graph.is_a_edges.tolist())) == [(0, 4), (1, 3), (2, 4), (4, 3)]
    assert sorted(map(tuple, graph.sibling_edges.tolist())) == [(0, 2), (1, 4), (2, 0), (4, 1)]
    assert graph.siblings.astype(int).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert graph.leaf_mask(["moss", "rock"]).tolist() == [False, True, True]


def test_codes_are_inherited():
    graph = small()
    assert [graph.code_of(name) for name in ("oak", "moss", "rock", "plant")] == [3, 4, 1, 3]
    assert graph.leaf_codes.tolist() == [3, 1, 4]


def test_lowest_common_node():
    graph = small()
    assert graph.common_ancestor(["oak", "moss"]) == "plant"
    assert graph.common_ancestor(["oak", "plant"]) == "plant"
    assert graph.common_ancestor(["oak", "rock"]) == "root"
    assert graph.common_ancestor(["oak"]) == "oak"
    assert graph.common_ancestor(["root", "oak"]) == "root"


def test_what_is_no_node_or_no_leaf_is_said():
    with pytest.raises(InvalidInput, match="no node 'fern'"):
        small().index("fern")
    with pytest.raises(InvalidInput, match="'plant' is no leaf"):
        small().leaf_id("plant")


def test_arrays_cannot_be_changed():
    graph = label_graph()
    for array in (graph.descendants, graph.parents, graph.leaf_codes, graph.hidden):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert graph.descendants.dtype == bool
    assert graph.leaf_codes.dtype == np.uint8


@pytest.mark.parametrize(
    "nodes",
    [
        [Node("root", None), Node("a", "b")],
        [Node("root", None), Node("a", "root"), Node("a", "root")],
        [Node("root", None), Node("a", "b"), Node("b", "a")],
        [Node("root", None), Node("a", None)],
    ],
    ids=["unknown parent", "name twice", "ring", "two roots"],
)
def test_what_is_no_tree_is_refused(nodes):
    with pytest.raises(ValueError, match=r"parent|name|ring|root"):
        LabelGraph(nodes)


def test_a_file_of_another_kind_is_refused(tmp_path):
    file = tmp_path / "graph.json"
    file.write_text(json.dumps({"format": "other", "nodes": []}))
    with pytest.raises(ValueError, match="no label graph"):
        load(file)
