"""Small point clouds of every format and kind, made with a seed and without any of our own writers."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import zstandard
from laspy.vlrs.known import ExtraBytesVlr
from pyproj import CRS

LAMBERT = "EPSG:2154"
# Lower-left corner in Lambert 93, metres.
ORIGIN = (770_500.0, 6_277_500.0, 20.0)
SIDE = 100.0
LEGACY_FORMATS, NEW_FORMATS, WAVEFORMS = (0, 1, 2, 3), (6, 7, 8), (4, 5, 9, 10)
# Which format each version may have, 1.0 as 1.1.
VERSIONS = {"1.0": (0, 1), "1.1": (0, 1), "1.2": LEGACY_FORMATS, "1.3": LEGACY_FORMATS}
VERSIONS["1.4"] = (*LEGACY_FORMATS, *NEW_FORMATS)


def make_header(
    point_format: int = 3,
    version: str = "1.2",
    crs: str | None = LAMBERT,
    extra: bool = True,
    scale: float = 0.01,
    origin: tuple[float, float, float] = ORIGIN,
) -> laspy.LasHeader:
    """A header with two extra dimensions (`confidence` uint8, `echo_width` int16 scaled by 0.1) where `extra`."""
    header = laspy.LasHeader(
        point_format=point_format, version="1.2" if version == "1.0" else version
    )
    header.scales = np.full(3, scale)
    header.offsets = np.array(origin)
    if crs:
        header.add_crs(CRS.from_user_input(crs))
    if extra:
        echo = laspy.ExtraBytesParams(
            "echo_width", "int16", "width of the echo", np.array([5.0]), np.array([0.1])
        )
        header.add_extra_dims([laspy.ExtraBytesParams("confidence", "uint8"), echo])
    return header


def make_points(
    header: laspy.LasHeader, count: int = 1000, seed: int = 0, side: float = SIDE
) -> laspy.ScaleAwarePointRecord:
    """`count` points on a square of `side` units from the header's offsets, every dimension with values of its own."""
    rng = np.random.default_rng(seed)
    record = laspy.ScaleAwarePointRecord.zeros(count, header=header)
    scale = float(header.scales[0])
    for name, reach in (("X", side), ("Y", side), ("Z", side / 5)):
        record.array[name] = rng.integers(0, max(1, round(reach / scale)), count)
    returns = rng.integers(1, 5, count)
    record["number_of_returns"] = returns
    record["return_number"] = np.minimum(returns, rng.integers(1, 5, count))
    record["classification"] = rng.choice([1, 2, 3, 5, 6, 9], count)
    record["intensity"] = rng.integers(0, 65536, count)
    record["user_data"] = rng.integers(0, 256, count)
    record["point_source_id"] = rng.integers(0, 65536, count)
    record["withheld"] = rng.integers(0, 2, count)
    record["edge_of_flight_line"] = rng.integers(0, 2, count)
    new = header.point_format.id >= 6
    record["scan_angle" if new else "scan_angle_rank"] = rng.integers(-90, 91, count)
    if new:
        record["scanner_channel"] = rng.integers(0, 4, count)
        record["overlap"] = rng.integers(0, 2, count)
    names = set(header.point_format.dimension_names)
    if "gps_time" in names:
        record["gps_time"] = np.sort(rng.uniform(0, 1e6, count))
    for name in names & {"red", "green", "blue", "nir"}:
        record[name] = rng.integers(0, 65536, count)
    for name in header.point_format.extra_dimension_names:
        record.array[name] = rng.integers(0, 100, count)
    return record


def make_las(
    path: Path,
    point_format: int = 3,
    version: str = "1.2",
    count: int = 1000,
    seed: int = 0,
    crs: str | None = LAMBERT,
    extra: bool = True,
    side: float = SIDE,
    **header: Any,
) -> laspy.LasData:
    """Write a .las or .laz and return what was written."""
    head = make_header(point_format, version, crs, extra, **header)
    data = laspy.LasData(head, make_points(head, count, seed, side))
    return write_las(path, data, version)


def write_las(path: Path, data: laspy.LasData, version: str = "") -> laspy.LasData:
    """Write these points; version 1.0 has the layout of 1.1 and a number of its own."""
    data.write(path)
    if version in ("1.0", "1.1"):
        patch(path, 25, "<B", int(version[-1]))
    return data


def patch(path: Path, offset: int, kind: str, *values: Any) -> None:
    """Overwrite bytes of a file: a header that lies."""
    raw = bytearray(path.read_bytes())
    struct.pack_into(kind, raw, offset, *values)
    path.write_bytes(raw)


# Places in a LAS header, for `patch`.
FORMAT_AT, COUNT_AT, COUNT14_AT, SCALE_AT, OFFSET_AT, BOUNDS_AT = 104, 107, 247, 131, 155, 179


