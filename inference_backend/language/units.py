"""Lengths and areas as a user writes them: the number and the unit are kept, metres are computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from inference_backend.errors import InvalidInput

Dimension = Literal["length", "area"]

# Unit as shown -> (dimension, metres or square metres, other spellings in words).
_UNITS: dict[str, tuple[Dimension, float, tuple[str, ...]]] = {
    "m": ("length", 1.0, ("metre", "metres", "meter", "meters", "mtr", "mtrs")),
    "km": ("length", 1000.0, ("kilometre", "kilometres", "kilometer", "kilometers", "kms")),
    "cm": ("length", 0.01, ("centimetre", "centimetres", "centimeter", "centimeters")),
    "ft": ("length", 0.3048, ("foot", "feet")),
    "yd": ("length", 0.9144, ("yard", "yards", "yds")),
    "mi": ("length", 1609.344, ("mile", "miles")),
    "m²": (
        "area",
        1.0,
        ("m2", "sqm", "sq m", "square m", "square metre", "square metres", "square meter")
        + ("square meters", "sq metre", "sq metres", "sq meter", "sq meters"),
    ),
    "km²": (
        "area",
        1e6,
        ("km2", "sq km", "sqkm", "square km", "square kilometre", "square kilometres")
        + ("square kilometer", "square kilometers"),
    ),
    "ha": ("area", 1e4, ("hectare", "hectares")),
    "ac": ("area", 4046.8564224, ("acre", "acres")),
    "sq ft": (
        "area",
        0.09290304,
        ("ft2", "ft²", "sqft", "square ft", "square foot", "square feet", "sq feet", "sq foot"),
    ),
    "sq yd": ("area", 0.83612736, ("yd2", "yd²", "square yard", "square yards", "sq yards")),
}
SPELLINGS: dict[tuple[str, ...], str] = {
    tuple(words.split()): unit
    for unit, (_, _, others) in _UNITS.items()
    for words in (unit, *others)
}
"""Words of a unit -> the unit."""
# Larger than the Earth: a slip of the keyboard.
_MOST_SI = {"length": 5e7, "area": 6e14}


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, not negative. Raises InvalidInput for what cannot be a size on the ground."""

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in _UNITS:
            raise InvalidInput(f"'{self.unit}' is no unit; use one of {', '.join(_UNITS)}.")
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise InvalidInput(f"A size or distance is a number, not {self.value!r}.")
        object.__setattr__(self, "value", float(self.value))
        if not math.isfinite(self.value) or self.value < 0:
            raise InvalidInput(f"A size or distance cannot be {self.value:g}; give 0 or more.")
        if self.si > _MOST_SI[self.dimension]:
            raise InvalidInput(f"{self} is larger than the Earth; check the number.")

    @property
    def dimension(self) -> Dimension:
        return _UNITS[self.unit][0]

    @property
    def si(self) -> float:
        """Metres, or square metres."""
        return self.value * _UNITS[self.unit][1]

    def __str__(self) -> str:
        return f"{number(self.value)} {self.unit}"


def number(value: float) -> str:
    """As short as it is exact to six digits, thousands apart: 2,000 and 0.1."""
    rounded = float(f"{value:.6g}")
    if rounded.is_integer():
        return f"{int(rounded):,}"
    whole, _, rest = f"{rounded:.6f}".rstrip("0").partition(".")
    return f"{int(whole):,}.{rest}" if rest else f"{rounded:g}"


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """All units of lengths, or of areas."""
    return tuple(unit for unit, (kind, _, _) in _UNITS.items() if kind == dimension)
