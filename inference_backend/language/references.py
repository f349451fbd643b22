"""Search among the far ends of relations: which is nearest, what lies within a distance, what lies on them."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import STRtree

# A road network is one polygon of many thousand vertices: in pieces, each question looks at a few of them.
_PIECE_VERTICES = 256
# All pairs within a small distance are found ten times faster than each one's nearest; of a large one there are too many.
_MOST_PAIRS = 1_000_000


class References:
    """Shapes that others stand in relation to, in pieces for search. `own` (N,) says which one each thing is, or -1."""

    def __init__(self, shapes: np.ndarray, own: np.ndarray) -> None:
        self.shapes = shapes
        self.own = own
        self._exclusive = bool((own >= 0).any())
        if self._exclusive:
            # A piece of a thing would not be known as the thing itself.
            self.pieces, self.owner = shapes, np.arange(len(shapes))
        else:
            self.pieces, self.owner = subdivide(shapes)
        self.tree = STRtree(self.pieces)

    def nearest(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(distance, piece) of the nearest reference of each shape; inf and -1 where there is none."""
        distance, piece = np.full(len(shapes), np.inf), np.full(len(shapes), -1)
        if len(self.pieces) and len(shapes):
            (index, found), away = self.tree.query_nearest(
                shapes, return_distance=True, all_matches=False, exclusive=self._exclusive
            )
            distance[index], piece[index] = away, found
        return distance, piece

    def within(self, shapes: np.ndarray, limit: np.ndarray) -> np.ndarray:
        """Whether a reference other than itself lies within `limit` (N,) of each shape: bool (N,)."""
        limit = limit * (1 + 1e-12)
        if self._pairs(limit) > _MOST_PAIRS:
            return self.nearest(shapes)[0] <= limit
        found = np.zeros(len(shapes), bool)
        thing, piece = self.tree.query(shapes, predicate="dwithin", distance=limit)
        found[thing[self.owner[piece] != self.own[thing]]] = True
        return found

    def _pairs(self, limit: np.ndarray) -> float:
        """About how many pairs lie within the limits, were the pieces spread evenly."""
        x0, y0, x1, y1 = shapely.total_bounds(self.pieces)
        per_area = len(self.pieces) / max((x1 - x0) * (y1 - y0), 1e-12)
        return float((np.minimum(per_area * np.pi * limit**2, len(self.pieces))).sum())

    def area_within(self, shapes: np.ndarray) -> np.ndarray:
        """Share of each shape's area that lies on the references, itself aside."""
        covered = np.zeros(len(shapes))
        thing, piece = self.tree.query(shapes, predicate="intersects")
        other = self.owner[piece] != self.own[thing]
        thing, piece = thing[other], piece[other]
        np.add.at(
            covered, thing, shapely.area(shapely.intersection(shapes[thing], self.pieces[piece]))
        )
        return covered / np.maximum(shapely.area(shapes), 1e-12)


def subdivide(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint pieces of at most 256 vertices or so, and the index of the shape that each is of."""
    pieces, owners = [], []
    stack = [(shape, index, 0) for index, shape in enumerate(shapes)][::-1]
    while stack:
        shape, index, depth = stack.pop()
        if depth == 0 and not shape.is_valid:
            shape = shapely.make_valid(shape)
        if shapely.get_num_coordinates(shape) <= _PIECE_VERTICES or depth > 24:
            pieces.append(shape)
            owners.append(index)
            continue
        x0, y0, x1, y1 = shape.bounds
        if x1 - x0 > y1 - y0:
            halves = (x0, y0, (x0 + x1) / 2, y1), ((x0 + x1) / 2, y0, x1, y1)
        else:
            halves = (x0, y0, x1, (y0 + y1) / 2), (x0, (y0 + y1) / 2, x1, y1)
        for half in halves:
            part = shapely.intersection(shape, shapely.box(*half))
            if not part.is_empty:
                stack.append((part, index, depth + 1))
    return np.array(pieces, dtype=object), np.array(owners, dtype=int)
