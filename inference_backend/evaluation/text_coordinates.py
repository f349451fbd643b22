"""Interactive instructions that are written as words: "… the box x0,y0=[0.43,0.11], x1,y1=[0.72,0.29]." (GeoSeg-Bench)."""

from __future__ import annotations

import re

import numpy as np

from inference_backend.prompts import Prompt

_NUMBER = r"\s*(\d*\.?\d+)\s*"
_PAIR = rf"\[{_NUMBER},{_NUMBER}\]"
_BOX = re.compile(rf"x0\s*,\s*y0\s*=\s*{_PAIR}\s*,\s*x1\s*,\s*y1\s*=\s*{_PAIR}")
_POINT = re.compile(_PAIR)


def prompts_in(text: str, width_px: int, height_px: int) -> list[Prompt]:
    """The box, else the points, that the text names, in pixels; coordinates are shares of width and height.

    Blanks after a comma are allowed: the published examples have them, though the published code reads none.
    """
    size = np.array([width_px, height_px], float)
    box = _BOX.search(text)
    if box:
        return [Prompt("box", np.array(box.groups(), float).reshape(2, 2) * size)]
    points = [np.array([match.groups()], float) * size for match in _POINT.finditer(text)]
    return [Prompt("point", xy) for xy in points]
