"""The shape of the surface round each voxel: eigenvalue features of the points in the 3 x 3 x 3 voxels about it. numpy only.

A roof is flat over metres, a crown is not, a wire is a line, a facade's normal lies: what a covariance says at once, a network
of additions must learn to multiply for. Taken at every level of the pyramid, so at 1.5, 3, 6 and 12 m for voxels of 0.5 m.
Source of the features: Weinmann et al. 2015 (ISPRS Journal 105), section 3.2; of their use at several scales: Thomas et al. 2018.
"""

from __future__ import annotations

import numpy as np

SHAPES = 12
"""Features a voxel and level: linear, planar, scattered; how upright the normal and the main axis are; log thickness; log points;
filled neighbours; height over the neighbourhood's mean; spread in z; the two larger spreads. Lengths in voxels of the level.
"""
MOMENTS = 10
_OFFSETS = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
_CENTRE = 13
# Places of xx, xy, xz, yy, yz, zz among the moments.
_PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
_THINNEST = 1e-4


def point_moments(inside: np.ndarray, inverse: np.ndarray, count: int) -> np.ndarray:
    """float32 (count, 10) of each voxel: points, sums of x, y, z, sums of xx, xy, xz, yy, yz, zz about the voxel's middle.

    `inside` (N, 3): place of a point in its voxel, 0 to 1; `inverse` (N,) its voxel.
    """
    q = inside.T - 0.5
    out = np.empty((count, MOMENTS), np.float32)
    out[:, 0] = np.bincount(inverse, minlength=count)
    for axis in range(3):
        out[:, 1 + axis] = np.bincount(inverse, q[axis], minlength=count)
    for place, (a, b) in enumerate(_PAIRS):
        out[:, 4 + place] = np.bincount(inverse, q[a] * q[b], minlength=count)
    return out


def parent_moments(
    moments: np.ndarray, ijk: np.ndarray, parent: np.ndarray, count: int
) -> np.ndarray:
    """The moments of voxels twice as wide, about their middles and in their width; `parent` (V,) row of each child."""
    corner = (ijk & 1) @ np.array([4, 2, 1])
    moved = np.empty_like(moments)
    for octant in range(8):
        mine = corner == octant
        bits = np.array([octant >> 2 & 1, octant >> 1 & 1, octant & 1])
        moved[mine] = moments[mine] @ _shift(bits / 2 - 0.25, 0.5)
    columns = [np.bincount(parent, moved[:, k], minlength=count) for k in range(MOMENTS)]
    return np.stack(columns, 1).astype(np.float32)


def shape_features(moments: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """float32 (V, SHAPES) from a level's moments (V, 10) and its table of neighbours (27, V), V where empty."""
    padded = np.concatenate([moments, np.zeros((1, MOMENTS), np.float32)])
    around = moments.copy()
    row = np.empty_like(moments)
    for k in range(len(_OFFSETS)):
        if k != _CENTRE:
            np.take(padded, neighbours[k], axis=0, out=row, mode="clip")
            around += row @ _SHIFTS[k]
    filled = (neighbours < len(moments)).sum(0)
    return _features(moments, around, filled)


def _features(own: np.ndarray, around: np.ndarray, filled: np.ndarray) -> np.ndarray:
    points = around[:, 0]
    mean = around[:, 1:4] / points[:, None]
    xx, xy, xz, yy, yz, zz = (
        around[:, 4 + place] / points - mean[:, a] * mean[:, b]
        for place, (a, b) in enumerate(_PAIRS)
    )
    xx, yy, zz = (np.maximum(v, 0) + _THINNEST for v in (xx, yy, zz))
    small, middle, large = _eigenvalues(xx, xy, xz, yy, yz, zz)
    out = np.empty((len(own), SHAPES), np.float32)
    out[:, 0] = (large - middle) / large
    out[:, 1] = (middle - small) / large
    out[:, 2] = small / large
    out[:, 3] = _upright(small, middle, large, xx, xy, yy)
    out[:, 4] = _upright(large, middle, small, xx, xy, yy)
    out[:, 5] = np.log(small / _THINNEST) / 4
    out[:, 6] = np.log1p(points) / 4
    out[:, 7] = filled / 13.5
    out[:, 8] = own[:, 3] / own[:, 0] - mean[:, 2]
    out[:, 9] = np.sqrt(zz)
    out[:, 10] = np.sqrt(middle)
    out[:, 11] = np.sqrt(large)
    return out


def _eigenvalues(
    xx: np.ndarray, xy: np.ndarray, xz: np.ndarray, yy: np.ndarray, yz: np.ndarray, zz: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of symmetric 3 x 3 matrices, smallest first, in closed form (the trigonometric solution of the cubic)."""
    third = (xx + yy + zz) / 3
    a, b, c = xx - third, yy - third, zz - third
    width = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6) + 1e-9
    det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    angle = np.arccos(np.clip(det / (2 * width**3), -1, 1)) / 3
    large = third + 2 * width * np.cos(angle)
    small = third + 2 * width * np.cos(angle + 2 * np.pi / 3)
    small = np.maximum(small, _THINNEST)
    return small, np.maximum(3 * third - large - small, small), np.maximum(large, small)


def _upright(
    mine: np.ndarray,
    second: np.ndarray,
    third: np.ndarray,
    xx: np.ndarray,
    xy: np.ndarray,
    yy: np.ndarray,
) -> np.ndarray:
    """|z| of the unit eigenvector of `mine`, from eigenvalues alone (Denton et al. 2022, Bull. AMS 59, theorem 1)."""
    minor = mine * mine - mine * (xx + yy) + xx * yy - xy * xy
    gaps = (mine - second) * (mine - third)
    return np.sqrt(np.clip(minor / (np.abs(gaps) + 1e-9) * np.sign(gaps), 0, 1))


def _shift(offset: np.ndarray, scale: float) -> np.ndarray:
    """(10, 10): what moments are multiplied with when every place p becomes scale * p + offset."""
    out = np.zeros((MOMENTS, MOMENTS), np.float32)
    out[0, 0] = 1
    for axis in range(3):
        out[1 + axis, 1 + axis] = scale
        out[0, 1 + axis] = offset[axis]
    for place, (a, b) in enumerate(_PAIRS):
        out[4 + place, 4 + place] = scale * scale
        out[1 + a, 4 + place] += scale * offset[b]
        out[1 + b, 4 + place] += scale * offset[a]
        out[0, 4 + place] = offset[a] * offset[b]
    return out


_SHIFTS = [_shift(np.array(offset, float), 1.0) for offset in _OFFSETS]
