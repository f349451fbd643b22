"""The octree of COPC and EPT: a cube, nodes that hold one point a cell, leaves that hold what is left.

Arrays in, arrays out. A tile (a node of some depth) is sorted by Morton code once; then each level is a run of equal
prefixes. What the levels above the tile take is found in the tile alone: their cells nest in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Cells along a node's side, as EPT's "span": about 20,000 points in a node of a surveyed city.
SPAN = 128
_SPAN_BITS = 7
# A node with no more points than this has no children: few enough to draw at once, enough to keep files few.
LEAF_POINTS = 40_000
# Bits an axis of a Morton code within a tile: three times 21 fit 63 bits.
_BITS = 21
# Below a tile of depth D there are nodes down to D + 14: their cells are the finest that the code tells apart.
LEVELS_BELOW = _BITS - _SPAN_BITS
# COPC numbers nodes in 32 bits.
_LAST_LEVEL = 30

NodeKey = tuple[int, int, int, int]


@dataclass(frozen=True)
class Cube:
    """The root node: least corner and side in the source frame, and how integers become coordinates."""

    corner: tuple[float, float, float]
    side: float
    scales: tuple[float, float, float]
    offsets: tuple[float, float, float]

    @property
    def spacing(self) -> float:
        """Between the points of the root, in the source frame."""
        return self.side / SPAN

    @property
    def bounds(self) -> list[float]:
        """minx, miny, minz, maxx, maxy, maxz."""
        return [*self.corner, *(low + self.side for low in self.corner)]

    def cells(self, points: np.ndarray, depth: int) -> list[np.ndarray]:
        """x, y, z numbers int64 (N,) of the cells of side / 2^depth that `points` (X, Y, Z) lie in."""
        count, found = 1 << depth, []
        for axis, name in enumerate("XYZ"):
            # Coordinates first, as readers reckon: a point on a border is on the same side for them.
            place = points[name] * self.scales[axis]
            place += self.offsets[axis]
            place -= self.corner[axis]
            place *= count / self.side
            # Truncated: what lies before the corner is in the first cell anyway.
            cell = place.astype(np.int64)
            found.append(np.clip(cell, 0, count - 1, out=cell))
        return found


def cube_of(
    least: Sequence[float],
    most: Sequence[float],
    scales: Sequence[float],
    offsets: Sequence[float],
) -> Cube:
    """The smallest cube at the least corner of these bounds (x, y, z in the source frame).

    Not around their middle: copclib takes the header's least corner and longest side for the root, whatever the file says.
    """
    grain = max(float(scale) for scale in scales)
    side = max(float(high - low) for low, high in zip(least, most, strict=True))
    return Cube(_triple(least), max(side, grain), _triple(scales), _triple(offsets))


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def taken(points: np.ndarray, order: np.ndarray) -> np.ndarray:
    """points[order] of structured points: as plain bytes, ten times faster than field by field."""
    plain = np.dtype(f"V{points.dtype.itemsize}")
    return points.view(plain).take(order).view(points.dtype)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Structured points of one dtype, one after the other, as plain bytes as well."""
    if len(parts) == 1:
        return parts[0]
    plain = np.dtype(f"V{parts[0].dtype.itemsize}")
    return np.concatenate([part.view(plain) for part in parts]).view(parts[0].dtype)


@dataclass(frozen=True)
class NodePlan:
    """`order` int64 (N,) puts a tile's points into its nodes: node i holds order[starts[i]:starts[i + 1]], in input order."""

    keys: list[NodeKey]
    starts: np.ndarray
    order: np.ndarray


@dataclass
class CoarseCells:
    """Cells of levels so coarse that a cell holds whole tiles: which of them have given their point already."""

    taken: set[tuple[int, int, int, int]] = field(default_factory=set)

    def take(self, level: int, tile: NodeKey) -> bool:
        """Whether the cell of `level` that holds `tile` is still without a point; it then has one."""
        shift = tile[0] - level - _SPAN_BITS
        cell = (level, tile[1] >> shift, tile[2] >> shift, tile[3] >> shift)
        if cell in self.taken:
            return False
        self.taken.add(cell)
        return True


