"""Direction words under flips and quarter turns: what stays true of a written sample whose image is turned."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import numpy as np

from inference_backend.errors import InvalidInput

Transform = Literal["mirror", "flip", "quarter", "half", "three_quarters"]
"""`mirror` swaps left and right, `flip` top and bottom; turns are counter-clockwise, as numpy.rot90 turns."""
TRANSFORMS: tuple[Transform, ...] = ("mirror", "flip", "quarter", "half", "three_quarters")

# A sense is one of the four sides as the index of (right, top, left, bottom), counter-clockwise; a quarter turn adds one.
_SIDES = ("right", "top", "left", "bottom")
_FAMILIES: tuple[tuple[str, str, str, str], ...] = (
    ("right", "top", "left", "bottom"),
    ("right", "upper", "left", "lower"),
    ("rightmost", "topmost", "leftmost", "bottommost"),
    ("rightmost", "uppermost", "leftmost", "lowest"),
    ("east", "north", "west", "south"),
    ("eastern", "northern", "western", "southern"),
    ("easternmost", "northernmost", "westernmost", "southernmost"),
    ("to the right of", "above", "to the left of", "below"),
    ("right of", "above", "left of", "below"),
    (
        "counting from left to right",
        "counting upwards",
        "counting from right to left",
        "counting downwards",
    ),
    ("to the right", "up", "to the left", "down"),
)
_CORNER = re.compile(
    r"\b(?:(upper|top|lower|bottom)[ -](left|right)|(north|south)-(east|west)(ern)?"
    r"|(up|down) and to the (left|right))\b",
    re.IGNORECASE,
)


def remap_directions(text: str, transform: Transform) -> str:
    """The text that says of the transformed image what `text` says of the original.

    Words of sides, compass points and corners are exchanged, all else stays. "lowest" is a side, "below" too, unless a
    number follows ("below 80 m²"). Raises InvalidInput for an unknown transform.
    """
    if transform not in TRANSFORMS:
        raise InvalidInput(
            f"'{transform}' is not a transform of an image; use one of {', '.join(TRANSFORMS)}."
        )
    return _WORDS.sub(lambda found: _replaced(found, transform), text)


def transformed(image: np.ndarray, transform: Transform) -> np.ndarray:
    """An image or a mask (H, W, ...) under the transform."""
    turns: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mirror": lambda array: array[:, ::-1],
        "flip": lambda array: array[::-1],
        "quarter": lambda array: np.rot90(array, 1),
        "half": lambda array: np.rot90(array, 2),
        "three_quarters": lambda array: np.rot90(array, 3),
    }
    return np.ascontiguousarray(turns[transform](image))


def _turned(side: int, transform: Transform) -> int:
    """The index in `_SIDES` of where a side comes to lie."""
    if transform == "mirror":
        return {0: 2, 2: 0}.get(side, side)
    if transform == "flip":
        return {1: 3, 3: 1}.get(side, side)
    return (side + {"quarter": 1, "half": 2, "three_quarters": 3}[transform]) % 4


def _senses() -> dict[str, tuple[int, int]]:
    """Word -> (its family, its side); the first family that has a word owns it."""
    found: dict[str, tuple[int, int]] = {}
    for number, family in enumerate(_FAMILIES):
        for side, word in enumerate(family):
            found.setdefault(word, (number, side))
    return found


_SENSE = _senses()
# "below 80 m²" is a size and "on top of" a place; "up" alone is no side.
_BEFORE = {"top": r"(?<!\bon )"}
_AFTER = {"above": r"(?! *\d)", "below": r"(?! *\d)", "lower": r"(?! than)"}
_WORDS = re.compile(
    "|".join(
        [
            _CORNER.pattern,
            *(
                rf"{_BEFORE.get(word, '')}\b{re.escape(word)}\b{_AFTER.get(word, '')}"
                for word in sorted(_SENSE, key=len, reverse=True)
                if word not in ("up", "down")
            ),
        ]
    ),
    re.IGNORECASE,
)


def _replaced(found: re.Match[str], transform: Transform) -> str:
    words = found.group(0)
    corner = _CORNER.fullmatch(words)
    if corner:
        return _like(words, _corner(corner, transform))
    family, side = _SENSE[words.lower()]
    return _like(words, _FAMILIES[family][_turned(side, transform)])


def _corner(found: re.Match[str], transform: Transform) -> str:
    """A corner is two sides, one of each axis; they are said in the order in which they always are."""
    up, across, north, east, ern, climb, aside = found.groups()
    first, second = (up or north or climb).lower(), (across or east or aside).lower()
    sides = {
        **dict.fromkeys(("upper", "top", "north", "up"), 1),
        **dict.fromkeys(("lower", "bottom", "south", "down"), 3),
        **{"left": 2, "west": 2, "right": 0, "east": 0},
    }
    moved = {_turned(sides[first], transform), _turned(sides[second], transform)}
    vertical = 1 if 1 in moved else 3
    horizontal = 0 if 0 in moved else 2
    if north:
        return f"{_FAMILIES[4][vertical]}-{_FAMILIES[4][horizontal]}{(ern or '').lower()}"
    if climb:
        return f"{'up' if vertical == 1 else 'down'} and to the {_SIDES[horizontal]}"
    names = {1: "upper", 3: "lower"} if first in ("upper", "lower") else {1: "top", 3: "bottom"}
    return f"{names[vertical]} {_SIDES[horizontal]}"


def _like(words: str, replacement: str) -> str:
    return replacement.capitalize() if words[:1].isupper() else replacement
