"""Two numbers after training, on generated cities of the validation seeds: how sure a score makes, and what seen leaves cost.

`temperature` makes confidences honest: it minimises the negative log-likelihood of the seen leaves. `seen_cost` (calibrated
stacking) is taken off the scores of leaves that training saw where unseen ones compete with them: it maximises the harmonic
mean of the mean IoU of both, as long as hardly fewer points are right: a new name may not take a city's roofs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from inference_backend.models.cityseg.adapter import CitySegModel, density_of
from inference_backend.models.cityseg.classes import ClassSet, CloudClass
from inference_backend.models.cityseg.graph_encoder import leaf_log
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.network import CitySegNet, VoxelBatch
from inference_backend.models.cityseg.voxels import voxelise
from inference_backend.models.cityseg.weights_file import Calibration
from inference_backend.points.blocks import RawPoints, make_block, survey
from inference_backend.points.density import grid_for
from inference_backend.training.cloud_data import majority, seen_leaves
from inference_backend.training.clouds.scan import LabelledCloud, make_cloud

if TYPE_CHECKING:
    from inference_backend.training.train_cityseg import CitySegTrainer

TEMPERATURES = np.geomspace(0.6, 2.5, 15)
COSTS = np.arange(0.0, 8.1, 0.25)
KEPT = 0.995
_MOST_POINTS = 400_000


def calibrate(model: CitySegModel, clouds: Sequence[LabelledCloud]) -> Calibration:
    """From labelled clouds that training never saw."""
    embedded = [embeddings_of(model, cloud) for cloud in clouds]
    embedding = torch.cat([e for e, _ in embedded])
    leaf = torch.from_numpy(np.concatenate([rows for _, rows in embedded]))
    seen = torch.from_numpy(seen_leaves())
    temperature = best_temperature(model, embedding[seen[leaf]], leaf[seen[leaf]])
    return Calibration(temperature, best_cost(model, embedding, leaf, temperature))


def calibrated_average(trainer: CitySegTrainer, seeds: Iterable[int]) -> Calibration:
    """Of the averaged weights of a run, on cities of these seeds."""
    net = CitySegNet(trainer.config)
    net.load_state_dict(trainer.average)
    model = CitySegModel(net, Calibration(), "uncalibrated", trainer.device)
    return calibrate(model, [make_cloud(seed) for seed in seeds])


def embeddings_of(model: CitySegModel, cloud: LabelledCloud) -> tuple[torch.Tensor, np.ndarray]:
    """Unit embeddings (V, D) of a cloud's voxels and the leaf of each, int64 (V,)."""
    keep = np.arange(len(cloud))
    if len(keep) > _MOST_POINTS:
        keep = np.sort(np.random.default_rng(0).permutation(len(keep))[:_MOST_POINTS])
    x, y, z = cloud.xyz[keep].T
    returns = (cloud.return_number[keep], cloud.number_of_returns[keep])
    points = RawPoints(np.arange(len(keep)), x, y, z, cloud.intensity[keep], *returns)
    core = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    block = make_block(points, survey(points), core, 0.0)
    voxels = voxelise(block, grid_for(density_of(block)))
    rows = majority(cloud.leaf[keep].astype(np.int64) + 1, voxels.inverse, len(voxels.features))
    return model.embed_voxels(VoxelBatch.of([voxels], model.device)), rows - 1


def best_temperature(model: CitySegModel, embedding: torch.Tensor, leaf: torch.Tensor) -> float:
    """The one of `TEMPERATURES` under which the seen leaves are likeliest."""
    graph, names = label_graph(), np.array(label_graph().leaves)[seen_leaves()]
    place = torch.full((len(graph.leaves),), -1)
    place[torch.from_numpy(np.flatnonzero(seen_leaves()))] = torch.arange(len(names))
    scores, hierarchy = _scores(model, embedding, names)
    losses = [
        float(-leaf_log(scores / t, hierarchy).gather(1, place[leaf][:, None]).mean())
        for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


def best_cost(
    model: CitySegModel, embedding: torch.Tensor, leaf: torch.Tensor, temperature: float
) -> float:
    """The one of `COSTS` with the best harmonic mean of seen and unseen mean IoU, of those that keep `KEPT` of the right points."""
    names = np.array(label_graph().leaves)
    scores, hierarchy = _scores(model, embedding, names)
    seen = seen_leaves()
    bias = torch.zeros(scores.shape[1])
    rows = model.rows_of(ClassSet(tuple(_column(name) for name in names)))
    for place, (_, row) in enumerate(rows.nodes):
        bias[place] = float(row >= len(names) or seen[row])
    found, right = [], []
    for cost in COSTS:
        answer = leaf_log(scores / temperature - cost * bias, hierarchy).argmax(1)
        found.append(harmonic_iou(leaf.numpy(), answer.numpy(), seen))
        right.append(float((answer == leaf).float().mean()))
    allowed = np.array(right) >= KEPT * right[0]
    return float(COSTS[int(np.argmax(np.where(allowed, found, -1)))])


def harmonic_iou(truth: np.ndarray, answer: np.ndarray, seen: np.ndarray) -> float:
    """hIoU of leaves that occur: harmonic mean of the mean IoU of seen and of unseen ones."""
    count = len(seen)
    matrix = np.bincount(truth * count + answer, minlength=count * count).reshape(count, count)
    hit = np.diag(matrix)
    iou = hit / np.maximum(matrix.sum(0) + matrix.sum(1) - hit, 1)
    there = matrix.sum(1) > 0
    known, new = iou[there & seen], iou[there & ~seen]
    if not len(known) or not len(new):
        return 0.0
    return float(2 * known.mean() * new.mean() / max(known.mean() + new.mean(), 1e-9))


def _scores(
    model: CitySegModel, embedding: torch.Tensor, names: np.ndarray
) -> tuple[torch.Tensor, object]:
    prototypes = model.prototypes(ClassSet(tuple(_column(name) for name in names)))
    return embedding @ prototypes.vectors.T * model.sharpness, prototypes.hierarchy


def _column(name: str) -> CloudClass:
    return CloudClass(str(name), str(label_graph().node(str(name)).parent))
