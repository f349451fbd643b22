"""The classify job from a file to a file, with a model whose answers can be reckoned by hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from inference_backend.models.cityseg.label_graph import label_graph
from tests.data.block_town import GROUND, ORIGIN, ROOF, TREE, Town, make_town, write_town
from tests.data.rule_cloud_model import SURE, RuleCloudModel

GRAPH = label_graph()


def classify(source: Path, out: Path, model=None, progress=None, **values) -> dict:
    job = ClassifyJob.from_json({"source": str(source), "out": str(out), **values})
    return run_classify_job(job, None, progress, model or RuleCloudModel())


@pytest.fixture(scope="module")
def town() -> Town:
    """290 m, nine tiles of 136 m or less."""
    return make_town(290.0, 4.0)


@pytest.fixture(scope="module")
def source(town, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("town") / "Häuser und Bäume.laz"
    write_town(path, town)
    return path


@pytest.fixture(scope="module")
def answered(source, tmp_path_factory) -> tuple[dict, laspy.LasData, list]:
    """The answer, the cloud that was written, and what was told on the way."""
    out, told = tmp_path_factory.mktemp("out") / "classified.laz", []
    answer = classify(source, out, progress=lambda *said: told.append(said))
    return answer, laspy.read(out), told


def test_every_point_gets_its_class(town, answered):
    codes = np.asarray(answered[1].classification)
    assert len(codes) == len(town)
    for code in (GROUND, ROOF, TREE):
        assert (codes[town.code == code] == code).mean() > 0.99


def test_no_edge_of_a_block_shows(town, answered):
    """Within 2 m of the tiles' edges there are no more mistakes than elsewhere."""
    wrong = np.asarray(answered[1].classification) != town.code
    near = np.zeros(len(town), bool)
    for edge in (96.0, 136.0, 192.0, 272.0):
        near |= (np.abs(town.x - edge) < 2) | (np.abs(town.y - edge) < 2)
    assert near.sum() > 10_000
    assert wrong[near].mean() <= wrong[~near].mean() + 0.002


def test_points_keep_their_order_and_coordinates_bit_for_bit(source, answered):
    before, after = laspy.read(source), answered[1]
    for name in before.point_format.dimension_names:
        if name != "classification":
            assert np.array_equal(
                before.points.array[name] if name in "XYZ" else before[name], after[name]
            )
    assert np.array_equal(before.header.scales, after.header.scales)
    assert np.array_equal(before.header.offsets, after.header.offsets)
    assert after.header.parse_crs().to_epsg() == 2154


def test_label_and_confidence_are_those_of_the_model(town, answered):
    cloud = answered[1]
    labels, conf = np.asarray(cloud.cityseg_label), np.asarray(cloud.cityseg_conf)
    roof = np.asarray(cloud.classification) == ROOF
    assert set(labels[roof]) == {GRAPH.leaf_id("flat roof") + 1}
    assert set(conf) <= {round(SURE * 127), round(SURE * 127) - 1, round(SURE * 127) + 1}


def test_the_names_of_labels_travel_with_the_file(answered):
    [record] = [vlr for vlr in answered[1].header.vlrs if vlr.user_id == "CitySeg"]
    names = json.loads(record.record_data_bytes().rstrip(b"\0"))["labels"]
    assert names[str(GRAPH.leaf_id("flat roof") + 1)] == "flat roof"


def test_the_answer_counts_what_the_file_holds(town, answered):
    answer, cloud, _ = answered
    assert answer["count"] == len(town) == sum(one["count"] for one in answer["classes"])
    for one in answer["classes"]:
        found = np.asarray(cloud.cityseg_label) == one["id"]
        assert one["count"] == found.sum()
        assert set(np.asarray(cloud.classification)[found]) == {one["code"]}
        assert one["mean_conf"] == pytest.approx(
            np.asarray(cloud.cityseg_conf)[found].mean() / 127, abs=1e-3
        )
    ground = round(100 * (town.code == GROUND).mean())
    assert answer["sentence"].startswith(f"{len(town):,} points: {ground} % terrain, ")
    assert (answer["model"], answer["weights"], answer["device"]) == ("rule-test", "none", "cpu")
    assert answer["kind"] == "laz"


