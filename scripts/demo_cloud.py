"""The cloud of the demo: a generated suburb scanned from the air, classified by the command as a user runs it, and a picture.

Leaves city.laz (no classes), classified.laz, city.gpkg (buildings, trees, roads, wires) and cloud.png.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import laspy
import numpy as np
import pyogrio

from inference_backend.errors import ResourceProblem
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.training.clouds.dataset import TEST_SEED, TRUTH, write_laz
from inference_backend.training.clouds.scan import make_cloud

CLOUD_FILES = ("city.laz", "classified.laz", "city.gpkg", "cloud.png")
_SEED, _DENSITY = TEST_SEED + 33, 15.0
_SIDE_PX, _LEGEND_PX, _SHOWN = 720, 190, 12
_OUTLINES = {"buildings": (30, 30, 30), "roads": (120, 90, 60), "wires": (0, 200, 255)}


def classify_city(out: Path) -> dict[str, Any]:
    """Make the cloud, classify it and draw it into `out`; returns what the command answered. Raises ResourceProblem."""
    source, target, vectors = (out / name for name in CLOUD_FILES[:3])
    cloud = make_cloud(_SEED, platform="als", density=_DENSITY, kind="suburb")
    write_laz(cloud, source)
    _forget_truth(source)
    vectors.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("cityseg")), "classify", str(source)]
    command += ["--out", str(target), "--vectors", str(vectors), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ResourceProblem(f"The cloud was not classified: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    draw(target, vectors, answer, out / CLOUD_FILES[3])
    found = np.asarray(laspy.read(target).classification)
    answer["right"] = float(
        (_coarse(found) == _coarse(label_graph().leaf_codes[cloud.leaf])).mean()
    )
    return answer


def _forget_truth(path: Path) -> None:
    """What a user's file looks like: no classes, and nothing that gives them away."""
    las = laspy.read(path)
    las.classification[:] = 0
    if TRUTH in las.point_format.extra_dimension_names:
        las.remove_extra_dim(TRUTH)
    las.write(path)


def _coarse(code: np.ndarray) -> np.ndarray:
    """ASPRS codes with ground, roads and rails as one, and plants as one."""
    table = np.arange(256, dtype=np.uint8)
    table[[10, 11]], table[[3, 4]] = 2, 5
    return table[code]


def draw(cloud: Path, vectors: Path, answer: dict[str, Any], picture: Path) -> None:
    """From above: the points by class, the outlines over them, and a legend."""
    las = laspy.read(cloud)
    xy = np.stack([las.x, las.y], 1)
    low, scale = xy.min(0), _SIDE_PX / np.ptp(xy, axis=0).max()
    colours = np.full((256, 3), 160, np.uint8)
    for row in answer["classes"]:
        colours[row["id"]] = row["colour"][::-1]
    sheet = np.full((_SIDE_PX, _SIDE_PX + _LEGEND_PX, 3), 255, np.uint8)
    place = np.clip((xy - low) * scale, 0, _SIDE_PX - 1).astype(int)
    order = np.argsort(las.z)
    label = np.asarray(las["cityseg_label"])[order]
    col, row = place[order, 0], _SIDE_PX - 1 - place[order, 1]
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        rows, cols = np.minimum(row + down, _SIDE_PX - 1), np.minimum(col + right, _SIDE_PX - 1)
        sheet[rows, cols] = colours[label]
    for layer, colour in _OUTLINES.items():
        if layer in pyogrio.list_layers(vectors)[:, 0]:
            for shape in gpd.read_file(vectors, layer=layer).geometry.explode():
                line = shape.exterior if shape.geom_type == "Polygon" else shape
                points = (np.asarray(line.coords)[:, :2] - low) * scale
                points[:, 1] = _SIDE_PX - points[:, 1]
                closed = shape.geom_type == "Polygon"
                cv2.polylines(sheet, [points.astype(np.int32)], closed, colour, 2, cv2.LINE_AA)
    for line, row in enumerate(answer["classes"][:_SHOWN]):
        y = 24 + 26 * line
        at = (_SIDE_PX + 10, y - 12)
        cv2.rectangle(sheet, at, (at[0] + 16, y + 2), tuple(row["colour"][::-1]), -1)
        text = f"{row['name']} {100 * row['share']:.0f} %"
        cv2.putText(
            sheet,
            text,
            (at[0] + 24, y),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            (40, 40, 40),
            1,
            cv2.LINE_AA,
        )
    if not cv2.imwrite(str(picture), sheet):
        raise ResourceProblem(f"'{picture}' could not be written; is there room on the disk?")
