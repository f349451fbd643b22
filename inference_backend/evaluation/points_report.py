"""From counts by truth and answer to the figures of a report, and to a table of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference_backend.evaluation.points_metrics import (
    Confusion,
    Levels,
    ground_errors,
    harmonic,
)
from inference_backend.evaluation.points_run import IDS, PointsRun
from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph
from inference_backend.models.cityseg.profiles_reader import CODES, Profile

GROUND = "terrain"


@dataclass(frozen=True)
class Answers:
    """What each answered id means: `nodes` int64 (IDS,) number of a node of the graph, `classes` int64 (IDS,) place among
    the profile's classes, -1 for none.
    """

    nodes: np.ndarray
    classes: np.ndarray


def read_answers(run: PointsRun, profile: Profile, by_words: bool) -> Answers:
    """`by_words`: the classes of the profile were asked for by name; else answers are counted as the class that owns them."""
    graph = profile.graph
    nodes = np.full(IDS, graph.index(ROOT))
    classes = np.full(IDS, -1)
    placed = {told["words"]: told for told in run.placements}
    asked = {name.casefold(): place for place, name in enumerate(profile.classes)}
    for number, name in run.names.items():
        nodes[number] = graph.index(_node_of(name, placed.get(name), graph))
        if by_words:
            classes[number] = asked.get(name.casefold(), -1)
        elif name in graph:
            classes[number] = _class_of(profile, graph.descendants[graph.index(name)])
    return Answers(nodes, classes)


def summarise(run: PointsRun, profile: Profile, by_words: bool, zero_shot: bool) -> dict[str, Any]:
    """All figures of a run; NaN becomes None. Hidden leaves count as leaves where they were asked for, else as their parent."""
    graph = profile.graph
    allowed = np.zeros((CODES + 1, len(graph.leaves)), bool)
    allowed[1:] = profile.table
    class_of = np.full(CODES + 1, -1)
    class_of[1:] = profile.class_of_code
    if not zero_shot:
        _leave_out_hidden(graph, allowed, class_of)
    answers = read_answers(run, profile, by_words)
    confusion = _confusion(run.counts, class_of, answers.classes, profile.classes)
    by_node = np.zeros((CODES + 1, len(graph)), np.int64)
    np.add.at(by_node.T, answers.nodes, run.counts.T)
    # A class that owns no leaf can only be answered where it was asked for by name.
    answerable = np.ones(len(profile.classes), bool) if by_words else profile.class_leaves.any(1)
    report = {
        "profile": profile.name,
        "model": run.model,
        "weights": run.weights,
        "device": run.device,
        "zero_shot": zero_shot,
        "clouds": run.clouds,
        "points": run.points,
        "ignored": int(run.counts[class_of < 0].sum()),
        "mIoU": confusion.mean_iou(),
        "mIoU_answerable": confusion.mean_iou(answerable),
        "not_answerable": [n for n, ok in zip(profile.classes, answerable, strict=True) if not ok],
        "OA": confusion.overall,
        "mAcc": confusion.mean_accuracy,
        "mF1": _mean_of(confusion.f1, confusion.present),
        "classes": _rows(confusion),
        "confusion": confusion.counts.tolist(),
        **_along_graph(graph, allowed, by_node, by_words),
        "seconds": run.seconds,
        "points_per_second": run.points / run.seconds if run.seconds else math.nan,
        "faults": run.faults,
        "warnings": run.warnings,
    }
    if zero_shot:
        report["unseen"] = _unseen(run, profile, confusion, by_words)
    return _without_nan(report)


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    head = f"{report['model']} on {report['profile']}: {report['points']:,} points in {report['clouds']} clouds"
    lines = [f"{head}, {report['ignored']:,} without a label that counts", ""]
    width = max(len(row["name"]) for row in report["classes"])
    lines.append(f"{'class':{width}}  {'points':>12}    IoU  precision  recall     F1")
    for row in report["classes"]:
        figures = (row["iou"], row["precision"], row["recall"], row["f1"])
        told = [
            _told(value).rjust(size) for value, size in zip(figures, (7, 10, 7, 6), strict=True)
        ]
        lines.append(f"{row['name']:{width}}  {row['points']:>12,}{''.join(told)}")
    lines += ["", _line(report, ("mIoU", "OA", "mAcc", "mF1"))]
    if report["not_answerable"]:
        names = ", ".join(report["not_answerable"])
        lines.append(
            f"mIoU without classes that the model has no word for ({names}): {_told(report['mIoU_answerable'])}"
        )
    lines += [f"{_line(row, ('mIoU', 'OA'))}  level {row['level']}" for row in report["levels"]]
    lines.append(_line(report, ("hP", "hR", "hF1", "consistent")))
    ground = report["ground"]
    if ground["total"] is not None:
        lines.append(f"ground filter: {_line(ground, ('type_1', 'type_2', 'total'))}")
    if "unseen" in report:
        lines.append(_line(report["unseen"], ("mIoU_seen", "mIoU_unseen", "hIoU")))
        lines.append(f"unseen: {', '.join(report['unseen']['classes']) or 'none'}")
    if report["points_per_second"]:
        lines.append(f"{report['points_per_second']:,.0f} points a second, read to written")
    return "\n".join([*lines, *(f"left out: {fault}" for fault in report["faults"])])


def _node_of(name: str, told: dict[str, Any] | None, graph: LabelGraph) -> str:
    """The lowest node that stands for a label: its own, those that its words were placed at, or a new one's parent."""
    if told is not None and told["node"]:
        return graph.common_ancestor(told["node"].split(", "))
    if told is not None:
        return str(told["parent"])
    return name if name in graph else ROOT


