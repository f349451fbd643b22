"""Scores of labelled points, from counts of (truth, answer): flat ones, along the label graph, and of ground filters.

Everything is counted over points, not voxels. Where a data set's label says less than a leaf, a point counts only where its
label decides: see `Levels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph


@dataclass(frozen=True)
class Confusion:
    """`counts` int64 (classes, classes + 1): truth down, answer across, the last column for answers that are no class."""

    names: tuple[str, ...]
    counts: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str], truth: np.ndarray, answer: np.ndarray) -> Confusion:
        """From class numbers (N,); a truth below 0 is ignored, an answer below 0 is no class."""
        size = len(names)
        counted = np.asarray(truth) >= 0
        rows = np.asarray(truth, np.int64)[counted]
        columns = np.asarray(answer, np.int64)[counted]
        columns = np.where(columns < 0, size, columns)
        flat = np.bincount(rows * (size + 1) + columns, minlength=size * (size + 1))
        return cls(tuple(names), flat.reshape(size, size + 1))

    @property
    def points(self) -> int:
        """How many points were counted."""
        return int(self.counts.sum())

    @property
    def present(self) -> np.ndarray:
        """Classes that the truth has, bool (classes,)."""
        return self.counts.sum(axis=1) > 0

    @property
    def hits(self) -> np.ndarray:
        """Right points of each class, int64 (classes,)."""
        return np.diagonal(self.counts).copy()

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class; NaN where neither the truth nor the answer has it."""
        union = self.counts.sum(axis=1) + self.counts[:, :-1].sum(axis=0) - self.hits
        return _share(self.hits, union)

    @property
    def recall(self) -> np.ndarray:
        """Share of each class's points that were found; NaN for absent classes."""
        return _share(self.hits, self.counts.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Share of each class's answers that are right; NaN for classes never answered."""
        return _share(self.hits, self.counts[:, :-1].sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """2 TP / (2 TP + FP + FN) of each class; NaN as for `iou`."""
        both = self.counts.sum(axis=1) + self.counts[:, :-1].sum(axis=0)
        return _share(2 * self.hits, both)

    @property
    def overall(self) -> float:
        """OA: share of points that are right; NaN without points."""
        return float(_share(self.hits.sum(), self.counts.sum()))

    def mean_iou(self, among: np.ndarray | None = None) -> float:
        """mIoU over the classes that the truth has, or those of them in `among` (bool); NaN without any."""
        return _mean(self.iou, self.present if among is None else self.present & among)

    @property
    def mean_accuracy(self) -> float:
        """mAcc: mean recall over the classes that the truth has."""
        return _mean(self.recall, self.present)


def harmonic(seen: float, unseen: float) -> float:
    """hIoU: the harmonic mean of the mIoU over seen and over unseen classes; 0 where either is."""
    total = seen + unseen
    return 2 * seen * unseen / total if total > 0 else 0.0 if total == 0 else float("nan")


class Levels:
    """Truths as sets of leaves and answers as nodes, compared level by level of the label graph.

    Level 1 is right below the root; the last level is that of the leaves. A truth decides a level where all its leaves have
    one ancestor there (a leaf higher up stands for itself); other points do not count on that level.
    """

    def __init__(self, graph: LabelGraph, allowed: np.ndarray) -> None:
        """`allowed` bool (truths, leaves): the leaves that each truth may be; a truth without leaves is ignored."""
        self._graph, self._allowed = graph, np.asarray(allowed, bool)
        self._names = [node.name for node in graph.nodes]
        self.depth = max(graph.level(leaf) for leaf in graph.leaves)
        # Nodes on the way to each node, without the root.
        self._paths = [() if name == ROOT else graph.path(name) for name in self._names]

    def confusion(self, level: int, counts: np.ndarray) -> Confusion:
        """The confusion on one level. `counts` int64 (truths, nodes): points by truth and answered node."""
        at = np.array([self._at(level, node) for node in range(len(self._names))])
        kept = np.unique(at[: len(self._graph.leaves)])
        place = {int(node): k for k, node in enumerate(kept)}
        answers = np.array([place.get(int(node), len(kept)) for node in at])
        matrix = np.zeros((len(kept), len(kept) + 1), np.int64)
        for truth, row in enumerate(counts):
            decided = np.unique(at[: len(self._graph.leaves)][self._allowed[truth]])
            if len(decided) == 1:
                np.add.at(matrix[place[int(decided[0])]], answers, row)
        return Confusion(tuple(self._names[int(node)] for node in kept), matrix)

    def consistent(self, counts: np.ndarray) -> float:
        """Share of points whose answer lies within what the truth allows: no error can be proved of them."""
        fits = ~(self._graph.descendants[None] & ~self._allowed[:, None]).any(axis=2)
        counted = counts * self._allowed.any(axis=1)[:, None]
        return float(_share((counted * fits).sum(), counted.sum()))

    def hierarchical(self, counts: np.ndarray) -> dict[str, float]:
        """hP, hR, hF1: precision and recall of the nodes on the way to the answer against those on the way to the truth.

        The truth's way ends at the lowest node above all its leaves; what an answer says below that cannot be judged and
        does not count. Truths of which nothing is known but the root are left out.
        """
        shared = said = wanted = 0
        for truth, row in enumerate(counts):
            leaves = [leaf for leaf, may in zip(self._graph.leaves, self._allowed[truth]) if may]
            way = set(self._way(leaves))
            if not way:
                continue
            for node in np.flatnonzero(row):
                told = set(self._paths[node])
                if way <= told:
                    told = way
                shared += int(row[node]) * len(told & way)
                said += int(row[node]) * len(told)
                wanted += int(row[node]) * len(way)
        precision, recall = _share(shared, said), _share(shared, wanted)
        f1 = _share(2 * shared, said + wanted)
        return {"hP": float(precision), "hR": float(recall), "hF1": float(f1)}

    def _way(self, leaves: list[str]) -> tuple[str, ...]:
        common = self._graph.common_ancestor(leaves) if leaves else ROOT
        return () if common == ROOT else self._graph.path(common)

    def _at(self, level: int, node: int) -> int:
        """The node's ancestor on a level; itself for leaves above it, -1 for inner nodes above it."""
        path = self._paths[node]
        if len(path) >= level:
            return self._graph.index(path[level - 1])
        return node if node < len(self._graph.leaves) else -1


def ground_errors(truth_ground: np.ndarray, counts: np.ndarray, ground: np.ndarray) -> dict:
    """Errors of a ground filter: type I (ground taken away), type II (other things kept as ground), total; shares of one.

    `truth_ground` int (truths,): 1 ground, 0 not, -1 does not say; `counts` int64 (truths, answers); `ground` bool (answers,):
    answers that mean ground. NaN where the truth has no such points.
    """
    on, off = counts[truth_ground == 1].sum(axis=0), counts[truth_ground == 0].sum(axis=0)
    lost, kept = int(on[~ground].sum()), int(off[ground].sum())
    return {
        "type_1": float(_share(lost, on.sum())),
        "type_2": float(_share(kept, off.sum())),
        "total": float(_share(lost + kept, on.sum() + off.sum())),
    }


def _share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """part / whole, NaN where the whole is nothing."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: np.ndarray, among: np.ndarray) -> float:
    return float(np.mean(values[among])) if among.any() else float("nan")
