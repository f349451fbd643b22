"""The cloud network: tables, layers, graph, partial labels, weights; by hand-computed values and by what must not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, ModelProblem
from inference_backend.models.cityseg.adapter import CitySegModel
from inference_backend.models.cityseg.classes import ClassSet, CloudClass
from inference_backend.models.cityseg.graph_encoder import Hierarchy, conditional_log, leaf_log
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.layers import SparseDepthwise, pooled
from inference_backend.models.cityseg.network import CitySegNet, CloudConfig, VoxelBatch
from inference_backend.models.cityseg.settling import Neighbourhood, grass_is_ground, settled
from inference_backend.models.cityseg.voxels import FEATURES, curve_windows, voxelise
from inference_backend.models.cityseg.weights_file import (
    Calibration,
    load_cloud_network,
    save_cloud_weights,
)
from inference_backend.models.packed_weights import packed, unpacked
from inference_backend.points.blocks import BlockPoints, RawPoints, make_block, survey
from inference_backend.training.cloud_data import majority
from inference_backend.training.cloud_loss import Emphasis, LabelRows, cloud_loss, sibling_hinge
from inference_backend.training.cloud_store import label_table

SMALL = CloudConfig(
    widths=(8, 16, 16, 16), depths=(1, 1, 1, 1), token_width=16, embedding=12, heads=2
)
GRAPH = label_graph()
SEEN = tuple(name for name in GRAPH.leaves if not GRAPH.node(name).hidden)


def columns(*names: str) -> ClassSet:
    return ClassSet(tuple(CloudClass(name, str(GRAPH.node(name).parent)) for name in names))


def town(seed: int = 0, count: int = 9000, side_m: float = 40.0) -> RawPoints:
    """Flat ground with a box and a bush on it."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, side_m, (2, count))
    z = rng.normal(0, 0.02, count)
    box = (x > 8) & (x < 18) & (y > 8) & (y < 20)
    z[box] += 6
    bush = np.hypot(x - 30, y - 28) < 4
    z[bush] += rng.uniform(0, 5, bush.sum())
    ones = np.ones(count, np.uint8)
    return RawPoints(
        np.arange(count), x, y, z, rng.integers(0, 900, count).astype(np.uint16), ones, ones
    )


def block_of(points: RawPoints) -> BlockPoints:
    around = survey(points)
    return make_block(points, around, (0.0, 0.0, 40.0, 40.0), 0.0)


@pytest.fixture(scope="module")
def block() -> BlockPoints:
    return block_of(town())


def test_the_neighbour_table_is_that_of_a_search(block):
    level = voxelise(block, 1.0).levels[1]
    row_of = {tuple(place): row for row, place in enumerate(level.ijk.tolist())}
    offsets = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    for row in range(0, level.count, 7):
        for k, offset in enumerate(offsets):
            place = tuple(int(a + b) for a, b in zip(level.ijk[row], offset, strict=True))
            assert level.neighbours[k, row] == row_of.get(place, level.count)


def test_every_point_lies_in_its_voxel_and_every_voxel_in_its_parent(block):
    voxels = voxelise(block, 0.7)
    xy = np.floor(block.xyz_m[:, :2] / 0.7).astype(int)
    assert (voxels.levels[0].ijk[voxels.inverse][:, :2] == xy).all()
    for fine, coarse in zip(voxels.levels[:-1], voxels.levels[1:], strict=True):
        assert (coarse.ijk[fine.parent] == fine.ijk >> 1).all()


