"""Translation of visible strings, and the life of the plugin's translator."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, QTranslator

from cityseg_qgis.paths import translations_dir

CONTEXT = "CitySeg"


def tr(text: str, count: int = -1) -> str:
    """`text` in the user's language; `%n` becomes `count`. Format the result, never the argument."""
    return QCoreApplication.translate(CONTEXT, text, None, count)


def install_translator() -> Optional[QTranslator]:
    """Load and install the translation of QGIS's locale; None where there is none. The caller keeps it."""
    translator = QTranslator()
    locale = QgsApplication.settingsLocaleName() if hasattr(QgsApplication, "settingsLocaleName") else ""
    locale = locale or QgsApplication.locale()
    for name in (locale, locale.split("_")[0]):
        if translator.load(str(translations_dir() / f"cityseg_{name}.qm")):
            QCoreApplication.installTranslator(translator)
            return translator
    return None


def remove_translator(translator: Optional[QTranslator]) -> None:
    """Undo `install_translator`."""
    if translator is not None:
        QCoreApplication.removeTranslator(translator)
