"""Embeddings kept by content: in memory up to a budget, then, where a folder is given, on disk as safetensors."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from inference_backend.models.base import Embedding

_SUFFIX = ".embedding.safetensors"
# A file that has grown for this long belongs to a process that was killed.
_PART_IS_LEFT_S = 3600.0


class EmbeddingCache:
    """Least recently used goes first. `key` must name everything the embedding depends on.

    `make` runs outside the lock that guards the books, so that a slow encoder does not stop a look-up; two threads
    that want one key at once wait for each other and encode once.
    """

    def __init__(
        self, ram_bytes: int, folder: str | os.PathLike[str] | None = None, disk_bytes: int = 0
    ) -> None:
        self._ram_bytes = ram_bytes
        self._ram: OrderedDict[str, Embedding] = OrderedDict()
        self._disk = _DiskStore(Path(folder), disk_bytes) if folder and disk_bytes > 0 else None
        self._books = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self.hits = 0
        self.misses = 0

    def get_or_compute(self, key: str, make: Callable[[], Embedding]) -> Embedding:
        """The embedding of `key`, from memory, from disk, or made now."""
        with self._books:
            turn = self._making.setdefault(key, threading.Lock())
        with turn:
            try:
                found = self._look_up(key)
                if found is not None:
                    return found
                made = make()
                self._keep(key, made)
                if self._disk is not None:
                    self._disk.write(key, made)
                return made
            finally:
                with self._books:
                    self._making.pop(key, None)

    def __contains__(self, key: str) -> bool:
        with self._books:
            return key in self._ram

    @property
    def nbytes(self) -> int:
        """Bytes of tensors held in memory."""
        with self._books:
            return sum(embedding.nbytes for embedding in self._ram.values())

    def clear(self) -> None:
        """Forget what memory holds; the disk keeps its files."""
        with self._books:
            self._ram.clear()

    def _look_up(self, key: str) -> Embedding | None:
        with self._books:
            if key in self._ram:
                self._ram.move_to_end(key)
                self.hits += 1
                return self._ram[key]
        found = self._disk.read(key) if self._disk is not None else None
        if found is not None:
            self._keep(key, found)
        with self._books:
            self.hits += found is not None
            self.misses += found is None
        return found

    def _keep(self, key: str, embedding: Embedding) -> None:
        with self._books:
            self._ram[key] = embedding
            self._ram.move_to_end(key)
            held = sum(kept.nbytes for kept in self._ram.values())
            # The newest always stays: a crop larger than the budget must still answer its next click.
            while held > self._ram_bytes and len(self._ram) > 1:
                held -= self._ram.popitem(last=False)[1].nbytes


class _DiskStore:
    """One safetensors file an embedding; a file that cannot be read or written only costs a new encoding."""

    def __init__(self, folder: Path, disk_bytes: int) -> None:
        self._folder, self._disk_bytes = folder, disk_bytes

    def _path(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(key.encode()).hexdigest() + _SUFFIX)

    def read(self, key: str) -> Embedding | None:
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            with safe_open(path, framework="pt") as file:
                facts = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            shape = json.loads(facts["shape"])
            if facts["key"] != key:
                return None
            os.utime(path)
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        return Embedding(key, int(shape[0]), int(shape[1]), tensors)

    def write(self, key: str, embedding: Embedding) -> None:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        if not all(isinstance(tensor, torch.Tensor) for tensor in embedding.tensors.values()):
            return
        tensors = {name: t.detach().cpu().contiguous() for name, t in embedding.tensors.items()}
        facts = {"key": key, "shape": json.dumps([embedding.height_px, embedding.width_px])}
        temporary = ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            os.close(handle)
            save_file(tensors, temporary, metadata=facts)
            Path(temporary).replace(self._path(key))
            self._trim()
        except (OSError, RuntimeError, SafetensorError) as error:
            sys.stderr.write(f"embedding cache: {error}\n")
            if temporary:
                Path(temporary).unlink(missing_ok=True)

    def _trim(self) -> None:
        for part in self._folder.glob("*.part"):
            if time.time() - part.stat().st_mtime > _PART_IS_LEFT_S:
                part.unlink(missing_ok=True)
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
        held = sum(path.stat().st_size for path in files)
        for path in files[:-1]:
            if held <= self._disk_bytes:
                return
            held -= path.stat().st_size
            path.unlink(missing_ok=True)
