"""The written data set: whole, readable, the same again, and safe to stop and to go on with."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference_backend.arguments import Parser
from inference_backend.cancel import CancelToken
from inference_backend.commands.train_data import add_data_parser
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.evaluation.readers import annotations
from inference_backend.language.ontology import LEAVES, concept, concepts
from inference_backend.training.instructions.dataset import DataPlan, write_dataset
from inference_backend.training.instructions.records import decode_runs, encode_runs
from inference_backend.training.real_sets import DUBAI_COLOURS

PLAN = DataPlan(scenes=10, seed=3, held_out=True, size_px=96, texts=8)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "set"
    write_dataset(out, PLAN)
    return out


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_runs_come_back(mask):
    runs = encode_runs(mask)
    assert sum(runs["counts"]) == mask.size
    assert np.array_equal(decode_runs(runs), mask)


def test_runs_are_those_of_coco():
    mask = np.array([[0, 1], [0, 1], [1, 1]], bool)
    assert encode_runs(mask) == {"size": [3, 2], "counts": [2, 4]}
    assert encode_runs(np.array([[1, 0]], bool)) == {"size": [1, 2], "counts": [0, 1, 1]}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_runs_that_do_not_fit_are_refused(counts):
    if sum(counts) != 30:
        with pytest.raises(ValueError, match="do not fill 5 x 6"):
            decode_runs({"size": [5, 6], "counts": counts})


def test_every_row_has_its_files_and_its_mask_fits(written):
    images = {row["image"]: row for row in lines(written / "images.jsonl")}
    rows = lines(written / "instructions.jsonl")
    assert len(images) == 10
    assert len({row["id"] for row in rows}) == len(rows) >= 60
    assert {row["task"] for row in rows} == {"referring", "reasoning", "interactive"}
    for row in rows:
        image = images[row["image"]]
        assert row["split"] == image["split"]
        mask = decode_runs(row["mask"])
        assert mask.shape == (image["height"], image["width"]) == (96, 96)
        assert mask.any() == row["present"]
        assert all(concept(name) for name in row["concepts"])
        if row["ignore"] is not None:
            assert not (mask & decode_runs(row["ignore"])).any()
    for row in images.values():
        rgb = cv2.imread(str(written / row["image"]))
        instances = cv2.imread(str(written / row["instances"]), cv2.IMREAD_UNCHANGED)
        leaves = cv2.imread(str(written / row["leaves"]), cv2.IMREAD_UNCHANGED)
        assert rgb.shape == (96, 96, 3)
        assert instances.dtype == np.uint16
        assert {str(i) for i in np.unique(instances)} - {"0"} <= set(row["objects"])
        for ident, known in row["objects"].items():
            assert set(leaves[instances == int(ident)]) <= {LEAVES.index(known["leaf"])}


def test_class_masks_agree_with_the_written_leaves(written):
    checked = 0
    for row in lines(written / "instructions.jsonl"):
        if row["kind"] != "class" or row["concepts"][0] in ("building", "impervious surface"):
            continue
        leaves = cv2.imread(
            str(written / row["image"].replace("images", "leaves")), cv2.IMREAD_UNCHANGED
        )
        covered = [LEAVES.index(leaf) for leaf in concept(row["concepts"][0]).covers]
        assert np.array_equal(decode_runs(row["mask"]), np.isin(leaves, covered)), row["text"]
        checked += 1
    assert checked >= 5


def test_a_prompt_lies_on_its_object(written):
    kinds = set()
    for row in lines(written / "instructions.jsonl"):
        if row["task"] != "interactive":
            assert row["prompt"] is None
            continue
        mask = decode_runs(row["mask"])
        xy = np.array(row["prompt"]["xy"])
        kinds.add(row["prompt"]["kind"])
        if row["prompt"]["kind"] == "box":
            ys, xs = np.nonzero(mask)
            assert xy.tolist() == [[xs.min(), ys.min()], [xs.max() + 1, ys.max() + 1]]
        else:
            cols, rows = np.floor(xy).astype(int).T
            assert mask[rows, cols].all()
    assert {"point", "box"} <= kinds


def test_splits_go_by_number_and_only_tests_hear_held_out_words(written):
    splits = {Path(row["image"]).stem: row["split"] for row in lines(written / "images.jsonl")}
    assert splits["scene_000004"] == "val"
    assert splits["scene_000009"] == "test"
    assert sorted(splits.values()).count("train") == 8
    rows = lines(written / "instructions.jsonl")
    assert all(row["held_out"] == (row["split"] == "test") for row in rows)
    kept = {q for known in concepts() for q in known.held_out_questions}
    assert not [row for row in rows if row["split"] != "test" and row["text"] in kept]


def test_val_and_test_can_be_evaluated(written):
    rows = [
        row
        for row in lines(written / "instructions.jsonl")
        if row["split"] == "test" and row["task"] != "interactive"
    ]
    found = annotations.read(written, "test")
    assert not found.faults
    assert [sample.text for sample in found.samples] == [row["text"] for row in rows]
    for sample, row in zip(found.samples, rows, strict=True):
        mask, left_out = sample.truth.read((96, 96))
        assert np.array_equal(mask, decode_runs(row["mask"]))
        if row["ignore"] is not None:
            assert np.array_equal(left_out, decode_runs(row["ignore"]))


def test_there_is_something_to_look_at(written):
    page = (written / "samples.html").read_text(encoding="utf-8")
    thumbs = list((written / "samples").glob("*.jpg"))
    assert len(thumbs) >= 20
    assert all(f'src="samples/{thumb.name}"' in page for thumb in thumbs)
    sheet = cv2.imread(str(written / "samples.png"))
    assert sheet.shape[0] > 400
    # The target is pink, and there is some in the picture.
    blue, green, red = (sheet[..., band].astype(int) for band in range(3))
    assert ((red - green > 60) & (blue - green > 30)).mean() > 0.005
    readme = (written / "README.md").read_text(encoding="utf-8")
    assert "10 images" in readme
    assert "scenes` (10 images)" in readme
    assert not list(written.rglob("*.part"))


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(written, tmp_path):
    out, cancel = tmp_path / "set", CancelToken()

    def stop_after_four(fraction, message):
        if message.startswith("4 images"):
            cancel.cancel()

    with pytest.raises(Cancelled):
        write_dataset(out, PLAN, stop_after_four, cancel)
    done = sorted((out / "records").glob("*.json"))
    assert len(done) == 4
    assert not (out / "instructions.jsonl").exists()
    before = {path: path.stat().st_mtime_ns for path in done}
    # As if the machine had stopped between an image and its record.
    done[-1].unlink()
    write_dataset(out, PLAN)
    assert all(path.stat().st_mtime_ns == before[path] for path in done[:-1])
    for name in ("instructions.jsonl", "images.jsonl", "annotations.json", "README.md"):
        assert (out / name).read_bytes() == (written / name).read_bytes(), name


def test_more_scenes_may_be_added_but_other_options_are_refused(tmp_path):
    plan = DataPlan(scenes=1, size_px=64, texts=2)
    write_dataset(tmp_path / "set", plan)
    counts = write_dataset(tmp_path / "set", DataPlan(scenes=2, size_px=64, texts=2))
    assert counts["images"] == 2
    with pytest.raises(InvalidInput, match="made with other options"):
        write_dataset(tmp_path / "set", DataPlan(scenes=2, size_px=64, texts=2, seed=1))


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (DataPlan(scenes=0), "nothing to write"),
        (DataPlan(scenes=-1), "nothing to write"),
        (DataPlan(scenes=1, size_px=20), "64 to 2048 pixels"),
        (DataPlan(scenes=1, texts=0), "1 to 60 texts"),
        (DataPlan(scenes=1, seed=-5), "seed is a whole number"),
        (DataPlan(scenes=1, data="no such folder"), "is no folder"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path, plan, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        write_dataset(tmp_path / "set", plan)
    assert not (tmp_path / "set").exists()


def test_what_is_in_the_way_is_kept(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="is a file"):
        write_dataset(tmp_path / "file", PLAN)
    with pytest.raises(InvalidInput, match="holds something else"):
        write_dataset(tmp_path, PLAN)
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{")
    with pytest.raises(InvalidInput, match="is damaged"):
        write_dataset(tmp_path / "broken", PLAN)


def painted(folder: Path, tile: str) -> None:
    """A tile as the Dubai set has it: a road, a building, land."""
    mask = np.full((160, 220, 3), DUBAI_COLOURS["land"], np.uint8)
    mask[70:90] = DUBAI_COLOURS["road"]
    mask[20:50, 30:80] = DUBAI_COLOURS["building"]
    for kind, name in (("images", "a.jpg"), ("masks", "a.png")):
        path = folder / "dubai" / tile / kind / name
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), mask[..., ::-1])


def test_real_sets_are_cut_into_windows_and_the_held_out_place_is_for_tests(tmp_path):
    for tile in ("Tile 1", "Tile 8"):
        painted(tmp_path / "real", tile)
    weak = tmp_path / "real" / "ucmerced" / "river" / "river00.jpg"
    weak.parent.mkdir(parents=True)
    cv2.imwrite(str(weak), np.full((100, 100, 3), 90, np.uint8))
    out = tmp_path / "set"
    write_dataset(out, DataPlan(scenes=0, size_px=128, texts=6, data=str(tmp_path / "real")))
    images = lines(out / "images.jsonl")
    assert {row["split"] for row in images if row["of"] == "dubai/Tile 1/a"} == {"train"}
    assert {row["split"] for row in images if row["of"] == "dubai/Tile 8/a"} == {"test"}
    assert {(row["width"], row["height"]) for row in images} == {(128, 128), (100, 100)}
    rows = [row for row in lines(out / "instructions.jsonl") if row["source"] == "ucmerced"]
    assert rows
    there = [row for row in rows if row["present"]]
    assert there
    assert all(row["mask"] is None for row in there)
    assert all(set(row["concepts"]) <= {"river", "water"} for row in there)
    gone = [row for row in rows if not row["present"]]
    assert all(not decode_runs(row["mask"]).any() for row in gone)
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "CC0" in readme
    assert "public domain" in readme


def test_the_command_writes_and_says_what(tmp_path, capsys):
    parser = Parser(prog="cityseg train")
    add_data_parser(parser.add_subparsers(dest="what", required=True))
    out = tmp_path / "set"
    args = parser.parse_args(
        ["data", "--out", str(out), "--scenes", "1", "--size-px", "64", "--texts", "3", "--json"]
    )
    assert args.run(args) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["images"] == 1
    assert counts["instructions"] == len(lines(out / "instructions.jsonl")) >= 1
