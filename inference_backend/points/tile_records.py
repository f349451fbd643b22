"""Tiles and the packed records of their points: 19 bytes a point, 25 with colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_backend.points.blocks import RawPoints

# Coordinates are kept in whole millimetres: exact enough for a network, and alike over 2,000 km.
MM = 0.001
_MOST_RETURNS = 15
# Core and halo by voxel: about 192 voxels and 24, in multiples of 8 m so that context cells of 4 m fit the middle.
_CORE_M = {0.25: 48.0, 0.35: 64.0, 0.5: 96.0, 0.7: 136.0, 1.0: 192.0}
_HALO_M = {0.25: 8.0, 0.35: 8.0, 0.5: 12.0, 0.7: 16.0, 1.0: 24.0}


def tile_sizes(grid_m: float) -> tuple[float, float]:
    """(core, halo) in metres of tiles for the network's voxel `grid_m`."""
    nearest = min(_CORE_M, key=lambda known: abs(known - grid_m))
    return _CORE_M[nearest], _HALO_M[nearest]


@dataclass(frozen=True)
class Tile:
    """A square of the metric frame that is answered in one block.

    `id` is its place in `TileStore.tiles()`; `first` and `count` say which records of its file are its own.
    """

    id: int
    corner_m: tuple[float, float]
    side_m: float
    count: int
    file: str
    first: int = 0

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax of the core."""
        x, y = self.corner_m
        return x, y, x + self.side_m, y + self.side_m


def record_type(coloured: bool) -> np.dtype:
    """The packed type of a point on disk."""
    fields = [("index", "<u4"), ("xyz", "<i4", (3,)), ("intensity", "<u2"), ("returns", "u1")]
    return np.dtype([*fields, ("rgb", "<u2", (3,))] if coloured else fields)


def pack(
    dtype: np.dtype, columns: Sequence[np.ndarray], rgb: np.ndarray | None, keep: np.ndarray
) -> np.ndarray:
    """Records (N,) of index, x, y, z, intensity, return number, number of returns; `keep` chooses rows of `rgb`."""
    index, x, y, z, intensity, number, returns = columns
    records = np.zeros(len(index), dtype)
    records["index"] = index
    for axis, values in enumerate((x, y, z)):
        records["xyz"][:, axis] = np.round(np.asarray(values, np.float64) / MM)
    records["intensity"] = intensity
    records["returns"] = np.minimum(number, _MOST_RETURNS) | (
        np.minimum(returns, _MOST_RETURNS).astype(np.uint8) << 4
    )
    if rgb is not None and "rgb" in (dtype.names or ()):
        records["rgb"] = rgb[keep]
    return records


def unpack(records: np.ndarray, coloured: bool) -> RawPoints:
    """The points of records, without colour where `coloured` is False."""
    xyz = records["xyz"] * MM
    return RawPoints(
        records["index"].astype(np.int64),
        xyz[:, 0],
        xyz[:, 1],
        xyz[:, 2],
        records["intensity"],
        records["returns"] & _MOST_RETURNS,
        records["returns"] >> 4,
        records["rgb"] if coloured and "rgb" in (records.dtype.names or ()) else None,
    )
