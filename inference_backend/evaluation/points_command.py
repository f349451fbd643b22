"""`cityseg evaluate points`, without its arguments: from a folder of labelled clouds to a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from inference_backend.classify_tiles import CloudModel
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.evaluation.points_folder import find_clouds, guess_profile
from inference_backend.evaluation.points_report import read_answers, summarise
from inference_backend.evaluation.points_run import Asked, PointsRun, run_clouds
from inference_backend.evaluation.points_sheet import MOST_VIEWS, draw_points_sheet
from inference_backend.evaluation.report import check_report_folder, replace_file
from inference_backend.language.encoder import text_encoder
from inference_backend.models.cityseg.placing import place
from inference_backend.models.cityseg.profiles_reader import CODES, Profile


@dataclass(frozen=True)
class PointsOptions:
    """What is measured and how. `profile` None: by what the files hold; `threshold` 0: every point gets a leaf."""

    profile: str | None = None
    model: str | None = None
    zero_shot: bool = False
    split: str | None = None
    limit: int | None = None
    threshold: float = 0.0
    threads: int | None = None
    device: str = "auto"
    sheet: Path | None = None


@dataclass(frozen=True)
class Measured:
    """A report, and what the sheet is drawn from."""

    report: dict[str, Any]
    run: PointsRun
    profile: Profile
    by_words: bool


def evaluate_points(
    folder: Path,
    options: PointsOptions,
    progress: Callable[[float, str], None],
    model: CloudModel | None = None,
) -> Measured:
    """Measure a folder; `model` may be one that the caller holds. Raises InvalidInput where nothing can be measured."""
    _check(options)
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder; give the folder of a data set.")
    profile = Profile.load(options.profile or guess_profile(folder))
    clouds, faults = find_clouds(folder, profile, options.split)
    asked, by_words, refused = _asked(options, profile)
    run = run_clouds(
        clouds[: options.limit],
        model or _model(options),
        asked,
        views=MOST_VIEWS if options.sheet else 0,
        progress=progress,
    )
    run.faults[:0] = [*faults, *refused]
    if not run.clouds:
        raise InvalidInput(
            f"Nothing in '{folder}' could be measured; the first of {len(run.faults)} faults: {run.faults[0]}"
        )
    report = summarise(run, profile, by_words, options.zero_shot)
    if report["ignored"] == report["points"]:
        raise InvalidInput(
            f"No point in '{folder}' has a label of the profile '{profile.name}'; is it the right --profile?"
        )
    return Measured(report, run, profile, by_words)


def write_points_sheet(path: Path, measured: Measured) -> None:
    """Write the picture sheet. Raises ResourceProblem."""
    report, profile = measured.report, measured.profile
    class_of = np.full(CODES + 1, -1)
    class_of[1:] = profile.class_of_code
    title = (
        f"{report['model']} on {profile.title}: mIoU {report['mIoU']:.3f}, OA {report['OA']:.3f}"
    )
    answers = read_answers(measured.run, profile, measured.by_words)
    picture = draw_points_sheet(measured.run.views, profile, answers, class_of, title)
    _, png = cv2.imencode(".png", picture[..., ::-1])
    try:
        replace_file(path, png.tobytes())
    except OSError as error:
        raise ResourceProblem(
            f"The sheet cannot be written to '{path}'; check that the folder is writable and the disk not full.",
            str(error),
        ) from error


def _check(options: PointsOptions) -> None:
    """Everything is checked before anything is measured."""
    if options.limit is not None and options.limit < 1:
        raise InvalidInput("--limit is a number of clouds, 1 or more.")
    if options.threads is not None and options.threads < 1:
        raise InvalidInput("--threads is 1 or more.")
    if not 0 <= options.threshold < 1:
        raise InvalidInput(f"--threshold is a probability from 0 to 1, not {options.threshold:g}.")
    if options.sheet is not None:
        if options.sheet.suffix.lower() != ".png":
            raise InvalidInput(f"The sheet is a PNG; name it so: {options.sheet.stem}.png.")
        check_report_folder(options.sheet.absolute().parent)


def _asked(options: PointsOptions, profile: Profile) -> tuple[Asked, bool, list[str]]:
    """What to ask for, whether by the profile's own words, and a sentence for each class that cannot be placed."""
    common = {
        "threshold": options.threshold,
        "threads": options.threads,
        "device": options.device,
    }
    graph = profile.graph
    hidden = tuple(leaf for leaf, is_it in zip(graph.leaves, graph.hidden, strict=True) if is_it)
    if not options.zero_shot:
        return Asked(**common), False, []
    if set(profile.classes) >= set(hidden):
        # The classes are the leaves themselves: those that training never saw compete with all others.
        return Asked(add=hidden, **common), False, []
    placed = {name: place(name, graph, text_encoder()) for name in profile.classes}
    named = tuple(name for name, found in placed.items() if found.kind != "unknown")
    refused = [found.sentence for found in placed.values() if found.kind == "unknown"]
    if not named:
        raise InvalidInput(f"No class of the profile '{profile.name}' can be placed by its name.")
    return Asked(classes=named, **common), True, refused


def _model(options: PointsOptions) -> CloudModel:
    from inference_backend.models.cloud_registry import DEFAULT_3D, get_cloud_model

    return get_cloud_model(options.model or DEFAULT_3D, options.device)
