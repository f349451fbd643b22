"""A flag that one thread sets and every loop reads."""

from __future__ import annotations

import threading

from inference_backend.errors import Cancelled


class CancelToken:
    """Shared between the reader of requests and the loop that works."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the user asked to stop."""
        if self._event.is_set():
            raise Cancelled
