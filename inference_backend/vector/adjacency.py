"""Which labelled things touch, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Contacts(NamedTuple):
    """Where different labels meet, by side or corner: pairs (n, 2), least first, without repeats; and for each meeting
    pixel which pair (m,), and the flat indices of the two pixels (m,) each."""

    pairs: np.ndarray
    pair: np.ndarray
    here: np.ndarray
    there: np.ndarray


def contacts(labels: np.ndarray, wanted: np.ndarray | None = None) -> Contacts:
    """Meetings of the labels (H, W), 0 being none. With `wanted`, bool (H, W), only those from or to a pixel of these."""
    height, width = labels.shape
    flat = labels.ravel()
    inside = np.flatnonzero(flat > 0 if wanted is None else wanted)
    column = inside % width
    steps = ((0, 1), (1, 0), (1, 1), (1, -1))
    if wanted is not None:
        steps += tuple((-down, -right) for down, right in steps)
    here, there = [], []
    for down, right in steps:
        other = inside + down * width + right
        fits = (other >= 0) & (other < flat.size)
        if right:
            fits &= (column != width - 1) if right > 0 else (column != 0)
        one, other = inside[fits], other[fits]
        meet = (flat[other] > 0) & (flat[one] != flat[other])
        here.append(one[meet])
        there.append(other[meet])
    here, there = np.concatenate(here), np.concatenate(there)
    if wanted is not None:
        # Met from both sides where both are wanted.
        least, most = np.minimum(here, there), np.maximum(here, there)
        here, there = np.divmod(np.unique(least * flat.size + most), flat.size)
    one, other = flat[here].astype(np.int64), flat[there].astype(np.int64)
    base = int(flat.max(initial=0)) + 1
    keys, pair = np.unique(
        np.minimum(one, other) * base + np.maximum(one, other), return_inverse=True
    )
    pairs = np.stack(np.divmod(keys, base), axis=1)
    return Contacts(pairs, pair.ravel(), here, there)
