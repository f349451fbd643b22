"""Measure the classic way beside the network: boosted trees over hand-made features of each voxel.

    .venv/bin/python scripts/boosted_clouds.py DATA [--cities FOLDER] [--neon FOLDER] --out JSON

DATA holds stored clouds, as `cityseg train cityseg` keeps them; FOLDER generated test cities and forest plots. Trained without Amsterdam and
Montpellier; the newest stored cities are kept out too, to choose how frequent leaves count and what seen ones cost. One core:
OMP_NUM_THREADS=1. Needs scikit-learn, which the product does not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import laspy
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from inference_backend.training.calibrate_cityseg import COSTS, KEPT, harmonic_iou  # noqa: E402
from inference_backend.training.cloud_store import StoredCloud  # noqa: E402
from scripts.benchmarks.boosted_trees import (  # noqa: E402
    GROUPS,
    LEAVES,
    SEEN,
    Boosted,
    blocks_of,
    both_ways,
    by_attributes,
    draw,
    feature_names,
    features_of,
)

_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_NOT_JUDGED = (0, 7, 18, 64, 65, 66)
_SAMPLED, _JUDGED = 12_000, 100_000
"""Points of each kept out city, and of each test city."""
_WAYS = {"attributes": by_attributes, "attributes, seen leaves by trees": both_ways}
Judged = dict[str, tuple[int, tuple[int, ...]]]
"""Measure -> group answered, codes that it is in the survey."""
SURVEY: Judged = {"ground": (0, (2,)), "building": (1, (6,)), "vegetation": (2, (3, 4, 5))}


def main() -> int:
    """Train, measure, and write the figures after each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cities", type=Path)
    parser.add_argument("--neon", type=Path, default=ROOT / "../shared/data/neon_trees/lidar")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blocks", type=int, default=600)
    parser.add_argument("--trees", type=int, default=150)
    parser.add_argument("--most-cities", type=int, default=12)
    args = parser.parse_args()
    if importlib.util.find_spec("sklearn") is None:
        raise SystemExit("Install scikit-learn first: uv pip install scikit-learn")
    report = Report(args.out)
    groups, leaves, kept_out = draw(args.data, args.blocks, np.random.default_rng(0))
    report.add("training", {"blocks": args.blocks, "group rows": groups.kept.tolist()})
    model = Boosted(groups, leaves, args.trees)
    report.add(
        "leaf rows", dict(zip(LEAVES.tolist(), leaves.kept.astype(int).tolist(), strict=True))
    )
    for name in ("amsterdam", "montpellier"):
        clouds = [StoredCloud.load(path) for path in sorted(args.data.glob(f"real-{name}-*.npz"))]
        report.add(name, on_survey(model, clouds, SURVEY, _NOT_JUDGED))
    plots = [_laz(path, "classification") for path in sorted(args.neon.glob("*.laz"))]
    judged = {"ground": (0, (2,)), "vegetation": (2, (5,))}
    report.add("neon", on_survey(model, plots, judged, (1, 7)) if plots else None)
    for path in sorted(args.data.glob("real-montpellier-*.npz")):
        report.add("importance, Montpellier", importance(model, StoredCloud.load(path)))
    chosen = choose(model, [StoredCloud.load(path) for path in kept_out])
    report.add("chosen on kept out cities", chosen)
    if args.cities:
        paths = sorted(args.cities.glob("city-*.laz"))[: args.most_cities]
        clouds = (_laz(path, "cityseg_truth") for path in paths)
        report.add("generated", on_cities(model, clouds, chosen))
    return 0


class Report:
    """The figures so far, in a file and on the screen; `seconds` is processor time since the last part."""

    def __init__(self, path: Path) -> None:
        self._path, self._parts, self._since = path, {}, time.process_time()

    def add(self, name: str, figures: dict | None) -> None:
        """Take a part's figures down."""
        now = time.process_time()
        self._parts[name] = {"figures": figures, "seconds": round(now - self._since, 1)}
        self._since = now
        self._path.write_text(json.dumps(self._parts, indent=1), encoding="utf-8")
        sys.stdout.write(f"{name}: {json.dumps(self._parts[name])}\n")
        sys.stdout.flush()


