"""The scene of a seed, turned so that row 0 lies at the lowest y, with what each object covers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from inference_backend.training.clouds.relief import CELL_M
from inference_backend.training.scenes.scene import SEMANTIC_NAMES, Scene

SEMANTIC = {name: code for code, name in enumerate(SEMANTIC_NAMES)}


@dataclass(frozen=True)
class Thing:
    """One object of the scene: its cells (`rows`, `cols`) and a window with its mask, one cell of margin."""

    number: int
    name: str
    attributes: dict
    row0: int
    col0: int
    mask: np.ndarray

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        rows, cols = np.nonzero(self.mask)
        return rows + self.row0, cols + self.col0

    @property
    def window(self) -> tuple[slice, slice]:
        rows, cols = self.mask.shape
        return slice(self.row0, self.row0 + rows), slice(self.col0, self.col0 + cols)

    @property
    def area_m2(self) -> float:
        return float(self.mask.sum()) * CELL_M**2

    def inward_m(self) -> np.ndarray:
        """Metres from the nearest cell outside, (rows, cols) of the window. A side at the city's edge counts as outside."""
        padded = cv2.copyMakeBorder(self.mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        deep = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        return np.maximum(deep - 0.5, 0) * np.float32(CELL_M)


@dataclass(frozen=True)
class Box:
    """The smallest turned rectangle round a thing; metres, `angle` of its length (radians, y up)."""

    x: float
    y: float
    length: float
    width: float
    angle: float

    def local(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(u, v) metres along and across, of cells."""
        dx = (cols + 0.5) * CELL_M - self.x
        dy = (rows + 0.5) * CELL_M - self.y
        c, s = np.cos(self.angle), np.sin(self.angle)
        return (dx * c + dy * s).astype(np.float32), (dy * c - dx * s).astype(np.float32)

    def at(self, u: float | np.ndarray, v: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x, y of places given along and across."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return self.x + u * c - v * s, self.y + u * s + v * c


def box_of(rows: np.ndarray, cols: np.ndarray) -> Box:
    """The smallest turned rectangle round cells."""
    points = np.stack([cols, rows], 1).astype(np.float32)
    (x, y), (a, b), degrees = cv2.minAreaRect(points)
    angle = np.deg2rad(degrees)
    a, b = a + 1, b + 1  # corners of cells, not their middles
    if b > a:
        a, b, angle = b, a, angle + np.pi / 2
    return Box((x + 0.5) * CELL_M, (y + 0.5) * CELL_M, a * CELL_M, b * CELL_M, float(angle))


@dataclass(frozen=True)
class Place:
    """A scene as the ground of a city: arrays with row 0 at the lowest y."""

    scene: Scene
    instances: np.ndarray
    semantic: np.ndarray
    rgb: np.ndarray
    things: dict[str, list[Thing]]

    @classmethod
    def of(cls, scene: Scene) -> Place:
        instances = np.ascontiguousarray(scene.instances[::-1])
        things: dict[str, list[Thing]] = {}
        for number, box in enumerate(ndimage.find_objects(instances.astype(np.int32)), start=1):
            if box is None or number not in scene.classes:
                continue
            rows, cols = (
                slice(max(part.start - 1, 0), min(part.stop + 1, size))
                for part, size in zip(box, instances.shape, strict=True)
            )
            mask = instances[rows, cols] == number
            name = scene.classes[number]
            thing = Thing(number, name, scene.attributes[number], rows.start, cols.start, mask)
            things.setdefault(name, []).append(thing)
        return cls(
            scene,
            instances,
            np.ascontiguousarray(scene.semantic[::-1]),
            np.ascontiguousarray(scene.rgb[::-1]),
            things,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.instances.shape

    @property
    def side_m(self) -> float:
        return self.shape[1] * CELL_M

    def of_names(self, *names: str) -> list[Thing]:
        return [thing for name in names for thing in self.things.get(name, ())]

    def mask_of(self, *names: str) -> np.ndarray:
        """bool (H, W): the cells of all objects of these names."""
        numbers = [thing.number for thing in self.of_names(*names)]
        return np.isin(self.instances, numbers) if numbers else np.zeros(self.shape, bool)

    def mask_of_window(self, window: tuple[slice, slice], names: tuple[str, ...]) -> np.ndarray:
        """bool: the cells of a window that objects of these names cover."""
        numbers = [thing.number for thing in self.of_names(*names)]
        return np.isin(self.instances[window], numbers)

    def is_semantic(self, *names: str) -> np.ndarray:
        return np.isin(self.semantic, [SEMANTIC[name] for name in names])
