"""Classified clouds to LAS, LAZ, COPC or EPT: under another name first, then in one step into place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lazrs

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import Bounds2D, PointCloud
from inference_backend.points.labels import Labels
from inference_backend.points.results import PointResults
from inference_backend.points.targets import (
    check_space,
    check_target,
    ept_folder,
    replacing_folder,
    target_kind,
)
from inference_backend.points.write_copc import write_copc
from inference_backend.points.write_ept import write_ept
from inference_backend.points.write_las import write_las
from inference_backend.points.writing import Writing
from inference_backend.vector.drafts import draft_folder
from inference_backend.vector.write import explain, replacing

__all__ = ["Labels", "WrittenCloud", "write_cloud"]


@dataclass(frozen=True)
class WrittenCloud:
    """What was written: the file, or the folder of an EPT."""

    path: Path
    count: int
    seconds: float
    warnings: tuple[str, ...] = ()


def write_cloud(
    cloud: PointCloud,
    out: str | os.PathLike[str],
    results: PointResults,
    labels: Labels,
    *,
    cancel: CancelToken | None = None,
    progress: Callable[[float], None] | None = None,
    bounds_source: Bounds2D | None = None,
) -> WrittenCloud:
    """Write the cloud with `results` in place of its classes; with `bounds_source`, the points inside only.

    The name picks the format: .las, .laz, .copc.laz, or a folder for an EPT. Whatever goes wrong, `out` is what it was.
    Raises InvalidInput, ResourceProblem, Cancelled.
    """
    began = time.perf_counter()
    target = Path(out)
    kind = target_kind(target)
    if kind == "ept":
        target = ept_folder(target)
    if results.count != cloud.info.count:
        raise InvalidInput(
            f"There are results of {results.count:,} points and the cloud has {cloud.info.count:,}: classify it again."
        )
    check_target(target, kind, cloud)
    check_space(target, kind, cloud, bounds_source)
    writing = Writing(
        cloud,
        results,
        labels,
        cancel or CancelToken(),
        progress or (lambda fraction: None),
        bounds_source,
    )
    writing.cancel.check()
    count = _write_folder(writing, target) if kind == "ept" else _write_file(writing, target, kind)
    writing.progress(1.0)
    return WrittenCloud(target, count, time.perf_counter() - began, tuple(writing.warnings))


def _write_file(writing: Writing, target: Path, kind: str) -> int:
    with replacing(target) as path:
        try:
            if kind == "copc":
                count = write_copc(writing, path)
            else:
                count = write_las(writing, path, compressed=kind == "laz")
        except lazrs.LazrsError as error:
            # The encoder wraps what the disk says.
            raise explain(target, error) from error
        writing.cancel.check()
        return count


def _write_folder(writing: Writing, target: Path) -> int:
    try:
        with draft_folder(target.parent) as draft:
            new, spill = draft / "new", draft / "spill"
            new.mkdir()
            spill.mkdir()
            count = write_ept(writing, new, spill)
            writing.cancel.check()
            replacing_folder(new, target, draft)
            return count
    except OSError as error:
        if isinstance(error, InvalidInput) or hasattr(error, "user_message"):
            raise
        raise explain(target, error) from error
