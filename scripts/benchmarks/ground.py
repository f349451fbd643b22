"""The ground filter against real surveys: type I, type II and total error, and ground IoU of each cloud.

Development: IGN (France) and NEON (steep forest). Test, never tuned on: AHN (Netherlands).
Numbers only: `measure` returns them, the command prints them.

    .venv/bin/python scripts/benchmarks/ground.py [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import laspy
import numpy as np

from inference_backend.points.density import density_per_m2
from inference_backend.points.ground import filter_ground
from inference_backend.points.surface import SurfaceGrid

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
GROUND = 2
# Never seen by the scanner, not of the terrain, or with a meaning of each producer's own.
UNSCORED = (0, 7, 9, 18)


@dataclass(frozen=True)
class Survey:
    """A labelled cloud in metres: x, y, z float64 (N,), `first` bool, `ground` bool, `scored` bool."""

    name: str
    split: str
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    first: np.ndarray
    ground: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class GroundErrors:
    """Errors in per cent: type I is ground taken for object, type II object taken for ground."""

    name: str
    split: str
    points: int
    density: float
    type_1: float
    type_2: float
    total: float
    iou: float
    seconds: float


def read_survey(name: str, split: str, files: list[Path]) -> Survey:
    """One survey out of files that lie side by side."""
    parts = [laspy.read(path) for path in files]

    def joined(dimension: str) -> np.ndarray:
        return np.concatenate([np.asarray(getattr(part, dimension)) for part in parts])

    x, y, z, code = joined("x"), joined("y"), joined("z"), joined("classification")
    scored = (code < 64) & ~np.isin(code, UNSCORED)
    first = joined("return_number") <= 1
    return Survey(
        name, split, x - np.floor(x.min()), y - np.floor(y.min()), z, first, code == GROUND, scored
    )


def surveys() -> Iterator[Survey]:
    """The real clouds at hand; those that are absent are left out."""
    lidar = DATA / "lidar"
    tiles = sorted((lidar / "montpellier").glob("*.laz"))
    if tiles:
        yield read_survey("montpellier 150x100 m", "dev", tiles)
    for tile in tiles:
        yield read_survey(f"montpellier {tile.stem[14:26]}", "dev", [tile])
    for name, pattern in (
        ("ign 870000", "870000*.las"),
        ("ign extra bytes", "las_with*.laz"),
        ("ign 0.3/m2 0382", "decimated*0382*.laz"),
        ("ign 0.3/m2 0292", "decimated*0292*.laz"),
    ):
        for path in sorted(lidar.glob(pattern)):
            yield read_survey(name, "dev", [path])
    for path in sorted((DATA / "neon_trees" / "lidar").glob("TEAK*.laz")):
        yield read_survey(f"neon {path.stem}", "dev", [path])
    for path in sorted((lidar / "amsterdam" / "ahn").glob("*.laz")):
        yield read_survey(f"ahn {path.stem[4:]}", "test", [path])


def measure(survey: Survey, share: float = 1.0, **rules: object) -> GroundErrors:
    """The filter's errors on a survey, thinned to a share of its points."""
    keep = np.random.default_rng(7).random(len(survey.x)) < share
    x, y, z = survey.x[keep], survey.y[keep], survey.z[keep]
    start = time.perf_counter()
    grid = SurfaceGrid((x.min(), y.min(), x.max(), y.max()))
    grid.add(x, y, z, survey.first[keep])
    ground = filter_ground(grid.low(), grid.cell_m, grid.corner_m, **rules)
    seconds = time.perf_counter() - start
    found = ground.is_ground(x, y, z)[survey.scored[keep]]
    truth = survey.ground[keep][survey.scored[keep]]
    return GroundErrors(
        survey.name,
        survey.split,
        len(x),
        round(density_per_m2(grid.count(), grid.cell_m), 2),
        **errors(found, truth),
        seconds=round(seconds, 3),
    )


def errors(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Errors in per cent of ground found against ground in truth, both bool (N,)."""
    missed, false = int((truth & ~found).sum()), int((found & ~truth).sum())
    both = int((found & truth).sum())
    return {
        "type_1": round(100 * missed / max(1, int(truth.sum())), 2),
        "type_2": round(100 * false / max(1, int((~truth).sum())), 2),
        "total": round(100 * (missed + false) / max(1, len(truth)), 2),
        "iou": round(100 * both / max(1, both + missed + false), 2),
    }


def main() -> None:
    """Print the figures of every cloud at hand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--share", type=float, default=1.0, help="thin the clouds to this share")
    options = parser.parse_args()
    rows = [measure(survey, options.share) for survey in surveys()]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    print(
        f"{'cloud':28}{'split':6}{'pts/m2':>8}{'I %':>7}{'II %':>7}{'total':>7}{'IoU %':>7}{'s':>7}"
    )
    for row in rows:
        print(
            f"{row.name:28}{row.split:6}{row.density:8.2f}{row.type_1:7.2f}{row.type_2:7.2f}"
            f"{row.total:7.2f}{row.iou:7.2f}{row.seconds:7.2f}"
        )


if __name__ == "__main__":
    main()