@given(st.integers(1, 900), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_windows_hold_every_row_and_lead_back_to_it(count, seed):
    rng = np.random.default_rng(seed)
    ijk = np.unique(rng.integers(0, 40, (count, 3)), axis=0).astype(np.int32)
    windows, back = curve_windows(ijk, swapped=bool(seed % 2))
    assert set(windows.reshape(-1)) == set(range(len(ijk)))
    assert (windows.reshape(-1)[back] == np.arange(len(ijk))).all()


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_handful_of_points_and_points_all_equal_have_an_answer(count):
    same = np.full(count, 5.0)
    ones = np.ones(count, np.uint8)
    points = RawPoints(np.arange(count), same, same, same, np.zeros(count, np.uint16), ones, ones)
    found = CitySegModel.untrained(config=SMALL).predict_block(block_of(points), columns(*SEEN))
    assert found.shape == (count, len(SEEN))
    assert np.isfinite(found).all()


def test_the_sparse_convolution_is_the_sum_over_neighbours_and_its_gradient_is_right(block):
    level = voxelise(block, 4.0).levels[1]
    table = torch.from_numpy(level.neighbours)
    layer = SparseDepthwise(3).double()
    x = torch.randn(level.count, 3, dtype=torch.float64, requires_grad=True)
    padded = torch.cat([x, torch.zeros(1, 3, dtype=torch.float64)])
    plain = sum(layer.weight[k] * padded[table[k].long()] for k in range(27)) + layer.bias
    torch.testing.assert_close(layer(x, table), plain)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, table), plain)
    assert torch.autograd.gradcheck(lambda value: layer(value, table), (x,))
    (layer(x, table) ** 2).sum().backward()
    by_hand = layer.weight.grad.clone()
    layer.weight.grad = None
    plain = sum(layer.weight[k] * padded.detach()[table[k].long()] for k in range(27)) + layer.bias
    (plain**2).sum().backward()
    torch.testing.assert_close(by_hand, layer.weight.grad)


def test_pooling_is_mean_and_maximum():
    x = torch.tensor([[1.0], [3.0], [-2.0]])
    assert pooled(x, torch.tensor([0, 0, 1]), 2).tolist() == [[2.0, 3.0], [-2.0, -2.0]]


def test_a_block_gets_the_same_answer_alone_and_among_others(block):
    torch.manual_seed(1)
    net = CitySegNet(SMALL).eval()
    for gate in (b.world.gate for stage in net.coarse for b in stage):
        gate.data.fill_(0.7)
    first, second = voxelise(block, 1.0), voxelise(block_of(town(3, 4000)), 0.7)
    with torch.no_grad():
        alone = net(VoxelBatch.of([first]))
        together = net(VoxelBatch.of([second, first]))
    torch.testing.assert_close(together[len(second.features) :], alone, atol=2e-5, rtol=1e-4)
    assert first.features.shape[1] == FEATURES


def test_what_lies_far_away_reaches_a_block_through_the_global_tokens(block):
    torch.manual_seed(1)
    net = CitySegNet(SMALL).eval()
    for gate in (b.world.gate for stage in net.coarse for b in stage):
        gate.data.fill_(0.7)
    voxels = voxelise(block, 1.0)
    with torch.no_grad():
        before = net(VoxelBatch.of([voxels]))
        voxels.context = voxels.context.copy()
        voxels.context[:, :8, :8] += 1.0
        after = net(VoxelBatch.of([voxels]))
    assert (after - before).abs().max() > 1e-4


def test_probabilities_go_down_the_tree():
    #       root(0) -> a(1), b(2); b -> c(3), d(4)
    tree = Hierarchy.of([-1, 0, 0, 2, 2], [1, 3, 4])
    scores = torch.tensor([[9.0, 0.0, float(np.log(3.0)), 0.0, 0.0]])
    choice = conditional_log(scores, tree).exp()
    torch.testing.assert_close(choice[0, 1:], torch.tensor([0.25, 0.75, 0.5, 0.5]))
    torch.testing.assert_close(leaf_log(scores, tree).exp(), torch.tensor([[0.25, 0.375, 0.375]]))


def test_prototypes_are_made_for_any_set_of_classes_and_have_no_parameters_of_their_own(block):
    model = CitySegModel.untrained(config=SMALL)
    added = ClassSet((*columns(*SEEN).columns, CloudClass("helipad", "terrain", new=True)))
    found = model.predict_block(block, added)
    assert found.shape == (len(block), len(SEEN) + 1)
    np.testing.assert_allclose(found.astype(np.float32).sum(1), 1, atol=4e-3)
    assert found[:, -1].max() > 0
    sizes = {p.shape for p in model._net.parameters()}
    assert not any(len(GRAPH.leaves) in size or len(GRAPH) in size for size in sizes)
    few = model.predict_block(block, columns("open ground", "pitched roof"))
    assert few.shape == (len(block), 2)


