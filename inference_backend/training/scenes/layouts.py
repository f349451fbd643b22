"""The kinds of place, each with its chance."""

from __future__ import annotations

from collections.abc import Callable

from inference_backend.training.scenes.airport import airport
from inference_backend.training.scenes.canvas import Canvas
from inference_backend.training.scenes.countryside import energy, rural, waterside
from inference_backend.training.scenes.farming import greenhouses, orchard
from inference_backend.training.scenes.golf import golf
from inference_backend.training.scenes.harbour import harbour
from inference_backend.training.scenes.palette import Biome
from inference_backend.training.scenes.rails import railway
from inference_backend.training.scenes.residential import informal, suburb, village
from inference_backend.training.scenes.retail import shopping
from inference_backend.training.scenes.shores import beach, river
from inference_backend.training.scenes.sports import sports
from inference_backend.training.scenes.storage import tank_farm
from inference_backend.training.scenes.town import downtown, industrial, leisure
from inference_backend.training.scenes.transport import motorway, roundabout
from inference_backend.training.scenes.wild import chaparral, forest, landslide, quarry
from inference_backend.training.scenes.wind import wind_farm

LAYOUTS: dict[str, tuple[Callable[[Canvas, Biome], None], float]] = {
    "suburb": (suburb, 0.13),
    "informal": (informal, 0.09),
    "village": (village, 0.09),
    "downtown": (downtown, 0.08),
    "industrial": (industrial, 0.045),
    "rural": (rural, 0.03),
    "energy": (energy, 0.035),
    "waterside": (waterside, 0.025),
    "leisure": (leisure, 0.025),
    "airport": (airport, 0.035),
    "harbour": (harbour, 0.035),
    "tank farm": (tank_farm, 0.025),
    "sports": (sports, 0.035),
    "railway": (railway, 0.03),
    "motorway": (motorway, 0.035),
    "roundabout": (roundabout, 0.025),
    "beach": (beach, 0.025),
    "river": (river, 0.025),
    "golf": (golf, 0.025),
    "forest": (forest, 0.025),
    "chaparral": (chaparral, 0.025),
    "quarry": (quarry, 0.025),
    "landslide": (landslide, 0.025),
    "greenhouses": (greenhouses, 0.025),
    "orchard": (orchard, 0.025),
    "wind farm": (wind_farm, 0.025),
    "shopping": (shopping, 0.03),
}
