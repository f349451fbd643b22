"""Multi-octave noise from a bank that is made once a process: a texture costs one crop."""

from __future__ import annotations

from functools import cache, lru_cache

import cv2
import numpy as np

BANK_PX = 1024
# Amplitude ratio from one octave to the next finer one: small is cloudy, 1 is grainy.
_PERSISTENCE = {"cloud": 0.45, "ground": 0.68, "grain": 0.95}


@cache
def _bank(kind: str) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(20_240_501 + len(kind))
    fields = []
    for _ in range(3):
        total = np.zeros((BANK_PX, BANK_PX), np.float32)
        amplitude, cells = 1.0, 4
        while cells <= BANK_PX:
            grid = rng.standard_normal((cells, cells)).astype(np.float32)
            total += amplitude * cv2.resize(grid, (BANK_PX, BANK_PX), interpolation=cv2.INTER_CUBIC)
            amplitude, cells = amplitude * _PERSISTENCE[kind], cells * 2
        fields.append((total - total.mean()) / total.std())
    return tuple(fields)


def noise(rng: np.random.Generator, rows: int, cols: int, kind: str = "ground") -> np.ndarray:
    """Float32 (rows, cols), about zero mean and unit deviation over large areas; `kind` cloud, ground or grain."""
    fields = _bank(kind)
    field = fields[int(rng.integers(len(fields)))]
    if rng.random() < 0.5:
        field = field.T
    if rows > BANK_PX or cols > BANK_PX:
        side = max(rows, cols)
        coarse = cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC)[:rows, :cols]
        # The bank mirrored at its edges gives the fine detail.
        down, across = (
            np.abs((np.arange(n) + BANK_PX) % (2 * BANK_PX) - BANK_PX) % BANK_PX
            for n in (rows, cols)
        )
        return coarse + 0.3 * field[np.ix_(down, across)]
    row = int(rng.integers(BANK_PX - rows + 1))
    col = int(rng.integers(BANK_PX - cols + 1))
    crop = field[row : row + rows, col : col + cols]
    flip = int(rng.integers(4))
    return crop[:: 1 - 2 * (flip & 1), :: 1 - (flip & 2)]


@lru_cache(maxsize=1)
def hash_table() -> np.ndarray:
    """4096 standard normals: the random value of a sheet, a tile or a module by its number."""
    return np.random.default_rng(7).standard_normal(4096).astype(np.float32)


def cell_value(i: np.ndarray, j: np.ndarray, salt: int = 0) -> np.ndarray:
    """A standard normal for every integer cell (i, j)."""
    return hash_table()[(i.astype(np.int64) * 7919 + j.astype(np.int64) * 104_729 + salt) % 4096]


def streaks(
    rng: np.random.Generator, along: np.ndarray, down: np.ndarray, width_m: float, length_m: float
) -> np.ndarray:
    """Noise drawn out along `down` (metres): what rain leaves on a roof. Same shape as `along`."""
    field = _bank("grain")[int(rng.integers(3))]
    row = (along * np.float32(1 / width_m)).astype(np.int32) + int(rng.integers(BANK_PX))
    col = (down * np.float32(1 / length_m)).astype(np.int32) + int(rng.integers(BANK_PX))
    return field[row % BANK_PX, col % BANK_PX]
