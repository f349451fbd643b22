"""What is surely true of objects, what surely not, and what nobody could say: sizes, places, distances, neighbours.

A verdict is int8 (N,): 1 yes, 0 no, -1 too close to call.
"""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.instructions.crop import LEAST_PX
from inference_backend.training.instructions.world import Objects

_POSITION_MARGIN, _SIZE_MARGIN = 0.05, 1.25
_BLUR = 0.03
"""Share of a side around a region's border within which an object or a pixel is in neither part."""

REGIONS: dict[str, tuple[float, float, float, float]] = {
    "left": (0, 0, 0.5, 1),
    "right": (0.5, 0, 1, 1),
    "top": (0, 0, 1, 0.5),
    "bottom": (0, 0.5, 1, 1),
    "top left": (0, 0, 0.5, 0.5),
    "top right": (0.5, 0, 1, 0.5),
    "bottom left": (0, 0.5, 0.5, 1),
    "bottom right": (0.5, 0.5, 1, 1),
    "centre": (0.25, 0.25, 0.75, 0.75),
}
"""x0, y0, x1, y1 as shares of the crop."""
OPPOSITE = {
    **{"left": "right", "right": "left", "top": "bottom", "bottom": "top"},
    **{"top left": "bottom right", "bottom right": "top left"},
    **{"top right": "bottom left", "bottom left": "top right"},
}


def verdict(sure: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """int8 (N,): 1 where `sure`, else -1 where `possible`, else 0."""
    return np.where(sure, 1, np.where(possible, -1, 0)).astype(np.int8)


def above(values: np.ndarray, limit: float, slack: float) -> np.ndarray:
    """Whether values lie above `limit`; those within `slack` of it are too close to call."""
    return verdict(values > limit + slack, values > limit - slack)


def ranking(values: np.ndarray, objects: Objects, size: bool) -> list[int] | None:
    """Indices from the highest value down as far as the order is beyond doubt, at most three; None where it is not.

    `size`: values are sizes and must differ by a factor; else they are pixels and must differ by a share of the side.
    """
    order = np.argsort(-values, kind="stable")
    clear: list[int] = []
    for place, index in enumerate(order[:3]):
        if place + 1 < len(order):
            following = values[order[place + 1]]
            if size:
                apart = values[index] > following * _SIZE_MARGIN
            else:
                apart = values[index] - following > _POSITION_MARGIN * objects.labels.shape[0]
            if not apart:
                break
        clear.append(int(index))
    if not clear or objects.area_px[clear[0]] < LEAST_PX:
        return None
    return clear


def gap_m(objects: Objects, other: np.ndarray, gsd_m: float) -> np.ndarray:
    """Metres (N,) between each object's nearest pixel and the nearest pixel of `other` (bool (S, S)); inf without any."""
    if not other.any():
        return np.full(len(objects), np.inf)
    away = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, 5)
    flat = objects.labels.ravel()
    inside = np.flatnonzero(flat)
    nearest = np.full(int(flat.max()) + 1, np.inf, np.float32)
    np.minimum.at(nearest, flat[inside], away.ravel()[inside])
    # Touching pixels are one apart, yet there is nothing between them.
    return np.maximum(nearest[objects.numbers] - 1, 0) * gsd_m


def share_in(objects: Objects, where: np.ndarray) -> np.ndarray:
    """Share (N,) of each object's pixels that lie in `where` (bool (S, S))."""
    counts = np.bincount(objects.labels[where].ravel(), minlength=int(objects.numbers.max()) + 1)
    return counts[objects.numbers] / objects.area_px


def stands_on(objects: Objects, ground: np.ndarray) -> np.ndarray:
    """Verdict (N,): whether the rim around an object is mostly `ground` (uint8 (S, S) with 255 unknown)."""
    near = cv2.dilate(objects.labels.astype(np.float32), np.ones((5, 5), np.uint8))
    # Where the rims of two meet, the higher number has the pixel.
    rim = (objects.labels == 0) & (near > 0)
    around, of = ground[rim], near[rim].astype(np.int64)
    count = int(objects.numbers.max()) + 1
    whole = np.maximum(np.bincount(of, minlength=count), 1)[objects.numbers]
    sure = np.bincount(of[around == 1], minlength=count)[objects.numbers] / whole
    doubtful = np.bincount(of[around == 255], minlength=count)[objects.numbers] / whole
    return verdict(sure > 0.7, sure + doubtful > 0.3)


def region_verdict(objects: Objects, region: str) -> np.ndarray:
    """Verdict (N,): in the region with its middle and most of its pixels; across its border is neither."""
    side = objects.labels.shape[0]
    x0, y0, x1, y1 = (value * side for value in REGIONS[region])
    x, y = objects.xy.T
    blur = _BLUR * side
    deep = (x > x0 + blur * (x0 > 0)) & (x < x1 - blur * (x1 < side))
    deep &= (y > y0 + blur * (y0 > 0)) & (y < y1 - blur * (y1 < side))
    where = np.zeros(objects.labels.shape, bool)
    where[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    share = share_in(objects, where)
    return verdict(deep & (share > 0.75), share > 0.25)


def region_mask(known: np.ndarray, region: str) -> np.ndarray:
    """uint8 (S, S): `known` within the region, unknown along its inner borders, nothing outside."""
    side = known.shape[0]
    x0, y0, x1, y1 = REGIONS[region]
    place = (np.arange(side) + 0.5) / side
    depth_x = np.minimum(place - (x0 if x0 > 0 else -1), (x1 if x1 < 1 else 2) - place)
    depth_y = np.minimum(place - (y0 if y0 > 0 else -1), (y1 if y1 < 1 else 2) - place)
    depth = np.minimum(depth_y[:, None], depth_x[None, :])
    out = np.where(depth > 0, known, 0).astype(np.uint8)
    out[(np.abs(depth) <= _BLUR) & (known != 0)] = 255
    return out


def side_of(objects: Objects, direction: str, box: np.ndarray) -> np.ndarray:
    """Verdict (N,): left, right, above or below `box` (x0, y0, x1, y1): wholly beyond it, or beyond its middle and more so than
    aside.
    """
    axis = 0 if direction in ("left", "right") else 1
    sign = -1 if direction in ("left", "above") else 1
    middle = (box[axis] + box[axis + 2]) / 2
    other = (box[1 - axis] + box[3 - axis]) / 2
    along = (objects.xy[:, axis] - middle) * sign
    aside = np.abs(objects.xy[:, 1 - axis] - other)
    if sign < 0:
        beyond = objects.boxes[:, axis + 2] <= box[axis] + 1
    else:
        beyond = objects.boxes[:, axis] >= box[axis + 2] - 1
    return verdict(beyond & (along > 0.6 * aside), along > 0)


def between(objects: Objects, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Verdict (N,): in the corridor from `one` to `two`, both (2,) in pixels."""
    line = two - one
    length = max(float(np.hypot(*line)), 1.0)
    relative = objects.xy - one
    along = relative @ line / length**2
    across = np.abs(relative[:, 0] * line[1] - relative[:, 1] * line[0]) / length
    sure = (along > 0.12) & (along < 0.88) & (across < 0.3 * length)
    possible = (along > 0) & (along < 1) & (across < 0.6 * length)
    return verdict(sure, possible)
