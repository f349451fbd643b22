"""The backend for one run of an algorithm: a process of its own, driven in the thread that the algorithm runs in.

An algorithm runs in a thread of QGIS's pool (toolbox, models) or in the main thread (`qgis_process`, batches, the Python
console). A `QProcess` works in any of them as long as an event loop runs there while it is waited for. The panel's process is
left alone: it answers one request after the other, and a click must not wait for a raster.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Optional

from qgis.core import QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QElapsedTimer, QEvent, QEventLoop, QTimer

from cityseg_qgis.core.backend import command_from_settings
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import scrubbed
from cityseg_qgis.worker import failures
from cityseg_qgis.worker.client import STARTING, BackendClient
from cityseg_qgis.worker.watchdog import Timing

# Looked at so often, a cancel is heard at once; the signal `canceled` comes from another thread.
_LOOK_MS = 50
# So long a cancelled backend may take to end its tile and to send what it has found. Then it is killed: a user waits for both.
CANCEL_MS = 400
# Nothing is left to do for a process that has answered.
_TIMING = Timing(shutdown=200)
_DIGITS = re.compile(r"\d+")

Partial = Callable[[Any], None]


class BackendSession:
    """A context: the process runs from the first `ask` to the end of the block. To be used in one thread."""

    def __init__(self, feedback: QgsProcessingFeedback, cancel_ms: int = CANCEL_MS) -> None:
        self._feedback = feedback
        self._cancel_ms = cancel_ms
        self._client: Optional[BackendClient] = None
        self._loop: Optional[QEventLoop] = None
        self._request_id = 0
        self._outcome: Any = None
        self._on_partial: Optional[Partial] = None
        self._on_restart: Optional[Callable[[], None]] = None
        self._since_cancel = QElapsedTimer()
        self._last_text = ""
        self.is_local = False
        # Files of ours that the user need not hear of.
        self.unsaid: set[str] = set()

    def __enter__(self) -> BackendSession:
        """Raises `BackendUnavailable` where no backend is installed."""
        command = command_from_settings()
        # A command of the user's own may lead to another machine, which has not our files.
        self.is_local = bool(command.python)
        self._feedback.pushDebugInfo(scrubbed(str(command)))
        client = BackendClient(command_from_settings, timing=_TIMING)
        client.answered.connect(self._on_answered)
        client.failed.connect(self._on_failed)
        client.progressed.connect(self._on_progressed)
        client.partially_answered.connect(self._on_partially_answered)
        client.state_changed.connect(self._on_state_changed)
        client.log_line.connect(self._on_log_line)
        self._client = client
        return self

    def __exit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        client.shutdown()
        client.deleteLater()
        # Here and now: later, Python's collector might delete it in a thread that is not its own.
        QCoreApplication.sendPostedEvents(client, QEvent.Type.DeferredDelete)

    def ask(
        self,
        method: str,
        params: dict[str, Any],
        on_partial: Optional[Partial] = None,
        on_restart: Optional[Callable[[], None]] = None,
    ) -> dict[str, Any]:
        """The result of a request. Raises `CitySegError`: `RequestCancelled` where the user cancels.

        `on_partial` gets what is found on the way; `on_restart` says to forget it, for a new process finds it again.
        """
        if self._feedback.isCanceled():
            raise failures.cancelled()
        self._on_partial, self._on_restart = on_partial, on_restart
        self._outcome = None
        self._request_id = self._client.request(method, params)
        self._wait()
        outcome, self._outcome = self._outcome, None
        if not isinstance(outcome, CitySegError):
            return outcome
        try:
            raise outcome
        finally:
            # An error holds this frame by its traceback: held by it in turn, both would keep the algorithm's context alive
            # until Python's collector finds them, in whatever thread.
            del outcome

    def _wait(self) -> None:
        """Run an event loop of this thread until there is an outcome."""
        self._loop = QEventLoop()
        look = QTimer(self._client)
        look.timeout.connect(self._look)
        look.start(_LOOK_MS)
        while self._outcome is None:
            self._loop.exec()
        look.stop()
        look.deleteLater()
        self._loop = None

    def _look(self) -> None:
        """Has the user cancelled, and has the backend had its time to stop?"""
        if self._outcome is not None or not self._feedback.isCanceled():
            return
        if not self._since_cancel.isValid():
            self._since_cancel.start()
            self._client.cancel(self._request_id)
        elif self._since_cancel.hasExpired(self._cancel_ms):
            self._end(failures.cancelled())

    def _end(self, outcome: Any) -> None:
        if self._outcome is None:
            self._outcome = outcome
        if self._loop is not None:
            self._loop.quit()

    def _on_answered(self, request_id: int, result: Any, _attachments: Any) -> None:
        if request_id == self._request_id:
            self._end(result)

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        if request_id == self._request_id:
            self._end(error)

    def _on_partially_answered(self, request_id: int, params: Any) -> None:
        if request_id == self._request_id and self._on_partial is not None:
            self._on_partial(params)

    def _on_progressed(self, request_id: int, fraction: float, message: str) -> None:
        if request_id != self._request_id:
            return
        self._feedback.setProgress(100 * fraction)
        # QGIS writes every text into its log: one line says that tiles are looked at, the bar says how many.
        text = _DIGITS.sub("", message)
        if text and text != self._last_text and not any(path in message for path in self.unsaid):
            self._last_text = text
            self._feedback.setProgressText(message)

    def _on_state_changed(self, state: str) -> None:
        if state != STARTING:
            return
        self._feedback.setProgressText(tr("Starting the backend…"))
        if self._on_restart is not None:
            self._on_restart()

    def _on_log_line(self, level: str, text: str) -> None:
        line = scrubbed(text)
        if level in ("warning", "error"):
            self._feedback.pushWarning(line)
        elif level in ("stderr", "noise"):
            self._feedback.pushConsoleInfo(line)
        else:
            self._feedback.pushDebugInfo(line)

