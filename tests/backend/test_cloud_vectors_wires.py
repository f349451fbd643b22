"""Wires: spans whose towers, sag and neighbours are known."""

import numpy as np
import pytest
import shapely

from inference_backend.vector.wires import find_wires

TOWERS = np.array([[0, 0, 30], [180, 40, 32], [350, 20, 35], [500, 120, 33.0]])


def hanging(start, end, sag, count, rng, noise=0.05):
    share = np.sort(rng.uniform(0, 1, count))
    points = start + (end - start) * share[:, None]
    points[:, 2] -= 4 * sag * share * (1 - share)
    return points + rng.normal(0, noise, points.shape)


def as_points(parts):
    points = np.concatenate(parts)
    return np.column_stack([points, points[:, 2] - 2.0, np.full(len(points), 0.9)])


def line(rng, offsets=((-4, 0), (4, 0), (0, 6))):
    """Three conductors between four towers, and the ends of each span."""
    parts, ends = [], []
    for first, second in zip(TOWERS, TOWERS[1:], strict=False):
        way = second - first
        aside = np.array([-way[1], way[0], 0]) / np.hypot(*way[:2])
        for off, up in offsets:
            a, b = first + off * aside + [0, 0, up], second + off * aside + [0, 0, up]
            parts.append(hanging(a, b, 6.0, int(1.5 * np.hypot(*way[:2])), rng))
            ends.append((a, b))
    return parts, ends


def test_every_span_of_a_power_line_is_one_line():
    rng = np.random.default_rng(1)
    parts, ends = line(rng)
    wires = find_wires(as_points(parts))
    assert len(wires) == len(ends)
    for start, end in ends:
        middle = (start + end) / 2 - [0, 0, 6.0]
        away = [shapely.distance(wire.line, shapely.Point(middle)) for wire in wires]
        wire = wires[int(np.argmin(away))]
        assert min(away) < 0.3
        xyz = shapely.get_coordinates(wire.line, include_z=True)
        nearest = np.abs(xyz[:, :2] - middle[:2]).sum(axis=1).argmin()
        assert xyz[nearest, 2] == pytest.approx(middle[2], abs=0.6)
        assert wire.line.length > 0.95 * np.hypot(*(end - start)[:2])
        assert wire.rmse_m < 0.15
        assert wire.score == pytest.approx(0.9)
        assert wire.ground_m == pytest.approx(2.0)
        assert len(xyz) < 30


def test_spans_of_one_conductor_meet_at_the_tower():
    parts, _ = line(np.random.default_rng(2), offsets=((0, 0),))
    wires = find_wires(as_points(parts))
    assert len(wires) == 3
    tips = np.concatenate(
        [shapely.get_coordinates(wire.line, include_z=True)[[0, -1]] for wire in wires]
    )
    for tower in TOWERS[1:3]:
        near = tips[np.hypot(*(tips[:, :2] - tower[:2]).T) < 8]
        assert len(near) == 2
        assert np.abs(near[0] - near[1]).max() < 1e-6


def test_a_gap_in_the_points_does_not_part_a_span():
    rng = np.random.default_rng(3)
    points = hanging(np.array([0.0, 0, 20]), np.array([150.0, 30, 21]), 4, 400, rng)
    kept = points[(points[:, 0] < 60) | (points[:, 0] > 80)]
    wires = find_wires(as_points([kept]))
    assert len(wires) == 1
    assert wires[0].line.length > 150


def test_wires_close_together_stay_apart():
    rng = np.random.default_rng(4)
    parts = [
        hanging(np.array([0, 0.6 * k, 8.0]), np.array([40, 10 + 0.6 * k, 8.0]), 0.6, 160, rng, 0.03)
        for k in range(4)
    ]
    wires = find_wires(as_points(parts))
    assert len(wires) == 4
    assert all(wire.line.length > 35 for wire in wires)


def test_stray_points_and_blobs_are_no_wires():
    rng = np.random.default_rng(5)
    stray = rng.uniform([0, 0, 0], [500, 200, 40], (300, 3))
    blob = rng.normal([100, 100, 10], 1.5, (300, 3))
    assert find_wires(as_points([stray, blob])) == []
    assert find_wires(np.zeros((0, 5))) == []
    assert find_wires(np.zeros((200, 5))) == []
