"""The numbers of a text evaluation: by task and kind, with intervals, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from inference_backend.evaluation.interval import bootstrap_interval
from inference_backend.evaluation.metrics import MaskMetrics
from inference_backend.evaluation.text_run import TextRun, TextScore

MOST_KIND_ROWS = 24
_MOST_EXAMPLES = 5


def summarise(run: TextRun) -> dict[str, Any]:
    """Figures of all samples, of each task and of each kind; how the answers came about; what was left out."""
    everything = range(len(run.scores))
    seconds = [score.seconds for score in run.scores]
    refused = sorted({score.refused for score in run.scores if score.refused})
    return {
        "all": figures(run.metrics, [score.sample.image for score in run.scores]),
        "tasks": _rows(run, [score.sample.task for score in run.scores]),
        "kinds": _rows(run, [score.sample.kind for score in run.scores]),
        "images": len({score.sample.image for score in run.scores}),
        "paths": {
            name: sum(score.path == name for score in run.scores)
            for name in sorted({score.path for score in run.scores})
        },
        "refused": {
            "count": sum(bool(run.scores[number].refused) for number in everything),
            "examples": refused[:_MOST_EXAMPLES],
        },
        "skipped": {"count": len(run.faults), "examples": run.faults[:_MOST_EXAMPLES]},
        "seconds_median": float(np.median(seconds)) if seconds else None,
    }


def figures(metrics: MaskMetrics, images: Sequence[Hashable]) -> dict[str, Any]:
    """A protocol's figures with 95 % intervals of gIoU and cIoU over images; None where a figure is undefined."""
    result: dict[str, Any] = {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in metrics.result().items()
    }
    ious, overlaps = metrics.ious, np.array(metrics.overlaps, float).reshape(-1, 2)
    ones = np.ones(len(ious))
    result["gIoU_95"] = bootstrap_interval(ious, ones, images)
    result["cIoU_95"] = bootstrap_interval(overlaps[:, 0], overlaps[:, 1], images)
    return result


def _rows(run: TextRun, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Figures by name, the most frequent first; none where all samples have no name."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name or "other", []).append(number)
    if set(groups) == {"other"}:
        return {}
    order = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: figures(run.metrics.part(at), _images(run.scores, at)) for name, at in order}


def _images(scores: Sequence[TextScore], numbers: Sequence[int]) -> list[Hashable]:
    return [scores[number].sample.image for number in numbers]


def table(report: dict[str, Any]) -> str:
    """What people read: a row for all, for each task if there are several, and for the most frequent kinds."""
    rows = [("all", report["all"])]
    if len(report["tasks"]) > 1:
        rows += [(f"task {name}", row) for name, row in report["tasks"].items()]
    kinds = list(report["kinds"].items())
    rows += [(f"  {name}", row) for name, row in kinds[:MOST_KIND_ROWS]]
    marks = [key for key in report["all"] if key.startswith("Pr@")]
    head = ["", "n", "gIoU", "95 %", "cIoU", *marks, "N-acc", "T-acc"]
    cells = [head] + [
        [
            name,
            str(row["n"]),
            _number(row["gIoU"]),
            _span(row["gIoU_95"]),
            _number(row["cIoU"]),
            *(_number(row[mark]) for mark in marks),
            _number(row.get("N_acc")),
            _number(row.get("T_acc")),
        ]
        for name, row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            text.rjust(width) if k else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    if len(kinds) > MOST_KIND_ROWS:
        lines.append(f"  and {len(kinds) - MOST_KIND_ROWS} more kinds; --json has them all")
    return "\n".join([_headline(report), *lines, *_notes(report)])


def _headline(report: dict[str, Any]) -> str:
    texts, images = _count(report["all"]["n"], "text"), _count(report["images"], "image")
    return (
        f"{report['segmenter']} on {report['format']}, split {report['split']}: {texts} on {images}; protocol "
        f"{report['protocol']}, canvas {report['canvas']}"
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _notes(report: dict[str, Any]) -> list[str]:
    notes = []
    if len(report["paths"]) > 1:
        ways = ", ".join(f"{name} {count}" for name, count in report["paths"].items())
        notes.append(f"Answered by: {ways}.")
    if report["refused"]["count"]:
        notes.append(
            f"Refused, and counted as empty answers: {_count(report['refused']['count'], 'text')}, for example: "
            f"{report['refused']['examples'][0]}"
        )
    if report["skipped"]["count"]:
        notes.append(
            f"Left out: {report['skipped']['count']}, for example {report['skipped']['examples'][0]}"
        )
    return notes


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(values: tuple[float, float] | None) -> str:
    return "-" if values is None else f"{values[0]:.3f}-{values[1]:.3f}"
