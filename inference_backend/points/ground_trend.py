"""The lie of the land at coarse scale: a stiff surface that clings to the lowest cells.

A penalised least-squares surface with asymmetric weights (Eilers' asymmetric smoothing, on a grid): cells above the
surface lose their weight, so roofs and crowns do not lift it, and it goes on evenly over water, gaps and the border.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import linalg

# From coarse to fine, each level on what the one before leaves: a cell's lowest point is then no longer its downhill edge.
LEVELS_M = (64.0, 32.0, 16.0, 8.0)
STIFFNESS = 3.0
# Rounds of weighting: the first ones forgive hilltops that the level before has missed.
PATIENCE = (10.0, 5.0, 2.0, 1.0)
# A cell that lies so far above the surface, by the side of the level's cells, counts half.
HALF_WEIGHT = 0.1
# The coarse levels carry what is wide; what is left converges in few steps.
SOLVER_STEPS = 60


def trend(low: np.ndarray, cell_m: float) -> np.ndarray:
    """Smooth lower surface float32 (rows, cols) of lowest heights with NaN where nothing is known."""
    start = np.nanquantile(low, 0.25) if np.isfinite(low).any() else 0.0
    surface = np.full(low.shape, start, np.float32)
    for level_m in LEVELS_M:
        step = max(1, round(level_m / cell_m))
        coarse = pool_lowest(low - surface, step)
        surface += _enlarge(_cling(coarse, HALF_WEIGHT * level_m), step, low.shape)
    return surface


def _cling(coarse: np.ndarray, half_weight_m: float) -> np.ndarray:
    """The stiff surface under coarse cells (rows, cols) with NaN where nothing is known."""
    known = np.isfinite(coarse).ravel()
    heights = np.where(known, coarse.ravel(), 0.0).astype(np.float64)
    if coarse.size == 1:
        return coarse
    penalty = STIFFNESS * _bending(coarse.shape) + 1e-4 * sparse.eye(coarse.size)
    surface = np.zeros(coarse.size)
    for patience in PATIENCE:
        # The first round trusts the level before: what stands far above it is no land, however wide.
        above = np.maximum(heights - surface, 0.0) / (half_weight_m * patience)
        weight = known / (1.0 + above**2)
        system = (penalty + sparse.diags(weight)).tocsr()
        scale = sparse.diags(1.0 / system.diagonal())
        surface, _ = linalg.cg(
            system, weight * heights, x0=surface, rtol=1e-3, maxiter=SOLVER_STEPS, M=scale
        )
    return surface.reshape(coarse.shape)


def pool_lowest(low: np.ndarray, step: int) -> np.ndarray:
    """Lowest of step x step cells, NaN where none is known."""
    rows, cols = low.shape
    filled = np.where(np.isfinite(low), low, np.inf)
    filled = np.pad(filled, ((0, -rows % step), (0, -cols % step)), constant_values=np.inf)
    shape = (filled.shape[0] // step, step, filled.shape[1] // step, step)
    lowest = filled.reshape(shape).min(axis=(1, 3))
    return np.where(np.isfinite(lowest), lowest, np.nan)


def _bending(shape: tuple[int, int]) -> sparse.spmatrix:
    """Sum of squared second differences along rows, along columns and across."""
    rows, cols = shape
    parts = []
    if rows > 2:
        parts.append(sparse.kron(_differences(rows, 2), sparse.eye(cols)))
    if cols > 2:
        parts.append(sparse.kron(sparse.eye(rows), _differences(cols, 2)))
    if rows > 1 and cols > 1:
        parts.append(np.sqrt(2.0) * sparse.kron(_differences(rows, 1), _differences(cols, 1)))
    if not parts:
        return sparse.csr_matrix((rows * cols, rows * cols))
    stacked = sparse.vstack(parts)
    return stacked.T @ stacked


def _differences(count: int, order: int) -> sparse.spmatrix:
    matrix = sparse.eye(count, format="csr")
    for _ in range(order):
        matrix = matrix[1:] - matrix[:-1]
    return matrix


def _enlarge(coarse: np.ndarray, step: int, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear values of coarse cells at the middles of fine ones, going on evenly at the border."""
    if coarse.size == 1:
        return np.full(shape, coarse[0, 0], np.float32)
    padded = coarse
    for axis in (0, 1):
        even = [(0, 0), (0, 0)]
        even[axis] = (1, 1)
        if coarse.shape[axis] > 1:
            padded = np.pad(padded, even, mode="reflect", reflect_type="odd")
        else:
            padded = np.pad(padded, even, mode="edge")
    rows = (np.arange(shape[0]) + 0.5) / step + 0.5
    cols = (np.arange(shape[1]) + 0.5) / step + 0.5
    lines = ndimage.map_coordinates(
        padded,
        np.stack(np.meshgrid(rows, np.arange(padded.shape[1]), indexing="ij")),
        order=1,
        mode="nearest",
    )
    return _along_columns(lines, cols).astype(np.float32)


def _along_columns(lines: np.ndarray, cols: np.ndarray) -> np.ndarray:
    left = np.minimum(cols.astype(np.int64), lines.shape[1] - 2)
    share = (cols - left).astype(np.float32)
    lines = lines.astype(np.float32)
    return lines[:, left] * (1 - share) + lines[:, left + 1] * share
