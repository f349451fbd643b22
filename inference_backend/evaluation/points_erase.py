"""A labelled cloud as the product gets it: a LAS file without a trace of its labels, and the labels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import laspy
import numpy as np
import pyproj
from laspy.point.record import ScaleAwarePointRecord

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.evaluation.points_cloud import LabelledChunk, LabelledCloud

_SCALE = 0.001
# Codes are kept one higher, so that 0 is a point without one.
UNLABELLED = 0


@dataclass(frozen=True)
class Erased:
    """`path` is the LAS file; `truth` uint16 (N,) its points' codes plus one, UNLABELLED where there is none, in its order."""

    path: Path
    truth: np.ndarray


def erase(cloud: LabelledCloud, path: Path, cancel: CancelToken | None = None) -> Erased:
    """Write `cloud` to `path` with every classification 0. Raises InvalidInput, ResourceProblem, Cancelled."""
    cancel = cancel or CancelToken()
    truth: list[np.ndarray] = []
    writer: laspy.LasWriter | None = None
    try:
        for chunk in cloud.chunks():
            cancel.check()
            if not len(chunk.xyz):
                continue
            if writer is None:
                writer = laspy.open(path, "w", header=_header(chunk, cloud.crs_wkt))
            writer.write_points(_record(writer.header, chunk))
            truth.append((chunk.code + 1).astype(np.uint16))
    except OSError as error:
        raise ResourceProblem(
            "There is no room for a copy of the cloud without its labels; free some space in the temporary folder.",
            str(error),
        ) from error
    finally:
        if writer is not None:
            writer.close()
    if not truth:
        raise InvalidInput("it holds no points.")
    return Erased(path, np.concatenate(truth))


def _header(chunk: LabelledChunk, crs_wkt: str) -> laspy.LasHeader:
    header = laspy.LasHeader(point_format=6 if chunk.rgb is None else 7, version="1.4")
    header.scales = np.full(3, _SCALE)
    header.offsets = np.floor(chunk.xyz.min(axis=0))
    if crs_wkt:
        header.add_crs(pyproj.CRS.from_wkt(crs_wkt))
    return header


def _record(header: laspy.LasHeader, chunk: LabelledChunk) -> ScaleAwarePointRecord:
    record = ScaleAwarePointRecord.zeros(len(chunk.xyz), header=header)
    record.x, record.y, record.z = chunk.xyz.T
    if chunk.intensity is not None:
        record["intensity"] = chunk.intensity
    numbers = np.ones((len(chunk.xyz), 2), np.uint8) if chunk.returns is None else chunk.returns
    record["return_number"], record["number_of_returns"] = numbers.T
    if "red" in header.point_format.dimension_names and chunk.rgb is not None:
        record["red"], record["green"], record["blue"] = chunk.rgb.T
    return record
