"""What Refer and Ask share: the words, where to search, running and stopping, and what was understood."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from cityseg_qgis.core.text_answer import TextAnswer
from cityseg_qgis.core.text_request import ALL, TextRequest
from cityseg_qgis.core.text_run import TextRun
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.gui.area_choice import AreaChoice
from cityseg_qgis.gui.understood_view import ProblemNote, UnderstoodView
from cityseg_qgis.gui.widgets import Step, flat_button
from cityseg_qgis.gui.word_entry import WordEntry
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path

_UNKNOWN = 1000


class TextPanel(Step):
    """A card. It asks through the run that both panels share, and shows only what it asked itself.

    `said` brings a sentence for the status line. The area choice moves to the panel that is shown.
    """

    mode = ""
    said = pyqtSignal(str)
    problem = pyqtSignal(object)
    adds_chosen = pyqtSignal(bool)

    def __init__(
        self,
        title: str,
        run: TextRun,
        area: AreaChoice,
        entry: WordEntry,
        parent: Optional[QWidget] = None,
    ) -> None:
        super().__init__(2, title, parent)
        self._run = run
        self._area = area
        self._answer: Optional[TextAnswer] = None
        self._asked = ""
        self._mine = False
        self._blocked = ""
        self.entry = entry
        self.entry.entered.connect(self.start)
        self.entry.edited.connect(self._refresh)
        for button in entry.buttons:
            self.head.addWidget(button)
        self.body.addWidget(self.entry)
        self.body.addLayout(self._choices())
        self.body.addLayout(self._running())
        self.note = ProblemNote(self)
        self.body.addWidget(self.note)
        self.understood = UnderstoodView(self)
        self.understood.run_again.connect(self.run_again)
        self.understood.word_chosen.connect(self._on_word_chosen)
        self.body.addWidget(self.understood)
        run.busy_changed.connect(self._on_busy_changed)
        run.progressed.connect(self._on_progressed)
        run.found_changed.connect(self._on_found_changed)
        run.answered.connect(self._on_answered)
        run.stopped.connect(self._on_stopped)
        run.failed.connect(self._on_failed)
        run.review.changed.connect(self._refresh)
        self._refresh()

    def _choices(self) -> QHBoxLayout:
        """What a panel lets one choose, then where to search."""
        row = QHBoxLayout()
        row.setSpacing(6)
        choice = self.make_choice()
        if choice is not None:
            row.addWidget(choice, 0, Qt.AlignmentFlag.AlignTop)
        self._area_slot = QVBoxLayout()
        row.addLayout(self._area_slot, 1)
        return row

    def make_choice(self) -> Optional[QWidget]:
        """What a panel has beside the area; None for nothing."""
        return None

    @property
    def find(self) -> str:
        """All that the words mean, or the one."""
        return ALL

    def adopt_area(self) -> None:
        """This panel is shown: the area choice belongs here now."""
        self._area_slot.addWidget(self._area)
        self._area.show()

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be asked now; empty where it can."""
        self._blocked = reason
        self._refresh()

    def start(self) -> None:
        """Ask what stands in the field."""
        if self._run.busy or not self.run_button.isEnabled():
            return
        self._ask(TextRequest(self.entry.words, self.mode, find=self.find))

    def run_again(self) -> None:
        """Ask the program that was understood, with the chips as they are now."""
        if self._run.busy or self._answer is None or self._answer.program is None:
            return
        request = TextRequest(
            self._asked,
            self.mode,
            find=self.find,
            program=self._answer.program,
            changes=self.understood.chips.changes,
        )
        self._ask(request)

    def _ask(self, request: TextRequest) -> None:
        self.note.clear()
        try:
            area = self._area.area()
        except CitySegError as error:
            self._show_problem(error)
            return
        self._mine = True
        self._asked = request.words
        if self._run.start(replace(request, area=area), adds=self.adds_button.isChecked()):
            self.entry.remember(request.words)
            self.understood.fade()

    def _running(self) -> QVBoxLayout:
        self.run_button = QPushButton(self)
        self.run_button.setObjectName("CitySegPrimary")
        self.run_button.clicked.connect(self.start)
        self.stop_button = QPushButton(tr("Stop"), self)
        self.stop_button.setObjectName("CitySegStop")
        self.stop_button.setToolTip(tr("Stop now; what was found so far stays under review"))
        self.stop_button.clicked.connect(self._run.stop)
        self.progress = QProgressBar(self)
        self.progress.setObjectName("CitySegProgress")
        self.progress.setRange(0, 0)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.progress, 1)
        row.addWidget(self.stop_button)
        self.adds_button = flat_button(
            QIcon(icon_path("op-add")),
            "",
            tr(
                "Add to what is under review. Otherwise what is found now takes its place, and undo brings the earlier "
                "objects back."
            ),
            self,
        )
        self.adds_button.setObjectName("CitySegAdds")
        self.adds_button.setCheckable(True)
        self.adds_button.toggled.connect(self.adds_chosen)
        first = QHBoxLayout()
        first.setSpacing(6)
        first.addWidget(self.run_button, 1)
        first.addWidget(self.adds_button)
        column = QVBoxLayout()
        column.addLayout(first)
        column.addLayout(row)
        return column

    def _refresh(self, *_: object) -> None:
        busy = self._run.busy
        self.run_button.setVisible(not busy)
        self.run_button.setText(self.run_caption)
        self.run_button.setEnabled(bool(self.entry.words) and not self._blocked)
        self.run_button.setToolTip(self._blocked)
        self.adds_button.setVisible(not busy and self._run.review.counts.open > 0)
        for widget in (self.progress, self.stop_button):
            widget.setVisible(busy)

    @property
    def run_caption(self) -> str:
        """What the button says."""
        return tr("Find  (Enter)")

    def _on_busy_changed(self, busy: bool) -> None:
        if busy:
            self._show_progress(-1.0)
        self._refresh()

    def _on_progressed(self, fraction: float, message: str) -> None:
        self._show_progress(fraction)
        if self._mine and message:
            self.said.emit(message)

    def _show_progress(self, fraction: float) -> None:
        """A share that is not known moves the bar without saying how far."""
        known = 0.0 <= fraction <= 1.0
        self.progress.setRange(0, _UNKNOWN if known else 0)
        self.progress.setValue(round(fraction * _UNKNOWN) if known else -1)
        self.progress.setFormat("%p %")

    def _on_found_changed(self, count: int) -> None:
        if self._mine:
            self.said.emit(tr("{count} found so far…").format(count=count))

    def _on_answered(self, answer: TextAnswer, seconds: float) -> None:
        if not self._mine:
            return
        self._mine = False
        self._answer = answer
        self.understood.show_answer(answer, seconds)
        self.said.emit(
            tr("Review what was found: click an object to drop it, then accept the rest.")
            if answer.found
            else tr("Nothing found.")
        )

    def _on_stopped(self, count: int) -> None:
        if not self._mine:
            return
        self._mine = False
        self.understood.hide()
        text = tr("Stopped. What was found so far stays under review: {count}.").format(count=count)
        self.said.emit(text if count else tr("Stopped before anything was found."))

    def _on_failed(self, error: CitySegError) -> None:
        if self._mine:
            self._mine = False
            self._show_problem(error)

    def _show_problem(self, error: CitySegError) -> None:
        self.understood.hide()
        self.note.show_error(error)
        self.said.emit(tr("Not found yet; the card above says why."))
        self.problem.emit(error)

    def _on_word_chosen(self, unknown: str, word: str) -> None:
        """A word that was not understood gives way to one that will be."""
        words = self.entry.line.text()
        at = words.lower().find(unknown.lower())
        self.entry.set_words(words[:at] + word + words[at + len(unknown) :] if at >= 0 else word)
