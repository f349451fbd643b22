"""Images whose ground resolution is known and whose place is not: a plane in metres, up being north."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from affine import Affine

from inference_backend.evaluation.text_segmenters import TextSegmenter
from inference_backend.imagery.source import RasterSource, pixels_source

_WKT = (
    'ENGCRS["image plane",EDATUM["image"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["metre",1]]'
)
Answer = Callable[[np.ndarray, float, Affine, str, str], "np.ndarray | None"]


def plane_source(rgb: np.ndarray, transform: Affine, key: str = "") -> RasterSource:
    """`rgb` uint8 (H, W, 3) by a transform from pixels to metres; `key` spares reading the pixels for a name."""
    return pixels_source(rgb, transform, _WKT, key=key)


def answer_of(segmenter: TextSegmenter) -> Answer:
    """A segmenter as the bars ask: (rgb, gsd_m, transform, text, task) to bool (H, W), None for "not here"."""

    def answer(
        rgb: np.ndarray, gsd_m: float, transform: Affine, text: str, task: str
    ) -> np.ndarray | None:
        result = segmenter.segment(plane_source(rgb, transform), rgb, text, task)
        return None if result.said_absent else result.mask

    return answer
