"""A picture sheet of a text evaluation: the best, the median and the worst answers, with what was asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference_backend.evaluation.sheet import bar, outline
from inference_backend.evaluation.text_run import THUMB_PX, TextScore
from inference_backend.imagery.source import open_raster

ROWS_EACH = 3
_CELL_PX = THUMB_PX + 4
_TITLE_PX, _LINE_PX = 26, 20
_TRUTH, _ANSWER = (60, 220, 90), (255, 90, 40)
_LETTERS_A_LINE = 100
_COLUMNS = 3


def chosen(scores: Sequence[TextScore]) -> list[tuple[str, TextScore]]:
    """The best, median and worst answers, no image twice in a group as long as there are others."""
    order = sorted(scores, key=lambda score: -score.iou)
    each = min(ROWS_EACH, max(len(order) // 3, 1))
    middle = sorted(order, key=lambda score: abs(score.iou - order[len(order) // 2].iou))
    rows: list[tuple[str, TextScore]] = []
    for title, candidates in (("best", order), ("worst", order[::-1]), ("median", middle)):
        free = [score for score in candidates if not any(score is shown for _, shown in rows)]
        rows += [(title, score) for score in _from_different_images(free, each)]
    by_title = ("best", "median", "worst")
    return sorted(rows, key=lambda row: (by_title.index(row[0]), -row[1].iou))


def _from_different_images(scores: Sequence[TextScore], count: int) -> list[TextScore]:
    firsts: dict[object, TextScore] = {}
    for score in scores:
        firsts.setdefault(score.sample.image, score)
        if len(firsts) == count:
            break
    rest = [score for score in scores if firsts.get(score.sample.image) is not score]
    return [*firsts.values(), *rest][:count]


def draw_text_sheet(scores: Sequence[TextScore], title: str) -> np.ndarray:
    """The sheet, uint8 (H, W, 3) RGB: the image, the truth on it, the answer on it, a row a text."""
    width = _COLUMNS * _CELL_PX
    lines = [
        bar(title, width, _TITLE_PX),
        bar("left: image   middle, green: truth   right, orange: answer", width, _LINE_PX),
    ]
    for group, score in chosen(scores):
        where = f"{group}: IoU {score.iou:.2f}, {score.path}, {score.sample.image.name}"
        lines.append(bar(where, width, _LINE_PX))
        lines += [bar(text, width, _LINE_PX) for text in _wrapped(f'"{score.sample.text}"')]
        lines.append(_row(score))
    return np.vstack(lines)


def _wrapped(text: str) -> list[str]:
    """Two lines at most; OpenCV's letters are ASCII."""
    plain = text.encode("ascii", "replace").decode()
    if len(plain) <= _LETTERS_A_LINE:
        return [plain]
    cut = plain.rfind(" ", 0, _LETTERS_A_LINE)
    cut = cut if cut > 0 else _LETTERS_A_LINE
    rest = plain[cut:].strip()
    return [
        plain[:cut],
        rest if len(rest) <= _LETTERS_A_LINE else rest[: _LETTERS_A_LINE - 3] + "...",
    ]


def _row(score: TextScore) -> np.ndarray:
    truth, answer = score.masks()
    rows, cols = truth.shape
    with open_raster(score.sample.image) as source:
        picture, _ = source.read_rgb(0, 0, source.width, source.height, rows, cols)
    cells = [
        _cell(picture, None, _TRUTH),
        _cell(picture, truth, _TRUTH),
        _cell(picture, answer, _ANSWER),
    ]
    return np.hstack(cells)


def _cell(picture: np.ndarray, mask: np.ndarray | None, colour: tuple[int, int, int]) -> np.ndarray:
    cell = np.full((picture.shape[0] + 4, _CELL_PX, 3), 40, np.uint8)
    shown = picture.copy()
    if mask is not None:
        tint = (0.65 * shown[mask] + 0.35 * np.array(colour)).astype(np.uint8)
        shown[mask] = tint
        outline(shown, mask, colour)
    rows, cols = shown.shape[:2]
    cell[2 : 2 + rows, 2 : 2 + cols] = shown
    return cell
