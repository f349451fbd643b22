"""How far a run of several passes is, and how long it will still take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

Progress = Callable[[float, str], None]

# Below this nobody wants to know.
_LEAST_TOLD_S = 5.0
# A guess from less than this share of a pass is no guess.
_LEAST_SHARE = 0.05
# So much of what is done is told anew at most a second.
_TELL_EVERY_S = 0.1


class Passes:
    """Passes one after the other, each with the share of the time that it usually takes.

    What is left of the pass under way is told by its own pace; passes to come by their usual share, stretched as those
    before were. The fraction never goes back.
    """

    def __init__(self, shares: Mapping[str, float], report: Progress) -> None:
        whole = sum(shares.values())
        self._shares = {name: share / whole for name, share in shares.items()}
        self._report = report
        self._clock = time.monotonic
        self._began = self._entered = self._told = self._clock()
        self._name = next(iter(shares))
        self._fraction = 0.0
        self.seconds: dict[str, float] = {}
        # Tiles are done in threads of their own.
        self._lock = threading.Lock()

    def enter(self, name: str, message: str) -> None:
        """The pass before is done, this one begins."""
        with self._lock:
            now = self._clock()
            self.seconds[self._name] = now - self._entered
            self._name, self._entered = name, now
        self.tell(0.0, message, force=True)

    def finish(self, message: str) -> None:
        """All passes are done."""
        self.seconds[self._name] = self._clock() - self._entered
        self._report(1.0, message)

    def tell(self, share: float, message: str, force: bool = False) -> None:
        """`share` from 0 to 1 of the pass under way is done."""
        with self._lock:
            now = self._clock()
            if not force and now - self._told < _TELL_EVERY_S:
                return
            self._told = now
            share = min(max(share, 0.0), 1.0)
            done = self._done() + self._shares[self._name] * share
            self._fraction = max(self._fraction, min(done, 0.999))
            left = self._left_s(share, now)
            fraction = self._fraction
        self._report(fraction, message if left is None else f"{message}, {_duration(left)} left")

    def _done(self) -> float:
        names = list(self._shares)
        return sum(self._shares[name] for name in names[: names.index(self._name)])

    def _left_s(self, share: float, now: float) -> float | None:
        """Seconds that are left; None where nothing can be said yet."""
        names = list(self._shares)
        later = sum(self._shares[name] for name in names[names.index(self._name) + 1 :])
        own, spent = self._shares[self._name], now - self._entered
        if share >= _LEAST_SHARE:
            here = spent / share * (1 - share)
            pace = (spent + self._entered - self._began) / (self._done() + own * share)
        elif self._done() > 0:
            pace = (self._entered - self._began) / self._done()
            here = pace * own
        else:
            return None
        left = here + pace * later
        return left if left >= _LEAST_TOLD_S else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {5 * max(1, round(seconds / 5))} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
