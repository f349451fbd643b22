"""A picture of a labelled cloud: from above by class and by intensity, two sections by class, and a legend."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference_backend.errors import ResourceProblem
from inference_backend.training.clouds.leaves import COLOURS, LEAVES, ids
from inference_backend.training.clouds.scan import LabelledCloud

_VIEW_PX = 760
_GAP_PX = 20
_DARK, _PALE = (58, 52, 48), (235, 235, 235)
_SLICE_M = 1.5  # half of what a section shows
_MOST_SECTION_PX = 420
_COLUMNS = 8


def draw_sheet(cloud: LabelledCloud, path: Path, title: str = "") -> None:
    """Write a PNG. Raises ResourceProblem where it cannot be written."""
    side = max(float(np.ceil(cloud.xyz[:, :2].max())), 1.0) if len(cloud) else 1.0
    table = (COLOURS[:, ::-1] * 255).astype(np.uint8)  # OpenCV's order
    by_class = table[cloud.leaf]
    bright = np.clip(cloud.intensity / max(np.quantile(cloud.intensity, 0.98), 1), 0, 1)
    grey = np.repeat((bright * 255).astype(np.uint8)[:, None], 3, 1)
    gap = np.full((_VIEW_PX, _GAP_PX, 3), 255, np.uint8)
    above = np.hstack([_from_above(cloud, side, by_class), gap, _from_above(cloud, side, grey)])
    width = above.shape[1]
    count = len(cloud) / side**2
    head = f"{title} {cloud.platform}, {len(cloud)} points, {count:.1f} a square metre".strip()
    rows = [_words(head, width), above]
    for axis, place in ((0, _busiest(cloud, side)), (1, side / 2)):
        rows += [_words(f"section at {'yx'[axis]} = {place:.0f} m", width)]
        rows += [_section(cloud, side, by_class, axis, place, width)]
    rows.append(_legend(np.unique(cloud.leaf), table, width))
    done, data = cv2.imencode(".png", np.vstack(rows))
    try:
        if done:
            path.write_bytes(data.tobytes())
    except OSError as error:
        raise ResourceProblem(
            f"'{path}' could not be written; is there room on the disk?", str(error)
        ) from error


def _from_above(cloud: LabelledCloud, side: float, colours: np.ndarray) -> np.ndarray:
    """The highest point of each pixel, north up."""
    scale = _VIEW_PX / side
    density = len(cloud) / side**2
    return _dots(
        cloud.xyz[:, 0] * scale,
        (side - cloud.xyz[:, 1]) * scale,
        np.argsort(cloud.xyz[:, 2]),
        colours,
        (_VIEW_PX, _VIEW_PX),
        int(np.clip(np.ceil(scale / np.sqrt(max(density, 1e-3))), 1, 6)),
    )


def _section(
    cloud: LabelledCloud, side: float, colours: np.ndarray, axis: int, place: float, width: int
) -> np.ndarray:
    near = np.flatnonzero(
        (np.abs(cloud.xyz[:, 1 - axis] - place) < _SLICE_M)
        & ~np.isin(cloud.leaf, ids("low noise", "high noise"))
    )
    if not len(near):
        return np.full((20, width, 3), _DARK, np.uint8)
    low, high = (float(f(cloud.xyz[near, 2])) for f in (np.min, np.max))
    scale = min(width / side, _MOST_SECTION_PX / max(high - low + 2, 4))
    height = int(np.ceil((max(high - low, 2) + 2) * scale))
    x = cloud.xyz[near, axis] * scale + (width - side * scale) / 2
    y = (high + 1 - cloud.xyz[near, 2]) * scale
    return _dots(x, y, np.arange(len(near)), colours[near], (height, width), 2)


def _dots(
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    colours: np.ndarray,
    shape: tuple[int, int],
    size: int,
) -> np.ndarray:
    """Square dots, the last of `order` on top."""
    picture = np.full((*shape, 3), _DARK, np.uint8)
    for down in range(size):
        for across in range(size):
            rows = np.clip(y[order].astype(int) + down - size // 2, 0, shape[0] - 1)
            cols = np.clip(x[order].astype(int) + across - size // 2, 0, shape[1] - 1)
            picture[rows, cols] = colours[order]
    return picture


def _words(text: str, width: int) -> np.ndarray:
    row = np.full((30, width, 3), 255, np.uint8)
    cv2.putText(row, text, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return row


def _legend(present: np.ndarray, table: np.ndarray, width: int) -> np.ndarray:
    lines = -(-len(present) // _COLUMNS)
    picture = np.full((lines * 26 + 12, width, 3), _PALE, np.uint8)
    for place, number in enumerate(present):
        x, y = place % _COLUMNS * (width // _COLUMNS) + 8, place // _COLUMNS * 26 + 10
        colour = tuple(int(value) for value in table[number])
        cv2.rectangle(picture, (x, y), (x + 14, y + 14), colour, -1)
        cv2.putText(picture, LEAVES[number], (x + 20, y + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                    (30, 30, 30), 1, cv2.LINE_AA)  # fmt: skip
    return picture


def _busiest(cloud: LabelledCloud, side: float) -> float:
    """The y where a section along x meets most that is no ground."""
    low = ids("open ground", "pavement", "rail track", "water", "low noise", "high noise")
    high = cloud.xyz[~np.isin(cloud.leaf, low), 1]
    if not len(high):
        return side / 2
    histogram, edges = np.histogram(high, bins=max(int(side / 3), 1), range=(0, side))
    best = int(histogram.argmax())
    return float((edges[best] + edges[best + 1]) / 2)