def test_siblings_are_pushed_apart_from_their_mean():
    model = CitySegModel.untrained(config=SMALL)
    made = model.prototypes(columns("car", "truck"))
    pair = made.vectors[-2:]
    assert float((pair[0] * pair[1]).sum()) == pytest.approx(-1, abs=1e-3)


def test_a_partial_label_asks_for_the_sum_of_its_leaves():
    tree = Hierarchy.of([3, 3, 4, 4, -1], [0, 1, 2])
    below = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], bool)
    sets = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    table = LabelRows.of(sets, below)
    assert table.single[1:].tolist() == [-1, 2]
    embedding = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    prototypes = torch.nn.functional.normalize(
        torch.randn(5, 2, generator=torch.manual_seed(0)), dim=1
    )
    rows = torch.tensor([1, 2, 0])
    loss, _ = cloud_loss(
        embedding, prototypes, torch.tensor(5.0), rows, table, tree, Emphasis(1.0, 0.0)
    )
    leaf = leaf_log(5 * embedding @ prototypes.T, tree).exp()
    wanted = -(torch.log(leaf[0, 0] + leaf[0, 1]) + torch.log(leaf[1, 2])) / 2
    torch.testing.assert_close(loss, wanted)


def test_the_hinge_is_nothing_once_a_leaf_is_clear_of_its_siblings():
    tree = Hierarchy.of([3, 3, 3, -1], [0, 1, 2])
    clear = torch.tensor([[0.9, 0.5, 0.4, 0.0]])
    close = torch.tensor([[0.9, 0.8, 0.4, 0.0]])
    assert float(sibling_hinge(clear, torch.tensor([0]), tree)) == 0
    assert float(sibling_hinge(close, torch.tensor([0]), tree)) == pytest.approx(0.2 / 3, abs=1e-6)


def test_hidden_leaves_are_known_to_training_by_their_parent_alone():
    seen = np.array([not GRAPH.node(name).hidden for name in GRAPH.leaves])
    sets, rows = label_table(["generated"], seen)
    kept = np.array(GRAPH.leaves)[seen]
    palm = sets[rows["generated"][GRAPH.leaf_id("palm") + 1]]
    assert set(kept[palm]) == {"broadleaf tree", "conifer tree"}
    car = sets[rows["generated"][GRAPH.leaf_id("car") + 1]]
    assert set(kept[car]) == {"car"}
    assert rows["generated"][0] == 0


def test_a_voxel_has_the_label_of_most_of_its_points_and_a_known_one_first():
    rows = np.array([2, 2, 3, 0, 0, 0, 5])
    inverse = np.array([0, 0, 0, 1, 1, 1, 1])
    assert majority(rows, inverse, 2).tolist() == [2, 5]


def test_weights_come_back_as_they_were_written(tmp_path: Path):
    torch.manual_seed(0)
    net = CitySegNet(SMALL)
    path = tmp_path / "w.safetensors"
    save_cloud_weights(path, SMALL, net.state_dict(), Calibration(1.25, 2.0), 7)
    loaded, calibration = load_cloud_network(path)
    assert calibration == Calibration(1.25, 2.0)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=2e-3, rtol=2e-3)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ModelProblem, match="install the plugin again"):
        load_cloud_network(path)


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_eight_bits_keep_each_row_to_one_part_in_254(seed):
    generator = torch.manual_seed(seed)
    state = {
        "big": torch.randn(64, 70, generator=generator) * 10 ** (seed % 5 - 2),
        "small": torch.randn(7, generator=generator),
    }
    state["big"][3] = 0
    back = unpacked(packed(state))
    step = state["big"].abs().amax(1, keepdim=True) / 254
    assert ((back["big"] - state["big"]).abs() <= step * 1.01 + 1e-12).all()
    torch.testing.assert_close(back["small"], state["small"], atol=1e-2, rtol=1e-3)
    assert set(back) == set(state)


