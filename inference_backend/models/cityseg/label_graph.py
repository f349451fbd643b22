"""The label graph: what a point can be, from "root" down to the leaves, with words, shapes and ASPRS codes.

The knowledge is in label_graph.json. A leaf is what one point is; an inner node stands for any of the leaves below it.
Nodes are numbered leaves first, so that the number of a leaf is its place among the leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from inference_backend.errors import InvalidInput

FORMAT = "cityseg-label-graph-1"
ROOT = "root"
_FILE = Path(__file__).with_name("label_graph.json")


@dataclass(frozen=True)
class Geometry:
    """Typical numbers of one such thing; None where none is typical. Metres, degrees, else shares of one."""

    height_m: float | None = None
    length_m: float | None = None
    width_m: float | None = None
    base_m: float | None = None
    slope_deg: float | None = None
    roughness: float | None = None
    verticality: float | None = None
    penetrable: float | None = None
    linear: float | None = None


@dataclass(frozen=True)
class Node:
    """One node. `names` are other words for it; `code` is its own ASPRS code, None to inherit its parent's."""

    name: str
    parent: str | None
    code: int | None = None
    names: tuple[str, ...] = ()
    description: str = ""
    geometry: Geometry = Geometry()
    hidden: bool = False
    colour: tuple[int, int, int] = (160, 160, 160)


class LabelGraph:
    """A tree of nodes, never changed after it is made. Raises ValueError where the nodes form no tree."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """`nodes` in any order; leaves keep theirs."""
        given = tuple(nodes)
        inner = {node.parent for node in given}
        ordered = sorted(given, key=lambda node: node.name in inner)
        self.nodes: tuple[Node, ...] = tuple(ordered)
        self.leaves: tuple[str, ...] = tuple(n.name for n in ordered if n.name not in inner)
        self._places = {node.name: place for place, node in enumerate(ordered)}
        _check(given, self._places)
        self.parents: np.ndarray = _frozen(
            [-1 if n.parent is None else self._places[n.parent] for n in ordered], np.int64
        )
        """Number of each node's parent, int64 (nodes,); -1 for the root."""

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)

    def __contains__(self, name: object) -> bool:
        """Whether a node has this name."""
        return name in self._places

    def index(self, name: str) -> int:
        """The node's number. Raises InvalidInput where there is no such node."""
        if name not in self._places:
            raise InvalidInput(
                f"The label graph has no node '{name}'; it has {', '.join(self._places)}."
            )
        return self._places[name]

    def node(self, name: str) -> Node:
        """The node of that name. Raises InvalidInput where there is none."""
        return self.nodes[self.index(name)]

    def leaf_id(self, name: str) -> int:
        """A leaf's place among the leaves; `cityseg_label` is one more. Raises InvalidInput where it is no leaf."""
        place = self.index(name)
        if place >= len(self.leaves):
            raise InvalidInput(f"'{name}' is no leaf of the label graph: it has nodes below it.")
        return place

    @property
    def inner(self) -> tuple[str, ...]:
        """Names of the nodes that have nodes below them, the root first."""
        return tuple(node.name for node in self.nodes[len(self.leaves) :])

    def ancestors(self, name: str) -> tuple[str, ...]:
        """From the parent up to the root; none for the root."""
        place, found = int(self.parents[self.index(name)]), []
        while place >= 0:
            found.append(self.nodes[place].name)
            place = int(self.parents[place])
        return tuple(found)

    def path(self, name: str) -> tuple[str, ...]:
        """From below the root down to the node itself; the root alone for the root."""
        return (*reversed(self.ancestors(name)[:-1]), name)

    def level(self, name: str) -> int:
        """How many steps below the root."""
        return len(self.ancestors(name))

    def children(self, name: str) -> tuple[str, ...]:
        """The nodes right below."""
        return tuple(node.name for node in self.nodes if node.parent == name)

    def leaves_of(self, name: str) -> tuple[str, ...]:
        """All leaves at or below a node, in their order."""
        row = self.descendants[self.index(name)]
        return tuple(leaf for leaf, below in zip(self.leaves, row, strict=True) if below)

    @cached_property
    def descendants(self) -> np.ndarray:
        """Which leaves are at or below each node, bool (nodes, leaves)."""
        table = np.zeros((len(self.nodes), len(self.leaves)), bool)
        for leaf in range(len(self.leaves)):
            place = leaf
            while place >= 0:
                table[place, leaf] = True
                place = int(self.parents[place])
        table.setflags(write=False)
        return table

    @cached_property
    def is_a_edges(self) -> np.ndarray:
        """(child, parent) numbers, int64 (E, 2)."""
        pairs = [(child, parent) for child, parent in enumerate(self.parents) if parent >= 0]
        return _frozen(pairs, np.int64)

    @cached_property
    def sibling_edges(self) -> np.ndarray:
        """(node, node) numbers of every two children of one parent, both ways, int64 (E, 2)."""
        same = (self.parents[:, None] == self.parents[None, :]) & (self.parents >= 0)[:, None]
        np.fill_diagonal(same, False)
        return _frozen(np.argwhere(same), np.int64)

    @cached_property
    def siblings(self) -> np.ndarray:
        """Leaves of one parent, bool (leaves, leaves), False on the diagonal."""
        parents = self.parents[: len(self.leaves)]
        same = parents[:, None] == parents[None, :]
        np.fill_diagonal(same, False)
        same.setflags(write=False)
        return same

    @cached_property
    def hidden(self) -> np.ndarray:
        """Leaves that no training point is labelled as, bool (leaves,)."""
        return _frozen([node.hidden for node in self.nodes[: len(self.leaves)]], bool)

    @cached_property
    def leaf_codes(self) -> np.ndarray:
        """ASPRS code of each leaf, uint8 (leaves,)."""
        return _frozen([self.code_of(leaf) for leaf in self.leaves], np.uint8)

    def code_of(self, name: str) -> int:
        """ASPRS code: the node's own, else its nearest ancestor's; 1 (unclassified) without any."""
        for each in (name, *self.ancestors(name)):
            code = self.node(each).code
            if code is not None:
                return code
        return 1

    def colour_of(self, name: str) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return self.node(name).colour

    def common_ancestor(self, names: Sequence[str]) -> str:
        """The lowest node that all `names` are at or below."""
        paths = [(ROOT, *self.path(name)) if name != ROOT else (ROOT,) for name in names]
        shared = [step[0] for step in zip(*paths, strict=False) if len(set(step)) == 1]
        return shared[-1] if shared else ROOT

    def leaf_mask(self, names: Iterable[str]) -> np.ndarray:
        """The leaves at or below any of `names`, bool (leaves,)."""
        mask = np.zeros(len(self.leaves), bool)
        for name in names:
            mask |= self.descendants[self.index(name)]
        return mask


