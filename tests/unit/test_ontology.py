"""What there is to talk about: complete, consistent, and with test wordings that training never says."""

import re

import pytest

from inference_backend.errors import InvalidInput
from inference_backend.language.ontology import (
    LEAVES,
    Concept,
    concept,
    concept_of,
    concepts,
    truth,
)

CONTRACT_LEAVES = """other, building, solar array, road, tree, water, field, grass, bare ground, car, truck, bus, motorbike,
vehicle, paved, parking lot, sport field, tennis court, basketball court, baseball diamond, running track, boat, ship, pool,
lake, river, sea, hedge, shrub, pier, tank, construction site, park, lawn, runway, taxiway, aircraft, greenhouse, railway,
train, beach, quarry, landslide, golf course, container, helipad, bridge, playground, orchard, wind turbine"""
BAR_QUESTIONS = {
    "building": "Where do people live?",
    "solar array": "What makes electricity from sunlight?",
    "road": "Where can cars drive?",
}
each_concept = pytest.mark.parametrize("known", concepts(), ids=lambda known: known.name)


def said_in_training(known: Concept) -> set[str]:
    return {words.lower() for words in known.wordings}


def test_leaves_keep_their_numbers():
    wanted = [leaf.strip() for leaf in CONTRACT_LEAVES.replace("\n", " ").split(",")]
    assert list(LEAVES[: len(wanted)]) == wanted
    assert len(set(LEAVES)) == len(LEAVES) < 255


def test_every_leaf_is_covered_and_no_concept_contradicts_itself():
    assert {leaf for known in concepts() for leaf in known.covers} == set(LEAVES) - {"other"}
    for known in concepts():
        assert not set(known.covers) & set(known.unsure), known.name


def test_no_wording_and_no_question_means_two_things():
    for attribute in ("wordings", "held_out", "questions", "held_out_questions", "functions"):
        said = [words.lower() for known in concepts() for words in getattr(known, attribute)]
        twice = {words for words in said if said.count(words) > 1}
        assert not twice, f"{attribute}: {twice}"


def test_held_out_wordings_and_questions_are_never_trained_on():
    trained = {words for known in concepts() for words in said_in_training(known)}
    held_out = {words.lower() for known in concepts() for words in known.held_out}
    assert not trained & held_out
    asked = {question.lower() for known in concepts() for question in known.questions}
    kept = {question.lower() for known in concepts() for question in known.held_out_questions}
    assert not asked & kept


@pytest.mark.parametrize(("name", "asked"), BAR_QUESTIONS.items())
def test_the_questions_of_the_bars_are_kept_back(name, asked):
    assert asked in concept(name).held_out_questions


@each_concept
def test_a_concept_is_complete(known):
    assert known.definition
    assert known.functions
    assert known.questions
    assert known.held_out
    assert known.held_out_questions
    assert 0 < known.area_m2[0] < known.area_m2[1]
    assert 0.05 <= known.gsd_m <= 1.0
    assert all(
        question.endswith("?") or question.startswith("Show") for question in known.questions
    )
    # A thing that is counted needs a noun in both numbers, in training and in tests.
    if known.countable:
        assert known.pairs
        assert known.held_out_pairs
        assert known.pairs[0] == (known.name, known.plural)


@each_concept
def test_words_lead_to_their_concept(known):
    for words in known.wordings:
        assert concept_of(words) is known
        assert concept_of(f"  {words.upper()} ") is known
    for words in known.held_out:
        assert concept_of(words) is None


@each_concept
def test_no_question_names_its_answer(known):
    """A question that holds the class's own name would measure reading, not reasoning."""
    for question in (*known.questions, *known.held_out_questions):
        words = set(re.findall(r"[a-z]+", question.lower()))
        assert not {known.name, known.plural} & words, question


def test_truth_of_upper_and_lower_concepts():
    assert truth(concept("vehicle"), "car") == 1
    assert truth(concept("car"), "vehicle") == -1
    assert truth(concept("car"), "truck") == 0
    assert truth(concept("water"), "pool") == 1
    assert truth(concept("pool"), "water") == -1
    assert truth(concept("pool"), "lake") == 0
    assert truth(concept("boat"), "ship") == 1
    assert truth(concept("vegetation"), "hedge") == 1
    assert truth(concept("tree"), "vegetation") == -1
    assert truth(concept("road"), "parking lot") == -1
    assert truth(concept("building"), "tree") == 0
    assert {truth(known, "other") for known in concepts()} == {-1}


def test_an_unknown_concept_is_refused_with_what_there_is():
    with pytest.raises(InvalidInput, match=r"no concept 'castle'; use one of building, "):
        concept("castle")
