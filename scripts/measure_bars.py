"""Hold the product's answers to texts against the goals, on real images that no training saw.

    .venv/bin/python scripts/measure_bars.py DATA [--model default-2d] [--path auto|network] [--only WORDS] [--out DIR] [--json FILE]

DATA holds the real sets. Sheets of best, median and worst answers go to DIR, one a set.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from affine import Affine  # noqa: E402

from inference_backend.evaluation.bar_images import IGNORE, BarSet  # noqa: E402
from inference_backend.evaluation.bar_sets import bar_sets  # noqa: E402
from inference_backend.evaluation.bars import BarScore, CaseScore, score_bar  # noqa: E402
from inference_backend.evaluation.planes import Answer, answer_of  # noqa: E402
from inference_backend.evaluation.sheet import bar as caption  # noqa: E402
from inference_backend.evaluation.sheet import outline  # noqa: E402
from inference_backend.evaluation.text_segmenters import model_segmenter  # noqa: E402
from inference_backend.models import registry  # noqa: E402

CELL_PX = 300
TRUTH, ANSWER = (60, 220, 90), (255, 90, 40)


def main() -> int:
    """Exit code 0 also where a goal is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="default-2d")
    parser.add_argument("--path", default="auto", choices=("auto", "network", "program"))
    parser.add_argument(
        "--only", default="", help="sets whose name has one of these words, by commas"
    )
    parser.add_argument("--out", type=Path, help="folder for the sheets")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    model = registry.get(args.model, "auto")
    answer = answer_of(model_segmenter(model, args.path, 0.5, 0.5))
    rows = []
    for item in bar_sets(args.data):
        if args.only and not any(word in item.name for word in args.only.split(",")):
            continue
        masks: dict[tuple[str, str], np.ndarray] = {}
        score = score_bar(item, _kept(answer, masks, item))
        rows.append(score.to_json())
        sys.stdout.write(_line(score))
        sys.stdout.flush()
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            name = "-".join(item.name.split("(")[0].split())
            sheet = _sheet(item, score.cases, masks)
            cv2.imwrite(str(args.out / f"{name}.png"), sheet[..., ::-1])
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _kept(answer: Answer, masks: dict[tuple[str, str], np.ndarray], item: BarSet) -> Answer:
    """The same answers, remembered by image and text."""
    names = {id(image.rgb): image.name for image in item.images}

    def wrapped(
        rgb: np.ndarray, gsd_m: float, transform: Affine, text: str, task: str
    ) -> np.ndarray | None:
        mask = answer(rgb, gsd_m, transform, text, task)
        masks[names[id(rgb)], text] = np.zeros(rgb.shape[:2], bool) if mask is None else mask
        return mask

    return wrapped


def _line(score: BarScore) -> str:
    value = "-" if score.value is None else f"{score.value:.3f}"
    goal = "" if score.goal is None else f"goal {score.goal}"
    told = {True: "reached", False: "missed", None: ""}[score.reached]
    details = ", ".join(f"{k}: {v:.2f}" for k, v in list(score.details.items())[:14])
    return f"{score.name:45} {value:>6}  {goal:10} {told:8} {details}\n"


def _sheet(
    item: BarSet, cases: list[CaseScore], masks: dict[tuple[str, str], np.ndarray]
) -> np.ndarray:
    """uint8 (H, W, 3): best, median and worst, each the image, the truth and the answer."""
    order = sorted(cases, key=lambda case: -case.iou)
    middle = len(order) // 2
    picks = [("best", c) for c in order[:2]] + [("median", order[middle])]
    picks += [("worst", c) for c in order[-2:]]
    images = {image.name: image for image in item.images}
    texts = {prompt.text: prompt.truth for prompt in item.prompts}
    lines = [caption(f"{item.name}: image, truth (green), answer (orange)", 3 * CELL_PX, 24)]
    for title, case in picks:
        image = images[case.image]
        truth = image.truth[texts[case.text]]
        words = f'{title}: IoU {case.iou:.2f}, "{case.text}", {case.image}'
        lines.append(caption(words.encode("ascii", "replace").decode(), 3 * CELL_PX, 20))
        mask = masks.get((case.image, case.text), np.zeros(truth.shape, bool))
        cells = [_cell(image.rgb, None), _cell(image.rgb, truth), _cell(image.rgb, mask, ANSWER)]
        lines.append(np.hstack(cells))
    return np.vstack(lines)


def _cell(
    rgb: np.ndarray, mask: np.ndarray | None, colour: tuple[int, int, int] = TRUTH
) -> np.ndarray:
    scale = (CELL_PX - 4) / max(rgb.shape[:2])
    size = (max(int(rgb.shape[1] * scale), 1), max(int(rgb.shape[0] * scale), 1))
    shown = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if mask is not None:
        part = cv2.resize((mask == 1).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        shown[part] = (0.65 * shown[part] + 0.35 * np.array(colour)).astype(np.uint8)
        outline(shown, mask == 1, colour)
        unknown = cv2.resize(
            (mask == IGNORE).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST
        )
        shown[unknown > 0] //= 2
    cell = np.full((CELL_PX, CELL_PX, 3), 40, np.uint8)
    cell[2 : 2 + size[1], 2 : 2 + size[0]] = shown
    return cell


if __name__ == "__main__":
    sys.exit(main())
