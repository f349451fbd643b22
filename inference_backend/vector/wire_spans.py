"""Spans: a straight line in plan and a parabola in height through the points of one conductor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

_CURVE_STEP_M = 1.0
# Points further off than this in plan or in height mean that the wire bends: there is a tower in between.
_BEND_M = 0.3
_LEAST_SPAN_M = 12.0
_CUTS = 24
_LEAST_POINTS = 6
_MOST_LEFT_OUT = 0.4
# Two pieces are one span where one curve fits both; a gap without points may be so long.
_GAP_M = 30.0
_TURN = np.cos(np.radians(6))
_JOIN_ASIDE_M = 0.3
_JOIN_OFF_M = 0.15
# The ends of neighbouring spans meet where they come as near as this.
_MEET_M = 8.0
_MEET_HEIGHT_M = 1.5
_BEND_COSINE = 0.5
_STRAIGHT_SINE = 0.05
_ROUNDS = 4


@dataclass(frozen=True)
class Span:
    """`start` and `end` (2,) in plan; height along it from 0 to 1 is a polynomial, highest power first (3,).

    `points` (N, 3 or more) begin with x, y, z; what follows is carried along.
    """

    start: np.ndarray
    end: np.ndarray
    height: np.ndarray
    rmse_m: float
    points: np.ndarray

    @property
    def length_m(self) -> float:
        return float(np.hypot(*(self.end - self.start)))

    @property
    def count(self) -> int:
        return len(self.points)

    def curve(self) -> np.ndarray:
        """Points (K, 3) along the span, a metre apart."""
        count = max(2, int(np.ceil(self.length_m / _CURVE_STEP_M)) + 1)
        share = np.linspace(0.0, 1.0, count)[:, None]
        plan = self.start + share * (self.end - self.start)
        return np.column_stack([plan, np.polyval(self.height, share[:, 0])])


def fit_span(points: np.ndarray) -> Span:
    """The span through points (N, 3) of one conductor; a few that lie far off do not pull it."""
    kept = points
    span = _fit(kept)
    for _ in range(_ROUNDS):
        off = distances(span, kept)
        limit = max(3 * float(np.median(off)), 0.1)
        if (off <= limit).all() or (off <= limit).sum() < 4:
            break
        kept = kept[off <= limit]
        span = _fit(kept)
    return Span(span.start, span.end, span.height, span.rmse_m, points)


def _fit(points: np.ndarray) -> Span:
    plan = points[:, :2]
    middle = plan.mean(axis=0)
    _, _, axes = np.linalg.svd(plan - middle, full_matrices=False)
    along = axes[0]
    place = (plan - middle) @ along
    low, high = float(place.min()), float(place.max())
    length = max(high - low, 1e-6)
    share = (place - low) / length
    # Without points over most of its length, a curve would hang anywhere.
    power = 2 if len(points) >= 8 and length > _LEAST_SPAN_M else 1
    height = np.polyfit(share, points[:, 2], power) if len(points) > power else np.zeros(1)
    if power == 2 and height[0] < 0:
        # Wires hang: what arches upwards is noise.
        height = np.polyfit(share, points[:, 2], 1)
    height = np.concatenate([np.zeros(3 - len(height)), height])
    span = Span(middle + low * along, middle + high * along, height, 0.0, points)
    rmse = float(np.sqrt(np.mean(distances(span, points) ** 2)))
    return Span(span.start, span.end, span.height, rmse, points)


def distances(span: Span, points: np.ndarray) -> np.ndarray:
    """Distance (N,) of points from the span's curve, aside and in height."""
    step = span.end - span.start
    length = max(float(np.hypot(*step)), 1e-9)
    offset = points[:, :2] - span.start
    share = offset @ step / length**2
    aside = (offset[:, 0] * step[1] - offset[:, 1] * step[0]) / length
    return np.hypot(aside, points[:, 2] - np.polyval(span.height, share))


def fit_spans(points: np.ndarray) -> list[Span]:
    """One span, or several where the wire bends or its curve starts anew, as it does at a tower."""
    whole = fit_span(points)
    far = distances(whole, points) > 2 * _BEND_M
    if _LEAST_POINTS <= far.sum() < _MOST_LEFT_OUT * len(points):
        # What the fit left out may be the end of the next span.
        return [fit_span(points[~far]), *fit_spans(points[far])]
    if _fits(whole):
        return [whole]
    if whole.length_m < 2 * _LEAST_SPAN_M or len(points) < 16:
        return [whole]
    along = (whole.end - whole.start) / whole.length_m
    place = (points[:, :2] - whole.start) @ along
    best: tuple[float, np.ndarray] | None = None
    for cut in np.linspace(0, whole.length_m, _CUTS + 2)[1:-1]:
        left = place <= cut
        if min(left.sum(), (~left).sum()) < _LEAST_POINTS:
            continue
        one, other = fit_span(points[left]), fit_span(points[~left])
        cost = one.rmse_m**2 * one.count + other.rmse_m**2 * other.count
        if best is None or cost < best[0]:
            best = (cost, left)
    if best is None or best[0] > 0.5 * whole.rmse_m**2 * whole.count:
        return [whole]
    left = best[1]
    return [*fit_spans(points[left]), *fit_spans(points[~left])]


