"""Halls and decks wider than any window of the ground filter: level pieces that end in a step down on every side."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

# Between neighbouring cells of one roof or one piece of land.
EVEN_M = 1.0
# A storey: quays and terraces are lower, halls are higher.
STEP_M = 3.0
# Steps are looked for so far beyond the edge: walls smear over a cell or two.
REACH_M = 3.0
SMALLEST_M2 = 100.0
LARGEST_M2 = 100_000.0
DOWN_SHARE = 0.8
# Of the whole edge, with what lies at the border of the data: else the upper half of a terrace would be a roof.
DOWN_OF_ALL = 0.5
UP_OF_ALL = 0.3


def raised_plateaus(
    surface: np.ndarray, opened: np.ndarray, known: np.ndarray, cell_m: float
) -> np.ndarray:
    """bool (rows, cols): cells of pieces that stand above all about them.

    `surface` and `opened` are filled heights, before and after small objects were taken away; `known` says which cells
    were measured.
    """
    span = cv2.morphologyEx(opened, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    pieces, number = ndimage.label(span < EVEN_M)
    sizes = np.bincount(pieces.ravel(), minlength=number + 1) * cell_m**2
    wanted = (sizes >= SMALLEST_M2) & (sizes <= LARGEST_M2)
    wanted[0] = False
    if not wanted.any():
        return np.zeros(surface.shape, bool)
    down, up, edge = _edges(pieces, number, opened, known, max(1, round(REACH_M / cell_m)))
    level = edge["level"]
    total = np.maximum(down + up + level + edge["open"], 1)
    raised = wanted & (down >= DOWN_SHARE * np.maximum(down + level, 1))
    raised &= (down >= DOWN_OF_ALL * total) & (up <= UP_OF_ALL * total)
    found = raised[pieces]
    # The rim of a piece was left out of it as uneven.
    heights = np.where(found, surface, -np.inf).astype(np.float32)
    heights = cv2.dilate(heights, np.ones((5, 5), np.uint8))
    return found | (np.isfinite(heights) & (surface > heights - STEP_M / 2))


def _rim(pieces: np.ndarray) -> np.ndarray:
    """bool (rows, cols): cells of pieces with another label, or the border, beside them."""
    padded = np.pad(pieces, 1, constant_values=-1)
    same = np.ones(pieces.shape, bool)
    for beside in (padded[2:, 1:-1], padded[:-2, 1:-1], padded[1:-1, 2:], padded[1:-1, :-2]):
        same &= beside == pieces
    return (pieces > 0) & ~same


def _edges(
    pieces: np.ndarray, number: int, heights: np.ndarray, known: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Cells of each piece's edge (number + 1,) beyond which it goes down, up, on a level, or to where nothing is known."""
    rows, cols = pieces.shape
    counts = {kind: np.zeros(number + 1) for kind in ("down", "up", "level", "open")}
    row, col = np.nonzero(_rim(pieces))
    own, height = pieces[row, col], heights[row, col]
    for step_row, step_col in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        near_row, near_col = row + step_row, col + step_col
        far_row, far_col = row + (reach + 1) * step_row, col + (reach + 1) * step_col
        outside = (far_row < 0) | (far_row >= rows) | (far_col < 0) | (far_col >= cols)
        near = pieces[np.clip(near_row, 0, rows - 1), np.clip(near_col, 0, cols - 1)]
        far_row, far_col = np.clip(far_row, 0, rows - 1), np.clip(far_col, 0, cols - 1)
        at_edge = (near != own) | (near_row < 0) | (near_row >= rows)
        at_edge |= (near_col < 0) | (near_col >= cols)
        at_edge &= outside | (pieces[far_row, far_col] != own)
        rise = heights[far_row, far_col] - height
        nowhere = outside | ~known[far_row, far_col]
        for kind, where in (
            ("open", nowhere),
            ("down", ~nowhere & (rise < -STEP_M)),
            ("up", ~nowhere & (rise > STEP_M)),
            ("level", ~nowhere & (np.abs(rise) <= STEP_M)),
        ):
            counts[kind] += np.bincount(own[at_edge & where], minlength=number + 1)
    return counts["down"], counts["up"], counts
