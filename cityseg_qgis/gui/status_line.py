"""The foot of the panel: what is going on, and a way to try again; and the banner for a missing backend."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis.core.text_request import ASK, REFER
from cityseg_qgis.i18n import tr


class StatusLine(QWidget):
    """A thin busy bar and one sentence."""

    retry_clicked = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.busy_bar = QProgressBar(self)
        self.busy_bar.setObjectName("CitySegBusy")
        self.busy_bar.setTextVisible(False)
        self.busy_bar.setRange(0, 1)
        self.text = QLabel(self)
        self.text.setObjectName("CitySegStatus")
        self.text.setWordWrap(True)
        self.retry_button = QPushButton(tr("Try again"), self)
        self.retry_button.setObjectName("CitySegRetry")
        self.retry_button.clicked.connect(self.retry_clicked)
        self.retry_button.hide()
        row = QHBoxLayout()
        row.addWidget(self.text, 1)
        row.addWidget(self.retry_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 4, 10, 2)
        column.setSpacing(5)
        column.addWidget(self.busy_bar)
        column.addLayout(row)
        self._invitation = ""
        self.set_invitation("")

    def say(self, text: str) -> None:
        """Show a sentence; none is the invitation to begin."""
        self.text.setText(text or self._invitation)

    def set_invitation(self, mode: str) -> None:
        """What to do first, under Refer, Ask or Interact."""
        self._invitation = {
            REFER: tr("Say what to find; the objects come under review before they go into a layer."),
            ASK: tr("Ask about the image; the answer is shown on the map, with the reason for it."),
        }.get(mode, tr("Click on an object in the map to get its outline."))
        self.say("")

    def set_busy(self, busy: bool) -> None:
        """Move the bar, or stop it."""
        self.busy_bar.setRange(0, 0 if busy else 1)
        if busy:
            self.set_retry(False)

    def set_retry(self, possible: bool) -> None:
        """Offer to ask again."""
        self.retry_button.setVisible(possible)


class InstallBanner(QFrame):
    """Says that the backend is missing, and leads to its installation."""

    install_clicked = pyqtSignal()

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegBanner")
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.install_button = QPushButton(tr("Install backend…"), self)
        self.install_button.setObjectName("CitySegInstall")
        self.install_button.clicked.connect(self.install_clicked)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        column.addWidget(self.install_button)
        self.hide()

    def show_reason(self, reason: str) -> None:
        """Show the banner with a sentence; none hides it."""
        self.text.setText(reason)
        self.setVisible(bool(reason))
