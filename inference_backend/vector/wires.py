"""Conductors as lines: points of one wire are linked along its own direction, and each span gets a hanging curve.

In plan a span is straight; in height it is a parabola, which a catenary of the usual sag is to a centimetre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from shapely import LineString

from inference_backend.cancel import CancelToken
from inference_backend.vector.wire_spans import Span, fit_spans, join_spans, lengthened, meeting

# Directions are read among points at least a box apart: so many reach further along a bundle of wires than across it.
_DIRECTION_M = 4.0
_DIRECTION_BOX_M = 0.5
_NEIGHBOURS = 48
# A point belongs to a wire where its neighbours lie along a line.
_LEAST_LINEARITY = 0.6
# Sine of the steepest that a wire hangs.
_STEEPEST = 0.6
# Two points are of one wire where each lies near the other's line.
_LINK_M = 6.0
_ASIDE_M = 0.3
_LEAST_POINTS = 6
LEAST_LENGTH_M = 8.0
_TOLERANCE_M = 0.1
# More points than this are thinned first: a wire keeps four a metre.
_MOST_POINTS = 1_500_000


@dataclass(frozen=True)
class Wire:
    """One span, (x, y, z) in the metric frame; `rmse_m` is how far its points lie from it.

    Heights are above ground; `ground_m` is the ground's median height in the metric frame.
    """

    line: LineString
    rmse_m: float
    score: float
    height_max_m: float
    height_med_m: float
    ground_m: float
    n_points: int


def find_wires(points: np.ndarray, cancel: CancelToken | None = None) -> list[Wire]:
    """Spans of conductors, the longest first; stray points are left out.

    `points` are (N, 5): x, y, z in metres, height above ground, probability of a wire.
    """
    cancel = cancel or CancelToken()
    points = np.asarray(points, np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) > _MOST_POINTS:
        points = points[:: int(np.ceil(len(points) / _MOST_POINTS))]
    if len(points) < _LEAST_POINTS:
        return []
    origin = np.append(points[:, :3].mean(axis=0), [0.0, 0.0])
    local = points - origin
    along, linear = _directions(local[:, :3])
    cancel.check()
    labels = _linked(local[:, :3], along, linear)
    spans: list[Span] = []
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-2))
    for members in np.split(order, starts[1:]):
        cancel.check()
        if labels[members[0]] >= 0 and len(members) >= _LEAST_POINTS:
            spans.extend(fit_spans(local[members]))
    kept = [span for span in join_spans(spans) if span.length_m >= LEAST_LENGTH_M]
    kept = meeting(lengthened(kept, local[labels < 0]))
    return [_wire(span, origin) for span in sorted(kept, key=lambda span: -span.length_m)]


def _directions(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit direction (N, 3) of the line through each point's neighbours, and whether they are one (N,)."""
    boxes = np.floor(points / _DIRECTION_BOX_M).astype(np.int64)
    sparse = points[np.unique(boxes, axis=0, return_index=True)[1]]
    tree = cKDTree(sparse)
    count = min(_NEIGHBOURS, len(sparse))
    along = np.zeros((len(points), 3))
    linear = np.zeros(len(points), bool)
    for start in range(0, len(points), 100_000):
        part = slice(start, start + 100_000)
        distance, index = tree.query(
            points[part], k=[*range(1, count + 1)], distance_upper_bound=_DIRECTION_M
        )
        near = np.isfinite(distance)
        weight = near[..., None].astype(float)
        neighbours = sparse[np.where(near, index, 0)] * weight
        total = np.maximum(weight.sum(axis=1), 1)
        offset = (neighbours - (neighbours.sum(axis=1) / total)[:, None]) * weight
        values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", offset, offset))
        along[part] = vectors[:, :, 2]
        # Parallel conductors lie aside of each other and are still a direction.
        spread = np.maximum(values[:, 2], 1e-9)
        linear[part] = (near.sum(axis=1) >= 3) & (1 - values[:, 1] / spread >= _LEAST_LINEARITY)
    return along, linear & (np.abs(along[:, 2]) < _STEEPEST)


def _linked(points: np.ndarray, along: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Labels (N,) of wires; -1 for points that are of none."""
    pairs = _near_pairs(cKDTree(points), points)
    pairs = pairs[linear[pairs].all(axis=1)]
    step = points[pairs[:, 1]] - points[pairs[:, 0]]
    square = (step**2).sum(axis=1)
    aside = np.zeros(len(pairs))
    for end in (0, 1):
        forward = (step * along[pairs[:, end]]).sum(axis=1)
        aside = np.maximum(aside, np.sqrt(np.maximum(square - forward**2, 0)))
    # Directions are read to a few degrees: further on, the line is known less well.
    good = pairs[aside <= _ASIDE_M + 0.02 * np.sqrt(square)]
    graph = coo_matrix((np.ones(len(good)), (good[:, 0], good[:, 1])), shape=(len(points),) * 2)
    labels = connected_components(graph, directed=False)[1]
    return np.where(linear, labels, -1)


def _near_pairs(tree: cKDTree, points: np.ndarray) -> np.ndarray:
    """Pairs of near points, (M, 2): each with those of its nearest within reach."""
    count = min(13, len(points))
    distance, index = tree.query(points, k=count, distance_upper_bound=_LINK_M)
    own = np.repeat(np.arange(len(points)), count)
    near = np.isfinite(distance.ravel())
    pairs = np.column_stack([own[near], index.ravel()[near]])
    return pairs[pairs[:, 0] < pairs[:, 1]]


def _wire(span: Span, origin: np.ndarray) -> Wire:
    height, score = span.points[:, 3], span.points[:, 4]
    ground = span.points[:, 2] - height + origin[2]
    return Wire(
        _thinned(LineString(span.curve() + origin[:3])),
        span.rmse_m,
        float(np.clip(score.mean(), 0, 1)),
        float(height.max()),
        float(np.median(height)),
        float(np.median(ground)),
        span.count,
    )


def _thinned(line: LineString) -> LineString:
    xyz = shapely.get_coordinates(line, include_z=True)
    run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xyz[:, :2], axis=0).T))])
    profile = LineString(np.column_stack([run, xyz[:, 2]])).simplify(_TOLERANCE_M)
    keep = np.isin(run, shapely.get_coordinates(profile)[:, 0])
    return LineString(xyz[keep])
