"""A street in points, written as LAS and as EPT with numpy alone: what QGIS's own Python needs for tests, without our readers and writers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from osgeo import osr

UTM = "EPSG:32632"
# Lower-left corner, metres.
ORIGIN = (500_000.0, 5_400_000.0, 100.0)
SIDE_M = 60.0
GROUND, BUILDING, TREE = 2, 6, 5
# (label in cityseg_label, code, name, colour)
CLASSES = (
    (1, GROUND, "open ground", (180, 140, 90)),
    (15, BUILDING, "flat roof", (220, 60, 50)),
    (8, TREE, "broadleaf tree", (40, 160, 70)),
)
ROOF = (15.0, 15.0, 35.0, 30.0)
TREES = ((45.0, 45.0), (50.0, 12.0), (10.0, 48.0))
_SCALE = 0.001


def street(per_m2: float = 12.0, seed: int = 7) -> dict[str, np.ndarray]:
    """Flat ground with a house of 20 × 15 × 7 m and three trees: x, y, z in metres from ORIGIN, code and label."""
    rng = np.random.default_rng(seed)
    count = int(SIDE_M**2 * per_m2)
    x, y = rng.uniform(0, SIDE_M, (2, count))
    z = rng.normal(0, 0.03, count)
    code = np.full(count, GROUND, np.uint8)
    on_roof = (x > ROOF[0]) & (x < ROOF[2]) & (y > ROOF[1]) & (y < ROOF[3])
    z[on_roof] += 7.0
    code[on_roof] = BUILDING
    for tx, ty in TREES:
        far = np.hypot(x - tx, y - ty)
        crown = (far < 4.0) & (rng.uniform(size=count) < 0.8)
        z[crown] = 3.0 + rng.uniform(0.4, 1.0, crown.sum()) * np.sqrt(16.0 - far[crown] ** 2)
        code[crown] = TREE
    label = np.zeros(count, np.uint8)
    for number, value, _, _ in CLASSES:
        label[code == value] = number
    return {"x": x, "y": y, "z": z, "code": code, "label": label}


def write_las(path: Path, points: dict[str, np.ndarray], epsg: int | None = 32632) -> Path:
    """LAS 1.2, point format 1, never classified; `epsg` None leaves the CRS out."""
    count = len(points["x"])
    record = np.zeros(
        count,
        [("xyz", "<i4", 3), ("intensity", "<u2"), ("returns", "u1"), ("code", "u1"), ("angle", "i1")]
        + [("user", "u1"), ("source", "<u2"), ("time", "<f8")],
    )
    xyz = np.stack([points[name] for name in "xyz"], 1)
    record["xyz"] = np.round(xyz / _SCALE)
    record["intensity"] = 200 + 100 * (points["code"] == GROUND)
    # The first of one: return number 1, one return.
    record["returns"] = 1 | (1 << 3)
    record["time"] = np.arange(count) * 1e-5
    vlr = b"" if epsg is None else _geokeys(epsg)
    low, high = (record["xyz"].min(0), record["xyz"].max(0))
    bounds = [v * _SCALE + o for low_, high_, o in zip(low, high, ORIGIN) for v in (high_, low_)]
    head = struct.pack(
        "<4sHHIHH8sBB32s32sHHHIIBHI5I", b"LASF", 0, 0, 0, 0, 0, b"", 1, 2, b"test", b"test", 1, 2026, 227,
        227 + len(vlr), 1 if vlr else 0, 1, record.dtype.itemsize, count, count, 0, 0, 0, 0,
    )  # fmt: skip
    head += struct.pack("<12d", _SCALE, _SCALE, _SCALE, *ORIGIN, *bounds)
    path.write_bytes(head + vlr + record.tobytes())
    return path


def write_ept(folder: Path, points: dict[str, np.ndarray], crs: str | None = UTM, labels: bool = True) -> Path:
    """An EPT of one node with `Classification`, and `cityseg_label` where `labels`; its ept.json."""
    xyz = np.round(np.stack([points[name] for name in "xyz"], 1) / _SCALE).astype("<i4")
    fields = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("Intensity", "<u2"), ("Classification", "u1")]
    fields += [("cityseg_label", "u1")] if labels else []
    record = np.zeros(len(xyz), fields)
    for axis, name in enumerate("XYZ"):
        record[name] = xyz[:, axis]
    record["Classification"] = points["code"]
    if labels:
        record["cityseg_label"] = points["label"]
    for name in ("ept-data", "ept-hierarchy"):
        (folder / name).mkdir(parents=True)
    (folder / "ept-data" / "0-0-0-0.bin").write_bytes(record.tobytes())
    (folder / "ept-hierarchy" / "0-0-0-0.json").write_text(json.dumps({"0-0-0-0": len(record)}))
    low = [o + float(v) for o, v in zip(ORIGIN, xyz.min(0) * _SCALE)]
    high = [o + float(v) for o, v in zip(ORIGIN, xyz.max(0) * _SCALE)]
    side = max(b - a for a, b in zip(low, high))
    meta = {
        "version": "1.0.0",
        "dataType": "binary",
        "hierarchyType": "json",
        "points": len(record),
        "span": 128,
        "bounds": low + [value + side for value in low],
        "boundsConforming": low + high,
        "schema": [_dimension(name, kind) for name, kind in fields],
        "srs": _srs(crs) if crs else {},
    }
    (folder / "ept.json").write_text(json.dumps(meta))
    return folder / "ept.json"


def _dimension(name: str, kind: str) -> dict:
    signed, size = kind[-2] == "i", int(kind[-1])
    dimension = {"name": name, "type": "signed" if signed else "unsigned", "size": size}
    if name in "XYZ":
        dimension.update(scale=_SCALE, offset=ORIGIN["XYZ".index(name)])
    return dimension


def _srs(crs: str) -> dict:
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    authority, horizontal = crs.split(":")
    return {"authority": authority, "horizontal": horizontal, "wkt": reference.ExportToWkt()}


def _geokeys(epsg: int) -> bytes:
    """The VLR of a projected CRS by its code."""
    keys = struct.pack("<16H", 1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg)
    return struct.pack("<H16sHH32s", 0, b"LASF_Projection", 34735, len(keys), b"") + keys
