"""The CRS behind the GeoTIFF keys of old LAS headers, as GDAL reads them: user-defined and compound ones too."""

from __future__ import annotations

import struct

import pyproj
import rasterio
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

DIRECTORY, DOUBLES, ASCII = 34735, 34736, 34737
_PROJECTED, _VERTICAL, _VERTICAL_UNITS = 3072, 4096, 4099
_METRES_OF = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}
_SHORT, _LONG, _DOUBLE, _TEXT = 3, 4, 12, 2
_BYTES_OF = {_SHORT: 2, _LONG: 4, _DOUBLE: 8, _TEXT: 1}


def crs_of_geokeys(records: dict[int, bytes]) -> pyproj.CRS | None:
    """The CRS of the records 34735 (keys), 34736 (doubles) and 34737 (text); None without keys or where they say nothing."""
    keys = records.get(DIRECTORY, b"")
    count = len(keys) // 8 - 1
    if count < 1:
        return None
    entries = [struct.unpack_from("<4H", keys, 8 * (at + 1)) for at in range(count)]
    plain = {key: value for key, place, _, value in entries if place == 0}
    whole = _compound(plain.get(_PROJECTED, 0))
    if whole is not None:
        return whole
    if _heights_contradict(plain):
        # State-plane clouds name NAVD88 in metres and say beside it that heights are in feet, which they are.
        entries = [one for one in entries if one[0] != _VERTICAL]
    doubles, text = records.get(DOUBLES, b""), records.get(ASCII, b"")
    # Some writers count more keys than there are.
    keys = struct.pack("<4H", *struct.unpack_from("<3H", keys), len(entries))
    keys += b"".join(struct.pack("<4H", *one) for one in entries)
    tags = [(DIRECTORY, _SHORT, keys), (DOUBLES, _DOUBLE, doubles[: len(doubles) // 8 * 8])]
    tags.append((ASCII, _TEXT, text.rstrip(b"\0") + b"\0"))
    return _decoded(tags)


def _compound(code: int) -> pyproj.CRS | None:
    """The compound CRS of a code that stands, against the rules, where a projected one belongs: laspy writes it so."""
    crs = _epsg(code)
    return crs if crs is not None and crs.is_compound else None


def _heights_contradict(plain: dict[int, int]) -> bool:
    """Whether the vertical CRS has another unit than the keys say."""
    crs, unit_m = _epsg(plain.get(_VERTICAL, 0)), _METRES_OF.get(plain.get(_VERTICAL_UNITS, 0))
    if crs is None or unit_m is None or not crs.is_vertical:
        return False
    return abs(crs.axis_info[0].unit_conversion_factor - unit_m) > 1e-9


def _epsg(code: int) -> pyproj.CRS | None:
    if not 1024 <= code <= 32766:
        return None
    try:
        return pyproj.CRS.from_epsg(code)
    except CRSError:
        return None


def _decoded(tags: list[tuple[int, int, bytes]]) -> pyproj.CRS | None:
    """What GDAL makes of these tags."""
    try:
        # Without the option GDAL leaves the vertical half of a compound CRS out.
        with (
            rasterio.Env(GTIFF_REPORT_COMPD_CS=True),
            MemoryFile(_tiff(tags), ext=".tif") as file,
            file.open() as dataset,
        ):
            crs = pyproj.CRS.from_wkt(dataset.crs.to_wkt()) if dataset.crs else None
            # GDAL's answer to keys that say nothing.
            return None if crs is None or crs.is_engineering else crs
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
