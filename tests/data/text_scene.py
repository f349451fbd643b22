"""A scene for words: red and blue rectangles of several sizes, from north to south, on grey."""

from __future__ import annotations

import numpy as np

from tests.data import gdal_scenes as scenes

# (column, row) of the corners; areas in square metres are a quarter of those in pixels.
REDS = (
    (20, 10, 60, 30),
    (100, 40, 120, 60),
    (30, 100, 90, 140),
    (150, 150, 170, 170),
    (40, 200, 80, 240),
)
BLUES = ((160, 20, 200, 50), (190, 200, 230, 240))


def things() -> np.ndarray:
    """uint8 (3, 256, 256)."""
    image = np.full((3, scenes.SIZE, scenes.SIZE), 90, np.uint8)
    for rectangles, colour in ((REDS, (200, 40, 30)), (BLUES, (30, 60, 210))):
        for col0, row0, col1, row1 in rectangles:
            image[:, row0:row1, col0:col1] = np.array(colour, np.uint8)[:, None, None]
    return image


def thing_wkt(rectangle: tuple[int, int, int, int]) -> str:
    """A rectangle in UTM."""
    return scenes.rectangle_wkt(rectangle)
