"""Words on a whole raster: speed, memory against the raster's size, and the first and the next answer of the process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from scripts.benchmarks.report import ROOT, Row
from tests.workers.wire import Wire

_GSD_M, _SIDE_PX, _SEED = 0.3, 1536, 41
_GOAL_MP_S, _FIRST_GOAL_S, _WARM_GOAL_MS = 4.0, 8.0, 150.0
_ORIGIN, _VIEW_PX = (448_000.0, 5_412_000.0), 150
_TEXTS = ("roads", "buildings")
# What is asked about a view, and the concept that says at which resolution it is looked for.
_WORDS = {"trees": "tree", "cars": "car", "solar panels": "solar array"}
# Run in a process of its own: memory is that of the whole search and of nothing else.
_CHILD = """
import json, resource, sys, time
from inference_backend.models import registry
from inference_backend.text_job import TextJob, run_text_job
path, text, out, device = sys.argv[1:]
model = registry.get("default-2d", device)
job = TextJob.from_json({"source": path, "classes": [text], "out": out, "device": device})
began = time.perf_counter()
found = run_text_job(job, model=model)
seconds = time.perf_counter() - began
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, **{k: found[k] for k in ("count", "tiles", "timings_ms")}}))
"""


def measure(device: str, quick: bool, folder: Path) -> list[Row]:
    """Rows of `Words`. Peak memory is told where the platform does (not on Windows)."""
    small, large = _raster(folder, 2), _raster(folder, 3 if quick else 5)
    rows = []
    for text in _TEXTS:
        beside, found = _search(small, text, device), _search(large, text, device)
        megapixels = (_times(large) * _SIDE_PX) ** 2 / 1e6
        rate = megapixels / found["seconds"]
        parts = ", ".join(
            f"{name} {value / 1000:.1f}" for name, value in found["timings_ms"].items()
        )
        rows += [
            Row(
                f"“{text}” on {megapixels:.0f} megapixels at {_GSD_M} m",
                found["seconds"],
                "s",
                goal=f"< {megapixels / _GOAL_MP_S:.0f} s ({_GOAL_MP_S:.0f} megapixels a second)",
                met=rate >= _GOAL_MP_S,
                note=f"{rate:.1f} megapixels a second; {found['count']:,} features, {found['tiles']['done']} tiles; {parts} s",
            ),
            Row(
                f"peak memory of “{text}” on {megapixels:.0f} megapixels",
                found["peak_mb"],
                "MB",
                f"the same on {(_times(small) * _SIDE_PX) ** 2 / 1e6:.0f} megapixels",
                beside["peak_mb"],
            ),
        ]
    return rows + _answers(device, quick, small)


def _search(raster: Path, text: str, device: str) -> dict:
    command = [
        sys.executable,
        "-c",
        _CHILD,
        str(raster),
        text,
        str(raster.with_suffix(".gpkg")),
        device,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _answers(device: str, quick: bool, raster: Path) -> list[Row]:
    """From the start of the process, and once a view of one tile is embedded."""
    first, cold, warm = [], [], []
    for _ in range(2 if quick else 5):
        began = time.perf_counter()
        with Wire(arguments=("serve", "--device", device)) as wire:
            wire.ask("hello", {"protocol": 1, "client": "bench"})
            request = {"source": {"kind": "file", "path": str(raster)}}
            area = _place(raster, "building", 0)
            wire.ask("segment", {**request, "area": area, "text": "buildings"})
            first.append(time.perf_counter() - began)
            for number, (words, concept) in enumerate(_WORDS.items(), 1):
                asked = {**request, "area": _place(raster, concept, number), "text": words}
                cold.append(_asked(wire, asked))
                warm.append(_asked(wire, asked))
    return [
        Row(
            "process start to the first answer to words",
            median(first),
            "s",
            goal=f"< {_FIRST_GOAL_S:.0f} s",
            met=median(first) < _FIRST_GOAL_S,
        ),
        Row(
            "words about a view of one tile that is embedded",
            median(warm),
            "ms",
            "the same about a view that is not",
            median(cold),
            f"< {_WARM_GOAL_MS:.0f} ms",
            median(warm) < _WARM_GOAL_MS,
        ),
    ]


def _place(raster: Path, concept: str, number: int) -> dict:
    """An area in the middle of one tile, of the grid on which things of this kind are looked for."""
    from inference_backend.language.ontology import concepts
    from inference_backend.text_grid import TileGrid, working_scale

    gsd_m = next(one.gsd_m for one in concepts() if one.name == concept)
    scale = working_scale(_GSD_M, gsd_m)
    side = _times(raster) * _SIDE_PX
    grid = TileGrid.over(side, side, scale, 512)
    clear = (grid.tile_px - _VIEW_PX) / 2
    x = _ORIGIN[0] + (grid.tile_cols[number] + clear) / scale * _GSD_M
    y = _ORIGIN[1] - (grid.tile_rows[number] + clear) / scale * _GSD_M
    view = _VIEW_PX / scale * _GSD_M
    return {"bounds": [x, y - view, x + view, y]}


def _asked(wire: Wire, request: dict) -> float:
    began = time.perf_counter()
    wire.ask("segment", request)
    return 1000 * (time.perf_counter() - began)


def _times(raster: Path) -> int:
    return int(raster.stem.rsplit("-", 1)[1])


def _raster(folder: Path, times: int) -> Path:
    """A generated suburb, mirrored so often on either axis, so that no edge shows where it repeats."""
    import rasterio
    from affine import Affine

    from inference_backend.training.scenes import make_scene

    path = folder / f"words-{times}.tif"
    scene = make_scene(_SEED, _SIDE_PX, _GSD_M, "suburb").rgb
    side = times * _SIDE_PX
    profile = {"width": side, "height": side, "count": 3, "dtype": "uint8", "crs": "EPSG:32631"}
    profile |= {"driver": "GTiff", "tiled": True, "compress": "deflate"}
    transform = Affine(_GSD_M, 0, _ORIGIN[0], 0, -_GSD_M, _ORIGIN[1])
    with rasterio.open(path, "w", transform=transform, **profile) as target:
        for row in range(times):
            for col in range(times):
                part = scene[:: -1 if row % 2 else 1, :: -1 if col % 2 else 1]
                window = rasterio.windows.Window(col * _SIDE_PX, row * _SIDE_PX, _SIDE_PX, _SIDE_PX)
                target.write(np.moveaxis(part, 2, 0), window=window)
    return path
