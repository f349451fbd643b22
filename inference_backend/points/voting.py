"""One answer a point out of blocks that overlap: the weighted mean of what each of them says.

A point is answered as soon as every block that sees it has been; only points near the border of a core wait.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.points.blocks import BlockPoints
from inference_backend.points.tile_records import MM, Tile
from inference_backend.points.tiles import TileStore


@dataclass(frozen=True)
class Vote:
    """Final answers: `index` int64 (N,), `xyz_m` float64 (N, 3) metric frame, `hag_m` float32, `probability` float32 (N, K)."""

    index: np.ndarray
    xyz_m: np.ndarray
    hag_m: np.ndarray
    probability: np.ndarray


@dataclass
class _Waiting:
    """A tile whose border points still miss answers: its own, and rows of (index, weight, probability) of others."""

    blocks: set[int]
    own: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None
    others: list[tuple[np.ndarray, np.ndarray, np.ndarray]]


class Voting:
    """Collects the answers of all tiles of a store, in any order; memory follows what waits."""

    def __init__(self, store: TileStore, halo_m: float) -> None:
        self._store = store
        self._halo_m = halo_m
        self._waiting: dict[int, _Waiting] = {}
        self._done: set[int] = set()

    def add(self, tile: Tile, block: BlockPoints, probability: np.ndarray) -> list[Vote]:
        """Take the answer (N, K) of a tile's block; returns the points whose answer is now final."""
        if block.owner is None or block.weight is None:
            raise ValueError("the block comes from no TileStore")
        neighbours = self._store.neighbours(tile, self._halo_m)
        inner = block.core & self._alone(tile, block)
        votes = [_vote(block, inner, probability[inner].astype(np.float32))]
        border = np.flatnonzero(block.core & ~inner)
        place = self._place(tile)
        place.own = (
            block.index[border],
            block.xyz_m[border].astype(np.float64) + np.array(block.corner_m),
            block.hag_m[border],
            probability[border].astype(np.float16),
        )
        by_owner = np.argsort(block.owner, kind="stable")
        for other in neighbours:
            ends = np.searchsorted(block.owner[by_owner], [other.id, other.id + 1])
            rows = by_owner[ends[0] : ends[1]]
            rows = rows[block.weight[rows] > 0]
            if len(rows):
                self._place(other).others.append(
                    (block.index[rows], block.weight[rows], probability[rows].astype(np.float16))
                )
        for reached in (tile, *neighbours):
            waiting = self._place(reached)
            waiting.blocks.discard(tile.id)
            if not waiting.blocks:
                votes.append(_settle(self._waiting.pop(reached.id)))
                self._done.add(reached.id)
        return [vote for vote in votes if len(vote.index)]

    def rest(self) -> list[Vote]:
        """What still waits, with the answers there are (after an early end)."""
        votes = [_settle(place) for place in self._waiting.values() if place.own is not None]
        self._waiting.clear()
        return [vote for vote in votes if len(vote.index)]

    @property
    def waiting_points(self) -> int:
        """Points that wait for more answers."""
        return sum(0 if p.own is None else len(p.own[0]) for p in self._waiting.values())

    def _place(self, tile: Tile) -> _Waiting:
        if tile.id not in self._waiting:
            near = self._store.neighbours(tile, self._halo_m)
            self._waiting[tile.id] = _Waiting({tile.id, *(other.id for other in near)}, None, [])
        return self._waiting[tile.id]

    def _alone(self, tile: Tile, block: BlockPoints) -> np.ndarray:
        """bool (N,): so deep in the core that no other block reaches the point."""
        inner = block.xyz_m[:, :2] - np.float32(2 * self._halo_m)
        room = np.float32(tile.side_m - 2 * self._halo_m)
        # A millimetre more than needed: float32 rounds, and a point that another block sees must wait for it.
        return ((inner > MM) & (inner < room - MM)).all(axis=1)


def _vote(block: BlockPoints, rows: np.ndarray, probability: np.ndarray) -> Vote:
    xyz = block.xyz_m[rows].astype(np.float64) + np.array(block.corner_m)
    return Vote(block.index[rows], xyz, block.hag_m[rows], probability)


def _settle(place: _Waiting) -> Vote:
    if place.own is None:
        raise RuntimeError("a tile was settled before its own block was answered")
    index, xyz, hag, own = place.own
    total = own.astype(np.float32)
    weight = np.ones(len(index), np.float32)
    order = np.argsort(index, kind="stable")
    for other_index, other_weight, probability in place.others:
        rows = order[np.searchsorted(index[order], other_index)]
        total[rows] += other_weight[:, None] * probability
        weight[rows] += other_weight
    return Vote(index, xyz, hag, total / weight[:, None])
