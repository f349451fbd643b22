"""The job behind `classify` on the wire, on the command line and in job files: a cloud in, a classified cloud out.

Four passes: read onto tiles, ground, tiles through the model, write. What does not fit in memory lies in a folder beside the
result, which is gone afterwards, whatever happens.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from inference_backend.cancel import CancelToken
from inference_backend.classify_outcome import Tally
from inference_backend.classify_products import Products
from inference_backend.classify_progress import Passes, Progress
from inference_backend.classify_read import Gathered, Reader, check_cloud, likely_count
from inference_backend.classify_request import ClassifyJob, check_targets
from inference_backend.classify_room import room_beside
from inference_backend.classify_tiles import CloudModel, TilePass
from inference_backend.classify_words import Place, Reading, read_words
from inference_backend.cloud_vectors import Provenance
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.points.cloud import PointCloud
from inference_backend.points.labels import Labels
from inference_backend.points.open import open_cloud
from inference_backend.points.results import PointResults
from inference_backend.points.targets import check_target, ept_folder, target_kind
from inference_backend.points.write import WrittenCloud, write_cloud

# Of the time of a run on two cores with the default model.
_SHARES = {"read": 0.10, "ground": 0.02, "model": 0.68, "products": 0.05, "write": 0.15}


def run_classify_job(
    job: ClassifyJob,
    cancel: CancelToken | None = None,
    progress: Progress | None = None,
    model: CloudModel | None = None,
    place: Place | None = None,
) -> dict[str, Any]:
    """Read, classify, write; returns what the wire answers and `--json` prints.

    `model` and `place` may be ones that the caller holds. Raises InvalidInput, ResourceProblem, ModelProblem, Cancelled; then
    nothing half-written is left.
    """
    cancel = cancel or CancelToken()
    began = time.perf_counter()
    passes = Passes(_SHARES, progress or (lambda fraction, message: None))
    check_targets(job)
    reading = read_words(job, label_graph(), place)
    cancel.check()
    with open_cloud(job.source, job.crs) as cloud:
        out = ept_folder(Path(job.out))
        check_target(out, target_kind(out), cloud)
        check_cloud(cloud)
        count = likely_count(cloud, job.extent)
        passes.tell(0.0, f"Loading {job.model}", force=True)
        model = model or _load(job)
        run = _Run(job, cloud, reading, model, passes, cancel)
        record_bytes = cloud.header.point_format.size
        with room_beside(out, cloud.info, record_bytes, count) as folder:
            answer = run.through(folder)
    answer["seconds"] = round(time.perf_counter() - began, 3)
    passes.finish("Done")
    return answer


class _Run:
    """One cloud on its way to a classified one."""

    def __init__(
        self,
        job: ClassifyJob,
        cloud: PointCloud,
        reading: Reading,
        model: CloudModel,
        passes: Passes,
        cancel: CancelToken,
    ) -> None:
        self._job, self._cloud, self._reading, self._model = job, cloud, reading, model
        self._passes, self._cancel = passes, cancel

    def through(self, folder: Path) -> dict[str, Any]:
        """All passes, with `folder` for what does not fit in memory."""
        job, cloud = self._job, self._cloud
        tiles_folder = folder / "tiles"
        tiles_folder.mkdir()
        self._passes.enter("read", f"Reading {cloud.info.path.name}")
        gathered = Reader(cloud, self._passes, self._cancel).gather(tiles_folder, job.extent)
        products = Products(job, cloud.info, gathered, folder)
        with PointResults(cloud.info.count, folder / "results") as results, products:
            self._passes.enter("model", "Classifying")
            tiles = TilePass(
                gathered,
                self._model,
                self._reading.scheme,
                label_graph(),
                job.threshold,
                self._cancel,
            )
            tiles.run(results, self._passes, products.evidence, job.threads)
            # Written points need the room of those read.
            shutil.rmtree(tiles_folder, ignore_errors=True)
            made = self._make(products)
            self._passes.enter("write", f"Writing {job.out}")
            written = self._write(results)
            # Only now, so that a run that could not write its cloud leaves nothing else behind.
            products.keep()
        return self._answer(gathered, tiles.tally, written, made)

    def _make(self, products: Products) -> dict[str, Any]:
        message = "Drawing outlines" if self._job.vectors else "Classified"
        self._passes.enter("products", message)
        provenance = Provenance(self._model.card.id, self._model.weights_id, self._job.source)
        return products.make(
            provenance, self._cancel, lambda share: self._passes.tell(share, message)
        )

    def _write(self, results: PointResults) -> WrittenCloud:
        scheme = self._reading.scheme
        used = {int(number) for number in scheme.ids}
        names = {number: name for number, name in scheme.names().items() if number in used}
        colours = {number: rgb for number, rgb in scheme.colours().items() if number in used}
        message = f"Writing {self._job.out}"
        return write_cloud(
            self._cloud,
            Path(self._job.out),
            results,
            Labels(names, colours),
            cancel=self._cancel,
            progress=lambda share: self._passes.tell(share, message),
            bounds_source=self._job.extent,
        )

    def _answer(
        self, gathered: Gathered, tally: Tally, written: WrittenCloud, made: dict[str, Any]
    ) -> dict[str, Any]:
        scheme, model = self._reading.scheme, self._model
        warnings = [*self._cloud.info.warnings, *scheme.warnings, *gathered.warnings]
        warnings += getattr(written, "warnings", ())
        return {
            "source": self._job.source,
            "out": str(written.path.absolute()),
            "kind": target_kind(Path(self._job.out)),
            "count": written.count,
            "classes": tally.classes(),
            "placements": list(self._reading.told),
            "warnings": list(dict.fromkeys(warnings)),
            **made,
            "sentence": tally.sentence(),
            "density": round(gathered.density, 3),
            "passes": {name: round(spent, 3) for name, spent in self._passes.seconds.items()},
            "model": model.card.id,
            "weights": model.weights_id,
            "device": model.device,
        }


def _load(job: ClassifyJob) -> CloudModel:
    from inference_backend.models.cloud_registry import get_cloud_model

    return get_cloud_model(job.model, job.device)
