"""Every setting of the plugin, declared once: key, type, default and range.

Values live in QGIS's settings under `plugins/cityseg/`. An environment variable `CITYSEG_<KEY>` (upper case,
underscores) wins over the stored value, for fleets and for tests.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Generic, Optional, TypeVar, Union

from qgis.core import QgsSettings

GROUP = "plugins/cityseg"
Value = Union[str, int, float, bool]
T = TypeVar("T", str, int, float, bool)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting. `low` and `high` bound numbers, `choices` bounds strings."""

    key: str
    default: T
    low: Optional[float] = None
    high: Optional[float] = None
    choices: tuple[str, ...] = ()

    @property
    def environment_name(self) -> str:
        """The environment variable that overrides it."""
        return "CITYSEG_" + self.key.upper().replace("-", "_")

    @property
    def overridden(self) -> bool:
        """Whether the environment decides."""
        return self.environment_name in os.environ

    def value(self) -> T:
        """The effective value: environment, else stored, else default; always of the declared type and in range."""
        stored = os.environ.get(self.environment_name)
        if stored is None:
            stored = QgsSettings().value(f"{GROUP}/{self.key}", None)
        return self.default if stored is None else self._checked(stored)

    def set_value(self, value: T) -> None:
        """Store `value`; a value equal to the default removes the entry."""
        settings = QgsSettings()
        if value == self.default:
            settings.remove(f"{GROUP}/{self.key}")
        else:
            settings.setValue(f"{GROUP}/{self.key}", value)

    def _checked(self, stored: object) -> T:
        kind = type(self.default)
        try:
            if kind is bool:
                return str(stored).strip().lower() in ("true", "1", "yes", "on")  # type: ignore[return-value]
            value = kind(stored)  # type: ignore[call-overload, arg-type]
        except (TypeError, ValueError):
            return self.default
        if self.choices and value not in self.choices:
            return self.default
        if self.low is not None and value < self.low:
            return kind(self.low)  # type: ignore[call-overload, return-value]
        if self.high is not None and value > self.high:
            return kind(self.high)  # type: ignore[call-overload, return-value]
        return value  # type: ignore[return-value]


# The Python of an environment that the user already has; empty means the one that the installer made.
BACKEND_PYTHON = Setting("backend-python", "")
# A command of the user's own, for instance `ssh gpu-host cityseg serve`; it goes before the Python.
BACKEND_COMMAND = Setting("backend-command", "")
DEVICE = Setting("device", "auto", choices=("auto", "cpu", "cuda", "mps"))
MODEL = Setting("model", "default-2d")
# Zero means half a pixel of the source, which removes stair steps and moves no edge visibly.
TOLERANCE_M = Setting("tolerance-m", 0.0, low=0.0, high=100.0)
MIN_AREA_M2 = Setting("min-area-m2", 0.0, low=0.0, high=1e6)
# Below about 250 ms a slow click becomes a scribble, above 800 ms people give up waiting.
HOLD_MS = Setting("hold-ms", 400, low=200, high=1500)
DEBUG = Setting("debug", False)
LAST_FOLDER = Setting("last-folder", "")
CLASS_NAMES = Setting("class-names", "")

# What was asked for, and what the user keeps as examples of their own: a line each, the newest first.
REFER_HISTORY = Setting("refer-history", "")
ASK_HISTORY = Setting("ask-history", "")
REFER_EXAMPLES = Setting("refer-examples", "")
ASK_EXAMPLES = Setting("ask-examples", "")
TEXT_FIND = Setting("text-find", "all", choices=("all", "one"))
TEXT_AREA = Setting("text-area", "visible", choices=("visible", "rectangle", "polygons", "whole"))

# Point clouds: where, which classes were asked for, and what is made beside the cloud (names, separated by commas).
CLOUD_AREA = Setting("cloud-area", "whole", choices=("visible", "rectangle", "polygons", "whole"))
CLOUD_HISTORY = Setting("cloud-history", "")
CLOUD_EXAMPLES = Setting("cloud-examples", "")
CLOUD_MAKES = Setting("cloud-makes", "buildings,trees,water,roads,wires")
# Empty is the best that this QGIS opens.
CLOUD_FORMAT = Setting("cloud-format", "", choices=("", "copc", "ept", "laz"))

_MAX_CLASS_NAMES = 50
MAX_HISTORY = 30


def remembered_class_names() -> list[str]:
    """Class names that were used before, the last used first."""
    return remembered(CLASS_NAMES)


def remember_class_name(name: str) -> None:
    """Put `name` at the head of the remembered class names."""
    remember(CLASS_NAMES, name, _MAX_CLASS_NAMES)


def remembered(setting: Setting[str]) -> list[str]:
    """The lines that `setting` keeps, the newest first."""
    return [line for line in setting.value().split("\n") if line]


def remember(setting: Setting[str], line: str, most: int = MAX_HISTORY) -> None:
    """Put `line` at the head of what `setting` keeps."""
    line = " ".join(line.split())
    if line:
        lines = [line] + [other for other in remembered(setting) if other != line]
        setting.set_value("\n".join(lines[:most]))
