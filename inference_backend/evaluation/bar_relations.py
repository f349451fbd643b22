"""Texts about one or some of the mapped buildings, with the masks that the map gives; doubtful ones are not asked."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.evaluation.bar_images import IGNORE

CLEARLY_LARGER, NEARLY = 1.2, 0.12
CLEAR_GAP_M, CLEAR_GAP_PX = 2.0, 3.0
USUAL_SIZE_M2 = 150
SIZES_M2 = (30, 60, 100, 150, 250, 400, 700)
NEAR_M = (10, 20, 40)
SIDES = {
    "northernmost": (1, -1),
    "southernmost": (1, 1),
    "westernmost": (0, -1),
    "easternmost": (0, 1),
}


@dataclass
class Buildings:
    """Of N instances: `idents`, `areas_m2` (N,), `centres_m` (N, 2) as x and y down, `boxes_m` (N, 4) as x0 y0 x1 y1."""

    idents: np.ndarray
    areas_m2: np.ndarray
    centres_m: np.ndarray
    boxes_m: np.ndarray


def measure_buildings(instances: np.ndarray, gsd_m: float) -> Buildings:
    """Sizes and places of the numbers in `instances` int32 (H, W), 0 being none."""
    idents = np.unique(instances)
    idents = idents[idents > 0]
    areas, centres, boxes = [], [], []
    for ident in idents:
        ys, xs = np.nonzero(instances == ident)
        areas.append(len(xs) * gsd_m**2)
        centres.append(((xs.mean() + 0.5) * gsd_m, (ys.mean() + 0.5) * gsd_m))
        boxes.append(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) * gsd_m)
    return Buildings(
        idents,
        np.array(areas),
        np.array(centres).reshape(-1, 2),
        np.array(boxes).reshape(-1, 4),
    )


def relation_truths(
    instances: np.ndarray, unsure: np.ndarray, gsd_m: float, road: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Text → uint8 (H, W) of 0, 1 and IGNORE. `unsure` bool (H, W) is ignored in all; `road` bool (H, W) adds distances."""
    known = measure_buildings(instances, gsd_m)
    if len(known.idents) < 4:
        return {}
    gap_m = max(CLEAR_GAP_M, CLEAR_GAP_PX * gsd_m)
    chosen = _superlatives(known, gap_m) | _larger(known)
    if road is not None and road.any():
        chosen |= _near(known, instances, road, gsd_m)
    truths = {}
    for text, (wanted, doubtful) in chosen.items():
        mask = np.isin(instances, wanted).astype(np.uint8)
        mask[unsure | np.isin(instances, doubtful)] = IGNORE
        truths[text] = mask
    return truths


Choice = tuple[np.ndarray, np.ndarray]
_NONE = np.zeros(0, int)


def _superlatives(known: Buildings, gap_m: float) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    order = np.argsort(-known.areas_m2)
    largest = known.areas_m2[order]
    if largest[0] >= CLEARLY_LARGER * largest[1]:
        found["the largest building"] = known.idents[order[:1]], _NONE
    if largest[1] >= CLEARLY_LARGER * largest[2] and "the largest building" in found:
        found["the second largest building"] = known.idents[order[1:2]], _NONE
    if largest[2] >= CLEARLY_LARGER * largest[3]:
        found["the three largest buildings"] = known.idents[order[:3]], _NONE
    for word, (axis, sign) in SIDES.items():
        by_centre = np.argsort(-sign * known.centres_m[:, axis])
        gap = abs(known.centres_m[by_centre[0], axis] - known.centres_m[by_centre[1], axis])
        edges = sign * known.boxes_m[:, axis + (2 if sign > 0 else 0)]
        # A long house may reach farther than one whose middle lies farther: such a pair is not asked about.
        if gap >= gap_m and edges[by_centre[0]] >= edges.max() - 1e-6:
            found[f"the {word} building"] = known.idents[by_centre[:1]], _NONE
    return found


def _larger(known: Buildings) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    for size in SIZES_M2:
        doubtful = np.abs(known.areas_m2 / size - 1) < NEARLY
        larger = (known.areas_m2 > size) & ~doubtful
        smaller = (known.areas_m2 < size) & ~doubtful
        if larger.sum() >= 2 and smaller.sum() >= 2:
            found[f"buildings larger than {size} m²"] = (
                known.idents[larger],
                known.idents[doubtful],
            )
    usual = f"buildings larger than {USUAL_SIZE_M2} m²"
    if usual in found:
        return {usual: found[usual]}
    middle = list(found.items())
    return dict(middle[len(middle) // 2 :][:1])


def _near(
    known: Buildings, instances: np.ndarray, road: np.ndarray, gsd_m: float
) -> dict[str, Choice]:
    away_m = cv2.distanceTransform((~road).astype(np.uint8), cv2.DIST_L2, 5) * gsd_m
    nearest = np.array([away_m[instances == ident].min() for ident in known.idents])
    for reach in NEAR_M:
        doubtful = np.abs(nearest - reach) < max(0.25 * reach, 2 * gsd_m)
        near, far = (nearest < reach) & ~doubtful, (nearest > reach) & ~doubtful
        if near.sum() >= 2 and far.sum() >= 2:
            text = f"buildings within {reach} m of a road"
            return {text: (known.idents[near], known.idents[doubtful])}
    return {}
