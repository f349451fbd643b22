"""Scores of masks: IoU, gIoU, cIoU, precision at an IoU, and the number-of-clicks protocol.

Arrays are (H, W); positions are in the pixel frame (x, y), pixel centres at halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

EmptyRule = Literal["lisa", "rmsin", "gres"]
DEFAULT_PRECISION_AT = (0.5, 0.6, 0.7, 0.8, 0.9)
MAX_CLICKS = 20


def overlap(
    predicted: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None
) -> tuple[int, int]:
    """Pixels in the intersection and in the union, without those where `ignore` is True."""
    p, t = np.asarray(predicted, bool), np.asarray(truth, bool)
    if ignore is not None:
        counted = ~np.asarray(ignore, bool)
        p, t = p & counted, t & counted
    return int(np.count_nonzero(p & t)), int(np.count_nonzero(p | t))


def iou(predicted: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None) -> float:
    """Intersection over union; 1 where both are empty."""
    both, either = overlap(predicted, truth, ignore)
    return both / either if either else 1.0


def boundary_iou(predicted: np.ndarray, truth: np.ndarray, width_px: int = 2) -> float:
    """IoU of the bands of `width_px` inside each mask's boundary (Cheng et al. 2021); 1 where both are empty."""
    return iou(_inner_band(predicted, width_px), _inner_band(truth, width_px))


