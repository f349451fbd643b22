"""Dataset profiles: what the class codes of a data set mean, as sets of leaves of the label graph.

A label is a set of leaves because sets label coarsely, each in its own way. In a profile's list of nodes "-fence" takes the
leaves of a node away again, and "?facade" adds leaves that points of this code may be, but that are another code's or no
code's own: they are no error in training, and prove nothing in an evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import LabelGraph, label_graph

CODES = 256
_FOLDER = Path(__file__).with_name("profiles")


@dataclass(frozen=True)
class Reading:
    """How the files of the set say their labels.

    `label`: names of the field, the first that exists counts; none: the classification. `columns`: those of a text file
    without a header. `by_name`: the class by a word in the name of a file. `labels_beside`: a .npy file of ids, `{stem}` is
    the cloud's name.
    """

    label: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    intensity: str = ""
    by_name: dict[str, int] = field(default_factory=dict)
    labels_beside: str = ""


class Profile:
    """The codes of one data set. Codes with one name are one class; codes that are not listed count as ignored."""

    def __init__(self, content: dict, graph: LabelGraph) -> None:
        """`content` is a file of the folder profiles. Raises ValueError or InvalidInput where it fits no `graph`."""
        self.name: str = content["name"]
        self.title: str = content["title"]
        self.source: str = content["source"]
        self.notes: str = content.get("notes", "")
        self.reading = _reading(content.get("reading", {}))
        self.graph = graph
        self._codes = {int(code): nodes for code, nodes in content["codes"].items()}
        self._names = {int(code): name for code, name in content["names"].items()}
        if any(not 0 <= code < CODES for code in self._codes):
            raise ValueError(f"{self.name}: a code lies outside 0 to {CODES - 1}")
        self.table: np.ndarray = self._table(soft=True)
        """Which leaves a point of each code may be, bool (256, leaves); all False for ignored codes."""
        self.firm: np.ndarray = self._table(soft=False)
        """The same without the leaves marked "?"."""

    @staticmethod
    def load(name: str, graph: LabelGraph | None = None) -> Profile:
        """The profile of that name, or of that JSON file. Raises InvalidInput where there is none."""
        path = _FOLDER / f"{name}.json"
        if name not in names() and name.endswith(".json"):
            path = Path(name)
        elif name not in names():
            raise InvalidInput(f"There is no dataset profile '{name}'; use {', '.join(names())}.")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return Profile(content, graph or label_graph())
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"'{path.name}' is no dataset profile; write one like those of 'cityseg evaluate points'.",
                f"{type(error).__name__}: {error}",
            ) from error

    def allowed(self, codes: np.ndarray) -> np.ndarray:
        """The leaves that points with these codes may be, bool (N, leaves); no leaf: the point is ignored."""
        return self.table[np.asarray(codes, np.uint8)]

    @property
    def ignored(self) -> np.ndarray:
        """Codes that say nothing, bool (256,)."""
        return ~self.table.any(axis=1)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their codes, each once."""
        listed = sorted(code for code, nodes in self._codes.items() if nodes != "ignore")
        return tuple(dict.fromkeys(self._names[code] for code in listed))

    @cached_property
    def class_of_code(self) -> np.ndarray:
        """Place in `classes` of each code, int64 (256,); -1 for ignored codes."""
        places = np.full(CODES, -1, np.int64)
        for code, nodes in self._codes.items():
            if nodes != "ignore":
                places[code] = self.classes.index(self._names[code])
        return places

    @cached_property
    def class_leaves(self) -> np.ndarray:
        """Leaves that are a class's own, bool (classes, leaves). No leaf is two classes' own."""
        own = np.zeros((len(self.classes), len(self.graph.leaves)), bool)
        for code, place in enumerate(self.class_of_code):
            if place >= 0:
                own[place] |= self.firm[code]
        twice = own.sum(axis=0) > 1
        if twice.any():
            leaf = self.graph.leaves[int(twice.argmax())]
            raise ValueError(f"{self.name}: the leaf '{leaf}' belongs to two classes")
        return own

    @cached_property
    def class_of_leaf(self) -> np.ndarray:
        """Which class a leaf is counted as, int64 (leaves,); -1 for leaves that are no class's own."""
        own = self.class_leaves
        return np.where(own.any(axis=0), own.argmax(axis=0), -1)

    def _table(self, soft: bool) -> np.ndarray:
        table = np.zeros((CODES, len(self.graph.leaves)), bool)
        for code, nodes in self._codes.items():
            if nodes != "ignore":
                table[code] = _leaves(self.graph, nodes, soft)
        table.setflags(write=False)
        return table


def names() -> tuple[str, ...]:
    """Names of the profiles that ship."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def _leaves(graph: LabelGraph, nodes: Iterable[str], soft: bool) -> np.ndarray:
    """Signed nodes in their order: "-" takes away, "?" adds where soft ones count."""
    mask = np.zeros(len(graph.leaves), bool)
    for node in nodes:
        leaves = graph.leaf_mask([node.lstrip("-?")])
        if node.startswith("-"):
            mask &= ~leaves
        elif soft or not node.startswith("?"):
            mask |= leaves
    return mask


def _reading(content: dict) -> Reading:
    return Reading(
        **{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
        }
    )
