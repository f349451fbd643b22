"""Point clouds from a file to a file: speed at two sizes, memory, and the ground beside a filter of SMRF kind on the same tile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import torch

from inference_backend.classify_scheme import all_known
from inference_backend.models.cityseg.classes import ClassSet
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.network import CloudConfig
from inference_backend.models.cloud_registry import get_cloud_model
from inference_backend.points.blocks import RawPoints, make_block, survey
from inference_backend.points.ground import filter_ground
from inference_backend.points.surface import SurfaceGrid
from inference_backend.training.clouds.scan import make_cloud
from scripts.benchmarks.randla import RandLaLike
from scripts.benchmarks.report import ROOT, Row

# Held out: seeds of the test range.
_SEED, _SIDE_M, _DENSITY = 2_000_041, 192, 15.0
_GOAL_RATE, _GOAL_MB = 150_000.0, 3000.0
_TERRAIN_CODES = (2, 10, 11)
_BLOCK_M = 96.0
# Copies a side: 103 million points.
_LARGE, _SMALLER = 14, 4
# Run in a process of its own: memory is that of the whole run and of nothing else.
_CHILD = """
import json, resource, sys
from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from inference_backend.models.cloud_registry import get_cloud_model
source, out, device = sys.argv[1:]
model = get_cloud_model("default-3d", device)
found = run_classify_job(ClassifyJob(source, out, device=device), model=model)
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak_mb": peak_mb, **{k: found[k] for k in ("count", "seconds", "passes", "density")}}))
"""


def measure(device: str, quick: bool, folder: Path) -> list[Row]:
    """Rows of `Point clouds`. Peak memory is told where the platform does (not on Windows)."""
    cloud = make_cloud(_SEED, _SIDE_M, "als", _DENSITY)
    small = _written(folder / "small.laz", cloud, 2)
    large = _written(folder / "large.laz", cloud, 3 if quick else 6)
    beside, found = (_classified(path, device) for path in (small, large))
    rate = found["count"] / found["seconds"]
    passes = ", ".join(f"{name} {spent:.1f}" for name, spent in found["passes"].items())
    per_million = [1e6 * run["seconds"] / run["count"] for run in (found, beside)]
    rows = [
        Row(
            f"a million points, read to written, of {found['count'] / 1e6:.1f} million at {found['density']:.0f} a m²",
            per_million[0],
            "s",
            f"of {beside['count'] / 1e6:.1f} million",
            per_million[1],
            f"< {1e6 / _GOAL_RATE:.1f} s ({_GOAL_RATE:,.0f} points a second)",
            rate >= _GOAL_RATE,
            f"{rate:,.0f} points a second; {passes} s",
        ),
        Row(
            f"peak memory of {found['count'] / 1e6:.1f} million points",
            found["peak_mb"],
            "MB",
            f"of {beside['count'] / 1e6:.1f} million",
            beside["peak_mb"],
            f"< {_GOAL_MB:,.0f} MB at 100 million",
            found["peak_mb"] < _GOAL_MB,
        ),
    ]
    return [*rows, _ground(cloud, folder, device), _network(cloud)]


def measure_large(device: str, quick: bool, folder: Path) -> list[Row]:
    """Memory of a hundred million points from file to file, beside that of a twelfth of them. No quick form."""
    cloud = make_cloud(_SEED, _SIDE_M, "als", _DENSITY)
    beside = _classified(_written(folder / "smaller.laz", cloud, _SMALLER), device)
    found = _classified(_written(folder / "large.laz", cloud, _LARGE), device)
    return [
        Row(
            f"peak memory of {found['count'] / 1e6:.0f} million points",
            found["peak_mb"],
            "MB",
            f"of {beside['count'] / 1e6:.1f} million",
            beside["peak_mb"],
            f"< {_GOAL_MB:,.0f} MB",
            found["peak_mb"] < _GOAL_MB,
            f"{found['count'] / found['seconds']:,.0f} points a second",
        )
    ]


def _written(path: Path, cloud, times: int) -> Path:
    """The city `times` by `times`, every second copy mirrored so that edges meet, row after row as a survey flies."""
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.001), np.array([650_000.0, 6_860_000.0, 0.0])
    with laspy.open(path, "w", header=header) as target:
        for row in range(times):
            for col in range(times):
                x, y = cloud.xyz[:, 0], cloud.xyz[:, 1]
                x = _SIDE_M - x if col % 2 else x
                y = _SIDE_M - y if row % 2 else y
                points = laspy.ScaleAwarePointRecord.zeros(len(x), header=header)
                points.x = x + 650_000.0 + col * _SIDE_M
                points.y = y + 6_860_000.0 + row * _SIDE_M
                points.z = cloud.xyz[:, 2]
                points.intensity = cloud.intensity
                points.return_number = cloud.return_number
                points.number_of_returns = cloud.number_of_returns
                target.write_points(points)
    return path


def _classified(path: Path, device: str) -> dict:
    command = [sys.executable, "-c", _CHILD, str(path), str(path.with_suffix(".out.laz")), device]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _ground(cloud, folder: Path, device: str) -> Row:
    """Share of points that are ground or called ground and not both: the model beside the filter, on one held-out tile."""
    path = _written(folder / "tile.laz", cloud, 1)
    _classified(path, device)
    codes = np.asarray(laspy.read(path.with_suffix(".out.laz")).classification)
    truth = np.isin(label_graph().leaf_codes[cloud.leaf], _TERRAIN_CODES)
    x, y, z = cloud.xyz.T
    grid = SurfaceGrid((float(x.min()), float(y.min()), float(x.max()), float(y.max())))
    grid.add(x, y, z)
    filtered = filter_ground(grid.low(), grid.cell_m, grid.corner_m).is_ground(x, y, z)
    return Row(
        "ground missed or wrongly added, generated city never trained on",
        100 * (1 - _iou(np.isin(codes, _TERRAIN_CODES), truth)),
        "% (1 − IoU)",
        "filter of SMRF kind (points.ground)",
        100 * (1 - _iou(filtered, truth)),
        "< 7 %",
    )


def _network(cloud) -> Row:
    """One block through our network and through a network on nearest neighbours of the same widths, one thread each."""
    kept = np.flatnonzero(cloud.xyz[:, :2].max(1) < _BLOCK_M)
    x, y, z = cloud.xyz[kept].T
    returns = (cloud.return_number[kept], cloud.number_of_returns[kept])
    points = RawPoints(np.arange(len(kept)), x, y, z, cloud.intensity[kept], *returns)
    block = make_block(points, survey(points), (0.0, 0.0, _BLOCK_M, _BLOCK_M), 0.0)
    model = get_cloud_model("default-3d", "cpu")
    classes = ClassSet.of(all_known(label_graph()).columns)
    other = RandLaLike(8, CloudConfig().widths, len(classes)).eval()
    features = torch.rand(len(kept), 8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            ours = _best_of(3, lambda: model.predict_block(block, classes))
            beside = _best_of(1, lambda: other(features, block.xyz_m, np.random.default_rng(0)))
    finally:
        torch.set_num_threads(threads)
    return Row(
        f"the network alone on {len(kept):,} points, voxels to probabilities, one core",
        ours,
        "s",
        "RandLA-Net of equal width, with its neighbour search",
        beside,
        note=f"{len(kept) / ours:,.0f} against {len(kept) / beside:,.0f} points a second; random weights there: cost only",
    )


def _best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of CPU: other work on the machine counts for neither side."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def _iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max((found | truth).sum(), 1))
