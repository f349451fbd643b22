"""A picture sheet of classified clouds, from above: truth, answer, and where they differ."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.evaluation.points_report import Answers
from inference_backend.evaluation.points_view import VIEW_PX, View
from inference_backend.evaluation.sheet import bar
from inference_backend.models.cityseg.profiles_reader import Profile

MOST_VIEWS = 6
_HEADER_PX, _LINE_PX, _GAP_PX, _SWATCH_PX = 26, 20, 6, 12
_EMPTY, _IGNORED, _NOTHING = (255, 255, 255), (200, 200, 200), (90, 90, 90)
_RIGHT, _WRONG = (205, 222, 205), (225, 40, 40)
_INK = (30, 30, 30)


def draw_points_sheet(
    views: list[View], profile: Profile, answers: Answers, class_of: np.ndarray, title: str
) -> np.ndarray:
    """uint8 (H, W, 3) RGB, one row a cloud. `class_of` int64: place among the classes by truth of a view, -1 ignored."""
    colours = np.array([*_class_colours(profile), _NOTHING], np.uint8)
    width = 3 * VIEW_PX + 4 * _GAP_PX
    lines = [bar(title, width, _HEADER_PX)]
    lines += _legend(profile, colours, width)
    lines.append(bar("truth, answer, and errors in red (grey: not counted)", width, _LINE_PX))
    for view in views[:MOST_VIEWS]:
        truth = np.where(view.seen, class_of[view.truth], -2)
        answer = np.where(view.seen, answers.classes[view.label], -2)
        lines.append(bar(view.name, width, _LINE_PX))
        lines.append(_row(truth, answer, colours))
    return np.vstack(lines)


def _row(truth: np.ndarray, answer: np.ndarray, colours: np.ndarray) -> np.ndarray:
    told = colours[truth]
    told[truth == -1] = _IGNORED
    # -1 finds the last colour, which is for answers that are no class.
    given = colours[np.maximum(answer, -1)]
    wrong = np.full((*truth.shape, 3), _RIGHT, np.uint8)
    wrong[truth != answer] = _WRONG
    wrong[truth == -1] = _IGNORED
    panels = []
    for panel in (told, given, wrong):
        panel[truth == -2] = _EMPTY
        scale = VIEW_PX / max(truth.shape)
        size = (max(int(truth.shape[1] * scale), 1), max(int(truth.shape[0] * scale), 1))
        square = np.full((size[1], VIEW_PX + _GAP_PX, 3), _EMPTY, np.uint8)
        square[:, _GAP_PX : _GAP_PX + size[0]] = cv2.resize(
            panel, size, interpolation=cv2.INTER_NEAREST
        )
        panels.append(square)
    row = np.hstack(panels)
    return np.pad(row, ((0, _GAP_PX), (0, _GAP_PX), (0, 0)), constant_values=255)


def _legend(profile: Profile, colours: np.ndarray, width: int) -> list[np.ndarray]:
    """Swatches with names, as many lines as they need."""
    lines, x = [bar("", width, _LINE_PX)], 5
    for name, colour in zip((*profile.classes, "no class"), colours, strict=True):
        (text_px, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
        if x + _SWATCH_PX + text_px + 16 > width:
            lines.append(bar("", width, _LINE_PX))
            x = 5
        lines[-1][4 : 4 + _SWATCH_PX, x : x + _SWATCH_PX] = colour
        at = (x + _SWATCH_PX + 4, _LINE_PX - 6)
        cv2.putText(lines[-1], name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
        x += _SWATCH_PX + text_px + 16
    return lines


def _class_colours(profile: Profile) -> list[tuple[int, int, int]]:
    """Each class has the colour of the node above its own leaves; one that is taken, or has none, gets a mixed one."""
    found: list[tuple[int, int, int]] = []
    for k, own in enumerate(profile.class_leaves):
        leaves = [profile.graph.leaves[int(leaf)] for leaf in np.flatnonzero(own)]
        node = profile.graph.common_ancestor(leaves) if leaves else ""
        colour = (
            profile.graph.colour_of(node if node not in ("", "root") else leaves[0])
            if leaves
            else None
        )
        if colour is None or colour in found:
            colour = tuple(int(40 + (k * step) % 180) for step in (67, 113, 151))
        found.append(colour)
    return found
