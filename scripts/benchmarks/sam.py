"""SAM ViT-B: the library's own encoder beside ours, in turns, on the same image and weights; and what their masks share."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from segment_anything import SamPredictor

from inference_backend.models.device import autocast_dtype, configure_threads
from inference_backend.models.sam import SamModel
from inference_backend.models.sam_checkpoint import VARIANTS
from inference_backend.prompts import Prompt
from scripts.benchmarks.report import ROOT, Row
from scripts.random_sam import random_sam

# Clicks over the image for the comparison of masks, as parts of its sides.
_GRID = (0.2, 0.4, 0.6, 0.8)
_GOALS = {torch.bfloat16: 2.4, torch.float32: 1.35}


def measure(device: str, quick: bool, image: np.ndarray) -> list[Row]:
    """Rows of the section `SAM ViT-B`; `image` uint8 (H, W, 3)."""
    configure_threads()
    library = SamPredictor(copy.deepcopy(_network()).to(device))
    rounds = 2 if quick else 5
    rows = []
    for dtype in dict.fromkeys((autocast_dtype(device) or torch.float32, torch.float32)):
        ours = SamModel(_network(), VARIANTS[768], dtype=dtype)
        ours.move(device)
        theirs_s, ours_s = _in_turns(
            rounds, device, lambda: library.set_image(image), lambda model=ours: model.embed(image)
        )
        shares, clicks_ms = _shared(library, ours, image)
        name = "bf16 products" if dtype == torch.bfloat16 else "fp32"
        ratio, goal = theirs_s / ours_s, _GOALS[dtype]
        rows += [
            Row(
                f"encode an image, {name}",
                ours_s,
                "s",
                "the library's own encoder, fp32",
                theirs_s,
                f"≥ {goal}×" if device == "cpu" else "",
                ratio >= goal if device == "cpu" else None,
            ),
            Row(
                f"1 − IoU with the library's masks, {name}",
                1 - float(np.mean(shares)),
                "",
                goal="≤ 0.01",
                met=float(np.mean(shares)) >= 0.99,
                note=f"mean of {len(shares)} masks, random weights",
            ),
            Row(f"decode a click, {name}", median(clicks_ms), "ms"),
        ]
    return rows


def encode_once(device: str, image: np.ndarray) -> tuple[float, float]:
    """Seconds for one image by the library's encoder and by ours, as it would run here."""
    configure_threads()
    library = SamPredictor(_network().to(device))
    ours = SamModel(_network(), VARIANTS[768], dtype=autocast_dtype(device) or torch.float32)
    ours.move(device)
    return _in_turns(1, device, lambda: library.set_image(image), lambda: ours.embed(image))


def memory_mb() -> float:
    """Resident memory of a process that encoded one image with SAM ViT-B by the library's own means."""
    code = (
        "import numpy as np; from scripts.benchmarks.sam import _network; from segment_anything import SamPredictor; "
        "SamPredictor(_network()).set_image(np.zeros((512, 512, 3), np.uint8)); "
        "from inference_backend.memory import resident_mb; print(resident_mb())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout.strip().splitlines()[-1])


def _network() -> torch.nn.Module:
    return random_sam("vit_b").requires_grad_(False)


def _in_turns(
    rounds: int, device: str, theirs: Callable[[], object], ours: Callable[[], object]
) -> tuple[float, float]:
    """Medians in seconds. In turns, so that whatever else the machine does meets both."""
    times: tuple[list[float], list[float]] = ([], [])
    ours()
    if device != "cpu":
        theirs()
    for _ in range(rounds):
        for kept, run in zip(times, (theirs, ours), strict=True):
            kept.append(_seconds(run, device))
    return median(times[0]), median(times[1])


def _seconds(run: Callable[[], object], device: str) -> float:
    began = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _shared(
    library: SamPredictor, ours: SamModel, image: np.ndarray
) -> tuple[list[float], list[float]]:
    """IoU of each of the library's masks with the nearest of ours, and milliseconds a click."""
    height, width = image.shape[:2]
    scale = ours.input_px / max(height, width)
    embedding = ours.embed(image)
    shares, clicks_ms = [], []
    for x, y in ((fx * width, fy * height) for fy in _GRID for fx in _GRID):
        began = time.perf_counter()
        answers = ours.predict(embedding, [Prompt("point", np.array([[x, y]]))])
        clicks_ms.append(1000 * (time.perf_counter() - began))
        at = (np.array([[x, y]]) * scale - 0.5) / scale
        masks, _, _ = library.predict(at, np.ones(1), multimask_output=True)
        found = [answer.probability > 0.5 for answer in answers]
        shares += [
            max(_iou(mask, other) for other in found) for mask in masks if 0.01 < mask.mean() < 0.99
        ]
    return shares, clicks_ms


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
