"""Generated cities as LAZ files with their truth, to look at and to measure models on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.training.clouds.leaves import CODES, LEAVES
from inference_backend.training.clouds.scan import LabelledCloud, make_cloud
from inference_backend.training.clouds.sheet import draw_sheet

VAL_SEED, TEST_SEED = 1_000_000, 2_000_000
PROFILE = "generated"
TRUTH = "cityseg_truth"
_EPSG = 32632
_ORIGIN_M = (500_000.0, 5_400_000.0)  # inside the zone, one city beside the other
_SCALE_M = 0.001


@dataclass(frozen=True)
class CloudsPlan:
    """What to write: `count` cities from seed `seed` of the split on; `held_out` takes seeds that no training sees."""

    count: int = 20
    seed: int = 0
    held_out: bool = False
    side_m: float = 128.0
    platform: str | None = None

    @property
    def seeds(self) -> range:
        first = self.seed + (TEST_SEED if self.held_out else 0)
        return range(first, first + self.count)

    def check(self) -> None:
        """Raises InvalidInput."""
        if not 1 <= self.count <= 100_000:
            raise InvalidInput(f"--count takes 1 to 100000 cities, not {self.count}.")
        if self.seed < 0 or self.seed + self.count > VAL_SEED:
            raise InvalidInput(
                f"Seeds run from 0 to {VAL_SEED - 1}; give a --seed and a --count that fit in."
            )


def write_clouds(
    out: Path, plan: CloudsPlan, progress: Callable[[float, str], None], cancel: CancelToken
) -> dict:
    """Write `city-SEED.laz`, `pictures/city-SEED.png` and dataset.json into `out`; returns what dataset.json says.

    Files of an earlier run with the same name are replaced. Raises InvalidInput, ResourceProblem, Cancelled.
    """
    plan.check()
    pictures = out / "pictures"
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"'{out}' cannot be made a folder; choose another --out.") from error
    totals = np.zeros(len(LEAVES), np.int64)
    files = []
    for done, seed in enumerate(plan.seeds):
        cancel.check()
        progress(done / plan.count, f"city {seed}")
        cloud = make_cloud(seed, plan.side_m, plan.platform)
        name = f"city-{seed:07d}.laz"
        write_laz(cloud, out / name, (_ORIGIN_M[0] + done % 100 * 1000, _ORIGIN_M[1]))
        draw_sheet(cloud, pictures / f"city-{seed:07d}.png", f"seed {seed},")
        totals += np.bincount(cloud.leaf, minlength=len(LEAVES))
        files.append({"file": name, "seed": seed, "platform": cloud.platform, "points": len(cloud)})
    about = {
        "profile": PROFILE,
        "split": "test" if plan.held_out else "train",
        "truth": f"{TRUTH}: position of the leaf in the label graph, counted from 1",
        "points": {name: int(count) for name, count in zip(LEAVES, totals, strict=True)},
        "files": files,
    }
    _land(out / "dataset.json", lambda path: path.write_text(json.dumps(about, indent=1)))
    progress(1.0, "done")
    return about


def write_laz(cloud: LabelledCloud, path: Path, origin_m: tuple[float, float] = _ORIGIN_M) -> None:
    """One cloud as LAZ 1.4 in UTM 32N: ASPRS codes in `classification`, the leaf + 1 in `cityseg_truth`."""
    import laspy
    from pyproj import CRS

    header = laspy.LasHeader(version="1.4", point_format=6 if cloud.rgb is None else 7)
    header.scales = np.full(3, _SCALE_M)
    header.offsets = np.array([*origin_m, 0.0])
    header.add_extra_dim(laspy.ExtraBytesParams(TRUTH, "uint8", "leaf of the label graph, from 1"))
    header.add_crs(CRS.from_epsg(_EPSG))
    las = laspy.LasData(header)
    xyz = cloud.xyz + np.array([*origin_m, 0.0])
    las.x, las.y, las.z = xyz[:, 0], xyz[:, 1], xyz[:, 2]
    las.intensity = cloud.intensity
    las.return_number = cloud.return_number
    las.number_of_returns = cloud.number_of_returns
    las.classification = CODES[cloud.leaf]
    las.point_source_id = cloud.strip.astype(np.uint16) + 1
    las[TRUTH] = cloud.leaf + 1
    if cloud.rgb is not None:
        wide = cloud.rgb.astype(np.uint16) * 257
        las.red, las.green, las.blue = wide[:, 0], wide[:, 1], wide[:, 2]
    _land(path, lambda part: las.write(part, do_compress=True))


def _land(path: Path, write: Callable[[Path], object]) -> None:
    """Write under another name, then rename."""
    part = path.with_name(path.stem + ".part" + path.suffix)
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        raise ResourceProblem(
            f"'{path}' could not be written; is there room on the disk?", str(error)
        ) from error
    finally:
        part.unlink(missing_ok=True)
