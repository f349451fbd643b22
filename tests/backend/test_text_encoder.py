"""The frozen text encoder against numbers of another implementation, its limits, and what goes wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference_backend.errors import ModelProblem
from inference_backend.language import encoder as module
from inference_backend.language.encoder import (
    MAX_TOKENS,
    TextEncoder,
    model_folder,
    normal_text,
    text_encoder,
)

# transformers 5.23, BertModel over the same files: tokens, head of the first, tail of the last, head of the sentence.
REFERENCE = {
    "the red-roofed buildings north of the river": (
        9,
        [-0.0453, 0.6358, -0.21956, 0.77004],
        [0.41179, -0.74001, 0.06196, -0.679],
        [0.02169, 0.09328, -0.03125, 0.08398],
    ),
    "where could a helicopter land": (
        5,
        [0.96489, 0.77818, -0.80699, 0.04652],
        [-0.55284, -0.02284, -1.43459, 0.24317],
        [0.03593, 0.07353, -0.07627, 0.0294],
    ),
    "écoles & 3.5 m² 🚗": (
        8,
        [0.11255, 0.13252, 0.82572, -0.33493],
        [0.78174, -0.2254, -0.15173, -0.31207],
        [0.04878, 0.02219, 0.0363, 0.00093],
    ),
}
PHRASES = ["a", "two words", "three words here", "four words of text", "a", "other words", "x y z"]


@pytest.fixture(scope="module")
def exact() -> TextEncoder:
    return TextEncoder(look_up=False)


@pytest.mark.parametrize("text", REFERENCE)
def test_the_outputs_are_those_of_the_reference(exact, text):
    count, head, tail, sentence = REFERENCE[text]
    (tokens,) = exact.tokens([text])
    assert tokens.shape == (count, 384)
    assert tokens.dtype == np.float32
    np.testing.assert_allclose(tokens[0, :4], head, atol=1e-4)
    np.testing.assert_allclose(tokens[-1, -4:], tail, atol=1e-4)
    vector = exact.sentences([text])[0]
    np.testing.assert_allclose(vector[:4], sentence, atol=1e-4)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_the_table_gives_the_same_outputs_but_for_rounding(exact):
    looked_up = text_encoder()
    for text in ("buildings", "Solar panels", "the", "red"):
        np.testing.assert_allclose(
            looked_up.tokens([text])[0], exact.tokens([text])[0], rtol=0, atol=0.02
        )
        np.testing.assert_allclose(
            looked_up.sentences([text]), exact.sentences([text]), rtol=0, atol=0.003
        )


def test_a_text_means_the_same_in_any_company(exact):
    together = exact.tokens(PHRASES)
    for text, tokens in zip(PHRASES, together, strict=True):
        alone = TextEncoder(look_up=False)
        np.testing.assert_allclose(tokens, alone.tokens([text])[0], atol=1e-5)
        np.testing.assert_allclose(
            exact.sentences([text, *PHRASES])[0], alone.sentences([text])[0], atol=1e-5
        )


def test_likeness_follows_meaning(exact):
    vectors = exact.sentences(["a car", "an automobile", "the moon"])
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.7 > 0.4 > far


@pytest.mark.parametrize("text", ["", "  ", "?", " ?! "])
def test_an_empty_text_has_no_tokens_and_still_a_vector(exact, text):
    assert exact.tokens([text])[0].shape == (0, 384)
    assert np.linalg.norm(exact.sentences([text])[0]) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_nothing(exact):
    assert exact.tokens([]) == []
    assert exact.sentences([]).shape == (0, 384)


def test_a_long_text_is_cut(exact):
    (tokens,) = exact.tokens(["word " * 60])
    assert tokens.shape == (MAX_TOKENS, 384)
    novel, longer = exact.sentences(["word " * 20_000, "word " * 200_000])
    np.testing.assert_array_equal(novel, longer)


def test_answers_are_shared_and_cannot_be_written_into(exact):
    first = exact.tokens(["some shared text"])[0]
    assert exact.tokens(["Some  shared text."])[0] is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0


def test_the_memory_is_bounded():
    small = TextEncoder(remembered=3, look_up=False)
    before = small.tokens(PHRASES)
    assert len(small._memory) == 3
    for again, tokens in zip(small.tokens(PHRASES), before, strict=True):
        np.testing.assert_allclose(again, tokens, atol=1e-5)


def test_threads_may_share_it(exact):
    texts = [f"thing number {index % 7}" for index in range(40)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: exact.tokens([text])[0], texts))
    for text, tokens in zip(texts, answers, strict=True):
        np.testing.assert_array_equal(tokens, exact.tokens([text])[0])


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  The RED\troof. ", "the red roof"),
        ("Where?!", "where"),
        ("e\u0301cole", "école"),
        ("half \ud83d of it", "half ? of it"),
        ("3.5 m²", "3.5 m²"),
    ],
)
def test_texts_are_read_in_one_spelling(text, normal):
    assert normal_text(text) == normal


@given(st.text())
@example("İ")
@example("a . ! ?")
def test_the_one_spelling_is_its_own(text):
    assert normal_text(normal_text(text)) == normal_text(text)


def test_words_of_the_table_need_no_heavy_library():
    code = (
        "import sys\n"
        "from inference_backend.language.encoder import text_encoder\n"
        "shape = text_encoder().tokens(['buildings'])[0].shape, text_encoder().sentences(['houses']).shape\n"
        "heavy = {'torch', 'tokenizers', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
        "sys.stdout.write(f'{shape} {sorted(heavy)}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "((1, 384), (1, 384)) []"


def test_without_the_wheel_words_of_the_table_are_known_and_others_get_a_sentence(monkeypatch):
    monkeypatch.setattr(module, "WHEEL", "no_such_distribution")
    lone = TextEncoder()
    assert lone.tokens(["buildings"])[0].shape == (1, 384)
    with pytest.raises(ModelProblem, match="is not installed.*install the backend again"):
        lone.tokens(["an entirely different sentence"])


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_damaged_files_get_a_sentence(monkeypatch, tmp_path, name):
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        shutil.copyfile(model_folder() / file, tmp_path / file)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    monkeypatch.setattr(module, "model_folder", lambda: tmp_path)
    with pytest.raises(ModelProblem, match="damaged; install the backend again"):
        TextEncoder(look_up=False).tokens(["anything"])
