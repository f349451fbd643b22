"""Step 1 of the panel: which image, which model."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsMapLayerProxyModel
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QStandardItemModel
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from cityseg_qgis.core.model_choice import ModelChoice
from cityseg_qgis.gui.widgets import Step
from cityseg_qgis.i18n import tr


class LayerStep(Step):
    """Layer and model. `note` says why a layer cannot be used."""

    model_chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(1, tr("Choose the image"), parent)
        self.layer_combo = QgsMapLayerComboBox(self)
        self.layer_combo.setObjectName("CitySegLayerCombo")
        self.layer_combo.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self.layer_combo.setToolTip(
            tr("The raster whose pixels are segmented, with the bands and the stretch that the layer shows")
        )
        self.model_combo = QComboBox(self)
        self.model_combo.setObjectName("CitySegModelCombo")
        self.model_combo.setToolTip(tr("The model that draws the outlines"))
        self.model_combo.activated.connect(self._on_model_activated)
        for combo in (self.layer_combo, self.model_combo):
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.setMinimumContentsLength(12)
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setSpacing(6)
        form.addRow(tr("Layer"), self.layer_combo)
        form.addRow(tr("Model"), self.model_combo)
        self.body.addLayout(form)
        self.note = QLabel(self)
        self.note.setObjectName("CitySegNote")
        self.note.setWordWrap(True)
        self.note.hide()
        self.body.addWidget(self.note)

    def set_note(self, text: str) -> None:
        """Show a sentence under the choices, or none."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def set_models(self, models: Sequence[ModelChoice], chosen: str) -> None:
        """Fill the list; models that cannot be used are greyed and say why."""
        self.model_combo.clear()
        for row, model in enumerate(models):
            self.model_combo.addItem(model.title, model.id)
            hint = model.why_not or tr("{id} · licence: {licence}").format(
                id=model.id, licence=model.licence or "?"
            )
            self.model_combo.setItemData(row, hint, Qt.ItemDataRole.ToolTipRole)
            items = self.model_combo.model()
            if not model.available and isinstance(items, QStandardItemModel):
                items.item(row).setEnabled(False)
        self.model_combo.setCurrentIndex(max(0, self.model_combo.findData(chosen)))

    def _on_model_activated(self, row: int) -> None:
        self.model_chosen.emit(str(self.model_combo.itemData(row)))
