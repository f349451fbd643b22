"""The catalogue and the store of weights: where files are, what is registered, what is whole."""

from __future__ import annotations

import hashlib
import re
import sys
from urllib.parse import urlsplit

import pytest

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput, ResourceProblem
from inference_backend.weights import store
from inference_backend.weights.catalogue import CATALOGUE_FILE, entries, entry


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "given" / "mine.pth"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def test_entries_to_fetch_have_all_that_a_safe_download_needs():
    fetched = [record for record in entries().values() if not record.ships]
    assert {record.name for record in fetched} == {
        *("sam-vit-b", "sam-vit-l", "sam-vit-h"),
        *("openai-vit-b-32", "openai-vit-b-16", "openai-vit-l-14", "openai-rn50"),
    }
    for record in fetched:
        assert urlsplit(record.url).scheme == "https"
        assert record.url.endswith("/" + record.file)
        assert re.fullmatch("[0-9a-f]{64}", record.sha256)
        assert record.bytes > 10**8


def test_digests_carry_the_mark_that_the_secret_scan_wants():
    lines = CATALOGUE_FILE.read_text(encoding="utf-8").splitlines()
    digests = [line for line in lines if re.search("[0-9a-f]{64}", line)]
    assert digests
    assert all(line.endswith("# pragma: allowlist secret") for line in digests)


def test_the_default_ships():
    assert entry("default-2d").ships
    assert store.expected_path(entry("default-2d")).parent == store.SHIPPED_FOLDER


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InvalidInput, match="sam-vit-x.*default-2d, default-3d, sam-vit-b"):
        entry("sam-vit-x")


def test_weights_live_in_the_users_data_folder(monkeypatch, home, tmp_path):
    assert store.weights_folder() == home / "weights"
    monkeypatch.delenv("CITYSEG_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert store.data_home() == tmp_path / "data" / "cityseg"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert store.data_home() == tmp_path / "Local" / "CitySeg"


def test_a_registered_file_is_used_and_forgotten_but_never_deleted(checkpoint):
    assert store.locate("sam-vit-b") is None
    store.register("sam-vit-b", checkpoint)
    assert store.locate("sam-vit-b") == checkpoint.resolve()
    assert store.remove("sam-vit-b") == [
        f"Forgot {checkpoint.resolve()}; the file was left where it is."
    ]
    assert store.locate("sam-vit-b") is None
    assert checkpoint.exists()


def test_removing_deletes_a_download_and_half_of_one(home):
    target = store.expected_path(entry("sam-vit-b"))
    target.parent.mkdir(parents=True)
    target.write_bytes(b"whole")
    store.partial_path(target).write_bytes(b"half")
    assert len(store.remove("sam-vit-b")) == 2
    assert list(target.parent.iterdir()) == []
    assert store.remove("sam-vit-b") == []


@pytest.mark.parametrize(
    ("name", "file", "sentence"),
    [
        ("My Model", "mine.pth", "cannot be a model's name"),
        ("../x", "mine.pth", "cannot be a model's name"),
        ("default-2d", "mine.pth", "ships with CitySeg"),
        ("mine", "absent.pth", "There is no file"),
        ("mine", "mine.txt", "is not a checkpoint"),
    ],
)
def test_what_cannot_be_registered_is_refused(checkpoint, name, file, sentence):
    (checkpoint.parent / "mine.txt").write_text("x")
    with pytest.raises(InvalidInput, match=sentence):
        store.register(name, checkpoint.parent / file)
    assert store.registered() == {}


def test_the_shipped_weights_and_the_unknown_are_not_removed():
    with pytest.raises(InvalidInput, match="ships with CitySeg"):
        store.remove("default-2d")
    with pytest.raises(InvalidInput, match="no model 'other' to remove"):
        store.remove("other")


@pytest.mark.parametrize("text", ["{broken", "[1, 2]", '{"a": 3}'])
def test_a_damaged_list_of_registrations_is_named(home, text):
    home.mkdir()
    (home / "registered-models.json").write_text(text)
    with pytest.raises(
        InvalidInput, match=r"registered-models.json is damaged; correct or delete it"
    ):
        store.registered()


def test_a_home_that_cannot_be_written_is_a_sentence(monkeypatch, checkpoint):
    monkeypatch.setenv("CITYSEG_HOME", str(checkpoint))
    with pytest.raises((ResourceProblem, InvalidInput)) as caught:
        store.register("mine", checkpoint)
    assert str(checkpoint) in caught.value.user_message


def test_verify_tells_a_whole_from_a_cut_and_a_changed_file(monkeypatch, checkpoint):
    store.register("mine", checkpoint)
    found = store.verify("mine")
    assert (found.ok, found.bytes, found.sha256) == (
        None,
        7,
        hashlib.sha256(b"weights").hexdigest(),
    )
    store.register("sam-vit-b", checkpoint)
    assert store.verify("sam-vit-b").ok is False
    assert store.verify("sam-vit-b").message == "only 7 of 375042383 bytes"


def test_verify_accepts_the_published_digest(monkeypatch, checkpoint):
    facts = dict(entries())
    changed = {
        **vars(facts["sam-vit-b"]),
        "bytes": 7,
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    facts["sam-vit-b"] = type(facts["sam-vit-b"])(**changed)
    monkeypatch.setattr(store, "entries", lambda: facts)
    store.register("sam-vit-b", checkpoint)
    assert store.verify("sam-vit-b").ok is True
    checkpoint.write_bytes(b"weighty")
    assert store.verify("sam-vit-b").message == "differs from the published file"


def test_verify_of_what_is_not_here_says_how_to_get_it():
    with pytest.raises(InvalidInput, match="run 'cityseg models download sam-vit-h'"):
        store.verify("sam-vit-h")
    with pytest.raises(InvalidInput, match="no model 'other'"):
        store.verify("other")


def test_hashing_reports_and_can_be_cancelled(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(9_000_000))
    seen = []
    digest = store.file_sha256(path, lambda done, total: seen.append((done, total)))
    assert digest == hashlib.sha256(bytes(9_000_000)).hexdigest()
    assert seen[-1] == (9_000_000, 9_000_000)
    token = CancelToken()
    with pytest.raises(Cancelled):
        store.file_sha256(path, lambda *_: token.cancel(), token)
