"""Ask a segmenter every text of a data set, and count its masks by a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from affine import Affine

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.evaluation.metrics import MaskMetrics
from inference_backend.evaluation.planes import plane_source
from inference_backend.evaluation.protocols import Canvas, Protocol, on_canvas
from inference_backend.evaluation.readers.entries import fault
from inference_backend.evaluation.text_samples import TextSample
from inference_backend.evaluation.text_segmenters import TextResult, TextSegmenter
from inference_backend.evaluation.truths import check_whole
from inference_backend.imagery.source import RasterSource, open_raster

Progress = Callable[[float, str], None]
MOST_PIXELS = 200_000_000
THUMB_PX = 220
_TRUTH, _ANSWER, _IGNORED = 1, 2, 4


@dataclass
class TextScore:
    """One sample's outcome. `thumb` holds truth, answer and ignored pixels as bits of a small PNG, for the sheet."""

    sample: TextSample
    iou: float
    path: str
    refused: str
    seconds: float
    thumb: bytes = field(default=b"", repr=False)

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Truth and answer, bool (h, w), at most THUMB_PX a side."""
        bits = cv2.imdecode(np.frombuffer(self.thumb, np.uint8), cv2.IMREAD_GRAYSCALE)
        return (bits & _TRUTH) > 0, (bits & _ANSWER) > 0


@dataclass
class TextRun:
    """Scores in the order of `metrics`, and a sentence for every sample that could not be measured."""

    metrics: MaskMetrics
    scores: list[TextScore] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def evaluate_texts(
    samples: Sequence[TextSample],
    segmenter: TextSegmenter,
    protocol: Protocol,
    *,
    pictures: bool = False,
    gsd_m: float | None = None,
    progress: Progress = lambda fraction, message: None,
    cancel: CancelToken | None = None,
) -> TextRun:
    """Measure every sample, image by image. What is unreadable is left out with a sentence; a text that the
    segmenter refuses is an empty answer, since a user would get nothing either. `gsd_m` is the ground resolution of
    images that do not say theirs. Raises Cancelled."""
    run = TextRun(protocol.metrics())
    asked = _Asked(segmenter, protocol.canvas, pictures)
    groups: dict[Path, list[TextSample]] = {}
    for sample in samples:
        groups.setdefault(sample.image, []).append(sample)
    done = 0
    for image, group in groups.items():
        try:
            check_whole(image)
            with open_raster(image) as source:
                _check_size(source)
                rows, cols = source.height, source.width
                rgb, _ = source.read_rgb(0, 0, cols, rows, rows, cols)
                placed = _placed(source, rgb, group[0].gsd_m or gsd_m)
                for sample in group:
                    if cancel is not None:
                        cancel.check()
                    progress(done / len(samples), f"text {done + 1} of {len(samples)}")
                    asked.measure(run, sample, placed, rgb)
                    done += 1
        except InvalidInput as error:
            # Only opening and reading the image lands here, so none of its texts was measured.
            run.faults += [fault(label(sample), error) for sample in group]
            done += len(group)
    progress(1.0, "done")
    return run


def label(sample: TextSample) -> str:
    """Which sample this is, in messages."""
    return f"{sample.name} ({sample.image.name})" if sample.name else sample.image.name


def _placed(source: RasterSource, rgb: np.ndarray, gsd_m: float | None) -> RasterSource:
    """The image on a plane in metres, up being north, where only its ground resolution is known."""
    if source.crs is not None or gsd_m is None:
        return source
    plane = Affine(gsd_m, 0, 0, 0, -gsd_m, 0)
    return plane_source(rgb, plane, key=f"{source.key}|{gsd_m!r}")


def _check_size(source: RasterSource) -> None:
    if source.width * source.height > MOST_PIXELS:
        raise InvalidInput(
            f"the image has {source.width} x {source.height} pixels and is evaluated whole; cut it into parts of at "
            f"most {MOST_PIXELS // 1_000_000} megapixels"
        )


@dataclass
class _Asked:
    """A segmenter and how its answers are counted."""

    segmenter: TextSegmenter
    canvas: Canvas
    pictures: bool

    def measure(
        self, run: TextRun, sample: TextSample, source: RasterSource, rgb: np.ndarray
    ) -> None:
        """Ask, count and keep the score; a truth that cannot be read is a fault."""
        try:
            truth, ignore = sample.truth.read(rgb.shape[:2])
        except InvalidInput as error:
            run.faults.append(fault(label(sample), error))
            return
        result, refused, seconds = self._ask(sample, source, rgb)
        # gRefCOCO keeps the mask that was drawn although "no target" was said; all others count what is shown.
        mask = result.mask if run.metrics.empty == "gres" else result.shown
        iou = run.metrics.add(
            on_canvas(mask, self.canvas),
            on_canvas(truth, self.canvas),
            said_no_target=_said_no_target(result, refused),
            ignore=None if ignore is None else on_canvas(ignore, self.canvas),
        )
        thumb = _thumb(truth, result.shown, ignore) if self.pictures else b""
        run.scores.append(TextScore(sample, iou, result.path, refused, seconds, thumb))

    def _ask(
        self, sample: TextSample, source: RasterSource, rgb: np.ndarray
    ) -> tuple[TextResult, str, float]:
        start, refused = time.perf_counter(), ""
        try:
            result = self.segmenter.segment(source, rgb, sample.text, sample.task)
        except InvalidInput as error:
            refused = error.user_message
            result = TextResult(np.zeros(rgb.shape[:2], bool), path="refused")
        return result, refused, time.perf_counter() - start


def _said_no_target(result: TextResult, refused: str) -> bool | None:
    """A refusal says nothing of the image; a mask that came out empty says that nothing is there."""
    if refused:
        return False
    return True if result.said_absent else None


def _thumb(truth: np.ndarray, answer: np.ndarray, ignore: np.ndarray | None) -> bytes:
    bits = truth * np.uint8(_TRUTH) + answer * np.uint8(_ANSWER)
    if ignore is not None:
        bits = bits + ignore * np.uint8(_IGNORED)
    scale = min(THUMB_PX / max(bits.shape), 1.0)
    size = tuple(max(round(side * scale), 1) for side in bits.shape[::-1])
    small = cv2.resize(bits, size, interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".png", small)[1].tobytes()
