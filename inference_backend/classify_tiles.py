"""The third pass: tiles through the model, several at once, their answers voted and turned into labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.classify_ahead import abreast
from inference_backend.classify_outcome import Tally, confidence
from inference_backend.classify_progress import Passes
from inference_backend.classify_read import Gathered
from inference_backend.classify_scheme import Scheme
from inference_backend.models.base import ModelCard
from inference_backend.models.cityseg.classes import ClassSet
from inference_backend.models.cityseg.label_graph import LabelGraph
from inference_backend.models.device import tiles_abreast, usable_cores, work_alone
from inference_backend.points.blocks import BlockPoints
from inference_backend.points.cloud import Bounds2D
from inference_backend.points.noise import noise_mask
from inference_backend.points.results import PointResults
from inference_backend.points.tile_records import Tile
from inference_backend.points.voting import Vote, Voting
from inference_backend.vector.cloud_rasters import CloudEvidence

LOW, HIGH = 7, 18
# What vectors are drawn from: kinds of evidence, and the node of the graph whose leaves speak for each.
EVIDENCE_NODES: Mapping[str, str] = {
    "building": "building",
    "tree": "tree",
    "water": "water",
    "road": "pavement",
    "wire": "wire",
}
# So many blocks are made ready for a GPU at once: it is quicker than a core is with their voxels.
_ABREAST_GPU = 4


class CloudModel(Protocol):
    """A model of blocks of points."""

    card: ModelCard
    weights_id: str
    device: str

    def predict_block(
        self,
        block: BlockPoints,
        classes: ClassSet,
        cancel: CancelToken | None = None,
        density: float | None = None,
    ) -> np.ndarray:
        """Probability float16 (N, K); each row sums to at most one."""
        ...


@dataclass(frozen=True)
class _Seen:
    """A block and what was said of it. `noise` uint8 (N,): 0, or the code of noise."""

    tile: Tile
    block: BlockPoints
    probability: np.ndarray
    noise: np.ndarray


class TilePass:
    """Fills `results`, the tally and, where vectors are wanted, the evidence."""

    def __init__(
        self,
        gathered: Gathered,
        model: CloudModel,
        scheme: Scheme,
        graph: LabelGraph,
        threshold: float,
        cancel: CancelToken,
    ) -> None:
        self._gathered, self._model, self._scheme = gathered, model, scheme
        self._threshold, self._cancel = threshold, cancel
        self._classes = ClassSet.of(scheme.columns)
        self._halo_m = gathered.halo_m
        self._ids, self._codes = scheme.ids, scheme.codes
        self._evidence_of = _evidence_columns(scheme, graph)
        self.tally = Tally(scheme)

    def run(
        self,
        results: PointResults,
        passes: Passes,
        evidence: CloudEvidence | None = None,
        threads: int | None = None,
    ) -> None:
        """Every tile that the extent touches. Raises ModelProblem, ResourceProblem, Cancelled, OSError."""
        store, device = self._gathered.store, self._model.device
        tiles = [tile for tile in store.tiles() if self._is_wanted(tile)]
        workers = threads or (tiles_abreast(device) if device == "cpu" else _ABREAST_GPU)
        workers = max(1, min(workers, usable_cores() if device == "cpu" else workers, len(tiles)))
        prepare = work_alone if device == "cpu" and (workers > 1 or threads == 1) else None
        voting = Voting(store, self._halo_m)
        points, done = max(sum(tile.count for tile in tiles), 1), 0
        answers = abreast(self._look, tiles, workers, self._cancel, prepare)
        for number, seen in enumerate(answers, 1):
            self._cancel.check()
            found = np.flatnonzero(seen.noise)
            # Codes are 0 until a point is answered: what is noise waits there for its vote.
            results.code[seen.block.index[found]] = seen.noise[found]
            for vote in voting.add(seen.tile, seen.block, seen.probability):
                self._take(vote, results, evidence)
            done += seen.tile.count
            passes.tell(done / points, f"Classifying block {number:,} of {len(tiles):,}")
        for vote in voting.rest():
            self._take(vote, results, evidence)

    def _look(self, tile: Tile) -> _Seen:
        """One block; in a thread of its own."""
        self._cancel.check()
        gathered = self._gathered
        block = gathered.store.block(tile, self._halo_m, gathered.around)
        self._cancel.check()
        noise = _noise(block)
        self._cancel.check()
        answer = self._model.predict_block(block, self._classes, self._cancel, gathered.density)
        return _Seen(tile, block, answer, noise)

    def _take(self, vote: Vote, results: PointResults, evidence: CloudEvidence | None) -> None:
        """Final answers: labels into the results, and what is inside the extent into tally and evidence."""
        self._cancel.check()
        place, sure = self._scheme.decide(vote.probability, self._threshold)
        noise = results.code[vote.index]
        for code, label in ((LOW, self._scheme.low_noise), (HIGH, self._scheme.high_noise)):
            place[noise == code], sure[noise == code] = label, 1.0
        conf = confidence(sure)
        results.set(vote.index, self._codes[place], conf, self._ids[place])
        if results.hag is not None:
            results.hag[vote.index] = vote.hag_m
        inside = self._inside(vote)
        self.tally.add(place[inside], conf[inside])
        if evidence is not None:
            rows = inside & (noise == 0)
            x, y, z = vote.xyz_m[rows].T
            chances = vote.probability[rows]
            shares = {kind: chances @ columns for kind, columns in self._evidence_of.items()}
            evidence.add(x, y, z, vote.hag_m[rows], shares)

    def _inside(self, vote: Vote) -> np.ndarray:
        extent = self._gathered.extent_m
        if extent is None:
            return np.ones(len(vote.index), bool)
        x, y = vote.xyz_m[:, 0], vote.xyz_m[:, 1]
        return (x >= extent[0]) & (x <= extent[2]) & (y >= extent[1]) & (y <= extent[3])

    def _is_wanted(self, tile: Tile) -> bool:
        """Whether any point of the extent lies in the tile or its halo: all that votes there is heard."""
        return self._gathered.extent_m is None or _touch(
            tile.bounds_m, self._gathered.extent_m, self._halo_m
        )


def _noise(block: BlockPoints) -> np.ndarray:
    """uint8 (N,) of what lies where nothing can be; only for the points that the block answers for."""
    noise = noise_mask(block.xyz_m[:, 0], block.xyz_m[:, 1], block.xyz_m[:, 2])
    return np.where(block.core, noise, 0).astype(np.uint8)


def _evidence_columns(scheme: Scheme, graph: LabelGraph) -> dict[str, np.ndarray]:
    """float32 (K,) of ones and zeros by kind: the columns that speak for it."""
    found = {}
    for kind, node in EVIDENCE_NODES.items():
        below = [
            node in (column.name, *graph.ancestors(column.name))
            if not column.new
            else node in (column.parent, *graph.ancestors(column.parent))
            for column in scheme.columns
        ]
        found[kind] = np.array(below, np.float32)
    return found


def _touch(a: Bounds2D, b: Bounds2D, margin: float) -> bool:
    return (
        a[0] - margin <= b[2]
        and b[0] <= a[2] + margin
        and a[1] - margin <= b[3]
        and b[1] <= a[3] + margin
    )
