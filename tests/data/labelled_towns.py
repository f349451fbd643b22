"""A small labelled town, and the same town written as each benchmark publishes its clouds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import laspy
import numpy as np

ORIGIN = np.array([500_000.0, 5_400_000.0, 100.0])
SIDE_M = 40.0
GROUND, ROOF, TREE = "open ground", "flat roof", "broadleaf tree"


@dataclass(frozen=True)
class Town:
    """`xyz` float64 (N, 3); `leaf` names (N,); `intensity` uint16, `rgb` uint8 (N, 3)."""

    xyz: np.ndarray
    leaf: np.ndarray
    intensity: np.ndarray
    rgb: np.ndarray

    def codes(self, of: Mapping[str, int]) -> np.ndarray:
        """A data set's codes of the leaves, int64 (N,)."""
        return np.array([of[leaf] for leaf in self.leaf])


def town(per_m2: float = 4.0, seed: int = 0) -> Town:
    """Flat ground, a house of 14 x 12 x 6 m and four round trees."""
    rng = np.random.default_rng(seed)
    count = int(SIDE_M**2 * per_m2)
    x, y = rng.uniform(0, SIDE_M, (2, count))
    z = rng.normal(0, 0.02, count)
    leaf = np.full(count, GROUND, dtype=object)
    roof = (x > 6) & (x < 20) & (y > 6) & (y < 18)
    z[roof] += 6.0
    leaf[roof] = ROOF
    for tx, ty in ((30.0, 8.0), (32.0, 22.0), (10.0, 32.0), (28.0, 33.0)):
        crown = np.hypot(x - tx, y - ty) < 3.5
        z[crown] = rng.uniform(2.0, 9.0, int(crown.sum()))
        leaf[crown] = TREE
    # Millimetres, as all files below hold them.
    xyz = np.round(np.stack([x, y, z], axis=1) + ORIGIN, 3)
    return Town(
        xyz,
        leaf.astype(str),
        rng.integers(100, 4000, count).astype(np.uint16),
        rng.integers(0, 255, (count, 3)).astype(np.uint8),
    )


def write_las(
    path: Path,
    made: Town,
    codes: np.ndarray,
    dimension: str = "classification",
    crs: str | None = None,
) -> Path:
    """LAS or LAZ with the codes in `dimension`, in tenths of a millimetre."""
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.0001), ORIGIN
    if crs is not None:
        import pyproj

        header.add_crs(pyproj.CRS.from_user_input(crs))
    if dimension != "classification":
        header.add_extra_dim(laspy.ExtraBytesParams(name=dimension, type=np.uint8))
    las = laspy.LasData(header)
    las.x, las.y, las.z = made.xyz.T
    las.intensity = made.intensity
    las.return_number[:], las.number_of_returns[:] = 1, 1
    las[dimension] = codes.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    las.write(path)
    return path


