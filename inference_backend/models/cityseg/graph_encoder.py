"""From the label graph's texts and shapes to class prototypes, and from prototypes to probabilities down the graph.

No parameter belongs to a class: a prototype is made of what the node is called and described as, of its typical measures
where they are known, and of the nodes around it. A node that no training ever saw gets one in the same way. ("Graph
encoder" and "hierarchical classification" of CitySeg, arXiv 2508.09470; details are our reading, the paper's are not public.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inference_backend.models.cityseg.label_graph import Geometry

TEXT_WIDTH = 384
MEASURES = len(fields(Geometry))
_LAYERS = 2
_RELATIONS = 3  # parent, children, siblings
_MEASURE_NAMES = tuple(field.name for field in fields(Geometry))


def measures_of(geometry: Geometry | None) -> np.ndarray:
    """float32 (2 * MEASURES,): the typical numbers brought to about -1 to 2, then which of them are known."""
    out = np.zeros(2 * MEASURES, np.float32)
    for place, name in enumerate(_MEASURE_NAMES):
        value = getattr(geometry, name) if geometry is not None else None
        if value is None:
            continue
        if name == "slope_deg":
            scaled = value / 45
        elif name.endswith("_m"):
            scaled = np.sign(value) * np.log1p(abs(value)) / 2
        else:
            scaled = 2 * value - 0.5
        out[place], out[MEASURES + place] = scaled, 1
    return out


@dataclass
class Hierarchy:
    """The nodes that take part, as tensors. `families` lists, for each inner node, its children's rows; `paths` float
    (leaves, nodes) has ones on the way from below the root to each leaf; `relations` bool (3, nodes, nodes).
    """

    families: list[Tensor]
    paths: Tensor
    relations: Tensor

    @classmethod
    def of(cls, parents: Sequence[int], leaves: Sequence[int], device: str = "cpu") -> Hierarchy:
        """`parents` row of each node's parent (-1: root); `leaves` rows of the leaves, in the order of the answers."""
        up = np.asarray(parents)
        count = len(up)
        families = [np.flatnonzero(up == node) for node in range(count)]
        families = [torch.as_tensor(f, device=device) for f in families if len(f)]
        paths = np.zeros((len(leaves), count), np.float32)
        for place, node in enumerate(leaves):
            while up[node] >= 0:
                paths[place, node] = 1
                node = up[node]
        parent = np.zeros((count, count), bool)
        parent[np.flatnonzero(up >= 0), up[up >= 0]] = True
        sibling = (up[:, None] == up[None]) & (up >= 0)[:, None] & ~np.eye(count, dtype=bool)
        relations = torch.as_tensor(np.stack([parent, parent.T, sibling]), device=device)
        return cls(families, torch.as_tensor(paths, device=device), relations)


class GraphEncoder(nn.Module):
    """Two layers of attention along typed edges over text and measures: (nodes, 384), (nodes, 18) to (nodes, width)."""

    def __init__(self, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.register_buffer("text_mean", torch.zeros(TEXT_WIDTH))
        self.register_buffer("text_axes", torch.zeros(TEXT_WIDTH, hidden))
        self.text = nn.Linear(hidden, hidden)
        self.measures = nn.Linear(2 * MEASURES, hidden)
        self.layers = nn.ModuleList([_GraphLayer(hidden) for _ in range(_LAYERS)])
        self.out = nn.Linear(hidden, width)
        self.direct = nn.Linear(hidden, width)

    def whiten(self, texts: np.ndarray) -> None:
        """Take mean and main axes from sentence vectors (P, 384): class names lie close together in the raw space."""
        mean = texts.mean(0)
        _, size, axes = np.linalg.svd(texts - mean, full_matrices=False)
        size = np.maximum(size / np.sqrt(len(texts)), 0.25 * size[0] / np.sqrt(len(texts)))
        kept = min(self.text_axes.shape[1], len(axes))
        self.text_mean.copy_(torch.as_tensor(mean))
        self.text_axes.zero_()
        self.text_axes[:, :kept] = torch.as_tensor((axes[:kept] / size[:kept, None] / 4).T)

    def forward(
        self, text: Tensor, measures: Tensor, relations: Tensor, edge_drop: float = 0.0
    ) -> Tensor:
        """Unit prototypes (nodes, width). `edge_drop` forgets a share of the edges while training.

        A prototype is what sets a node apart from its siblings: their mean is taken off before it gets its unit length. A
        choice among siblings rests on these differences alone, and names of classes are far too alike without (measured
        after 1,000 steps: cosines of 0.9 to 0.99 between "building", "vegetation" and "vehicle", and no roof told from a tree).
        """
        family = relations[2] | torch.eye(len(text), dtype=torch.bool, device=text.device)
        words = self.text((text - self.text_mean) @ self.text_axes)
        h = words + self.measures(measures)
        if edge_drop > 0:
            relations = relations & (torch.rand(relations.shape, device=h.device) >= edge_drop)
        for layer in self.layers:
            h = layer(h, relations)
        raw = self.direct(F.relu(words)) + self.out(h)
        share = family / family.sum(1, keepdim=True)
        return F.normalize(raw - share @ raw, dim=1)


class _GraphLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * _RELATIONS * width)
        self.out = nn.Linear(_RELATIONS * width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, relations: Tensor) -> Tensor:
        count, width = h.shape
        q, k, v = self.qkv(self.norm(h)).view(count, 3, _RELATIONS, width).permute(1, 2, 0, 3)
        score = (q @ k.transpose(1, 2)) / width**0.5
        score = score.masked_fill(~relations, -1e4)
        # A node without such an edge hears nothing from that relation.
        weight = score.softmax(2) * relations.any(2, keepdim=True)
        heard = (weight @ v).permute(1, 0, 2).reshape(count, -1)
        h = h + self.out(heard)
        return h + self.mlp(h)


def conditional_log(scores: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log P(node | its parent) from scores (N, nodes): a softmax among the children of each inner node."""
    out = torch.zeros_like(scores)
    for family in hierarchy.families:
        out[:, family] = scores[:, family].log_softmax(1)
    return out


def leaf_log(scores: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log P(leaf) (N, leaves): the product of the choices from the root down to it."""
    return conditional_log(scores, hierarchy) @ hierarchy.paths.T
