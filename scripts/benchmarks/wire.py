"""The real process through the real wire: start, hello, first click, cold and warm clicks, memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from scripts.benchmarks.report import Row
from tests.workers.wire import Wire

_START_GOAL_S, _HELLO_GOAL_S = 7.0, 1.0
_COLD_GOAL_MS, _WARM_GOAL_MS, _SAM_GOAL = 600.0, 120.0, 40.0
# Offsets in pixels of the clicks that follow on an object: another pixel is another request, on the same crop.
_STEPS = ((2, 1), (-3, 2), (1, -4), (4, 3), (-2, -2))


def measure_start(
    device: str, quick: bool, raster: Path, places: Sequence[tuple[float, float]]
) -> list[Row]:
    """Rows of `Start`: files in the system's cache, as after the first start of the day."""
    hello, first, torch_alone = [], [], []
    for _ in range(2 if quick else 5):
        torch_alone.append(
            _seconds(lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True))
        )
        began = time.perf_counter()
        with Wire(arguments=("serve", "--device", device)) as wire:
            wire.ask("hello", {"protocol": 1, "client": "bench"})
            hello.append(time.perf_counter() - began)
            wire.ask("predict", _request(raster, [places[0]]))
            first.append(time.perf_counter() - began)
    alone = median(torch_alone)
    return [
        Row(
            "process start to `hello`",
            median(hello),
            "s",
            "a Python that imports torch first",
            alone,
            "< 1 s",
            median(hello) < _HELLO_GOAL_S,
        ),
        Row(
            "process start to first answered click",
            median(first),
            "s",
            "importing torch alone",
            alone,
            "< 7 s",
            median(first) < _START_GOAL_S,
        ),
    ]


def measure_clicks(
    device: str,
    quick: bool,
    raster: Path,
    places: Sequence[tuple[float, float]],
    rgb: np.ndarray,
) -> list[Row]:
    """Rows of `Clicks`; SAM encodes a crop of `rgb` once the backend has gone, so that neither disturbs the other."""
    places = places[:6] if quick else places
    with Wire(arguments=("serve", "--device", device)) as wire:
        wire.ask("hello", {"protocol": 1, "client": "bench"})
        wire.ask("predict", _request(raster, [places[0]]))
        cold, warm = _click_about(wire, raster, places[1:])
        memory = float(wire.ask("status")["memory"]["resident_mb"])
    return [
        *_cold_rows(cold),
        *_warm_rows(warm, median(_walls(cold))),
        *_beside_sam(device, median(_walls(warm)), rgb[:1024, :1024], memory),
    ]


def _beside_sam(device: str, warm_ms: float, rgb: np.ndarray, memory_mb: float) -> list[Row]:
    from scripts.benchmarks.sam import encode_once
    from scripts.benchmarks.sam import memory_mb as sam_memory_mb

    theirs_s, ours_s = encode_once(device, rgb)
    reached = 1000 * theirs_s / warm_ms >= _SAM_GOAL
    again = "encoding again with SAM ViT-B"
    return [
        Row(
            "warm click",
            warm_ms,
            "ms",
            f"{again}, the library's own",
            1000 * theirs_s,
            f"≥ {_SAM_GOAL:.0f}×",
            reached,
        ),
        Row("warm click", warm_ms, "ms", f"{again}, our encoder", 1000 * ours_s),
        Row(
            "resident memory after all clicks",
            memory_mb,
            "MB",
            "SAM ViT-B by the library, one image",
            sam_memory_mb(),
        ),
    ]


def _click_about(
    wire: Wire, raster: Path, places: Sequence[tuple[float, float]]
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """One new object a place: its first click, then more first clicks beside it, then corrections."""
    answers = []
    for x, y in places:
        answers.append(_click(wire, raster, [(x, y)]))
        answers += [_click(wire, raster, [(x + dx, y + dy)]) for dx, dy in _STEPS]
        answers += [
            _click(wire, raster, [(x, y), *((x + dx, y + dy) for dx, dy in _STEPS[:n])])
            for n in (1, 2)
        ]
    # Where a neighbour's crop is still warm there is nothing cold to measure, and the other way about.
    cold = [answer for answer in answers if answer["embed"] > 0]
    warm = [answer for answer in answers if answer["embed"] == 0]
    if not cold or not warm:
        raise SystemExit("The scene gave no cold or no warm clicks; take another.")
    return cold, warm


def _click(wire: Wire, raster: Path, places: Sequence[tuple[float, float]]) -> dict[str, float]:
    request = _request(raster, places)
    began = time.perf_counter()
    answer = wire.ask("predict", request)
    return {"embed": 0.0, **answer["timings_ms"], "wall_ms": 1000 * (time.perf_counter() - began)}


def _request(raster: Path, places: Sequence[tuple[float, float]]) -> dict[str, Any]:
    return {
        "source": {"kind": "file", "path": str(raster)},
        "prompts": [{"kind": "point", "xy": [list(place)], "label": 1} for place in places],
        "model": "default-2d",
        "options": {"frame": "pixel"},
    }


def _cold_rows(cold: list[dict[str, float]]) -> list[Row]:
    walls = _walls(cold)
    parts = ", ".join(f"{name} {median([c.get(name, 0.0) for c in cold]):.0f}" for name in _PARTS)
    return [
        Row(
            "cold click, median",
            median(walls),
            "ms",
            goal="< 600 ms",
            met=median(walls) < _COLD_GOAL_MS,
            note=f"{len(walls)} clicks; {parts} ms",
        ),
        Row("cold click, 95th percentile", float(np.percentile(walls, 95)), "ms"),
    ]


def _warm_rows(warm: list[dict[str, float]], cold_ms: float) -> list[Row]:
    walls = _walls(warm)
    parts = ", ".join(
        f"{name} {median([w.get(name, 0.0) for w in warm]):.0f}" for name in _PARTS[2:]
    )
    return [
        Row(
            "warm click, median",
            median(walls),
            "ms",
            "the same click cold",
            cold_ms,
            "< 120 ms",
            median(walls) < _WARM_GOAL_MS,
            f"{len(walls)} clicks; {parts} ms",
        ),
        Row("warm click, 95th percentile", float(np.percentile(walls, 95)), "ms"),
    ]


_PARTS = ("read", "embed", "decode", "polygons")


def _walls(answers: list[dict[str, float]]) -> list[float]:
    return [answer["wall_ms"] for answer in answers]


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
