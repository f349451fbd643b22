"""Losses of the cloud network: partial labels, levels of the graph, hinge among siblings.

A label is a set of leaves. What is learned is that the sum of their probabilities is one; which of them it is stays open.
Source of the hinge and the levels: CitySeg (arXiv 2508.09470), by our reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference_backend.models.cityseg.graph_encoder import Hierarchy, conditional_log

MARGIN = 0.3
_HARDEST = 3
_NODE_MARGIN = 0.6


@dataclass
class LabelRows:
    """The label table on the device. `sets` bool (R, leaves); `single` int64 (R,) the leaf where there is one, else -1;
    `within` float (R, nodes) the nodes whose leaves hold the whole set; `weight` float (R,).
    """

    sets: Tensor
    single: Tensor
    within: Tensor
    weight: Tensor

    @classmethod
    def of(cls, sets: np.ndarray, below: np.ndarray, device: str = "cpu") -> LabelRows:
        """`sets` bool (R, leaves), `below` bool (nodes, leaves): leaves at or below each node."""
        single = np.where(sets.sum(1) == 1, sets.argmax(1), -1)
        within = (sets.any(1)[:, None]) & ~(sets[:, None, :] & ~below[None]).any(2)
        weight = sets.any(1).astype(np.float32)
        return cls(
            torch.from_numpy(sets.copy()).to(device),
            torch.from_numpy(single).to(device),
            torch.from_numpy(within.astype(np.float32)).to(device),
            torch.from_numpy(weight).to(device),
        )


@dataclass(frozen=True)
class Emphasis:
    """How much each loss counts: `leaf` for the set of leaves, `levels` for the nodes above it, `hinge`, `align`."""

    leaf: float = 1.0
    levels: float = 0.5
    hinge: float = 0.0
    align: float = 0.0


def cloud_loss(
    embedding: Tensor,
    prototypes: Tensor,
    temperature: Tensor,
    rows: Tensor,
    table: LabelRows,
    tree: Hierarchy,
    emphasis: Emphasis,
) -> tuple[Tensor, dict[str, float]]:
    """`embedding` (V, D) and `prototypes` (nodes, D) are unit vectors, the leaves the first nodes; `rows` int64 (V,)."""
    known = table.weight[rows] > 0
    embedding, rows = embedding[known], rows[known]
    if not len(rows):
        return embedding.sum() * 0, {}
    cosine = embedding @ prototypes.T
    choice = conditional_log(temperature * cosine, tree)
    leaf = choice @ tree.paths.T
    sets = table.sets[rows]
    inside = leaf.masked_fill(~sets, -1e4).logsumexp(1)
    weight = table.weight[rows]
    weight = weight / weight.sum()
    leaf_loss = -(weight * inside).sum()
    # Every node above a label that holds all of it is right: its own choice among its siblings is taught.
    level_loss = -(weight * (choice * table.within[rows]).sum(1)).sum()
    loss = emphasis.leaf * leaf_loss + emphasis.levels * level_loss
    figures = {"nll": float(leaf_loss.detach()), "level": float(level_loss.detach())}
    single = table.single[rows]
    sure = single >= 0
    if sure.any() and emphasis.hinge:
        hinge = sibling_hinge(cosine[sure], single[sure], tree) + prototype_hinge(prototypes, tree)
        loss = loss + emphasis.hinge * hinge
        figures["hinge"] = float(hinge.detach())
    if sure.any() and emphasis.align:
        near = (embedding[sure] * prototypes.detach()[single[sure]]).sum(1)
        loss = loss + emphasis.align * (1 - near).mean()
    with torch.no_grad():
        best = leaf.argmax(1, keepdim=True)
        right = sets.gather(1, best)[:, 0].float()
        figures["right"] = float(right.mean())
        figures["right_leaf"] = float(right[sure].mean()) if sure.any() else float("nan")
    return loss, figures


def sibling_hinge(cosine: Tensor, leaf: Tensor, tree: Hierarchy) -> Tensor:
    """max(0, margin - s(own) + s(sibling)), mean over the three hardest siblings."""
    siblings = tree.relations[2][leaf]
    own = cosine.gather(1, leaf[:, None])
    gap = (MARGIN - own + cosine).clamp_min(0) * siblings
    return gap.topk(min(_HARDEST, gap.shape[1]), 1).values.mean()


def prototype_hinge(prototypes: Tensor, tree: Hierarchy) -> Tensor:
    """Siblings may not be nearer to each other than a cosine of 1 - margin."""
    near = prototypes @ prototypes.T
    return ((near - (1 - _NODE_MARGIN)).clamp_min(0) * tree.relations[2]).sum() / tree.relations[
        2
    ].sum().clamp_min(1)
