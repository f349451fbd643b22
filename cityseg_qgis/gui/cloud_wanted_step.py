"""Step 2 of the point-cloud panel: which classes, new ones too, and where."""

from __future__ import annotations

from typing import Optional

from qgis.gui import QgisInterface, QgsFilterLineEdit
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFormLayout, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core.cloud_request import added_in, names_in
from cityseg_qgis.gui.area_choice import AreaChoice
from cityseg_qgis.gui.widgets import Step
from cityseg_qgis.gui.word_entry import WordEntry
from cityseg_qgis.i18n import tr


class CloudWantedStep(Step):
    """`entered`: Enter was pressed in one of the lines."""

    entered = pyqtSignal()
    edited = pyqtSignal()

    def __init__(self, iface: QgisInterface, parent: Optional[QWidget] = None) -> None:
        super().__init__(2, tr("Say what to tell apart"), parent)
        self.entry = WordEntry(settings.CLOUD_HISTORY, settings.CLOUD_EXAMPLES, _examples(), self)
        self.entry.line.setObjectName("CitySegCloudClasses")
        self.entry.line.setPlaceholderText(tr("all classes"))
        self.entry.line.setToolTip(
            tr("Classes separated by commas, in English: building, tree, car, power line. Empty: every class that the model knows.")
        )
        self.entry.entered.connect(self.entered)
        self.entry.edited.connect(lambda _text: self.edited.emit())
        for button in self.entry.buttons:
            self.head.addWidget(button)
        self.added_line = QgsFilterLineEdit(self)
        self.added_line.setObjectName("CitySegCloudAdded")
        self.added_line.setPlaceholderText(tr("none; greenhouse:building"))
        self.added_line.setToolTip(
            tr("Classes that no training set had, separated by commas. What a new class is a kind of stands behind a colon; "
               "without it the nearest known class is found by its name.")
        )
        self.added_line.returnPressed.connect(self.entered)
        self.added_line.textChanged.connect(lambda _text: self.edited.emit())
        self.area = AreaChoice(iface, self, settings.CLOUD_AREA, tr("Whole cloud"))
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setSpacing(6)
        form.addRow(tr("Classes"), self.entry)
        form.addRow(tr("New ones"), self.added_line)
        form.addRow(tr("Where"), self.area)
        self.body.addLayout(form)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the line; empty means all."""
        return names_in(self.entry.words)

    def added(self) -> tuple[str, ...]:
        """The new names. Raises `GeometryProblem` where one makes no sense."""
        return added_in(self.added_line.text())

    def remember(self) -> None:
        """These classes were asked for."""
        self.entry.remember(self.entry.words)


def _examples() -> list[tuple[str, list[str]]]:
    return [
        (
            tr("Classes"),
            [
                "ground, building, vegetation, water",
                "building, tree, car, power line",
                "roof, facade, solar panel",
                "broadleaf tree, conifer tree, shrub, low vegetation",
                "wire, power tower, utility pole, street lamp",
                "road, bridge, rail track, car, truck",
            ],
        )
    ]