@cache
def label_graph() -> LabelGraph:
    """The graph that ships."""
    return load(_FILE)


def load(path: Path = _FILE) -> LabelGraph:
    """A graph from a file as label_graph.json. Raises ValueError where it is none."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(f"{path.name} is no label graph of the format {FORMAT}")
    return LabelGraph(_node(row) for row in content["nodes"])


def _node(row: dict) -> Node:
    unknown = set(row).difference(field.name for field in fields(Node))
    if unknown:
        raise ValueError(f"{row['name']}: unknown keys: {', '.join(sorted(unknown))}")
    return Node(
        **{
            **row,
            "names": tuple(row["names"]),
            "geometry": Geometry(**row["geometry"]),
            "colour": tuple(row["colour"]),
        }
    )


def _check(nodes: tuple[Node, ...], places: dict[str, int]) -> None:
    """A tree has unique names, known parents, and one root that all paths lead to."""
    if len(places) != len(nodes):
        raise ValueError("two nodes have one name")
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if node.parent is not None and node.parent not in by_name:
            raise ValueError(f"{node.name}: no such parent: {node.parent}")
        seen, at = set(), node
        while at.parent is not None:
            if at.name in seen:
                raise ValueError(f"{node.name}: its parents form a ring")
            seen.add(at.name)
            at = by_name[at.parent]
        if at.name != ROOT:
            raise ValueError(f"{node.name}: does not hang below '{ROOT}'")


def _frozen(values: object, dtype: type) -> np.ndarray:
    array = np.array(values, dtype)
    array.setflags(write=False)
    return array
