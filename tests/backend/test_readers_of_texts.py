"""Benchmark folders in their published layouts: what is read, what is left out, and what is said."""

import json

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers import geoseg_bench, rrsis_d
from inference_backend.evaluation.readers.folder import read_folder
from inference_backend.evaluation.text_samples import choose
from tests.data import text_folders
from tests.data.text_folders import largest, town, write_image, write_json, write_mask

LAYOUTS = {
    "geoseg-bench": text_folders.geoseg_bench,
    "rrsis-d": text_folders.rrsis_d,
    "refsegrs": text_folders.refsegrs,
    "earthreason": text_folders.earthreason,
    "annotations": text_folders.annotations,
}
SHAPE = (192, 192)


def truth(sample):
    return sample.truth.read(SHAPE)[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_is_known_by_its_layout_and_every_entry_is_whole(name, tmp_path):
    found = read_folder(LAYOUTS[name](tmp_path))
    assert found.format == name
    assert found.faults == []
    assert found.samples
    assert all(sample.image.is_file() for sample in found.samples)
    assert {truth(sample).shape for sample in found.samples} == {SHAPE}
    assert read_folder(tmp_path, name).samples[0].text == found.samples[0].text


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_format_is_refused_by_what_it_would_have(name, tmp_path):
    LAYOUTS[name](tmp_path)
    for other in set(LAYOUTS) - {name}:
        with pytest.raises(InvalidInput, match=f"is not {other}, which has "):
            read_folder(tmp_path, other)


def test_geoseg_bench_tells_tasks_by_folder_and_reads_every_question(tmp_path):
    found = read_folder(text_folders.geoseg_bench(tmp_path))
    assert [(s.task, s.text, s.sentence) for s in found.samples[1:]] == [
        ("referring", "the largest building", 0),
        ("referring", "the biggest house", 1),
        ("reasoning", "Where could many people live?", 0),
    ]
    assert found.samples[0].task == "interactive"
    assert (truth(found.samples[1]) == largest(town())).all()


def test_geoseg_bench_takes_names_below_the_upper_folder_and_the_codes_own_folder_name(tmp_path):
    text_folders.geoseg_bench(tmp_path)
    (tmp_path / "interactive").rename(tmp_path / "intera")
    entry = {
        "img": "intera\\images\\0001.png",
        "mask": "intera/masks/0001.png",
        "json": "intera/jsons/0001.json",
    }
    write_json(tmp_path / "intera" / "test.json", [entry])
    assert read_folder(tmp_path).samples[0].task == "interactive"
    # One task's folder alone, and one of another name, where the image's path says the task.
    assert {s.task for s in read_folder(tmp_path / "ref").samples} == {"referring"}
    (tmp_path / "reason" / "test.json").unlink()
    write_json(tmp_path / "test.json", [{**entry, "img": "intera/images/0001.png"}])
    for part in ("intera", "ref"):
        (tmp_path / part / "test.json").unlink()
    assert geoseg_bench.root_of(tmp_path) == tmp_path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5, None])
def test_rrsis_d_is_read_whatever_wrote_its_expressions(protocol, tmp_path):
    found = read_folder(text_folders.rrsis_d(tmp_path, protocol))
    assert [(s.text, s.kind, s.image.name) for s in found.samples] == [
        ("The building on the left", "building", "00000.jpg"),
        ("The large building", "building", "00002.jpg"),
    ]
    assert (truth(found.samples[1]) == largest(town(5))).all()
    assert [s.text for s in read_folder(tmp_path, split="train").samples] == ["A road"]
    with pytest.raises(InvalidInput, match="no split 'val'; choose --split test or train"):
        read_folder(tmp_path, split="val")


def test_rrsis_d_lies_where_other_projects_put_it(tmp_path):
    text_folders.rrsis_d(tmp_path / "rs_ref_seg" / "RRSIS-D")
    assert len(read_folder(tmp_path).samples) == 2
    inner = tmp_path / "rs_ref_seg" / "RRSIS-D" / "rrsisd"
    assert rrsis_d.root_of(inner) == inner.parent


def test_rrsis_d_takes_every_sentence_of_an_object(tmp_path):
    text_folders.rrsis_d(tmp_path, None)
    path = tmp_path / "rrsisd" / "refs(unc).json"
    rows = json.loads(path.read_text())
    rows[0]["sentences"].append({"raw": "The house at the left edge", "sent_id": 99})
    write_json(path, rows)
    samples = read_folder(tmp_path).samples
    assert [s.sentence for s in samples] == [0, 1, 0]
    assert [s.text for s in choose(samples, None, first_only=True)] == [
        "The building on the left",
        "The large building",
    ]


