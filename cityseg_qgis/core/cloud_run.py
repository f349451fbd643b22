"""Classifies point clouds in a process of its own: what a cloud is, then the work itself with progress and stop."""

from __future__ import annotations

from typing import Any, Optional

from qgis.PyQt.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal

from cityseg_qgis.core.cloud_answer import read_cloud_answer
from cityseg_qgis.core.cloud_request import CloudRequest
from cityseg_qgis.core.cloud_source import CloudSource, read_description
from cityseg_qgis.errors import CitySegError, RequestCancelled
from cityseg_qgis.i18n import tr
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import READY, BackendClient

_DESCRIBING = "describe-cloud"
# A process that has nothing to do keeps half a gigabyte; the next cloud may come at once, though.
_IDLE_MS = 120_000


class CloudRun(QObject):
    """One cloud at a time. Slots raise nothing; problems are signals.

    `describe` ends in `described` or `not_described`. `start` opens with `busy_changed`; then come `progressed` (fraction,
    below 0 where unknown, and words) and one of `answered` (answer, seconds), `stopped` and `failed`. The process is the run's own:
    clicks in images never wait for a cloud.
    """

    described = pyqtSignal(object)
    not_described = pyqtSignal(object)
    busy_changed = pyqtSignal(bool)
    progressed = pyqtSignal(float, str)
    answered = pyqtSignal(object, float)
    stopped = pyqtSignal()
    failed = pyqtSignal(object)

    def __init__(self, client: BackendClient, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.client = client
        self.request: Optional[CloudRequest] = None
        self._request_id = 0
        self._describing_id = 0
        self._busy = False
        self._clock = QElapsedTimer()
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.setInterval(_IDLE_MS)
        self._idle.timeout.connect(self._on_idle)
        client.answered.connect(self._on_answered)
        client.failed.connect(self._on_failed)
        client.progressed.connect(self._on_progressed)
        client.state_changed.connect(self._on_client_state)

    @property
    def busy(self) -> bool:
        """Whether a cloud is being classified."""
        return self._busy

    @property
    def describing(self) -> bool:
        """Whether it is being asked what a cloud is."""
        return self._describing_id != 0

    def describe(self, source: CloudSource, crs: str = "") -> None:
        """Ask what the cloud is; an earlier question of the kind is forgotten."""
        params = {"source": {"kind": "cloud", "path": source.path, **({"crs": crs} if crs else {})}}
        self._idle.stop()
        self._describing_id = self.client.request(codes.OPEN, params, supersede=_DESCRIBING)

    def forget_description(self) -> None:
        """No cloud is chosen any more."""
        self._describing_id = 0

    def start(self, request: CloudRequest) -> None:
        """Classify; a run that is open is stopped first."""
        self.stop()
        self._idle.stop()
        self.request = request
        self._request_id = self.client.request(codes.CLASSIFY, request.to_wire())
        self._busy = True
        self._clock.start()
        self.busy_changed.emit(True)
        self._on_client_state()

    def stop(self) -> None:
        """Stop here and now, whatever the backend still has to tidy away: it leaves no file."""
        if not self._busy:
            return
        request_id = self._request_id
        self._settle()
        self.client.cancel(request_id)
        self.stopped.emit()

    def restart_backend(self) -> None:
        """Another backend was installed or chosen; what waits is asked of it."""
        self.client.restart()

    def close(self) -> None:
        """The end of this object's work, and of its process."""
        self._idle.stop()
        self.stop()
        for signal, slot in (
            (self.client.answered, self._on_answered),
            (self.client.failed, self._on_failed),
            (self.client.progressed, self._on_progressed),
            (self.client.state_changed, self._on_client_state),
        ):
            signal.disconnect(slot)
        self.client.shutdown()

    def _on_answered(self, request_id: int, result: Any, _attachments: Any) -> None:
        if request_id == self._describing_id:
            self._describing_id = 0
            self._rest()
            self._tell(self.described, self.not_described, lambda: (read_description(result),))
        elif self._busy and request_id == self._request_id:
            seconds = self._clock.elapsed() / 1000
            self._settle()
            self._tell(self.answered, self.failed, lambda: (read_cloud_answer(result), seconds))

    @staticmethod
    def _tell(good: Any, bad: Any, read: Any) -> None:
        try:
            values = read()
        except CitySegError as error:
            bad.emit(error)
            return
        good.emit(*values)

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        cancelled = isinstance(error, RequestCancelled)
        if request_id == self._describing_id:
            self._describing_id = 0
            self._rest()
            if not cancelled:
                self.not_described.emit(error)
        elif self._busy and request_id == self._request_id:
            self._settle()
            if cancelled:
                # Another hand stopped it, for instance the end of the process on unload.
                self.stopped.emit()
            else:
                self.failed.emit(error)

    def _on_progressed(self, request_id: int, fraction: float, message: str) -> None:
        if self._busy and request_id == self._request_id:
            self.progressed.emit(fraction, message)

    def _on_client_state(self, *_: object) -> None:
        if self._busy and self.client.state != READY:
            self.progressed.emit(-1.0, tr("Starting the backend; it takes a few seconds…"))

    def _settle(self) -> None:
        self._busy = False
        self._rest()
        self.busy_changed.emit(False)

    def _rest(self) -> None:
        if not self._busy and not self.describing:
            self._idle.start()

    def _on_idle(self) -> None:
        if not self._busy and not self.describing and not self.client.pending_count:
            self.client.shutdown()
