"""True masks as data sets publish them: mask files, polygons, COCO run lengths."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import rasterize
from shapely import GEOSException, make_valid
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TAIL = 4096


@dataclass(frozen=True)
class MaskFile:
    """A picture whose pixels other than 0 are the object; `value` keeps one value only, `ignore` leaves one out."""

    path: Path
    ignore: int | None = None
    value: int | None = None

    def read(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        """See Truth. A colour picture counts by its brightest band. Raises InvalidInput."""
        values = _read_values(self.path, shape)
        mask = values != 0 if self.value is None else values == self.value
        if self.ignore is None:
            return mask, None
        left_out = values == self.ignore
        return mask & ~left_out, left_out


def _read_values(path: Path, shape: tuple[int, int]) -> np.ndarray:
    if not path.is_file():
        # Not left to GDAL, which would also open what is no file: a name may stand for an address.
        raise InvalidInput(f"The mask '{path}' is not there.")
    check_whole(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
        with dataset:
            if dataset.shape != shape:
                raise InvalidInput(
                    f"The mask '{path.name}' is {dataset.width} x {dataset.height} pixels and its image "
                    f"{shape[1]} x {shape[0]}."
                )
            bands = dataset.read([1, 2, 3] if dataset.count >= 3 else [1])
    except RasterioError as error:
        raise InvalidInput(
            f"The mask '{path.name}' cannot be read; is it damaged?", str(error)
        ) from error
    return bands.max(axis=0)


@dataclass(frozen=True)
class PolygonTruth:
    """Polygons in the pixel frame, together the object."""

    polygons: tuple[Polygon, ...]

    def read(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        """See Truth. A pixel belongs to a polygon that holds its centre."""
        if not self.polygons:
            return np.zeros(shape, bool), None
        return rasterize(self.polygons, shape, dtype="uint8").astype(bool), None


def parse_polygons(value: Any) -> PolygonTruth:
    """Polygons as JSON holds them, in pixels (column, row); none: the thing is not there.

    Each is a ring [[x, y], …], or [outside, hole, …] as in GeoJSON, or x, y, x, y, … flat as in COCO. Raises
    InvalidInput with the end of a sentence about the entry.
    """
    if not isinstance(value, list):
        raise InvalidInput("its polygons are not a list")
    found = []
    for item in value:
        rings = item if _depth(item) == 3 else [item]
        try:
            corners = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in rings]
            if any(len(ring) < 3 or not np.isfinite(ring).all() for ring in corners):
                raise ValueError("a ring needs three corners that are numbers")
            found += _areas(make_valid(Polygon(corners[0], corners[1:])))
        except (TypeError, ValueError, GEOSException) as error:
            raise InvalidInput(
                "one of its polygons is not a ring of three or more (x, y) corners in pixels",
                str(error),
            ) from error
    return PolygonTruth(tuple(found))


def check_whole(path: Path) -> None:
    """Raise InvalidInput for a PNG that ends early: GDAL reads one without a word, and its pixels mean nothing."""
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            stream.seek(-min(_PNG_TAIL, stream.seek(0, 2)), 2)
            whole = start != _PNG_START or b"IEND" in stream.read()
    except OSError as error:
        raise InvalidInput(
            f"'{path.name}' cannot be read ({error.strerror}).", str(error)
        ) from error
    if not whole:
        raise InvalidInput(f"'{path.name}' ends early: it is damaged or was copied in part.")


def _areas(geometry: BaseGeometry) -> list[Polygon]:
    """A crossed ring becomes several polygons, and lines that hold no pixel."""
    pieces = [geometry]
    while any(hasattr(piece, "geoms") for piece in pieces):
        pieces = [part for piece in pieces for part in getattr(piece, "geoms", [piece])]
    parts = [piece for piece in pieces if piece.geom_type == "Polygon"]
    if not parts:
        raise ValueError("a ring without an inside")
    return parts


def _depth(item: Any) -> int:
    depth = 0
    while isinstance(item, list) and item:
        item, depth = item[0], depth + 1
    return depth


@dataclass(frozen=True)
class RunLengths:
    """COCO run lengths, one or several parts: `{"size": [rows, columns], "counts": …}`."""

    parts: tuple[dict[str, Any], ...]

    def read(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        """See Truth. Raises InvalidInput where the runs do not add up to the image."""
        mask = np.zeros(shape, bool)
        for part in self.parts:
            mask |= decode_runs(part, shape)
        return mask, None


def decode_runs(part: Any, shape: tuple[int, int]) -> np.ndarray:
    """bool (H, W) of COCO run lengths: columns first, background first; counts as numbers or as COCO's text."""
    size = part.get("size") if isinstance(part, dict) else None
    if not isinstance(size, list) or tuple(size) != shape:
        raise InvalidInput(
            f"A run-length mask is of {size} rows and columns and its image of {list(shape)}."
        )
    counts = part.get("counts")
    if isinstance(counts, (str, bytes)):
        counts = _counts_of_text(counts.encode() if isinstance(counts, str) else counts)
    if not isinstance(counts, list) or not all(type(c) is int and c >= 0 for c in counts):
        raise InvalidInput("A run-length mask is damaged: its counts are no numbers.")
    if sum(counts) != shape[0] * shape[1]:
        raise InvalidInput(
            f"A run-length mask is damaged: it has {sum(counts)} pixels of {shape[0] * shape[1]}."
        )
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return values.reshape(shape[::-1]).T


def _counts_of_text(text: bytes) -> list[int]:
    """Five bits a character from '0' on, least first, the sixth bit: more follow; signed; from the fourth count
    on, the difference to the count two before (the format of COCO's mask API)."""
    counts: list[int] = []
    value = shift = 0
    for byte in text:
        code = byte - 48
        if not 0 <= code < 64 or shift > 60:
            raise InvalidInput("A run-length mask is damaged: its text has a character of no code.")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise InvalidInput("A run-length mask is damaged: its text ends in the middle of a number.")
    return counts