def two_extra_records(path: Path, count: int = 500, compress: bool = False) -> laspy.LasData:
    """A file whose extra bytes are described by two records of one dimension each, as some producers write them."""
    head = make_header(7, "1.4")
    data = laspy.LasData(head, make_points(head, count))
    described = head.vlrs.get("ExtraBytesVlr")[0]
    second = ExtraBytesVlr()
    second.extra_bytes_structs = [described.extra_bytes_structs.pop()]
    head.vlrs.append(second)
    data.write(path, do_compress=compress)
    return data


def make_copc(path: Path, count: int = 5000, seed: int = 0, point_format: int = 7) -> np.ndarray:
    """A COPC of three levels written by copclib (a test dependency). Returns X, Y, Z int32 (N, 3) in the file's order."""
    import copclib

    rng = np.random.default_rng(seed)
    low = np.array(ORIGIN)
    config = copclib.CopcConfigWriter(
        point_format,
        copclib.Vector3(0.01, 0.01, 0.01),
        copclib.Vector3(*low),
        CRS(LAMBERT).to_wkt("WKT1_GDAL"),
    )
    config.las_header.min = copclib.Vector3(*low)
    config.las_header.max = copclib.Vector3(*(low + SIDE))
    config.copc_info.center_x, config.copc_info.center_y, config.copc_info.center_z = low + SIDE / 2
    config.copc_info.halfsize, config.copc_info.spacing = SIDE / 2, SIDE / 128
    writer = copclib.FileWriter(str(path), config)
    raw = rng.integers(0, int(SIDE / 0.01), (count, 3)).astype(np.int32)
    depth = rng.choice([0, 1, 2], count, p=[0.1, 0.3, 0.6])
    cell = np.minimum(
        (raw * 0.01 / (SIDE / 2**depth)[:, None]).astype(int), 2 ** depth[:, None] - 1
    )
    order: list[np.ndarray] = []
    for key in sorted({(int(d), *map(int, c)) for d, c in zip(depth, cell, strict=True)}):
        members = np.flatnonzero((depth == key[0]) & (cell == key[1:]).all(axis=1))
        points = copclib.Points(config.las_header)
        for x, y, z in raw[members]:
            point = points.CreatePoint()
            point.x, point.y, point.z = np.array([x, y, z]) * 0.01 + low
            point.classification, point.intensity = 2, int(x) % 60000
            point.return_number = point.number_of_returns = 1
            points.AddPoint(point)
        writer.AddNode(copclib.VoxelKey(*key), points)
        order.append(raw[members])
    writer.Close()
    return np.concatenate(order)


EPT_SCHEMA: tuple[tuple[str, str, int], ...] = (
    ("X", "signed", 4),
    ("Y", "signed", 4),
    ("Z", "signed", 4),
    ("Intensity", "unsigned", 2),
    ("ReturnNumber", "unsigned", 1),
    ("NumberOfReturns", "unsigned", 1),
    ("ScanDirectionFlag", "unsigned", 1),
    ("EdgeOfFlightLine", "unsigned", 1),
    ("Classification", "unsigned", 1),
    ("ScanAngleRank", "float", 4),
    ("UserData", "unsigned", 1),
    ("PointSourceId", "unsigned", 2),
    ("GpsTime", "float", 8),
    ("Red", "unsigned", 2),
    ("Green", "unsigned", 2),
    ("Blue", "unsigned", 2),
    ("OriginId", "unsigned", 4),
)


def ept_points(
    count: int = 4000, seed: int = 0, schema: tuple[Any, ...] = EPT_SCHEMA
) -> np.ndarray:
    """Points as an EPT of type `binary` holds them."""
    rng = np.random.default_rng(seed)
    letters = {"signed": "i", "unsigned": "u", "float": "f"}
    points = np.zeros(count, [(name, f"<{letters[kind]}{size}") for name, kind, size in schema])
    for name in points.dtype.names or ():
        kind = points.dtype[name]
        points[name] = rng.integers(0, 100, count).astype(kind)
    for name in "XYZ":
        reach = int(SIDE / 0.01)
        if points.dtype[name].kind == "f":
            points[name] = rng.integers(0, reach, count) * 0.01 + ORIGIN["XYZ".index(name)]
        else:
            points[name] = rng.integers(0, reach, count)
    points["ReturnNumber"] = points["NumberOfReturns"] = 1
    points["Classification"] = rng.choice([1, 2, 6], count)
    return points


