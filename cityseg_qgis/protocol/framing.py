"""Bytes to frames and back, without any input or output of its own.

A frame is the magic `CSEG`, the header's length (uint32, big-endian), the header (UTF-8 JSON, one
object), then the attachments back to back; the header's member `attachments` lists their lengths.
Whatever lies between frames is foreign output: it is handed out as lines of noise, and reading goes
on at the next magic.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

MAGIC = b"CSEG"
_PREFIX = struct.Struct(">4sI")
# Below 0x09000000: four bytes of text after an accidental magic (tab is the least) are no length.
HEADER_LIMIT = 64 * 1024 * 1024
ATTACHMENTS_LIMIT = 1024 * 1024 * 1024
NOISE_LINE_LIMIT = 4096


class FrameTooLarge(ValueError):
    """A message that no frame may hold."""


@dataclass(frozen=True)
class Frame:
    """One message as it travels: `header` without its member `attachments`, and those themselves."""

    header: dict[str, Any]
    attachments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Noise:
    """A line that something else wrote between two frames."""

    text: str


@dataclass(frozen=True)
class Rejected:
    """A frame with attachments over the limit; they are skipped and reading goes on after them."""

    header: dict[str, Any]
    reason: str


Event = Union[Frame, Noise, Rejected]


@dataclass(frozen=True)
class Limits:
    """Most bytes that a reader accepts."""

    header: int = HEADER_LIMIT
    attachments: int = ATTACHMENTS_LIMIT


DEFAULT_LIMITS = Limits()


def encode(
    header: dict[str, Any],
    attachments: Sequence[bytes] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> bytes:
    """The frame of `header` and `attachments`.

    Raises `FrameTooLarge`, and `ValueError` or `TypeError` for what JSON cannot hold (NaN included).
    """
    if attachments:
        header = {**header, "attachments": [len(part) for part in attachments]}
    # ASCII escapes: a path whose bytes are no UTF-8 holds lone surrogates, which UTF-8 cannot encode.
    body = json.dumps(header, allow_nan=False, separators=(",", ":")).encode("ascii")
    if len(body) > limits.header:
        raise FrameTooLarge(f"header of {len(body)} bytes, at most {limits.header} are allowed")
    total = sum(len(part) for part in attachments)
    if total > limits.attachments:
        raise FrameTooLarge(f"{total} attached bytes, at most {limits.attachments} are allowed")
    return b"".join([_PREFIX.pack(MAGIC, len(body)), body, *attachments])


@dataclass
class _Announced:
    """A header that was read, whose attachments are still arriving."""

    header: dict[str, Any]
    lengths: tuple[int, ...]
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.lengths)


class Decoder:
    """Collects bytes in any pieces; `feed` returns what became complete, in order."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._noise = bytearray()
        self._announced: Optional[_Announced] = None
        self._to_skip = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take `data` and return the events that it completes."""
        self._buffer += data
        events: list[Event] = []
        while self._advance(events):
            pass
        return events

    def close(self) -> list[Event]:
        """What is left at the end of the stream, half a line or half a frame, as noise."""
        events: list[Event] = []
        self._add_noise(bytes(self._buffer), events)
        self._buffer.clear()
        self._announced = None
        self._end_noise_line(events)
        return events

    @property
    def inside_frame(self) -> bool:
        """Whether the stream stands in the middle of a frame."""
        return self._announced is not None or self._buffer.startswith(MAGIC) or self._to_skip > 0

    def _advance(self, events: list[Event]) -> bool:
        """One step; False when more bytes are needed."""
        if self._to_skip:
            return self._skip()
        if self._announced is not None:
            return self._take_attachments(self._announced, events)
        return self._find_magic(events) and self._take_header(events)

    def _skip(self) -> bool:
        count = min(self._to_skip, len(self._buffer))
        del self._buffer[:count]
        self._to_skip -= count
        return self._to_skip == 0

    def _find_magic(self, events: list[Event]) -> bool:
        """Bring the magic to the start of the buffer; what lies before it is noise."""
        start = self._buffer.find(MAGIC)
        if start < 0:
            start = len(self._buffer) - _possible_start(self._buffer)
        if start:
            self._add_noise(bytes(self._buffer[:start]), events)
            del self._buffer[:start]
        return self._buffer.startswith(MAGIC)

    def _take_header(self, events: list[Event]) -> bool:
        buffer = self._buffer
        if len(buffer) < _PREFIX.size:
            return False
        length = _PREFIX.unpack_from(buffer)[1]
        if not 2 <= length <= self._limits.header or buffer[8:9] not in (b"", b"{"):
            return self._not_a_frame(events)
        if len(buffer) < _PREFIX.size + length:
            return False
        announced = _parse_header(bytes(buffer[_PREFIX.size : _PREFIX.size + length]))
        if announced is None:
            return self._not_a_frame(events)
        del buffer[: _PREFIX.size + length]
        self._end_noise_line(events)
        if announced.total > self._limits.attachments:
            reason = f"{announced.total} attached bytes, at most {self._limits.attachments}"
            events.append(Rejected(announced.header, reason))
            self._to_skip = announced.total
        else:
            self._announced = announced
        return True

    def _not_a_frame(self, events: list[Event]) -> bool:
        """Give up one byte only, so that a real frame inside what looked like one is found."""
        self._add_noise(bytes(self._buffer[:1]), events)
        del self._buffer[:1]
        return True

    def _take_attachments(self, announced: _Announced, events: list[Event]) -> bool:
        if len(self._buffer) < announced.total:
            return False
        parts = []
        with memoryview(self._buffer) as view:
            start = 0
            for length in announced.lengths:
                parts.append(bytes(view[start : start + length]))
                start += length
        del self._buffer[: announced.total]
        self._announced = None
        events.append(Frame(announced.header, tuple(parts)))
        return True

    def _add_noise(self, data: bytes, events: list[Event]) -> None:
        self._noise += data
        while True:
            end = self._noise.find(b"\n", 0, NOISE_LINE_LIMIT)
            if end < 0 and len(self._noise) < NOISE_LINE_LIMIT:
                return
            cut = end + 1 if end >= 0 else NOISE_LINE_LIMIT
            line = bytes(self._noise[:cut])
            del self._noise[:cut]
            _append_line(line, events)

    def _end_noise_line(self, events: list[Event]) -> None:
        _append_line(bytes(self._noise), events)
        self._noise.clear()


def _append_line(line: bytes, events: list[Event]) -> None:
    text = line.decode("utf-8", errors="replace").rstrip("\r\n")
    if text:
        events.append(Noise(text))


def _possible_start(buffer: bytearray) -> int:
    """How many bytes at the end of `buffer` may be the beginning of a magic."""
    for size in range(len(MAGIC) - 1, 0, -1):
        if buffer.endswith(MAGIC[:size]):
            return size
    return 0


def _parse_header(body: bytes) -> Optional[_Announced]:
    """The header and the lengths of its attachments; None when it is not one."""
    try:
        header = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict):
        return None
    lengths = header.pop("attachments", [])
    if not isinstance(lengths, list) or not all(_is_length(length) for length in lengths):
        return None
    return _Announced(header, tuple(lengths))


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
