"""What a run tells: points and confidence of each class, and one sentence for the user."""

from __future__ import annotations

from typing import Any

import numpy as np

from inference_backend.classify_scheme import Scheme

CONF_FULL = 127
_MOST_NAMED = 4


class Tally:
    """Points and confidence of each label, counted while they are decided."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        # The last is for what is unclassified.
        self._count = np.zeros(len(scheme.labels) + 1, np.int64)
        self._sure = np.zeros(len(scheme.labels) + 1)

    def add(self, place: np.ndarray, conf: np.ndarray) -> None:
        """Places among the labels (N,), -1 for unclassified, and confidence uint8 (N,)."""
        at = np.where(place < 0, len(self._scheme.labels), place).astype(np.int64)
        self._count += np.bincount(at, minlength=len(self._count))
        self._sure += np.bincount(at, conf, minlength=len(self._sure))

    @property
    def total(self) -> int:
        """Points counted."""
        return int(self._count.sum())

    def classes(self) -> list[dict[str, Any]]:
        """What was found, the most points first: id name code count share mean_conf colour."""
        total = max(self.total, 1)
        names, colours = self._scheme.names(), self._scheme.colours()
        found = []
        for place in np.argsort(-self._count, kind="stable"):
            count = int(self._count[place])
            if not count:
                continue
            label = int(self._scheme.ids[place])
            found.append(
                {
                    "id": label,
                    "name": names[label],
                    "code": int(self._scheme.codes[place]),
                    "count": count,
                    "share": round(count / total, 6),
                    "mean_conf": round(self._sure[place] / count / CONF_FULL, 4),
                    "colour": list(colours[label]),
                }
            )
        return found

    def sentence(self) -> str:
        """`1,234,567 points: 41 % terrain, 30 % building, ...`; classes are those at the top of the tree."""
        total = self.total
        said = f"{total:,} point{'' if total == 1 else 's'}"
        tops = self._scheme.tops()
        shares: dict[str, int] = {}
        for place, count in enumerate(self._count):
            if count and tops[place] >= 0:
                name = self._scheme.labels[tops[place]].name
                shares[name] = shares.get(name, 0) + int(count)
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        parts = [f"{_percent(count / total)} {name}" for name, count in ranked[:_MOST_NAMED]]
        if (more := len(ranked) - _MOST_NAMED) > 0:
            rest = sum(count for _, count in ranked[_MOST_NAMED:])
            parts.append(
                f"{_percent(rest / total)} of {more} more class{'' if more == 1 else 'es'}"
            )
        if left := int(self._count[-1]):
            parts.append(f"{_percent(left / total)} {self._scheme.rest}")
        return f"{said}: {', '.join(parts)}." if parts else f"{said}."


def confidence(sure: np.ndarray) -> np.ndarray:
    """Probability float32 (N,) as `cityseg_conf` holds it: uint8, 127 is 1."""
    return np.rint(np.clip(sure, 0, 1) * CONF_FULL).astype(np.uint8)


def _percent(share: float) -> str:
    if share >= 0.995 and share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"
