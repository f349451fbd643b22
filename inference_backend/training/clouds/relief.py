"""A city as a scanner sees it: one opaque surface, and layers of things that hang, stand thin, or let light through.

Everything lies on a grid of 0.25 m cells, row 0 at the lowest y, heights in metres. A layer has one interval a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from inference_backend.training.clouds.leaves import ID

CELL_M = 0.25
EMPTY = np.float32(-1e6)
OPAQUE = np.float32(1e4)
_THIN_LAYERS = 4


@dataclass
class Layer:
    """One interval of height a cell: `bottom` to `top` (EMPTY where there is none), leaf, extinction 1/m."""

    bottom: np.ndarray
    top: np.ndarray
    leaf: np.ndarray
    extinction: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Layer:
        return cls(
            np.full(shape, EMPTY, np.float32),
            np.full(shape, EMPTY, np.float32),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.float32),
        )

    def put(
        self,
        where: tuple,
        bottom: np.ndarray | float,
        top: np.ndarray | float,
        leaf: int,
        extinction: np.ndarray | float,
    ) -> None:
        """Write an interval at `where` (anything that indexes the grid)."""
        self.bottom[where] = bottom
        self.top[where] = top
        self.leaf[where] = leaf
        self.extinction[where] = extinction


@dataclass
class Relief:
    """The layers of one city.

    `ground` is the bare earth (bed level of water is its surface); `top` and `leaf` are the opaque surface, `side_leaf`
    is what a ray hits that comes in below an edge of it. `albedo` is 0 to 1.
    """

    ground: np.ndarray
    top: np.ndarray
    leaf: np.ndarray
    side_leaf: np.ndarray
    albedo: np.ndarray
    slab: Layer
    low: Layer
    crown: Layer
    thin: list[Layer] = field(default_factory=list)

    @classmethod
    def over(cls, ground: np.ndarray, leaf: np.ndarray) -> Relief:
        """Bare ground."""
        shape = ground.shape
        ground = ground.astype(np.float32)
        return cls(
            ground,
            ground.copy(),
            leaf.copy(),
            leaf.copy(),
            np.full(shape, 0.5, np.float32),
            Layer.empty(shape),
            Layer.empty(shape),
            Layer.empty(shape),
            [Layer.empty(shape) for _ in range(_THIN_LAYERS)],
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.ground.shape

    @property
    def side_m(self) -> float:
        return self.ground.shape[1] * CELL_M

    @property
    def layers(self) -> list[Layer]:
        """Every layer but the opaque surface, the thin ones last."""
        return [self.slab, self.crown, self.low, *self.thin]

    def solid(
        self,
        rows: np.ndarray,
        cols: np.ndarray,
        top: np.ndarray | float,
        leaf: int | np.ndarray,
        side: int | None = None,
    ) -> None:
        """Raise the opaque surface at cells to `top`."""
        self.top[rows, cols] = top
        self.leaf[rows, cols] = leaf
        self.side_leaf[rows, cols] = leaf if side is None else side

    def inside(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """bool: which cells exist."""
        height, width = self.shape
        return (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)

    def ground_at(self, x_m: np.ndarray | float, y_m: np.ndarray | float) -> np.ndarray:
        """Bare earth at places, of the nearest cell of the city."""
        rows, cols = cell_of(x_m, y_m)
        height, width = self.shape
        return self.ground[np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)]

    def thread(
        self,
        xyz: np.ndarray,
        half_m: float | np.ndarray,
        leaf: str,
        extinction: float,
    ) -> None:
        """Hang thin things: each point (N, 3) fills its cell from z - `half_m` to z + `half_m`."""
        rows, cols = cell_of(xyz[:, 0], xyz[:, 1])
        keep = self.inside(rows, cols)
        half = np.broadcast_to(half_m, keep.shape)[keep]
        rows, cols, z = rows[keep], cols[keep], xyz[keep, 2]
        self.stand(rows, cols, z - half, z + half, leaf, extinction)

    def stand(
        self,
        rows: np.ndarray,
        cols: np.ndarray,
        bottom: np.ndarray,
        top: np.ndarray,
        leaf: str,
        extinction: float,
    ) -> None:
        """Intervals in the first thin layer that is free there; a cell named twice fills two layers."""
        code = ID[leaf]
        for layer in self.thin:
            if not len(rows):
                return
            flat = rows.astype(np.int64) * self.shape[1] + cols
            _, first = np.unique(flat, return_index=True)
            free = np.zeros(len(rows), bool)
            free[first] = layer.top[rows[first], cols[first]] <= EMPTY
            # What one cell already holds of the same thing need not be held twice.
            held = (
                (layer.leaf[rows, cols] == code)
                & (layer.top[rows, cols] >= top)
                & (layer.bottom[rows, cols] <= bottom)
            )
            take = free & ~held
            layer.put((rows[take], cols[take]), bottom[take], top[take], code, extinction)
            held = (
                (layer.leaf[rows, cols] == code)
                & (layer.top[rows, cols] >= top - 0.3)
                & (layer.bottom[rows, cols] <= bottom + 0.3)
            )
            left = ~held
            rows, cols, bottom, top = rows[left], cols[left], bottom[left], top[left]


def cell_of(x_m: np.ndarray | float, y_m: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (int64) of places; they may lie outside."""
    rows = np.floor(np.asarray(y_m) / CELL_M).astype(np.int64)
    cols = np.floor(np.asarray(x_m) / CELL_M).astype(np.int64)
    return rows, cols
