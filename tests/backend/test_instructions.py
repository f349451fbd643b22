"""Instructions are true of their crop: checked against a town whose every measure is known by construction."""

import re
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from scipy import ndimage

from inference_backend.language.ontology import concept, concepts
from inference_backend.training.instructions import (
    KINDS,
    LabelledCrop,
    make_instructions,
)
from inference_backend.training.instructions.colours import COLOURS, WORDS
from inference_backend.training.scenes import make_scene, scene_leaves
from tests.data.known_town import (
    GREY,
    GSD_M,
    TOWN,
    WHITE,
    code,
    ids_of,
    made,
    only,
    town,
    unsure_ids,
)


def nouns(name, held_out=False):
    known = concept(name)
    return {w.lower() for w in known.wordings} | {w.lower() for w in known.held_out}


def says(text, names):
    """Whether any wording of a concept is in the text as whole words."""
    return any(re.search(rf"\b{re.escape(noun)}\b", text.lower()) for noun in names)


# What superlatives mean in the town, by the instances of a class in their order.
BUILDINGS = {
    r"largest|biggest|most ground|greatest extent": 3,
    r"smallest|tiniest|least ground|compact": 4,
    r"leftmost|westernmost|to the left|most western|left edge|furthest west": 1,
    r"rightmost|easternmost|to the right|most eastern|right edge|furthest east": 4,
    r"brightest|lightest|palest|most light": 3,
    r"darkest|dimmest|least light": None,
    r"topmost|northernmost|to the north|uppermost|upper edge|furthest north": 1,
    r"bottommost|southernmost|to the south|lowest|lower edge|furthest south": 3,
}


@pytest.mark.parametrize("held_out", [False, True])
def test_superlatives_of_buildings_name_the_right_one(held_out):
    crop, checked = town(), set()
    for one in made(crop, "superlative", 150, held_out):
        if one.concepts != ("building",):
            continue
        for pattern, ident in BUILDINGS.items():
            if ident is not None and re.search(pattern, one.text, re.IGNORECASE):
                assert ids_of(crop, one) == {ident}, one
                checked.add(pattern)
    # The top two and the bottom two lie too close to call by their middles, or are clear: both may be missing.
    assert len(checked) >= 5


def test_no_superlative_where_two_are_alike():
    twin = {10: ("building", 90, 140, 150, 190, GREY)}
    crop = town(extra=twin.items())
    crop = replace(crop, rgb=np.full_like(crop.rgb, 120))
    for one in made(crop, "superlative", 120):
        if one.concepts == ("building",):
            assert not re.search("largest|biggest", one.text, re.IGNORECASE), one.text


def test_ordinals_count_in_order():
    crop = town()
    by_size, by_x = [3, 1, 2, 4], [1, 3, 2, 4]
    checked = 0
    for one in made(crop, "ordinal", 90):
        if one.concepts != ("building",):
            continue
        nth = 1 if "second" in one.text.lower() else 2
        for pattern, order in (
            ("largest|biggest", by_size),
            ("smallest", by_size[::-1]),
            ("from the (left|west)", by_x),
            ("from the (right|east)", by_x[::-1]),
        ):
            if re.search(pattern, one.text):
                assert ids_of(crop, one) == {order[nth]}, one.text
                checked += 1
    assert checked > 5


def test_class_masks_are_exact_and_unsure_leaves_are_unknown():
    crop = town(extra={20: ("greenhouse", 60, 60, 90, 80, WHITE)}.items())
    seen = set()
    for one in made(crop, "class", 150):
        known = concept(one.concepts[0])
        wanted = np.isin(crop.leaves, [code(leaf) for leaf in known.covers])
        doubtful = np.isin(crop.leaves, [code(leaf) for leaf in known.unsure])
        assert np.array_equal(one.mask == 1, wanted), one.text
        assert np.array_equal(one.mask == 255, doubtful), one.text
        assert one.present
        assert says(one.text, nouns(known.name)), one.text
        seen.add(known.name)
    assert {"building", "road", "tree", "car", "pool", "vehicle", "greenhouse"} <= seen


def test_arrays_on_a_roof_are_part_of_the_building_and_those_on_land_are_not():
    extra = {
        20: ("solar array", 30, 150, 60, 180, (20, 24, 50)),
        21: ("solar array", 120, 120, 150, 130, (20, 24, 50)),
    }
    crop = town(extra=extra.items(), attributes={20: {"on_building": 3}, 21: {"on_building": 0}})
    for one in made(crop, "class", 80):
        if one.concepts == ("building",):
            assert (one.mask[crop.instances == 20] == 1).all()
            assert (one.mask[crop.instances == 21] == 0).all()
    largest = [
        one
        for one in made(crop, "superlative", 80)
        if one.concepts == ("building",) and re.search("largest|biggest", one.text)
    ]
    assert largest
    for one in largest:
        assert (one.mask[crop.instances == 20] == 1).all(), one.text
    unknown = town(extra=extra.items())
    for one in made(unknown, "class", 80):
        if one.concepts == ("building",):
            assert (one.mask[unknown.instances == 20] == 255).all()


