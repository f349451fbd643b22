"""What was understood, as chips: numbers to turn, classes, colours and relations to choose, parts to leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Optional

from qgis.PyQt.QtCore import QEvent, QObject, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from cityseg_qgis.core.text_answer import Chip
from cityseg_qgis.gui.flow_layout import FlowLayout
from cityseg_qgis.i18n import tr

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_MOST_VALUE = 1e9
_MOST_DECIMALS = 4
# The arrows and the margins of a spin box.
_ARROWS_PX = 34


class ChipRow(QWidget):
    """Chips in rows. `changed` says that a chip differs, or differs no more, from what was asked."""

    changed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegChips")
        self._flow = FlowLayout(self)
        self.chips: list[ChipWidget] = []
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def changes(self) -> dict[str, Any]:
        """The new value of every chip that was changed, by id; a part that is left out comes last, as None."""
        changed = {chip.chip.id: chip.value for chip in self.chips if chip.is_changed}
        return dict(sorted(changed.items(), key=lambda change: change[1] is None))

    def show_chips(self, chips: Sequence[Chip]) -> None:
        """These in place of those before."""
        for widget in self.chips:
            self._flow.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self.chips = [make_chip(chip, self) for chip in chips]
        for widget in self.chips:
            widget.changed.connect(self._on_changed)
            self._flow.addWidget(widget)
            widget.show()
        self.setVisible(bool(self.chips))
        self._flow.invalidate()
        self.updateGeometry()

    def _on_changed(self) -> None:
        """One part is left out at a time: without it, the others have other places in the program."""
        sender = self.sender()
        if isinstance(sender, ChipWidget) and sender.is_left_out:
            for widget in self.chips:
                if widget is not sender and widget.is_left_out:
                    widget.leave_out(False)
        self.changed.emit()

    def reset(self) -> None:
        """Take all changes back."""
        for widget in self.chips:
            widget.reset()


class ChipWidget(QFrame):
    """A part that is only read. Those that can be changed derive from it."""

    changed = pyqtSignal()

    def __init__(self, chip: Chip, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.chip = chip
        self.setObjectName("CitySegChip")
        self.setProperty("kind", chip.kind)
        self.setProperty("changed", False)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(7, 1, 7, 1)
        self.row.setSpacing(3)
        self._left_out = False
        self._fill()
        if chip.editable and (chip.removable or chip.is_negation):
            self.row.addWidget(self._remove_button())

    @property
    def value(self) -> Any:
        """What it says now; None (False for a "not") where it is left out."""
        if self._left_out:
            return False if self.chip.is_negation else None
        return self.said()

    @property
    def is_changed(self) -> bool:
        """Whether it says something else than was asked."""
        return self.value != self.chip.value

    @property
    def is_left_out(self) -> bool:
        """Whether it is struck out."""
        return self._left_out

    def leave_out(self, left_out: bool) -> None:
        """Strike it out, or take it in again."""
        if left_out != self._left_out:
            self._left_out = left_out
            self.remove_button.setChecked(left_out)
            for part in self.findChildren(QWidget):
                if part is not self.remove_button:
                    part.setEnabled(not left_out)
            self._on_edited()

    def said(self) -> Any:
        """The value that the widget shows."""
        return self.chip.value

    def reset(self) -> None:
        """As it was asked."""
        self.leave_out(False)

    def _remove_button(self) -> QToolButton:
        self.remove_button = QToolButton(self)
        self.remove_button.setObjectName("CitySegChipRemove")
        self.remove_button.setText("×")
        self.remove_button.setCheckable(True)
        self.remove_button.setAutoRaise(True)
        self.remove_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.remove_button.setToolTip(tr("Leave this part out, then run again"))
        self.remove_button.clicked.connect(self.leave_out)
        return self.remove_button

    def _fill(self) -> None:
        self.row.addWidget(QLabel(self.chip.text, self))

    def _on_edited(self, *_: object) -> None:
        self.setProperty("changed", self.is_changed)
        # A style sheet that asks for a property is read again only when the widget is polished anew.
        for widget in (self, *self.findChildren(QWidget)):
            widget.style().unpolish(widget)
            widget.style().polish(widget)
        self.updateGeometry()
        self.changed.emit()


class NumberChip(ChipWidget):
    """A number between the words that the chip says before and after it: "larger than 200 m²"."""

    def _fill(self) -> None:
        before, after = _around_number(self.chip.text, float(self.chip.value), self.chip.unit)
        self.box = QDoubleSpinBox(self)
        self.box.setObjectName("CitySegChipNumber")
        self.box.setDecimals(_decimals(self.chip.value))
        self.box.setRange(0.0, _MOST_VALUE)
        self.box.setValue(float(self.chip.value))
        self.box.setSingleStep(_step(self.chip.value))
        self.box.setPrefix(before)
        self.box.setSuffix(after)
        self.box.setFrame(False)
        self._fit()
        self.box.valueChanged.connect(self._fit)
        self.box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.box.setToolTip(tr("Change the number, then run again"))
        self.box.valueChanged.connect(self._on_edited)
        self.box.installEventFilter(_wheel_guard(self))
        self.row.setContentsMargins(2, 1, 2, 1)
        self.row.addWidget(self.box)

    def _fit(self, *_: object) -> None:
        """As wide as its text: a spin box likes room for the greatest number of its range."""
        text = self.box.text()
        self.box.setFixedWidth(self.box.fontMetrics().horizontalAdvance(text) + _ARROWS_PX)

    def said(self) -> Any:
        """Whole where the backend's number was whole."""
        number = self.box.value()
        return int(number) if isinstance(self.chip.value, int) and number == int(number) else number

    def reset(self) -> None:
        """As it was asked."""
        super().reset()
        self.box.setValue(float(self.chip.value))