def test_refsegrs_reads_a_line_a_phrase(tmp_path):
    text_folders.refsegrs(tmp_path)
    found = read_folder(tmp_path)
    assert [(s.image.name, s.text) for s in found.samples] == [
        ("7.tif", "building"),
        ("12.tif", "the largest building"),
    ]
    assert (truth(found.samples[0]) == largest(town(7))).all()
    assert [s.text for s in read_folder(tmp_path, split="val").samples] == ["house"]
    with pytest.raises(InvalidInput, match="no split 'train'; choose --split test or val"):
        read_folder(tmp_path, split="train")


def test_earthreason_knows_what_is_absent(tmp_path):
    text_folders.earthreason(tmp_path / "RSReasonSeg")
    found = read_folder(tmp_path)
    assert [(s.text, s.kind, bool(truth(s).any())) for s in found.samples] == [
        ("Where do people live?", "present", True),
        ("Where is a roof?", "present", True),
        ("Where do people live?", "absent", False),
    ]
    assert len(read_folder(tmp_path / "RSReasonSeg" / "test").samples) == 3
    with pytest.raises(InvalidInput, match="no split 'val'; choose --split test"):
        read_folder(tmp_path, split="val")


def test_annotations_hold_masks_polygons_and_absences(tmp_path):
    found = read_folder(text_folders.annotations(tmp_path))
    largest_one, patch, ships = found.samples
    assert (truth(largest_one) == largest(town())).all()
    expected = np.zeros(SHAPE, bool)
    expected[20:60, 10:40] = True
    assert (truth(patch) == expected).all()
    assert not truth(ships).any()
    assert (ships.task, ships.kind) == ("reasoning", "absent")


def test_annotations_may_hold_several_texts_holes_and_splits(tmp_path):
    ring, hole = [[0, 0], [20, 0], [20, 20], [0, 20]], [[5, 5], [10, 5], [10, 10], [5, 10]]
    flat = [100, 100, 110, 100, 110, 104, 100, 104]
    text_folders.annotations(
        tmp_path,
        [
            {"image": "town.png", "polygons": [[ring, hole], flat], "text": ["a", " ", "b"]},
            {"image": "town.png", "mask": "largest.png", "text": "c", "split": "test"},
        ],
    )
    found = read_folder(tmp_path)
    assert [(s.text, s.task, s.sentence) for s in found.samples] == [
        ("a", "referring", 0),
        ("b", "referring", 1),
        ("c", "referring", 0),
    ]
    assert truth(found.samples[0]).sum() == 20 * 20 - 5 * 5 + 10 * 4
    assert [s.text for s in read_folder(tmp_path, split="test").samples] == ["c"]


def test_255_is_the_object_unless_the_entry_says_that_it_is_ignored(tmp_path):
    scene = town()
    labels = np.zeros(SHAPE, np.uint8)
    labels[:10], labels[10:30], labels[30:60] = 1, 2, 255
    write_image(tmp_path / "labels.png", labels)
    entry = {"image": "town.png", "mask": "labels.png", "text": "x"}
    text_folders.annotations(
        tmp_path, [entry, {**entry, "ignore": 255}, {**entry, "ignore": 255, "value": 2}]
    )
    plain, left_out, one = (s.truth.read(SHAPE) for s in read_folder(tmp_path).samples)
    assert plain[1] is None
    assert [mask.sum() for mask, _ in (plain, left_out, one)] == [60 * 192, 30 * 192, 20 * 192]
    assert left_out[1].sum() == one[1].sum() == 30 * 192
    assert scene.rgb.shape[:2] == SHAPE


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ({"image": "nowhere.png"}, "entry 1: the file 'nowhere.png' is not there."),
        ({"image": "/vsicurl/http://localhost/a.png"}, "is not there."),
        ({"image": None}, "entry 1: it names no file."),
        ({"mask": "nowhere.png"}, "the file 'nowhere.png' is not there."),
        (
            {"mask": None},
            "it has neither mask nor polygons; where the thing is absent, give polygons [].",
        ),
        (
            {"mask": None, "polygons": [[[0, 0], [1, 1]]]},
            "not a ring of three or more (x, y) corners",
        ),
        ({"mask": None, "polygons": [[[0, 0], [1, 1], [2, 2]]]}, "not a ring of three or more"),
        ({"mask": None, "polygons": [[["a", 0], [1, 1], [2, 0]]]}, "not a ring of three or more"),
        ({"mask": None, "polygons": "everywhere"}, "its polygons are not a list."),
        ({"text": ""}, "it has no text."),
        ({"text": 7}, "its text is not words."),
        ({"task": "guessing"}, "its task 'guessing' is none of referring, reasoning, interactive."),
        ({"gsd_m": 0}, "its 'gsd_m' is not a number of metres a pixel."),
        ({"ignore": "255"}, "its 'ignore' is not a whole number."),
    ],
)
def test_a_wrong_entry_is_left_out_with_a_sentence(spoil, sentence, tmp_path):
    good = {"image": "town.png", "mask": "largest.png", "text": "a", "task": "referring"}
    text_folders.annotations(tmp_path, [{**good, **spoil}, good])
    found = read_folder(tmp_path)
    assert len(found.samples) == 1
    assert len(found.faults) == 1
    assert sentence in found.faults[0]


