"""Which format a folder has, and its samples."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers import (
    annotations,
    earthreason,
    geoseg_bench,
    refsegrs,
    rrsis_d,
)
from inference_backend.evaluation.text_samples import TextSet

# The surest sign first.
_READERS: tuple[ModuleType, ...] = (annotations, rrsis_d, refsegrs, earthreason, geoseg_bench)
FORMATS = {reader.FORMAT: reader for reader in _READERS}


def read_folder(folder: Path, name: str = "auto", split: str | None = None) -> TextSet:
    """The samples of a folder in the format of that name, or in the one it looks like.

    Raises InvalidInput for a folder that is missing, empty, of no known format, or without the split.
    """
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder; give the folder of a data set.")
    if name != "auto" and name not in FORMATS:
        raise InvalidInput(f"'{name}' is not a format; use auto, {', '.join(FORMATS)}.")
    for reader in _READERS if name == "auto" else (FORMATS[name],):
        root = reader.root_of(folder)
        if root is not None:
            return reader.read(root, split)
    if name != "auto":
        raise InvalidInput(f"'{folder}' is not {name}, which has {FORMATS[name].NEEDS}.")
    if not any(folder.iterdir()):
        raise InvalidInput(f"'{folder}' is empty; give the folder of a data set.")
    known = "; ".join(f"{reader.FORMAT}: {reader.NEEDS}" for reader in _READERS)
    raise InvalidInput(f"'{folder}' has no format that is known. Known are {known}.")
