"""The header of a LAS, LAZ or COPC file, looked at before any library believes what it says."""

from __future__ import annotations

import io
import math
import struct
from typing import BinaryIO

import laspy
from laspy.errors import LaspyException
from laspy.header import Version
from laspy.vlrs.known import ExtraBytesVlr, vlr_factory
from laspy.vlrs.vlr import VLR
from laspy.vlrs.vlrlist import VLRList

from inference_backend.errors import InvalidInput

SIGNATURE = b"LASF"
_HEADER_BYTES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 375}
_VLR_BYTES, _EVLR_BYTES = 54, 60
_WAVEFORMS = (4, 5, 9, 10)
# No header, and no record that a writer must carry along, is larger; what is belongs to waveforms or is a lie.
_MOST_BYTES = 256 * 1024 * 1024


def read_header(file: BinaryIO, size: int, name: str) -> laspy.LasHeader:
    """The header with its VLRs and EVLRs, without those of COPC, which describe the file and not the cloud.

    `size` is the file's in bytes, `name` what sentences call it. Several extra-byte records become one. Raises InvalidInput.
    """
    head = file.read(375)
    _check_signature(head, name)
    minor, header_bytes, data_at, records = _check_layout(head, size, name)
    _check_numbers(head, name)
    file.seek(0)
    raw = bytearray(file.read(data_at))
    _check_records(raw, header_bytes, data_at, records, name)
    try:
        header = laspy.LasHeader.read_from(io.BytesIO(raw))
        _join_extra_bytes(header)
        # Names that occur twice are found by numpy.
        header.point_format.dtype()
    except (LaspyException, ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(
            f"The header of '{name}' contradicts itself: the file is damaged; write it again with the program it comes from.",
            repr(error),
        ) from error
    if minor >= 4:
        header.evlrs = _read_evlrs(file, head, size, name)
        if not header.point_count:
            # Some writers fill in the old field only.
            header.point_count = struct.unpack_from("<L", head, 107)[0]
    if minor == 0:
        # The same layout; no library writes 1.0.
        header.version = Version(1, 2)
    return header


def _check_signature(head: bytes, name: str) -> None:
    if not head:
        raise InvalidInput(f"'{name}' is empty: it has no bytes at all.")
    if head[:4] != SIGNATURE:
        raise InvalidInput(
            f"'{name}' is no LAS, LAZ or COPC file: it does not begin as one; convert it to LAZ first."
        )
    if len(head) < 227:
        raise InvalidInput(f"'{name}' ends within its header: copy or download it again.")


def _check_layout(head: bytes, size: int, name: str) -> tuple[int, int, int, int]:
    """(minor version, bytes of the header, where points begin, number of VLRs)."""
    major, minor = head[24], head[25]
    header_bytes, data_at, records = struct.unpack_from("<HLL", head, 94)
    if major != 1 or minor not in _HEADER_BYTES:
        raise InvalidInput(f"'{name}' says that it is LAS {major}.{minor}; 1.0 to 1.4 are read.")
    if data_at > size or len(head) < _HEADER_BYTES[minor]:
        raise InvalidInput(f"'{name}' ends before its points begin: copy or download it again.")
    if not _HEADER_BYTES[minor] <= header_bytes <= data_at or data_at > _MOST_BYTES:
        raise InvalidInput(f"The header of '{name}' states impossible lengths: it is damaged.")
    point_format = head[104] & 0x3F
    if point_format in _WAVEFORMS:
        raise InvalidInput(
            f"'{name}' has waveforms (point format {point_format}), which cannot be kept: write it without them first, "
            f"in point format {1 if point_format < 6 else 6}, for instance with 'pdal translate --writers.las.dataformat_id'."
        )
    if point_format > 10:
        raise InvalidInput(f"'{name}' has point format {point_format}, which no LAS version knows.")
    return minor, header_bytes, data_at, records


def _check_numbers(head: bytes, name: str) -> None:
    scales, offsets = struct.unpack_from("<3d", head, 131), struct.unpack_from("<3d", head, 155)
    if not all(math.isfinite(one) and one > 0 for one in scales):
        raise InvalidInput(
            f"'{name}' has a scale of {_first(scales, lambda one: one > 0)}: its coordinates mean nothing; export it again."
        )
    if not all(math.isfinite(one) and abs(one) < 1e12 for one in offsets):
        raise InvalidInput(
            f"'{name}' has an offset of {_first(offsets, lambda one: abs(one) < 1e12)}: its coordinates mean nothing; "
            "export it again."
        )


def _first(values: tuple[float, ...], good: object) -> str:
    return next(f"{one:g}" for one in values if not (math.isfinite(one) and good(one)))  # type: ignore[operator]


def _check_records(raw: bytearray, at: int, data_at: int, records: int, name: str) -> None:
    """Walk the VLRs; names that are no text would stop the library and say nothing to anybody."""
    for _ in range(records):
        if at + _VLR_BYTES > data_at:
            raise InvalidInput(f"The header of '{name}' counts records that are not there.")
        user = bytes(raw[at + 2 : at + 18])
        raw[at + 2 : at + 18] = bytes(byte if byte < 128 else 63 for byte in user)
        at += _VLR_BYTES + struct.unpack_from("<H", raw, at + 20)[0]
    if at > data_at:
        raise InvalidInput(f"A record in the header of '{name}' is longer than the header.")


def _join_extra_bytes(header: laspy.LasHeader) -> None:
    """The library reads the first record of extra bytes only."""
    found = [vlr for vlr in header.vlrs if isinstance(vlr, ExtraBytesVlr)]
    if len(found) < 2:
        return
    first, others = found[0], found[1:]
    for other in others:
        header.vlrs.remove(other)
    point_format, size = header.point_format, header.point_format.size
    if point_format.dimensions[-1].name != "ExtraBytes":
        return
    rest = point_format.dimensions.pop()
    for other in others:
        for dimension in other.type_of_extra_dims():
            point_format.add_extra_dimension(dimension)
        first.extra_bytes_structs.extend(other.extra_bytes_structs)
    left = size - point_format.size
    if left < 0:
        raise ValueError("extra bytes are described that the points do not have")
    if left:
        rest.num_bits, rest.num_elements = 8 * left, left
        point_format.dimensions.append(rest)


def _read_evlrs(file: BinaryIO, head: bytes, size: int, name: str) -> VLRList:
    start, count = struct.unpack_from("<QL", head, 235)
    found = VLRList()
    if not count:
        return found
    at = start
    for _ in range(count):
        if at + _EVLR_BYTES > size:
            raise InvalidInput(f"'{name}' ends before its last records: copy or download it again.")
        file.seek(at)
        block = file.read(_EVLR_BYTES)
        user = block[2:18].split(b"\0")[0].decode("ascii", errors="replace")
        record_id, length = struct.unpack_from("<HQ", block, 18)
        at += _EVLR_BYTES + length
        if at > size:
            raise InvalidInput(f"'{name}' ends before its last records: copy or download it again.")
        if user == "copc" or length > _MOST_BYTES:
            continue
        text = block[28:60].split(b"\0")[0].decode("ascii", errors="replace")
        found.append(vlr_factory(VLR(user, record_id, text, file.read(length))))
    return found
