"""Colours and style sheets: readable on any imagery and in light and dark themes."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtGui import QColor

from cityseg_qgis.core import result
from cityseg_qgis.core.prompts import ADD
from cityseg_qgis.paths import icon_path

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
# Where words are searched for, and the object under review.
AREA_LINE = QColor(255, 214, 0)
AREA_FILL = QColor(255, 214, 0, 18)
CURRENT_LINE = QColor(0, 229, 255)
CURRENT_FILL = QColor(0, 229, 255, 0)
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


def _url(icon: str) -> str:
    """An icon as a style sheet names it: forward slashes on every system."""
    return f'url("{Path(icon_path(icon)).as_posix()}")'


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
QLabel#CitySegAnswer {{ font-weight: bold; }}
QLabel#CitySegPill {{
    background: palette(window); border: 1px solid palette(mid); border-radius: 8px; padding: 0px 7px;
    color: palette(text);
}}
QFrame#CitySegProblem {{ background: #fdeceb; border: 1px solid #e5a29b; border-radius: 5px; }}
QFrame#CitySegProblem QLabel {{ color: #7a1c12; }}
QFrame#CitySegChip {{
    background: #e8f2fb; border: 1px solid #b9d6ef; border-radius: 9px; min-height: 20px;
}}
QFrame#CitySegChip QLabel {{ color: #123c5e; }}
QFrame#CitySegChip[changed="true"] {{ background: #fff1cf; border-color: #dfa827; }}
QDoubleSpinBox#CitySegChipNumber {{ background: #e8f2fb; color: #123c5e; border: none; padding-right: 16px; }}
QDoubleSpinBox#CitySegChipNumber::up-button, QDoubleSpinBox#CitySegChipNumber::down-button {{
    subcontrol-origin: border; width: 14px; height: 9px; border: none; background: transparent;
}}
QDoubleSpinBox#CitySegChipNumber::up-button {{ subcontrol-position: top right; }}
QDoubleSpinBox#CitySegChipNumber::down-button {{ subcontrol-position: bottom right; }}
QDoubleSpinBox#CitySegChipNumber::up-arrow {{ image: {_url("chip-up")}; width: 8px; height: 5px; }}
QDoubleSpinBox#CitySegChipNumber::down-arrow {{ image: {_url("chip-down")}; width: 8px; height: 5px; }}
QComboBox#CitySegChipChoice {{
    background: #e8f2fb; color: #123c5e; border: none; padding: 0px 2px; selection-background-color: #b9d6ef;
}}
QComboBox#CitySegChipChoice::drop-down {{ border: none; width: 16px; }}
QComboBox#CitySegChipChoice::down-arrow {{ image: {_url("chip-down")}; width: 9px; height: 6px; }}
QComboBox#CitySegChipChoice QAbstractItemView {{ background: palette(base); color: palette(text); }}
QFrame#CitySegChip[changed="true"] QDoubleSpinBox, QFrame#CitySegChip[changed="true"] QComboBox {{
    background: #fff1cf;
}}
QToolButton#CitySegChipRemove {{ border: none; color: #5f7f9c; font-weight: bold; padding: 0px 2px; }}
QToolButton#CitySegChipRemove:hover, QToolButton#CitySegChipRemove:checked {{ color: #c0322f; }}
QPushButton#CitySegStop {{ padding: 6px 10px; font-weight: bold; }}
QToolButton#CitySegAdds {{ border: 1px solid palette(midlight); border-radius: 5px; padding: 4px; }}
QToolButton#CitySegAdds:checked {{ background: #d9ecfc; border: 2px solid {ACCENT}; }}
QToolButton#CitySegTab {{
    border: none; border-bottom: 3px solid transparent; padding: 5px 4px; background: transparent;
    font-weight: bold;
}}
QToolButton#CitySegTab:hover {{ border-bottom-color: palette(mid); }}
QToolButton#CitySegTab:checked {{ border-bottom-color: {ACCENT}; color: {ACCENT_DARK}; }}
QToolButton#CitySegTab:disabled {{ color: palette(mid); }}
QProgressBar#CitySegBusy {{
    border: none; background: palette(midlight); max-height: 3px; min-height: 3px; border-radius: 1px;
}}
QProgressBar#CitySegBusy::chunk {{ background: {ACCENT}; }}
"""
