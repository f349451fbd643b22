"""The answer of the point-cloud panel: the sentence, the classes with their colours and figures, and what was not as wished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from qgis.PyQt.QtCore import QLocale, Qt
from qgis.PyQt.QtGui import QColor, QIcon, QPixmap
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis.core.cloud_answer import NODE, CloudAnswer, CloudClass
from cityseg_qgis.gui.widgets import fill, text_label
from cityseg_qgis.i18n import tr

# More rows scroll.
_MOST_ROWS = 14
_SWATCH_PX = 12


class CloudAnswerView(QWidget):
    """Hidden until there is an answer."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.answer_label = text_label("CitySegAnswer", self)
        self.table = ClassTable(self)
        self.placements_label = text_label("CitySegUnderstood", self)
        self.warnings_label = text_label("CitySegNote", self)
        self.figures_label = text_label("CitySegHint", self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(5)
        for widget in (
            self.answer_label,
            self.placements_label,
            self.table,
            self.warnings_label,
            self.figures_label,
        ):
            column.addWidget(widget)
        self.hide()

    def show_answer(self, answer: CloudAnswer, seconds: float) -> None:
        """All that the answer says of itself."""
        count = QLocale().toString(answer.count)
        self.answer_label.setText(
            answer.sentence or tr("{count} points were classified.").format(count=count)
        )
        self.table.show_classes(answer.classes)
        # A name that is known as it stands needs no sentence.
        told = [p.sentence for p in answer.placements if p.sentence and p.kind != NODE]
        fill(self.placements_label, "\n".join(told))
        fill(self.warnings_label, "\n".join(answer.warnings))
        speed = round(answer.count / seconds, -3) if seconds >= 1 else 0
        parts = [tr("{seconds} s").format(seconds=f"{seconds:.1f}")]
        if speed:
            parts.append(tr("{speed} points a second").format(speed=QLocale().toString(int(speed))))
        parts += [part for part in (answer.model, answer.device) if part]
        fill(self.figures_label, " · ".join(parts))
        self.setEnabled(True)
        self.show()

    def fade(self) -> None:
        """A new run is out: what is shown is of the one before."""
        self.setEnabled(False)


class ClassTable(QTableWidget):
    """A row a class: colour and name, points, share and mean confidence."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(0, 4, parent)
        self.setObjectName("CitySegClasses")
        self.setHorizontalHeaderLabels([tr("Class"), tr("Points"), tr("Share"), tr("Sure")])
        self.horizontalHeaderItem(3).setToolTip(tr("Mean confidence of the points of the class"))
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    def show_classes(self, classes: Sequence[CloudClass]) -> None:
        """Fill it; the most frequent stand first, as they come."""
        locale = QLocale()
        self.setRowCount(len(classes))
        for row, one in enumerate(classes):
            name = QTableWidgetItem(swatch(one.colour), one.name)
            name.setToolTip(tr("{name}: label {id}, ASPRS code {code}").format(name=one.name, id=one.id, code=one.code))
            self.setItem(row, 0, name)
            share = "<0.1" if 0 < one.share < 0.001 else locale.toString(100 * one.share, "f", 1)
            cells = (locale.toString(one.count), f"{share} %", locale.toString(one.confidence, "f", 2))
            for column, text in enumerate(cells, 1):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(row, column, item)
        self.setVisible(bool(classes))
        self.resizeRowsToContents()
        shown = min(len(classes), _MOST_ROWS)
        height = self.horizontalHeader().sizeHint().height() + sum(self.rowHeight(row) for row in range(shown))
        self.setFixedHeight(height + 2 * self.frameWidth())


def swatch(colour: QColor) -> QIcon:
    """A small square of a colour."""
    pixmap = QPixmap(_SWATCH_PX, _SWATCH_PX)
    pixmap.fill(colour)
    return QIcon(pixmap)
