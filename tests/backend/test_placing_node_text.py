"""The table of the nodes' texts: that of the graph that ships, and exact."""

from __future__ import annotations

import numpy as np
import pytest

from inference_backend.errors import ModelProblem
from inference_backend.language.encoder import TextEncoder
from inference_backend.models.cityseg import node_text
from inference_backend.models.cityseg.label_graph import LabelGraph, Node, label_graph


def test_the_table_is_that_of_the_graph():
    table = node_text.node_text()
    assert table.texts == node_text.text_digest(label_graph()), (
        "label_graph.json has changed: run python -m inference_backend.models.cityseg.node_text"
    )
    assert len(table.mean) == len(label_graph())
    assert set(table.owner) == set(range(len(label_graph())))


def test_another_word_makes_another_digest():
    graph = label_graph()
    first = graph.nodes[0]
    changed = LabelGraph([Node(first.name, first.parent, names=("else",)), *graph.nodes[1:]])
    assert node_text.text_digest(changed) != node_text.text_digest(graph)


@pytest.mark.parametrize("name", ["car", "building", "root"])
def test_the_table_says_what_the_encoder_says(name):
    graph, table = label_graph(), node_text.node_text()
    prompts = node_text.prompts_of(graph.node(name), graph.path(name))
    exact = TextEncoder(look_up=False).sentences(prompts)
    own = table.owner == graph.index(name)
    assert np.abs(table.prompts[own] - exact).max() < 1e-3
    mean = node_text.mean_text(TextEncoder(look_up=False), prompts)
    assert np.abs(table.mean[graph.index(name)] - mean).max() < 1e-3


def test_a_damaged_table_is_said(tmp_path):
    short = tmp_path / "short.safetensors"
    short.write_bytes(node_text.TABLE.read_bytes()[:5000])
    with pytest.raises(ModelProblem, match="install the plugin again"):
        node_text.read(short)


def test_a_table_survives_writing(tmp_path):
    table = node_text.node_text()
    node_text.write(table, tmp_path / "again.safetensors")
    again = node_text.read(tmp_path / "again.safetensors")
    assert (again.texts, again.encoder) == (table.texts, table.encoder)
    assert np.abs(again.mean - table.mean).max() < 1e-3