def plan_nodes(points: np.ndarray, cube: Cube, tile: NodeKey, coarse: CoarseCells) -> NodePlan:
    """The nodes of the points (X, Y, Z) of `tile`, the nodes above it first: each point in exactly one."""
    codes = _morton_in_tile(points, cube, tile)
    by_code = np.argsort(codes)
    codes = codes[by_code]
    depth = tile[0]
    rank = np.zeros(len(points), np.int32)
    left = np.arange(len(points))
    keys: list[NodeKey] = []
    level = 0
    while len(left):
        last = level >= min(depth + LEVELS_BELOW, _LAST_LEVEL)
        nodes, starts = _node_runs(codes, level, depth)
        chosen = _chosen(codes, level, tile, starts, last, coarse)
        taken = np.add.reduceat(chosen, starts)
        used = taken > 0
        number = np.cumsum(used) - 1 + len(keys)
        counts = np.diff(np.append(starts, len(codes)))
        rank[left[chosen]] = np.repeat(number, counts)[chosen]
        keys += [_key(int(node), level, tile) for node in nodes[used]]
        keep = ~chosen
        left, codes = left[keep], codes[keep]
        level += 1
    in_order = np.empty(len(points), np.int32)
    in_order[by_code] = rank
    # Sixteen bits are sorted by their digits, in one pass each.
    narrow = in_order.astype(np.uint16) if len(keys) <= 0xFFFF else in_order
    order = np.argsort(narrow, kind="stable")
    sizes = np.bincount(in_order, minlength=len(keys))
    return NodePlan(keys, np.concatenate([[0], np.cumsum(sizes)]), order)


def _node_runs(codes: np.ndarray, level: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """(number within the tile, where it starts in the sorted codes) of each node; above the tile there is one."""
    if level <= depth:
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    nodes = codes >> (3 * (_BITS - (level - depth)))
    starts = _starts(nodes)
    return nodes[starts], starts


def _chosen(
    codes: np.ndarray,
    level: int,
    tile: NodeKey,
    starts: np.ndarray,
    last: bool,
    coarse: CoarseCells,
) -> np.ndarray:
    """bool (N,): the points that stay at this level: one a cell, all of a leaf."""
    depth = tile[0]
    bits = level + _SPAN_BITS - depth
    if bits < 0:
        chosen = np.zeros(len(codes), bool)
        chosen[len(codes) // 2] = coarse.take(level, tile)
        return chosen
    if last:
        return np.ones(len(codes), bool)
    cells = _starts(codes >> (3 * (_BITS - bits)))
    ends = np.append(cells[1:], len(codes))
    chosen = np.zeros(len(codes), bool)
    # The middle of a run: its first would always be the lowest corner of the cell.
    chosen[(cells + ends) // 2] = True
    if level >= depth:
        counts = np.diff(np.append(starts, len(codes)))
        small = counts <= LEAF_POINTS
        if small.any():
            chosen |= np.repeat(small, counts)
    return chosen


def _starts(runs: np.ndarray) -> np.ndarray:
    """Where runs of equal numbers begin."""
    first = np.empty(len(runs), bool)
    first[0] = True
    np.not_equal(runs[1:], runs[:-1], out=first[1:])
    return np.flatnonzero(first)


def _morton_in_tile(points: np.ndarray, cube: Cube, tile: NodeKey) -> np.ndarray:
    """int64 (N,): the bits of x, y and z in turn, z's the highest of three, as COPC numbers children."""
    depth, least = tile[0], tile[1:]
    most = (1 << _BITS) - 1
    code = np.zeros(len(points), np.int64)
    for axis, cell in enumerate(cube.cells(points, depth + _BITS)):
        cell -= least[axis] << _BITS
        np.clip(cell, 0, most, out=cell)
        code |= _spread(cell) << axis
    return code


def _spread(value: np.ndarray) -> np.ndarray:
    """Two zero bits before each of 21 bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        value = (value | (value << shift)) & mask
    return value


def _key(node: int, level: int, tile: NodeKey) -> NodeKey:
    depth, least = tile[0], tile[1:]
    if level <= depth:
        up = depth - level
        return level, least[0] >> up, least[1] >> up, least[2] >> up
    down = level - depth
    found = [0, 0, 0]
    for bit in range(down):
        for axis in range(3):
            found[axis] |= ((node >> (3 * bit + axis)) & 1) << bit
    x, y, z = ((least[axis] << down) | found[axis] for axis in range(3))
    return level, x, y, z
