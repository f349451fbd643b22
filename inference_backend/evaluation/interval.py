"""How sure a mean over samples is: the bootstrap over images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

DRAWS = 2000
_CHUNK = 64


def bootstrap_interval(
    tops: Sequence[float],
    bottoms: Sequence[float],
    groups: Sequence[Hashable],
    share: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The percentile interval of sum(tops) / sum(bottoms) when whole groups are drawn again with replacement.

    A group is an image: its sentences are answered on the same pixels, so that they are not independent. With
    `bottoms` of ones this is the interval of a mean. None where there are fewer than two groups.
    """
    names, numbers = np.unique([repr(group) for group in groups], return_inverse=True)
    count = len(names)
    if count < 2:
        return None
    top = np.bincount(numbers, np.asarray(tops, float), count)
    bottom = np.bincount(numbers, np.asarray(bottoms, float), count)
    rng = np.random.default_rng(seed)
    values = []
    for start in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - start)
        drawn = rng.integers(0, count, (rows, count))
        above, below = top[drawn].sum(axis=1), bottom[drawn].sum(axis=1)
        values.append(np.divide(above, below, out=np.zeros(rows), where=below > 0))
    tail = (1 - share) / 2
    low, high = np.quantile(np.concatenate(values), [tail, 1 - tail])
    return float(low), float(high)
