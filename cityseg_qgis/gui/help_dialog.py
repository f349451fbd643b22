"""The help pages of the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import help_path


class HelpDialog(QDialog):
    """Stays open beside the map while one works. `page` is one of the help pages by its name."""

    def __init__(self, page: str, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegHelp")
        self.setWindowTitle(tr("CitySeg help"))
        self.resize(560, 620)
        self.browser = QTextBrowser(self)
        self.browser.setOpenExternalLinks(True)
        self.browser.setHtml(Path(help_path(page)).read_text(encoding="utf-8"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.close)
        column = QVBoxLayout(self)
        column.addWidget(self.browser)
        column.addWidget(buttons)
