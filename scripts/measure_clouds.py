"""Measure the bars of point clouds: surveys that training never saw, generated cities, footprints against the map.

    .venv/bin/python scripts/measure_clouds.py DATA [--cities FOLDER] [--model default-3d] [--thin 1,0.5,0.1]

DATA holds lidar/amsterdam (AHN tiles with BAG buildings), lidar/montpellier and neon_trees/lidar; FOLDER is what `cityseg train clouds --held-out` wrote. Classification is erased before
each run, and answers come through `cityseg evaluate points` and `cityseg classify`, as a user gets them.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import laspy
import numpy as np
import shapely

from inference_backend.evaluation.footprint_metrics import footprint_scores

# Surveys judged beside Amsterdam: name, dataset profile, folder below DATA.
_OTHERS = (
    ("Montpellier", "montpellier", "lidar/montpellier"),
    ("NEON, Sierra Nevada", "neon", "neon_trees/lidar"),
)
CITYSEG = str(Path(sys.executable).with_name("cityseg"))


def main() -> int:
    """Print one line of JSON a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cities", type=Path)
    parser.add_argument("--model", default="default-3d")
    parser.add_argument("--thin", default="1,0.5,0.1")
    args = parser.parse_args()
    tiles = args.data / "lidar" / "amsterdam"
    with tempfile.TemporaryDirectory() as temporary:
        for share in (float(value) for value in args.thin.split(",")):
            folder = _thinned(tiles / "ahn", Path(temporary) / f"thin-{share}", share)
            report = _evaluate(folder, "ahn3", args.model)
            _tell({"survey": "Amsterdam", "share of points": share, **_figures(report)})
        for name, profile, folder in _OTHERS:
            report = _evaluate(args.data / folder, profile, args.model)
            _tell({"survey": name, **_figures(report)})
        _tell(
            {
                "footprints": "Amsterdam against BAG",
                **_footprints(tiles, Path(temporary), args.model),
            }
        )
    if args.cities:
        for name, extra in (("generated", []), ("generated, all leaves compete", ["--zero-shot"])):
            report = _evaluate(args.cities, "generated", args.model, *extra)
            _tell({"survey": name, **_figures(report)})
    return 0


def _tell(row: dict) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def _evaluate(folder: Path, profile: str, model: str, *extra: str) -> dict:
    words = ["evaluate", "points", str(folder), "--profile", profile, "--model", model, "--json"]
    done = subprocess.run([CITYSEG, *words, *extra], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def _figures(report: dict) -> dict:
    return {
        name: report[name]
        for name in (
            "mIoU",
            "OA",
            "classes",
            "hIoU",
            "mIoU_seen",
            "mIoU_unseen",
            "leaf_mIoU",
            "levels",
            "ground",
        )
        if name in report
    }


def _thinned(source: Path, target: Path, share: float) -> Path:
    """The tiles with a share of their points, drawn with a seed."""
    target.mkdir()
    for path in sorted(source.glob("*.laz")):
        las = laspy.read(path)
        keep = np.random.default_rng(0).random(len(las)) < share
        las.points = las.points[keep]
        las.write(target / path.name)
    return target


def _footprints(tiles: Path, temporary: Path, model: str) -> dict:
    """Footprints of the classified tiles against the mapped buildings, inside the tiles."""
    with (tiles / "bag" / "bag_buildings_demo.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    mapped = [shapely.Polygon(json.loads(row["polygon"])) for row in rows]
    found_all, whole = [], []
    for path in sorted((tiles / "ahn").glob("*.laz")):
        vectors = temporary / f"{path.stem}.gpkg"
        words = ["classify", str(path), "--crs", "EPSG:28992", "--out", str(temporary / path.name)]
        words += ["--vectors", str(vectors), "--model", model]
        done = subprocess.run([CITYSEG, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        las = laspy.read(path)
        window = shapely.box(*las.header.mins[:2], *las.header.maxs[:2])
        found = gpd.read_file(vectors, layer="buildings").geometry
        found_all += list(found.explode())
        whole.append(window)
    return footprint_scores(found_all, mapped, within=shapely.union_all(whole)).to_json()


if __name__ == "__main__":
    sys.exit(main())
