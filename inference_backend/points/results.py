"""What a run found of each point, kept on disk by the point's place in the input: a cloud may be larger than memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.errors import ResourceProblem

# One block of zeros at a time where the system cannot reserve a file.
_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ResultSlice:
    """Results of some points, (N,) each: `code` ASPRS, `conf` 0..127 for 0..1, `label` id of the label graph, uint8."""

    code: np.ndarray
    conf: np.ndarray
    label: np.ndarray


class PointResults:
    """Arrays of `count` points in `folder`, all zero at first. Raises ResourceProblem where the disk has no room.

    `code`, `conf`, `label` are uint8, `hag` (height above ground in metres, where asked for) float32.
    """

    def __init__(self, count: int, folder: str | os.PathLike[str], hag: bool = False) -> None:
        self.count = count
        base = Path(folder)
        try:
            base.mkdir(parents=True, exist_ok=True)
            self.code = _array(base / "code.u8", count, np.uint8)
            self.conf = _array(base / "conf.u8", count, np.uint8)
            self.label = _array(base / "label.u8", count, np.uint8)
            self.hag = _array(base / "hag.f32", count, np.float32) if hag else None
        except OSError as error:
            need = count * (7 if hag else 3)
            raise ResourceProblem(
                f"The results of {count:,} points need {need / 1e6:,.0f} MB in '{base}', and the disk does not take them; "
                "free some space or choose another.",
                str(error),
            ) from error

    def set(
        self,
        index: np.ndarray,
        code: np.ndarray | int,
        conf: np.ndarray | int,
        label: np.ndarray | int,
    ) -> None:
        """Write the results of the points at `index` (int64, (N,), any order)."""
        where = _place(index)
        self.code[where] = code
        self.conf[where] = conf
        self.label[where] = label

    def slice(self, index: np.ndarray) -> ResultSlice:
        """The results of the points at `index` (int64, (N,), any order)."""
        where = _place(index)
        return ResultSlice(
            np.asarray(self.code[where]),
            np.asarray(self.conf[where]),
            np.asarray(self.label[where]),
        )

    def close(self) -> None:
        """Let go of the files; the arrays are not to be read afterwards. They may be deleted then, on Windows too."""
        for array in (self.code, self.conf, self.label, self.hag):
            mapped = getattr(array, "_mmap", None)
            if mapped is not None:
                mapped.close()

    def __enter__(self) -> PointResults:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _place(index: np.ndarray) -> np.ndarray | slice:
    """A slice where the indices follow one another, as they do in a chunk of a file: no copy, and ten times faster."""
    count = len(index)
    if count and int(index[-1]) - int(index[0]) == count - 1 and bool(np.all(np.diff(index) == 1)):
        return slice(int(index[0]), int(index[0]) + count)
    return index


def _array(path: Path, count: int, kind: type) -> np.ndarray:
    if count == 0:
        return np.zeros(0, kind)
    _reserve(path, count * np.dtype(kind).itemsize)
    return np.memmap(path, dtype=kind, mode="r+", shape=(count,))


def _reserve(path: Path, size: int) -> None:
    """Make `size` zero bytes that the disk has really set aside: a mapped hole in a full disk kills the process."""
    with path.open("wb") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
            return
        zeros = memoryview(bytes(min(size, _BLOCK_BYTES)))
        while size > 0:
            size -= stream.write(zeros[:size])