def _fits(span: Span) -> bool:
    off = distances(span, span.points)
    return float(np.quantile(off, 0.9)) < _BEND_M


def lengthened(spans: list[Span], rest: np.ndarray) -> list[Span]:
    """Spans that take up points of no wire beyond their ends: there, a line's direction could not be read."""
    if not len(rest):
        return spans
    tree = cKDTree(rest[:, :3])
    made = []
    for span in spans:
        near = {
            index
            for end in (False, True)
            for index in tree.query_ball_point(_tip(span, end), _MEET_M)
        }
        points = rest[sorted(near)]
        points = points[distances(span, points) < _BEND_M] if len(points) else points
        made.append(fit_span(np.concatenate([span.points, points])) if len(points) else span)
    return made


def meeting(spans: list[Span]) -> list[Span]:
    """Spans that go on beyond each other's near end, as they do at a tower, end in one point; each end once."""
    found = list(spans)
    if len(found) < 2:
        return found
    tips = np.array([_tip(span, end) for span in found for end in (False, True)])
    outward = np.array([_outward(span, end) for span in found for end in (False, True)])
    pairs = cKDTree(tips).query_pairs(_MEET_M, output_type="ndarray")
    step = tips[pairs[:, 1]] - tips[pairs[:, 0]]
    away = (outward[pairs[:, 0]] * outward[pairs[:, 1]]).sum(axis=1)
    ahead = (outward[pairs[:, 0]] * step[:, :2]).sum(axis=1)
    # Wires beside each other end side by side, with the same way out.
    goes_on = (away < -_BEND_COSINE) & (ahead > -1.0) & (np.abs(step[:, 2]) < _MEET_HEIGHT_M)
    pairs, length = pairs[goes_on], np.sqrt((step[goes_on] ** 2).sum(axis=1))
    used: set[int] = set()
    for one, other in pairs[np.argsort(length, kind="stable")].tolist():
        if one // 2 == other // 2 or used & {one, other}:
            continue
        used |= {one, other}
        spot = _crossing(tips[one], outward[one], tips[other], outward[other])
        for tip in (one, other):
            found[tip // 2] = _ended(found[tip // 2], bool(tip % 2), spot)
    return found


def _crossing(p: np.ndarray, out_p: np.ndarray, q: np.ndarray, out_q: np.ndarray) -> np.ndarray:
    """Where two spans meet: where their lines cross, so that none is turned; half-way where those are one line."""
    middle = (p + q) / 2
    sine = out_p[0] * out_q[1] - out_p[1] * out_q[0]
    if abs(sine) < _STRAIGHT_SINE:
        return middle
    gap = (q - p)[:2]
    spot = p[:2] + (gap[0] * out_q[1] - gap[1] * out_q[0]) / sine * out_p
    if max(np.hypot(*(spot - p[:2])), np.hypot(*(spot - q[:2]))) > _MEET_M:
        return middle
    return np.append(spot, middle[2])


def _outward(span: Span, end: bool) -> np.ndarray:
    way = (span.end - span.start) / max(span.length_m, 1e-9)
    return way if end else -way


def _tip(span: Span, end: bool) -> np.ndarray:
    plan = span.end if end else span.start
    return np.append(plan, np.polyval(span.height, 1.0 if end else 0.0))


def _ended(span: Span, end: bool, tip: np.ndarray) -> Span:
    """The span with one end moved: its curve keeps its middle's sag."""
    first, last = _tip(span, False), _tip(span, True)
    if end:
        last = tip
    else:
        first = tip
    sag = span.height[0]
    # z(0) and z(1) are the tips; the square term stays.
    height = np.array([sag, last[2] - first[2] - sag, first[2]])
    return Span(first[:2], last[:2], height, span.rmse_m, span.points)


def join_spans(spans: list[Span]) -> list[Span]:
    """Pieces of one span that a gap parts become one, where one curve fits both."""
    found = sorted(spans, key=lambda span: -span.length_m)
    index = 0
    while index < len(found):
        partner = _partner(found, index)
        if partner is None:
            index += 1
            continue
        other, merged = partner
        found[index] = merged
        del found[other]
        if other < index:
            index -= 1
    return found


def _partner(found: list[Span], index: int) -> tuple[int, Span] | None:
    span = found[index]
    along = (span.end - span.start) / max(span.length_m, 1e-9)
    for other, candidate in enumerate(found):
        if other == index or candidate.length_m > span.length_m:
            continue
        way = (candidate.end - candidate.start) / max(candidate.length_m, 1e-9)
        if abs(float(along @ way)) < _TURN and candidate.length_m > 3.0:
            continue
        places = np.array([candidate.start - span.start, candidate.end - span.start])
        forward, aside = places @ along, places @ np.array([-along[1], along[0]])
        gap = max(-float(forward.max()), float(forward.min()) - span.length_m)
        if gap > _GAP_M or np.abs(aside).max() > _JOIN_ASIDE_M + 0.01 * max(gap, 0.0):
            continue
        merged = fit_span(np.concatenate([span.points, candidate.points]))
        if _fits(merged) and float(np.median(distances(merged, candidate.points))) < _JOIN_OFF_M:
            return other, merged
    return None
