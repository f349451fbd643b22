"""A town of blocks as a point cloud with a known class for each point: sloping ground, flat roofs, round trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import laspy
import numpy as np
from pyproj import CRS

GROUND, TREE, ROOF = 2, 5, 6
ORIGIN = (650_000.0, 6_860_000.0)
_PITCH_M, _ROOF_M, _CROWN_M = 40.0, 16.0, 4.0


@dataclass(frozen=True)
class Town:
    """Points in metres from ORIGIN, float64 (N,), and the ASPRS code of each."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def make_town(side_m: float = 120.0, density: float = 8.0, seed: int = 1) -> Town:
    """A square of `side_m` with a house and a tree in each 40 m, in random order, `density` points a m2."""
    rng = np.random.default_rng(seed)
    count = int(side_m**2 * density)
    x, y = rng.uniform(0, side_m, (2, count))
    ground = 30 + 0.02 * x + 0.01 * y
    u, v = x % _PITCH_M, y % _PITCH_M
    roof = (np.abs(u - 12) < _ROOF_M / 2) & (np.abs(v - 12) < _ROOF_M / 2)
    away = np.hypot(u - 30, v - 30)
    crown = away < _CROWN_M
    z = ground + rng.normal(0, 0.02, count)
    z[roof] = ground[roof] + 6
    z[crown] = ground[crown] + 3 + rng.uniform(0, 6, count)[crown]
    code = np.where(roof, ROOF, np.where(crown, TREE, GROUND)).astype(np.uint8)
    return Town(x, y, z, code)


def write_town(
    path: Path,
    town: Town,
    point_format: int = 6,
    crs: str | None = "EPSG:2154",
    unit_m: float = 1.0,
    scale: float = 0.01,
    origin: tuple[float, float] = ORIGIN,
) -> laspy.LasData:
    """As a LAS or LAZ whose unit is `unit_m` metres; classification erased."""
    header = laspy.LasHeader(
        point_format=point_format, version="1.4" if point_format > 5 else "1.2"
    )
    header.scales = np.full(3, scale)
    header.offsets = np.array([*origin, 0.0]) / unit_m
    if crs:
        header.add_crs(CRS.from_user_input(crs))
    data = laspy.LasData(header)
    data.x, data.y = (town.x + origin[0]) / unit_m, (town.y + origin[1]) / unit_m
    data.z = town.z / unit_m
    rng = np.random.default_rng(7)
    data.intensity = rng.integers(0, 60_000, len(town)).astype(np.uint16)
    data.return_number = np.ones(len(town), np.uint8)
    data.number_of_returns = np.ones(len(town), np.uint8)
    if point_format not in (0, 2):
        data.gps_time = np.arange(len(town), dtype=np.float64)
    data.write(path)
    return data
