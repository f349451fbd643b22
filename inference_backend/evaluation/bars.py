"""Score an answerer against the bars. It is any callable: the product's way, the bare network, or a floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from affine import Affine

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.bar_images import IGNORE, BarImage, BarPrompt, BarSet
from inference_backend.evaluation.metrics import overlap

Answer = Callable[[np.ndarray, float, Affine, str, str], "np.ndarray | None"]
"""(rgb uint8 (H, W, 3), gsd_m, transform to metres north up (BAR_CRS), text, task) → bool (H, W), or None: it is not here.

InvalidInput counts as a refusal: an empty mask, and no answer to an absent thing.
"""


@dataclass(frozen=True)
class CaseScore:
    """One text about one image: pixels in the intersection and the union, and what was said."""

    image: str
    text: str
    both_px: int
    either_px: int
    empty: bool
    refused: str = ""

    @property
    def iou(self) -> float:
        """1 where truth and answer are both empty."""
        return self.both_px / self.either_px if self.either_px else 1.0


@dataclass
class BarScore:
    """`value` is what `goal` is held against; None of it where no case was asked. `details` says more of it."""

    name: str
    measure: str
    goal: float | None
    value: float | None
    details: dict[str, float] = field(default_factory=dict)
    cases: list[CaseScore] = field(default_factory=list)

    @property
    def reached(self) -> bool | None:
        """None where there is no bar, or nothing was asked. The gap of questions is to be small, all else large."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.measure == "questions" else self.value >= self.goal

    def to_json(self) -> dict:
        """For a report; without the cases."""
        return {k: v for k, v in asdict(self).items() if k != "cases"} | {"reached": self.reached}


def score_bars(
    sets: Iterable[BarSet], answer: Answer, progress: Callable[[str], None] = lambda message: None
) -> list[BarScore]:
    """All sets, one after the other."""
    scores = []
    for bar in sets:
        progress(bar.name)
        scores.append(score_bar(bar, answer))
    return scores


def score_bar(bar: BarSet, answer: Answer) -> BarScore:
    """Ask every case of a set. Raises ValueError where an answer is not of the image's shape."""
    prompts: list[tuple[CaseScore, BarPrompt]] = []
    for image, prompt in bar.cases():
        prompts.append((_ask(image, prompt, answer), prompt))
    cases = [case for case, _ in prompts]
    value, details = _MEASURES[bar.measure](prompts) if cases else (None, {})
    return BarScore(bar.name, bar.measure, bar.goal, value, details, cases)


def _ask(image: BarImage, prompt: BarPrompt, answer: Answer) -> CaseScore:
    refused = ""
    try:
        mask = answer(image.rgb, image.gsd_m, image.transform, prompt.text, prompt.task)
    except InvalidInput as error:
        mask, refused = None, error.user_message
    shape = image.rgb.shape[:2]
    found = np.zeros(shape, bool) if mask is None else np.asarray(mask, bool)
    if found.shape != shape:
        raise ValueError(f"{image.name}: the answer has the shape {found.shape}, not {shape}")
    truth = image.truth[prompt.truth]
    both, either = overlap(found, truth == 1, truth == IGNORE)
    return CaseScore(image.name, prompt.text, both, either, not found.any(), refused)


Scored = list[tuple[CaseScore, BarPrompt]]


def union_iou(cases: Iterable[CaseScore]) -> float:
    """IoU of the unions of truth and of answers over all images."""
    pairs = [(case.both_px, case.either_px) for case in cases]
    both, either = sum(b for b, _ in pairs), sum(e for _, e in pairs)
    return both / either if either else 1.0


def _class_iou(scored: Scored) -> tuple[float, dict[str, float]]:
    cases = [case for case, _ in scored]
    ious = [case.iou for case in cases]
    details = {"mean_of_images": float(np.mean(ious)), "worst_image": min(ious)}
    return union_iou(cases), details


def _giou(scored: Scored) -> tuple[float, dict[str, float]]:
    by_text: dict[str, list[float]] = {}
    for case, _ in scored:
        by_text.setdefault(case.text, []).append(case.iou)
    details = {text: float(np.mean(ious)) for text, ious in sorted(by_text.items())}
    by_place: dict[str, list[float]] = {}
    for case, _ in scored:
        by_place.setdefault(case.image.split("/")[0], []).append(case.iou)
    details |= {place: float(np.mean(ious)) for place, ious in by_place.items()}
    details["refused"] = float(np.mean([bool(case.refused) for case, _ in scored]))
    return float(np.mean([case.iou for case, _ in scored])), details


def _absent(scored: Scored) -> tuple[float, dict[str, float]]:
    return _shares(scored, lambda case: case.empty and not case.refused)


def _present(scored: Scored) -> tuple[float, dict[str, float]]:
    return _shares(scored, lambda case: not case.empty)


def _shares(scored: Scored, right: Callable[[CaseScore], bool]) -> tuple[float, dict[str, float]]:
    by_text: dict[str, list[bool]] = {}
    for case, _ in scored:
        by_text.setdefault(case.text, []).append(right(case))
    details = {text: float(np.mean(hits)) for text, hits in by_text.items()}
    return float(np.mean([hit for hits in by_text.values() for hit in hits])), details


def _questions(scored: Scored) -> tuple[float | None, dict[str, float]]:
    """The largest loss of a question against its class prompt."""
    by_text: dict[str, list[CaseScore]] = {}
    likes: dict[str, str] = {}
    for case, prompt in scored:
        by_text.setdefault(case.text, []).append(case)
        if prompt.like:
            likes[prompt.text] = prompt.like
    details = {text: union_iou(cases) for text, cases in by_text.items()}
    # Where the class itself is not found, that its question is not found either proves nothing.
    gaps = [details[like] - details[text] for text, like in likes.items() if details[like] > 0]
    return max(gaps, default=None), details


_MEASURES: Mapping[str, Callable[[Scored], tuple[float | None, dict[str, float]]]] = {
    "class_iou": _class_iou,
    "giou": _giou,
    "absent": _absent,
    "present": _present,
    "questions": _questions,
}
