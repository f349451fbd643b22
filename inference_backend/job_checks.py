"""What can be known to be wrong with a job before a model is loaded and before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from inference_backend.errors import InvalidInput
from inference_backend.imagery.source import RasterSource
from inference_backend.prompt_files import PromptedObject
from inference_backend.vector.write import TargetProblem, files_of

# Around a prompt this far is looked for data.
_LOOK_PX = 256


def check_keeps_inputs(
    out: str | os.PathLike[str],
    mask: str | os.PathLike[str] | None,
    prompts: str | os.PathLike[str],
    raster_files: Iterable[str],
) -> None:
    """Raise TargetProblem where writing `out` or `mask` would replace what the job reads.

    A Shapefile is all its parts, a mosaic all its tiles.
    """
    read = [*files_of(Path(prompts)), *map(Path, raster_files)]
    for target in filter(None, (out, mask)):
        for written in files_of(Path(target)):
            if any(_is_same_file(written, path) for path in read):
                raise TargetProblem(
                    f"'{target}' is read by this job and would be lost; give the result another name."
                )


def check_prompts(objects: Sequence[PromptedObject], source: RasterSource) -> None:
    """Raise InvalidInput for a prompt wholly outside: a mistake of CRS or of file, never a wish."""
    for asked in objects:
        if not any(prompt.label for prompt in asked.prompts):
            raise InvalidInput(
                f"All prompts of object {asked.object_id} remove; give it one with label 1 that shows what is wanted."
            )
        for number, prompt in enumerate(asked.prompts, 1):
            xmin, ymin, xmax, ymax = prompt.bounds
            if xmax < 0 or ymax < 0 or xmin > source.width or ymin > source.height:
                raise InvalidInput(
                    f"Prompt {number} ({prompt.kind}) of object {asked.object_id} lies outside the raster, at column "
                    f"{xmin:.7g}, row {ymin:.7g} of {source.width} × {source.height}; check the file and its CRS."
                )


def check_data(objects: Sequence[PromptedObject], source: RasterSource) -> None:
    """Raise where not one prompt has data near it; a prompt in a gap of a sound raster gets an empty answer."""
    for asked in objects:
        for prompt in asked.prompts:
            xmin, ymin, xmax, ymax = prompt.bounds
            if source.has_data(xmin - _LOOK_PX, ymin - _LOOK_PX, xmax + _LOOK_PX, ymax + _LOOK_PX):
                return
    raise InvalidInput(
        f"'{source.path}' has no valid pixel near any prompt: every value is no-data or not a number."
    )


def _is_same_file(written: Path, read: Path) -> bool:
    """False also where either is no file yet, or a name that only GDAL understands."""
    try:
        return written.samefile(read)
    except (OSError, ValueError):
        return False
