"""The doctor's self-test of point clouds: a house on a lawn is written, classified, and read back."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

GROUND, BUILDING = 2, 6
_TERRAIN = (2, 3, 10, 11)
LEAST_GROUND = 0.8
"""A lawn is an easy object: with less of it called ground something is broken, not merely inexact."""
_SIDE_M, _DENSITY = 64, 12
_HOUSE_M = (22.0, 20.0, 38.0, 30.0)  # xmin, ymin, xmax, ymax
_ORIGIN = (650_000.0, 6_860_000.0, 100.0)


def classify_a_house(device: str = "auto") -> tuple[dict[str, Any], list[str]]:
    """(rows of the report, problems). Raises what the job raises."""
    import laspy

    from inference_backend.classify_job import run_classify_job
    from inference_backend.classify_request import ClassifyJob

    with tempfile.TemporaryDirectory(prefix="cityseg-") as folder:
        source, out = Path(folder) / "house.laz", Path(folder) / "classified.laz"
        truth = _write_house(source)
        began = time.perf_counter()
        answer = run_classify_job(ClassifyJob(str(source), str(out), device=device))
        seconds = time.perf_counter() - began
        before, after = laspy.read(source), laspy.read(out)
        whole = all(np.array_equal(before[axis], after[axis]) for axis in "XYZ")
        codes = np.asarray(after.classification)
    problems = []
    if not whole:
        problems.append("A classified point cloud lost points; install the plugin again.")
        return {"cloud": "points were lost"}, problems
    right = {
        "ground": float(np.isin(codes[truth == GROUND], _TERRAIN).mean()),
        "building": float((codes[truth == BUILDING] == BUILDING).mean()),
    }
    told = ", ".join(f"{name} {share:.0%}" for name, share in right.items())
    rows = {
        "cloud": f"{answer['count']:,} points by {answer['model']} in {seconds:.1f} s; right: {told}"
    }
    if right["ground"] < LEAST_GROUND:
        problems.append(
            f"The cloud model's answer to a lawn is wrong ({right['ground']:.0%} ground); install the plugin again."
        )
    return rows, problems


def _write_house(path: Path) -> np.ndarray:
    """A lawn and a house with a gable roof and walls; the code of each point."""
    import laspy
    from pyproj import CRS

    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, _SIDE_M, (2, _SIDE_M**2 * _DENSITY))
    xmin, ymin, xmax, ymax = _HOUSE_M
    inside = (x > xmin) & (x < xmax) & (y > ymin) & (y < ymax)
    ridge = (ymax - ymin) / 2 - np.abs(y - (ymin + ymax) / 2)
    z = np.where(inside, 5 + 0.7 * ridge, 0.0) + rng.normal(0, 0.02, len(x))
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.01), np.array(_ORIGIN)
    header.add_crs(CRS.from_epsg(2154))
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = (v + o for v, o in zip((x, y, z), _ORIGIN, strict=True))
    cloud.intensity = np.where(inside, 20_000, 35_000) + rng.integers(0, 5000, len(x))
    cloud.return_number = cloud.number_of_returns = np.ones(len(x), np.uint8)
    cloud.write(path)
    return np.where(inside, BUILDING, GROUND)
