"""The answer to words: the sentence, what was understood, the chips, the words that mean nothing, and problems."""

from __future__ import annotations

from html import escape
from typing import Optional

from qgis.PyQt.QtCore import Qt, QUrl, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cityseg_qgis.core.text_answer import (
    CLASSES,
    NETWORK,
    PROGRAM,
    Concept,
    TextAnswer,
    UnknownWord,
)
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.gui.chips import ChipRow
from cityseg_qgis.gui.widgets import fill, text_label
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import log, sentence_and_detail, show_details

# More near words than these help nobody.
_MOST_NEAREST = 5


class UnderstoodView(QWidget):
    """Hidden until there is an answer. `word_chosen` brings an unknown word and the one to put in its place."""

    run_again = pyqtSignal()
    word_chosen = pyqtSignal(str, str)

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.answer_label = text_label("CitySegAnswer", self)
        self.sentence_label = text_label("CitySegUnderstood", self)
        self.concepts_label = text_label("CitySegConcepts", self)
        self.unknown_label = text_label("CitySegUnknown", self)
        self.unknown_label.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse)
        self.unknown_label.linkActivated.connect(self._on_link)
        self.chips = ChipRow(self)
        self.chips.changed.connect(self._refresh_again)
        self.again_button = QPushButton(tr("Run again with these changes"), self)
        self.again_button.setObjectName("CitySegRunAgain")
        self.again_button.clicked.connect(self.run_again)
        self.reset_button = QPushButton(tr("Undo"), self)
        self.reset_button.setObjectName("CitySegResetChips")
        self.reset_button.clicked.connect(self.chips.reset)
        self.path_pill = QLabel(self)
        self.path_pill.setObjectName("CitySegPill")
        self.figures_label = QLabel(self)
        self.figures_label.setObjectName("CitySegHint")
        self._again = QWidget(self)
        again = QHBoxLayout(self._again)
        again.setContentsMargins(0, 0, 0, 0)
        again.addWidget(self.again_button, 1)
        again.addWidget(self.reset_button)
        figures = QHBoxLayout()
        figures.addWidget(self.path_pill)
        figures.addWidget(self.figures_label)
        figures.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(5)
        for widget in (self.answer_label, self.sentence_label, self.concepts_label, self.chips):
            column.addWidget(widget)
        column.addWidget(self._again)
        column.addWidget(self.unknown_label)
        column.addLayout(figures)
        self.hide()

    def show_answer(self, answer: TextAnswer, seconds: float) -> None:
        """All that the answer says of itself."""
        count = len(answer.found)
        self.answer_label.setText(answer.answer or tr("{count} found.").format(count=count))
        concepts = [concept for concept in answer.concepts if _tells(concept)]
        fill(self.concepts_label, "\n".join(_capital(concept_text(c)) for c in concepts if not _is_said(c, answer)))
        # After a question the concept says all that the sentence would.
        sentence = "" if concepts and answer.sentence.lower().startswith("understood as") else answer.sentence
        fill(self.sentence_label, tr("Understood: {sentence}").format(sentence=sentence) if sentence else "")
        self.chips.show_chips(answer.chips if answer.program is not None else ())
        fill(self.unknown_label, "<br>".join(_unknown_html(word) for word in answer.unknown))
        caption, hint = _paths().get(answer.path, ("", ""))
        fill(self.path_pill, caption)
        self.path_pill.setToolTip(hint)
        self.figures_label.setText(
            tr("{count} found in {seconds} s").format(count=count, seconds=f"{seconds:.1f}")
        )
        self._refresh_again()
        self.setEnabled(True)
        self.show()

    def fade(self) -> None:
        """A new question is out: what is shown is of the one before."""
        self.setEnabled(False)

    def _refresh_again(self) -> None:
        self._again.setVisible(bool(self.chips.changes))

    def _on_link(self, link: str) -> None:
        url = QUrl(link)
        unknown, _, word = url.path().partition("/")
        self.word_chosen.emit(
            QUrl.fromPercentEncoding(unknown.encode()), QUrl.fromPercentEncoding(word.encode())
        )


class ProblemNote(QFrame):
    """What went wrong, in one sentence, with its details; hidden while nothing is."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegProblem")
        self.text = QLabel(self)
        self.text.setObjectName("CitySegProblemText")
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details_button = QPushButton(tr("Details…"), self)
        self.details_button.setObjectName("CitySegProblemDetails")
        self.details_button.clicked.connect(self._on_details)
        self._shown: tuple[str, str] = ("", "")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 5, 6, 5)
        row.addWidget(self.text, 1)
        row.addWidget(self.details_button)
        self.hide()

    def show_error(self, error: CitySegError) -> None:
        """Its sentence here, its detail behind the button and in the log."""
        self._shown = sentence_and_detail(error)
        log("\n".join(part for part in self._shown if part))
        self.text.setText(self._shown[0])
        self.details_button.setVisible(bool(self._shown[1]))
        self.show()

    def clear(self) -> None:
        """All is well."""
        self.hide()

    def _on_details(self) -> None:
        show_details(*self._shown, self.window())


def concept_text(concept: Concept) -> str:
    """A concept with its probability and its reason: "understood as: runway, 0.81, where aircraft take off"."""
    parts = [concept.name]
    if concept.probability is not None:
        parts.append(f"{concept.probability:.2f}")
    if concept.because:
        parts.append(concept.because)
    return tr("understood as: {concept}").format(concept=", ".join(parts))


def _tells(concept: Concept) -> bool:
    """A class that was called by its name needs no explanation."""
    return bool(concept.because) or (concept.probability is not None and concept.probability < 1)


def _is_said(concept: Concept, answer: TextAnswer) -> bool:
    """Whether the answer's own sentence has it already."""
    return f"{concept.name}, {concept.probability or 0:.2f}" in answer.answer


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unknown_html(unknown: UnknownWord) -> str:
    if not unknown.nearest:
        return escape(tr("“{word}” means nothing to me.").format(word=unknown.word))
    links = [
        f'<a href="word:{_encoded(unknown.word)}/{_encoded(near)}">{escape(near)}</a>'
        for near in unknown.nearest[:_MOST_NEAREST]
    ]
    sentence = escape(tr("I do not know “{word}”. Near it I know: {nearest}."))
    return sentence.format(word=escape(unknown.word), nearest=", ".join(links))


def _encoded(text: str) -> str:
    return bytes(QUrl.toPercentEncoding(text)).decode()


def _paths() -> dict[str, tuple[str, str]]:
    return {
        PROGRAM: (
            tr("by rules"),
            tr("The words became a program, which was run on the found objects: exact in metres and directions"),
        ),
        NETWORK: (
            tr("by the network"),
            tr("The words made no program; the network answered for the whole sentence, which is less exact"),
        ),
        CLASSES: (tr("by classes"), tr("Each class was searched for by itself")),
    }
