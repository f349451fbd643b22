"""The vocabulary table: current, exact but for rounding, small, and refused when damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from inference_backend.errors import ModelProblem
from inference_backend.language import vocabulary as module
from inference_backend.language.encoder import TextEncoder, normal_text
from inference_backend.language.ontology import concepts
from inference_backend.language.vocabulary import TABLE, read, vocabulary

REBUILD = "run: python -m inference_backend.language.vocabulary"


@pytest.fixture(scope="module")
def exact() -> TextEncoder:
    return TextEncoder(look_up=False, remembered=5000)


@pytest.fixture(scope="module")
def built(exact) -> module.Vocabulary:
    return module.build(exact)


def test_the_table_that_ships_is_the_one_that_would_be_built(built):
    shipped = read(TABLE)
    assert shipped.encoder == built.encoder, f"made by other weights; {REBUILD}"
    assert shipped.token_rows == built.token_rows, f"made for other phrases; {REBUILD}"
    assert shipped.sentence_rows == built.sentence_rows, f"made for other phrases; {REBUILD}"
    # Another processor may round a value to the neighbouring step.
    assert np.abs(shipped.values.astype(int) - built.values).max() <= 1


def test_the_table_is_small():
    assert TABLE.stat().st_size <= module.MOST_BYTES


def test_what_the_ontology_says_needs_no_encoder():
    table = vocabulary()
    for known in concepts():
        for text in known.wordings:
            assert table.tokens(normal_text(text)) is not None
        for text in (*known.wordings, known.definition, *known.functions, *known.questions):
            assert table.sentence(normal_text(text)) is not None


def test_rounding_is_all_that_is_lost(exact):
    table = vocabulary()
    texts = list(table.token_rows)
    tokens = np.concatenate(exact.tokens(texts))
    error = np.concatenate([table.tokens(text) for text in texts]) - tokens
    assert np.abs(error).max() < 0.02
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(tokens**2))
    texts = list(table.sentence_rows)
    vectors, known = exact.sentences(texts), np.stack([table.sentence(text) for text in texts])
    np.testing.assert_allclose(np.linalg.norm(known, axis=1), 1, atol=1e-5)
    assert np.abs(known @ known.T - vectors @ vectors.T).max() < 0.005


def test_an_unknown_text_is_unknown():
    assert vocabulary().tokens("colourless green ideas") is None
    assert vocabulary().sentence("colourless green ideas") is None


def test_a_table_comes_back_as_it_was_written(tmp_path, built):
    path = tmp_path / "table.safetensors"
    module.write(built, path)
    module.write(built, tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    back = read(path)
    np.testing.assert_array_equal(back.values, built.values)
    np.testing.assert_array_equal(back.scales, built.scales)
    assert (back.token_rows, back.sentence_rows) == (built.token_rows, built.sentence_rows)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "again.safetensors",
        "table.safetensors",
    ]


def test_without_a_table_everything_goes_through_the_encoder(monkeypatch, tmp_path, exact):
    monkeypatch.setattr(module, "TABLE", tmp_path / "none.safetensors")
    vocabulary.cache_clear()
    try:
        alone = TextEncoder()
        np.testing.assert_allclose(
            alone.tokens(["buildings"])[0], exact.tokens(["buildings"])[0], atol=1e-5
        )
    finally:
        vocabulary.cache_clear()


def index(**changes) -> dict[str, str]:
    whole = {"tokens": {"a": [0, 2]}, "sentences": {"a": 2}, "encoder": "", **changes}
    return {"index": json.dumps(whole)}


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (3, {}),
        (3, {"index": "{"}),
        (3, {"index": "[]"}),
        (3, index(tokens={"a": [0]})),
        (3, index(tokens={"a": [-1, 2]})),
        (3, index(sentences={"a": 3})),
        (2, index()),
    ],
)
def test_a_damaged_table_gets_a_sentence(tmp_path, rows, notes):
    path = tmp_path / "table.safetensors"
    tensors = {"values": np.ones((rows, 384), np.int8), "scales": np.ones(rows, np.float16)}
    save_file(tensors, path, metadata=notes)
    with pytest.raises(ModelProblem, match="vocabulary table .* damaged"):
        read(path)


def test_half_a_table_gets_a_sentence(tmp_path):
    path = tmp_path / "table.safetensors"
    path.write_bytes(TABLE.read_bytes()[: TABLE.stat().st_size // 2])
    with pytest.raises(ModelProblem, match="damaged"):
        read(path)
