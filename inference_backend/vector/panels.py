"""Cells of a large grid in square panels: only panels that hold something exist, and only a few of them in memory.

What does not fit in memory goes to one file, each panel at a place of its own.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from inference_backend.vector.drafts import PREFIX

PANEL_CELLS = 256
# 64 panels of 11 layers are 180 MB: more than the tiles of a strip touch at once.
_MEMORY_BYTES = 200 << 20


class PanelStore:
    """Float32 layers over cells (row, col), each 0 or more; a cell never written has the layer's `empty` value."""

    def __init__(
        self,
        empty: tuple[float, ...],
        folder: Path | None = None,
        memory_bytes: int = _MEMORY_BYTES,
    ) -> None:
        """`folder` is where the file lies that takes what is too much for `memory_bytes`; it is gone after `close`."""
        self._empty = np.array(empty, np.float32)
        self._panel_bytes = 4 * len(empty) * PANEL_CELLS**2
        self._most = max(4, memory_bytes // self._panel_bytes)
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._places: dict[tuple[int, int], int] = {}
        self._held: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._changed: set[tuple[int, int]] = set()
        self._keys: set[tuple[int, int]] = set()

    def __enter__(self) -> PanelStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything, also on disk."""
        self._held.clear()
        self._keys.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def places(self) -> list[tuple[int, int]]:
        """(panel row, panel column) of the panels that hold something, from the lowest row up."""
        return sorted(self._keys)

    def to_change(self, key: tuple[int, int]) -> np.ndarray:
        """The panel (layers, PANEL_CELLS, PANEL_CELLS) to write into, until the next call. Raises OSError."""
        self._changed.add(key)
        self._keys.add(key)
        return self._get(key)

    def window(self, layers: list[int], row0: int, col0: int, rows: int, cols: int) -> np.ndarray:
        """(len(layers), rows, cols) of any window; what no panel holds is empty. Raises OSError."""
        out = np.empty((len(layers), rows, cols), np.float32)
        out[:] = self._empty[layers][:, None, None]
        for key in self._panels_in(row0, col0, rows, cols):
            top, left = key[0] * PANEL_CELLS, key[1] * PANEL_CELLS
            r0, r1 = max(row0, top), min(row0 + rows, top + PANEL_CELLS)
            c0, c1 = max(col0, left), min(col0 + cols, left + PANEL_CELLS)
            panel = self._get(key)
            out[:, r0 - row0 : r1 - row0, c0 - col0 : c1 - col0] = panel[
                layers, r0 - top : r1 - top, c0 - left : c1 - left
            ]
        return out

    def _panels_in(self, row0: int, col0: int, rows: int, cols: int) -> Iterator[tuple[int, int]]:
        for row in range(row0 // PANEL_CELLS, (row0 + rows - 1) // PANEL_CELLS + 1):
            for col in range(col0 // PANEL_CELLS, (col0 + cols - 1) // PANEL_CELLS + 1):
                if (row, col) in self._keys:
                    yield row, col

    def _get(self, key: tuple[int, int]) -> np.ndarray:
        panel = self._held.get(key)
        if panel is not None:
            self._held.move_to_end(key)
            return panel
        place = self._places.get(key)
        if place is None or self._file is None:
            panel = np.empty((len(self._empty), PANEL_CELLS, PANEL_CELLS), np.float32)
            panel[:] = self._empty[:, None, None]
        else:
            self._file.seek(place * self._panel_bytes)
            data = np.frombuffer(self._file.read(self._panel_bytes), np.float32)
            panel = data.reshape(len(self._empty), PANEL_CELLS, PANEL_CELLS).copy()
        self._held[key] = panel
        while len(self._held) > self._most:
            self._put_away(*self._held.popitem(last=False))
        return panel

    def _put_away(self, key: tuple[int, int], panel: np.ndarray) -> None:
        if key not in self._changed:
            return
        if self._file is None:
            # Closed by close(), or with this object.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                dir=self._folder, prefix=PREFIX
            )
        place = self._places.setdefault(key, len(self._places))
        self._file.seek(place * self._panel_bytes)
        self._file.write(panel.tobytes())
        self._changed.discard(key)