class ChoiceChip(ChipWidget):
    """One of several values."""

    def _fill(self) -> None:
        self.box = QComboBox(self)
        self.box.setObjectName("CitySegChipChoice")
        self.box.setFrame(False)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.box.setToolTip(tr("Choose another, then run again"))
        captions = _comparisons() if self.chip.kind == "comparison" else {}
        for value, caption in self.chip.choices:
            caption = captions.get(value, caption)
            # The chosen one as the sentence has it: "buildings", not "building".
            own = value == self.chip.value and self.chip.text and not captions
            self.box.addItem(self.chip.text if own else caption, value)
        if self._row_of(self.chip.value) < 0:
            self.box.insertItem(0, self.chip.text or str(self.chip.value), self.chip.value)
        self.box.setCurrentIndex(self._row_of(self.chip.value))
        self.box.currentIndexChanged.connect(self._on_edited)
        self.box.installEventFilter(_wheel_guard(self))
        self.row.setContentsMargins(2, 1, 2, 1)
        self.row.addWidget(self.box)

    def said(self) -> Any:
        """The chosen value."""
        return self.box.currentData()

    def reset(self) -> None:
        """As it was asked."""
        super().reset()
        self.box.setCurrentIndex(self._row_of(self.chip.value))

    def _row_of(self, value: Any) -> int:
        return next((row for row in range(self.box.count()) if self.box.itemData(row) == value), -1)


def make_chip(chip: Chip, parent: Optional[QWidget] = None) -> ChipWidget:
    """The widget for what the chip is."""
    if chip.editable and chip.choices and not chip.is_negation:
        return ChoiceChip(chip, parent)
    if chip.editable and chip.is_number:
        return NumberChip(chip, parent)
    return ChipWidget(chip, parent)


class _WheelGuard(QObject):
    """Scrolling the panel must not change a chip under the mouse."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def _wheel_guard(parent: QObject) -> QObject:
    return _WheelGuard(parent)


def _comparisons() -> dict[str, str]:
    return {
        "more": tr("more than"),
        "less": tr("less than"),
        "at least": tr("at least"),
        "at most": tr("at most"),
    }


def _around_number(text: str, value: float, unit: str) -> tuple[str, str]:
    """What the text says before and after its number; where it says none, the number stands alone."""
    for match in _NUMBER.finditer(text):
        if abs(float(match[0].replace(",", "")) - value) <= 1e-6 * max(1.0, abs(value)):
            return text[: match.start()], text[match.end() :]
    return "", (f" {unit}" if unit else "")


def _decimals(value: Any) -> int:
    """As many as the number has, and one where a tenth would matter."""
    if isinstance(value, int):
        return 0
    text = f"{value:.{_MOST_DECIMALS}f}".rstrip("0")
    return max(len(text.partition(".")[2]), 1 if abs(value) < 10 else 0)


def _step(value: float) -> float:
    """A tenth of the number's magnitude: 200 goes by 10, 0.5 by 0.1."""
    magnitude = 10.0 ** (len(str(int(abs(value)))) - 2) if abs(value) >= 1 else 0.1
    return max(magnitude, 10.0 ** -_decimals(value))