def _inner_band(mask: np.ndarray, width_px: int) -> np.ndarray:
    # Padding makes the image's border a boundary too.
    padded = np.pad(np.asarray(mask, bool), 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return (depth > 0) & (depth <= width_px)


@dataclass
class MaskMetrics:
    """gIoU, cIoU and Pr@X over samples, by the rules of several code bases.

    `empty` says what a sample without truth scores. "lisa" (also PSALM, SegEarth-R1, UniGeoSeg): 1 where the
    prediction is empty too. "rmsin" (LAVT lineage): 0. "gres" (gRefCOCO): 1 where the model said "no target".
    `strict` compares Pr@X by > (UniGeoSeg) instead of >=. `epsilon` is added to every union, as some do (1e-5);
    `union_epsilon` to the sum of all unions (1e-10). Ignored pixels count nowhere, not even for what is empty.
    """

    empty: EmptyRule = "lisa"
    precision_at: tuple[float, ...] = DEFAULT_PRECISION_AT
    strict: bool = False
    epsilon: float = 0.0
    union_epsilon: float = 0.0
    _overlaps: list[tuple[int, int]] = field(default_factory=list, init=False)
    _ious: list[float] = field(default_factory=list, init=False)
    _no_truth: list[bool] = field(default_factory=list, init=False)
    _no_answer: list[bool] = field(default_factory=list, init=False)

    def add(
        self,
        predicted: np.ndarray,
        truth: np.ndarray,
        said_no_target: bool | None = None,
        ignore: np.ndarray | None = None,
    ) -> float:
        """Count one sample and return its IoU. `said_no_target` None: read from an empty prediction."""
        both, either = overlap(predicted, truth, ignore)
        no_truth = not overlap(truth, truth, ignore)[1]
        if said_no_target is None:
            no_answer = not overlap(predicted, predicted, ignore)[1]
        else:
            no_answer = bool(said_no_target)
        if self.empty == "gres" and no_truth:
            score, both, either = float(no_answer), 0, 0 if no_answer else either
        elif self.empty == "gres" and no_answer:
            score, both = 0.0, 0
        elif either == 0:
            score = 1.0 if self.empty == "lisa" else 0.0
        else:
            score = both / (either + self.epsilon)
        self._overlaps.append((both, either))
        self._ious.append(score)
        self._no_truth.append(no_truth)
        self._no_answer.append(no_answer)
        return score

    @property
    def ious(self) -> list[float]:
        """The IoU of every sample, in the order of counting."""
        return list(self._ious)

    @property
    def overlaps(self) -> list[tuple[int, int]]:
        """(intersection, union) in pixels of every sample, as the protocol counts them."""
        return list(self._overlaps)

    def part(self, numbers: Sequence[int]) -> MaskMetrics:
        """The same rules over the samples of these numbers only: one task, one kind."""
        chosen = replace(self)
        for name in ("_overlaps", "_ious", "_no_truth", "_no_answer"):
            mine = getattr(self, name)
            setattr(chosen, name, [mine[number] for number in numbers])
        return chosen

    def result(self) -> dict[str, float]:
        """n, gIoU (= mIoU), cIoU (= oIoU), Pr@X; N_acc where the truth is empty, T_acc where it is not.

        N_acc is the share of absent targets that were said to be absent (TP / (TP + FN) of "no target"), T_acc
        the share of present ones that were not (TN / (TN + FP)). "gres" counts Pr@X over present targets only.
        """
        if not self._ious:
            return {"n": 0}
        scores, no_truth = np.array(self._ious), np.array(self._no_truth)
        no_answer = np.array(self._no_answer)
        fallback = 1.0 if self.empty == "lisa" else 0.0
        intersections, unions = np.array(self._overlaps, np.int64).sum(axis=0)
        whole = unions + self.union_epsilon
        result: dict[str, float] = {
            "n": len(scores),
            "gIoU": float(scores.mean()),
            "cIoU": float(intersections / whole) if whole else fallback,
        }
        counted = scores[~no_truth] if self.empty == "gres" else scores
        for at in self.precision_at:
            hits = counted > at if self.strict else counted >= at
            result[f"Pr@{at:g}"] = float(hits.mean()) if len(counted) else float("nan")
        if no_truth.any():
            result["N_acc"] = float(no_answer[no_truth].mean())
        if not no_truth.all():
            result["T_acc"] = float((~no_answer[~no_truth]).mean())
        return result


@dataclass(frozen=True)
class Click:
    """A simulated click at a pixel's centre: `label` 1 adds, 0 removes."""

    x: float
    y: float
    label: int

    @property
    def pixel(self) -> tuple[int, int]:
        """(row, column)."""
        return int(self.y), int(self.x)


def _depth(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def centre_click(truth: np.ndarray) -> Click:
    """The click deepest inside the object: the first maximum, by rows, of the distance to its boundary.

    Raises ValueError for an empty mask.
    """
    if not np.any(truth):
        raise ValueError("an empty mask has no centre")
    return next_click(np.zeros_like(truth, dtype=bool), truth)


def next_click(
    predicted: np.ndarray,
    truth: np.ndarray,
    clicked: Sequence[Click] = (),
    ignore: np.ndarray | None = None,
) -> Click:
    """Where a user corrects next (RITM): deepest inside the larger of the missing and the excess region.

    The image's border counts as boundary, pixels clicked before are not clicked again, and a tie removes.
    """
    p, t = np.asarray(predicted, bool), np.asarray(truth, bool)
    missing, excess = t & ~p, p & ~t
    if ignore is not None:
        counted = ~np.asarray(ignore, bool)
        missing, excess = missing & counted, excess & counted
    # Depth depends on the error regions alone, so the window round them will do.
    rows, cols = _window(missing | excess)
    missing_depth, excess_depth = _depth(missing[rows, cols]), _depth(excess[rows, cols])
    for click in clicked:
        row, column = click.pixel[0] - rows.start, click.pixel[1] - cols.start
        if 0 <= row < missing_depth.shape[0] and 0 <= column < missing_depth.shape[1]:
            missing_depth[row, column] = excess_depth[row, column] = 0
    adds = bool(missing_depth.max() > excess_depth.max())
    depth = missing_depth if adds else excess_depth
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(float(column + cols.start) + 0.5, float(row + rows.start) + 0.5, int(adds))


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns that hold the mask; everything where it is empty."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def clicks_needed(scores: Sequence[float], target: float, most: int = MAX_CLICKS) -> int | None:
    """The 1-based number of the first click whose IoU reaches `target`; None if none of the first `most` does."""
    reached = np.flatnonzero(np.asarray(scores[:most], float) >= target)
    return int(reached[0]) + 1 if len(reached) else None


def noc(
    score_lists: Sequence[Sequence[float]], target: float, most: int = MAX_CLICKS
) -> tuple[float, int]:
    """(NoC, NoF) at `target`: mean clicks needed, a failure counting as `most`, and the true number of failures."""
    needed = [clicks_needed(scores, target, most) for scores in score_lists]
    counted = [most if number is None else number for number in needed]
    failures = sum(number is None for number in needed)
    return (float(np.mean(counted)) if counted else float("nan")), failures
