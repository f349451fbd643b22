"""Where a model looks when it searches a raster for words: at which ground resolution, and on which tiles.

Tiles lie on a grid that begins at the raster's first pixel at every resolution, never at the area asked for, so that the
answer at a place is the same whatever else was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

OVERLAP = 0.125
"""Share of a tile that its neighbour sees too: less, and things at an edge lack their surroundings. On mosaics of labelled
photos and on generated suburbs an eighth is as good as a fifth (IoU within 0.002), at three quarters of the tiles."""
NEARLY_NATIVE = 1.2
"""Below this ratio resampling would blur more than it would save."""
MOST_ENLARGED = 2.0
"""Beyond this an enlarged raster is a blur that the network never met."""
NEARLY_WHOLE = 0.1
"""A ratio this near to a whole number becomes it: whole pixels are averaged, which is sharper and faster."""
MOST_SENTENCE_GSD_M = 1.0
"""Coarser than this, single things can no longer be told from their surroundings."""
_LEAST_SENTENCE_SCALE = 0.3
"""The same for a raster without ground resolution, for which 0.3 m is a fair guess."""
PANEL_TILES = 32
"""Wider rasters are searched in panels of so many tiles, so that memory does not grow with the width."""


def working_scale(native_gsd_m: float | None, seen_gsd_m: float) -> float:
    """Network pixels a source pixel for a thing that is still seen well at `seen_gsd_m`.

    A coarser raster is enlarged, at most MOST_ENLARGED times: it shows no more then, but things have the size at which
    the network knows them (trees on 0.5 m orthophotos: IoU 0.54 against 0.49). Without ground resolution: one to one.
    """
    if not native_gsd_m:
        return 1.0
    ratio = seen_gsd_m / native_gsd_m
    if 1 / NEARLY_NATIVE < ratio < NEARLY_NATIVE:
        return 1.0
    if ratio < 1:
        return min(1 / ratio, MOST_ENLARGED)
    whole = round(ratio)
    return 1.0 / (whole if abs(ratio - whole) <= NEARLY_WHOLE * whole else ratio)


@dataclass(frozen=True)
class TileGrid:
    """Tiles of `tile_px` network pixels over `width` x `height` network pixels, `scale` a source pixel.

    They begin at `origin` (source pixels): the raster's first pixel, or that of a view that is looked at as a whole.
    """

    scale: float
    width: int
    height: int
    tile_px: int
    origin: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def over(cls, width: float, height: float, scale: float, tile_px: int) -> TileGrid:
        """The grid for a raster of `width` x `height` source pixels."""
        across, down = (max(1, int(np.ceil(side * scale - 1e-6))) for side in (width, height))
        return cls(scale, across, down, tile_px)

    @property
    def overlap_px(self) -> int:
        return round(self.tile_px * OVERLAP / 8) * 8

    @property
    def inset_px(self) -> int:
        """So wide is a tile's edge that does not count, for lack of surroundings; the raster's own edges do."""
        return self.overlap_px // 4

    @property
    def tile_cols(self) -> tuple[int, ...]:
        """First column of each tile."""
        return _offsets(self.width, self.tile_px, self.tile_px - self.overlap_px)

    @property
    def tile_rows(self) -> tuple[int, ...]:
        """First row of each tile."""
        return _offsets(self.height, self.tile_px, self.tile_px - self.overlap_px)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """(rows, columns) of every tile: a raster smaller than a tile is one tile of its own size."""
        return min(self.tile_px, self.height), min(self.tile_px, self.width)

    def placed(self, transform: Affine) -> Affine:
        """Network pixels to the source frame, for a source with this transform."""
        return transform * Affine.translation(*self.origin) * Affine.scale(1 / self.scale)

    def from_source(self, geometry: BaseGeometry) -> BaseGeometry:
        """A shape of the source's pixel frame in network pixels."""
        col0, row0 = self.origin
        scale = self.scale
        return affine_transform(geometry, [scale, 0, 0, scale, -col0 * scale, -row0 * scale])

    def window(self, col: int, row: int) -> tuple[float, float, float, float]:
        """(col0, row0, cols, rows) in source pixels of the tile that begins at (`col`, `row`)."""
        rows, cols = self.tile_shape
        col0, row0 = self.origin
        scale = self.scale
        return col0 + col / scale, row0 + row / scale, cols / scale, rows / scale

    def touched(self, area_px: BaseGeometry | None) -> list[tuple[int, list[int]]]:
        """(first row, first columns) of the tiles that meet `area_px` (network pixels), row by row; None is all."""
        rows, cols = self.tile_shape
        firsts = np.array(self.tile_cols)
        if area_px is None:
            return [(row, list(self.tile_cols)) for row in self.tile_rows]
        shapely.prepare(area_px)
        left, right = self._counted(firsts, cols, self.width)
        found = []
        for row in self.tile_rows:
            top, bottom = self._counted(np.array([row]), rows, self.height)
            boxes = shapely.box(left, top, right, bottom)
            hit = firsts[shapely.intersects(area_px, boxes)]
            if len(hit):
                found.append((row, hit.tolist()))
        return found

    def _counted(self, firsts: np.ndarray, side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """First and last line of the tiles' parts that count."""
        ends = firsts + side
        return (
            np.where(firsts > 0, firsts + self.inset_px, 0),
            np.where(ends < size, ends - self.inset_px, size),
        )

    def weight(self, col: int, row: int) -> np.ndarray:
        """float32 (rows, cols) of the tile that begins there: 1 in its middle, falling smoothly to 0 at the inset."""
        rows, cols = self.tile_shape
        inset, flank = self.inset_px, self.overlap_px - 2 * self.inset_px
        down = _ramp(rows, inset, flank, row > 0, row + rows < self.height)
        across = _ramp(cols, inset, flank, col > 0, col + cols < self.width)
        return np.outer(down, across)

    def panels(self, touched: list[tuple[int, list[int]]]) -> Iterator[tuple[int, int]]:
        """Ranges of columns [first, end) that are searched one after the other, each from top to bottom.

        Cut at multiples of the panel's width, so that they do not depend on the area either.
        """
        if not touched:
            return
        first = min(cols[0] for _, cols in touched)
        end = max(cols[-1] for _, cols in touched) + self.tile_shape[1]
        width = PANEL_TILES * (self.tile_px - self.overlap_px)
        cuts = [cut for cut in range(width, self.width, width) if first < cut < end]
        edges = [first, *cuts, end]
        yield from zip(edges[:-1], edges[1:])


def view_grid(
    native_gsd_m: float | None,
    scale: float,
    bounds_px: tuple[float, float, float, float],
    tile_px: int,
) -> TileGrid | None:
    """One tile for a sentence that speaks of a view ("the car left of the house"), where the view fits on one.

    `scale` is the one at which the thing itself is seen well; None where the view is too large to be seen whole.
    """
    x0, y0, x1, y1 = bounds_px
    side = max(x1 - x0, y1 - y0, 1.0)
    whole = min(scale, tile_px / side)
    least = native_gsd_m / MOST_SENTENCE_GSD_M if native_gsd_m else _LEAST_SENTENCE_SCALE
    if whole < min(least, scale):
        return None
    found = TileGrid.over(x1 - x0, y1 - y0, whole, tile_px)
    return TileGrid(whole, found.width, found.height, tile_px, (x0, y0))


def _offsets(size: int, tile: int, step: int) -> tuple[int, ...]:
    """Multiples of `step`; the last tile is moved back so that it ends with the raster and lacks no surroundings."""
    if size <= tile:
        return (0,)
    count = -(-(size - tile) // step)
    return (*range(0, count * step, step), size - tile)


def _ramp(size: int, inset: int, flank: int, before: bool, after: bool) -> np.ndarray:
    """float32 (size,): a flat top, and flanks of a squared sine where there is a neighbour `before` or `after`.

    With the flank of the neighbour's other side they sum to one.
    """
    rise = np.sin(np.pi / 2 * (np.arange(flank) + 0.5) / flank) ** 2
    weight = np.ones(size, np.float32)
    if before:
        weight[:inset] = 0
        weight[inset : inset + flank] = rise
    if after:
        weight[size - inset :] = 0
        weight[size - inset - flank : size - inset] *= rise[::-1]
    return weight
