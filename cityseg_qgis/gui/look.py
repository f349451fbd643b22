"""Colours and style sheets: readable on any imagery and in light and dark themes."""

from __future__ import annotations

from qgis.PyQt.QtGui import QColor

from cityseg_qgis.core import result
from cityseg_qgis.core.prompts import ADD

# Green and red differ in lightness as well, and every click carries a plus or a minus, for colour-blind eyes.
PROMPT_ADD = QColor(34, 214, 120)
PROMPT_REMOVE = QColor(255, 59, 78)
HALO = QColor(255, 255, 255, 235)
SHADOW = QColor(0, 0, 0, 150)
_PREVIEW = {
    result.ADD: QColor(0, 214, 255),
    result.UNITE: QColor(0, 214, 255),
    result.CUT: QColor(255, 120, 30),
    result.CLIP: QColor(255, 200, 0),
}
_FILL_ALPHA = 70
ACCENT = "#1683d8"
ACCENT_DARK = "#0f6bb3"


def prompt_colour(label: int) -> QColor:
    """The colour of a prompt that adds or removes."""
    return PROMPT_ADD if label == ADD else PROMPT_REMOVE


def preview_colours(operation: str) -> tuple[QColor, QColor]:
    """Stroke and fill of the preview: what cuts does not look like what adds."""
    stroke = _PREVIEW[operation]
    fill = QColor(stroke)
    fill.setAlpha(_FILL_ALPHA)
    return stroke, fill


PANEL_STYLE = f"""
QFrame#CitySegCard {{
    background: palette(base); border: 1px solid palette(midlight); border-radius: 6px;
}}
QLabel#CitySegBadge {{
    background: {ACCENT}; color: white; border-radius: 10px; font-weight: bold;
    min-width: 20px; max-width: 20px; min-height: 20px; max-height: 20px;
}}
QLabel#CitySegStepTitle {{ font-weight: bold; }}
QLabel#CitySegHint {{ color: palette(mid); }}
QLabel#CitySegKey {{
    background: palette(window); border: 1px solid palette(mid); border-bottom-width: 2px;
    border-radius: 3px; padding: 0px 4px;
}}
QFrame#CitySegBanner {{
    background: #fff4d6; border: 1px solid #e0b94d; border-radius: 6px;
}}
QFrame#CitySegBanner QLabel {{ color: #5c4508; }}
QLabel#CitySegScore {{ font-size: 14pt; font-weight: bold; }}
QPushButton#CitySegPrimary {{
    background: {ACCENT}; color: white; border: none; border-radius: 5px; padding: 7px 10px;
    font-weight: bold;
}}
QPushButton#CitySegPrimary:hover {{ background: {ACCENT_DARK}; }}
QPushButton#CitySegPrimary:checked {{ background: #0b8a55; }}
QPushButton#CitySegPrimary:disabled {{ background: palette(mid); color: palette(window); }}
QToolButton#CitySegSegment {{
    border: 1px solid palette(midlight); border-radius: 5px; padding: 3px; background: palette(base);
}}
QToolButton#CitySegSegment:hover {{ border-color: {ACCENT}; }}
QToolButton#CitySegSegment:checked {{
    background: #d9ecfc; color: #0b3d66; border: 2px solid {ACCENT};
}}
QToolButton#CitySegSegment:disabled {{ color: palette(mid); }}
QProgressBar#CitySegBusy {{
    border: none; background: palette(midlight); max-height: 3px; min-height: 3px; border-radius: 1px;
}}
QProgressBar#CitySegBusy::chunk {{ background: {ACCENT}; }}
"""