def test_colours_are_those_of_the_picture():
    crop, checked = town(), 0
    for one in made(crop, "attribute", 120):
        if one.concepts == ("building",) and re.search(r"\bred\b|reddish", one.text, re.IGNORECASE):
            assert ids_of(crop, one) == {1, 4}, one.text
            checked += 1
        if one.concepts == ("car",) and re.search(r"\bwhit(e|ish)\b", one.text, re.IGNORECASE):
            assert ids_of(crop, one) == {8}, one.text
            checked += 1
    assert checked > 5
    for one in made(crop, "negation", 120):
        if one.concepts == ("building",) and re.search(r"\bred\b|reddish", one.text, re.IGNORECASE):
            assert ids_of(crop, one) == {2, 3}, one.text


def test_sizes_are_in_square_metres():
    crop, checked = town(), 0
    area = {i: (r[3] - r[1]) * (r[4] - r[2]) * GSD_M**2 for i, r in TOWN.items()}
    for one in made(crop, "attribute", 120):
        size = re.search(r"(\d+) (m²|square)", one.text)
        if size is None or one.concepts != ("building",):
            continue
        limit = float(size.group(1))
        larger = re.search("larger|bigger|over|more", one.text) is not None
        told, doubtful = ids_of(crop, one), unsure_ids(crop, one)
        for ident in (1, 2, 3, 4):
            if ident not in doubtful:
                assert (ident in told) == ((area[ident] > limit) == larger), one.text
            else:
                assert abs(area[ident] - limit) < 0.08 * limit + 1, one.text
        checked += 1
    assert checked > 10


def test_distances_are_in_metres_between_edges():
    crop, checked = town(), 0
    for one in made(crop, "relation", 120):
        limit = re.search(r"(\d+) m", one.text)
        if limit is None or one.concepts[0] not in ("building", "tree", "car"):
            continue
        other = np.isin(crop.leaves, [code(leaf) for leaf in concept(one.concepts[1]).covers])
        away = ndimage.distance_transform_edt(~other) * GSD_M - GSD_M
        beyond = re.search(r"more than|farther|at least|\bover\b", one.text) is not None
        told, doubtful = ids_of(crop, one), unsure_ids(crop, one)
        covers = concept(one.concepts[0]).covers
        for ident, leaf in crop.instance_leaf.items():
            if leaf not in covers:
                assert ident not in told
                continue
            gap = away[crop.instances == ident].min()
            assert (ident in doubtful) or (ident in told) == (
                (gap > float(limit.group(1))) == beyond
            ), one.text
        checked += 1
    assert checked > 20


def test_left_and_above_are_those_of_the_view_and_pairs_differ_by_one_word():
    crop = town(extra={5: ("pool", 88, 60, 98, 70, (90, 190, 205))}.items())
    checked = 0
    for one in made(crop, "relation", 150):
        if one.concepts == ("building", "pool") and re.search(r"\b(left|west) of", one.text):
            assert ids_of(crop, one) <= {1, 3}
            assert 1 not in unsure_ids(crop, one) or 3 not in unsure_ids(crop, one)
            checked += 1
        if one.concepts == ("building", "pool") and re.search(r"\b(right|east) of", one.text):
            assert ids_of(crop, one) <= {2, 4}
            checked += 1
    assert checked > 3
    twins = 0
    for seed in range(80):
        pair = make_instructions(crop, np.random.default_rng(seed), 2, only("pair"))
        if len(pair) == 2 and {one.kind for one in pair} == {"pair"}:
            assert pair[0].concepts == pair[1].concepts
            assert not np.array_equal(pair[0].mask, pair[1].mask)
            first, second = (one.text.lower().split() for one in pair)
            assert first != second
            assert len(set(first) ^ set(second)) <= 6
            twins += 1
    assert twins > 20


def test_parts_of_the_view():
    crop, checked = town(), 0
    for one in made(crop, "region", 120):
        if one.concepts != ("building",):
            continue
        told = ids_of(crop, one)
        for pattern, wanted in (
            (r"(upper|top) left|north-west", {1}),
            (r"(upper|top) right|north-east", {2}),
            (r"(lower|bottom) left|south-west", {3}),
            (r"(lower|bottom) right|south-east", {4}),
            (r"left (half|side)|on the left$|western half|in the west$", {1, 3}),
            (r"(upper|top) (half|part$)|northern half|in the north$", {1, 2}),
        ):
            if re.search(pattern, one.text):
                assert told == wanted, one.text
                checked += 1
    assert checked > 10


COLOUR_WORDS = re.compile("|".join([*COLOURS, *chain.from_iterable(WORDS.values())]), re.IGNORECASE)


def test_absent_things_are_surely_absent():
    crop = town()
    here = {
        known.name for known in concepts() if set(known.covers) & {row[0] for row in TOWN.values()}
    }
    found = made(crop, "absent", 150)
    assert len(found) > 100
    for one in found:
        assert not one.present
        assert not (one.mask == 1).any()
        colour = one.concepts[0] in here
        assert not colour or COLOUR_WORDS.search(one.text), one.text


