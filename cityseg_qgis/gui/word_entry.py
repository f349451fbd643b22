"""The field for words: what was asked before, examples to begin with, and examples of one's own."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication
from qgis.gui import QgsFilterLineEdit
from qgis.PyQt.QtCore import QEvent, QObject, QStringListModel, Qt, pyqtSignal
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QCompleter, QHBoxLayout, QMenu, QToolButton, QWidget

from cityseg_qgis import settings
from cityseg_qgis.i18n import tr
from cityseg_qgis.paths import icon_path

Groups = list[tuple[str, list[str]]]


class WordEntry(QWidget):
    """A line as wide as the card; its two menus hang on `buttons`, for the holder to place. `entered`: Enter was pressed."""

    entered = pyqtSignal()
    edited = pyqtSignal(str)

    def __init__(
        self,
        history: settings.Setting,
        own_examples: settings.Setting,
        examples: Groups,
        parent: Optional[QWidget] = None,
    ) -> None:
        super().__init__(parent)
        self._history = history
        self._own_examples = own_examples
        self._examples = examples
        self.line = QgsFilterLineEdit(self)
        self.line.setObjectName("CitySegWords")
        self.line.textChanged.connect(self.edited)
        self.line.returnPressed.connect(self.entered)
        self.line.installEventFilter(self)
        self._known = QStringListModel(self)
        completer = QCompleter(self._known, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.line.setCompleter(completer)
        self.history_menu = QMenu(self)
        self.history_menu.setObjectName("CitySegHistoryMenu")
        self.history_menu.aboutToShow.connect(self.fill_history)
        self.examples_menu = QMenu(self)
        self.examples_menu.setObjectName("CitySegExamplesMenu")
        self.examples_menu.aboutToShow.connect(self.fill_examples)
        history_icon = QgsApplication.getThemeIcon("/mIconHistory.svg")
        examples_icon = QIcon(icon_path("examples"))
        self.buttons = (
            _menu_button(examples_icon, tr("Examples"), self.examples_menu, self),
            _menu_button(history_icon, tr("What you asked before"), self.history_menu, self),
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        self._offer()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter means these words, also where someone gave QGIS a shortcut on it."""
        enter = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if watched is self.line and event.type() == QEvent.Type.ShortcutOverride and event.key() in enter:
            event.accept()
        return super().eventFilter(watched, event)

    @property
    def words(self) -> str:
        """What stands in the field, without blanks around it."""
        return " ".join(self.line.text().split())

    def set_words(self, words: str) -> None:
        """Put words into the field, to be changed or run."""
        self.line.setText(words)
        self.line.setFocus()

    def remember(self, words: str) -> None:
        """These were asked; a long phrase shows its beginning."""
        self.line.home(False)
        settings.remember(self._history, words)
        self._offer()

    def fill_history(self) -> None:
        """The newest first, and a way to forget them."""
        self.history_menu.clear()
        lines = settings.remembered(self._history)
        for line in lines:
            self._add(self.history_menu, line)
        if not lines:
            self.history_menu.addAction(tr("Nothing asked yet")).setEnabled(False)
            return
        self.history_menu.addSeparator()
        clear = self.history_menu.addAction(tr("Clear this list"))
        clear.setObjectName("CitySegClearHistory")
        clear.triggered.connect(self._on_clear)

    def fill_examples(self) -> None:
        """Ours in groups, the user's own below."""
        self.examples_menu.clear()
        for title, lines in self._examples:
            self.examples_menu.addSection(title)
            for line in lines:
                self._add(self.examples_menu, line)
        own = settings.remembered(self._own_examples)
        if own:
            self.examples_menu.addSection(tr("Your own"))
            for line in own:
                self._add(self.examples_menu, line)
        words = self.words
        if words and words not in own:
            self.examples_menu.addSeparator()
            keep = self.examples_menu.addAction(tr("Keep “{words}” as an example").format(words=words))
            keep.triggered.connect(lambda: settings.remember(self._own_examples, words))
        elif words:
            self.examples_menu.addSeparator()
            drop = self.examples_menu.addAction(tr("Forget the example “{words}”").format(words=words))
            drop.triggered.connect(lambda: self._forget_example(words))

    def _add(self, menu: QMenu, line: str) -> None:
        # An ampersand would become a shortcut.
        menu.addAction(line.replace("&", "&&")).triggered.connect(lambda: self.set_words(line))

    def _forget_example(self, words: str) -> None:
        lines = [line for line in settings.remembered(self._own_examples) if line != words]
        self._own_examples.set_value("\n".join(lines))

    def _on_clear(self) -> None:
        self._history.set_value("")
        self._offer()

    def _offer(self) -> None:
        examples = [line for _, lines in self._examples for line in lines]
        own = settings.remembered(self._own_examples)
        lines = settings.remembered(self._history) + own + examples
        self._known.setStringList(list(dict.fromkeys(lines)))


def _menu_button(icon: QIcon, hint: str, menu: QMenu, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setIcon(icon)
    button.setToolTip(hint)
    button.setAutoRaise(True)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button
