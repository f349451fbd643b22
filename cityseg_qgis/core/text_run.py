"""From words to objects under review: what the Refer and Ask panels do, without their widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis.core.asking_text import AskingText
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.model_choice import ModelChoice
from cityseg_qgis.core.review import Review
from cityseg_qgis.core.source import describe
from cityseg_qgis.core.text_answer import TextAnswer
from cityseg_qgis.core.text_request import TextRequest
from cityseg_qgis.errors import CitySegError, UnsupportedLayer
from cityseg_qgis.i18n import tr
from cityseg_qgis.worker.client import READY


class TextRun(QObject):
    """One question at a time, over the interaction's layer and model. Slots raise nothing; problems are signals.

    `busy_changed` opens and closes a run; in between come `progressed` (fraction, below 0 where unknown, and words)
    and `found_changed`; one of `answered` (answer, seconds), `stopped` and `failed` says how it ended. The request
    that is answered stands in `request`.
    """

    busy_changed = pyqtSignal(bool)
    progressed = pyqtSignal(float, str)
    found_changed = pyqtSignal(int)
    answered = pyqtSignal(object, float)
    stopped = pyqtSignal(int)
    failed = pyqtSignal(object)

    def __init__(
        self, interaction: Interaction, review: Review, parent: Optional[QObject] = None
    ) -> None:
        super().__init__(parent)
        self.review = review
        self.request: Optional[TextRequest] = None
        self._interaction = interaction
        self._found: set[int] = set()
        self._steps: list[Callable[[], None]] = []
        self._asking = AskingText(interaction.client, self)
        self._asking.found_some.connect(self._on_found_some)
        self._asking.answered.connect(self._on_answered)
        self._asking.stopped.connect(self._on_stopped)
        self._asking.failed.connect(self._on_failed)
        self._asking.busy_changed.connect(self.busy_changed)
        self._asking.progressed.connect(self.progressed)
        interaction.client.state_changed.connect(self._on_client_state)

    @property
    def busy(self) -> bool:
        """Whether a question is open."""
        return self._asking.busy

    @property
    def model(self) -> ModelChoice:
        """The model that is asked."""
        return self._interaction.model

    def start(self, request: TextRequest, adds: bool = False) -> bool:
        """Ask; `adds` keeps what the review holds. False, and `failed`, where it cannot be asked."""
        try:
            source = describe(self._interaction.source_layer)
            if not self.model.hears_words:
                raise UnsupportedLayer(deaf_reason(self.model))
            self._asking.ask(request, source, self.model.id)
        except CitySegError as error:
            self.failed.emit(error)
            return False
        self.request = request
        self._found = set()
        self.review.begin_run(source.crs, adds)
        self._on_client_state()
        return True

    def stop(self) -> None:
        """Stop here and now; what was found stays."""
        self._asking.stop()

    def close(self) -> None:
        """Let go of everything outside."""
        self._interaction.client.state_changed.disconnect(self._on_client_state)
        self._asking.disconnect_client()

    def _on_client_state(self, *_: object) -> None:
        if self.busy:
            starting = self._interaction.client.state != READY
            self.progressed.emit(
                -1.0, tr("Starting the backend; the first answer takes a few seconds…") if starting else ""
            )

    def _on_found_some(self, found: list) -> None:
        self._in_order(lambda: self._take_some(found))

    def _on_answered(self, answer: TextAnswer, seconds: float) -> None:
        self._in_order(lambda: self._take_all(answer, seconds))

    def _on_stopped(self) -> None:
        self._in_order(lambda: self._end(self.stopped, len(self._found)))

    def _on_failed(self, error: CitySegError) -> None:
        self._in_order(lambda: self._end(self.failed, error))

    def _take_some(self, found: list) -> None:
        self.review.put(found)
        self._found |= {one.object_id or -len(self._found) - 1 for one in found}
        self.found_changed.emit(len(self._found))

    def _take_all(self, answer: TextAnswer, seconds: float) -> None:
        self.review.finish(answer.found)
        self.answered.emit(answer, seconds)

    def _end(self, signal: Any, *arguments: object) -> None:
        self.review.end_run()
        signal.emit(*arguments)

    def _in_order(self, step: Callable[[], None]) -> None:
        """Adding the review layer may run the event loop, for instance to ask for a CRS: the next message waits."""
        self._steps.append(step)
        if len(self._steps) > 1:
            return
        while self._steps:
            try:
                self._steps[0]()
            finally:
                self._steps.pop(0)


def deaf_reason(model: ModelChoice) -> str:
    """Why a model cannot be asked in words, and what to do."""
    return tr("“{model}” hears no words; choose another model to refer and ask.").format(model=model.title)