def test_progress_never_goes_back_and_names_each_pass(answered):
    fractions = [fraction for fraction, _ in answered[2]]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    said = " ".join(message for _, message in answered[2])
    for word in ("Loading", "Reading", "ground", "Classifying", "Writing"):
        assert word in said


def test_the_source_is_not_touched_and_nothing_else_is_left(source, tmp_path):
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    classify(source, tmp_path / "out.laz")
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.laz"]
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_one_thread_and_two_say_the_same(source, tmp_path, answered):
    classify(source, tmp_path / "one.laz", threads=1)
    one = laspy.read(tmp_path / "one.laz")
    assert np.array_equal(one.classification, answered[1].classification)
    assert np.array_equal(one.cityseg_conf, answered[1].cityseg_conf)


def test_the_order_of_the_points_does_not_matter(town, answered, tmp_path):
    order = np.argsort(town.x + 1000 * np.floor(town.y / 50))
    sorted_town = Town(*(getattr(town, name)[order] for name in ("x", "y", "z", "code")))
    write_town(tmp_path / "sorted.laz", sorted_town)
    classify(tmp_path / "sorted.laz", tmp_path / "out.laz")
    found = laspy.read(tmp_path / "out.laz")
    same = np.asarray(found.classification) == np.asarray(answered[1].classification)[order]
    assert same.mean() > 0.9999


def test_an_extent_gives_the_points_in_it_as_the_whole_has_them(town, source, tmp_path, answered):
    x0, y0 = ORIGIN
    extent = [x0 + 60.005, y0 + 71.005, x0 + 133.005, y0 + 140.005]
    answer = classify(source, tmp_path / "part.laz", extent=extent)
    part, whole = laspy.read(tmp_path / "part.laz"), answered[1]
    # laspy compares scaled views as rounded integers.
    x, y = np.array(whole.x), np.array(whole.y)
    inside = (x >= extent[0]) & (x <= extent[2]) & (y >= extent[1]) & (y <= extent[3])
    counted = sum(one["count"] for one in answer["classes"])
    assert answer["count"] == len(part.points) == inside.sum() == counted
    assert np.array_equal(part.X, whole.X[inside])
    same = np.asarray(part.classification) == np.asarray(whole.classification)[inside]
    assert same.mean() > 0.999


@pytest.mark.parametrize("unit_m", [0.3048, 1200 / 3937], ids=["foot", "survey foot"])
def test_feet_are_metres_to_the_model(town, tmp_path, unit_m):
    crs = "EPSG:2277" if unit_m != 0.3048 else "EPSG:2992"
    write_town(tmp_path / "feet.laz", town, unit_m=unit_m, crs=crs)
    classify(tmp_path / "feet.laz", tmp_path / "out.laz")
    found = laspy.read(tmp_path / "out.laz")
    assert (np.asarray(found.classification) == town.code).mean() > 0.99


@pytest.mark.parametrize("density", [2.0, 0.8])
def test_a_thinned_cloud_still_works(tmp_path, density):
    thin = make_town(250.0, density)
    write_town(tmp_path / "thin.laz", thin)
    classify(tmp_path / "thin.laz", tmp_path / "out.laz")
    codes = np.asarray(laspy.read(tmp_path / "out.laz").classification)
    assert (codes[thin.code == GROUND] == GROUND).mean() > 0.98
    # A lone point in a crown is as flat as a roof to this model.
    assert (codes[thin.code == ROOF] == ROOF).mean() > 0.95


@pytest.mark.parametrize("name", ["out.las", "out.laz", "out.copc.laz", "out"])
def test_every_format_holds_the_same_points(town, source, tmp_path, name):
    from inference_backend.points.open import open_cloud

    answer = classify(source, tmp_path / name)
    assert answer["kind"] == {"out.copc.laz": "copc", "out": "ept"}.get(name, name[-3:])
    keys, codes = [], []
    with open_cloud(answer["out"]) as cloud:
        for chunk in cloud.chunks():
            keys.append(np.stack([chunk.record.array[axis] for axis in "XYZ"], axis=1))
            codes.append(chunk.classification)
    keys, codes = np.concatenate(keys), np.concatenate(codes)
    before = laspy.read(source)
    truth = np.stack([before.X, before.Y, before.Z], axis=1)
    assert np.array_equal(keys[np.lexsort(keys.T)], truth[np.lexsort(truth.T)])
    assert np.bincount(codes, minlength=7).tolist()[:7] == [
        sum(one["count"] for one in answer["classes"] if one["code"] == code) for code in range(7)
    ]


