"""Shows the report of `cityseg doctor`, to copy into a bug report."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtGui import QFontDatabase
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QPlainTextEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis.core.doctor import Doctor
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import report


class DoctorDialog(QDialog):
    """Starts the doctor when it is made; closing it stops the doctor."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegDoctor")
        self.setWindowTitle(tr("CitySeg doctor"))
        self.resize(640, 480)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setPlaceholderText(tr("Looking at the backend, its libraries and its model…"))
        self.busy_bar = QProgressBar(self)
        self.busy_bar.setRange(0, 0)
        self.busy_bar.setTextVisible(False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self.copy_button = buttons.addButton(tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.setEnabled(False)
        self.copy_button.clicked.connect(self._copy)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        column.addWidget(self.busy_bar)
        column.addWidget(buttons)
        self.doctor = Doctor(self)
        self.doctor.finished.connect(self._on_finished)
        self.doctor.start()

    def closeEvent(self, event) -> None:  # noqa: ANN001 - a QCloseEvent
        """Stop what still runs."""
        self.doctor.finished.disconnect(self._on_finished)
        self.doctor.stop()
        super().closeEvent(event)

    def _on_finished(self, text: str, _healthy: bool) -> None:
        self.text.setPlainText(report(tr("Report of the CitySeg doctor"), text))
        self.busy_bar.hide()
        self.copy_button.setEnabled(True)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.text.toPlainText())
