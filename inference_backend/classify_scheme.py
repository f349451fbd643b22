"""From what a model says of each point to one label: which labels there are, how they hang together, and which is believed.

A model answers with a probability for each *column*: a leaf of the label graph, or a new class. A *label* is what a point can be
called: a column, a set of columns that was asked for, or a node above them. Labels form a tree; a point gets the lowest label
that is probable enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph

UNCLASSIFIED = 1
"""ASPRS: processed, and of no class."""
LOW_NOISE, HIGH_NOISE = "low noise", "high noise"
MOST_LABEL = 255
_GREY = (160, 160, 160)
_TERRAIN = "terrain"
# New classes have no colour of the graph's; these are told apart from it and from each other.
_NEW_COLOURS = (
    (230, 60, 180), (40, 200, 190), (250, 190, 40), (120, 90, 220), (190, 230, 60), (240, 110, 70),
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """A class that was asked for: known `nodes` of the graph, or none of them and a `parent` below which it is new."""

    name: str
    nodes: tuple[str, ...] = ()
    parent: str = ROOT


@dataclass(frozen=True)
class Label:
    """What a point can be called. `parent` is a place among the labels, -1 for none; `id` is what `cityseg_label` holds."""

    id: int
    name: str
    code: int
    colour: tuple[int, int, int]
    parent: int = -1


@dataclass(frozen=True)
class Column:
    """What a model gives a probability for. `new` where the graph does not know it."""

    name: str
    parent: str
    new: bool = False


@dataclass(frozen=True)
class Scheme:
    """Columns, labels, and `members` float32 (columns, labels): which columns make up each label."""

    columns: tuple[Column, ...]
    labels: tuple[Label, ...]
    members: np.ndarray
    rest: str
    low_noise: int
    high_noise: int
    warnings: tuple[str, ...] = ()
    _children: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The noise that rules find has labels of its own where no model knows it.
        answered = self.members.any(axis=0)
        for place, label in enumerate(self.labels):
            if answered[place]:
                below = self._children.get(label.parent, np.empty(0, np.int64))
                self._children[label.parent] = np.append(below, place)

    def decide(self, probability: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Places among the labels int16 (N,), -1 where nothing is believed, and the probability of that label float32 (N,).

        From the top of the tree the more probable child is taken as long as it reaches `threshold`. Where nothing does, the
        probability is that of the rest, or, where nothing is left over, that of the best label there was.
        """
        summed = np.asarray(probability, np.float32) @ self.members
        place = np.full(len(summed), -1, np.int16)
        sure = np.zeros(len(summed), np.float32)
        top = summed[:, self._children[-1]]
        left = np.clip(1 - top.sum(axis=1), 0, 1)
        best = top.max(axis=1)
        sure[:] = np.where(left >= best, left, best)
        waiting = [(-1, np.flatnonzero((best >= threshold) & (best > left)))]
        while waiting:
            above, rows = waiting.pop()
            below = self._children[above]
            found = summed[np.ix_(rows, below)]
            which = found.argmax(axis=1)
            chance = found[np.arange(len(rows)), which]
            believed = chance >= threshold
            rows, which, chance = rows[believed], which[believed], chance[believed]
            place[rows], sure[rows] = below[which], chance
            waiting += [
                (int(child), rows[which == at])
                for at, child in enumerate(below)
                if int(child) in self._children
            ]
        return place, np.clip(sure, 0, 1)

    @property
    def codes(self) -> np.ndarray:
        """uint8 (labels + 1,): ASPRS code by place; the place -1 finds the last, which is for what is unclassified."""
        return np.array([*(label.code for label in self.labels), UNCLASSIFIED], np.uint8)

    @property
    def ids(self) -> np.ndarray:
        """uint8 (labels + 1,): `cityseg_label` by place, as `codes`."""
        return np.array([*(label.id for label in self.labels), 0], np.uint8)

    def names(self) -> dict[int, str]:
        """Names by id, that of what is left over too."""
        return {0: self.rest, **{label.id: label.name for label in self.labels}}

    def colours(self) -> dict[int, tuple[int, int, int]]:
        """Red, green and blue by id."""
        return {0: _GREY, **{label.id: label.colour for label in self.labels}}

    def tops(self) -> np.ndarray:
        """int64 (labels + 1,): the label at the top of the tree above each; -1 for what is unclassified."""
        found = []
        for place in range(len(self.labels)):
            while self.labels[place].parent >= 0:
                place = self.labels[place].parent
            found.append(place)
        return np.array([*found, -1])


def all_known(graph: LabelGraph, added: Sequence[Wanted] = ()) -> Scheme:
    """Every leaf that training knows, what was added, and all nodes above them.

    All terrain is written as ground (2): whoever makes a terrain model takes class 2 and nothing else, and a road is told from
    bare soil by little more than its intensity. The label still says which it is.
    """
    columns = _columns(graph, added)
    asked = {one.name for one in added} | {node for one in added for node in one.nodes}
    names = [column.name for column in columns]
    above = [
        n for n in graph.inner if n != ROOT and any(leaf in names for leaf in graph.leaves_of(n))
    ]
    above += [column.parent for column in columns if column.new and column.parent not in above]
    inner = [name for name in dict.fromkeys(above) if name != ROOT]
    labels, members = [], np.zeros((len(columns), len(columns) + len(inner)), np.float32)
    place_of = {name: place for place, name in enumerate([*names, *inner])}
    new_ids = iter(range(len(graph) + 1, MOST_LABEL + 1))
    for place, name in enumerate([*names, *inner]):
        column = columns[place] if place < len(columns) else None
        new = column is not None and column.new
        parent = column.parent if new else str(graph.node(name).parent)
        for k, other in enumerate(columns):
            members[k, place] = name in (other.name, *_above(graph, other))
        labels.append(
            Label(
                _next(new_ids) if new else graph.index(name) + 1,
                name,
                _plain_code(graph, parent if new else name, name in asked),
                _new_colour(name) if new else graph.colour_of(name),
                place_of.get(parent, -1),
            )
        )
    return _with_noise(graph, columns, labels, members, "unclassified", ())


