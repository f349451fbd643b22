"""Asks the backend in words: one question at a time, with what is found on the way."""

from __future__ import annotations

from typing import Any, Optional

from qgis.PyQt.QtCore import QElapsedTimer, QObject, pyqtSignal

from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.core.text_answer import read_found, read_text_answer
from cityseg_qgis.core.text_request import TextRequest
from cityseg_qgis.errors import CitySegError, RequestCancelled
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import BackendClient


class AskingText(QObject):
    """`ask`, then any number of `found_some`, then one of `answered`, `failed` and `stopped`.

    `stop` ends the question here and now, whatever the backend still does: the user waits for no tile. `found_some`
    brings a list of `Found`, `answered` a `TextAnswer` and the seconds that it took.
    """

    found_some = pyqtSignal(object)
    answered = pyqtSignal(object, float)
    failed = pyqtSignal(object)
    stopped = pyqtSignal()
    busy_changed = pyqtSignal(bool)
    progressed = pyqtSignal(float, str)

    def __init__(self, client: BackendClient, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._client = client
        self._request_id = 0
        self._source: Optional[SourceDescription] = None
        self._clock = QElapsedTimer()
        client.answered.connect(self._on_answered)
        client.failed.connect(self._on_failed)
        client.progressed.connect(self._on_progressed)
        client.partially_answered.connect(self._on_partial)

    @property
    def busy(self) -> bool:
        """Whether a question has no answer yet."""
        return self._source is not None

    def ask(self, request: TextRequest, source: SourceDescription, model: str) -> None:
        """Ask; an open question is stopped first. Raises `GeometryProblem` where the area misses the raster."""
        params = request.to_wire(source, model)
        self.stop()
        self._request_id = self._client.request(codes.SEGMENT, params)
        self._source = source
        self._clock.start()
        self.busy_changed.emit(True)

    def stop(self) -> None:
        """Stop the open question, if there is one."""
        if not self.busy:
            return
        request_id = self._request_id
        self._settle()
        self._client.cancel(request_id)
        self.stopped.emit()

    def disconnect_client(self) -> None:
        """The end of this object's work."""
        self.stop()
        self._client.answered.disconnect(self._on_answered)
        self._client.failed.disconnect(self._on_failed)
        self._client.progressed.disconnect(self._on_progressed)
        self._client.partially_answered.disconnect(self._on_partial)

    def _on_answered(self, request_id: int, result: Any, _attachments: Any) -> None:
        source = self._source
        if source is None or request_id != self._request_id:
            return
        seconds = self._clock.elapsed() / 1000
        self._settle()
        try:
            answer = read_text_answer(result, source)
        except CitySegError as error:
            self.failed.emit(error)
            return
        self.answered.emit(answer, seconds)

    def _on_partial(self, request_id: int, params: Any) -> None:
        source = self._source
        if source is None or request_id != self._request_id:
            return
        try:
            found = read_found(params.get("features"), source)
        except CitySegError as error:
            self._settle()
            self._client.cancel(request_id)
            self.failed.emit(error)
            return
        self.found_some.emit(found)

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        if not self.busy or request_id != self._request_id:
            return
        self._settle()
        if isinstance(error, RequestCancelled):
            # Another hand stopped it, for instance the end of the process on unload.
            self.stopped.emit()
        else:
            self.failed.emit(error)

    def _on_progressed(self, request_id: int, fraction: float, message: str) -> None:
        if self.busy and request_id == self._request_id:
            self.progressed.emit(fraction, message)

    def _settle(self) -> None:
        self._source = None
        self.busy_changed.emit(False)
