"""One object from prompts to geometry: the composition that the process and the command line share.

Imports numpy and shapely, so import it inside functions where start-up time matters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from affine import Affine
from shapely import Polygon
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import RasterSource
from inference_backend.interactive import segment_object
from inference_backend.models.base import Embedding, PromptableModel
from inference_backend.prompts import Prompt, box_corners
from inference_backend.vector.clean import DEFAULT_TOLERANCE_PX, clean
from inference_backend.vector.clip import clipped, footprint
from inference_backend.vector.contour import polygonize
from inference_backend.vector.measure import GroundMetres, area_m2, perimeter_m

DEFAULT_THRESHOLD = 0.5
REGULARIZE = ("auto", "none", "building")


class EmbeddingStore(Protocol):
    """What answers look embeddings up in: `imagery.embeddings.EmbeddingCache` or a wrapper of it."""

    def get_or_compute(self, key: str, make: Callable[[], Embedding]) -> Embedding:
        """The embedding of `key`, made by `make` where there is none."""


@dataclass(frozen=True)
class AnswerOptions:
    """How a probability becomes polygons. Lengths are ground metres, areas ground square metres.

    `tolerance_m` None means half a pixel of the mask; `min_hole_m2` None means the same as `min_area_m2`.
    """

    tolerance_m: float | None = None
    min_area_m2: float = 0.0
    min_hole_m2: float | None = None
    regularize: str = "none"
    threshold: float = DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise InvalidInput(f"The threshold must lie between 0 and 1, not {self.threshold}.")
        for name in ("tolerance_m", "min_area_m2", "min_hole_m2"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value >= 0):
                raise InvalidInput(f"{name} must be zero or more, not {value}.")
        if self.regularize not in REGULARIZE:
            raise InvalidInput(
                f"'{self.regularize}' is not a way to regularise; use {', '.join(REGULARIZE)}."
            )


@dataclass(frozen=True, eq=False)
class ObjectAnswer:
    """One answered object. An empty `geometry` is an answer: the model found nothing there.

    `geometry` is in the source frame; `probability` float32 (h, w) covers `window`, which is
    (col0, row0, cols, rows) in source pixels as floats.
    """

    geometry: BaseGeometry
    score: float
    area_m2: float
    perim_m: float
    timings_ms: dict[str, float]
    probability: np.ndarray
    window: tuple[float, float, float, float]
    transform: Affine
    replayed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, source: RasterSource) -> ObjectAnswer:
        """The answer where there is nothing to be seen."""
        window = (0.0, 0.0, 1.0, 1.0)
        return cls(
            Polygon(), 0.0, 0.0, 0.0, {}, np.zeros((1, 1), np.float32), window, source.transform
        )

    @property
    def geometry_px(self) -> BaseGeometry:
        """The geometry in the pixel frame of the source."""
        return transformed(self.geometry, ~self.transform)


def answer_object(
    source: RasterSource,
    prompts_px: Sequence[Prompt],
    model: PromptableModel,
    options: AnswerOptions,
    cache: EmbeddingStore,
    cancel: CancelToken | None = None,
) -> ObjectAnswer:
    """Segment one object and outline it, as far as the raster reaches.

    `prompts_px` are in the pixel frame of `source`, in the order in which the user gave them. Raises
    `InvalidInput` for prompts that cannot be answered and `Cancelled`.
    """
    if not prompts_px:
        raise InvalidInput("There is no prompt; click on the object first.")
    mask = segment_object(source, prompts_px, model, cache=cache, cancel=cancel)
    if cancel is not None:
        cancel.check()
    started = time.perf_counter()
    traced = outline(mask.probability, mask.window, source, options)
    geometry = clipped(traced, footprint(source), source, options.min_area_m2)
    area, perimeter = area_m2(geometry, source.crs), perimeter_m(geometry, source.crs)
    timings = {**mask.timings_ms, "polygons": 1000.0 * (time.perf_counter() - started)}
    return ObjectAnswer(
        geometry=geometry,
        score=float(mask.score),
        area_m2=float(area),
        perim_m=float(perimeter),
        timings_ms=timings,
        probability=mask.probability,
        window=mask.window,
        transform=source.transform,
        replayed=mask.replayed,
    )


def outline(
    probability: np.ndarray,
    window: tuple[float, float, float, float],
    source: RasterSource,
    options: AnswerOptions,
) -> BaseGeometry:
    """Polygons of `probability` (h, w) over `window`, in the source frame, valid, maybe empty.

    The default tolerance is half a pixel of the mask or of the source, whichever is coarser: a model that looks from
    near must not trace what the source does not resolve.
    """
    metres = GroundMetres.of(source)
    placed = window_transform(source.transform, window, probability.shape)
    tolerance_m = options.tolerance_m
    if tolerance_m is None:
        coarser_m = max(metres.gsd_m(placed), metres.gsd_m(source.transform))
        tolerance_m = DEFAULT_TOLERANCE_PX * coarser_m
    contours = polygonize(probability, options.threshold)
    return clean(contours, placed, tolerance_m, options.min_area_m2, options.min_hole_m2, metres)


def window_transform(
    transform: Affine, window: tuple[float, float, float, float], shape: tuple[int, ...]
) -> Affine:
    """From the pixel frame of an array of `shape` (h, w) over `window` to the source frame."""
    col0, row0, cols, rows = window
    return (
        transform * Affine.translation(col0, row0) * Affine.scale(cols / shape[1], rows / shape[0])
    )


def prompts_to_pixels(prompts: Sequence[Prompt], transform: Affine) -> list[Prompt]:
    """Prompts of the source frame in the pixel frame, for any invertible `transform`.

    A box is axis-parallel in pixels: under a rotated transform it becomes the lasso of its corners, as a rectangle
    of a prompt file does.
    """
    inverse = ~transform
    return [_prompt_to_pixels(prompt, inverse) for prompt in prompts]


def _prompt_to_pixels(prompt: Prompt, inverse: Affine) -> Prompt:
    xy = prompt.xy
    if prompt.kind != "box":
        return Prompt(prompt.kind, _apply(inverse, xy), prompt.label, prompt.text)
    (x0, y0), (x1, y1) = xy
    corners = _apply(inverse, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
    upright = box_corners(corners)
    kind, xy = ("lasso", corners) if upright is None else ("box", upright)
    return Prompt(kind, xy, prompt.label, prompt.text)


def _apply(transform: Affine, xy: np.ndarray) -> np.ndarray:
    columns = transform.a * xy[:, 0] + transform.b * xy[:, 1] + transform.c
    rows = transform.d * xy[:, 0] + transform.e * xy[:, 1] + transform.f
    return np.stack([columns, rows], axis=1)


def transformed(geometry: BaseGeometry, transform: Affine) -> BaseGeometry:
    """`geometry` under an `affine.Affine`; shapely wants the six numbers in another order."""
    t = transform
    return affine_transform(geometry, [t.a, t.b, t.d, t.e, t.c, t.f])
