"""The requests that have no answer yet, in the order in which they were made. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from cityseg_qgis.protocol.messages import Request

# A killed process is restarted and its requests are repeated once: a request that kills it twice would do it again.
MOST_ATTEMPTS = 2


@dataclass(frozen=True)
class Pending:
    """One request. `attempts` counts how often it was sent; `group` is what a newer one supersedes."""

    request: Request
    group: str = ""
    attempts: int = 0
    cancelled: bool = False

    @property
    def id(self) -> int:
        return self.request.id

    @property
    def sent(self) -> bool:
        return self.attempts > 0


class PendingRequests:
    """A queue with look-up by id."""

    def __init__(self) -> None:
        self._by_id: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._by_id

    def add(self, pending: Pending) -> None:
        """Put `pending` at the end."""
        self._by_id[pending.id] = pending

    def get(self, request_id: int) -> Optional[Pending]:
        return self._by_id.get(request_id)

    def take(self, request_id: Optional[int]) -> Optional[Pending]:
        """Remove and return the request of that id, if it still waits."""
        return self._by_id.pop(request_id, None) if request_id is not None else None

    def take_all(self) -> list[Pending]:
        """Remove and return everything."""
        everything = list(self._by_id.values())
        self._by_id.clear()
        return everything

    def of_group(self, group: str) -> list[Pending]:
        """The requests that a newer one of `group` supersedes."""
        return [pending for pending in self._by_id.values() if group and pending.group == group]

    def all(self) -> list[Pending]:
        return list(self._by_id.values())

    def mark_sent(self, request_id: int) -> None:
        pending = self._by_id[request_id]
        self._by_id[request_id] = replace(pending, attempts=pending.attempts + 1)

    def mark_cancelled(self, request_id: int) -> None:
        self._by_id[request_id] = replace(self._by_id[request_id], cancelled=True)

    def any_cancelled(self) -> bool:
        """Whether a cancelled request has not ended yet."""
        return any(pending.cancelled for pending in self._by_id.values())

    def take_unrepeatable(self) -> list[Pending]:
        """After the process died: remove and return what is not to be sent again."""
        gone = [p for p in self._by_id.values() if p.cancelled or p.attempts >= MOST_ATTEMPTS]
        for pending in gone:
            del self._by_id[pending.id]
        return gone
