"""Small building blocks of the panel: a numbered step, a segmented choice, keys as keycaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

_ICON_PX = 20
_SEGMENT_PX = 44


class Step(QFrame):
    """A card with a numbered title; `body` takes the widgets."""

    def __init__(self, number: int, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegCard")
        badge = QLabel(str(number), self)
        badge.setObjectName("CitySegBadge")
        badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        heading = QLabel(title, self)
        heading.setObjectName("CitySegStepTitle")
        self.head = QHBoxLayout()
        self.head.setSpacing(8)
        self.head.addWidget(badge)
        self.head.addWidget(heading)
        self.head.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 7, 10, 8)
        outer.setSpacing(6)
        outer.addLayout(self.head)
        self.body = QVBoxLayout()
        self.body.setSpacing(6)
        outer.addLayout(self.body)


@dataclass(frozen=True)
class Choice:
    """One segment: what it stands for, its icon, its caption and its tooltip."""

    key: str
    icon: str
    caption: str
    hint: str


class Segments(QWidget):
    """Buttons side by side of which one is chosen."""

    def __init__(self, choices: Sequence[Choice], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        for choice in choices:
            button = flat_button(QIcon(choice.icon), choice.caption, choice.hint, self)
            button.setObjectName("CitySegSegment")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setMinimumHeight(_SEGMENT_PX)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self.group.addButton(button)
            self.buttons[choice.key] = button
            row.addWidget(button)
        self.choose(choices[0].key)

    @property
    def chosen(self) -> str:
        """The key of the chosen segment."""
        return next(key for key, button in self.buttons.items() if button.isChecked())

    def choose(self, key: str) -> None:
        """Choose a segment."""
        self.buttons[key].setChecked(True)


def flat_button(icon: QIcon, caption: str, hint: str, parent: QWidget) -> QToolButton:
    """A tool button that leaves the keyboard to the canvas."""
    button = QToolButton(parent)
    button.setIcon(icon)
    button.setText(caption)
    button.setToolTip(hint)
    button.setIconSize(QSize(_ICON_PX, _ICON_PX))
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def key_table(rows: Iterable[tuple[str, str]], parent: QWidget) -> QWidget:
    """Keycaps on the left, what they do on the right."""
    table = QWidget(parent)
    grid = QGridLayout(table)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(8)
    grid.setVerticalSpacing(3)
    grid.setColumnStretch(1, 1)
    for number, (keys, meaning) in enumerate(rows):
        cap = QLabel(keys, table)
        cap.setObjectName("CitySegKey")
        cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel(meaning, table)
        text.setWordWrap(True)
        grid.addWidget(cap, number, 0)
        grid.addWidget(text, number, 1)
    return table


def text_label(name: str, parent: QWidget) -> QLabel:
    """A label of several lines whose text can be selected; `name` is what the style sheet knows it by."""
    label = QLabel(parent)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def fill(label: QLabel, text: str) -> None:
    """Show a text, or hide the label where there is none."""
    label.setText(text)
    label.setVisible(bool(text))
