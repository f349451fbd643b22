"""Which labelled things touch, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Contacts(NamedTuple):
    """Where different labels meet, by side or corner: pairs (n, 2), least first, without repeats; and for each meeting
    pixel which pair (m,), and the flat indices of the two pixels (m,) each."""

    pairs: np.ndarray
    pair: np.ndarray
    here: np.ndarray
    there: np.ndarray


def contacts(labels: np.ndarray, wanted: np.ndarray | None = None) -> Contacts:
    """Meetings of the labels (H, W), 0 being none. With `wanted`, bool (H, W), only those from or to a pixel of these."""
    flat = labels.ravel()
    here, there = _all_meetings(labels) if wanted is None else _meetings_of(labels, wanted)
    one, other = flat[here].astype(np.int64), flat[there].astype(np.int64)
    base = int(flat.max(initial=0)) + 1
    keys, pair = np.unique(
        np.minimum(one, other) * base + np.maximum(one, other), return_inverse=True
    )
    pairs = np.stack(np.divmod(keys, base), axis=1)
    return Contacts(pairs, pair.ravel(), here, there)


def _all_meetings(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of the two pixels of each meeting: the labels against themselves, moved by a step."""
    height, width = labels.shape
    here, there = [], []
    for down, right in _STEPS:
        left = max(-right, 0)
        columns = width - abs(right)
        one = labels[: height - down, left : left + columns]
        other = labels[down:, left + right : left + right + columns]
        meet = np.flatnonzero((one != other) & (np.minimum(one, other) > 0))
        row, column = np.divmod(meet, max(columns, 1))
        here.append(row * width + column + left)
        there.append(here[-1] + down * width + right)
    return np.concatenate(here), np.concatenate(there)


def _meetings_of(labels: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for few pixels, from each of them in all eight directions."""
    width, flat = labels.shape[1], labels.ravel()
    inside = np.flatnonzero(wanted)
    column = inside % width
    here, there = [], []
    for down, right in _STEPS + tuple((-down, -right) for down, right in _STEPS):
        other = inside + down * width + right
        fits = (other >= 0) & (other < flat.size)
        if right:
            fits &= (column != width - 1) if right > 0 else (column != 0)
        one, other = inside[fits], other[fits]
        meet = (flat[other] > 0) & (flat[one] != flat[other])
        here.append(one[meet])
        there.append(other[meet])
    here, there = np.concatenate(here), np.concatenate(there)
    # Met from both sides where both are wanted.
    least, most = np.minimum(here, there), np.maximum(here, there)
    return np.divmod(np.unique(least * flat.size + most), flat.size)
