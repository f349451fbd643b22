"""Train the cloud network (default-3d) in two stages: resumable, by a budget of minutes, on CPU or CUDA.

Stage 1 teaches the backbone the inner nodes of the label graph on all domains. Stage 2 teaches the leaves, with a hinge among
siblings; blocks with rare leaves are drawn more often. ("Two-stage training" of CitySeg, arXiv 2508.09470, by our reading.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from inference_backend.models.cityseg.graph_encoder import Hierarchy, measures_of
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.network import CitySegNet, CloudConfig, VoxelBatch
from inference_backend.models.cityseg.node_text import node_text
from inference_backend.training.cloud_data import (
    CloudPlan,
    CloudSample,
    cloud_batches,
    seen_leaves,
    training_table,
)
from inference_backend.training.cloud_loss import Emphasis, LabelRows, cloud_loss
from inference_backend.training.cloud_store import StoredCloud
from inference_backend.training.side_by_side import Crew
from inference_backend.training.train_interactive import Recipe, Trainer

STAGE_1 = 0.3
"""Share of the budget for the inner nodes."""
_EDGE_DROP = 0.2
_NO_MEASURES = 0.3
_FEWEST_PROMPTS = 0.4
_CLOUDS_COUNTED = 120


@dataclass(frozen=True)
class SeenGraph:
    """The label graph without hidden leaves. `rows` are the nodes' places in the whole graph, leaves first."""

    rows: np.ndarray
    leaves: int
    parents: list[int]
    below: np.ndarray

    @classmethod
    def make(cls) -> SeenGraph:
        graph, seen = label_graph(), seen_leaves()
        count = len(graph.leaves)
        rows = np.array([r for r in range(len(graph.nodes)) if r >= count or seen[r]])
        place = {int(row): at for at, row in enumerate(rows)}
        parents = [place.get(int(graph.parents[row]), -1) for row in rows]
        return cls(rows, int(seen.sum()), parents, graph.descendants[rows][:, seen])


class CitySegTrainer(Trainer):
    """A step: some blocks, the prototypes from freshly drawn texts, the losses of the stage."""

    def __init__(
        self,
        folder: Path,
        plan: CloudPlan,
        recipe: Recipe,
        device: str = "cpu",
        config: CloudConfig | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.config, self.crew = config or CloudConfig(), crew or Crew()
        self.graph = SeenGraph.make()
        self.text = node_text()
        self.measures = np.stack([measures_of(n.geometry) for n in label_graph().nodes])
        super().__init__(folder, plan, recipe, device)
        if not self.crew.leads:
            self.rng = np.random.default_rng([self.step, self.crew.rank])
        self.crew.start_alike(self.net)
        self._ended = False
        sets, self.table = training_table()
        self.labels = LabelRows.of(sets, self.graph.below, device)
        self.labels.weight = torch.from_numpy(self._row_weights(sets)).to(device)
        self.tree = Hierarchy.of(self.graph.parents, range(self.graph.leaves), device)

    def _make_net(self) -> CitySegNet:
        net = CitySegNet(self.config)
        net.graph.whiten(self.text.prompts)
        return net

    def _stream(self) -> Iterator[tuple[list[CloudSample]]]:
        return ((batch,) for batch in cloud_batches(self.plan, self.table))

    def _agree(self) -> None:
        self.spent_s, stop = self.crew.agree(self.net, self.spent_s, self.stop)
        self._ended = stop or self.spent_s >= self.recipe.minutes * 60

    def _over(self) -> bool:
        # All processes leave after the same step: the others would wait for the one that went.
        return self._ended if self.crew.size > 1 else super()._over()

    def _log(self, recent: list[dict[str, float]], say: Callable[[str], None]) -> None:
        if self.crew.leads:
            super()._log(recent, say)

    def save(self) -> None:
        """The first of the processes writes for all."""
        if self.crew.leads:
            super().save()

    def _row_weights(self, sets: np.ndarray) -> np.ndarray:
        """Root of the inverse frequency of each label set, within limits; 0 for what is unknown."""
        paths = sorted(self.plan.folder.glob("*.npz"))
        rng = np.random.default_rng(0)
        chosen = rng.permutation(len(paths))[:_CLOUDS_COUNTED]
        count = np.zeros(len(sets))
        for place in chosen:
            cloud = StoredCloud.load(paths[place])
            rows = self.table[cloud.profile][cloud.label]
            count += np.bincount(rows, minlength=len(sets)) / max(len(rows), 1)
        count[0] = 0
        share = count / max(count.sum(), 1e-9)
        weight = np.clip(np.sqrt(0.02 / np.maximum(share, 1e-5)), 0.6, 2.5)
        return (weight * sets.any(1)).astype(np.float32)

    def _train_step(self, samples: list[CloudSample]) -> dict[str, float]:
        done = min(self.spent_s / (self.recipe.minutes * 60), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = self._lr()
        self.net.train()
        batch = VoxelBatch.of([sample.voxels for sample in samples], self.device)
        rows = torch.from_numpy(np.concatenate([s.rows for s in samples])).to(self.device)
        embedding = self.net(batch)
        loss, figures = cloud_loss(
            embedding,
            self._prototypes(),
            self.net.temperature,
            rows,
            self.labels,
            self.tree,
            emphasis_at(done),
        )
        self._descend(loss)
        figures |= self._by_origin(samples, figures)
        return figures | {"loss": float(loss.detach()), "voxels": float(len(rows))}

    def _prototypes(self) -> torch.Tensor:
        """From a random part of each node's texts, and with measures forgotten: a new class comes with a name alone."""
        texts = np.empty((len(self.graph.rows), self.text.prompts.shape[1]), np.float32)
        measures = self.measures[self.graph.rows].copy()
        for place, row in enumerate(self.graph.rows):
            mine = self.text.prompts[self.text.owner == row]
            chosen = self.rng.random(len(mine)) < self.rng.uniform(_FEWEST_PROMPTS, 1)
            if not chosen.any():
                chosen[self.rng.integers(len(mine))] = True
            mean = mine[chosen].mean(0)
            texts[place] = mean / np.linalg.norm(mean)
            if self.rng.random() < _NO_MEASURES:
                measures[place] = 0
        noise = self.rng.normal(0, 0.01, texts.shape).astype(np.float32)
        return self.net.graph(
            torch.from_numpy(texts + noise).to(self.device),
            torch.from_numpy(measures).to(self.device),
            self.tree.relations,
            _EDGE_DROP,
        )

    def _by_origin(self, samples: list[CloudSample], figures: dict[str, float]) -> dict[str, float]:
        kinds = {sample.real for sample in samples}
        if len(kinds) > 1 or "right" not in figures:
            return {}
        return {"right_real" if kinds == {True} else "right_made": figures["right"]}


def emphasis_at(done: float) -> Emphasis:
    """Inner nodes first; then the leaves and the hinge among them."""
    if done < STAGE_1:
        return Emphasis(leaf=0.15, levels=1.0)
    return Emphasis(leaf=1.0, levels=1.0, hinge=0.3, align=0.05)
