"""How bright each point answers, and its colour in the picture."""

from __future__ import annotations

import numpy as np

from inference_backend.training.clouds.leaves import LEAVES
from inference_backend.training.clouds.relief import Relief
from inference_backend.training.clouds.survey import Survey

# Reflectance in the near infrared.
_NEAR_INFRARED = {
    "open ground": 0.36, "pavement": 0.17, "rail track": 0.2, "water": 0.05, "low vegetation": 0.5,
    "shrub": 0.45, "hedge": 0.48, "broadleaf tree": 0.5, "conifer tree": 0.36, "palm": 0.42,
    "flat roof": 0.3, "pitched roof": 0.34, "facade": 0.4, "roof structure": 0.4, "solar panel": 0.08,
    "greenhouse": 0.2, "bridge": 0.24, "wall": 0.35, "fence": 0.25, "tank": 0.5, "silo": 0.45,
    "chimney": 0.3, "wind turbine": 0.7, "crane": 0.4, "pier": 0.25, "wire": 0.12, "power tower": 0.3,
    "utility pole": 0.25, "street lamp": 0.3, "car": 0.35, "truck": 0.45, "bus": 0.45, "train": 0.3,
    "boat": 0.5, "aircraft": 0.6, "container": 0.35, "rubble pile": 0.3, "low noise": 0.1,
    "high noise": 0.1,
}  # fmt: skip
_REFLECTANCE = np.array([_NEAR_INFRARED[name] for name in LEAVES], np.float32)
_OWN_ALBEDO = np.array(
    [name in ("flat roof", "pitched roof", "car", "truck", "bus", "container") for name in LEAVES]
)


def intensities(
    rng: np.random.Generator,
    relief: Relief,
    survey: Survey,
    points: dict[str, np.ndarray],
    rows: np.ndarray,
    cols: np.ndarray,
) -> np.ndarray:
    """uint16 (N,): reflectance by material, cosine of incidence, what earlier returns left, gain and speckle."""
    number = len(rows)
    if survey.intensity == "constant":
        return np.full(number, rng.choice([0, 1, 255]), np.uint16)
    leaf = points["leaf"]
    # Every survey sees materials a little differently.
    table = _REFLECTANCE * np.exp(rng.normal(0, 0.18, len(_REFLECTANCE))).astype(np.float32)
    value = table[leaf]
    own = _OWN_ALBEDO[leaf]
    value = np.where(own, value * (0.3 + 1.5 * relief.albedo[rows, cols]), value)
    dy, dx = np.gradient(relief.top, 0.5)
    steep = np.clip(np.hypot(dx, dy), 0, 2)[rows, cols]
    incidence = points["cosine"] / np.sqrt(1 + steep**2)
    value = value * np.where(points["side"], 0.45, np.clip(incidence, 0.3, 1))
    total = points["number_of_returns"].astype(np.float32)
    value = value * np.where(total > 1, 0.9 / np.sqrt(total), 1.0)
    value *= np.exp(rng.normal(0, 0.12, number))
    scale, power = float(np.exp(rng.uniform(np.log(120), np.log(60_000)))), rng.uniform(0.6, 1.3)
    if rng.random() < 0.3:
        scale = 255.0
    return np.clip(value**power * scale, 0, 65_535).astype(np.uint16)


def colours(
    rng: np.random.Generator,
    picture: np.ndarray,
    points: dict[str, np.ndarray],
    rows: np.ndarray,
    cols: np.ndarray,
) -> np.ndarray:
    """uint8 (N, 3) from the scene's picture; what stands upright shows the colour beside it, darker."""
    shift = rng.integers(-2, 3, 2)  # cloud and picture never fit quite
    height, width = picture.shape[:2]
    rgb = picture[np.clip(rows + shift[0], 0, height - 1), np.clip(cols + shift[1], 0, width - 1)]
    shade = np.where(points["side"], rng.uniform(0.5, 0.9), 1.0) * rng.normal(1, 0.04, len(rows))
    return np.clip(rgb * shade[:, None], 0, 255).astype(np.uint8)
