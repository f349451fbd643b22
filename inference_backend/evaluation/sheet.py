"""A picture sheet of an evaluation: the best, the median and the worst objects, truth and answers outlined."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from inference_backend.evaluation.interactive import ObjectScore

CELL_PX = 220
ROWS_EACH = 3
_HEADER_PX = 26
_LABEL_PX = 20
_TRUTH, _ANSWER = (60, 220, 90), (255, 90, 40)
_ADD, _REMOVE = (70, 130, 255), (255, 40, 60)
_INK, _PAPER = (30, 30, 30), (250, 250, 248)
_COLUMNS = (("1", "1 click"), ("3", "3 clicks"), ("5", "5 clicks"), ("box", "box"))


def ranked(scores: Sequence[ObjectScore]) -> list[tuple[str, ObjectScore]]:
    """Best, median and worst objects by IoU after five clicks (by the box where there are no clicks)."""

    def value(score: ObjectScore) -> float:
        return score.clicks[min(4, len(score.clicks) - 1)] if score.clicks else score.box or 0.0

    order = sorted(scores, key=value, reverse=True)
    each = min(ROWS_EACH, max(len(order) // 3, 1))
    middle = max((len(order) - each) // 2, 0)
    groups = (
        ("best", order[:each]),
        ("median", order[middle : middle + each]),
        ("worst", order[-each:]),
    )
    rows: list[tuple[str, ObjectScore]] = []
    for title, group in groups:
        rows += [(title, s) for s in group if not any(s is shown for _, shown in rows)]
    return rows


def draw_sheet(scores: Sequence[ObjectScore], title: str) -> np.ndarray:
    """The sheet, uint8 (H, W, 3) RGB: one row an object, one column a number of clicks."""
    rows = ranked(scores)
    columns = [c for c in _COLUMNS if any(c[0] in score.masks for _, score in rows)]
    width = len(columns) * CELL_PX
    lines = [
        bar(title, width, _HEADER_PX),
        bar(
            "green: truth   orange: answer   blue: click   red: click that removes",
            width,
            _LABEL_PX,
        ),
    ]
    for group, score in rows:
        where = (
            f"{group}: {score.image_name}, object {score.record.number}, {score.record.pixels} px"
        )
        lines.append(bar(where, width, _LABEL_PX))
        lines.append(np.hstack([_cell(score, key, name) for key, name in columns]))
    return np.vstack(lines)


def bar(text: str, width: int, height: int) -> np.ndarray:
    """A line of text on paper, uint8 (height, width, 3)."""
    bar = np.full((height, width, 3), _PAPER, np.uint8)
    cv2.putText(bar, text, (5, height - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.40, _INK, 1, cv2.LINE_AA)
    return bar


def _cell(score: ObjectScore, key: str, name: str) -> np.ndarray:
    cell = np.full((CELL_PX, CELL_PX, 3), 40, np.uint8)
    if score.picture is None or key not in score.masks:
        return cell
    height, width = score.picture.shape[:2]
    scale = (CELL_PX - 4) / max(height, width)
    size = (max(int(width * scale), 1), max(int(height * scale), 1))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(score.picture, size, interpolation=way)
    outline(picture, score.masks["truth"], _TRUTH)
    outline(picture, score.masks[key], _ANSWER)
    if key != "box":
        _clicks(picture, score, int(key), scale)
        value = score.clicks[int(key) - 1]
    else:
        value = score.box or 0.0
    cell[2 : 2 + size[1], 2 : 2 + size[0]] = picture
    text = f"{name}: {value:.2f}"
    cv2.putText(
        cell, text, (6, CELL_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 3, cv2.LINE_AA
    )
    cv2.putText(
        cell,
        text,
        (6, CELL_PX - 8),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.45,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
    return cell


def outline(picture: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw the mask's outline, enlarged or shrunk to `picture`, into it."""
    size = (picture.shape[1], picture.shape[0])
    large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    rings, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, rings, -1, colour, 1, cv2.LINE_AA)


def _clicks(picture: np.ndarray, score: ObjectScore, count: int, scale: float) -> None:
    row0, col0 = score.view
    for click in score.placed[:count]:
        at = (round((click.x - col0) * scale), round((click.y - row0) * scale))
        cv2.circle(picture, at, 4, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(picture, at, 3, _ADD if click.label else _REMOVE, -1, cv2.LINE_AA)