def test_entries_of_the_benchmarks_are_left_out_one_by_one(tmp_path):
    text_folders.refsegrs(tmp_path / "r")
    (tmp_path / "r" / "masks" / "12.tif").unlink()
    with (tmp_path / "r" / "output_phrase_test.txt").open("a") as phrases:
        phrases.write("no number here\n99 a phrase without files\n")
    found = read_folder(tmp_path / "r")
    assert [s.text for s in found.samples] == ["building"]
    assert found.faults == [
        "output_phrase_test.txt line 2: 'masks' has no file '12'.",
        "output_phrase_test.txt line 4: it is not a number and a phrase.",
        "output_phrase_test.txt line 5: 'images' has no file '99'.",
    ]
    text_folders.earthreason(tmp_path / "e")
    (tmp_path / "e" / "test" / "QAs" / "a1.json").write_text("{")
    found = read_folder(tmp_path / "e")
    assert len(found.samples) == 1
    assert "a1.json' is not valid JSON" in found.faults[0]
    text_folders.rrsis_d(tmp_path / "d", None)
    path = tmp_path / "d" / "rrsisd" / "instances.json"
    tables = json.loads(path.read_text())
    tables["annotations"][0]["segmentation"] = []
    write_json(path, tables)
    found = read_folder(tmp_path / "d")
    assert found.faults == ["expression 1: its annotation has no mask."]
    text_folders.geoseg_bench(tmp_path / "g")
    write_json(tmp_path / "g" / "ref" / "jsons" / "0001.json", {"question": []})
    assert read_folder(tmp_path / "g").faults == ["ref/test.json entry 1: it has no text."]


def test_a_mask_that_does_not_fit_its_image_is_said_when_it_is_read(tmp_path):
    text_folders.annotations(tmp_path)
    write_mask(tmp_path / "largest.png", np.ones((10, 20), bool))
    sample = read_folder(tmp_path).samples[0]
    with pytest.raises(
        InvalidInput, match="'largest.png' is 20 x 10 pixels and its image 192 x 192"
    ):
        sample.truth.read(SHAPE)
    (tmp_path / "largest.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match=r"'largest.png' cannot be read; is it damaged\?"):
        sample.truth.read(SHAPE)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "is not a folder"),
        (lambda folder: folder.mkdir(), "is empty"),
        (
            lambda folder: write_json(folder / "other.json", []),
            "no format that is known. Known are annotations:",
        ),
        (
            lambda folder: write_json(folder / "annotations.json", {}),
            "is not a list of entries but a dict",
        ),
        (
            lambda folder: write_json(folder / "rrsisd" / "instances.json", {}),
            "has no 'refs(unc).p'; copy it there",
        ),
    ],
)
def test_a_folder_that_is_no_data_set_is_one_sentence(make, sentence, tmp_path):
    make(tmp_path / "set")
    with pytest.raises(InvalidInput) as caught:
        read_folder(tmp_path / "set")
    assert sentence in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_wrong_names_of_formats_and_tasks_are_answered_with_the_right_ones(tmp_path):
    text_folders.refsegrs(tmp_path)
    with pytest.raises(
        InvalidInput, match="'coco' is not a format; use auto, annotations, rrsis-d"
    ):
        read_folder(tmp_path, "coco")
    with pytest.raises(InvalidInput, match="only for referring; use 'cityseg evaluate referring'"):
        read_folder(tmp_path).of("reasoning")


def test_a_limit_is_a_fixed_even_draw_in_order(tmp_path):
    entry = {"image": "town.png", "mask": "largest.png"}
    text_folders.annotations(tmp_path, [{**entry, "text": f"text {n}"} for n in range(40)])
    samples = read_folder(tmp_path).samples
    drawn = choose(samples, 10, first_only=False)
    assert drawn == choose(samples, 10, first_only=False)
    numbers = [int(s.text.split()[1]) for s in drawn]
    assert numbers == sorted(numbers)
    assert max(numbers) > 20
    assert choose(samples, 100, first_only=False) == samples
