"""Clutter and echoes that training puts on generated roofs: on roofs alone, patch by patch, and never on real points."""

from __future__ import annotations

import numpy as np

from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.training.cloud_disturbance import _clutter, _old_trees, disturbed
from inference_backend.training.cloud_store import GENERATED, StoredCloud

ROOF = label_graph().leaf_id("flat roof") + 1
GROUND = label_graph().leaf_id("open ground") + 1


def cloud(profile: str, count: int = 20_000) -> StoredCloud:
    """A flat roof at 8 m beside flat ground."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 60, (count, 2))
    on_roof = xy[:, 0] > 30
    xyz = np.column_stack([xy, np.where(on_roof, 8.0, 0.0)])
    ones = np.ones(count, np.uint8)
    label = np.where(on_roof, ROOF, GROUND).astype(np.uint8)
    intensity = np.full(count, 100, np.uint16)
    return StoredCloud(xyz, label, intensity, ones, ones, None, profile, "x")


def test_only_roofs_are_cluttered_and_points_of_a_patch_move_together():
    made = cloud(GENERATED)
    found = [_clutter(made.xyz, made.label, np.random.default_rng(seed)) for seed in range(12)]
    assert all((moved[made.label == GROUND] == 0).all() for moved in found)
    share = [float((np.abs(moved[made.label == ROOF]) > 0.35).mean()) for moved in found]
    # Some roofs are left nearly plain, some get dormers and wells; none is torn up.
    assert min(share) < 0.05 < max(share) < 0.4
    assert all(np.abs(moved).max() < 4 for moved in found)


def test_real_points_keep_their_heights():
    table = np.zeros(256, np.int64)
    made, real = cloud(GENERATED), cloud("ahn3")
    spread = {"made": [], "real": []}
    for seed in range(30):
        for name, source in (("made", made), ("real", real)):
            points, _ = disturbed(source, table[source.label], np.random.default_rng(seed))
            high = points.z[points.z > 4]
            spread[name].append(float(np.percentile(high, 98) - np.percentile(high, 50)))
    # The noise of a disturbed copy is at most 0.05 m.
    assert max(spread["real"]) < 0.2
    assert sum(value > 0.4 for value in spread["made"]) >= 5


def test_old_trees_stand_higher_and_nothing_else_moves():
    rng = np.random.default_rng(1)
    made = cloud(GENERATED)
    tree = label_graph().leaf_id("conifer tree") + 1
    slope = made.xyz[:, 1] * 0.3
    crown = (made.xyz[:, 0] < 12) & (rng.random(len(made)) < 0.6)
    made.label[crown] = tree
    made.xyz[:, 2] += slope
    made.xyz[crown, 2] += rng.uniform(1, 18, int(crown.sum()))
    for seed in range(8):
        moved = _old_trees(made.xyz, made.label, np.random.default_rng(seed))
        assert (moved[~crown] == 0).all()
        assert (moved >= 0).all()
        high = (made.xyz[:, 2] + moved - slope)[crown].max()
        # The ground of a 4 m cell is its lowest point, up to 1.2 m below the foot of a tree on this slope.
        assert 18 * 1.1 < high < 62
