"""The Refer panel: name what to find, all of it or the one."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core.text_examples import refer_examples
from cityseg_qgis.core.text_request import ALL, ONE, REFER
from cityseg_qgis.core.text_run import TextRun
from cityseg_qgis.gui.area_choice import AreaChoice
from cityseg_qgis.gui.text_panel import TextPanel
from cityseg_qgis.gui.word_entry import WordEntry
from cityseg_qgis.i18n import tr


class ReferPanel(TextPanel):
    """Phrases; several classes are separated by commas."""

    mode = REFER

    def __init__(self, run: TextRun, area: AreaChoice, parent: Optional[QWidget] = None) -> None:
        entry = WordEntry(settings.REFER_HISTORY, settings.REFER_EXAMPLES, refer_examples())
        entry.line.setPlaceholderText(tr("red-roofed buildings near water"))
        entry.line.setToolTip(
            tr("A class, several separated by commas, or a phrase with colour, size, place and relations, in English")
        )
        super().__init__(tr("Say what to find"), run, area, entry, parent)
        self.setObjectName("CitySegCard")

    def make_choice(self) -> QWidget:
        """All, or the one."""
        self.find_combo = QComboBox(self)
        self.find_combo.setObjectName("CitySegFind")
        for find, caption, hint in (
            (ALL, tr("Find all"), tr("Every object that the words fit")),
            (ONE, tr("Find the one"), tr("Only the object that the words fit best")),
        ):
            self.find_combo.addItem(caption, find)
            self.find_combo.setItemData(self.find_combo.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)
        self.find_combo.setCurrentIndex(self.find_combo.findData(settings.TEXT_FIND.value()))
        self.find_combo.activated.connect(lambda _row: settings.TEXT_FIND.set_value(self.find))
        return self.find_combo

    @property
    def find(self) -> str:
        """As chosen."""
        return str(self.find_combo.currentData())
