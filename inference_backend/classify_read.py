"""The first two passes: every point read once, onto tiles and rasters of the whole cloud; then the ground under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from inference_backend.cancel import CancelToken
from inference_backend.classify_ahead import ahead, patient
from inference_backend.classify_progress import Passes
from inference_backend.classify_request import Extent
from inference_backend.errors import InvalidInput
from inference_backend.points.blocks import Surroundings
from inference_backend.points.cloud import Bounds2D, Chunk, PointCloud
from inference_backend.points.context import ContextGrid
from inference_backend.points.density import density_per_m2, grid_for, halve
from inference_backend.points.ground import filter_ground
from inference_backend.points.intensity import IntensityRanks
from inference_backend.points.metric import MetricFrame
from inference_backend.points.surface import SurfaceGrid
from inference_backend.points.tile_records import tile_sizes
from inference_backend.points.tiles import MAX_TILE_POINTS, TileStore

LEAST_DENSITY = 0.02
"""First returns a square metre: fewer than one in 50 m2 show no thing as large as a house."""
MARGIN_M = 64.0
"""So far beyond an extent points are read, so that what lies in it is told as if all had been read."""
# A chunk of this many points takes a third of a second to pass through: a cancel is seen soon.
_CHUNK = 400_000

# Of airborne returns, before any was read; then how much denser than usual a tile may be, and the fewest that are split.
_FIRST_SHARE, _DENSER, _LEAST_SPLIT = 0.8, 2.5, 150_000
# What is so far from the rest, and so few, is no part of what was surveyed.
_STRAY_CELL_M, _STRAY_SHARE = 64.0, 1e-3
_LOOK_CELLS = 2000


@dataclass
class Gathered:
    """A cloud after it was read. `count` points were read, `inside` of them lie in the extent (metric frame; None: all).

    `density` first returns a square metre; `halo_m` how far a block sees its neighbours.
    """

    frame: MetricFrame
    around: Surroundings
    store: TileStore
    count: int
    inside: int
    density: float
    halo_m: float
    extent_m: Bounds2D | None = None
    warnings: tuple[str, ...] = ()


def read_bounds(cloud: PointCloud, extent: Extent | None) -> Bounds2D | None:
    """What is read for an extent, source frame; None for everything. Raises InvalidInput where no point can lie in it."""
    if extent is None:
        return None
    xmin, ymin, _, xmax, ymax, _ = cloud.info.bounds_source
    if extent[0] > xmax or extent[1] > ymax or extent[2] < xmin or extent[3] < ymin:
        raise InvalidInput(
            f"The extent lies outside the cloud, which reaches from {xmin:.10g}, {ymin:.10g} to {xmax:.10g}, {ymax:.10g}; "
            "give it in the cloud's CRS."
        )
    margin = MARGIN_M / cloud.info.xy_unit_m
    return extent[0] - margin, extent[1] - margin, extent[2] + margin, extent[3] + margin


def likely_count(cloud: PointCloud, extent: Extent | None) -> int:
    """At most so many points are read, unless the extent is far denser than the rest. Raises InvalidInput as `read_bounds`."""
    bounds = read_bounds(cloud, extent)
    if bounds is None:
        return cloud.info.count
    xmin, ymin, _, xmax, ymax, _ = cloud.info.bounds_source
    wide = max(min(bounds[2], xmax) - max(bounds[0], xmin), 0)
    high = max(min(bounds[3], ymax) - max(bounds[1], ymin), 0)
    share = wide * high / max((xmax - xmin) * (ymax - ymin), 1e-9)
    return int(cloud.info.count * min(1.0, _DENSER * share))


def check_cloud(cloud: PointCloud) -> None:
    """Raise InvalidInput for what can be known of a useless cloud from its header."""
    info, name = cloud.info, cloud.info.path.name
    if not info.count:
        raise InvalidInput(f"'{name}' holds no points; there is nothing to classify.")
    low, high = np.array(info.bounds_source[:3]), np.array(info.bounds_source[3:])
    if (low == high).all():
        raise InvalidInput(
            f"All {info.count:,} points of '{name}' lie at one place; there is nothing to classify."
        )


class Reader:
    """Reads one cloud into a folder."""

    def __init__(self, cloud: PointCloud, passes: Passes, cancel: CancelToken) -> None:
        self._cloud, self._passes, self._cancel = cloud, passes, cancel
        info = cloud.info
        self.frame = MetricFrame.of(info.bounds_source, info.xy_unit_m, info.z_unit_m)

    def gather(self, folder: Path, extent: Extent | None) -> Gathered:
        """Both passes. Raises InvalidInput, Cancelled, OSError."""
        tile_m, _ = tile_sizes(grid_for(_FIRST_SHARE * self._density_over_bounds()))
        bounds = read_bounds(self._cloud, extent)
        bounds_m = self._bounds_m(bounds)
        if extent is None and self._density_over_bounds() < LEAST_DENSITY:
            self._look_for_strays()
        self._grid, self._ranks = SurfaceGrid(bounds_m), IntensityRanks()
        self._context = ContextGrid(bounds_m)
        store = TileStore(folder, bounds_m, tile_m)
        count = inside = 0
        # Closed before the cloud is: a reader that is at work cannot be.
        with closing(self._chunks(bounds)) as chunks:
            for chunk in chunks:
                self._add(chunk, store)
                count += len(chunk)
                inside += len(chunk) if extent is None else int(_within(chunk, extent).sum())
                share = (int(chunk.index[-1]) + 1) / self._cloud.info.count
                self._passes.tell(share, f"Reading {count:,} of {self._cloud.info.count:,} points")
        self._check(inside)
        self._passes.enter("ground", "Finding the ground")
        density, around = self._surroundings(count)
        core_m, halo_m = tile_sizes(grid_for(density))
        # All returns of a usual core, and twice as many where it is denser than elsewhere.
        fullest = _DENSER * core_m**2 * count / self._covered_m2
        store.max_points = int(np.clip(fullest, _LEAST_SPLIT, MAX_TILE_POINTS))
        store.finish()
        self._cancel.check()
        extent_m = None if extent is None else self._metric(extent)
        dropped = (
            f"{store.dropped:,} points have coordinates that are no numbers; they are unclassified."
        )
        return Gathered(
            self.frame,
            around,
            store,
            count,
            inside,
            density,
            halo_m,
            extent_m,
            (dropped,) if store.dropped else (),
        )

    def _add(self, chunk: Chunk, store: TileStore) -> None:
        x, y, z = self.frame.to_metric(chunk.x, chunk.y, chunk.z)
        returns, of = chunk.return_number, chunk.number_of_returns
        self._grid.add(x, y, z, returns <= 1)
        self._ranks.add(chunk.intensity)
        self._context.add(x, y, z, returns, of)
        store.add(chunk.index, x, y, z, chunk.intensity, returns, of, chunk.rgb)

    def _surroundings(self, count: int) -> tuple[float, Surroundings]:
        """(first returns a square metre, ground and what else is known of the whole). Raises InvalidInput."""
        grid = self._grid
        low = grid.low()
        self._covered_m2 = max(float(np.isfinite(low).sum()) * grid.cell_m**2, 1e-9)
        density = density_per_m2(grid.count(), grid.cell_m) or count / self._covered_m2
        if density < LEAST_DENSITY:
            raise InvalidInput(_too_sparse(self._cloud.info.path.name, count, count / density))
        self._cancel.check()
        ground = patient(
            lambda: filter_ground(low, grid.cell_m, corner_m=grid.corner_m), self._cancel
        )
        self._context.finish(ground)
        return density, Surroundings(ground, self._ranks, self._context)

    def _density_over_bounds(self) -> float:
        xmin, ymin, xmax, ymax = self.frame.bounds_m
        return self._cloud.info.count / max((xmax - xmin) * (ymax - ymin), 1.0)

    def _metric(self, bounds: Bounds2D) -> Bounds2D:
        x, y, _ = self.frame.to_metric(np.array(bounds[::2]), np.array(bounds[1::2]), np.zeros(2))
        return float(x[0]), float(y[0]), float(x[1]), float(y[1])

    def _chunks(self, bounds: Bounds2D | None) -> Iterator[Chunk]:
        return ahead(self._cloud.chunks(_CHUNK, bounds, self._cancel))

    def _bounds_m(self, bounds: Bounds2D | None) -> Bounds2D:
        """Of what is read, on the grid of the whole cloud: cells do not shift with the extent."""
        whole = self.frame.bounds_m
        if bounds is None:
            return whole
        wanted = self._metric(bounds)
        low = [max(whole[a] + np.floor((wanted[a] - whole[a]) / 8) * 8, whole[a]) for a in (0, 1)]
        high = [min(wanted[a], whole[a]) for a in (2, 3)]
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def _look_for_strays(self) -> None:
        """Before any large raster is made: bounds so wide for so few points come from strays, or from a wrong unit.

        Raises InvalidInput.
        """
        xmin, ymin, xmax, ymax = self.frame.bounds_m
        cell_m = max(_STRAY_CELL_M, (xmax - xmin) / _LOOK_CELLS, (ymax - ymin) / _LOOK_CELLS)
        shape = int((ymax - ymin) / cell_m) + 1, int((xmax - xmin) / cell_m) + 1
        counts = np.zeros(shape[0] * shape[1])
        with closing(self._chunks(None)) as chunks:
            for chunk in chunks:
                x, y, _ = self.frame.to_metric(chunk.x, chunk.y, chunk.z)
                row, col = (
                    np.clip(v / cell_m, 0, n - 1) for v, n in zip((y, x), shape, strict=True)
                )
                cell = row.astype(np.int64) * shape[1] + col.astype(np.int64)
                counts += np.bincount(cell, minlength=len(counts))
        self._refuse_strays(counts.reshape(shape))
        covered_m2 = float(np.count_nonzero(counts)) * cell_m**2
        count = self._cloud.info.count
        if count < LEAST_DENSITY * covered_m2:
            raise InvalidInput(_too_sparse(self._cloud.info.path.name, count, covered_m2))

    def _check(self, inside: int) -> None:
        grid = self._grid
        if not inside:
            name = self._cloud.info.path.name
            raise InvalidInput(f"No point of '{name}' lies in the extent; choose another.")
        if grid.cell_m > 1.0:
            counts, cell_m = grid.count(), grid.cell_m
            while cell_m < _STRAY_CELL_M:
                counts, cell_m = halve(counts), cell_m * 2
            self._refuse_strays(counts)

    def _refuse_strays(self, counts: np.ndarray) -> None:
        strays, name = _strays(counts), self._cloud.info.path.name
        if strays:
            raise InvalidInput(
                f"{strays:,} of the {self._cloud.info.count:,} points of '{name}' lie far away from all others: remove these "
                "strays, or give the extent to classify."
            )


def _strays(counts: np.ndarray) -> int:
    """Points in parts of the cloud that are tiny and lie apart, from their numbers in coarse cells (rows, cols)."""
    parts, found = ndimage.label(counts > 0, np.ones((3, 3)))
    points = ndimage.sum_labels(counts, parts, np.arange(1, found + 1))
    return int(points[points < _STRAY_SHARE * points.sum()].sum()) if found > 1 else 0


def _within(chunk: Chunk, extent: Extent) -> np.ndarray:
    xmin, ymin, xmax, ymax = extent
    return (chunk.x >= xmin) & (chunk.x <= xmax) & (chunk.y >= ymin) & (chunk.y <= ymax)


def _too_sparse(name: str, count: int, area_m2: float) -> str:
    return (
        f"The {count:,} points of '{name}' lie on {area_m2 / 1e6:,.3g} km², one on each {area_m2 / count:,.3g} m²: too few to "
        "tell anything; give a denser cloud, and check its unit of length."
    )
