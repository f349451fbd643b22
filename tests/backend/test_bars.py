"""The bars' sets and their scores: counted by hand on small ones, checked for what they promise on the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from inference_backend.errors import InvalidInput
from inference_backend.evaluation import bar_absence, bar_sets
from inference_backend.evaluation.bar_images import (
    IGNORE,
    BarImage,
    BarPrompt,
    BarSet,
    hand_labelled,
)
from inference_backend.evaluation.bar_relations import relation_truths
from inference_backend.evaluation.bars import score_bar
from inference_backend.training.weak_labels import absent_concepts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LABELS = Path(__file__).resolve().parents[1] / "data" / "hand_labels"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real sets are not beside the project")
CONCEPT_OF_TEXT = {
    "ships": "ship",
    "airplanes": "aircraft",
    "swimming pools": "pool",
    "boats": "boat",
    "tennis courts": "tennis court",
}


def image(name: str, truth: dict[str, np.ndarray]) -> BarImage:
    (shape,) = {mask.shape for mask in truth.values()}
    return BarImage(name, np.zeros((*shape, 3), np.uint8), 0.5, truth)


def columns(*numbers: int, width: int = 10) -> np.ndarray:
    mask = np.zeros((10, width), np.uint8)
    mask[:, list(numbers)] = 1
    return mask


def test_class_iou_is_of_the_union_over_the_set_and_ignores_what_is_unsure() -> None:
    doubtful = columns(0, 1)
    doubtful[:, 9] = IGNORE
    images = [image("a", {"road": doubtful}), image("b", {"road": columns(0, 1, 2, 3, 4, 5)})]
    bar = BarSet("roads", "class_iou", 0.5, images, [BarPrompt("roads", "referring", "road")])
    answered = columns(0, 1, 2, 9).astype(bool)
    score = score_bar(bar, lambda *asked: answered)
    # a: 20 of 30 pixels, column 9 not counted; b: 30 of 70.
    assert score.value == pytest.approx(50 / 100)
    assert score.details["mean_of_images"] == pytest.approx((2 / 3 + 3 / 7) / 2)
    assert score.reached is True


def test_giou_is_the_mean_of_texts_and_a_refusal_is_an_empty_answer() -> None:
    picture = image("town/a", {"one": columns(0), "two": columns(0, 1)})
    prompts = [BarPrompt("one", "referring", "one"), BarPrompt("two", "referring", "two")]

    def answer(
        rgb: np.ndarray, gsd_m: float, transform: object, text: str, task: str
    ) -> np.ndarray:
        if text == "two":
            raise InvalidInput("not understood")
        return columns(0).astype(bool)

    score = score_bar(BarSet("relations", "giou", 0.45, [picture], prompts), answer)
    assert score.value == 0.5
    assert score.details["refused"] == 0.5
    assert score.details["town"] == 0.5


def test_absence_must_be_said_and_a_refusal_does_not_say_it() -> None:
    def answer(
        rgb: np.ndarray, gsd_m: float, transform: object, text: str, task: str
    ) -> np.ndarray | None:
        if text == "refused":
            raise InvalidInput("no such word")
        return {"none": None, "empty": columns().astype(bool), "found": columns(1).astype(bool)}[
            text
        ]

    texts = ("none", "empty", "found", "refused")
    picture = image("a", {text: columns() for text in texts})
    prompts = [BarPrompt(text, "referring", text) for text in texts]
    absent = score_bar(BarSet("absent", "absent", 0.9, [picture], prompts), answer)
    present = score_bar(BarSet("present", "present", None, [picture], prompts), answer)
    assert (absent.value, absent.reached) == (0.5, False)
    assert (present.value, present.reached) == (0.25, None)


def test_questions_are_held_against_their_class_and_prove_nothing_where_it_is_not_found() -> None:
    picture = image("a", {"road": columns(0, 1, 2, 3)})
    prompts = [
        BarPrompt("roads", "referring", "road"),
        BarPrompt("Where can cars drive?", "reasoning", "road", "roads"),
    ]
    bar = BarSet("questions", "questions", 0.05, [picture], prompts)
    found = {
        "referring": columns(0, 1, 2, 3).astype(bool),
        "reasoning": columns(0, 1, 2).astype(bool),
    }
    score = score_bar(bar, lambda rgb, gsd_m, transform, text, task: found[task])
    assert score.value == pytest.approx(0.25)
    assert score.reached is False
    assert score_bar(bar, lambda *asked: None).value is None


def test_an_answer_of_another_shape_is_a_fault_of_the_caller() -> None:
    picture = image("a", {"road": columns(0)})
    bar = BarSet("roads", "class_iou", 0.5, [picture], [BarPrompt("roads", "referring", "road")])
    with pytest.raises(ValueError, match="shape"):
        score_bar(bar, lambda *asked: np.zeros((3, 3), bool))


@pytest.fixture
def village() -> np.ndarray:
    """At 1 m: houses of 400, 200, 144, 60, 50 and 30 m² in their own places; the largest lies farthest north."""
    instances = np.zeros((100, 100), np.int32)
    instances[2:22, 40:60] = 1
    instances[70:80, 5:25] = 2
    instances[50:62, 80:92] = 3
    instances[40:46, 30:40] = 4
    instances[60:65, 50:60] = 5
    instances[88:94, 50:55] = 6
    return instances


def numbers(mask: np.ndarray, instances: np.ndarray, value: int) -> set[int]:
    return {int(i) for i in np.unique(instances[mask == value]) if i}


def test_relations_follow_the_map(village: np.ndarray) -> None:
    truths = relation_truths(village, np.zeros(village.shape, bool), 1.0)
    expected = {
        "the largest building": {1},
        "the second largest building": {2},
        "the three largest buildings": {1, 2, 3},
        "the northernmost building": {1},
        "the southernmost building": {6},
        "the westernmost building": {2},
        "the easternmost building": {3},
        "buildings larger than 150 m²": {1, 2},
    }
    assert {text: numbers(mask, village, 1) for text, mask in truths.items()} == expected
    assert numbers(truths["buildings larger than 150 m²"], village, IGNORE) == {3}, (
        "144 m² is nearly 150"
    )


def test_near_calls_are_not_asked(village: np.ndarray) -> None:
    village[70:80, 5:25] = 0
    village[70:89, 5:26] = 2
    truths = relation_truths(village, np.zeros(village.shape, bool), 1.0)
    assert "the largest building" not in truths, "400 m² against 399 m²"
    assert "the three largest buildings" in truths


def test_distances_to_roads_leave_the_doubtful_open(village: np.ndarray) -> None:
    road = np.zeros(village.shape, bool)
    road[:, 60:66] = True
    truths = relation_truths(village, np.zeros(village.shape, bool), 1.0, road)
    near = truths["buildings within 10 m of a road"]
    assert numbers(near, village, 1) == {1, 5, 6} - numbers(near, village, IGNORE)
    assert 2 not in numbers(near, village, 1)
    assert 3 not in numbers(near, village, 1)


def test_unsure_pixels_are_ignored_in_every_text(village: np.ndarray) -> None:
    unsure = np.zeros(village.shape, bool)
    unsure[:, :10] = True
    for mask in relation_truths(village, unsure, 1.0).values():
        assert (mask[:, :10] == IGNORE).all()


@pytest.mark.parametrize("name", ["roads", "trees", "solar", "buildings"])
def test_drawn_polygons_are_polygons_of_held_out_images(name: str) -> None:
    entries = json.loads((LABELS / f"{name}.json").read_text(encoding="utf-8"))["images"]
    assert entries
    for entry in entries:
        stem = Path(entry["file"]).stem
        if entry["file"].startswith("ucmerced"):
            assert int(stem[-2:]) >= 80, stem
        elif entry["file"].startswith("cars"):
            assert stem.startswith("MunichStreet02"), stem
        for ring in (*entry["polygons"], *entry["ignore"]):
            points = np.array(ring, float)
            assert points.shape[0] >= 3
            assert points.shape[1] == 2
            assert points.min() >= -0.5
            x, y = points.T
            assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) > 10, (stem, ring)


def test_a_file_of_labels_that_is_none_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "roads.json").write_text("[]")
    with pytest.raises(InvalidInput):
        hand_labelled(tmp_path, tmp_path / "roads.json", 0.2)


@real
def test_hand_labels_fit_their_images() -> None:
    for bar in (bar_sets.roads_set(DATA, LABELS), bar_sets.houses_set(DATA, LABELS)):
        for shown, prompt in bar.cases():
            truth = shown.truth[prompt.truth]
            assert truth.shape == shown.rgb.shape[:2]
            assert 0.02 < (truth == 1).mean() < 0.7, shown.name
            assert (truth == IGNORE).mean() < 0.45, shown.name


@real
def test_roads_drawn_by_hand_look_alike_and_unlike_their_surroundings() -> None:
    """A shifted or mirrored polygon would mix kerbs, lawns and roofs in: asphalt is greyer than what is around it."""
    bar = bar_sets.roads_set(DATA, LABELS)
    smooth = []
    for shown, _ in bar.cases():
        truth, grey = shown.truth["road"], shown.rgb.mean(2)
        smooth.append(grey[truth == 1].std() < grey[truth == 0].std())
    assert np.mean(smooth) > 0.8


@real
def test_trees_drawn_by_hand_agree_with_the_lidar() -> None:
    pytest.importorskip("laspy")
    from inference_backend.evaluation.bar_lidar import montpellier_sets
    from inference_backend.evaluation.metrics import iou

    by_lidar = montpellier_sets(DATA)[0].images[0].truth["tree"]
    drawn = {i.name: i for i in bar_sets.trees_set(DATA, LABELS).images}["test_data_rgb"].truth[
        "tree"
    ]
    assert iou(drawn == 1, by_lidar == 1, (drawn == IGNORE) | (by_lidar == IGNORE)) > 0.85


@real
def test_a_hundred_absent_and_a_hundred_present_things() -> None:
    absent, present = bar_absence.absent_set(DATA), bar_absence.present_set(DATA)
    cases = list(absent.cases())
    assert len(cases) == len(list(present.cases())) == 100
    for shown, prompt in cases:
        kind = shown.name.rstrip("0123456789")
        assert int(shown.name[len(kind) :]) >= 80
        assert CONCEPT_OF_TEXT[prompt.text] in absent_concepts(kind), (shown.name, prompt.text)


@real
def test_the_map_answers_its_own_relations() -> None:
    bar = bar_sets.relations_set(DATA, LABELS)
    masks = {
        (id(shown.rgb), prompt.text): shown.truth[prompt.truth] == 1
        for shown, prompt in bar.cases()
    }
    perfect = score_bar(bar, lambda rgb, gsd_m, transform, text, task: masks[id(rgb), text])
    whole = score_bar(bar, lambda rgb, *asked: np.ones(rgb.shape[:2], bool))
    assert perfect.value == 1.0
    assert len(perfect.cases) > 100
    assert whole.value < 0.15, "answering everything must not pay"
