"""The job behind `vectorize`: a label raster, a mask or a probability becomes clean polygons.

Outlines are contours between the pixels, simplified so far that none shows the stairs of the grid. The raster is read in strips:
memory depends on its width and on what is found, not on its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.imagery.bands import STRIP_PX, BandReader, Box
from inference_backend.imagery.dataset import georeference, open_dataset
from inference_backend.job_checks import check_keeps_inputs
from inference_backend.vector.clean import clean
from inference_backend.vector.contour import polygonize
from inference_backend.vector.measure import GroundMetres, area_m2, perimeter_m
from inference_backend.vector.seams import SeamMerger
from inference_backend.vector.write import check_target, write_features

Progress = Callable[[float, str], None]
Row = tuple[BaseGeometry, dict[str, Any]]

COLUMNS: Mapping[str, str] = {"value": "key", "area_m2": "real", "perim_m": "real"}
# What a mask's polygons carry: they are on.
ON = 1
_SURVEY_SHARE = 0.2
# What is on or off has stairs of a pixel. Simplified by less, they stay: of a turned rectangle of 80 by 40 pixels half a pixel
# leaves 65 vertices, this 7, at an IoU of 0.998 with the rectangle. A probability knows where between pixels its edge is.
_STAIRS_PX = 1.25
# Each label is read where it lies. Labels that lie all over each other are read so often that nobody would wait.
_MOST_PASSES = 500


@dataclass(frozen=True)
class VectorizeJob:
    """All that a run needs. Without a `threshold` each value but `background` is a label, else what is above it is on.

    With `split` each connected part is a feature, else each value is. Lengths are ground metres, areas square metres;
    `tolerance_m` None is 1.25 pixels for labels and masks and half a pixel for a probability, `min_hole_m2` None the same as
    `min_area_m2`.
    """

    source: str
    out: str
    band: int = 1
    threshold: float | None = None
    background: float = 0.0
    split: bool = True
    tolerance_m: float | None = None
    min_area_m2: float = 0.0
    min_hole_m2: float | None = None

    def __post_init__(self) -> None:
        for name in ("tolerance_m", "min_area_m2", "min_hole_m2"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value >= 0):
                raise InvalidInput(f"{name} must be zero or more, not {value}.")
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise InvalidInput(f"The threshold must be a number, not {self.threshold}.")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> VectorizeJob:
        """A job from JSON with the names of the fields. Raises InvalidInput."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInput(
                f"'{unknown[0]}' is no part of a vectorize job; there are {', '.join(sorted(known))}."
            )
        given = {name: value for name, value in values.items() if value is not None}
        try:
            if not all(isinstance(given.get(name), str) for name in ("source", "out")):
                raise TypeError("source and out are text")
            return cls(**given)
        except TypeError as error:
            raise InvalidInput(
                "A vectorize job needs 'source' and 'out', and numbers where numbers belong.",
                str(error),
            ) from error


@dataclass(frozen=True)
class _Grid:
    """Where the raster lies."""

    width: int
    height: int
    transform: Affine
    crs: pyproj.CRS | None


def run_vectorize(
    job: VectorizeJob, progress: Progress | None = None, cancel: CancelToken | None = None
) -> dict[str, Any]:
    """Read, outline, write; a summary fit for JSON. Nothing is written before everything is outlined.

    Raises InvalidInput, ResourceProblem, Cancelled.
    """
    report, cancel = progress or (lambda fraction, message: None), cancel or CancelToken()
    started = time.perf_counter()
    check_target(job.out)
    check_keeps_inputs(job.out, None, "", [job.source])
    with open_dataset(job.source) as dataset:
        check_keeps_inputs(job.out, None, "", dataset.files)
        transform, crs = georeference(dataset)
        grid = _Grid(dataset.width, dataset.height, transform, crs)
        reader = BandReader(dataset, job.band)
        run = _Run(job, reader, grid, report, cancel)
        rows = run.labels() if job.threshold is None else run.mask()
    cancel.check()
    report(1.0, f"Writing {job.out}")
    write_features(job.out, rows, crs, COLUMNS)
    return {
        "source": job.source,
        "out": job.out,
        "count": len(rows),
        "values": len({attributes["value"] for _, attributes in rows}),
        "transform": list(transform)[:6],
        "milliseconds": round(1000 * (time.perf_counter() - started), 1),
    }


