"""Words to places in the label graph; and how often a guessed parent is right, on terms that stand in no list."""

from __future__ import annotations

import pytest

from inference_backend.errors import InvalidInput
from inference_backend.language.encoder import text_encoder
from inference_backend.models.cityseg import gis_vocabulary
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.models.cityseg.placing import Placement, place
from inference_backend.models.cityseg.word_forms import alternatives, key
from tests.data.held_out_terms import nonsense, terms


@pytest.fixture(scope="module", autouse=True)
def _encoded_at_once():
    text_encoder().sentences([*terms(), *nonsense()])


def placed(words: str, parent: str | None = None) -> Placement:
    return place(words, label_graph(), text_encoder(), parent)


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        ("building", ("building",)),
        ("Houses", ("building",)),
        ("TREES", ("tree",)),
        ("power line", ("wire",)),
        ("Power-Lines", ("wire",)),
        ("a street light", ("street lamp",)),
        ("streetlamps", ("street lamp",)),
        ("lorries", ("truck",)),
        ("buses", ("bus",)),
        ("high vegetation", ("tree",)),
        ("wire - conductor", ("wire",)),
        ("trees and bushes", ("tree", "shrub")),
        ("car/truck", ("car", "truck")),
        ("low and medium vegetation", ("low plants",)),
        ("the ground", ("terrain",)),
        ("other", ("root",)),
    ],
)
def test_names_are_found_in_any_form(words, nodes):
    found = placed(words)
    assert (found.kind, found.nodes, found.similarity) == ("node", nodes, 1.0)


def test_every_name_of_the_graph_is_its_node():
    for node in label_graph().nodes:
        for words in (node.name, *node.names):
            # "automobiles" are vehicles, and "automobile" is a car: the more exact one is meant.
            assert node.name in (*placed(words).nodes, placed(words).parent), words


def test_known_kinds_are_new_classes_below_their_parent():
    found = placed("Churches")
    assert (found.kind, found.nodes, found.parent) == ("new", (), "building")
    assert placed("puddle").nodes == ("water",)


def test_near_wordings_are_taken_for_a_node():
    found = placed("asphalt roads")
    assert (found.kind, found.nodes, found.parent) == ("node", ("pavement",), "terrain")
    assert 0.85 <= found.similarity < 1
    assert "taken for 'pavement'" in found.sentence


def test_a_guessed_parent_is_said_to_be_guessed():
    found = placed("cathedral")
    assert (found.kind, found.parent) == ("new", "building")
    assert "guessed" in found.sentence
    assert "--add 'cathedral:" in found.sentence


def test_what_cannot_be_placed_is_said_with_what_to_do():
    found = placed("blorf")
    assert (found.kind, found.nodes, found.parent) == ("unknown", (), None)
    assert (
        found.sentence
        == "'blorf' can't be placed; say what it is a kind of: --add 'blorf:building'."
    )


@pytest.mark.parametrize("words", ["maisons rouges", "Gebäude und Bäume", "建物", "здание"])
def test_other_languages_are_named(words):
    found = placed(words)
    assert found.kind == "unknown"
    assert "English" in found.sentence


@pytest.mark.parametrize("words", ["", "  ", "!?", "--", "\n"])
def test_no_word_at_all_is_said(words):
    assert "no letters" in placed(words).sentence


@pytest.mark.parametrize("words", ["x" * 10_000, "\ud800abc", "tree\x00s", "a" + " and tree" * 500])
def test_hostile_words_get_one_short_sentence(words):
    sentence = placed(words).sentence
    sentence.encode("utf-8")
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_the_users_parent_goes_before_everything():
    assert placed("blorf", "building").parent == "building"
    assert placed("blorf", "Buildings").kind == "new"
    church = placed("church", "structure")
    assert (church.kind, church.parent) == ("new", "structure")
    car = placed("car", "furniture")
    assert (car.kind, car.parent) == ("new", "furniture")


def test_a_known_class_below_its_own_ancestor_stays_what_it_is():
    assert placed("greenhouses", "building").nodes == ("greenhouse",)
    assert placed("silo", "structure").nodes == ("silo",)


def test_a_leaf_as_a_parent_means_beside_it():
    found = placed("blorf", "flat roof")
    assert (found.kind, found.parent) == ("new", "roof")
    assert "'flat roof'" in found.sentence


def test_an_unknown_parent_is_refused():
    with pytest.raises(InvalidInput, match="'nonsense' is no class .* use one of"):
        placed("greenhouse", "nonsense")


def test_a_new_classs_parent_is_always_an_inner_node():
    graph = label_graph()
    for words in (*terms(), *gis_vocabulary.vocabulary()):
        found = placed(words)
        assert found.kind != "new" or found.parent in graph.inner, words


def test_the_held_out_terms_are_held_out():
    known = {key(word) for node in label_graph().nodes for word in (node.name, *node.names)}
    known |= {key(word) for word in gis_vocabulary.vocabulary()}
    assert [word for word in terms() if key(word) in known] == []
    assert len(terms()) >= 150


def test_most_held_out_terms_find_their_place():
    """Reached when the thresholds were set: 93 % placed, 87 % of them right. Below these, something broke."""
    graph = label_graph()
    answers = {word: placed(word) for word in terms()}
    found = {word: answer for word, answer in answers.items() if answer.kind != "unknown"}
    right = [
        word
        for word, answer in found.items()
        if terms()[word] & {*answer.nodes, answer.parent, *graph.ancestors(str(answer.parent))}
    ]
    assert len(found) >= 0.9 * len(answers)
    assert len(right) >= 0.84 * len(found)


def test_most_nonsense_is_refused():
    refused = [word for word in nonsense() if placed(word).kind == "unknown"]
    assert len(refused) >= 0.9 * len(nonsense())


def test_no_gis_term_looks_foreign():
    for word in (*terms(), *gis_vocabulary.vocabulary()):
        assert "English" not in placed(word).sentence, word


def test_the_vocabulary_names_nodes_and_its_table_is_its_own():
    graph, words = label_graph(), gis_vocabulary.vocabulary()
    assert set(words.values()) <= {node.name for node in graph.nodes}
    assert gis_vocabulary.gis_terms().words == tuple(words), (
        "gis_terms.json has changed: run python -m inference_backend.models.cityseg.gis_vocabulary"
    )


def test_keys_and_joints_of_words():
    assert key("Street-Lamps") == key("a streetlamp") == "streetlamp"
    assert key("harbour") == key("Harbors")
    assert key("bus") == key("buses")
    assert key("house") == key("houses")
    assert key("glass") != key("gla")
    assert alternatives("trees and bushes") == ["trees", "bushes"]
    assert alternatives("car / truck") == ["car", "truck"]
    assert alternatives("sand dune") == ["sand dune"]
