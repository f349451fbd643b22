"""Orders: what makes one thing the first, or the third, of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely

from inference_backend.language import nodes
from inference_backend.language.colours import lightness
from inference_backend.language.references import References

if TYPE_CHECKING:
    from inference_backend.language.execute import Instance, View

_RELATIVE_TIE, _TIE_M = 1e-9, 1e-6
SPECK = 0.08
"""Of the size that half of the area is in pieces of at least: what is smaller is a crumb of a mask, and crumbs lie at every edge."""


def order_values(
    key: str, things: Sequence[Instance], shapes: np.ndarray, to: References | None, view: View
) -> np.ndarray:
    """The value of each thing in an order, float64 (N,); not-a-number where it has none.

    Sizes in metres, positions of centroids along a direction, distance to the nearest reference, lightness L*,
    isolation as the distance to the nearest other of the set, centrality as minus the distance to the view's centre.
    """
    if not len(things):
        return np.zeros(0)
    values = _values(key, things, shapes, to, view)
    return values if key == "score" else np.where(_specks(shapes), np.nan, values)


def _specks(shapes: np.ndarray) -> np.ndarray:
    """bool (N,): far smaller than most of what was found, so that no order should be decided by it."""
    areas = shapely.area(shapes)
    ordered = np.sort(areas)
    usual = ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]
    return areas < SPECK * usual


def _values(
    key: str, things: Sequence[Instance], shapes: np.ndarray, to: References | None, view: View
) -> np.ndarray:
    """As `order_values`, of every thing."""
    from inference_backend.language.execute import measured

    if key in nodes.MEASURES:
        return measured(key, things, shapes)
    if key == "score":
        return np.array([thing.score for thing in things], np.float64)
    if key == "lightness":
        rgb = np.array([thing.colour or (np.nan,) * 3 for thing in things], np.float64)
        return lightness(rgb)
    if key == "distance" and to is not None:
        away, _ = to.nearest(shapes)
        return np.where(np.isfinite(away), away, np.nan)
    if key == "isolation":
        away, _ = References(shapes, np.arange(len(shapes))).nearest(shapes)
        return away
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    if key == "centrality":
        x0, y0, x1, y1 = view.bounds_m
        return -np.hypot(*(centres - [(x0 + x1) / 2, (y0 + y1) / 2]).T)
    relation = {"up": "above", "right": "right"}.get(key, f"{key} of")
    return centres @ view.frame.direction(relation)


def first(values: np.ndarray, node: nodes.Superlative | nodes.Ordinal) -> list[int]:
    """Indices of the `n` first, or of the `n`-th, with those that tie with the last of them; first ones first.

    "Two buildings" are two, by score: a score is no measure that things could share.
    """
    known = np.flatnonzero(~np.isnan(values))
    ordered = known[np.argsort(values[known] * (-1 if node.end == "most" else 1), kind="stable")]
    ordinal = isinstance(node, nodes.Ordinal)
    if node.key == "score":
        return [int(i) for i in (ordered[node.n - 1 : node.n] if ordinal else ordered[: node.n])]
    if not len(ordered) or (ordinal and node.n > len(ordered)):
        return []
    last = values[ordered[min(node.n, len(ordered)) - 1]]
    slack = _TIE_M + _RELATIVE_TIE * abs(last) if np.isfinite(last) else 0.0
    tied = (values[ordered] == last) | (np.abs(values[ordered] - last) <= slack)
    chosen = tied if ordinal else tied | (np.arange(len(ordered)) < node.n)
    return [int(index) for index in ordered[chosen]]
