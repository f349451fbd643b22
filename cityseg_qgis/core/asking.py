"""Asks the backend for the outline of one object; the newest question wins, and answers are remembered."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsCoordinateReferenceSystem
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis import settings
from cityseg_qgis.core.preview import Preview, read_answer
from cityseg_qgis.core.prompts import Prompt
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.errors import CitySegError, RequestCancelled
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import BackendClient

Prompts = tuple[Prompt, ...]
_GROUP = "preview"


class Asking(QObject):
    """Prompts in, `answered` or `failed` out. At most one question is open; what was answered once is at hand.

    `busy_changed` comes after the state is settled. Everything is forgotten by `forget`, per object.
    """

    answered = pyqtSignal(object)
    failed = pyqtSignal(object)
    busy_changed = pyqtSignal(bool)
    progressed = pyqtSignal(str)

    def __init__(self, client: BackendClient, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._client = client
        self._request_id = 0
        self._question: Optional[tuple[Prompts, SourceDescription]] = None
        self._known: dict[Prompts, Preview] = {}
        client.answered.connect(self._on_answered)
        client.failed.connect(self._on_failed)
        client.progressed.connect(self._on_progressed)

    @property
    def busy(self) -> bool:
        """Whether a question has no answer yet."""
        return self._question is not None

    def ask(
        self,
        prompts: Prompts,
        crs: QgsCoordinateReferenceSystem,
        source: SourceDescription,
        model: str,
    ) -> None:
        """Ask about `prompts` (map frame `crs`). Raises `GeometryProblem` where they have no place in the source."""
        known = self._known.get(prompts)
        if known is not None:
            self.drop()
            self.answered.emit(known)
            return
        params = {
            "source": source.wire,
            "prompts": source.prompts_to_wire(prompts, crs),
            "model": model,
            "options": {"frame": source.frame, **outline_options()},
        }
        was_busy = self.busy
        self._request_id = self._client.request(codes.PREDICT, params, supersede=_GROUP)
        self._question = (prompts, source)
        if not was_busy:
            self.busy_changed.emit(True)

    def drop(self) -> None:
        """Stop the open question, if there is one; neither signal follows."""
        if self.busy:
            request_id = self._request_id
            self._settle()
            self._client.cancel(request_id)

    def forget(self) -> None:
        """Stop, and forget every answer."""
        self.drop()
        self._known.clear()

    def disconnect_client(self) -> None:
        """The end of this object's work."""
        self.forget()
        self._client.answered.disconnect(self._on_answered)
        self._client.failed.disconnect(self._on_failed)
        self._client.progressed.disconnect(self._on_progressed)

    def _on_answered(self, request_id: int, result: Any, _attachments: Any) -> None:
        question = self._question
        if question is None or request_id != self._request_id:
            return
        self._settle()
        try:
            preview = read_answer(result, question[1], question[0])
        except CitySegError as error:
            self.failed.emit(error)
            return
        self._known[question[0]] = preview
        self.answered.emit(preview)

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        if self._question is None or request_id != self._request_id:
            return
        self._settle()
        if not isinstance(error, RequestCancelled):
            self.failed.emit(error)

    def _on_progressed(self, request_id: int, _fraction: float, message: str) -> None:
        if self.busy and request_id == self._request_id and message:
            self.progressed.emit(message)

    def _settle(self) -> None:
        self._question = None
        self.busy_changed.emit(False)


def outline_options() -> dict[str, Any]:
    """How the settings want outlines."""
    options: dict[str, Any] = {"min_area_m2": settings.MIN_AREA_M2.value()}
    tolerance_m = settings.TOLERANCE_M.value()
    if tolerance_m > 0:
        options["tolerance_m"] = tolerance_m
    return options
