"""The octree of an EPT: which nodes there are, and the points of each. Nothing outside the EPT's folder is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.points.json_file import read_json
from inference_backend.points.las import opened

_KEY = re.compile(r"^(\d{1,2})-(\d{1,10})-(\d{1,10})-(\d{1,10})$")
_DEEPEST = 30
_HIERARCHY_BYTES = 64 * 1024 * 1024
_WINDOW_BYTES = 1 << 27
_ROOT = (0, 0, 0, 0)
ENDINGS = {"binary": "bin", "zstandard": "zst", "laszip": "laz"}

Key = tuple[int, int, int, int]


@dataclass(frozen=True)
class Node:
    """One file of points. `start`: how many points lie in the nodes before it."""

    key: Key
    count: int
    start: int

    @property
    def name(self) -> str:
        return "-".join(map(str, self.key))

    def touches(self, cube: tuple[float, ...], bounds: tuple[float, float, float, float]) -> bool:
        """Whether the node's square (its cube seen from above, a little enlarged) meets the bounds."""
        depth, column, row, _ = self.key
        wide, high = (cube[3] - cube[0]) / 2.0**depth, (cube[4] - cube[1]) / 2.0**depth
        west, south = cube[0] + column * wide, cube[1] + row * high
        room_x, room_y = 0.001 * wide, 0.001 * high
        return (
            west - room_x <= bounds[2]
            and west + wide + room_x >= bounds[0]
            and south - room_y <= bounds[3]
            and south + high + room_y >= bounds[1]
        )


def read_nodes(folder: Path) -> list[Node]:
    """All nodes with points, by depth and then key, which is the order of an EPT's points. Raises InvalidInput."""
    counts: dict[Key, int] = {}
    pages, seen = [_ROOT], {_ROOT}
    while pages:
        page = pages.pop()
        file = folder / "ept-hierarchy" / f"{'-'.join(map(str, page))}.json"
        for text, count in read_json(file, _HIERARCHY_BYTES).items():
            key = _parsed(text)
            if key is None or not isinstance(count, int) or isinstance(count, bool) or count < -1:
                raise InvalidInput(
                    f"'ept-hierarchy/{file.name}' is damaged: '{text[:40]}' is no node."
                )
            if count >= 0:
                counts[key] = count
            elif key not in seen:
                seen.add(key)
                pages.append(key)
            elif key == page:
                raise InvalidInput(f"'ept-hierarchy/{file.name}' refers to itself: it is damaged.")
    nodes, start = [], 0
    for key in sorted(counts):
        if counts[key]:
            nodes.append(Node(key, counts[key], start))
            start += counts[key]
    if start > 2**62:
        raise InvalidInput("The EPT's hierarchy promises impossibly many points: it is damaged.")
    return nodes


def _parsed(text: str) -> Key | None:
    match = _KEY.match(text)
    if not match:
        return None
    depth, *cell = map(int, match.groups())
    if depth > _DEEPEST or any(one >= 2**depth for one in cell):
        return None
    return (depth, cell[0], cell[1], cell[2])


def check_files(folder: Path, nodes: list[Node], data_type: str, point_bytes: int) -> None:
    """Raise InvalidInput where a node's file is missing or, uncompressed, of another size than its points."""
    try:
        with os.scandir(folder / "ept-data") as entries:
            sizes = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except PermissionError as error:
        raise ResourceProblem(f"'{folder / 'ept-data'}' may not be read.", str(error)) from error
    except OSError as error:
        raise InvalidInput(
            f"'{folder.name}' has no folder 'ept-data': copy the whole EPT."
        ) from error
    names = [f"{node.name}.{ENDINGS[data_type]}" for node in nodes]
    missing = [name for name in names if name not in sizes]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise InvalidInput(
            f"The EPT '{folder.name}' lacks 'ept-data/{missing[0]}'{more}: copy the whole EPT."
        )
    if data_type == "binary":
        for name, node in zip(names, nodes, strict=True):
            if sizes[name] != node.count * point_bytes:
                raise _not_as_many(name, node)


def _not_as_many(name: str, node: Node) -> InvalidInput:
    return InvalidInput(
        f"'ept-data/{name}' does not hold the {node.count:,} points that the hierarchy promises: the EPT is damaged; copy it "
        "again."
    )


def stored_points(
    folder: Path, node: Node, data_type: str, dtype: np.dtype, most: int
) -> Iterator[np.ndarray]:
    """The points of a `binary` or `zstandard` node as stored, at most `most` at once. Raises InvalidInput."""
    name = f"{node.name}.{ENDINGS[data_type]}"
    with opened(folder / "ept-data" / name) as file:
        read: Callable[[int], bytes] = file.read
        if data_type == "zstandard":
            decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
            read = decoder.stream_reader(file, read_across_frames=True).read
        for first in range(0, node.count, most):
            count = min(most, node.count - first)
            try:
                raw = _exactly(read, count * dtype.itemsize)
            except zstandard.ZstdError as error:
                raise _not_as_many(name, node) from error
            if len(raw) < count * dtype.itemsize:
                raise _not_as_many(name, node)
            yield np.frombuffer(raw, dtype)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    """`count` bytes, or all there are: a stream may give less at once. It grows with what comes, not with a promise."""
    parts, left = [], count
    while left:
        part = read(min(left, 1 << 22))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
