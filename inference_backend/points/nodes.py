"""The nodes of an octree, ready to be written: a few at a time, those above the tiles at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inference_backend.points.octree import (
    CoarseCells,
    Cube,
    NodeKey,
    joined,
    plan_nodes,
    taken,
)
from inference_backend.points.spill import Spill
from inference_backend.points.writing import Writing

# Written between two looks at the cancel flag.
_BATCH_POINTS = 300_000


@dataclass(frozen=True)
class Node:
    """`key` is (level, x, y, z)."""

    key: NodeKey
    count: int


@dataclass(frozen=True)
class Batch:
    """Some whole nodes; `points` (N,) are theirs one after the other."""

    cube: Cube
    nodes: list[Node]
    points: np.ndarray

    def parts(self) -> Iterator[tuple[Node, np.ndarray]]:
        """Each node with its points."""
        at = 0
        for node in self.nodes:
            yield node, self.points[at : at + node.count]
            at += node.count

    def pieces(self) -> list[np.ndarray]:
        """Each node's points as bytes."""
        return [points.view(np.uint8) for _, points in self.parts()]


def node_batches(spill: Spill, writing: Writing, begin: float) -> Iterator[Batch]:
    """Every node once, every point of `spill` once; tells the progress from `begin` to 1. Raises Cancelled, OSError."""
    coarse = CoarseCells()
    above: dict[NodeKey, list[np.ndarray]] = {}
    total, done = max(1, spill.count), 0
    cube: Cube | None = None
    for cube, tile, points in spill.tiles(writing.cancel):
        plan = plan_nodes(points, cube, tile, coarse)
        first = 0
        while first < len(plan.keys) and plan.keys[first][0] < tile[0]:
            some = taken(points, plan.order[plan.starts[first] : plan.starts[first + 1]])
            above.setdefault(plan.keys[first], []).append(some)
            first += 1
        for low, high in _groups(plan.starts, first):
            writing.cancel.check()
            start, end = int(plan.starts[low]), int(plan.starts[high])
            sizes = np.diff(plan.starts[low : high + 1])
            nodes = [Node(plan.keys[low + i], int(size)) for i, size in enumerate(sizes)]
            yield Batch(cube, nodes, taken(points, plan.order[start:end]))
            done += end - start
            writing.progress(begin + (1 - begin) * done / total)
    if cube is None:
        return
    for key in sorted(above):
        writing.cancel.check()
        points = joined(above.pop(key))
        yield Batch(cube, [Node(key, len(points))], points)
        done += len(points)
        writing.progress(begin + (1 - begin) * done / total)


def _groups(starts: np.ndarray, first: int) -> Iterator[tuple[int, int]]:
    """Runs of nodes of about a batch's points each."""
    last = len(starts) - 1
    while first < last:
        end = int(np.searchsorted(starts, starts[first] + _BATCH_POINTS, side="right")) - 1
        end = min(max(end, first + 1), last)
        yield first, end
        first = end
