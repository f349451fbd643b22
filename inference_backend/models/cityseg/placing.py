"""Where a user's word belongs in the label graph: a node that it names, a new one below a parent, or nowhere.

In this order: a name of a node, whatever its case, number and spelling; names joined by "and" or "or"; a word of the GIS
vocabulary, which is new below a known parent; words of another language, which are not understood; a word very near to a name;
a new class below the likeliest parent; and what cannot be placed, with a sentence that says what to do.

Thresholds, measured with tests/data/held_out_terms.py:

* NEAR: of 127 other wordings of nodes 64 % are that near to a name, and 99 % of those to the right one. Of 274 terms that are
  nodes' kinds and not nodes, 1 % are that near to one.
* SURE: 92 % of the 274 terms reach it, and their parent is right for 87 %; of 30 words that mean no thing in a city, one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.language.encoder import TextEncoder
from inference_backend.language.foreign import foreign_language
from inference_backend.models.cityseg.gis_vocabulary import vocabulary
from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph, label_graph
from inference_backend.models.cityseg.node_text import node_text
from inference_backend.models.cityseg.parent_guess import guess_parent
from inference_backend.models.cityseg.word_forms import alternatives, key, shown

NEAR = 0.85
SURE = 0.48
# Common words of another language that GIS terms are made of.
_ENGLISH_TOO = frozenset({"boom", "den", "hay", "mare", "sole"})


@dataclass(frozen=True)
class Placement:
    """Where words belong.

    kind "node": they name `nodes`, and `parent` is the lowest node above them all. kind "new": `nodes` is empty and `parent`
    an inner node. kind "unknown": both empty. `similarity` is 1 for exact matches, else that of the decision (0 to 1).
    `sentence` tells the user what was understood, or what to do.
    """

    kind: str
    nodes: tuple[str, ...]
    parent: str | None
    similarity: float
    sentence: str


def place(
    words: str, graph: LabelGraph, text_encoder: TextEncoder, parent: str | None = None
) -> Placement:
    """Place `words`; below `parent` where the user says one.

    Raises InvalidInput where `parent` names no node, and ModelProblem where the text encoder is needed and missing.
    """
    if not key(words):
        return _unknown(f"'{shown(words)}' has no letters; give the class a name.")
    if parent is not None:
        return _below(words, graph, _parent_node(parent, graph))
    return _exact(words, graph) or _foreign(words) or _by_meaning(words, graph, text_encoder)


def _below(words: str, graph: LabelGraph, above: str) -> Placement:
    """What the user says goes before what the vocabulary says."""
    known = _names(graph).get(key(words))
    if known is not None and (above == known or above in graph.ancestors(known)):
        return _node(words, (known,), graph)
    if above in graph.leaves:
        beside = str(graph.node(above).parent)
        return Placement(
            *("new", (), beside, 1.0),
            f"'{shown(words)}' is new: the model knows no kinds of '{above}', and looks for it beside that, below '{beside}'.",
        )
    return Placement(
        "new", (), above, 1.0, f"'{shown(words)}' is new, below '{above}' as you said."
    )


def _exact(words: str, graph: LabelGraph) -> Placement | None:
    names = _names(graph)
    known = names.get(key(words))
    if known is not None:
        return _node(words, (known,), graph)
    parts = [names.get(key(part)) for part in alternatives(words)]
    several = tuple(dict.fromkeys(part for part in parts if part is not None))
    if len(parts) > 1 and None not in parts:
        return _node(words, several, graph)
    above = _vocabulary().get(key(words))
    if above is None:
        return None
    if above in graph.leaves:
        return _taken_for(words, above, graph, 1.0)
    return Placement(
        *("new", (), above, 1.0),
        f"'{shown(words)}' is new, a kind of '{above}'; the model looks for it by its words alone.",
    )


def _foreign(words: str) -> Placement | None:
    language = foreign_language(words)
    if language is None or _ENGLISH_TOO.intersection(words.lower().split()):
        return None
    return _unknown(
        f"'{shown(words)}' looks like {language}, and classes are understood in English only; name it in English."
    )


def _by_meaning(words: str, graph: LabelGraph, text_encoder: TextEncoder) -> Placement:
    vector = text_encoder.sentences([words])[0]
    name, nearness = _nearest_name(vector)
    if nearness >= NEAR and name in graph and name != ROOT:
        return _taken_for(words, name, graph, nearness)
    guess = guess_parent(vector)
    if guess.score < SURE or guess.parent not in graph:
        return _unknown(
            f"'{shown(words)}' can't be placed; say what it is a kind of: --add '{shown(words)}:building'."
        )
    if guess.parent in graph.leaves:
        return _taken_for(words, guess.parent, graph, guess.score)
    other = "structure" if guess.parent == "building" else "building"
    return Placement(
        *("new", (), guess.parent, min(guess.score, 1.0)),
        f"'{shown(words)}' is new, and '{guess.parent}' is guessed to be what it is a kind of (it is like '{guess.like}'); "
        f"if that is wrong, say so: --add '{shown(words)}:{other}'.",
    )


def _parent_node(words: str, graph: LabelGraph) -> str:
    node = _names(graph).get(key(words))
    if node is None:
        known = ", ".join(name for name in graph.inner if name != ROOT)
        raise InvalidInput(
            f"'{shown(words)}' is no class that another can be a kind of; use one of {known}."
        )
    return node


def _node(words: str, nodes: tuple[str, ...], graph: LabelGraph) -> Placement:
    if nodes == (ROOT,):
        sentence = f"'{shown(words)}' is everything that no other class takes."
    elif len(nodes) > 1:
        told = " and ".join(f"'{node}'" for node in nodes)
        sentence = f"'{shown(words)}' is the classes {told} together."
    else:
        sentence = f"'{shown(words)}' is the class '{nodes[0]}'."
    return Placement("node", nodes, _around(nodes, graph), 1.0, sentence)


def _taken_for(words: str, node: str, graph: LabelGraph, similarity: float) -> Placement:
    return Placement(
        *("node", (node,), _around((node,), graph), min(float(similarity), 1.0)),
        f"'{shown(words)}' is taken for '{node}', the nearest that the model knows.",
    )


def _around(nodes: tuple[str, ...], graph: LabelGraph) -> str:
    """The lowest node above them all; the root is above itself."""
    if len(nodes) == 1:
        return graph.node(nodes[0]).parent or ROOT
    return graph.common_ancestor(nodes)


def _unknown(sentence: str) -> Placement:
    return Placement("unknown", (), None, 0.0, sentence)


@cache
def _names(graph: LabelGraph) -> dict[str, str]:
    """Keys of all names; a node's own name goes before another's synonym, and a leaf's synonym before an inner node's."""
    found = {key(node.name): node.name for node in graph.nodes}
    for node in graph.nodes:
        for name in node.names:
            found.setdefault(key(name), node.name)
    return found


@cache
def _vocabulary() -> dict[str, str]:
    return {key(word): node for word, node in vocabulary().items()}


@cache
def _name_rows() -> tuple[tuple[str, ...], np.ndarray]:
    """Names of nodes and their rows in the table of prompts, float32 (N, 384)."""
    graph, table = label_graph(), node_text()
    nodes, rows = [], []
    for position, node in enumerate(graph.nodes):
        own = np.flatnonzero(table.owner == position)
        # Names stand before the sentences.
        rows += own[: 1 + len(node.names)].tolist()
        nodes += [node.name] * (1 + len(node.names))
    return tuple(nodes), table.prompts[rows]


def _nearest_name(vector: np.ndarray) -> tuple[str, float]:
    """The node with the nearest name, and how near it is."""
    nodes, rows = _name_rows()
    near = rows @ vector
    best = int(near.argmax())
    return nodes[best], float(near[best])
