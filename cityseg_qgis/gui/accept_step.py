"""Step 3 of the panel: what the outline is, where it goes, and accepting it."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsProject
from qgis.gui import QgsFilterLineEdit
from qgis.PyQt.QtCore import QStringListModel, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCompleter,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from cityseg_qgis import settings
from cityseg_qgis.core import result
from cityseg_qgis.core.preview import Preview
from cityseg_qgis.gui.target_combo import TargetCombo
from cityseg_qgis.gui.widgets import Choice, Segments, Step
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path


class AcceptStep(Step):
    """Score and area of the preview, class name, operation, target, and the buttons."""

    accept_clicked = pyqtSignal()
    operation_chosen = pyqtSignal(str)
    class_edited = pyqtSignal(str)
    class_entered = pyqtSignal()
    save_edits_clicked = pyqtSignal()
    save_as_clicked = pyqtSignal()

    def __init__(self, project: QgsProject, parent: Optional[QWidget] = None) -> None:
        super().__init__(3, tr("Accept the outline"), parent)
        self.score_label = QLabel(self)
        self.score_label.setObjectName("CitySegScore")
        self.area_label = QLabel(self)
        self.area_label.setObjectName("CitySegArea")
        self.area_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        figures = QHBoxLayout()
        figures.addWidget(self.score_label)
        figures.addStretch(1)
        figures.addWidget(self.area_label)
        self.body.addLayout(figures)
        self.operations = Segments(_operations(), self)
        for operation, button in self.operations.buttons.items():
            button.clicked.connect(lambda _c, chosen=operation: self.operation_chosen.emit(chosen))
        self.body.addWidget(self.operations)
        self.target_combo = TargetCombo(project, self)
        self._names = QStringListModel(settings.remembered_class_names(), self)
        self.class_edit = self._class_edit()
        form = QFormLayout()
        form.setSpacing(6)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow(tr("Into"), self.target_combo)
        form.addRow(tr("Class"), self.class_edit)
        self._destination = QWidget(self)
        self._destination.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._destination)
        self.accept_button = QPushButton(self)
        self.accept_button.setObjectName("CitySegPrimary")
        self.accept_button.clicked.connect(self.accept_clicked)
        self.body.addWidget(self.accept_button)
        self._save_row = QWidget(self)
        self._save_row.setLayout(self._saving())
        self.body.addWidget(self._save_row)
        self.set_refining(False)
        self.show_preview(None, busy=False)

    def show_preview(self, preview: Optional[Preview], busy: bool) -> None:
        """Score and area of `preview`."""
        there = preview is not None and not preview.is_empty
        self.accept_button.setEnabled(there or busy)
        if not there:
            self.score_label.setText("–")
            self.area_label.setText("")
            return
        self.score_label.setText(tr("{percent} % sure").format(percent=round(100 * preview.score)))
        self.area_label.setText("" if preview.area_m2 is None else area_text(preview.area_m2))

    def set_refining(self, refining: bool) -> None:
        """An object of the review has a class and a destination already."""
        for widget in (self.operations, self._destination, self._save_row):
            widget.setVisible(not refining)
        self.accept_button.setText(
            tr("Take this outline  (Enter)") if refining else tr("Accept, next object  (Enter)")
        )

    def remember_class(self) -> None:
        """Offer the names that were used."""
        self._names.setStringList(settings.remembered_class_names())

    def set_saving(self, can_save_edits: bool, can_save_as: bool) -> None:
        """Which of the save buttons would do something."""
        self.save_edits_button.setEnabled(can_save_edits)
        self.save_as_button.setEnabled(can_save_as)

    def _class_edit(self) -> QgsFilterLineEdit:
        edit = QgsFilterLineEdit(self)
        edit.setObjectName("CitySegClass")
        edit.setPlaceholderText(tr("building, tree, car…"))
        edit.setToolTip(tr("Written into the field “class” of every object that you accept"))
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        edit.setCompleter(completer)
        edit.textChanged.connect(self.class_edited)
        edit.returnPressed.connect(self.class_entered)
        return edit

    def _saving(self) -> QHBoxLayout:
        self.save_edits_button = QPushButton(tr("Save edits"), self)
        self.save_edits_button.setObjectName("CitySegSaveEdits")
        self.save_edits_button.setToolTip(tr("Write the target layer's edits to its file; editing goes on"))
        self.save_edits_button.clicked.connect(self.save_edits_clicked)
        self.save_as_button = QPushButton(tr("Save layer as…"), self)
        self.save_as_button.setObjectName("CitySegSaveAs")
        self.save_as_button.setToolTip(tr("GeoPackage, Shapefile, GeoJSON or FlatGeobuf"))
        self.save_as_button.clicked.connect(self.save_as_clicked)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.save_edits_button)
        row.addWidget(self.save_as_button)
        self.set_saving(False, False)
        return row


def area_text(area_m2: float) -> str:
    """An area for reading: square metres, hectares or square kilometres."""
    if area_m2 < 10_000:
        digits = 2 if area_m2 < 10 else 1
        return tr("{value} m²").format(value=f"{area_m2:,.{digits}f}")
    if area_m2 < 1_000_000:
        return tr("{value} ha").format(value=f"{area_m2 / 10_000:,.2f}")
    return tr("{value} km²").format(value=f"{area_m2 / 1_000_000:,.2f}")


def _operations() -> list[Choice]:
    selection = tr("Where features are selected, only those are changed.")
    return [
        Choice(result.ADD, icon_path("op-add"), tr("Add"), tr("A new feature in the target layer")),
        Choice(
            result.CUT,
            icon_path("op-cut"),
            tr("Cut"),
            tr("Take the outline away from the features that it meets.") + " " + selection,
        ),
        Choice(
            result.UNITE,
            icon_path("op-unite"),
            tr("Unite"),
            tr("Merge the outline and the features that it meets into one.") + " " + selection,
        ),
        Choice(
            result.CLIP,
            icon_path("op-clip"),
            tr("Clip"),
            tr("Keep of the features that it meets only what lies inside the outline.") + " " + selection,
        ),
    ]
