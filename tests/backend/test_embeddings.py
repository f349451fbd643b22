"""Embeddings are made once: kept in memory by use, on disk by content."""

from __future__ import annotations

import os
import threading
import time

import pytest

from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.models.base import Embedding
from tests.data.small_disk import mounted

torch = pytest.importorskip("torch")
KB = 1024


def embedding(key: str, value: float = 1.0, kilobytes: int = 1) -> Embedding:
    tensors = {
        "features": torch.full((kilobytes * KB // 4,), value),
        "scale": torch.tensor([2], dtype=torch.bfloat16),
    }
    return Embedding(key, 12, 34, tensors)


class Encoder:
    """Counts how often it is asked."""

    def __init__(self, key: str, value: float = 1.0, kilobytes: int = 1) -> None:
        self.calls, self._arguments = 0, (key, value, kilobytes)

    def __call__(self) -> Embedding:
        self.calls += 1
        return embedding(*self._arguments)


def test_made_once_then_remembered():
    cache, encoder = EmbeddingCache(10 * KB), Encoder("a")
    first = cache.get_or_compute("a", encoder)
    assert cache.get_or_compute("a", encoder) is first
    assert (encoder.calls, cache.hits, cache.misses) == (1, 1, 1)


def test_the_least_recently_used_goes_first():
    cache = EmbeddingCache(3 * KB + 100)
    for key in "abc":
        cache.get_or_compute(key, Encoder(key))
    cache.get_or_compute("a", Encoder("a"))
    cache.get_or_compute("d", Encoder("d"))
    assert [key in cache for key in "abcd"] == [True, False, True, True]
    assert cache.nbytes <= 3 * KB + 100


def test_one_larger_than_the_budget_still_serves_its_next_click():
    cache, encoder = EmbeddingCache(KB), Encoder("a", kilobytes=9)
    cache.get_or_compute("a", encoder)
    cache.get_or_compute("a", encoder)
    assert encoder.calls == 1


def test_the_disk_outlives_the_process(tmp_path):
    EmbeddingCache(KB, tmp_path, 100 * KB).get_or_compute("a", Encoder("a", 3.5))
    encoder = Encoder("a", -1)
    found = EmbeddingCache(KB, tmp_path, 100 * KB).get_or_compute("a", encoder)
    assert encoder.calls == 0
    assert (found.key, found.height_px, found.width_px) == ("a", 12, 34)
    assert torch.equal(found.tensors["features"], embedding("a", 3.5).tensors["features"])
    assert found.tensors["scale"].dtype == torch.bfloat16


def test_the_disk_keeps_to_its_budget(tmp_path):
    cache = EmbeddingCache(KB, tmp_path, 5 * KB)
    for key in "abcdefgh":
        cache.get_or_compute(key, Encoder(key))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5 * KB
    encoder = Encoder("h")
    EmbeddingCache(KB, tmp_path, 5 * KB).get_or_compute("h", encoder)
    assert encoder.calls == 0


def test_a_damaged_file_costs_a_new_encoding_and_no_more(tmp_path):
    EmbeddingCache(KB, tmp_path, 100 * KB).get_or_compute("a", Encoder("a"))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    encoder = Encoder("a")
    EmbeddingCache(KB, tmp_path, 100 * KB).get_or_compute("a", encoder)
    assert encoder.calls == 1


def test_a_folder_that_cannot_be_written_does_not_stop_the_work(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    encoder = Encoder("a")
    cache = EmbeddingCache(10 * KB, blocked, 100 * KB)
    cache.get_or_compute("a", encoder)
    cache.get_or_compute("a", encoder)
    assert encoder.calls == 1


def test_a_full_disk_costs_a_new_encoding_and_no_more(tmp_path, capsys):
    with mounted(tmp_path / "disk", "8k") as disk:
        cache = EmbeddingCache(10 * KB, disk, 100 * KB)
        large = Embedding("a", 8, 8, {"features": torch.zeros(10_000)})
        assert cache.get_or_compute("a", lambda: large) is large
        assert list(disk.iterdir()) == []
        assert "No space left" in capsys.readouterr().err


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    old, young = tmp_path / "old.part", tmp_path / "young.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    EmbeddingCache(10 * KB, tmp_path, 100 * KB).get_or_compute("a", Encoder("a"))
    assert not old.exists()
    assert young.exists()


def test_an_encoder_that_fails_leaves_nothing_behind():
    cache = EmbeddingCache(10 * KB)

    def fail() -> Embedding:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        cache.get_or_compute("a", fail)
    assert cache.get_or_compute("a", Encoder("a")).key == "a"


def test_two_threads_encode_once():
    cache, entered, go = EmbeddingCache(10 * KB), threading.Event(), threading.Event()
    calls = []

    def slow() -> Embedding:
        calls.append(1)
        entered.set()
        go.wait(10)
        return embedding("a")

    threads = [threading.Thread(target=cache.get_or_compute, args=("a", slow)) for _ in range(2)]
    threads[0].start()
    entered.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
