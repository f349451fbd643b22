"""Results for clouds, and what was written read back without any of our own readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import laspy
import numpy as np

from inference_backend.points.labels import Labels
from inference_backend.points.results import PointResults

LABELS = Labels({1: "open ground", 2: "Straße"}, {1: (150, 120, 90), 2: (90, 90, 90)})
LEGACY_ANGLE, NEW_ANGLE = "scan_angle_rank", "scan_angle"


def make_results(count: int, folder: Path, seed: int = 0, most_code: int = 18) -> PointResults:
    """Random results; the highest code is there."""
    results = PointResults(count, folder)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, most_code + 1, count)
    codes[-1:] = most_code
    where = np.arange(count)
    results.set(where, codes, rng.integers(0, 128, count), rng.integers(0, 40, count))
    return results


def expected(
    source: laspy.LasData, results: PointResults, where: Any = slice(None)
) -> dict[str, np.ndarray]:
    """Every dimension that a result must have, by LAS's names, of the points at `where`."""
    values = {
        name: np.asarray(raw(source, name))[where]
        for name in source.point_format.dimension_names
        if name not in ("cityseg_conf", "cityseg_label")
    }
    values["classification"] = results.code[where]
    values["cityseg_conf"] = results.conf[where]
    values["cityseg_label"] = results.label[where]
    return values


def raw(las: laspy.LasData, name: str) -> np.ndarray:
    """A dimension as it is stored, without scale and offset."""
    array = las.points.array
    return array[name] if name in (array.dtype.names or ()) else np.asarray(las.points[name])


def assert_equal_dimensions(las: laspy.LasData, wanted: dict[str, np.ndarray]) -> None:
    """In the same order, bit by bit; an angle of old formats in the steps of new ones where the format was changed."""
    for name, values in wanted.items():
        found, values = _comparable(las, name, values)
        np.testing.assert_array_equal(found, values, err_msg=name)


def assert_same_points(las: laspy.LasData, wanted: dict[str, np.ndarray]) -> None:
    """In any order: both sides sorted by all dimensions."""
    pairs = [_comparable(las, name, values) for name, values in wanted.items()]
    assert len(pairs[0][0]) == len(pairs[0][1])
    found, values = _sorted([pair[0] for pair in pairs]), _sorted([pair[1] for pair in pairs])
    for number, name in enumerate(wanted):
        np.testing.assert_array_equal(found[number], values[number], err_msg=name)


def _comparable(las: laspy.LasData, name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if name == LEGACY_ANGLE and name not in las.point_format.dimension_names:
        steps = np.rint(values.astype(np.float32) / np.float32(0.006)).astype(np.int16)
        return raw(las, NEW_ANGLE), steps
    return raw(las, name), values


def _sorted(columns: list[np.ndarray]) -> list[np.ndarray]:
    flat = [part for column in columns for part in column.reshape(len(column), -1).T]
    order = np.lexsort(flat)
    return [column[order] for column in columns]


@dataclass(frozen=True)
class Ept:
    """An EPT as its specification says: `meta` of ept.json, points by node name, files of the hierarchy."""

    meta: dict[str, Any]
    nodes: dict[str, np.ndarray]
    hierarchies: dict[str, dict[str, int]]

    @property
    def points(self) -> np.ndarray:
        return np.concatenate(list(self.nodes.values()))

    def entry(self, name: str) -> dict[str, Any]:
        """What the schema says of a dimension."""
        return next(one for one in self.meta["schema"] if one["name"] == name)


def read_ept(folder: Path) -> Ept:
    """Every node that the hierarchy names, from the root down; raises where a file is not as it promises."""
    meta = json.loads((folder / "ept.json").read_text(encoding="utf-8"))
    letters = {"signed": "i", "unsigned": "u", "float": "f"}
    stored = [(e["name"], f"<{letters[e['type']]}{e['size']}") for e in meta["schema"]]
    nodes: dict[str, np.ndarray] = {}
    files: dict[str, dict[str, int]] = {}
    waiting = ["0-0-0-0"]
    while waiting:
        name = waiting.pop()
        text = (folder / "ept-hierarchy" / f"{name}.json").read_text(encoding="utf-8")
        files[name] = json.loads(text)
        for key, count in files[name].items():
            if count == -1:
                waiting.append(key)
                continue
            points = np.fromfile(folder / "ept-data" / f"{key}.bin", np.dtype(stored))
            assert len(points) == count > 0
            assert key not in nodes
            nodes[key] = points
    assert len(list((folder / "ept-data").iterdir())) == len(nodes)
    assert len(list((folder / "ept-hierarchy").iterdir())) == len(files)
    return Ept(meta, nodes, files)


EPT_NAMES = {
    "X": "X",
    "Y": "Y",
    "Z": "Z",
    "intensity": "Intensity",
    "return_number": "ReturnNumber",
    "number_of_returns": "NumberOfReturns",
    "scan_direction_flag": "ScanDirectionFlag",
    "edge_of_flight_line": "EdgeOfFlightLine",
    "classification": "Classification",
    "user_data": "UserData",
    "point_source_id": "PointSourceId",
    "gps_time": "GpsTime",
    "red": "Red",
    "green": "Green",
    "blue": "Blue",
    "nir": "Infrared",
    "scanner_channel": "ScanChannel",
}
EPT_FLAGS = {"synthetic": "Synthetic", "key_point": "KeyPoint", "withheld": "Withheld", "overlap": "Overlap"}


def assert_same_ept(ept: Ept, wanted: dict[str, np.ndarray]) -> None:
    """The EPT's points are those wanted, in any order, every dimension exactly."""
    points = ept.points
    found, values = [], []
    for name, column in wanted.items():
        if name in (LEGACY_ANGLE, NEW_ANGLE):
            step = 1 if name == LEGACY_ANGLE else 0.006
            found.append(np.rint(points["ScanAngleRank"].astype(np.float64) / step))
            values.append(column.astype(np.float64))
        elif name in EPT_FLAGS:
            found.append(points[EPT_FLAGS[name]])
            values.append(column)
        elif column.ndim == 2:
            for number in range(column.shape[1]):
                found.append(points[f"{name}_{number + 1}"])
                values.append(column[:, number])
        else:
            found.append(points[EPT_NAMES.get(name, name)])
            values.append(column)
    assert len(points) == len(values[0])
    for got, want in zip(_sorted(found), _sorted(values), strict=True):
        np.testing.assert_array_equal(got, want)
