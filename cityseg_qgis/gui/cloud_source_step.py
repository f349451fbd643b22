"""Step 1 of the point-cloud panel: a layer or a file, what it is, and its CRS where it says none."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsMapLayerProxyModel
from qgis.gui import QgsMapLayerComboBox, QgsProjectionSelectionWidget
from qgis.PyQt.QtCore import QLocale, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QWidget

from cityseg_qgis.core.cloud_source import CloudDescription, CloudSource, file_source, layer_source
from cityseg_qgis.gui.widgets import Step, flat_button
from cityseg_qgis.i18n import tr

_KINDS = {"las": "LAS", "laz": "LAZ", "copc": "COPC", "ept": "EPT", "vpc": "VPC"}


class CloudSourceStep(Step):
    """`changed`: another cloud was chosen. `crs_chosen`: the user says what CRS a cloud without one has."""

    changed = pyqtSignal()
    crs_chosen = pyqtSignal()
    file_wanted = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(1, tr("Choose the point cloud"), parent)
        self._files: dict[str, str] = {}
        self._chosen = ""
        self.layer_combo = QgsMapLayerComboBox(self)
        self.layer_combo.setObjectName("CitySegCloudCombo")
        self.layer_combo.setFilters(QgsMapLayerProxyModel.Filter.PointCloudLayer)
        self.layer_combo.setAllowEmptyLayer(True)
        self.layer_combo.setToolTip(tr("A point-cloud layer of the project, or a file that was chosen by the button beside"))
        self.layer_combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.layer_combo.setMinimumContentsLength(12)
        self.layer_combo.currentIndexChanged.connect(self._on_chosen)
        self.file_button = flat_button(
            QgsApplication.getThemeIcon("/mActionFileOpen.svg"),
            "",
            tr("Choose a file: LAS, LAZ, COPC, VPC or an ept.json. QGIS itself need not be able to open it."),
            self,
        )
        self.file_button.setObjectName("CitySegCloudFile")
        self.file_button.clicked.connect(self.file_wanted)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.layer_combo, 1)
        row.addWidget(self.file_button)
        self.facts = QLabel(self)
        self.facts.setObjectName("CitySegCloudFacts")
        self.facts.setWordWrap(True)
        self.note = QLabel(self)
        self.note.setObjectName("CitySegNote")
        self.note.setWordWrap(True)
        self.crs_widget = QgsProjectionSelectionWidget(self)
        self.crs_widget.setObjectName("CitySegCloudCrs")
        self.crs_widget.setOptionVisible(QgsProjectionSelectionWidget.CrsOption.CrsNotSet, True)
        self.crs_widget.setNotSetText(tr("unknown: metres are assumed"))
        self.crs_widget.setToolTip(tr("The file does not say in which CRS its coordinates are"))
        self.crs_widget.setCrs(QgsCoordinateReferenceSystem())
        self.crs_widget.crsChanged.connect(lambda _crs: self.crs_chosen.emit())
        self._crs_row = QWidget(self)
        form = QFormLayout(self._crs_row)
        form.setContentsMargins(0, 0, 0, 0)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow(tr("CRS"), self.crs_widget)
        self.body.addLayout(row)
        for widget in (self.facts, self.note, self._crs_row):
            self.body.addWidget(widget)
        self.show_description(None)

    def source(self) -> Optional[CloudSource]:
        """What is chosen; None for nothing. Raises `UnsupportedLayer` where it cannot be classified."""
        layer = self.layer_combo.currentLayer()
        if layer is not None:
            return layer_source(layer)
        path = self._files.get(self.layer_combo.currentText())
        return None if path is None else file_source(path)

    @property
    def crs(self) -> QgsCoordinateReferenceSystem:
        """What the user says where the file says nothing; not valid where it is not asked for."""
        return QgsCoordinateReferenceSystem() if self._crs_row.isHidden() else self.crs_widget.crs()

    def add_file(self, path: str) -> None:
        """Put a file into the list and choose it."""
        name = Path(path).name
        if name == "ept.json":
            name = f"{Path(path).parent.name}/{name}"
        if self._files.get(name, path) != path:
            name = path
        self._files[name] = path
        # Filling the list anew chooses something else for a moment.
        self.layer_combo.blockSignals(True)
        self.layer_combo.setAdditionalItems(list(self._files))
        self.layer_combo.setCurrentIndex(self.layer_combo.findText(name))
        self.layer_combo.blockSignals(False)
        self._chosen = ""  # the file may be another one than before
        self._on_chosen()

    def show_description(
        self,
        description: Optional[CloudDescription],
        layer_crs: Optional[QgsCoordinateReferenceSystem] = None,
        crs_missing: Optional[bool] = None,
    ) -> None:
        """What the backend says of the cloud; None while nothing is known.

        `crs_missing` says whether the file has no CRS of its own; without it, the description decides.
        """
        self.facts.setText("" if description is None else facts_text(description))
        self.facts.setVisible(description is not None)
        self.set_note(" ".join(description.warnings) if description is not None else "")
        if description is None:
            self._crs_row.hide()
            return
        missing = not description.crs.isValid() if crs_missing is None else crs_missing
        if missing and self._crs_row.isHidden():
            self.crs_widget.blockSignals(True)
            self.crs_widget.setCrs(layer_crs or QgsCoordinateReferenceSystem())
            self.crs_widget.blockSignals(False)
        self._crs_row.setVisible(missing)

    def set_note(self, text: str) -> None:
        """Show a sentence under the choice, or none."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _on_chosen(self, *_: object) -> None:
        """The list moves also when layers come and go: that is no new choice."""
        layer = self.layer_combo.currentLayer()
        path = self._files.get(self.layer_combo.currentText(), "")
        chosen = path if layer is None else layer.id()
        if chosen == self._chosen:
            return
        self._chosen = chosen
        self.layer_combo.setToolTip(path)
        self.changed.emit()


def facts_text(description: CloudDescription) -> str:
    """Points, density, size, CRS and format in one line."""
    locale = QLocale()
    crs = description.crs.authid() or description.crs.description() or tr("no CRS")
    parts = [
        tr("{count} points").format(count=locale.toString(description.count)),
        tr("{density} per m²").format(density=locale.toString(description.density, "g", 3)),
        tr("{width} × {height} m").format(
            width=locale.toString(round(description.width_m)), height=locale.toString(round(description.height_m))
        ),
        crs,
        _KINDS.get(description.kind, description.kind),
    ]
    return " · ".join(part for part in parts if part)
