"""Boosted trees over hand-made features of each voxel, at several scales: the classic way of classifying clouds.

One model for the groups at the top of the label graph, one for the leaves of each group, one for each measure of a thing.
Needs scikit-learn. Features: Weinmann et al. 2015; unseen leaves by attributes: Lampert et al. 2009, direct prediction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from inference_backend.models.cityseg.adapter import density_of
from inference_backend.models.cityseg.graph_encoder import MEASURES, measures_of
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.settling import Neighbourhood, settled
from inference_backend.models.cityseg.voxels import LEVELS, Voxels, voxelise
from inference_backend.points.blocks import RawPoints, make_block, survey
from inference_backend.points.density import grid_for
from inference_backend.training.cloud_data import (
    CloudPlan,
    CloudSource,
    seen_leaves,
    training_table,
)
from inference_backend.training.cloud_store import StoredCloud

GROUPS = ("terrain", "building", "vegetation", "other")
GRAPH, SEEN = label_graph(), seen_leaves()
LEAVES = np.array(GRAPH.leaves)
GROUP_OF = np.full(len(LEAVES), 3)
for _place, _name in enumerate(GROUPS[:3]):
    GROUP_OF[GRAPH.leaf_mask([_name])] = _place
_FEATURE_WORDS = (
    "hag,hag,hag,place,place,place,place,points,echoes,echoes,echoes,intensity,intensity"
)
_FEATURE_WORDS += ",colour,colour,colour,colour" + ",column" * 5 + ",domain,domain,domain"
_SHAPE_WORDS = "linear,planar,scattered,normal up,axis up,thickness,points,filled,height,spread z,spread 2,spread 1"
_POOLED = (
    "hag",
    "echo order",
    "echoes",
    "single echo",
    "intensity",
    "below top",
    "column voxels",
    "top",
)
_POOLED_AT, _POOLED_SHAPES = (0, 8, 9, 10, 11, 17, 19, 20), (1, 2, 3, 5)
_KEPT_OUT, _SIDE_M, _HALO_M = 16, 128.0, 12.0
_LIKELY = 0.03
"""Leaves of a group are only looked at where the group is at least so likely."""


def feature_names() -> list[str]:
    """What each column of `features_of` is: its family, then where it was taken."""
    names = [f"own {word}" for word in _FEATURE_WORDS.split(",")]
    shapes = _SHAPE_WORDS.split(",")
    names += [f"shape {word} @{level}" for level in range(LEVELS) for word in shapes]
    words = [*_POOLED, *(shapes[k] for k in _POOLED_SHAPES)]
    for level in range(1, LEVELS):
        names += [f"mean {word} @{level}" for word in (*words, "hag squared")]
        names += [f"range hag @{level}"] * 2 + [f"around {word} @{level}" for word in words]
    return names + ["context"] * 4


def features_of(voxels: Voxels) -> np.ndarray:
    """float32 (V, F): own features, shape of all levels, means and range over what shares a coarser voxel and its neighbours."""
    own, levels = voxels.features, voxels.levels
    base = np.concatenate([own[:, _POOLED_AT], levels[0].shape[:, _POOLED_SHAPES]], 1)
    base = np.concatenate([base, base[:, :1] ** 2], 1)
    found, at = [own, levels[0].shape], np.arange(len(own))
    pools = []
    for below, level in zip(levels[:-1], levels[1:], strict=True):
        at = below.parent[at]
        found.append(level.shape[at])
        count = np.bincount(at, minlength=level.count)
        sums = np.stack([np.bincount(at, column, level.count) for column in base.T], 1)
        order = np.argsort(at, kind="stable")
        starts = np.searchsorted(at[order], np.arange(level.count))
        hag = base[order, 0]
        ends = [np.minimum.reduceat(hag, starts), np.maximum.reduceat(hag, starts)]
        full = np.concatenate([np.column_stack([count, sums]), np.zeros((1, 1 + sums.shape[1]))])
        around = sum(full[row] for row in level.neighbours)
        near = around[:, 1:-1] / around[:, :1]
        pools.append(np.column_stack([sums / count[:, None], *ends, near])[at])
    cell = np.clip(np.floor(voxels.centres_m(0) / 4).astype(int) + 32, 0, 63)
    context = voxels.context[:, cell[:, 1], cell[:, 0]].T
    return np.concatenate([*found, *pools, context], 1).astype(np.float32)


class Rows:
    """Training rows drawn evenly over classes, block by block; `natural` and `kept` count voxels of each class."""

    def __init__(self, classes: int, most: int, rng: np.random.Generator) -> None:
        self.most, self.rng = most, rng
        self.x: list[np.ndarray] = []
        self.y: list[np.ndarray] = []
        self.weight: list[np.ndarray] = []
        self.natural, self.kept = np.zeros(classes), np.zeros(classes)

    def add(self, features: np.ndarray, label: np.ndarray) -> None:
        """Up to `most` rows of each class in this block; a label below 0 is left out."""
        for name in np.unique(label[label >= 0]):
            mine = np.flatnonzero(label == name)
            some = self.rng.permutation(mine)[: self.most]
            self.x.append(features[some])
            self.y.append(np.full(len(some), name))
            self.weight.append(np.full(len(some), len(mine) / len(some)))
            self.natural[name] += len(mine)
            self.kept[name] += len(some)

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features, labels, and how many voxels each row stands for."""
        return np.concatenate(self.x), np.concatenate(self.y), np.concatenate(self.weight)