def _laz(path: Path, field: str) -> StoredCloud:
    """A cloud with the labels of `field`; colours of 16 bit become 8."""
    las = laspy.read(path)
    names = set(las.point_format.dimension_names)
    xyz = np.stack([las.x, las.y, las.z], 1)
    columns = [np.asarray(las[n]) for n in ("intensity", "return_number", "number_of_returns")]
    rgb = np.stack([las.red, las.green, las.blue], 1) // 257 if "red" in names else None
    return StoredCloud(xyz - xyz.min(0), np.asarray(las[field]), *columns, rgb, "", path.stem)


def on_survey(
    model: Boosted, clouds: Iterable[StoredCloud], judged: Judged, ignored: tuple[int, ...]
) -> dict:
    """IoU over points of the likeliest group, of the trees alone and settled; and points a second."""
    counts = np.zeros((2, len(GROUPS), 256), np.int64)
    points = spent = 0.0
    for cloud in clouds:
        for voxels, inverse, index in blocks_of(cloud):
            start = time.process_time()
            answers = model.groups(features_of(voxels), voxels)
            spent += time.process_time() - start
            points += len(voxels.inverse)
            for k, answer in enumerate(answers):
                flat = answer.argmax(1)[inverse] * 256 + cloud.label[index]
                counts[k] += np.bincount(flat, minlength=len(GROUPS) * 256).reshape(-1, 256)
    counts[:, :, list(ignored)] = 0
    found = {}
    for k, way in enumerate(("trees", "settled")):
        for name, (group, codes) in judged.items():
            hit = counts[k, group, list(codes)].sum()
            union = counts[k, group].sum() + counts[k][:, list(codes)].sum() - hit
            if counts[k][:, list(codes)].any():
                found[f"{name}, {way}"] = round(float(hit / union), 4)
    return {**found, "points a second, voxels to groups": round(points / spent)}


def importance(model: Boosted, cloud: StoredCloud, most: int = 5_000) -> dict:
    """What building and vegetation IoU of the trees alone lose when a family of features is dealt out by chance, largest first."""
    rng, parts = np.random.default_rng(0), []
    for voxels, inverse, index in blocks_of(cloud):
        point = rng.permutation(len(inverse))[:2_000]
        parts.append((features_of(voxels)[inverse[point]], cloud.label[index[point]]))
    x, label = (np.concatenate(each) for each in zip(*parts, strict=True))
    some = rng.permutation(np.flatnonzero(~np.isin(label, _NOT_JUDGED)))[:most]
    x, label = x[some], label[some]

    def scores(features: np.ndarray) -> np.ndarray:
        answer = model.group.predict(features)
        pairs = [(answer == SURVEY[n][0], np.isin(label, SURVEY[n][1])) for n in SURVEY]
        return np.array([(a & b).sum() / max((a | b).sum(), 1) for a, b in pairs])

    whole, names = scores(x), np.array(feature_names())
    loss = {}
    scales = [f"@{k}" for k in range(4)]
    families = {name: names == name for name in dict.fromkeys(names.tolist())}
    families |= {f"all {s}": np.char.endswith(names, s) for s in scales}
    kinds = ("own", "shape", "mean", "around", "range", "shape planar", "shape scattered")
    families |= {f"all {k}": np.char.startswith(names, k) for k in kinds}
    families |= {f"all with {k}": np.char.find(names, k) >= 0 for k in ("hag", "echo", "intensity")}
    for name, columns in families.items():
        dealt = x.copy()
        dealt[:, columns] = dealt[rng.permutation(len(x))][:, columns]
        loss[name] = np.round(whole - scores(dealt), 4).tolist()
    ordered = sorted(loss, key=lambda name: -max(loss[name][1:]))
    return {"of": [*SURVEY], "whole": whole.tolist(), **{n: loss[n] for n in ordered[:30]}}


