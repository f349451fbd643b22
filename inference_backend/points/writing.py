"""What every writer is given: the cloud, what was found, where to look for a cancel and whom to tell the progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import Bounds2D, Chunk, PointCloud
from inference_backend.points.labels import Labels
from inference_backend.points.results import PointResults, ResultSlice

# Written between two looks at the cancel flag: about half a second's work on a slow core.
_CHUNK_POINTS = 400_000
_LOOK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Writing:
    """One run of a writer. With `bounds_source` only the points inside are written."""

    cloud: PointCloud
    results: PointResults
    labels: Labels
    cancel: CancelToken
    progress: Callable[[float], None]
    bounds_source: Bounds2D | None = None
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def highest_code(self) -> int:
        """The highest class code there is."""
        codes = self.results.code
        steps = range(0, len(codes), _LOOK_BYTES)
        return max((int(codes[at : at + _LOOK_BYTES].max()) for at in steps), default=0)

    def chunks(self, share: float = 1.0) -> Iterator[tuple[Chunk, ResultSlice]]:
        """The points to write with what was found of them, in the input's order; tells the progress up to `share`.

        Raises InvalidInput where there is none, and what readers raise.
        """
        total = max(1, self.cloud.info.count)
        written = False
        for chunk in self.cloud.chunks(_CHUNK_POINTS, self.bounds_source, self.cancel):
            self.cancel.check()
            written = True
            yield chunk, self.results.slice(chunk.index)
            self.progress(share * min(1.0, (int(chunk.index[-1]) + 1) / total))
        if not written:
            raise InvalidInput(nothing_there(self.cloud, self.bounds_source))


def nothing_there(cloud: PointCloud, bounds_source: Bounds2D | None) -> str:
    """The sentence for a cloud, or an extent of it, without a point."""
    name = cloud.info.path.name
    if bounds_source is None:
        return f"'{name}' holds no points: there is nothing to write."
    low = ", ".join(f"{value:.2f}" for value in cloud.info.bounds_source[:2])
    high = ", ".join(f"{value:.2f}" for value in cloud.info.bounds_source[3:5])
    return (
        f"No point of '{name}' lies in the extent; the cloud reaches from {low} to {high} in its own CRS: "
        "choose an extent that meets it."
    )


def bounds_of(cloud: PointCloud, bounds_source: Bounds2D | None) -> np.ndarray:
    """minx, miny, minz, maxx, maxy, maxz float64 (6,) in which the points to write should lie."""
    bounds = np.array(cloud.info.bounds_source, np.float64)
    if bounds_source is not None:
        bounds[:2] = np.maximum(bounds[:2], bounds_source[:2])
        bounds[3:5] = np.minimum(bounds[3:5], bounds_source[2:])
        # An extent beside the cloud: nothing will come, and the cube must still be one.
        bounds[3:] = np.maximum(bounds[:3], bounds[3:])
    return bounds
