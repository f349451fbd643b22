"""A city through a scanner: the points a survey brings home, each with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.training.clouds.city import City, make_city
from inference_backend.training.clouds.leaves import ID
from inference_backend.training.clouds.march import Echoes, Grids, Rays, march
from inference_backend.training.clouds.photo import photograph
from inference_backend.training.clouds.radiometry import colours, intensities
from inference_backend.training.clouds.relief import cell_of
from inference_backend.training.clouds.survey import Strip, Survey, draw_survey, pulses

_SALT = 0x5CA4


@dataclass(frozen=True)
class LabelledCloud:
    """Points with their truth: `xyz` float64 (N, 3) metres, `leaf` uint8 (N,) into `leaves.LEAVES`.

    `intensity` uint16; `return_number`, `number_of_returns` uint8; `rgb` uint8 (N, 3) or None; `ground_z` float32, the
    bare earth below each point; `strip` uint8, the pass that measured it.
    """

    xyz: np.ndarray
    leaf: np.ndarray
    intensity: np.ndarray
    return_number: np.ndarray
    number_of_returns: np.ndarray
    rgb: np.ndarray | None
    platform: str
    density: float
    ground_z: np.ndarray
    strip: np.ndarray

    def __len__(self) -> int:
        return len(self.xyz)


def make_cloud(
    seed: int,
    side_m: float = 128.0,
    platform: str | None = None,
    density: float | None = None,
    kind: str | None = None,
) -> LabelledCloud:
    """The cloud of `seed`; platform ("als", "uav", "photo") and density (a square metre) are drawn where not given.

    The same arguments give the same arrays. Raises InvalidInput.
    """
    rng = np.random.default_rng([_SALT, seed])
    survey = draw_survey(rng, platform, density)
    return scan(make_city(seed, side_m, kind), survey, rng)


def scan(city: City, survey: Survey, rng: np.random.Generator) -> LabelledCloud:
    """All points of a survey over a city, in the order of flight."""
    if survey.platform == "photo":
        parts = [photograph(rng, city.relief, survey)]
    else:
        grids = Grids(city.relief)
        parts = [
            _fly(rng, city, grids, survey, strip, number)
            for number, strip in enumerate(survey.strips)
        ]
    parts = [part for part in parts if len(part["leaf"])]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    joined = _add_noise(rng, city, joined)
    xyz = joined["xyz"]
    side = city.side_m
    keep = (xyz[:, 0] >= 0) & (xyz[:, 0] < side) & (xyz[:, 1] >= 0) & (xyz[:, 1] < side)
    joined = {key: values[keep] for key, values in joined.items()}
    xyz = joined["xyz"].astype(np.float64)
    rows, cols = cell_of(xyz[:, 0], xyz[:, 1])
    return LabelledCloud(
        xyz,
        joined["leaf"],
        intensities(rng, city.relief, survey, joined, rows, cols),
        joined["return_number"],
        joined["number_of_returns"],
        colours(rng, city.place.rgb, joined, rows, cols) if survey.rgb else None,
        survey.platform,
        survey.density,
        city.relief.ground[rows, cols],
        joined["strip"],
    )


def _fly(
    rng: np.random.Generator, city: City, grids: Grids, survey: Survey, strip: Strip, number: int
) -> dict[str, np.ndarray]:
    """The points of one strip."""
    relief = city.relief
    plane = float(np.median(relief.ground))
    height = float(np.quantile(relief.top, 0.99)) - plane
    rays = pulses(rng, survey, strip, relief.side_m, plane, max(height, 5.0))
    echoes = march(grids, rays, survey.beam, rng)
    echoes = _split_at_edges(rng, grids, survey, rays, echoes)
    echoes = _dry(rng, echoes, rays)
    order = np.lexsort((-echoes.xyz[:, 2], echoes.ray))
    ray = echoes.ray[order]
    first = np.flatnonzero(np.diff(ray, prepend=-1))
    counts = np.diff(np.append(first, len(ray)))
    nth = np.arange(len(ray)) - np.repeat(first, counts) + 1
    total = np.repeat(counts, counts)
    xyz = echoes.xyz[order]
    slope = np.stack([rays.slope_x[ray], rays.slope_y[ray], np.ones(len(ray), np.float32)], 1)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    # Range noise lies along the ray; the last metres of a spread footprint add to it.
    xyz = xyz + slope * rng.normal(0, survey.range_noise_m, len(ray))[:, None]
    return {
        "xyz": xyz + np.array(strip.shift_m),
        "leaf": echoes.leaf[order],
        "side": echoes.side[order],
        "return_number": nth.astype(np.uint8),
        "number_of_returns": total.astype(np.uint8),
        "cosine": slope[:, 2].astype(np.float32),
        "strip": np.full(len(ray), number, np.uint8),
    }


def _split_at_edges(
    rng: np.random.Generator, grids: Grids, survey: Survey, rays: Rays, echoes: Echoes
) -> Echoes:
    """A footprint that lies half on a roof and half beside it answers twice."""
    if survey.beam.max_returns < 2:
        return echoes
    cut = grids.beside_edge[echoes.row, echoes.col] & (rng.random(len(echoes.ray)) < 0.75)
    split = np.unique(echoes.ray[cut])
    if not len(split):
        return echoes
    turn = rng.uniform(0, 2 * np.pi, len(split))
    away = 0.5 * survey.footprint_m * np.sqrt(rng.uniform(0.1, 1, len(split)))
    part = Rays(
        (rays.x[split] + away * np.cos(turn)).astype(np.float32),
        (rays.y[split] + away * np.sin(turn)).astype(np.float32),
        rays.slope_x[split],
        rays.slope_y[split],
        rays.z_plane,
    )
    more = march(grids, part, survey.beam, rng)
    ray = split[more.ray]
    count = len(rays.x)
    highest, lowest = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(highest, echoes.ray, echoes.xyz[:, 2])
    np.minimum.at(lowest, echoes.ray, echoes.xyz[:, 2])
    z, gap = more.xyz[:, 2], survey.beam.dead_m
    apart = (z > highest[ray] + gap) | (z < lowest[ray] - gap)
    # One more answer a pulse is enough.
    _, first = np.unique(np.where(apart, ray, -1), return_index=True)
    chosen = first[apart[first]]
    held = np.bincount(echoes.ray, minlength=count)
    chosen = chosen[held[ray[chosen]] < survey.beam.max_returns]
    extra = Echoes(
        ray[chosen].astype(np.int32),
        *(getattr(more, name)[chosen] for name in ("xyz", "leaf", "side", "row", "col")),
    )
    return Echoes(
        *(
            np.concatenate([getattr(echoes, name), getattr(extra, name)])
            for name in Echoes.__dataclass_fields__
        )
    )


def _dry(rng: np.random.Generator, echoes: Echoes, rays: Rays) -> Echoes:
    """Water reflects away from the scanner but near its nadir: most of its points are missing."""
    wet = echoes.leaf == ID["water"]
    if not wet.any():
        return echoes
    lean = np.hypot(rays.slope_x[echoes.ray], rays.slope_y[echoes.ray])
    chance = rng.uniform(0.02, 0.5) + rng.uniform(0.3, 1.0) * np.exp(-((lean / 0.12) ** 2))
    keep = ~wet | (rng.random(len(wet)) < chance)
    return Echoes(*(getattr(echoes, name)[keep] for name in Echoes.__dataclass_fields__))


def _add_noise(
    rng: np.random.Generator, city: City, points: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A few points far below the ground and far above all things: multipath, birds, dust."""
    number = len(points["leaf"])
    low = rng.poisson(number * rng.choice([0, 2e-5, 1e-4]) + 0.4)
    high = rng.poisson(number * rng.choice([0, 2e-5, 1e-4]) + 0.4)
    if low + high == 0:
        return points
    side, relief = city.side_m, city.relief
    xy = rng.uniform(0, side, (low + high, 2))
    rows, cols = cell_of(xy[:, 0], xy[:, 1])
    under = relief.ground[rows, cols] - np.exp(rng.uniform(np.log(1.0), np.log(40), low + high))
    tallest = float(max(layer.top.max() for layer in (relief.crown, relief.slab, *relief.thin)))
    above = max(float(relief.top.max()), tallest) + np.exp(
        rng.uniform(np.log(4), np.log(200), low + high)
    )
    # Some hang low between the roofs.
    among = relief.top[rows, cols] + rng.uniform(8, 40, low + high)
    above = np.where(
        rng.random(low + high) < 0.4, np.maximum(among, relief.crown.top[rows, cols] + 5), above
    )
    is_low = np.arange(low + high) < low
    one = np.ones(low + high, np.uint8)
    extra = {
        "xyz": np.column_stack([xy, np.where(is_low, under, above)]),
        "leaf": np.where(is_low, ID["low noise"], ID["high noise"]).astype(np.uint8),
        "side": np.zeros(low + high, bool),
        "return_number": one,
        "number_of_returns": one,
        "cosine": one.astype(np.float32),
        "strip": rng.integers(points["strip"].max() + 1, size=low + high).astype(np.uint8),
    }
    place = rng.integers(number + 1, size=low + high)
    return {key: np.insert(points[key], place, extra[key], axis=0) for key in points}