def choose(model: Boosted, clouds: Iterable[StoredCloud]) -> dict:
    """On kept out cities, by some points of each: how much a leaf's frequency counts, and the cost of seen leaves for each way."""
    rng, parts = np.random.default_rng(1), []
    for cloud in clouds:
        share = _SAMPLED / len(cloud)
        for voxels, inverse, index in blocks_of(cloud):
            point = np.flatnonzero(rng.random(len(inverse)) < share)
            if not len(point):
                continue
            x = features_of(voxels)
            group, rows = model.groups(x, voxels)[1], inverse[point]
            group, x = group[rows], x[rows]
            shares, likely = model.leaf_shares(x, group), model.by_measures(x)
            parts.append((group, shares, likely, cloud.label[index[point]].astype(int) - 1))
    group, shares, likely, truth = (np.concatenate(each) for each in zip(*parts, strict=True))
    seen = [model.seen_answer(group, shares, power) for power in _POWERS]
    found = [_means(_matrix(truth, answer.argmax(1)))["seen"] for answer in seen]
    best = int(np.argmax(found))
    chosen = {"power": _POWERS[best], "power: mean IoU": dict(zip(_POWERS, found, strict=True))}
    for name, way in _WAYS.items():
        told = [_answer(way, group, seen[best], likely, cost) for cost in COSTS]
        score = np.array([harmonic_iou(truth, answer, SEEN) for answer in told])
        right = np.array([(answer == truth).mean() for answer in told])
        kept = np.where(right >= KEPT * right[0], score, -1)
        chosen[name] = {
            "cost": float(COSTS[score.argmax()]),
            "hIoU": float(score.max()),
            "cost that keeps 97 % of right points": float(COSTS[kept.argmax()]),
        }
    return chosen


def _answer(
    way: Callable[..., np.ndarray],
    group: np.ndarray,
    seen: np.ndarray,
    likely: np.ndarray,
    cost: float,
) -> np.ndarray:
    given = (group, likely, cost) if way is by_attributes else (group, seen, likely, cost)
    return way(*given).argmax(1)


def on_cities(model: Boosted, clouds: Iterable[StoredCloud], chosen: dict) -> dict:
    """Test cities, by points drawn evenly: leaves among seen ones; then all leaves competing, hidden ones without an example."""
    rng, matrices, points, spent = np.random.default_rng(2), {}, 0, 0.0
    for cloud in clouds:
        share = _JUDGED / len(cloud)
        for voxels, inverse, index in blocks_of(cloud):
            point = np.flatnonzero(rng.random(len(inverse)) < share)
            if not len(point):
                continue
            start = time.process_time()
            x = features_of(voxels)
            group = model.groups(x, voxels)[1]
            spent += time.process_time() - start
            rows, of = np.unique(inverse[point], return_inverse=True)
            group, x = group[rows], x[rows]
            start = time.process_time()
            seen = model.seen_answer(group, model.leaf_shares(x, group), chosen["power"])
            told = {"seen leaves": seen.argmax(1)}
            # As if all voxels had been asked for their leaves.
            spent += (time.process_time() - start) * len(voxels.features) / len(rows)
            points += len(voxels.inverse)
            likely = model.by_measures(x)
            for name, way in _WAYS.items():
                for words, cost in chosen[name].items():
                    if words.startswith("cost"):
                        told[f"{name}, {words}"] = _answer(way, group, seen, likely, cost)
            truth = cloud.label[index[point]].astype(int) - 1
            for name, answer in told.items():
                matrices[name] = matrices.get(name, 0) + _matrix(truth, answer[of])
    found = {name: _means(matrix) for name, matrix in matrices.items()}
    judged = int(matrices["seen leaves"].sum())
    return {
        **found,
        "points judged": judged,
        "points a second, voxels to leaves": round(points / spent),
    }


def _matrix(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Points by truth (down) and answer; unlabelled ones left out."""
    size, known = len(LEAVES), truth >= 0
    flat = truth[known] * size + answer[known]
    return np.bincount(flat, minlength=size * size).reshape(size, size)


def _means(matrix: np.ndarray) -> dict:
    """Means over the leaves that the truth has (points of all leaves count), the harmonic one, IoU of each, share of right points."""
    hit = np.diag(matrix)
    iou = hit / np.maximum(matrix.sum(0) + matrix.sum(1) - hit, 1)
    there = matrix.sum(1) > 0
    seen = float(iou[there & SEEN].mean())
    unseen = float(iou[there & ~SEEN].mean()) if (there & ~SEEN).any() else 0.0
    return {
        "seen": round(seen, 4),
        "seen leaves": int((there & SEEN).sum()),
        "unseen": round(unseen, 4),
        "hIoU": round(2 * seen * unseen / max(seen + unseen, 1e-9), 4),
        "all that occur": round(float(iou[there].mean()), 4),
        "OA": round(float(hit.sum() / matrix.sum()), 4),
        "IoU": {str(LEAVES[k]): round(float(iou[k]), 4) for k in np.flatnonzero(there)},
    }


if __name__ == "__main__":
    sys.exit(main())
