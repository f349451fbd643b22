"""What a run makes beside the classified cloud: outlines, and rasters of the ground and of heights above it.

All of it is finished in folders beside its targets, and takes its place together once the cloud is written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.classify_read import Gathered
from inference_backend.classify_request import ClassifyJob, vector_file
from inference_backend.cloud_raster_files import write_dtm, write_hag
from inference_backend.cloud_vectors import Provenance, write_vectors
from inference_backend.errors import CitySegError
from inference_backend.points.cloud import CloudInfo
from inference_backend.vector.cloud_rasters import CloudEvidence, pick_cell_m
from inference_backend.vector.drafts import draft_folder
from inference_backend.vector.write import explain, files_of


class Products:
    """The files that a job wants beside its cloud; `evidence` is to be filled where any of them needs it."""

    def __init__(self, job: ClassifyJob, info: CloudInfo, gathered: Gathered, folder: Path) -> None:
        self._job, self._info, self._gathered = job, info, gathered
        self._stack = ExitStack()
        self._drafts: list[Path] = []
        self.evidence: CloudEvidence | None = None
        if job.vectors or job.hag:
            bounds = gathered.extent_m or gathered.frame.bounds_m
            self.evidence = CloudEvidence(bounds, pick_cell_m(gathered.density), folder)

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

    def make(
        self, provenance: Provenance, cancel: CancelToken, report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Everything, under other names; what the answer tells of it. Raises TargetProblem, DiskProblem, Cancelled."""
        job, evidence, frame, crs = self._job, self.evidence, self._gathered.frame, self._info.crs
        made: dict[str, Any] = {"vectors": [], "vector_layers": [], "rasters": []}
        if job.dtm:
            dtm, corner_m = self._ground()
            cell_m = self._gathered.around.ground.cell_m
            write_dtm(self._draft(Path(job.dtm)), dtm, cell_m, corner_m, frame, crs, cancel)
            made["rasters"].append(str(Path(job.dtm).absolute()))
        if job.hag and evidence is not None:
            write_hag(self._draft(Path(job.hag)), evidence, frame, crs, cancel)
            made["rasters"].append(str(Path(job.hag).absolute()))
        if job.vectors and evidence is not None:
            target = vector_file(job.vectors).absolute()
            layers = write_vectors(
                evidence,
                self._draft(target),
                frame,
                crs,
                provenance,
                layers=job.layers,
                cancel=cancel,
                progress=report,
            )
            files = dict.fromkeys(str(target.with_name(layer.path.name)) for layer in layers)
            made["vectors"] = list(files)
            made["vector_layers"] = [
                {
                    "name": layer.name,
                    "path": str(target.with_name(layer.path.name)),
                    "count": layer.count,
                }
                for layer in layers
            ]
        return made

    def keep(self) -> None:
        """Everything takes its place. Raises DiskProblem."""
        for draft in self._drafts:
            for part in sorted(draft.iterdir()):
                # The lock of the folder, and what a driver keeps for itself.
                if part.is_file() and not part.name.startswith("."):
                    _move(part, draft.parent)

    def _ground(self) -> tuple[np.ndarray, tuple[float, float]]:
        """Ground heights (rows, cols) of the cells that the extent touches, and their corner."""
        ground, extent = self._gathered.around.ground, self._gathered.extent_m
        if extent is None:
            return ground.dtm, ground.corner_m
        first = [max(int((extent[a] - ground.corner_m[a]) // ground.cell_m), 0) for a in (0, 1)]
        last = [int((extent[a + 2] - ground.corner_m[a]) // ground.cell_m) + 1 for a in (0, 1)]
        corner = [ground.corner_m[a] + first[a] * ground.cell_m for a in (0, 1)]
        return ground.dtm[first[1] : last[1], first[0] : last[0]], (corner[0], corner[1])

    def _draft(self, target: Path) -> Path:
        """A path of the same name in a folder beside `target`."""
        target = target.absolute()
        try:
            target.parent.mkdir(exist_ok=True)
            folder = self._stack.enter_context(draft_folder(target.parent))
        except OSError as error:
            if isinstance(error, CitySegError):
                raise
            raise explain(target, error) from error
        self._drafts.append(folder)
        return folder / target.name


def _move(part: Path, folder: Path) -> None:
    target = folder / part.name
    try:
        if part.suffix.lower() == ".shp":
            # An index of the old file would hide features of the new one.
            for old in files_of(target)[1:]:
                if not part.with_name(old.name).exists() and old.suffix not in (
                    ".shx",
                    ".dbf",
                    ".prj",
                    ".cpg",
                ):
                    old.unlink(missing_ok=True)
        part.replace(target)
    except OSError as error:
        raise explain(target, error) from error