class _Run:
    """One raster on its way to rows."""

    def __init__(
        self,
        job: VectorizeJob,
        reader: BandReader,
        grid: _Grid,
        report: Progress,
        cancel: CancelToken,
    ) -> None:
        self._job, self._reader, self._grid = job, reader, grid
        self._report, self._cancel = report, cancel
        self._metres = GroundMetres.of(grid)
        self._has_stairs = True

    def mask(self) -> list[Row]:
        """What is above the threshold."""
        grid, threshold = self._grid, float(self._job.threshold or 0.0)
        everything = Box(0, 0, grid.width, grid.height)

        # What has no data counts as 0, as where the panel outlines a probability.
        nothing = np.float32(0.0 if threshold > 0 else threshold - 1.0)

        def field_of(strip: Box) -> np.ndarray:
            values, valid = self._reader.read(strip)
            self._report(strip.row / grid.height, "Outlining")
            self._has_stairs = self._has_stairs and _is_two_valued(values[valid])
            return np.where(valid, values, nothing).astype(np.float32)

        return list(self._rows(ON, list(self._parts(everything, field_of, threshold))))

    def labels(self) -> list[Row]:
        """Each value but the background."""
        boxes = self._survey()
        total = sum(box.size for box in boxes.values())
        everything = self._grid.width * self._grid.height
        if total > _MOST_PASSES * everything:
            raise InvalidInput(
                f"'{self._job.source}' holds {len(boxes):,} values all over each other, as measurements do and labels do "
                "not; give a threshold from which a pixel belongs to the objects."
            )
        rows: list[Row] = []
        done = 0
        # From top to bottom, so that the blocks of the file are read once.
        for value, box in sorted(boxes.items(), key=lambda item: (item[1].row, item[1].col)):
            self._cancel.check()
            rows.extend(self._rows(value, list(self._parts_of_label(value, box))))
            done += box.size
            share = _SURVEY_SHARE + (1 - _SURVEY_SHARE) * done / max(total, 1)
            self._report(share, f"Outlining {len(boxes)} labels")
        return sorted(rows, key=lambda row: row[1]["value"])

    def _parts_of_label(self, value: int, box: Box) -> Iterator[BaseGeometry]:
        def is_label(strip: Box) -> np.ndarray:
            values, valid = self._reader.read(strip)
            return ((values == value) & valid).astype(np.float32)

        # A pixel more: the contour at the box's own edge is then the same as inside a larger raster.
        grown = box.grown(1, self._grid.width, self._grid.height)
        return self._parts(grown, is_label, 0.5)

    def _parts(
        self, box: Box, field_of: Callable[[Box], np.ndarray], threshold: float
    ) -> Iterator[BaseGeometry]:
        """Polygons in the pixel frame around what of a field in `box` is above the threshold."""
        if box.size <= STRIP_PX:
            # The same outlines at half the price, where a raster has thousands of small labels.
            found = polygonize(field_of(box), threshold)
            yield from (translate(part, box.col, box.row) for part in shapely.get_parts(found))
            return
        merger = SeamMerger(threshold, 0)
        merger.begin_panel(box.col, False)
        for strip in box.strips():
            self._cancel.check()
            for area in merger.add(field_of(strip), strip.row, []):
                yield from area.parts()
        for area in [*merger.end_panel(), *merger.finish()]:
            yield from area.parts()

    def _rows(self, value: int, parts: list[BaseGeometry]) -> Iterator[Row]:
        """Clean rows of one value: one a part, or one in all."""
        whole = parts if self._job.split else [shapely.multipolygons(parts)] if parts else []
        for number, part in enumerate(whole):
            if number % 64 == 0:
                self._cancel.check()
            geometry = clean(
                part,
                self._grid.transform,
                self._tolerance_m,
                self._job.min_area_m2,
                self._job.min_hole_m2,
                self._metres,
            )
            if not geometry.is_empty:
                yield geometry, self._attributes(value, geometry)

    @property
    def _tolerance_m(self) -> float | None:
        if self._job.tolerance_m is not None or not self._has_stairs:
            return self._job.tolerance_m
        return _STAIRS_PX * self._metres.gsd_m(self._grid.transform)

    def _attributes(self, value: int, geometry: BaseGeometry) -> dict[str, Any]:
        crs = self._grid.crs
        return {
            "value": value,
            "area_m2": None if crs is None else round(area_m2(geometry, crs), 3),
            "perim_m": None if crs is None else round(perimeter_m(geometry, crs), 3),
        }

    def _survey(self) -> dict[int, Box]:
        """Where each label lies. Raises InvalidInput for values that can be none."""
        everything = Box(0, 0, self._grid.width, self._grid.height)
        boxes: dict[int, Box] = {}
        for strip in everything.strips():
            self._cancel.check()
            for value, box in self._reader.labels(strip, self._job.background):
                known = boxes.get(value)
                boxes[value] = box if known is None else known.union(box)
            self._report(_SURVEY_SHARE * (strip.row + strip.rows) / everything.rows, "Looking for labels")
        return boxes


def _is_two_valued(values: np.ndarray) -> bool:
    """Whether there are no values but the least and the greatest: on and off."""
    if not values.size:
        return True
    return bool(((values == values.min()) | (values == values.max())).all())
