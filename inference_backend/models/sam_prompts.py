"""Prompts as SAM's prompt encoder takes them: points with labels, one box, one low-resolution mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_backend.prompts import Prompt, union_bounds

MASK_CELL_PX = 4  # SAM's low-resolution masks: one cell for 4 x 4 of its input's pixels
# A drawn outline says where the object is, not how sure its edge is: a logit that SAM's own masks reach well inside.
_DRAWN_LOGIT = 6.0
_SCRIBBLE_POINTS = 8
_REMOVAL_GRID = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class SamPrompts:
    """In SAM's square input frame (1024 px). `points` (N, 2) and `labels` (N,), or both None; `box` (4,) or None;
    `mask_logits` (256, 256) or None. `ambiguous`: one click and nothing else, for which three masks are asked.
    """

    points: np.ndarray | None
    labels: np.ndarray | None
    box: np.ndarray | None
    mask_logits: np.ndarray | None
    ambiguous: bool


def encode_prompts(
    prompts: Sequence[Prompt], scale: float, input_px: int, previous_logits: np.ndarray | None
) -> SamPrompts:
    """`prompts` in pixels of the embedded image; `scale` is SAM's input pixels per pixel of that image."""
    clicks = [click for prompt in prompts for click in _clicks(prompt)]
    areas = [p for p in prompts if p.label == 1 and p.kind in ("box", "lasso")]
    rings = [p for p in prompts if p.label == 1 and p.kind in ("lasso", "mask")]
    mask = previous_logits
    if mask is None and rings:
        mask = _drawn_mask(rings, scale / MASK_CELL_PX, input_px // MASK_CELL_PX)
    # SAM adds half a pixel to get from a pixel's index to its centre; ours is a position already.
    points = np.array([xy for xy, _ in clicks], np.float64) * scale - 0.5 if clicks else None
    return SamPrompts(
        points=points,
        labels=np.array([label for _, label in clicks], np.float64) if clicks else None,
        box=np.array(union_bounds(areas)) * scale - 0.5 if areas else None,
        mask_logits=mask,
        ambiguous=len(clicks) == 1 and not areas and mask is None,
    )


def _clicks(prompt: Prompt) -> list[tuple[np.ndarray, int]]:
    """The clicks that stand for a prompt. SAM knows neither strokes nor areas that are to be removed."""
    if prompt.kind == "point":
        return [(prompt.xy[0], prompt.label)]
    if prompt.kind == "scribble":
        return [(xy, prompt.label) for xy in along_line(prompt.xy, _SCRIBBLE_POINTS)]
    if prompt.label == 0:
        return [(xy, 0) for xy in _inside(prompt)]
    if prompt.kind == "lasso":
        return [(innermost(prompt.xy), 1)]
    return []


def along_line(xy: np.ndarray, count: int) -> np.ndarray:
    """`count` positions (count, 2) at equal distances along a polyline, half a step in from its ends."""
    steps = np.hypot(*np.diff(xy, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = (np.arange(count) + 0.5) / count * at[-1]
    return np.stack([np.interp(wanted, at, xy[:, axis]) for axis in (0, 1)], 1)


def innermost(ring: np.ndarray) -> np.ndarray:
    """The position (2,) inside a ring that is farthest from it; a crescent's centroid would lie outside."""
    import shapely
    from shapely.ops import polylabel

    area = shapely.make_valid(shapely.Polygon(ring))
    parts = [
        part for part in shapely.get_parts(area) if part.geom_type == "Polygon" and part.area > 0
    ]
    if not parts:
        return ring.mean(0)
    largest = max(parts, key=lambda part: part.area)
    place = polylabel(largest, tolerance=max(np.sqrt(largest.area) / 50, 1e-6))
    return np.array([place.x, place.y])


def _inside(prompt: Prompt) -> np.ndarray:
    """A few positions inside an area that is to be removed."""
    if prompt.kind != "box":
        return innermost(prompt.xy)[None]
    least, greatest = prompt.xy
    fractions = np.array([(fx, fy) for fy in _REMOVAL_GRID for fx in _REMOVAL_GRID])
    return least + fractions * (greatest - least)


def _drawn_mask(prompts: Sequence[Prompt], cells_per_pixel: float, side: int) -> np.ndarray:
    """Low-resolution logits float32 (side, side) that are positive inside the rings."""
    from rasterio.features import rasterize
    from shapely import Polygon

    rings = [Polygon(prompt.xy * cells_per_pixel) for prompt in prompts]
    inside = rasterize(rings, (side, side), dtype="uint8")
    return np.where(inside, _DRAWN_LOGIT, -_DRAWN_LOGIT).astype(np.float32)
