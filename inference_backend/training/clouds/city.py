"""One seed, one city: the scene of images of the same seed, raised to three dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.training.clouds.bridges import add_bridges, standing_height
from inference_backend.training.clouds.buildings import Building, add_buildings
from inference_backend.training.clouds.cover import ground_leaves, low_growth, roughen
from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.place import Place
from inference_backend.training.clouds.plants import add_plants
from inference_backend.training.clouds.rarities import add_rarities
from inference_backend.training.clouds.relief import CELL_M, Relief
from inference_backend.training.clouds.structures import add_structures
from inference_backend.training.clouds.terrain import terrain
from inference_backend.training.clouds.utilities import add_utilities
from inference_backend.training.clouds.vehicles import add_vehicles
from inference_backend.training.scenes.scene import make_scene

_SALT = 0xC17  # the cloud's own draws, apart from the scene's
# How often each kind of place is scanned: more where rare things stand than images have it.
_KINDS = {
    "suburb": 0.12, "informal": 0.04, "village": 0.08, "downtown": 0.11, "industrial": 0.09,
    "rural": 0.05, "energy": 0.025, "waterside": 0.03, "leisure": 0.025, "airport": 0.035,
    "harbour": 0.055, "tank farm": 0.04, "sports": 0.025, "railway": 0.065, "motorway": 0.04,
    "roundabout": 0.02, "beach": 0.015, "river": 0.03, "golf": 0.015, "forest": 0.025,
    "chaparral": 0.01, "quarry": 0.02, "landslide": 0.01, "greenhouses": 0.03, "orchard": 0.02,
    "wind farm": 0.025, "shopping": 0.03,
}  # fmt: skip
MIN_SIDE_M, MAX_SIDE_M = 16.0, 512.0


@dataclass
class City:
    """The city of a seed. `relief` and `place` have row 0 at the lowest y; `buildings` by the scene's instance id."""

    seed: int
    place: Place
    relief: Relief
    buildings: dict[int, Building]

    @property
    def side_m(self) -> float:
        return self.relief.side_m

    @property
    def kind(self) -> str:
        return self.place.scene.kind


def make_city(seed: int, side_m: float = 128.0, kind: str | None = None) -> City:
    """The city of `seed`, `side_m` metres a side (rounded to cells). The same arguments give the same city.

    `kind` is one of the scene's kinds, or None to draw one. The image of the same place is
    `make_scene(seed, side_m / 0.25, 0.25, city.kind)`. Raises InvalidInput.
    """
    if not MIN_SIDE_M <= side_m <= MAX_SIDE_M:
        raise InvalidInput(
            f"A generated city is {MIN_SIDE_M:g} to {MAX_SIDE_M:g} m a side, not {side_m:g} m."
        )
    rng = np.random.default_rng([_SALT, seed])
    if kind is None:
        chances = np.array(list(_KINDS.values()))
        kind = list(_KINDS)[int(rng.choice(len(chances), p=chances / chances.sum()))]
    scene = make_scene(seed, round(side_m / CELL_M), CELL_M, kind)
    place = Place.of(scene)
    ground, steps = terrain(rng, place)
    ground += np.float32(rng.uniform(0, 200))
    relief = Relief.over(ground, ground_leaves(rng, place))
    relief.side_leaf[steps] = ID["wall"]
    roughen(rng, relief)
    add_bridges(rng, place, relief)
    buildings = add_buildings(rng, place, relief)
    add_structures(rng, place, relief)
    add_vehicles(rng, place, relief, standing_height(relief))
    add_rarities(rng, place, relief)
    low_growth(rng, place, relief)
    add_plants(rng, place, relief)
    add_utilities(rng, place, relief)
    return City(seed, place, relief, buildings)
