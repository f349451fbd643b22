"""The kinds of place, each with its chance."""

from __future__ import annotations

from collections.abc import Callable

from inference_backend.training.scenes.canvas import Canvas
from inference_backend.training.scenes.countryside import energy, rural, waterside
from inference_backend.training.scenes.palette import Biome
from inference_backend.training.scenes.residential import informal, suburb, village
from inference_backend.training.scenes.town import downtown, industrial, leisure

LAYOUTS: dict[str, tuple[Callable[[Canvas, Biome], None], float]] = {
    "suburb": (suburb, 0.24),
    "informal": (informal, 0.16),
    "village": (village, 0.16),
    "downtown": (downtown, 0.1),
    "industrial": (industrial, 0.1),
    "rural": (rural, 0.08),
    "energy": (energy, 0.07),
    "waterside": (waterside, 0.05),
    "leisure": (leisure, 0.04),
}
