"""What an evaluation leaves: a table for people, JSON for machines, a CSV of objects and the picture sheet."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.evaluation.interactive import REPORTED_CLICKS, TARGETS, ObjectScore
from inference_backend.evaluation.metrics import MAX_CLICKS, clicks_needed
from inference_backend.evaluation.sheet import draw_sheet

_HEAD = (
    "",
    "objects",
    "1 click",
    "3 clicks",
    "5 clicks",
    "box",
    "NoC@85",
    "NoC@90",
    "failed@85",
    "failed@90",
)
_KEYS = ("objects", "iou_1", "iou_3", "iou_5", "iou_box", "noc_85", "noc_90", "nof_85", "nof_90")


def table(results: Sequence[dict[str, Any]]) -> str:
    """One line a segmenter; a dash where it takes no such prompt."""
    rows = [_HEAD] + [(r["name"], *(_number(key, r[key]) for key in _KEYS)) for r in results]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            text.rjust(width) if k else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    note = f"Mean IoU; NoC counts {MAX_CLICKS} for an object that never reached the IoU, which failed@ counts."
    return "\n".join([*lines, note])


def _number(key: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    if key.startswith("iou"):
        return f"{value:.3f}"
    return f"{value:.2f}" if key.startswith("noc") else f"{value:d}"


def check_report_folder(folder: Path) -> None:
    """Make `folder`, and raise InvalidInput where nothing can be written in it: measuring takes hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidInput(
            f"The report cannot be written to '{folder}' ({error.strerror}); choose another folder.",
            str(error),
        ) from error


def write_report(
    folder: Path, results: Sequence[dict[str, Any]], scores: Sequence[Sequence[ObjectScore]]
) -> list[Path]:
    """Write report.json, and objects and sheet of each segmenter. Raises ResourceProblem."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.append(
            replace_file(folder / "report.json", json.dumps(list(results), indent=2).encode())
        )
        for result, objects in zip(results, scores, strict=True):
            name = "".join(c if c.isalnum() else "_" for c in result["name"])
            written.append(replace_file(folder / f"objects_{name}.csv", _csv(objects).encode()))
            sheet = draw_sheet(objects, _title(result))
            _, png = cv2.imencode(".png", sheet[..., ::-1])
            written.append(replace_file(folder / f"sheet_{name}.png", png.tobytes()))
    except OSError as error:
        raise ResourceProblem(
            f"The report cannot be written to '{folder}'; check that the folder is writable and the disk not full.",
            str(error),
        ) from error
    return written


def _title(result: dict[str, Any]) -> str:
    parts = [f"{result['name']}: {result['objects']} objects"]
    for key, label in (("iou_1", "1 click"), ("iou_5", "5 clicks"), ("iou_box", "box")):
        if result[key] is not None:
            parts.append(f"{label} {result[key]:.3f}")
    return "   ".join(parts)


def _csv(scores: Sequence[ObjectScore]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    needed = [f"clicks_to_{target * 100:.0f}" for target in TARGETS]
    writer.writerow(
        ["image", "object", "pixels", *(f"iou_{k}" for k in REPORTED_CLICKS), "iou_box", *needed]
    )
    for score in scores:
        after = [score.after(k) for k in REPORTED_CLICKS]
        row = [*after, score.box]
        writer.writerow(
            [score.image_name, score.record.number, score.record.pixels]
            + ["" if value is None else f"{value:.4f}" for value in row]
            + [clicks_needed(score.clicks, target) or "" for target in TARGETS]
        )
    return out.getvalue()


def replace_file(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
