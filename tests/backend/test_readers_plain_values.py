"""Python's data files are read without running them."""

import collections
import contextlib
import datetime
import os
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.plain_values import read_plain_values

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
    ),
    max_leaves=20,
)


@given(values, st.integers(0, 5))
def test_plain_data_comes_back_as_it_was(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("data") / "refs.p"
    path.write_bytes(pickle.dumps(value, protocol))
    assert read_plain_values(path) == value


def test_what_stands_in_a_list_twice_is_read_twice(tmp_path):
    word = ["shared"]
    for protocol in range(6):
        path = tmp_path / f"{protocol}.p"
        path.write_bytes(pickletools.optimize(pickle.dumps([word, word, {"a": word}], protocol)))
        assert read_plain_values(path) == [["shared"], ["shared"], {"a": ["shared"]}]


def test_python_2_text_of_bytes_is_text(tmp_path):
    path = tmp_path / "refs.p"
    # As protocol 0 and 1 of Python 2 wrote a list of one str: STRING, and SHORT_BINSTRING.
    path.write_bytes(b"(lp0\nS'the roof'\np1\na.")
    assert read_plain_values(path) == ["the roof"]
    path.write_bytes(b"]q\x00U\x08the roofq\x01a.")
    assert read_plain_values(path) == ["the roof"]


class Runs:
    """What a hostile file holds: a call that is made when it is opened."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_in_the_file_is_refused_and_never_made(protocol, tmp_path):
    path, target = tmp_path / "refs(unc).p", tmp_path / "made"
    path.write_bytes(pickle.dumps([{"a": 1}, Runs(target)], protocol))
    with pytest.raises(
        InvalidInput, match="holds more than plain data and is not opened"
    ) as caught:
        read_plain_values(path)
    assert not target.exists()
    sentence = caught.value.user_message
    assert "could run code" in sentence
    assert "json.dump" in sentence
    assert "'refs(unc).json'" in sentence
    pickle.loads(path.read_bytes())
    assert target.exists()


@pytest.mark.parametrize(
    "value",
    [
        np.int64(3),
        np.arange(3),
        {1, 2},
        b"bytes",
        datetime.date(2020, 1, 1),
        collections.deque([1]),
    ],
)
def test_objects_are_refused(value, tmp_path):
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps([value], 4))
    with pytest.raises(InvalidInput, match="is not opened"):
        read_plain_values(path)


def test_the_converter_in_the_sentence_works(tmp_path, monkeypatch):
    """For a file of numpy numbers, which is harmless and refused all the same."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps([{"ref_id": np.int64(7), "split": "test"}], 2))
    with pytest.raises(InvalidInput) as caught:
        read_plain_values(path)
    code = caught.value.user_message.split('python -c "')[1].removesuffix('"')
    exec(code)  # what a user would paste
    assert (tmp_path / "refs(unc).json").read_text() == '[{"ref_id": 7, "split": "test"}]'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no such file at all",
        b"\x80\x02]q\x00(X\x05\x00\x00\x00",
        b"\x80\x02.",
        b"a.",
        b"(a.",
        b"s.",
        b"\x80\x02K\x01K\x02a.",
        b"h\x07.",
        b"(K\x01d.",
        b"}]K\x01s.",
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_a_sentence(content, tmp_path):
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is damaged"):
        read_plain_values(path)


@given(st.binary(max_size=60))
def test_any_bytes_are_data_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("data") / "refs.p"
    path.write_bytes(content)
    with contextlib.suppress(InvalidInput):
        read_plain_values(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_plain_values(tmp_path / "refs.p")
