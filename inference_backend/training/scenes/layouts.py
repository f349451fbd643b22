"""The kinds of place, each with its chance."""

from __future__ import annotations

from collections.abc import Callable

from inference_backend.training.scenes.airport import airport
from inference_backend.training.scenes.canvas import Canvas
from inference_backend.training.scenes.countryside import energy, rural, waterside
from inference_backend.training.scenes.harbour import harbour
from inference_backend.training.scenes.palette import Biome
from inference_backend.training.scenes.rails import railway
from inference_backend.training.scenes.residential import informal, suburb, village
from inference_backend.training.scenes.shores import beach, river
from inference_backend.training.scenes.sports import golf, sports
from inference_backend.training.scenes.storage import tank_farm
from inference_backend.training.scenes.town import downtown, industrial, leisure
from inference_backend.training.scenes.transport import motorway, roundabout
from inference_backend.training.scenes.wild import chaparral, forest, landslide, quarry

LAYOUTS: dict[str, tuple[Callable[[Canvas, Biome], None], float]] = {
    "suburb": (suburb, 0.2),
    "informal": (informal, 0.13),
    "village": (village, 0.12),
    "downtown": (downtown, 0.1),
    "industrial": (industrial, 0.07),
    "rural": (rural, 0.05),
    "energy": (energy, 0.06),
    "waterside": (waterside, 0.04),
    "leisure": (leisure, 0.05),
    "airport": (airport, 0.06),
    "harbour": (harbour, 0.06),
    "tank farm": (tank_farm, 0.03),
    "sports": (sports, 0.04),
    "railway": (railway, 0.04),
    "motorway": (motorway, 0.04),
    "roundabout": (roundabout, 0.03),
    "beach": (beach, 0.03),
    "river": (river, 0.03),
    "golf": (golf, 0.03),
    "forest": (forest, 0.03),
    "chaparral": (chaparral, 0.03),
    "quarry": (quarry, 0.03),
    "landslide": (landslide, 0.03),
}
