"""The message log and the message bar: the one place that turns errors into something the user sees."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Optional

from qgis.core import Qgis, QgsMessageLog
from qgis.gui import QgsMessageBar, QgsMessageViewer
from qgis.PyQt.QtWidgets import QPushButton, QWidget

from cityseg_qgis.about import TITLE, version
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.i18n import tr
from cityseg_qgis.settings import DEBUG

TAG = TITLE
_VIEWER = "CitySegDetails"
_SECONDS = {Qgis.MessageLevel.Success: 5, Qgis.MessageLevel.Info: 5, Qgis.MessageLevel.Warning: 10}


def log(message: str, level: Qgis.MessageLevel = Qgis.MessageLevel.Info) -> None:
    """Write to QGIS's message log. Plain information only when the debug setting is on."""
    if level == Qgis.MessageLevel.Info and not DEBUG.value():
        return
    QgsMessageLog.logMessage(scrubbed(message), TAG, level, notifyUser=False)


def scrubbed(text: str) -> str:
    """`text` without the user's home folder, so that a report can be pasted in public."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def report(message: str, detail: str = "") -> str:
    """The text behind a Details button: message, detail and versions."""
    lines = [
        message,
        "",
        f"{TITLE} {version()} · QGIS {Qgis.QGIS_VERSION} · {platform.platform()}",
    ]
    if detail:
        lines += ["", detail]
    return scrubbed("\n".join(lines))


def notify(
    bar: Optional[QgsMessageBar],
    message: str,
    level: Qgis.MessageLevel = Qgis.MessageLevel.Success,
    detail: str = "",
) -> None:
    """Show `message` in the message bar and log it; problems get a Details button."""
    log(message if not detail else f"{message}\n{detail}", level)
    if bar is None:
        return
    item = QgsMessageBar.createMessage(TITLE, message, bar)
    if level in (Qgis.MessageLevel.Warning, Qgis.MessageLevel.Critical):
        item.layout().addWidget(_details_button(message, detail, item))
    # Zero seconds: a critical message stays until it is closed.
    bar.pushWidget(item, level, _SECONDS.get(level, 0))


def clear_messages(bar: Optional[QgsMessageBar]) -> None:
    """Take our messages off the bar, and close their details: they would outlive the plugin."""
    if bar is None:
        return
    for item in list(bar.items()):
        if item.title() == TITLE:
            bar.popWidget(item)
    for viewer in bar.window().findChildren(QgsMessageViewer, _VIEWER):
        viewer.close()


def notify_error(bar: Optional[QgsMessageBar], error: BaseException) -> None:
    """Show a caught error: its sentence in the bar, its detail behind the button."""
    message, detail = sentence_and_detail(error)
    notify(bar, message, Qgis.MessageLevel.Warning, detail)


def sentence_and_detail(error: BaseException) -> tuple[str, str]:
    """What the user reads and what the log keeps of `error`."""
    if isinstance(error, CitySegError):
        return error.user_message, error.detail
    sentence = getattr(error, "user_message", "") or getattr(error, "message", "")
    if sentence:
        return str(sentence), str(getattr(error, "detail", ""))
    return (
        tr("Something went wrong in CitySeg; the details say where."),
        f"{type(error).__name__}: {error}",
    )


def _details_button(message: str, detail: str, parent: QWidget) -> QPushButton:
    button = QPushButton(tr("Details…"), parent)
    button.setObjectName("CitySegDetailsButton")
    window = parent.window()
    button.clicked.connect(lambda: show_details(message, detail, window))
    return button


def show_details(message: str, detail: str, window: QWidget) -> None:
    """Open a window over `window` with the copyable report."""
    viewer = QgsMessageViewer(window)
    viewer.setObjectName(_VIEWER)
    viewer.setTitle(TITLE)
    viewer.setMessageAsPlainText(report(message, detail))
    viewer.show()
