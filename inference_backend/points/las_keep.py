"""Which records of a source go into a result: all but those that speak of its bytes, and the CRS where it is another."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyproj

from inference_backend.points.cloud import PointCloud
from inference_backend.points.extra_bytes import OURS, ExtraField, described, record_of
from inference_backend.points.geokeys import crs_of_geokeys
from inference_backend.points.labels import RECORD_ID, USER_ID, Labels
from inference_backend.points.las_head import (
    EXTRA_BYTES,
    LASZIP,
    WKT,
    WKT_BIT,
    Record,
    read_records,
    records_of,
)
from inference_backend.points.las_records import FIRST_WIDE, standard_dtype
from inference_backend.points.units import parsed_crs, wkt_of

_LAS_KINDS = ("las", "laz", "copc")
_PROJECTION = b"LASF_Projection"
_GEO_KEYS, _GEO_DOUBLES, _GEO_TEXT = 34735, 34736, 34737
_OURS = (USER_ID.encode(), RECORD_ID)
_COPC = b"copc"
# Besides COPC's: compression, ours of an earlier run, and QGIS's statistics of classes that are no longer so.
_NEVER = {LASZIP, _OURS, (b"qgis", 0), EXTRA_BYTES}
# LAStools' index of point numbers: right only while all points keep their places.
_INDEX = (b"LAStools", 30)
# GeoTIFF 1.1: model type "projected", and the keys that hold EPSG codes.
_MODEL, _PROJECTED, _HEIGHT = 1024, 3072, 4096
_VLR_MOST = 65535


@dataclass(frozen=True)
class Kept:
    """Records for a result: VLRs (extra bytes and names of labels among them), EVLRs, extra dimensions, the WKT bit."""

    vlrs: tuple[Record, ...]
    evlrs: tuple[Record, ...]
    fields: tuple[ExtraField, ...]
    wkt_bit: bool


def kept_records(
    cloud: PointCloud, labels: Labels, minor: int, point_format: int, all_in_place: bool
) -> Kept:
    """What a LAS 1.`minor` file of `point_format` carries over; `all_in_place`: every point is written, in its order."""
    vlrs, evlrs = source_records(cloud)
    fields = extra_fields(cloud, vlrs)
    never = _NEVER if all_in_place else _NEVER | {_INDEX}
    vlrs = [one for one in vlrs if one.key not in never and one.user_id != _COPC]
    evlrs = [one for one in evlrs if one.key not in never and one.user_id != _COPC]
    wkt_bit = bool(cloud.header.global_encoding.value & WKT_BIT)
    vlrs, evlrs, wkt_bit = _with_crs(cloud, vlrs, evlrs, minor, point_format, wkt_bit)
    theirs = [field for field in fields if field.name not in OURS]
    vlrs += [
        record_of(theirs),
        Record(*_OURS, labels.record_bytes(), b"Names of cityseg_label"),
    ]
    return Kept(tuple(vlrs), tuple(evlrs) if minor >= 4 else (), tuple(fields), wkt_bit)


def source_records(cloud: PointCloud) -> tuple[list[Record], list[Record]]:
    """The source's VLRs and EVLRs, byte for byte where it is a LAS file."""
    if cloud.info.kind in _LAS_KINDS:
        return read_records(cloud.info.path)
    return records_of(cloud.header)


def extra_fields(cloud: PointCloud, vlrs: list[Record] | None = None) -> list[ExtraField]:
    """The dimensions behind the standard ones, those of an earlier run among them."""
    form = cloud.header.point_format
    vlrs = source_records(cloud)[0] if vlrs is None else vlrs
    return described(vlrs, form.size - standard_dtype(form.id).itemsize)


def wkt_text(cloud: PointCloud) -> str:
    """The cloud's CRS as WKT, as its file has it where it has one; "" without."""
    if cloud.info.crs_wkt:
        return cloud.info.crs_wkt
    return wkt_of(cloud.info.crs) if cloud.info.crs is not None else ""


def _with_crs(
    cloud: PointCloud,
    vlrs: list[Record],
    evlrs: list[Record],
    minor: int,
    point_format: int,
    wkt_bit: bool,
) -> tuple[list[Record], list[Record], bool]:
    """The records with the cloud's CRS: the source's own where it says the same, and in WKT where the format asks for it."""
    crs = cloud.info.crs
    if crs is None:
        return vlrs, evlrs, wkt_bit
    in_vlr = any(one.key == WKT for one in vlrs)
    own = _own_crs([*vlrs, *evlrs])
    same = own is not None and own == crs
    if same and (point_format < FIRST_WIDE or (in_vlr and wkt_bit)):
        return vlrs, evlrs, wkt_bit
    if same and in_vlr:
        return vlrs, evlrs, True
    # WKT among the EVLRs is found by few readers: it moves to the front.
    vlrs = [one for one in vlrs if not _says_crs(one)]
    evlrs = [one for one in evlrs if not _says_crs(one)]
    keys = _geo_keys(crs) if minor < 4 else None
    if keys is not None:
        return [*vlrs, keys], evlrs, False
    record = Record(*WKT, wkt_text(cloud).encode("utf-8") + b"\0", b"OGC WKT")
    if len(record.data) > _VLR_MOST:
        return vlrs, [*evlrs, record], True
    return [*vlrs, record], evlrs, minor >= 4


def _own_crs(records: list[Record]) -> pyproj.CRS | None:
    """What the source itself says; the reader's header may carry another CRS, the user's."""
    for record in records:
        if record.key == WKT:
            crs = parsed_crs(record.data.split(b"\0")[0].decode("utf-8", "replace").strip())
            if crs is not None:
                return crs
    keys = {one.record_id: one.data for one in records if one.user_id == _PROJECTION}
    return crs_of_geokeys(keys)


def _says_crs(record: Record) -> bool:
    numbers = (WKT[1], _GEO_KEYS, _GEO_DOUBLES, _GEO_TEXT)
    return record.user_id == _PROJECTION and record.record_id in numbers


def _geo_keys(crs: pyproj.CRS) -> Record | None:
    """The CRS by its EPSG codes, as LAS before 1.4 wants it; None where it has none."""
    parts = crs.sub_crs_list if crs.is_compound else [crs]
    codes = [part.to_epsg() for part in parts]
    if not codes or any(code is None or code > 32767 for code in codes):
        return None
    keys = [(_MODEL, 1), (_PROJECTED, codes[0])]
    if len(codes) > 1:
        keys.append((_HEIGHT, codes[1]))
    data = struct.pack("<4H", 1, 1, 0, len(keys))
    data += b"".join(struct.pack("<4H", key, 0, 1, value) for key, value in keys)
    return Record(_PROJECTION, _GEO_KEYS, data, b"GeoTIFF GeoKeyDirectoryTag")