def test_what_a_set_does_not_label_is_neither_asked_for_nor_denied():
    """Of a set that maps buildings only, nobody knows whether there are ships."""
    leaves = np.where(town().leaves == code("building"), code("building"), code("other"))
    crop = replace(town(), leaves=leaves.astype(np.uint8), complete=frozenset(["building"]))
    crop = replace(crop, instance_leaf=dict.fromkeys((1, 2, 3, 4), "building"))
    for seed in range(120):
        for one in make_instructions(crop, np.random.default_rng(seed), 3):
            assert one.present or COLOUR_WORDS.search(one.text), one.text
            assert set(one.concepts) <= {"building", "impervious surface"}, one
            if one.concepts == ("building",) and one.kind == "class":
                assert not (one.mask == 255).any()
            if one.concepts == ("impervious surface",):
                # What lies beside the labels may well be paved.
                assert (one.mask[crop.leaves == code("other")] != 0).all()
    empty = replace(
        crop,
        leaves=np.full_like(crop.leaves, code("other")),
        instances=np.zeros_like(crop.instances),
        instance_leaf={},
    )
    for seed in range(40):
        for one in make_instructions(empty, np.random.default_rng(seed), 3):
            assert (one.concepts, one.present) == (("building",), False)
    blind = replace(empty, leaves=np.full_like(crop.leaves, 255))
    assert make_instructions(blind, np.random.default_rng(0), 3) == []


def test_held_out_texts_are_never_said_in_training():
    crop = town()
    trained, kept = set(), set()
    for seed in range(120):
        for held_out, texts in ((False, trained), (True, kept)):
            for one in make_instructions(crop, np.random.default_rng(seed), 4, held_out=held_out):
                texts.add(one.text.lower())
    assert len(trained) > 200
    assert len(kept) > 200
    assert not trained & kept
    for known in concepts():
        for noun in known.held_out:
            pattern = re.compile(rf"\b{re.escape(noun.lower())}\b")
            # A kept-back word may be part of a longer one that is trained.
            if any(
                pattern.search(other.lower())
                for k in concepts()
                for other in (*k.wordings, *k.questions)
            ):
                continue
            assert not [text for text in trained if pattern.search(text)], noun
    questions = {q.lower() for known in concepts() for q in known.held_out_questions}
    assert not trained & questions
    assert kept & questions


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made_and_follows_its_share(kind):
    extra = {20: ("solar array", 30, 150, 60, 180, (20, 24, 50))}
    looks = {
        i: {
            "roof": "flat" if i < 3 else "hip",
            "material": "tile",
            "shape": "rect",
            "height_m": 3.0 * i,
        }
        for i in (1, 2, 3, 4)
    }
    crop = town(extra=extra.items(), attributes={**looks, 20: {"on_building": 3}})
    found = made(crop, kind, 40)
    assert len(found) >= 15
    reasoning = {"question", "reasoning"}
    for one in found:
        assert one.task == ("reasoning" if kind in reasoning else one.task)


def test_questions_about_objects_follow_from_their_surroundings():
    extra = {20: ("solar array", 30, 150, 60, 180, (20, 24, 50))}
    looks = {i: {"roof": "flat" if i < 3 else "hip", "height_m": 3.0 * i} for i in (1, 2, 3, 4)}
    crop = town(extra=extra.items(), attributes={**looks, 20: {"on_building": 3}})
    answers = {
        "Which building could hold the most solar panels?": {3},
        "Which roofs already make their own electricity?": {3},
        "Which roofs could still get solar panels?": {1, 2, 4},
        "On which buildings could a roof terrace be laid out?": {1, 2},
        "Which homes have their own pool?": {1},
        "Which building throws the longest shadow?": {4},
    }
    seen = set()
    for one in made(crop, "reasoning", 200):
        for question, wanted in answers.items():
            if one.text == question:
                assert ids_of(crop, one) - {20} == wanted, one.text
                seen.add(question)
    assert seen == set(answers)


def test_the_same_seed_gives_the_same_instructions():
    crop = town()
    twice = [make_instructions(crop, np.random.default_rng(5), 6) for _ in range(2)]
    assert [one.text for one in twice[0]] == [one.text for one in twice[1]]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(*twice, strict=True))
    assert len({one.text for one in twice[0]}) == len(twice[0]) == 6


@pytest.mark.parametrize("seed", range(6))
def test_generated_scenes_give_well_formed_instructions(seed):
    scene = make_scene(seed, size_px=160, gsd_m=0.3)
    crop = LabelledCrop(
        scene.rgb,
        scene_leaves(scene),
        scene.instances.astype(np.int32),
        scene.classes,
        scene.attributes,
        scene.gsd_m,
    )
    for held_out in (False, True):
        for one in make_instructions(crop, np.random.default_rng(seed), 12, held_out=held_out):
            assert one.mask.dtype == np.uint8
            assert one.mask.shape == crop.leaves.shape
            assert set(np.unique(one.mask)) <= {0, 1, 255}
            assert one.present == bool((one.mask == 1).any())
            assert not one.present or (one.mask == 1).sum() >= 25
            assert one.kind in KINDS
            assert not re.search(r"[{}]|  ", one.text), one.text
            assert all(concept(name) for name in one.concepts)
