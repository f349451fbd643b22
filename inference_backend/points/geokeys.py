"""The CRS behind the GeoTIFF keys of old LAS headers, as GDAL reads them: user-defined and compound ones too."""

from __future__ import annotations

import struct

import pyproj
import rasterio
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

DIRECTORY, DOUBLES, ASCII = 34735, 34736, 34737
_SHORT, _LONG, _DOUBLE, _TEXT = 3, 4, 12, 2
_BYTES_OF = {_SHORT: 2, _LONG: 4, _DOUBLE: 8, _TEXT: 1}


def crs_of_geokeys(records: dict[int, bytes]) -> pyproj.CRS | None:
    """The CRS of the records 34735 (keys), 34736 (doubles) and 34737 (text); None without keys or where they say nothing."""
    keys = records.get(DIRECTORY, b"")
    count = len(keys) // 8 - 1
    if count < 1:
        return None
    # Some writers count more keys than there are.
    keys = struct.pack("<4H", *struct.unpack_from("<3H", keys), count) + keys[8 : 8 * (count + 1)]
    doubles = records.get(DOUBLES, b"")
    tags = [(DIRECTORY, _SHORT, keys), (DOUBLES, _DOUBLE, doubles[: len(doubles) // 8 * 8])]
    tags.append((ASCII, _TEXT, records.get(ASCII, b"").rstrip(b"\0") + b"\0"))
    try:
        # Without the option GDAL leaves the vertical half of a compound CRS out.
        with (
            rasterio.Env(GTIFF_REPORT_COMPD_CS=True),
            MemoryFile(_tiff(tags), ext=".tif") as file,
            file.open() as dataset,
        ):
            return pyproj.CRS.from_wkt(dataset.crs.to_wkt()) if dataset.crs else None
    except (CRSError, RasterioError):
        return None


def _tiff(geo: list[tuple[int, int, bytes]]) -> bytes:
    """A TIFF of one black pixel with these tags (number, type, data)."""
    one = struct.pack("<H", 1)
    # Pixel scale and tie point: GDAL reads the keys of a placed raster only.
    placed = [
        (33550, _DOUBLE, struct.pack("<3d", 1, 1, 0)),
        (33922, _DOUBLE, struct.pack("<6d", 0, 0, 0, 0, 0, 0)),
    ]
    plain = [
        (tag, _SHORT, one) for tag in (256, 257, 259, 262, 277, 278)
    ]  # width, height, no compression, black is zero, samples, rows
    plain += [(258, _SHORT, struct.pack("<H", 8)), (279, _LONG, struct.pack("<L", 1))]
    tags = [tag for tag in (*plain, *placed, *geo) if tag[2]]
    tags.append((273, _LONG, struct.pack("<L", 8)))
    tags.sort()
    directory = 10
    data_at = directory + 2 + 12 * len(tags) + 4
    entries, data = struct.pack("<H", len(tags)), b""
    for tag, kind, value in tags:
        entries += struct.pack("<HHL", tag, kind, len(value) // _BYTES_OF[kind])
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack("<L", data_at + len(data))
            data += value + b"\0" * (len(value) % 2)
    # The pixel itself lies at byte 8.
    return struct.pack("<2sHL", b"II", 42, directory) + b"\0\0" + entries + bytes(4) + data