class Boosted:
    """Trees for the groups, for the leaves within each group, and for the measures of a thing."""

    def __init__(self, groups: Rows, leaves: Rows, trees: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier as Classifier
        from sklearn.ensemble import HistGradientBoostingRegressor as Regressor

        how = {"learning_rate": 0.1, "early_stopping": False, "random_state": 0}
        x, y, weight = groups.joined()
        self.group = Classifier(max_iter=trees, **how).fit(x, y, weight)
        x, y, _ = leaves.joined()
        self.within = {}
        for place in range(len(GROUPS)):
            mine = GROUP_OF[y] == place
            self.within[place] = Classifier(max_iter=trees // 2, **how).fit(x[mine], y[mine])
        self.prior = leaves.natural / np.maximum(leaves.kept, 1)
        table = np.stack([measures_of(GRAPH.node(name).geometry) for name in LEAVES])
        self.typical, self.known = table[:, :MEASURES], table[:, MEASURES:] > 0
        self.measures, spread = [], []
        for m in range(MEASURES):
            mine = self.known[y, m]
            model = Regressor(max_iter=trees // 2, **how).fit(x[mine], self.typical[y[mine], m])
            answer = model.predict(x)
            error = np.var(answer[mine] - self.typical[y[mine], m])
            self.measures.append(model)
            spread.append((error, answer.mean(), answer.var()))
        self.error, self.mean, self.variance = np.array(spread).T

    def groups(self, x: np.ndarray, voxels: Voxels) -> tuple[np.ndarray, np.ndarray]:
        """(V, 4) of the trees alone, and after what stands followed its neighbours, as in the product."""
        raw = self.group.predict_proba(x).astype(np.float32)
        lying = torch.tensor([True, False, False, False])
        parts = (torch.from_numpy(raw), torch.eye(len(GROUPS)), lying)
        return raw, settled(*parts, Neighbourhood.of(voxels)).numpy()

    def leaf_shares(self, x: np.ndarray, group: np.ndarray) -> np.ndarray:
        """P(leaf | group) of seen leaves (V, leaves), from evenly drawn rows; zeros where the group is unlikely."""
        out = np.zeros((len(x), len(LEAVES)), np.float32)
        for place, model in self.within.items():
            rows = np.flatnonzero(group[:, place] > _LIKELY)
            if len(rows):
                out[rows[:, None], model.classes_] = model.predict_proba(x[rows])
        return out

    def by_measures(self, x: np.ndarray) -> np.ndarray:
        """log p(predicted measures | leaf) (V, leaves): Gaussian; what is not known of a leaf counts as for any thing."""
        out = np.zeros((len(x), len(LEAVES)), np.float32)
        for m, model in enumerate(self.measures):
            mean = np.where(self.known[:, m], self.typical[:, m], self.mean[m])
            wide = np.where(self.known[:, m], self.error[m], self.variance[m])
            off = model.predict(x)[:, None] - mean
            out -= (off**2 / wide + np.log(wide)) / 2
        return out

    def seen_answer(self, group: np.ndarray, shares: np.ndarray, power: float) -> np.ndarray:
        """P of each seen leaf (V, leaves); `power` 0 takes leaves of a group as equally frequent, 1 as they were."""
        weighed = shares * self.prior**power
        total = np.stack([weighed[:, g == GROUP_OF].sum(1) for g in range(len(GROUPS))], 1)
        return weighed * (group / np.maximum(total, 1e-9))[:, GROUP_OF]


def by_attributes(group: np.ndarray, likely: np.ndarray, cost: float) -> np.ndarray:
    """P of each leaf (V, leaves), seen or not: the group's, shared out by the likelihood of the measures."""
    score = likely - cost * SEEN
    out = np.empty_like(score)
    for g in range(len(GROUPS)):
        mine = g == GROUP_OF
        e = np.exp(score[:, mine] - score[:, mine].max(1, keepdims=True))
        out[:, mine] = group[:, g : g + 1] * e / e.sum(1, keepdims=True)
    return out


def both_ways(group: np.ndarray, seen: np.ndarray, likely: np.ndarray, cost: float) -> np.ndarray:
    """Unseen leaves by attributes; what they leave of the group goes to its seen leaves as the trees share it."""
    out = by_attributes(group, likely, cost)
    for g in range(len(GROUPS)):
        mine = (g == GROUP_OF) & SEEN
        left = out[:, mine].sum(1) / np.maximum(group[:, g], 1e-9)
        out[:, mine] = seen[:, mine] * left[:, None]
    return out


def draw(folder: Path, blocks: int, rng: np.random.Generator) -> tuple[Rows, Rows, list[Path]]:
    """Rows for groups and for leaves from disturbed blocks, as the network gets them; and the cities that were kept out."""
    sets, table = training_table()
    seen = np.flatnonzero(SEEN)
    inside = np.stack([sets[:, GROUP_OF[seen] == g].any(1) for g in range(len(GROUPS))], 1)
    group_of_row = np.where(inside.sum(1) == 1, inside.argmax(1), -1)
    leaf_of_row = np.where(sets.sum(1) == 1, seen[sets.argmax(1)], -1)
    cities = sorted(folder.glob("city-*.npz"), key=lambda path: int(path.stem.split("-")[1]))
    fit, kept_out = cities[:-_KEPT_OUT], cities[-_KEPT_OUT:]
    groups, leaves = Rows(len(GROUPS), 200, rng), Rows(len(LEAVES), 60, rng)
    with tempfile.TemporaryDirectory() as temporary:
        for path in [*fit, *folder.glob("real-*.npz")]:
            (Path(temporary) / path.name).symlink_to(path.resolve())
        plan = CloudPlan(Path(temporary), skip=("amsterdam", "montpellier"))
        for _, sample in zip(range(blocks), CloudSource(plan, table, 0), strict=False):
            features = features_of(sample.voxels)
            groups.add(features, group_of_row[sample.rows])
            if not sample.real:
                leaves.add(features, leaf_of_row[sample.rows])
    return groups, leaves, kept_out


def blocks_of(cloud: StoredCloud) -> Iterator[tuple[Voxels, np.ndarray, np.ndarray]]:
    """Voxels of each block with its halo, the voxel of each point of its core, and those points' places in the cloud."""
    x, y, z = cloud.xyz.T
    rgb = None if cloud.rgb is None else cloud.rgb.astype(np.uint16)
    returns = (cloud.return_number, cloud.number_of_returns)
    points = RawPoints(np.arange(len(cloud)), x, y, z, cloud.intensity, *returns, rgb)
    around = survey(points)
    for left in np.arange(x.min(), x.max() + 1e-6, _SIDE_M):
        for low in np.arange(y.min(), y.max() + 1e-6, _SIDE_M):
            core = (left, low, left + _SIDE_M, low + _SIDE_M)
            far = np.maximum(np.abs(x - left - _SIDE_M / 2), np.abs(y - low - _SIDE_M / 2))
            near = np.flatnonzero(far < _SIDE_M / 2 + _HALO_M)
            part = RawPoints(*[v if v is None else v[near] for v in vars(points).values()])
            if len(near):
                block = make_block(part, around, core, _HALO_M, rgb_full=255.0)
                if block.core.any():
                    voxels = voxelise(block, grid_for(density_of(block)))
                    yield voxels, voxels.inverse[block.core], near[block.core]