def _class_of(profile: Profile, leaves: np.ndarray) -> int:
    """The class that owns more than half of the leaves; -1 for none."""
    shares = (profile.class_leaves & leaves).sum(axis=1) / leaves.sum()
    return int(shares.argmax()) if shares.max() > 0.5 else -1


def _leave_out_hidden(graph: LabelGraph, allowed: np.ndarray, class_of: np.ndarray) -> None:
    """Labels that mean hidden leaves only say their parent, as in training, and count for no class."""
    hidden = allowed.any(axis=1) & ~(allowed & ~graph.hidden).any(axis=1)
    for truth in np.flatnonzero(hidden):
        leaves = [graph.leaves[k] for k in np.flatnonzero(allowed[truth])]
        parents = {str(graph.node(leaf).parent) for leaf in leaves}
        allowed[truth] = graph.leaf_mask(parents)
        class_of[truth] = -1


def _confusion(
    counts: np.ndarray, class_of: np.ndarray, answered: np.ndarray, names: tuple[str, ...]
) -> Confusion:
    matrix = np.zeros((len(names), len(names) + 1), np.int64)
    columns = np.where(answered < 0, len(names), answered)
    for truth in np.flatnonzero(class_of >= 0):
        np.add.at(matrix[class_of[truth]], columns, counts[truth])
    return Confusion(names, matrix)


def _rows(confusion: Confusion) -> list[dict[str, Any]]:
    points = confusion.counts.sum(axis=1)
    return [
        {
            "name": name,
            "points": int(points[k]),
            "iou": float(confusion.iou[k]),
            "precision": float(confusion.precision[k]),
            "recall": float(confusion.recall[k]),
            "f1": float(confusion.f1[k]),
        }
        for k, name in enumerate(confusion.names)
    ]


def _along_graph(
    graph: LabelGraph, allowed: np.ndarray, by_node: np.ndarray, by_words: bool
) -> dict[str, Any]:
    levels = Levels(graph, allowed)
    rows = []
    for level in range(1, levels.depth + 1):
        found = levels.confusion(level, by_node)
        # Classes that no word asked for cannot be answered: levels say nothing then.
        if found.points and not by_words:
            rows.append(
                {
                    "level": level,
                    "mIoU": found.mean_iou(),
                    "OA": found.overall,
                    "points": found.points,
                }
            )
    ground = graph.leaf_mask([GROUND])
    says = np.full(len(allowed), -1)
    says[allowed.any(axis=1) & ~(allowed & ~ground).any(axis=1)] = 1
    says[allowed.any(axis=1) & ~(allowed & ground).any(axis=1)] = 0
    on_ground = np.array([GROUND in (n.name, *graph.ancestors(n.name)) for n in graph.nodes])
    return {
        "levels": rows,
        **levels.hierarchical(by_node),
        "consistent": math.nan if by_words else levels.consistent(by_node),
        "ground": ground_errors(says, by_node, on_ground),
    }


def _unseen(
    run: PointsRun, profile: Profile, confusion: Confusion, by_words: bool
) -> dict[str, Any]:
    """The generalised setting: all classes compete, and the seen and the unseen are averaged apart."""
    graph = profile.graph
    unseen = np.array(
        [own.any() and not (own & ~graph.hidden).any() for own in profile.class_leaves]
    )
    if by_words:
        new = {told["words"] for told in run.placements if told["kind"] == "new"}
        unseen |= np.array([name in new for name in profile.classes])
    seen, hidden = confusion.mean_iou(~unseen), confusion.mean_iou(unseen)
    return {
        "classes": [n for n, is_new in zip(profile.classes, unseen, strict=True) if is_new],
        "mIoU_seen": seen,
        "mIoU_unseen": hidden,
        "hIoU": harmonic(seen, hidden),
    }


def _mean_of(values: np.ndarray, among: np.ndarray) -> float:
    return float(np.mean(values[among])) if among.any() else math.nan


def _line(row: dict[str, Any], keys: tuple[str, ...]) -> str:
    return "  ".join(f"{key} {_told(row[key])}" for key in keys)


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
