"""Separable resampling of a block of cells onto an output grid: area average when shrinking, bilinear when enlarging.

Own code, because the two things needed together are in no one library call: windows at fractions of a pixel whose
result does not depend on where the window starts, and weights that leave pixels without data out of the average.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

# A pixel counts as valid where at least half of it is covered by data.
_MIN_COVER = 0.5


def axis_weights(start: float, step: float, n_out: int, edges: np.ndarray) -> sparse.csr_array:
    """Weights (n_out, n_in) of one axis.

    Output cell j covers `start + step * [j, j + 1]`; input cell i covers `edges[i : i + 2]`. Rows sum to the
    share of the output cell that the input covers (1 or 0 when enlarging).
    """
    return _bilinear(start, step, n_out, edges) if step < 1 else _area(start, step, n_out, edges)


def _area(start: float, step: float, n_out: int, edges: np.ndarray) -> sparse.csr_array:
    n_in = len(edges) - 1
    low = start + step * np.arange(n_out)
    high = low + step
    first = np.clip(np.searchsorted(edges, low, side="right") - 1, 0, n_in - 1)
    widest = int(np.max(np.searchsorted(edges, high, side="left") - first, initial=1))
    index = first[:, None] + np.arange(max(widest, 1))
    inside = index < n_in
    index = np.minimum(index, n_in - 1)
    overlap = np.minimum(high[:, None], edges[index + 1]) - np.maximum(low[:, None], edges[index])
    weight = np.where(inside, np.maximum(overlap, 0), 0) / step
    return _csr(index, weight, n_in)


def _bilinear(start: float, step: float, n_out: int, edges: np.ndarray) -> sparse.csr_array:
    n_in = len(edges) - 1
    centres = (edges[:-1] + edges[1:]) / 2
    position = start + step * (np.arange(n_out) + 0.5)
    inside = (position >= edges[0]) & (position <= edges[-1])
    clamped = np.clip(position, centres[0], centres[-1])
    left = np.clip(np.searchsorted(centres, clamped, side="right") - 1, 0, max(n_in - 2, 0))
    right = np.minimum(left + 1, n_in - 1)
    gap = np.where(right > left, centres[right] - centres[left], 1.0)
    t = np.where(right > left, (clamped - centres[left]) / gap, 0.0)
    weight = np.stack([1 - t, t], 1) * inside[:, None]
    return _csr(np.stack([left, right], 1), weight, n_in)


def _csr(index: np.ndarray, weight: np.ndarray, n_in: int) -> sparse.csr_array:
    n_out, k = index.shape
    rows = np.arange(0, n_out * k + 1, k)
    matrix = sparse.csr_array(
        (weight.astype(np.float32).ravel(), index.ravel(), rows), shape=(n_out, n_in)
    )
    matrix.eliminate_zeros()
    return matrix


def resample(
    values: np.ndarray, cover: np.ndarray | None, rows: sparse.csr_array, cols: sparse.csr_array
) -> tuple[np.ndarray, np.ndarray]:
    """`values` float32 (3, h, w) and `cover` float32 (h, w), 0 to 1, onto the output grid.

    Returns values (3, out_rows, out_cols), 0 where not valid, and valid bool (out_rows, out_cols). `cover` None
    means that every input cell has data.
    """
    if cover is None:
        share = np.outer(rows.sum(axis=1), cols.sum(axis=1)).astype(np.float32)
        bands = [_both(band, rows, cols) for band in values]
    else:
        share = _both(cover, rows, cols)
        bands = [_both(band * cover, rows, cols) for band in values]
    valid = share >= _MIN_COVER - 1e-6
    out = np.stack(bands) / np.where(valid, share, 1)
    return np.where(valid, out, 0), valid


def _both(band: np.ndarray, rows: sparse.csr_array, cols: sparse.csr_array) -> np.ndarray:
    return np.ascontiguousarray((cols @ np.ascontiguousarray((rows @ band).T)).T)