def make_ept(
    folder: Path,
    data_type: str = "binary",
    points: np.ndarray | None = None,
    crs: str | None = LAMBERT,
    split: bool = False,
    point_format: int = 7,
) -> np.ndarray:
    """An EPT of up to three levels; with `split` the hierarchy has a second file. Returns the points, level by level
    and then by key: the order of the nodes.
    """
    points = ept_points() if points is None else points
    (folder / "ept-data").mkdir(parents=True)
    (folder / "ept-hierarchy").mkdir()
    nodes = _octree(points)
    for key, members in nodes.items():
        _write_node(folder / "ept-data", key, points[members], data_type, point_format)
    counts = {key: len(members) for key, members in nodes.items()}
    if split:
        below = {key: n for key, n in counts.items() if key.startswith("2-")}
        for parent in [key for key in counts if key.startswith("1-")]:
            part = {parent: counts[parent]} | {
                k: n for k, n in below.items() if _parent(k) == parent
            }
            (folder / "ept-hierarchy" / f"{parent}.json").write_text(json.dumps(part))
            counts = {k: n for k, n in counts.items() if k not in part} | {parent: -1}
    (folder / "ept-hierarchy" / "0-0-0-0.json").write_text(json.dumps(counts))
    low, high = list(ORIGIN), [one + SIDE for one in ORIGIN]
    meta: dict[str, Any] = {
        "bounds": [*low, *high],
        "boundsConforming": [*low, *high],
        "dataType": data_type,
        "hierarchyType": "json",
        "points": len(points),
        "schema": _schema(points.dtype),
        "span": 128,
        "srs": {},
        "version": "1.0.0",
    }
    if crs:
        authority, code = crs.split(":")
        meta["srs"] = {
            "authority": authority,
            "horizontal": code,
            "wkt": CRS(crs).to_wkt("WKT1_GDAL"),
        }
    (folder / "ept.json").write_text(json.dumps(meta))
    return np.concatenate([points[nodes[key]] for key in nodes])


def _schema(dtype: np.dtype) -> list[dict[str, Any]]:
    kinds = {"i": "signed", "u": "unsigned", "f": "float"}
    found = []
    for name in dtype.names or ():
        one: dict[str, Any] = {
            "name": name,
            "type": kinds[dtype[name].kind],
            "size": dtype[name].itemsize,
        }
        if name in "XYZ" and dtype[name].kind != "f":
            one |= {"scale": 0.01, "offset": ORIGIN["XYZ".index(name)]}
        found.append(one)
    return found


def _octree(points: np.ndarray) -> dict[str, np.ndarray]:
    """Members of each node, by depth and then key."""
    low = np.array(ORIGIN)
    place = np.stack([points[name].astype(float) for name in "XYZ"], 1)
    place = place - low if points.dtype["X"].kind == "f" else place * 0.01
    depth = np.arange(len(points)) % 3
    cell = (place / (SIDE / 2.0**depth)[:, None]).astype(int)
    keys = sorted({(int(d), *map(int, c)) for d, c in zip(depth, cell, strict=True)})
    return {
        "-".join(map(str, key)): np.flatnonzero((depth == key[0]) & (cell == key[1:]).all(axis=1))
        for key in keys
    }


def _parent(key: str) -> str:
    depth, *cell = map(int, key.split("-"))
    return "-".join(map(str, [depth - 1, *(one // 2 for one in cell)]))


def _write_node(
    folder: Path, key: str, points: np.ndarray, data_type: str, point_format: int
) -> None:
    if data_type == "binary":
        (folder / f"{key}.bin").write_bytes(points.tobytes())
    elif data_type == "zstandard":
        (folder / f"{key}.zst").write_bytes(zstandard.compress(points.tobytes()))
    else:
        header = make_header(point_format, "1.4", extra=False)
        header.add_extra_dim(laspy.ExtraBytesParams("OriginId", "uint32"))
        record = laspy.ScaleAwarePointRecord.zeros(len(points), header=header)
        for theirs, ours in (
            ("X", "X"),
            ("Y", "Y"),
            ("Z", "Z"),
            ("Intensity", "intensity"),
            ("ReturnNumber", "return_number"),
            ("NumberOfReturns", "number_of_returns"),
            ("Classification", "classification"),
            ("GpsTime", "gps_time"),
            ("Red", "red"),
            ("OriginId", "OriginId"),
        ):
            record[ours] = points[theirs]
        laspy.LasData(header, record).write(folder / f"{key}.laz")


def make_vpc(path: Path, hrefs: list[str]) -> None:
    """A virtual point cloud (a STAC ItemCollection) of these files, named as given."""
    features = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": str(number),
            "geometry": None,
            "properties": {"pc:count": 1, "proj:wkt2": CRS(LAMBERT).to_wkt()},
            "links": [],
            "assets": {"data": {"href": href}},
        }
        for number, href in enumerate(hrefs)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
