"""Blocks to train the cloud network on: stored clouds, turned, thinned, disturbed, cut, and made to voxels with their labels.

Ground, ranks and surroundings are learned of each disturbed cloud by the same code as in use, so that the network sees the
same errors of the ground filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.voxels import Voxels, voxelise
from inference_backend.points.blocks import RawPoints, Surroundings, make_block, survey
from inference_backend.points.density import GRIDS_M, covered_density, grid_for
from inference_backend.training.cloud_disturbance import LEAST_BLOCK, disturbed, disturbed_block
from inference_backend.training.cloud_store import StoredCloud, label_table

_BLOCKS_A_CLOUD = 4
_SHUFFLE = 24
_LIST_AGAIN = 100
_ENOUGH = 60
SIDE_OF_GRID = 112.0
"""Metres of a training block for each metre of its grid: about 20,000 voxels a block in towns."""


@dataclass(frozen=True)
class CloudPlan:
    """What is trained on. `folder` has the stored clouds; `skip` are surveys left out; `real_share` of the clouds are real;
    `balanced` of the generated ones, and of the blocks, are drawn for a class first, so that rare ones are seen.
    """

    folder: Path
    skip: tuple[str, ...] = ("amsterdam",)
    real_share: float = 0.5
    balanced: float = 0.5
    blocks: int = 4
    workers: int = 1


@dataclass
class CloudSample:
    """A block: its voxels and the row of the label table of each, int64 (V,); 0 where nothing is known."""

    voxels: Voxels
    rows: np.ndarray
    real: bool


def seen_leaves() -> np.ndarray:
    """bool (leaves,): those that training may name."""
    return ~label_graph().hidden


class CloudSource:
    """Draws samples without end."""

    def __init__(self, plan: CloudPlan, table: dict[str, np.ndarray], seed: int) -> None:
        self.plan, self.table, self.rng = plan, table, np.random.default_rng(seed)
        self._known: list[Path] = []
        self._holding: dict[int, list[Path]] = {}
        self._drawn = 0

    def __iter__(self) -> Iterator[CloudSample]:
        waiting: list[CloudSample] = []
        while True:
            while len(waiting) < _SHUFFLE:
                waiting += self.blocks_of(StoredCloud.load(self._path()))
            yield waiting.pop(int(self.rng.integers(len(waiting))))

    def _path(self) -> Path:
        real = [
            path
            for path in sorted(self.plan.folder.glob("real-*.npz"))
            if path.name.split("-")[1] not in self.plan.skip
        ]
        made = self._cities()
        if not made or (real and self.rng.random() < self.plan.real_share):
            # Surveys by turns, so that the one with the most pieces does not rule.
            surveys = sorted({path.name.split("-")[1] for path in real})
            survey_name = surveys[self.rng.integers(len(surveys))]
            real = [path for path in real if path.name.split("-")[1] == survey_name]
            return real[self.rng.integers(len(real))]
        if self.rng.random() < self.plan.balanced:
            holding = [paths for paths in self._holding.values() if paths]
            made = holding[self.rng.integers(len(holding))]
        return made[self.rng.integers(len(made))]

    def _cities(self) -> list[Path]:
        """Listed anew now and then: clouds are still being simulated while training goes on."""
        if self._drawn % _LIST_AGAIN == 0:
            for path in sorted(self.plan.folder.glob("city-*.npz")):
                if path not in self._known:
                    self._known.append(path)
                    with np.load(path) as file:
                        codes, counts = np.unique(file["label"], return_counts=True)
                    for code in codes[counts >= _ENOUGH]:
                        self._holding.setdefault(int(code), []).append(path)
        self._drawn += 1
        return self._known

    def blocks_of(self, cloud: StoredCloud) -> list[CloudSample]:
        """Up to four blocks of one disturbed copy of a cloud."""
        real = cloud.profile != "generated"
        rows = self.table[cloud.profile][cloud.label]
        points, rows = disturbed(cloud, rows, self.rng)
        if len(points.index) < LEAST_BLOCK:
            return []
        around = survey(points)
        found = []
        for core in self._cores(points, rows):
            inside = (
                (points.x >= core[0])
                & (points.x < core[2])
                & (points.y >= core[1])
                & (points.y < core[3])
            )
            if inside.sum() >= LEAST_BLOCK:
                found.append(self._sample(_cut(points, inside), rows[inside], around, core, real))
        return found

    def _cores(
        self, points: RawPoints, rows: np.ndarray
    ) -> list[tuple[float, float, float, float]]:
        low = np.array([points.x.min(), points.y.min()])
        size = np.array([np.ptp(points.x), np.ptp(points.y)])
        grid = grid_for(covered_density(np.stack([points.x, points.y], 1), points.return_number))
        side = float(np.clip(SIDE_OF_GRID * grid, 36, 128))
        free = np.maximum(size - side, 0)
        names = np.unique(rows[rows > 0])
        cores = []
        for _ in range(_BLOCKS_A_CLOUD):
            x, y = low + self.rng.uniform(0, 1, 2) * free
            if len(names) and self.rng.random() < self.plan.balanced:
                mine = np.flatnonzero(rows == names[self.rng.integers(len(names))])
                at = mine[self.rng.integers(len(mine))]
                middle = np.array([points.x[at], points.y[at]]) - side * self.rng.uniform(
                    0.2, 0.8, 2
                )
                x, y = np.clip(middle, low, low + free)
            cores.append((float(x), float(y), float(x + side), float(y + side)))
        return cores

    def _sample(
        self,
        points: RawPoints,
        rows: np.ndarray,
        around: Surroundings,
        core: tuple[float, float, float, float],
        real: bool,
    ) -> CloudSample:
        rng = self.rng
        block = disturbed_block(make_block(points, around, core, 0.0, rgb_full=255.0), rng)
        grid = grid_for(covered_density(block.xyz_m[:, :2], block.return_number))
        if rng.random() < 0.25:
            place = GRIDS_M.index(grid) + rng.integers(-1, 2)
            grid = GRIDS_M[int(np.clip(place, 0, len(GRIDS_M) - 1))]
        voxels = voxelise(block, grid)
        return CloudSample(voxels, majority(rows, voxels.inverse, len(voxels.features)), real)


def majority(rows: np.ndarray, inverse: np.ndarray, count: int) -> np.ndarray:
    """The most frequent label row of each voxel's points; one that is known before one that is not."""
    names, code = np.unique(rows, return_inverse=True)
    votes = np.bincount(inverse * len(names) + code, minlength=count * len(names))
    votes = votes.reshape(count, len(names)).astype(np.float32)
    votes[:, names == 0] *= 0.1
    return names[votes.argmax(1)]


def _cut(points: RawPoints, inside: np.ndarray) -> RawPoints:
    values = {
        name: None if value is None else value[inside] for name, value in vars(points).items()
    }
    return RawPoints(**values)


class _Stream(IterableDataset):
    def __init__(self, plan: CloudPlan, table: dict[str, np.ndarray]) -> None:
        self.plan, self.table = plan, table

    def __iter__(self) -> Iterator[list[CloudSample]]:
        torch.set_num_threads(1)
        seed = np.random.SeedSequence().entropy % 2**32
        source = iter(CloudSource(self.plan, self.table, int(seed)))
        while True:
            yield [next(source) for _ in range(self.plan.blocks)]


def cloud_batches(plan: CloudPlan, table: dict[str, np.ndarray]) -> Iterator[list[CloudSample]]:
    """Lists of samples, made ahead in processes of their own."""
    loader = DataLoader(
        _Stream(plan, table), batch_size=None, num_workers=plan.workers, prefetch_factor=4
    )
    return iter(loader)


def training_table() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The label sets of all profiles that are trained on, over the seen leaves; see `cloud_store.label_table`."""
    names = ["generated", "montpellier", "lastools", "ign_lidar_hd", "ahn3"]
    return label_table(names, seen_leaves())