def test_stray_points_are_noise(town, tmp_path):
    rng = np.random.default_rng(4)
    count = 12
    x, y = rng.uniform(20, 230, (2, count))
    z = np.where(np.arange(count) % 2, 30 + 400.0, 30 - 60.0)
    code = np.where(np.arange(count) % 2, 18, 7).astype(np.uint8)
    more = Town(
        *(
            np.append(a, b)
            for a, b in zip((town.x, town.y, town.z, town.code), (x, y, z, code), strict=True)
        )
    )
    write_town(tmp_path / "noisy.laz", more)
    answer = classify(tmp_path / "noisy.laz", tmp_path / "out.laz")
    codes = np.asarray(laspy.read(tmp_path / "out.laz").classification)
    assert np.array_equal(codes[-count:], code)
    assert (codes[:-count] == town.code).mean() > 0.99
    assert {one["code"]: one["count"] for one in answer["classes"] if one["code"] in (7, 18)} == {
        7: 6,
        18: 6,
    }


class Unsure(RuleCloudModel):
    """As its parent, but what it takes for a flat roof it only believes to 0.4, and as much for a pitched one."""

    def predict_block(self, block, classes, cancel=None, density=None):
        names = [column.name for column in classes.columns]
        out = super().predict_block(block, classes, cancel, density)
        flat, pitched = names.index("flat roof"), names.index("pitched roof")
        roof = out[:, flat] > 0.5
        out[roof] = 0
        out[roof, flat], out[roof, pitched], out[roof, names.index("open ground")] = 0.4, 0.35, 0.25
        return out


def test_below_the_threshold_a_point_is_of_the_parent_class(town, source, tmp_path):
    answer = classify(source, tmp_path / "out.laz", Unsure(), threshold=0.5)
    cloud = laspy.read(tmp_path / "out.laz")
    roof = town.code == ROOF
    labels = np.asarray(cloud.cityseg_label)[roof]
    assert (labels == GRAPH.index("roof") + 1).mean() > 0.99
    assert (np.asarray(cloud.classification)[roof] == 6).mean() > 0.99
    [roofs] = [one for one in answer["classes"] if one["name"] == "roof"]
    assert roofs["mean_conf"] == pytest.approx(0.75, abs=0.01)


def test_a_higher_threshold_leaves_it_unclassified(town, source, tmp_path):
    answer = classify(source, tmp_path / "out.laz", Unsure(), threshold=0.8)
    roof = town.code == ROOF
    assert (np.asarray(laspy.read(tmp_path / "out.laz").classification)[roof] == 1).mean() > 0.99
    assert "unclassified" in answer["sentence"]


def test_a_density_far_from_the_headers_guess_splits_tiles(tmp_path):
    """A dense spot in a wide thin cloud: tiles are as large as the thin part wants, and the spot is cut into pieces."""
    thin, dense = make_town(420.0, 0.4), make_town(80.0, 30.0, seed=2)
    shift = 160.0
    both = Town(
        np.append(thin.x, dense.x + shift),
        np.append(thin.y, dense.y + shift),
        np.append(thin.z, dense.z + 0.03 * shift),
        np.append(thin.code, dense.code),
    )
    write_town(tmp_path / "both.laz", both)
    classify(tmp_path / "both.laz", tmp_path / "out.laz")
    codes = np.asarray(laspy.read(tmp_path / "out.laz").classification)[len(thin) :]
    assert (codes == dense.code).mean() > 0.99


def test_old_formats_are_raised_where_a_code_does_not_fit(town, tmp_path, monkeypatch):
    """No class of ours is above 31; a graph with a producer's own code is."""
    import inference_backend.classify_job as module

    nodes = [replace(n, code=65) if n.name == "flat roof" else n for n in GRAPH.nodes]
    monkeypatch.setattr(module, "label_graph", lambda: type(GRAPH)(nodes))
    write_town(tmp_path / "old.las", town, point_format=1)
    classify(tmp_path / "old.las", tmp_path / "out.las")
    found = laspy.read(tmp_path / "out.las")
    assert found.header.point_format.id == 6
    assert (np.asarray(found.classification)[town.code == ROOF] == 65).mean() > 0.99
    assert np.array_equal(found.X, laspy.read(tmp_path / "old.las").X)
