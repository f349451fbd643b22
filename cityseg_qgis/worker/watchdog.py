"""When waiting for the backend has lasted too long. Counts silence, not work: a long job that reports is healthy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal


@dataclass(frozen=True)
class Timing:
    """How long to wait, in milliseconds, before doing something about it."""

    # The answer takes 0.1 s; a virus scanner on a first start, or a slow ssh, takes seconds.
    hello: int = 30_000
    # Silence while a request is out; asked for its status, a working backend answers in spite of the work.
    stall: int = 30_000
    # A tile, or a forward pass on a slow CPU, may have to end first.
    cancel: int = 20_000
    # How long QGIS may be held up when the plugin is unloaded.
    shutdown: int = 1_500


DEFAULT_TIMING = Timing()


class Watchdog(QObject):
    """Three timers of one process's life."""

    hello_late = pyqtSignal()
    ping_wanted = pyqtSignal()
    stalled = pyqtSignal()
    cancel_ignored = pyqtSignal()

    def __init__(self, timing: Timing, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.timing = timing
        self._pinged = False
        self._hello = self._timer(timing.hello, self.hello_late.emit)
        self._stall = self._timer(timing.stall, self._on_silence)
        self._cancel = self._timer(timing.cancel, self.cancel_ignored.emit)

    def expect_hello(self) -> None:
        """The process was started."""
        self._hello.start()

    def got_hello(self) -> None:
        """The process is ready."""
        self._hello.stop()

    def expect_answer(self) -> None:
        """A request was sent, or something was heard while one is out."""
        self._pinged = False
        self._stall.start()

    def expect_end_of_cancelled(self) -> None:
        """A request was cancelled and has to end soon."""
        self._cancel.start()

    def settle(self, pending: bool, cancelled: bool) -> None:
        """A request has ended: are there others, and cancelled ones among them?"""
        if not pending:
            self._stall.stop()
        if not cancelled:
            self._cancel.stop()

    def stop(self) -> None:
        """The process is gone."""
        self._pinged = False
        for timer in (self._hello, self._stall, self._cancel):
            timer.stop()

    def _on_silence(self) -> None:
        if self._pinged:
            self.stalled.emit()
            return
        self._pinged = True
        self._stall.start()
        self.ping_wanted.emit()

    def _timer(self, interval_ms: int, on_timeout: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval_ms)
        timer.timeout.connect(on_timeout)
        return timer
