"""The cloud model behind its interface: a block of points and the classes asked for in, probabilities out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from inference_backend.cancel import CancelToken
from inference_backend.language.encoder import TextEncoder
from inference_backend.models.base import ModelCard
from inference_backend.models.cityseg.classes import ClassSet, CloudClass
from inference_backend.models.cityseg.graph_encoder import Hierarchy, leaf_log, measures_of
from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph, label_graph
from inference_backend.models.cityseg.network import CitySegNet, CloudConfig, VoxelBatch
from inference_backend.models.cityseg.node_text import mean_text, node_text
from inference_backend.models.cityseg.settling import Neighbourhood, grass_is_ground, settled
from inference_backend.models.cityseg.voxels import voxelise
from inference_backend.models.cityseg.weights_file import Calibration, load_cloud_network
from inference_backend.points.blocks import BlockPoints
from inference_backend.points.density import covered_density, grid_for

CARD = ModelCard(
    id="default-3d",
    title="CitySeg-style network for point clouds",
    prompts=("classes",),
    input_px=0,
    licence="GPL-2.0-or-later",
    memory_mb=600,
)


_LYING = ("terrain", "water")


@dataclass(frozen=True)
class Prototypes:
    """What the classes of a set look like to the network: `vectors` (nodes, embedding), the tree, the cost of seen leaves, the
    columns of each group at the top of the graph (K, G), which groups lie on the ground, bool (G,), and which columns are low
    plants and which terrain, bool (K,).
    """

    vectors: torch.Tensor
    hierarchy: Hierarchy
    cost: torch.Tensor
    groups: torch.Tensor
    lying: torch.Tensor
    low: np.ndarray
    terrain: np.ndarray


class CitySegModel:
    """`default-3d`. Knows no file and no CRS; safe to be used by several threads at once."""

    def __init__(
        self, net: CitySegNet, calibration: Calibration, weights_id: str, device: str = "cpu"
    ) -> None:
        self.card = CARD
        self.device = device
        self.weights_id = weights_id
        self.calibration = calibration
        self._net = net.eval().to(device)
        self._graph = label_graph()
        self._text: TextEncoder | None = None
        self.prototypes = lru_cache(16)(self._prototypes)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> CitySegModel:
        """From a weights file. Raises ModelProblem."""
        net, calibration = load_cloud_network(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        return cls(net, calibration, digest, device)

    @classmethod
    def untrained(cls, seed: int = 0, config: CloudConfig | None = None) -> CitySegModel:
        """Random weights of the right shapes, for tests of what is around the network."""
        torch.manual_seed(seed)
        net = CitySegNet(config or CloudConfig())
        net.graph.whiten(node_text().prompts)
        return cls(net, Calibration(), f"untrained-{seed}")

    def predict_block(
        self,
        block: BlockPoints,
        classes: ClassSet,
        cancel: CancelToken | None = None,
        density: float | None = None,
    ) -> np.ndarray:
        """Probability float16 (N, K) of each class for each point; each row sums to one.

        `density` in first returns a m2 chooses the grid; without it, that of the block does.
        """
        if not len(block):
            return np.zeros((0, len(classes)), np.float16)
        prototypes = self.prototypes(classes)
        grid_m = grid_for(density if density is not None else density_of(block))
        if cancel is not None:
            cancel.check()
        voxels = voxelise(block, grid_m)
        if cancel is not None:
            cancel.check()
        embedding = self.embed_voxels(VoxelBatch.of([voxels], self.device))
        with torch.inference_mode():
            scale = self.sharpness / self.calibration.temperature
            scores = embedding @ (prototypes.vectors.T * scale) - prototypes.cost
            probability = leaf_log(scores, prototypes.hierarchy).exp_()
            around = Neighbourhood.of(voxels, self.device)
            probability = settled(probability, prototypes.groups, prototypes.lying, around)
            answer = probability.to(torch.float16).cpu().numpy()
        answer = answer[voxels.inverse]
        grass_is_ground(answer, block.hag_m, prototypes.low, prototypes.terrain)
        return answer

    def embed_voxels(self, batch: VoxelBatch) -> torch.Tensor:
        """Unit embeddings (V, embedding) of the voxels of some blocks."""
        with torch.inference_mode():
            return self._net(batch)

    @property
    def sharpness(self) -> float:
        """What the cosine of an embedding and a prototype is multiplied with."""
        return float(self._net.temperature.detach())

    def rows_of(self, classes: ClassSet) -> GraphRows:
        """The part of the label graph that a set of classes needs."""
        return graph_of(self._graph, classes.columns)

    def _prototypes(self, classes: ClassSet) -> Prototypes:
        rows = self.rows_of(classes)
        text = node_text().mean
        texts = [text[row] if row >= 0 else self._words(name) for name, row in rows.nodes]
        measures = [
            measures_of(self._graph.nodes[row].geometry if row >= 0 else None)
            for _, row in rows.nodes
        ]
        hierarchy = Hierarchy.of(rows.parents, rows.leaves, self.device)
        seen = [row >= 0 and not self._graph.nodes[row].hidden for _, row in rows.nodes]
        cost = np.array(seen, np.float32) * (0.0 if all(seen) else self.calibration.seen_cost)
        # Nobody hears a node that training did not have: what it had keeps the very prototypes that it was trained with.
        heard = torch.tensor(seen, device=self.device)
        with torch.inference_mode():
            vectors = self._net.graph(
                torch.from_numpy(np.stack(texts)).to(self.device),
                torch.from_numpy(np.stack(measures)).to(self.device),
                hierarchy.relations & heard,
            )
        tops = [self._top(column) for column in classes.columns]
        names = list(dict.fromkeys(tops))
        groups = torch.tensor([[float(top == name) for name in names] for top in tops])
        lying = torch.tensor([name in _LYING for name in names])
        return Prototypes(
            vectors,
            hierarchy,
            torch.from_numpy(cost).to(self.device),
            groups.to(self.device),
            lying.to(self.device),
            np.array([self._below("low plants", column) for column in classes.columns]),
            np.array([top == "terrain" for top in tops]),
        )

    def _top(self, column: CloudClass) -> str:
        """The group at the top of the label graph; a new class right below the root is one of its own."""
        if column.new and column.parent == ROOT:
            return column.name
        return self._graph.path(column.parent if column.new else column.name)[0]

    def _below(self, node: str, column: CloudClass) -> bool:
        """Whether a column of the label graph lies below `node`; what the user added is what the user says it is."""
        return not column.new and node in self._graph.path(column.name)[:-1]

    def _words(self, name: str) -> np.ndarray:
        if self._text is None:
            self._text = TextEncoder()
        prompts = [name, f"{name} in an airborne laser scan of a city"]
        return mean_text(self._text, prompts).astype(np.float32)


@dataclass(frozen=True)
class GraphRows:
    """The part of the graph that a set of classes needs. `nodes` are (name, row in the graph or -1 for a new class)."""

    nodes: list[tuple[str, int]]
    parents: list[int]
    leaves: list[int]


def graph_of(graph: LabelGraph, columns: Sequence[CloudClass]) -> GraphRows:
    """Columns and all nodes above them; inner nodes without a column below them are left out."""
    wanted: dict[str, tuple[str, int]] = {}
    for column in columns:
        above = (
            [*graph.ancestors(column.parent), column.parent]
            if column.new
            else [*graph.ancestors(column.name)]
        )
        for name in above:
            wanted.setdefault(name, (str(graph.node(name).parent or ""), graph.index(name)))
    for column in columns:
        row = -1 if column.new else graph.index(column.name)
        wanted[column.name] = (column.parent or str(graph.node(column.name).parent), row)
    place = {name: at for at, name in enumerate(wanted)}
    parents = [place.get(parent, -1) for parent, _ in wanted.values()]
    nodes = [(name, row) for name, (_, row) in wanted.items()]
    return GraphRows(nodes, parents, [place[column.name] for column in columns])


def density_of(block: BlockPoints) -> float:
    """First returns a m2 over the covered ground of a block."""
    return covered_density(block.xyz_m[:, :2], block.return_number)