def test_a_cancelled_block_stops(block):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        CitySegModel.untrained(config=SMALL).predict_block(block, columns(*SEEN), token)


def test_what_stands_settles_with_its_neighbours_and_what_lies_stays():
    """Three fine voxels in one coarse voxel; groups: terrain (column 0), building (1, 2), tree (3)."""
    groups = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    lying = torch.tensor([True, False, False])
    probability = torch.tensor([[0.0, 0.6, 0.3, 0.1], [0.0, 0.3, 0.1, 0.6], [0.9, 0.0, 0.0, 0.1]])
    alone = torch.full((27, 1), 1)
    alone[13] = 0
    around = [Neighbourhood(torch.tensor([0, 0, 0]), alone, 0.8)]
    found = settled(probability, groups, lying, around)
    building, tree = 0.9 + 0.4, 0.1 + 0.6 + 0.1 * 0.1
    share = building / (building + tree)
    wanted = 0.2 * 0.4 + 0.8 * share
    assert float(found[1, 1] + found[1, 2]) == pytest.approx(wanted, abs=1e-4)
    assert float(found[1, 1] / found[1, 2]) == pytest.approx(3.0, abs=1e-3)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    assert float(found[2, 0]) > 0.89


def test_settling_looks_at_two_levels_above_the_fine_one(block):
    voxels = voxelise(block, 1.0)
    first, second = Neighbourhood.of(voxels)
    assert (first.parent.numpy() == voxels.levels[0].parent).all()
    assert (second.parent.numpy() == voxels.levels[1].parent[voxels.levels[0].parent]).all()
    assert second.neighbours.shape[1] == voxels.levels[2].count


def test_a_new_class_moves_no_prototype_of_a_known_one():
    model = CitySegModel.untrained(config=SMALL)
    known = columns(*SEEN)
    added = ClassSet(
        (*known.columns, CloudClass("gazebo", "building", new=True), *columns("palm").columns)
    )
    before, after = model.prototypes(known), model.prototypes(added)
    names = [name for name, _ in model.rows_of(known).nodes]
    rows = [[name for name, _ in model.rows_of(added).nodes].index(name) for name in names]
    torch.testing.assert_close(after.vectors[rows], before.vectors)
    new = [name for name, _ in model.rows_of(added).nodes].index("gazebo")
    assert float(after.vectors[new].norm()) == pytest.approx(1, abs=1e-4)


def test_grass_of_a_hands_height_is_ground_and_nothing_else_is_moved():
    names = ("open ground", "pavement", "low vegetation", "shrub", "broadleaf tree")
    model = CitySegModel.untrained(config=SMALL)
    prototypes = model.prototypes(columns(*names))
    assert prototypes.low.tolist() == [False, False, True, True, False]
    assert prototypes.terrain.tolist() == [True, True, False, False, False]
    row = np.array([0.1, 0.3, 0.4, 0.1, 0.1], np.float16)
    found = np.stack([row, row, row])
    grass_is_ground(
        found, np.array([0.05, -0.2, 0.3], np.float32), prototypes.low, prototypes.terrain
    )
    wanted = [0.225, 0.675, 0.0, 0.0, 0.1]
    assert found[0] == pytest.approx(wanted, abs=2e-3)
    assert found[1] == pytest.approx(wanted, abs=2e-3)
    assert found[2].tolist() == row.tolist()


def test_grass_stays_where_no_terrain_is_asked_for():
    model = CitySegModel.untrained(config=SMALL)
    prototypes = model.prototypes(columns("low vegetation", "broadleaf tree"))
    row = np.array([[0.8, 0.2]], np.float16)
    grass_is_ground(row, np.zeros(1, np.float32), prototypes.low, prototypes.terrain)
    assert row[0].tolist() == pytest.approx([0.8, 0.2], abs=1e-3)
