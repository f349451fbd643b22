"""Clouds of a benchmark through the product's own way of classifying, counted by truth and answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import AddedClass, ClassifyJob
from inference_backend.classify_tiles import CloudModel
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.evaluation.points_cloud import LabelledCloud
from inference_backend.evaluation.points_erase import Erased, erase
from inference_backend.evaluation.points_view import View
from inference_backend.models.cityseg.profiles_reader import CODES
from inference_backend.points.open import open_cloud

IDS = 256


@dataclass(frozen=True)
class Asked:
    """What the product is asked for: all it knows, with `add` beside it, or only `classes`."""

    classes: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    threshold: float = 0.0
    threads: int | None = None
    device: str = "auto"


@dataclass
class PointsRun:
    """What was counted. `counts` int64 (CODES + 1, IDS): truth code plus one down (0: no label), answered id across;
    `names` of the ids; `placements` of the words that were asked for; `views` from above, of the first clouds.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros((CODES + 1, IDS), np.int64))
    names: dict[int, str] = field(default_factory=dict)
    placements: list[dict[str, Any]] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    clouds: int = 0
    seconds: float = 0.0
    model: str = ""
    weights: str = ""
    device: str = ""

    @property
    def points(self) -> int:
        """Points that went through the product."""
        return int(self.counts.sum())


def run_clouds(
    clouds: Sequence[LabelledCloud],
    model: CloudModel,
    asked: Asked,
    *,
    views: int = 0,
    cancel: CancelToken | None = None,
    progress: Callable[[float, str], None] = lambda share, message: None,
) -> PointsRun:
    """Classify each cloud in a temporary folder. A cloud that cannot be read is a fault, and the others go on.

    Raises ResourceProblem, ModelProblem, Cancelled, and InvalidInput where words are asked for that cannot be placed.
    """
    run = PointsRun()
    for k, cloud in enumerate(clouds):
        progress(k / len(clouds), cloud.name)
        try:
            _one(run, cloud, model, asked, len(run.views) < views, cancel or CancelToken())
        except InvalidInput as error:
            run.faults.append(f"{cloud.name}: {error.user_message}")
        else:
            run.clouds += 1
    progress(1.0, f"{run.clouds} clouds")
    return run


def _one(
    run: PointsRun,
    cloud: LabelledCloud,
    model: CloudModel,
    asked: Asked,
    look: bool,
    cancel: CancelToken,
) -> None:
    try:
        folder = tempfile.TemporaryDirectory(prefix="cityseg_points_", ignore_cleanup_errors=True)
    except OSError as error:
        raise ResourceProblem(
            "No temporary folder can be made; check the system's temporary folder.", str(error)
        ) from error
    with folder as name:
        erased = erase(cloud, Path(name) / "cloud.las", cancel)
        job = ClassifyJob(
            str(erased.path),
            str(Path(name) / "answer.las"),
            classes=asked.classes,
            add=tuple(AddedClass(words) for words in asked.add),
            threshold=asked.threshold,
            threads=asked.threads,
            device=asked.device,
        )
        began = time.perf_counter()
        answer = run_classify_job(job, cancel, model=model)
        run.seconds += time.perf_counter() - began
        _remember(run, answer)
        _count(run, cloud.name, erased, Path(answer["out"]), look, cancel)


def _remember(run: PointsRun, answer: dict[str, Any]) -> None:
    run.names |= {each["id"]: each["name"] for each in answer["classes"]}
    run.placements = answer["placements"]
    run.warnings += [told for told in answer["warnings"] if told not in run.warnings]
    run.model, run.weights, run.device = answer["model"], answer["weights"], answer["device"]


def _count(
    run: PointsRun, name: str, erased: Erased, out: Path, look: bool, cancel: CancelToken
) -> None:
    """The answer has every point in the input's order."""
    counts = np.zeros_like(run.counts)
    with open_cloud(out) as answered:
        if answered.info.count != len(erased.truth):
            raise InvalidInput("the answer has other points than the cloud.")
        view = View(name, answered.info.bounds_source, answered.info.count) if look else None
        for chunk in answered.chunks(cancel=cancel):
            truth = erased.truth[chunk.index]
            label = np.asarray(chunk.record["cityseg_label"], np.uint8)
            flat = np.bincount(truth.astype(np.int64) * IDS + label, minlength=counts.size)
            counts += flat.reshape(counts.shape)
            if view is not None:
                view.add(chunk.x, chunk.y, chunk.z, truth, label)
    run.counts += counts
    if view is not None:
        run.views.append(view)
