"""Step 3 of the point-cloud panel: what is made of the classes, and where it goes; run, progress and stop."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication
from qgis.gui import QgsFilterLineEdit
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QWidget,
)

from cityseg_qgis import settings
from cityseg_qgis.core.cloud_target import COPC, EPT, FORMATS, LAZ, best_format, opens
from cityseg_qgis.gui.widgets import Step, flat_button
from cityseg_qgis.i18n import tr

DTM, HAG = "dtm", "hag"
# With the tops of trees come their crowns.
_WITH = {"trees": ("crowns",)}
_KNOWN = 1000
_COLUMNS = 3


class CloudOutputStep(Step):
    """`run_clicked`, `stop_clicked`; `format_chosen` when the name of the output has to follow."""

    run_clicked = pyqtSignal()
    stop_clicked = pyqtSignal()
    format_chosen = pyqtSignal()
    path_wanted = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(3, tr("Choose what to make"), parent)
        self.boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout()
        grid.setSpacing(4)
        chosen = settings.CLOUD_MAKES.value().split(",")
        for number, (name, caption, hint) in enumerate(_makes()):
            box = QCheckBox(caption, self)
            box.setObjectName(f"CitySegMake_{name}")
            box.setToolTip(hint)
            box.setChecked(name in chosen)
            box.clicked.connect(self._on_box_clicked)
            self.boxes[name] = box
            grid.addWidget(box, number // _COLUMNS, number % _COLUMNS)
        self.body.addLayout(grid)
        self.format_combo = _format_combo(self)
        self.format_combo.activated.connect(self._on_format_chosen)
        self.path_line = QgsFilterLineEdit(self)
        self.path_line.setObjectName("CitySegCloudOut")
        self.path_line.setToolTip(tr("The classified cloud; what else is made lies beside it. Nothing is overwritten."))
        self.path_line.setShowClearButton(False)
        self.path_button = flat_button(
            QgsApplication.getThemeIcon("/mActionFileSaveAs.svg"), "", tr("Choose another place"), self
        )
        self.path_button.setObjectName("CitySegCloudOutButton")
        self.path_button.clicked.connect(self.path_wanted)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.path_line, 1)
        row.addWidget(self.path_button)
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setSpacing(6)
        form.addRow(tr("Format"), self.format_combo)
        form.addRow(tr("Save as"), row)
        self.body.addLayout(form)
        self._add_running()
        self.set_busy(False)

    @property
    def vectors(self) -> tuple[str, ...]:
        """The outlines that are wanted, as their layers are called."""
        wanted = [name for name, box in self.boxes.items() if box.isChecked() and name not in (DTM, HAG)]
        return tuple(layer for name in wanted for layer in (name, *_WITH.get(name, ())))

    def wants(self, name: str) -> bool:
        """Whether DTM or HAG is wanted."""
        return self.boxes[name].isChecked()

    @property
    def format(self) -> str:
        """COPC, EPT or LAZ."""
        return str(self.format_combo.currentData())

    def set_busy(self, busy: bool) -> None:
        """The run button gives way to the progress and the stop button."""
        self.run_button.setVisible(not busy)
        for widget in (self.progress, self.stop_button):
            widget.setVisible(busy)
        for widget in (self.path_line, self.path_button, self.format_combo):
            widget.setEnabled(not busy)
        if busy:
            self.show_progress(-1.0)

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be classified now; empty where it can."""
        self.run_button.setEnabled(not reason)
        self.run_button.setToolTip(reason)

    def show_progress(self, fraction: float) -> None:
        """A share that is not known moves the bar without saying how far."""
        known = 0.0 <= fraction <= 1.0
        self.progress.setRange(0, _KNOWN if known else 0)
        self.progress.setValue(round(fraction * _KNOWN) if known else -1)
        self.progress.setFormat("%p %")

    def _add_running(self) -> None:
        self.run_button = QPushButton(tr("Classify  (Enter)"), self)
        self.run_button.setObjectName("CitySegPrimary")
        self.run_button.clicked.connect(self.run_clicked)
        self.progress = QProgressBar(self)
        self.progress.setObjectName("CitySegProgress")
        self.stop_button = QPushButton(tr("Stop"), self)
        self.stop_button.setObjectName("CitySegStop")
        self.stop_button.setToolTip(tr("Stop now; nothing half-written is left"))
        self.stop_button.clicked.connect(self.stop_clicked)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.progress, 1)
        row.addWidget(self.stop_button)
        self.body.addWidget(self.run_button)
        self.body.addLayout(row)

    def _on_box_clicked(self) -> None:
        settings.CLOUD_MAKES.set_value(",".join(name for name, box in self.boxes.items() if box.isChecked()))

    def _on_format_chosen(self, *_: object) -> None:
        settings.CLOUD_FORMAT.set_value("" if self.format == best_format() else self.format)
        self.format_chosen.emit()


def _format_combo(parent: QWidget) -> QComboBox:
    """The formats; what this QGIS cannot show says so."""
    combo = QComboBox(parent)
    combo.setObjectName("CitySegCloudFormat")
    captions = {
        COPC: tr("COPC (one file)"),
        EPT: tr("EPT (a folder)"),
        LAZ: tr("LAZ (every point in its order)"),
    }
    for form in FORMATS:
        combo.addItem(captions[form], form)
        row = combo.count() - 1
        if opens(form):
            continue
        combo.setItemText(row, tr("{format}, for other software").format(format=captions[form]))
        combo.setItemData(row, tr("This QGIS does not open it"), Qt.ItemDataRole.ToolTipRole)
    wanted = settings.CLOUD_FORMAT.value() or best_format()
    combo.setCurrentIndex(combo.findData(wanted))
    return combo


def _makes() -> list[tuple[str, str, str]]:
    return [
        ("buildings", tr("Buildings"), tr("Outlines of buildings, split where the roof steps")),
        ("trees", tr("Trees"), tr("Tops of trees as points, crowns as outlines")),
        ("water", tr("Water"), tr("Outlines of water")),
        ("roads", tr("Roads"), tr("Outlines of roads")),
        ("wires", tr("Wires"), tr("Power lines as lines")),
        (DTM, tr("Terrain"), tr("A raster of the height of the ground (DTM)")),
        (HAG, tr("Heights"), tr("A raster of the height above the ground")),
    ]
