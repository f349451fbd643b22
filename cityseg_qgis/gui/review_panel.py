"""Step 3 of Refer and Ask: look at what was found, keep or drop it, and accept the rest."""

from __future__ import annotations

from typing import Optional

from qgis.core import NULL, QgsApplication, QgsFeature, QgsProject
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from cityseg_qgis.core.review import Review
from cityseg_qgis.core.review_layer import DROPPED, KEPT
from cityseg_qgis.gui.accept_step import area_text
from cityseg_qgis.gui.target_combo import TargetCombo
from cityseg_qgis.gui.widgets import Choice, Step, flat_button
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path

# Room for the button beside it.
_TARGET_LETTERS = 8
_ICONS = {"review": "review-map", "drop": "review-drop", "keep": "review-keep", "refine": "review-refine", "next": "review-next"}


class ReviewPanel(Step):
    """Shows the review and works on its current objects. What needs the map is asked for by a signal.

    `command_wanted` brings "refine", "next", "undo" or "accept"; `review_toggled` the review tool.
    """

    command_wanted = pyqtSignal(str)
    review_toggled = pyqtSignal(bool)

    def __init__(self, review: Review, project: QgsProject, parent: Optional[QWidget] = None) -> None:
        super().__init__(3, tr("Review what was found"), parent)
        self._review = review
        self.undo_button = flat_button(
            QgsApplication.getThemeIcon("/mActionUndo.svg"), "", tr("Take the last step back (Ctrl+Z)"), self
        )
        self.undo_button.setObjectName("CitySegReviewUndo")
        self.undo_button.clicked.connect(lambda: self.command_wanted.emit("undo"))
        self.clear_button = flat_button(
            QgsApplication.getThemeIcon("/mActionDeleteSelected.svg"), "", tr("Take all found objects away"), self
        )
        self.clear_button.setObjectName("CitySegReviewClear")
        self.clear_button.clicked.connect(review.clear)
        for button in (self.undo_button, self.clear_button):
            button.setAutoRaise(True)
            self.head.addWidget(button)
        self.counts_label = QLabel(self)
        self.counts_label.setObjectName("CitySegReviewCounts")
        self.body.addWidget(self.counts_label)
        self.body.addLayout(self._threshold())
        self.body.addLayout(self._commands())
        self.current_label = QLabel(self)
        self.current_label.setObjectName("CitySegCurrent")
        self.current_label.setWordWrap(True)
        self.current_label.setTextFormat(Qt.TextFormat.PlainText)
        self.body.addWidget(self.current_label)
        self.target_combo = TargetCombo(project, self)
        self.target_combo.setObjectName("CitySegReviewTarget")
        self.target_combo.setMinimumContentsLength(_TARGET_LETTERS)
        self.accept_button = QPushButton(self)
        self.accept_button.setObjectName("CitySegPrimary")
        self.accept_button.setToolTip(
            tr("Write the kept objects into that layer, as one step that undo takes back (Enter, while reviewing)")
        )
        self.accept_button.clicked.connect(lambda: self.command_wanted.emit("accept"))
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.accept_button)
        row.addWidget(QLabel(tr("into"), self))
        row.addWidget(self.target_combo, 1)
        self.body.addLayout(row)
        review.changed.connect(self.refresh)
        review.current_changed.connect(self.refresh_current)
        self.set_reviewing(False)
        self.refresh()

    def set_reviewing(self, active: bool) -> None:
        """Whether the review tool has the canvas."""
        self.review_button.setChecked(active)

    def refresh(self) -> None:
        """Counts, filter and buttons."""
        counts, least = self._review.counts, self._review.store.least_score
        parts = [tr("{count} kept").format(count=counts.kept)]
        if counts.dropped:
            parts.append(tr("{count} dropped").format(count=counts.dropped))
        if counts.unsure:
            parts.append(tr("{count} less sure").format(count=counts.unsure))
        if counts.accepted:
            parts.append(tr("{count} accepted").format(count=counts.accepted))
        nothing = tr("Found objects appear here and on the map, as layer “CitySeg review”.")
        self.counts_label.setText(" · ".join(parts) if self._review.store.entries else nothing)
        self.counts_label.setWordWrap(not self._review.store.entries)
        self.slider.blockSignals(True)
        self.slider.setValue(round(100 * least))
        self.slider.blockSignals(False)
        self.least_label.setText(
            tr("at least {percent} % sure").format(percent=round(100 * least)) if least else tr("all, however sure")
        )
        has_open = counts.open > 0
        for widget in (self.slider, self.review_button, self.clear_button):
            widget.setEnabled(has_open)
        self.clear_button.setEnabled(bool(self._review.store.entries))
        self.undo_button.setEnabled(bool(self._review.undo_name))
        self.undo_button.setToolTip(
            tr("Take back: {step} (Ctrl+Z)").format(step=self._review.undo_name or tr("nothing"))
        )
        self.accept_button.setEnabled(counts.kept > 0)
        self.accept_button.setText(
            tr("Accept {count} kept").format(count=counts.kept) if counts.kept else tr("Accept kept")
        )
        self.buttons["next"].setEnabled(bool(counts.kept + counts.dropped))
        self.refresh_current()

    def refresh_current(self) -> None:
        """What is said of the current objects, and what can be done with them."""
        current = self._review.current
        for name in ("drop", "keep"):
            self.buttons[name].setEnabled(bool(current))
        self.buttons["refine"].setEnabled(len(current) == 1)
        if len(current) == 1:
            found = self._review.store.features(current)
            text = _described(found[0], self._review.state_of(current[0])) if found else ""
            self.current_label.setToolTip(_text(found[0]["why"]) if found else "")
        else:
            self.current_label.setToolTip("")
            text = tr("{count} objects chosen").format(count=len(current)) if current else ""
        self.current_label.setText(text)
        self.current_label.setVisible(bool(text))

    def _threshold(self) -> QHBoxLayout:
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setObjectName("CitySegLeastScore")
        self.slider.setRange(0, 100)
        self.slider.setPageStep(5)
        self.slider.setToolTip(tr("Hide what the model is less sure of; nothing is searched again"))
        self.slider.valueChanged.connect(lambda value: self._review.set_least_score(value / 100))
        self.least_label = QLabel(self)
        self.least_label.setObjectName("CitySegLeastLabel")
        # The text must not push the slider about while it moves.
        self.least_label.setMinimumWidth(
            self.least_label.fontMetrics().horizontalAdvance(tr("at least {percent} % sure").format(percent=100))
        )
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.slider, 1)
        row.addWidget(self.least_label)
        return row

    def _commands(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self.buttons = {}
        for choice in _choices():
            button = flat_button(QIcon(choice.icon), choice.caption, choice.hint, self)
            button.setObjectName("CitySegSegment")
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            row.addWidget(button)
            self.buttons[choice.key] = button
        self.review_button = self.buttons["review"]
        self.review_button.setCheckable(True)
        self.review_button.clicked.connect(self.review_toggled)
        self.buttons["drop"].clicked.connect(lambda: self._review.mark(self._review.current, DROPPED))
        self.buttons["keep"].clicked.connect(lambda: self._review.mark(self._review.current, KEPT))
        self.buttons["refine"].clicked.connect(lambda: self.command_wanted.emit("refine"))
        self.buttons["next"].clicked.connect(lambda: self.command_wanted.emit("next"))
        return row


def _choices() -> list[Choice]:
    texts = {
        "review": (tr("Review"), tr("Click on the map: a click drops an object, another keeps it, a drag chooses several")),
        "drop": (tr("Drop"), tr("Not wanted: it stays out when the rest is accepted (Del)")),
        "keep": (tr("Keep"), tr("Wanted after all (K)")),
        "refine": (tr("Refine"), tr("Correct its outline with clicks, under Interact (R)")),
        "next": (tr("Next"), tr("To the next object, the least sure first (Tab; Shift+Tab goes back)")),
    }
    return [Choice(key, icon_path(_ICONS[key]), *texts[key]) for key in _ICONS]


def _described(feature: QgsFeature, state: str) -> str:
    """One object in a line."""
    parts = [_text(feature["class"]) or tr("object")]
    score, area_m2 = feature["score"], feature["area_m2"]
    if score is not None and score != NULL:
        parts.append(tr("{percent} % sure").format(percent=round(100 * score)))
    if area_m2 is not None and area_m2 != NULL:
        parts.append(area_text(area_m2))
    parts.append(tr("dropped") if state == DROPPED else tr("kept"))
    return " · ".join(parts)


def _text(value: object) -> str:
    return "" if value is None or value == NULL else str(value)
