"""The click protocol: one centre click, corrected clicks, a box, over every object of a folder.

Clicks follow RITM: the next one goes deepest inside the larger error, up to 20. Every object gets at least
five, also where it reached the target before, so that "after five clicks" is a measurement and not a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.evaluation.instance_folder import ObjectRecord, by_image, read_instances
from inference_backend.evaluation.metrics import (
    MAX_CLICKS,
    Click,
    boundary_iou,
    centre_click,
    iou,
    next_click,
    noc,
)
from inference_backend.evaluation.segmenters import Segmenter
from inference_backend.imagery.source import RasterSource, open_raster
from inference_backend.prompts import Prompt

REPORTED_CLICKS = (1, 3, 5)
TARGETS = (0.85, 0.90)
Progress = Callable[[float, str], None]


@dataclass
class ObjectScore:
    """One object's scores. `clicks[k]` is the IoU after k + 1 clicks.

    `view` is (row0, column0) of the crop that the sheet shows: `picture` uint8 (h, w, 3), and `masks` bool (h, w)
    of "truth", "box" and of the masks after "1", "3" and "5" clicks.
    """

    record: ObjectRecord
    clicks: list[float] = field(default_factory=list)
    placed: list[Click] = field(default_factory=list)
    box: float | None = None
    boundary_at_5: float | None = None
    view: tuple[int, int] = (0, 0)
    picture: np.ndarray | None = field(default=None, repr=False)
    masks: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def image_name(self) -> str:
        """The image's file name."""
        return self.record.pair.image.name

    def after(self, clicks: int) -> float | None:
        """IoU after that many clicks; None where the segmenter takes no clicks."""
        return self.clicks[clicks - 1] if len(self.clicks) >= clicks else None


def evaluate_objects(
    records: Sequence[ObjectRecord],
    segmenter: Segmenter,
    *,
    components: bool = False,
    most_clicks: int = MAX_CLICKS,
    progress: Progress = lambda fraction, message: None,
    cancel: CancelToken | None = None,
) -> list[ObjectScore]:
    """Run the protocol on every record. Raises InvalidInput for an image that does not fit its mask, Cancelled."""
    scores: list[ObjectScore] = []
    for pair, group in by_image(list(records)):
        ids = read_instances(pair.mask, components)
        with open_raster(pair.image) as source:
            if (source.height, source.width) != ids.shape:
                raise InvalidInput(
                    f"'{pair.image.name}' is {source.width} x {source.height} pixels and its mask "
                    f"{ids.shape[1]} x {ids.shape[0]}; give masks of the image's size."
                )
            rgb, _ = source.read_rgb(0, 0, source.width, source.height, source.height, source.width)
            for record in group:
                if cancel is not None:
                    cancel.check()
                progress(len(scores) / len(records), f"object {len(scores) + 1} of {len(records)}")
                scores.append(_one_object(record, ids, source, rgb, segmenter, most_clicks))
    progress(1.0, "done")
    return scores


def _one_object(
    record: ObjectRecord,
    ids: np.ndarray,
    source: RasterSource,
    rgb: np.ndarray,
    segmenter: Segmenter,
    most_clicks: int,
) -> ObjectScore:
    truth = ids == record.number
    score = ObjectScore(record)
    shown = {"truth": truth}
    if "point" in segmenter.kinds:
        ask = partial(segmenter.segment, source, rgb)
        shown |= _click_session(score, truth, ask, most_clicks)
    if "box" in segmenter.kinds:
        shown["box"] = segmenter.segment(source, rgb, [box_prompt(truth)])
        score.box = iou(shown["box"], truth)
    rows, cols = _view(truth)
    score.view = rows.start, cols.start
    score.picture = rgb[rows, cols].copy()
    score.masks = {name: mask[rows, cols].copy() for name, mask in shown.items()}
    return score


def _click_session(
    score: ObjectScore,
    truth: np.ndarray,
    ask: Callable[[list[Prompt]], np.ndarray],
    most_clicks: int,
) -> dict[str, np.ndarray]:
    """Click until the highest target is reached, five times at least; returns the masks after 1, 3 and 5."""
    mask, fixed = np.zeros_like(truth), max(REPORTED_CLICKS)
    shown: dict[str, np.ndarray] = {}
    for number in range(1, most_clicks + 1):
        # A perfect mask leaves nothing to correct: what follows is the same mask.
        if number == 1 or score.clicks[-1] < 1.0:
            click = centre_click(truth) if number == 1 else next_click(mask, truth, score.placed)
            score.placed.append(click)
            mask = ask([click_prompt(placed) for placed in score.placed])
        score.clicks.append(iou(mask, truth))
        if number in REPORTED_CLICKS:
            shown[f"{number}"] = mask
        if number == fixed:
            score.boundary_at_5 = boundary_iou(mask, truth)
        if number >= fixed and max(score.clicks) >= max(TARGETS):
            break
    return shown


def _view(truth: np.ndarray) -> tuple[slice, slice]:
    """A square round the object, half as large again and at least 49 pixels, as far as the image goes."""
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    half = max(int(0.75 * max(rows[-1] - rows[0], cols[-1] - cols[0])), 24)
    spans = []
    for at in (rows, cols):
        middle = int(at[0] + at[-1]) // 2
        spans.append(slice(max(middle - half, 0), middle + half + 1))
    return spans[0], spans[1]


def click_prompt(click: Click) -> Prompt:
    """The click as the product takes it."""
    return Prompt("point", np.array([[click.x, click.y]]), click.label)


def box_prompt(truth: np.ndarray) -> Prompt:
    """The tight box round the object, on pixel edges."""
    rows, cols = np.nonzero(truth)
    corners = [[cols.min(), rows.min()], [cols.max() + 1, rows.max() + 1]]
    return Prompt("box", np.array(corners, float))


def summarise(scores: Sequence[ObjectScore]) -> dict[str, float | int | None]:
    """Means over objects: iou_1, iou_3, iou_5, iou_box, noc_85, nof_85, noc_90, nof_90, boundary_iou_5."""
    result: dict[str, float | int | None] = {"objects": len(scores)}
    for clicks in REPORTED_CLICKS:
        result[f"iou_{clicks}"] = _mean([score.after(clicks) for score in scores])
    result["iou_box"] = _mean([score.box for score in scores])
    result["boundary_iou_5"] = _mean([score.boundary_at_5 for score in scores])
    clicked = [score.clicks for score in scores if score.clicks]
    for target in TARGETS:
        mean, failures = noc(clicked, target) if clicked else (None, None)
        result[f"noc_{target * 100:.0f}"], result[f"nof_{target * 100:.0f}"] = mean, failures
    return result


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def best_segmenter(
    records: Sequence[ObjectRecord], candidates: Sequence[Segmenter], components: bool
) -> Segmenter:
    """The candidate with the best mean IoU at the first prompt: a baseline at its best setting."""
    if len(candidates) == 1:
        return candidates[0]
    means = []
    for candidate in candidates:
        scores = evaluate_objects(records, candidate, components=components, most_clicks=1)
        means.append(
            np.mean([score.clicks[0] if score.clicks else score.box or 0.0 for score in scores])
        )
    return candidates[int(np.argmax(means))]
