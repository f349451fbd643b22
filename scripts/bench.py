"""`make bench`: speed and memory, each figure beside its alternative in the same run.

    .venv/bin/python scripts/bench.py [--device cpu|cuda] [--only start,clicks,sam,polygons,words,clouds,large] [--quick] [--dry]

Writes docs/benchmarks.json and the tables of docs/benchmarks.md; sections that were not asked for keep their figures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from scripts.benchmarks.report import Row, keep, show, tables  # noqa: E402

SECTIONS = {
    "start": "Start",
    "clicks": "Clicks",
    "sam": "SAM ViT-B",
    "polygons": "Mask to polygons",
    "words": "Words",
    "clouds": "Point clouds",
    "large": "A hundred million points",
}
# Half an hour of two cores and a gigabyte of disk: only where it is asked for by name.
_BY_NAME = ("large",)
_SEED, _SIZE_PX, _GSD_M = 41, 1536, 0.2
# So far apart that no two places share a crop.
_APART_PX = 200


def main() -> int:
    """Run the sections asked for; exit code 0 also where a goal is missed: the tables say so."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        # The caches of the user's own installation must neither help nor suffer.
        os.environ["CITYSEG_HOME"] = folder
        raster, rgb, places = _scene(Path(folder))
        for section in SECTIONS:
            if section in args.only:
                sys.stdout.write(f"{SECTIONS[section]} …\n")
                sys.stdout.flush()
                rows = _measure(section, args, raster, rgb, places)
                sys.stdout.write(_shown(args, section, rows))
                sys.stdout.flush()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--only",
        type=_sections,
        default=[name for name in SECTIONS if name not in _BY_NAME],
        metavar=",".join(SECTIONS),
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--dry", action="store_true", help="print, and write no file")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    wanted = [name for name in text.split(",") if name]
    if unknown := set(wanted) - set(SECTIONS):
        raise argparse.ArgumentTypeError(
            f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}"
        )
    return wanted


def _measure(
    section: str,
    args: argparse.Namespace,
    raster: Path,
    rgb: np.ndarray,
    places: Sequence[tuple[float, float]],
) -> list[Row]:
    # Imported when its turn comes: the sections of the wire must not run beside a loaded SAM.
    if section == "start":
        from scripts.benchmarks.wire import measure_start

        return measure_start(args.device, args.quick, raster, places)
    if section == "clicks":
        from scripts.benchmarks.wire import measure_clicks

        return measure_clicks(args.device, args.quick, raster, places, rgb)
    if section == "sam":
        from scripts.benchmarks.sam import measure

        return measure(args.device, args.quick, rgb[:1024, :1024])
    if section == "words":
        from scripts.benchmarks.words import measure as measure_words

        return measure_words(args.device, args.quick, raster.parent)
    if section == "clouds":
        from scripts.benchmarks.clouds import measure as measure_clouds

        return measure_clouds(args.device, args.quick, raster.parent)
    if section == "large":
        from scripts.benchmarks.clouds import measure_large

        return measure_large(args.device, args.quick, raster.parent)
    from scripts.benchmarks.polygons import measure as measure_polygons

    return measure_polygons(args.quick)


def _shown(args: argparse.Namespace, section: str, rows: list[Row]) -> str:
    if args.dry:
        from scripts.benchmarks.report import as_record

        return tables({SECTIONS[section]: as_record(args.device, rows)})
    kept = keep(args.device, SECTIONS[section], rows)
    show(kept)
    return tables({SECTIONS[section]: kept[args.device][SECTIONS[section]]})


def _scene(folder: Path) -> tuple[Path, np.ndarray, list[tuple[float, float]]]:
    """A generated suburb as a GeoTIFF, its pixels, and the middles of buildings that lie apart."""
    import rasterio
    from affine import Affine

    from inference_backend.evaluation.metrics import centre_click
    from inference_backend.training.scenes import make_scene

    scene = make_scene(_SEED, _SIZE_PX, _GSD_M, "suburb")
    path = folder / "scene.tif"
    profile = {
        "width": _SIZE_PX,
        "height": _SIZE_PX,
        "count": 3,
        "dtype": "uint8",
        "crs": "EPSG:32631",
    }
    transform = Affine(_GSD_M, 0, 448_000, 0, -_GSD_M, 5_412_000)
    with rasterio.open(
        path, "w", driver="GTiff", tiled=True, transform=transform, **profile
    ) as target:
        target.write(scene.rgb.transpose(2, 0, 1))
    places: list[tuple[float, float]] = []
    for number, name in sorted(scene.classes.items()):
        if name == "building":
            click = centre_click(scene.instances == number)
            place = (click.x, click.y)
            if all(np.hypot(place[0] - x, place[1] - y) >= _APART_PX for x, y in places):
                places.append(place)
    return path, scene.rgb, places


if __name__ == "__main__":
    sys.exit(main())
