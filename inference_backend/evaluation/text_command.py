"""`cityseg evaluate referring|reasoning|text`, without its arguments: from a folder to a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.evaluation.protocols import CANVASES, Canvas, Protocol, protocol_named
from inference_backend.evaluation.readers.folder import read_folder
from inference_backend.evaluation.report import check_report_folder, replace_file
from inference_backend.evaluation.text_report import summarise
from inference_backend.evaluation.text_run import TextRun, evaluate_texts
from inference_backend.evaluation.text_samples import Task, TextSet, choose
from inference_backend.evaluation.text_segmenters import Fixed, TextSegmenter, model_segmenter
from inference_backend.evaluation.text_sheet import draw_text_sheet


@dataclass(frozen=True)
class TextOptions:
    """What is measured and how. `task` None: all tasks; `canvas` and `sentences` None: the protocol's own."""

    task: Task | None = None
    format: str = "auto"
    split: str | None = None
    protocol: str = "lisa"
    canvas: Canvas | None = None
    sentences: str | None = None
    model: str | None = None
    path: str = "auto"
    baseline: str | None = None
    threshold: float = 0.5
    presence: float = 0.5
    device: str = "auto"
    limit: int | None = None
    gsd_m: float | None = None
    sheet: Path | None = None


def evaluate_folder(
    folder: Path, options: TextOptions, progress: Callable[[float, str], None]
) -> tuple[dict[str, Any], TextRun]:
    """Measure a folder. Raises InvalidInput where options or data are wrong, or nothing could be measured."""
    protocol = _checked(options)
    found = read_folder(folder, options.format, options.split)
    samples = choose(_wanted(found, options.task), options.limit, protocol.sentences == "first")
    segmenter = _segmenter(options)
    run = evaluate_texts(
        samples,
        segmenter,
        protocol,
        pictures=options.sheet is not None,
        gsd_m=options.gsd_m,
        progress=progress,
    )
    run.faults[:0] = found.faults
    if not run.scores:
        raise InvalidInput(
            f"Nothing in '{folder}' could be measured; the first of {len(run.faults)} faults: {run.faults[0]}"
        )
    report = {
        "segmenter": segmenter.name,
        "format": found.format,
        "split": found.split,
        "task": options.task or "all",
        "path": options.path,
        "protocol": protocol.name,
        "canvas": protocol.canvas,
        "sentences": protocol.sentences,
        "threshold": options.threshold,
        "presence": options.presence,
        "gsd_m": options.gsd_m,
        **summarise(run),
    }
    return report, run


def _wanted(found: TextSet, task: Task | None) -> list:
    if task is not None:
        return found.of(task)
    if not found.samples:
        return found.of("referring")
    return found.samples


def _checked(options: TextOptions) -> Protocol:
    """The protocol with what was asked otherwise. Everything is checked before anything is measured."""
    protocol = protocol_named(options.protocol)
    if options.limit is not None and options.limit < 1:
        raise InvalidInput("--limit is a number of texts, 1 or more.")
    if options.gsd_m is not None and not 0 < options.gsd_m < 1000:
        raise InvalidInput("--gsd is metres a pixel, more than 0.")
    for name, value in (("threshold", options.threshold), ("presence", options.presence)):
        if not 0 <= value <= 1:
            raise InvalidInput(f"--{name} is between 0 and 1, not {value:g}.")
    if options.canvas is not None and options.canvas not in CANVASES:
        raise InvalidInput(f"'{options.canvas}' is not a canvas; use {', '.join(CANVASES)}.")
    if options.sheet is not None:
        if options.sheet.suffix.lower() != ".png":
            raise InvalidInput(f"The sheet is a PNG; name it so: {options.sheet.stem}.png.")
        check_report_folder(options.sheet.absolute().parent)
    return replace(
        protocol,
        canvas=options.canvas or protocol.canvas,
        sentences=options.sentences or protocol.sentences,
    )


def _segmenter(options: TextOptions) -> TextSegmenter:
    if options.baseline is not None:
        if options.model is not None:
            raise InvalidInput("Give --model or --baseline, not both.")
        return Fixed(options.baseline)
    from inference_backend.models import registry

    model = registry.get(options.model or registry.DEFAULT_2D, options.device)
    return model_segmenter(model, options.path, options.threshold, options.presence)


def write_sheet(path: Path, report: dict[str, Any], run: TextRun) -> None:
    """Write the picture sheet. Raises ResourceProblem."""
    figures = report["all"]
    title = (
        f"{report['segmenter']}: {figures['n']} texts   gIoU {figures['gIoU']:.3f}   cIoU {figures['cIoU']:.3f}   "
        f"({report['protocol']})"
    )
    _, png = cv2.imencode(".png", draw_text_sheet(run.scores, title)[..., ::-1])
    try:
        replace_file(path, png.tobytes())
    except OSError as error:
        raise ResourceProblem(
            f"The sheet cannot be written to '{path}'; check that the folder is writable and the disk not full.",
            str(error),
        ) from error
