"""Eigenvalue features of voxels: against a plain covariance of the same points, and what they say of known shapes."""

from __future__ import annotations

import numpy as np
import pytest

from inference_backend.models.cityseg.shape import SHAPES
from inference_backend.models.cityseg.voxels import Voxels, voxelise
from inference_backend.points.blocks import BlockPoints, RawPoints, make_block, survey

LINEAR, PLANAR, SCATTERED, NORMAL_UP, AXIS_UP = range(5)
GRID_M = 1.0


def block_of(xyz_m: np.ndarray) -> BlockPoints:
    ones = np.ones(len(xyz_m), np.uint8)
    x, y, z = xyz_m.T
    points = RawPoints(np.arange(len(x)), x, y, z, np.zeros(len(x), np.uint16), ones, ones)
    return make_block(points, survey(points), (0.0, 0.0, 40.0, 40.0), 0.0)


def by_hand(block: BlockPoints, voxels: Voxels, level: int, row: int) -> tuple[np.ndarray, ...]:
    """Eigenvalues (smallest first) and vectors of the points in the 27 voxels about `row`, in voxels of the level."""
    size = GRID_M * 2**level
    # The pyramid counts its layers from the lowest point's voxel.
    lowest = np.floor(block.xyz_m[:, 2] / GRID_M).min() * GRID_M
    place = (block.xyz_m.astype(np.float64) - [0, 0, lowest]) / size
    near = (np.abs(np.floor(place) - voxels.levels[level].ijk[row]) <= 1).all(1)
    cov = np.cov(place[near].T, bias=True) + np.eye(3) * 1e-4
    return np.linalg.eigh(cov)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_they_are_those_of_a_plain_covariance(level):
    rng = np.random.default_rng(level)
    xyz = rng.uniform(0, [40, 40, 9], (4000, 3))
    xyz[:2000, 2] = 0.4 * xyz[:2000, 0] + rng.normal(0, 0.05, 2000)
    block = block_of(xyz)
    voxels = voxelise(block, GRID_M)
    shape = voxels.levels[level].shape
    assert shape.shape == (voxels.levels[level].count, SHAPES)
    for row in range(0, len(shape), max(len(shape) // 40, 1)):
        (small, middle, large), axes = by_hand(block, voxels, level, row)
        wanted = [(large - middle) / large, (middle - small) / large, small / large]
        assert shape[row, :3] == pytest.approx(wanted, abs=2e-3)
        assert shape[row, 10:] == pytest.approx([middle**0.5, large**0.5], rel=5e-3)
        # An eigenvector is only one where its value stands apart.
        if middle - small > 0.02:
            assert shape[row, NORMAL_UP] == pytest.approx(abs(axes[2, 0]), abs=0.03)
        if large - middle > 0.02:
            assert shape[row, AXIS_UP] == pytest.approx(abs(axes[2, 2]), abs=0.03)


def named(shape: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    a, b, c = rng.uniform(15, 25, (3, 6000))
    thin = rng.normal(0, 0.01, 6000)
    return {
        "roof": np.stack([a, b, 8 + thin], 1),
        "facade": np.stack([a, 20.5 + thin, c - 15], 1),
        "wire": np.stack([a, 20.5 + thin, 8.5 + thin], 1),
        "pole": np.stack([20.5 + thin, 20.5 + thin, c - 15], 1),
        "crown": np.stack([a, b, c], 1),
    }[shape]


@pytest.mark.parametrize(
    ("shape", "feature", "least", "most"),
    [
        ("roof", PLANAR, 0.8, 1.0),
        ("roof", NORMAL_UP, 0.99, 1.0),
        ("facade", PLANAR, 0.7, 1.0),
        ("facade", NORMAL_UP, 0.0, 0.05),
        ("wire", LINEAR, 0.95, 1.0),
        ("wire", AXIS_UP, 0.0, 0.05),
        ("pole", LINEAR, 0.95, 1.0),
        ("pole", AXIS_UP, 0.99, 1.0),
        ("crown", SCATTERED, 0.6, 1.0),
    ],
)
def test_they_tell_known_shapes_apart(shape, feature, least, most):
    level = voxelise(block_of(named(shape)), GRID_M).levels[0]
    full = level.shape[level.shape[:, 6] >= np.median(level.shape[:, 6])]
    assert least <= np.median(full[:, feature]) <= most + 1e-4


def test_a_single_point_and_points_all_equal_give_finite_numbers():
    for count in (1, 30):
        voxels = voxelise(block_of(np.full((count, 3), 5.0)), GRID_M)
        for level in voxels.levels:
            assert np.isfinite(level.shape).all()
