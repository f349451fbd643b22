"""Arrays of polygons taken apart and put together again, so that steps work on all parts of all objects at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry


def geometry_array(geometries: Iterable[BaseGeometry]) -> np.ndarray:
    """Geometries as an array of objects (n,)."""
    given = list(geometries)
    found = np.empty(len(given), dtype=object)
    found[:] = given
    return found


def assembled(parts: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """(count,) polygons and multipolygons of the polygons `parts`, whose `owner` rises; empty where there is none."""
    found = np.full(count, Polygon(), dtype=object)
    number = np.bincount(owner, minlength=count)
    single = number[owner] == 1
    found[owner[single]] = parts[single]
    if not single.all():
        several = np.flatnonzero(number > 1)
        found[several] = shapely.multipolygons(
            parts[~single], indices=np.searchsorted(several, owner[~single])
        )
    return found
