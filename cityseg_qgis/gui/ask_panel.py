"""The Ask panel: a question, answered by masks and a sentence that says why."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtWidgets import QWidget

from cityseg_qgis import settings
from cityseg_qgis.core.text_examples import ask_examples
from cityseg_qgis.core.text_request import ASK
from cityseg_qgis.core.text_run import TextRun
from cityseg_qgis.gui.area_choice import AreaChoice
from cityseg_qgis.gui.text_panel import TextPanel
from cityseg_qgis.gui.word_entry import WordEntry
from cityseg_qgis.i18n import tr


class AskPanel(TextPanel):
    """Questions; what a thing is for, or what could be done there."""

    mode = ASK

    def __init__(self, run: TextRun, area: AreaChoice, parent: Optional[QWidget] = None) -> None:
        entry = WordEntry(settings.ASK_HISTORY, settings.ASK_EXAMPLES, ask_examples())
        entry.line.setPlaceholderText(tr("Where could a helicopter land?"))
        entry.line.setToolTip(tr("A question about what is in the image, in English"))
        super().__init__(tr("Ask a question"), run, area, entry, parent)
        self.setObjectName("CitySegCard")

    @property
    def run_caption(self) -> str:
        """What the button says."""
        return tr("Ask  (Enter)")