def _plain_code(graph: LabelGraph, name: str, asked: bool) -> int:
    terrain = _TERRAIN in (name, *graph.ancestors(name))
    return graph.code_of(_TERRAIN if terrain and not asked else name)


def asked_for(graph: LabelGraph, wanted: Sequence[Wanted]) -> Scheme:
    """Only the classes asked for, and "other". The model still tells all known leaves apart: they compete."""
    columns = _columns(graph, wanted)
    sets, kept, warnings = [], [], []
    for one in wanted:
        covers = np.array([_covers(graph, one, column) for column in columns])
        same = next((k for k, known in enumerate(sets) if (known == covers).all()), None)
        if same is not None:
            warnings.append(
                f"'{one.name}' means the same as '{kept[same].name}' here and is left out."
            )
            continue
        sets.append(covers)
        kept.append(one)
    members = np.stack(_nested(sets), axis=1).astype(np.float32)
    new_ids = iter(range(len(graph) + 1, MOST_LABEL + 1))
    labels = []
    for place, one in enumerate(kept):
        single = one.nodes[0] if len(one.nodes) == 1 else None
        known = single or (graph.common_ancestor(one.nodes) if one.nodes else one.parent)
        codes = {graph.code_of(node) for node in one.nodes}
        labels.append(
            Label(
                graph.index(single) + 1 if single else _next(new_ids),
                one.name,
                codes.pop() if len(codes) == 1 else graph.code_of(known),
                graph.colour_of(known) if one.nodes else _new_colour(one.name),
                _smallest_around(members, place),
            )
        )
    return _with_noise(graph, columns, labels, members, "other", warnings)


def _columns(graph: LabelGraph, wanted: Sequence[Wanted]) -> tuple[Column, ...]:
    """Leaves that training knows, hidden ones that are asked for by name, and new classes."""
    named = {leaf for one in wanted for node in one.nodes for leaf in _leaves_named(graph, node)}
    known = [
        Column(leaf, str(graph.node(leaf).parent))
        for leaf, hidden in zip(graph.leaves, graph.hidden, strict=True)
        if leaf in named or not hidden
    ]
    new = [Column(one.name, one.parent, True) for one in wanted if not one.nodes]
    return (*known, *new)


def _leaves_named(graph: LabelGraph, node: str) -> tuple[str, ...]:
    """A hidden leaf is only looked for where it is meant itself, not where something above it is."""
    return (node,) if node in graph.leaves else ()


def _above(graph: LabelGraph, column: Column) -> tuple[str, ...]:
    return (
        (column.parent, *graph.ancestors(column.parent))
        if column.new
        else graph.ancestors(column.name)
    )


def _covers(graph: LabelGraph, one: Wanted, column: Column) -> bool:
    """Whether a column's points are of the class asked for."""
    if not one.nodes:
        return column.new and column.name == one.name
    return bool(set(one.nodes) & {column.name, *_above(graph, column)})


def _nested(sets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sets of which any two are apart or one within the other: what two share otherwise belongs to the first."""
    done: list[np.ndarray] = []
    for one in sets:
        for before in done:
            shared = one & before
            if not ((shared == one).all() or (shared == before).all()):
                one = one & ~before
        done.append(one)
    return done


def _smallest_around(members: np.ndarray, place: int) -> int:
    """The smallest other set that holds this one; -1 for none."""
    own = members[:, place]
    around = [
        (members[:, other].sum(), other)
        for other in range(members.shape[1])
        if other != place
        and (members[:, other] >= own).all()
        and members[:, other].sum() > own.sum()
    ]
    return min(around)[1] if around else -1


def _with_noise(
    graph: LabelGraph,
    columns: tuple[Column, ...],
    labels: list[Label],
    members: np.ndarray,
    rest: str,
    warnings: Iterable[str],
) -> Scheme:
    places = []
    for name in (LOW_NOISE, HIGH_NOISE):
        found = next(
            (k for k, label in enumerate(labels) if label.id == graph.index(name) + 1), None
        )
        if found is None:
            found = len(labels)
            labels.append(
                Label(graph.index(name) + 1, name, graph.code_of(name), graph.colour_of(name))
            )
            members = np.pad(members, ((0, 0), (0, 1)))
        places.append(found)
    return Scheme(columns, tuple(labels), members, rest, *places, tuple(warnings))


def _next(ids: Iterable[int]) -> int:
    found = next(iter(ids), None)
    if found is None:
        raise InvalidInput("There are more classes than one byte can number; name fewer new ones.")
    return found


def _new_colour(name: str) -> tuple[int, int, int]:
    return _NEW_COLOURS[sum(name.encode()) % len(_NEW_COLOURS)]
