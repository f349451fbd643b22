"""Values sampled from a whole raster, for its stretch, without reading a large file whole."""

from __future__ import annotations

import numpy as np

from inference_backend.imagery.reader import CellReader

_SIDE = 1024
_WHOLE_READ_PX = 16_000_000
# By number of patches on a side: 2.4 million values, a second on a slow disk.
_PATCHES = 24
_PATCH_PX = 64


def sample_values(reader: CellReader, width: int, height: int, has_overviews: bool) -> np.ndarray:
    """Valid values (n, 3) spread over the raster.

    With overviews, or in a small raster: the whole, decimated. Else a grid of patches, since decimating a large
    file without overviews would read every block of it; if no patch holds data, the whole after all.
    """
    if not has_overviews and width * height > _WHOLE_READ_PX:
        found = [
            _valid_values(reader, col, row, min(_PATCH_PX, width), min(_PATCH_PX, height), 1)
            for row in _starts(height)
            for col in _starts(width)
        ]
        samples = np.concatenate(found)
        if len(samples):
            return samples
    factor = max(1, -(-max(width, height) // _SIDE))
    cols, rows = _whole_cells(width, factor), _whole_cells(height, factor)
    return _valid_values(reader, 0, 0, cols, rows, factor)


def _starts(size: int) -> list[int]:
    """First pixels of the patches: evenly spread, and different for a raster narrower than they are together."""
    last = max(size - _PATCH_PX, 0)
    return sorted({int(at) for at in np.linspace(0, last, _PATCHES)})


def _whole_cells(size: int, factor: int) -> int:
    return size - size % factor if size >= factor else size


def _valid_values(
    reader: CellReader, col: int, row: int, cols: int, rows: int, factor: int
) -> np.ndarray:
    values, cover = reader.cells(col, row, cols, rows, factor, factor)
    flat = values.reshape(3, -1).T
    return flat if cover is None else flat[cover.ravel() >= 0.5]
