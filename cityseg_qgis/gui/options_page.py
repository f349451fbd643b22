"""CitySeg's page in QGIS's Options dialog."""

from __future__ import annotations

from typing import Optional

from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis import settings
from cityseg_qgis.about import TITLE
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path

_NEEDS_RESTART = (settings.BACKEND_PYTHON, settings.BACKEND_COMMAND, settings.DEVICE)


class OptionsPage(QgsOptionsPageWidget):
    """Edits the settings; `backend_changed` when the backend has to start anew."""

    backend_changed = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegOptions")
        self.python_edit = QgsFileWidget(self)
        self.python_edit.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.python_edit.setFilePath(settings.BACKEND_PYTHON.value())
        self.python_edit.lineEdit().setPlaceholderText(tr("empty: the one that CitySeg installed"))
        self.command_edit = QLineEdit(settings.BACKEND_COMMAND.value(), self)
        self.command_edit.setPlaceholderText(tr("for instance: ssh gpu-host cityseg serve"))
        self.device_combo = QComboBox(self)
        for device, title in _devices():
            self.device_combo.addItem(title, device)
        self.device_combo.setCurrentIndex(self.device_combo.findData(settings.DEVICE.value()))
        self.tolerance_spin = self._metres(settings.TOLERANCE_M, " m", tr("half a pixel"))
        self.min_area_spin = self._metres(settings.MIN_AREA_M2, " m²", tr("keep all"))
        self.hold_spin = QSpinBox(self)
        self.hold_spin.setRange(int(settings.HOLD_MS.low or 0), int(settings.HOLD_MS.high or 0))
        self.hold_spin.setSuffix(" ms")
        self.hold_spin.setValue(settings.HOLD_MS.value())
        self.debug_check = QCheckBox(tr("Write everything to the message log"), self)
        self.debug_check.setChecked(settings.DEBUG.value())
        self._lay_out()
        self._grey_out_overridden()

    def apply(self) -> None:
        """OK was pressed."""
        before = [setting.value() for setting in _NEEDS_RESTART]
        settings.BACKEND_PYTHON.set_value(self.python_edit.filePath().strip())
        settings.BACKEND_COMMAND.set_value(self.command_edit.text().strip())
        settings.DEVICE.set_value(self.device_combo.currentData())
        settings.TOLERANCE_M.set_value(self.tolerance_spin.value())
        settings.MIN_AREA_M2.set_value(self.min_area_spin.value())
        settings.HOLD_MS.set_value(self.hold_spin.value())
        settings.DEBUG.set_value(self.debug_check.isChecked())
        if before != [setting.value() for setting in _NEEDS_RESTART]:
            self.backend_changed.emit()

    def _metres(self, setting: settings.Setting, suffix: str, zero: str) -> QDoubleSpinBox:
        spin = QDoubleSpinBox(self)
        spin.setRange(setting.low or 0.0, setting.high or 0.0)
        spin.setDecimals(2)
        spin.setSuffix(suffix)
        spin.setSpecialValueText(zero)
        spin.setValue(setting.value())
        return spin

    def _lay_out(self) -> None:
        backend, outlines, tool = (
            QGroupBox(title, self) for title in (tr("Backend"), tr("Outlines"), tr("Prompting"))
        )
        form = QFormLayout(backend)
        form.addRow(tr("Python of the backend"), self.python_edit)
        form.addRow(tr("Or a command of your own"), self.command_edit)
        form.addRow(tr("Device"), self.device_combo)
        form.addRow("", self.debug_check)
        form = QFormLayout(outlines)
        form.addRow(tr("Simplify within"), self.tolerance_spin)
        form.addRow(tr("Drop parts and holes below"), self.min_area_spin)
        form = QFormLayout(tool)
        form.addRow(tr("Hold this long for a scribble"), self.hold_spin)
        column = QVBoxLayout(self)
        for group in (backend, outlines, tool):
            column.addWidget(group)
        column.addStretch(1)

    def _grey_out_overridden(self) -> None:
        for setting, widget in (
            (settings.BACKEND_PYTHON, self.python_edit),
            (settings.BACKEND_COMMAND, self.command_edit),
            (settings.DEVICE, self.device_combo),
            (settings.TOLERANCE_M, self.tolerance_spin),
            (settings.MIN_AREA_M2, self.min_area_spin),
            (settings.HOLD_MS, self.hold_spin),
            (settings.DEBUG, self.debug_check),
        ):
            if setting.overridden:
                widget.setEnabled(False)
                widget.setToolTip(
                    tr("Set by the environment variable {name}").format(name=setting.environment_name)
                )


class OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page when the Options dialog opens."""

    def __init__(self, on_backend_changed) -> None:  # noqa: ANN001 - a callable without arguments
        super().__init__(TITLE, QIcon(icon_path("cityseg")))
        self._on_backend_changed = on_backend_changed

    def icon(self) -> QIcon:
        """Beside the page's title."""
        return QIcon(icon_path("cityseg"))

    def createWidget(self, parent: Optional[QWidget] = None) -> OptionsPage:
        """The page."""
        page = OptionsPage(parent)
        page.backend_changed.connect(self._on_backend_changed)
        return page


def _devices() -> list[tuple[str, str]]:
    return [
        ("auto", tr("Automatic: the GPU where there is one")),
        ("cpu", tr("CPU")),
        ("cuda", tr("NVIDIA GPU (CUDA)")),
        ("mps", tr("Apple GPU (Metal)")),
    ]