def write_ply(
    path: Path,
    columns: Mapping[str, np.ndarray],
    order: str = "<",
    element: str = "vertex",
    before: bool = False,
) -> Path:
    """A PLY of these columns; `order` "<", ">" or "" for ASCII; `before`: with another element in front."""
    dtype = np.dtype(
        [(name, values.dtype.newbyteorder(order or "=")) for name, values in columns.items()]
    )
    rows = np.empty(len(next(iter(columns.values()))), dtype)
    for name, values in columns.items():
        rows[name] = values
    kinds = {"f8": "double", "f4": "float", "u1": "uchar", "u2": "ushort", "i4": "int"}
    formats = {"<": "binary_little_endian", ">": "binary_big_endian", "": "ascii"}
    front = ["element camera 2", "property float focal"] if before else []
    head = [
        *("ply", f"format {formats[order]} 1.0", "comment made for a test", *front),
        f"element {element} {len(rows)}",
        *(f"property {kinds[values.dtype.str[1:]]} {name}" for name, values in columns.items()),
        "end_header",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(("\n".join(head) + "\n").encode())
        cameras = np.array([1.5, 2.5], f"{order or '='}f4") if before else np.array([], "f4")
        if order:
            file.write(cameras.tobytes() + rows.tobytes())
        else:
            lines = [f"{value}" for value in cameras]
            lines += [" ".join(str(value) for value in row.tolist()) for row in rows]
            file.write(("\n".join(lines) + "\n").encode())
    return path


def columns(made: Town, real: type = np.float64) -> dict[str, np.ndarray]:
    """x, y, z, red, green, blue."""
    found = {axis: made.xyz[:, k].astype(real) for k, axis in enumerate("xyz")}
    return found | {name: made.rgb[:, k] for k, name in enumerate(("red", "green", "blue"))}


def write_text(path: Path, rows: np.ndarray, head: str = "", delimiter: str = " ") -> Path:
    """Numbers, one point a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, "%.3f", delimiter, header=head, comments="")
    return path


def write_pcd(path: Path, made: Town, ascii_: bool) -> Path:
    """x, y, z in float64 and a packed rgb, as PCL writes it."""
    packed = (made.rgb.astype(np.uint32) * [65536, 256, 1]).sum(axis=1).astype("<u4")
    head = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 8 8 8 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
        f"WIDTH {len(made.xyz)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(made.xyz)}\n"
        f"DATA {'ascii' if ascii_ else 'binary'}\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if ascii_:
        lines = [f"{x} {y} {z} {c}" for (x, y, z), c in zip(made.xyz, packed, strict=True)]
        path.write_text(head + "\n".join(lines) + "\n")
        return path
    rows = np.empty(len(made.xyz), [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("rgb", "<u4")])
    rows["x"], rows["y"], rows["z"] = made.xyz.T
    rows["rgb"] = packed
    path.write_bytes(head.encode() + rows.tobytes())
    return path


def write_layout(name: str, folder: Path, made: Town) -> dict[str, int]:
    """The town as the benchmark `name` publishes it, below `folder`; returns its code of each leaf."""
    of = CODES[name]
    codes = made.codes(of)
    _LAYOUTS[name](folder, made, codes)
    return of


def _sensaturban(folder: Path, made: Town, codes: np.ndarray) -> None:
    labelled = columns(made, np.float64) | {"class": codes.astype(np.uint8)}
    write_ply(folder / "train" / "cambridge_block_0.ply", labelled)
    # The test blocks come without labels.
    write_ply(folder / "test" / "cambridge_block_9.ply", columns(made))


def _dales(folder: Path, made: Town, codes: np.ndarray) -> None:
    found = columns(made) | {
        "intensity": made.intensity,
        "sem_class": codes.astype(np.int32),
        "ins_class": np.zeros(len(codes), np.int32),
    }
    write_ply(folder / "test" / "5080_54400_new.ply", found, element="testing")


def _dales_las(folder: Path, made: Town, codes: np.ndarray) -> None:
    write_las(folder / "dales_las" / "test" / "5080_54400.las", made, codes)


def _toronto3d(folder: Path, made: Town, codes: np.ndarray) -> None:
    found = columns(made) | {
        "scalar_Intensity": made.intensity.astype(np.float32),
        "scalar_GPSTime": np.zeros(len(codes)),
        "scalar_Label": codes.astype(np.float32),
    }
    write_ply(folder / "L002.ply", found)


def _stpls3d(folder: Path, made: Town, codes: np.ndarray) -> None:
    rows = np.column_stack([made.xyz, made.rgb, codes, np.full(len(codes), -100)])
    write_text(folder / "Synthetic_v3_InstanceSegmentation" / "1_points_GTv3.txt", rows, "", ",")


def _stpls3d_real(folder: Path, made: Town, codes: np.ndarray) -> None:
    found = columns(made) | {"class": codes.astype(np.float32)}
    write_ply(folder / "RealWorldData" / "WMSC_points.ply", found, order="")


def _h3d(folder: Path, made: Town, codes: np.ndarray) -> None:
    reflectance = -25 + made.intensity / 400
    rows = np.column_stack([made.xyz, reflectance, np.ones((len(codes), 2)), made.rgb, codes])
    head = "//X Y Z Reflectance EchoNumber NumberOfEchos R G B Classification"
    where = folder / "Epoch_March2018" / "LiDAR" / "Mar18_val.txt"
    write_text(where, rows, head.replace(" ", "\t"), "\t")


def _campus3d(folder: Path, made: Town, codes: np.ndarray) -> None:
    write_pcd(folder / "FOE" / "FOE.pcd", made, ascii_=False)
    np.save(folder / "FOE" / "FOElabel14.npy", codes)
    np.save(folder / "FOE" / "FOElabel2.npy", np.ones(len(codes)))


def _fractal(folder: Path, made: Town, codes: np.ndarray) -> None:
    write_las(folder / "test" / "patch-0001.laz", made, codes, crs="EPSG:2154")


def _generated(folder: Path, made: Town, codes: np.ndarray) -> None:
    write_las(folder / "city_2000000.laz", made, codes, "cityseg_truth")


def _swiss3dcities(folder: Path, made: Town, codes: np.ndarray) -> None:
    names = {1: "1_terrain", 2: "2_construction", 4: "4_vegetation"}
    for code, name in names.items():
        part = {key: values[codes == code] for key, values in columns(made).items()}
        write_ply(folder / "1_Davos_16_34556_-23105" / f"{name}.ply", part, order=">")


def _urbanbis(folder: Path, made: Town, codes: np.ndarray) -> None:
    rows = np.column_stack([made.xyz, made.rgb])
    scene = folder / "Qingdao" / "0005-0019"
    write_text(scene / "terrain" / "terrain.txt", rows[codes == 1])
    write_text(scene / "vegetation" / "vegetation.txt", rows[codes == 2])
    houses = rows[codes == 7]
    write_text(scene / "building" / "building1.txt", houses[::2])
    write_text(scene / "building" / "building2.txt", houses[1::2])


_LAYOUTS = {
    "sensaturban": _sensaturban,
    "dales": _dales,
    "dales_las": _dales_las,
    "toronto3d": _toronto3d,
    "stpls3d": _stpls3d,
    "stpls3d_real": _stpls3d_real,
    "h3d": _h3d,
    "campus3d": _campus3d,
    "fractal": _fractal,
    "generated": _generated,
    "swiss3dcities": _swiss3dcities,
    "urbanbis": _urbanbis,
}
CODES = {
    "sensaturban": {GROUND: 0, TREE: 1, ROOF: 2},
    "dales": {GROUND: 1, TREE: 2, ROOF: 8},
    "dales_las": {GROUND: 1, TREE: 2, ROOF: 8},
    "toronto3d": {GROUND: 1, TREE: 3, ROOF: 4},
    "stpls3d": {GROUND: 18, TREE: 4, ROOF: 1},
    "stpls3d_real": {GROUND: 0, TREE: 4, ROOF: 1},
    "h3d": {GROUND: 8, TREE: 7, ROOF: 4},
    "campus3d": {GROUND: 1, TREE: 1, ROOF: 9},
    "fractal": {GROUND: 2, TREE: 5, ROOF: 6},
    "generated": {GROUND: 1, TREE: 8, ROOF: 11},
    "swiss3dcities": {GROUND: 1, TREE: 4, ROOF: 2},
    "urbanbis": {GROUND: 1, TREE: 2, ROOF: 7},
}
"""Each layout's code of the town's leaves."""
LAYOUTS = tuple(_LAYOUTS)
