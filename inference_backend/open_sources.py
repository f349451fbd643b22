"""The rasters that requests name, kept open between clicks: opening one may mean reading it for its stretch."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import RasterSource, open_raster, pixels_source

_MOST_OPEN = 6


class OpenSources:
    """Least recently used is closed first. Sources belong to the thread that asks for them."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, RasterSource] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, spec: object, attachments: Sequence[bytes]) -> RasterSource:
        """The source that `spec` of the wire describes. Raises `InvalidInput`."""
        if not isinstance(spec, Mapping):
            raise InvalidInput("The request names no raster; choose a layer.")
        kind = spec.get("kind")
        if kind == "file":
            path = spec.get("path")
            if not isinstance(path, str) or not path:
                raise InvalidInput("The request names no file; choose a raster layer.")
            key = json.dumps([dict(spec), _file_state(path)], sort_keys=True)
            return self._kept(key) or self._keep(key, _open_file(path, spec))
        if kind == "pixels":
            shape, data = _pixels(spec, attachments)
            digest = hashlib.sha256(data).hexdigest()
            key = json.dumps([dict(spec), digest], sort_keys=True)
            return self._kept(key) or self._keep(key, _open_pixels(spec, shape, data, digest))
        raise InvalidInput(f"'{kind}' is no kind of raster source; use file or pixels.")

    def close(self) -> None:
        """Close every file."""
        while self._open:
            self._open.popitem()[1].close()

    def _kept(self, key: str) -> RasterSource | None:
        source = self._open.get(key)
        if source is not None:
            self._open.move_to_end(key)
        return source

    def _keep(self, key: str, source: RasterSource) -> RasterSource:
        self._open[key] = source
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return source


def _file_state(path: str) -> list[int] | None:
    """What changes when the file is replaced or vanishes; None for names that only GDAL understands."""
    try:
        state = Path(path).stat()
    except (OSError, ValueError):
        return None
    return [state.st_mtime_ns, state.st_size, state.st_ino]


def _open_file(path: str, spec: Mapping[str, Any]) -> RasterSource:
    bands, stretch = spec.get("bands"), spec.get("stretch")
    try:
        return open_raster(path, bands=bands, stretch=stretch)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            "The bands or the stretch of the request are malformed.", str(error)
        ) from error


def _pixels(
    spec: Mapping[str, Any], attachments: Sequence[bytes]
) -> tuple[tuple[int, int, int], bytes]:
    """Shape (height, width, 3) and bytes of an inline image."""
    shape, index = spec.get("shape"), spec.get("attachment")
    numbers = isinstance(shape, list) and len(shape) == 3
    if not numbers or not all(type(n) is int and n > 0 for n in shape) or shape[2] != 3:
        raise InvalidInput("The pixels of the request need a shape of [height, width, 3].")
    if type(index) is not int or not 0 <= index < len(attachments):
        raise InvalidInput("The pixels of the request are missing from it.")
    data = attachments[index]
    height, width, bands = shape
    if len(data) != height * width * bands:
        raise InvalidInput(
            f"The pixels of the request are incomplete: {len(data)} bytes for {height} × {width} × {bands}."
        )
    return (height, width, bands), data


def _open_pixels(
    spec: Mapping[str, Any], shape: tuple[int, int, int], data: bytes, digest: str
) -> RasterSource:
    transform = spec.get("transform")
    numbers = isinstance(transform, list) and len(transform) == 6
    if transform is not None and not (
        numbers and all(isinstance(n, (int, float)) for n in transform)
    ):
        raise InvalidInput("The transform of the request needs six numbers.")
    rgb = np.frombuffer(data, np.uint8).reshape(shape)
    return pixels_source(rgb, transform=transform, crs_wkt=spec.get("crs_wkt"), key=digest)
