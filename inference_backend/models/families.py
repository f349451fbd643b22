"""Which kind of model a file or folder of weights is, told without loading it."""

from __future__ import annotations

import zipfile
from pathlib import Path

UNIGEOSEG, UNIGEOSEG_FULL, SAM, OPENCLIP = "unigeoseg", "unigeoseg-full", "sam", "openclip"
CITYSEG = "cityseg"
"""The family of point-cloud models; all others look at images."""
IMAGES, CLOUDS = "images", "point clouds"
_HEAD_BYTES = 1 << 20
# Names that every CLIP of OpenAI's design has, as whole names or as names of parts.
_CLIP_PARTS = (b"token_embedding", b"visual")


def family_of(path: Path) -> str:
    """SAM's and CLIP's own files are PyTorch's; ours are safetensors; the full UniGeoSeg is a folder. Names in them tell."""
    if path.is_dir():
        return UNIGEOSEG_FULL
    if not path.is_file():
        return SAM
    head = _names_in(path)
    if b'"cityseg-cloud-' in head:
        return CITYSEG
    if all(part in head for part in _CLIP_PARTS):
        return OPENCLIP
    if path.suffix.lower() != ".safetensors" or b'"image_encoder.pos_embed"' in head:
        return SAM
    return UNIGEOSEG


def kind_of(family: str) -> str:
    """What a family of models looks at: IMAGES or CLOUDS."""
    return CLOUDS if family == CITYSEG else IMAGES


def is_folder_of_weights(path: Path) -> bool:
    """Whether it looks like a model as published in a folder."""
    return path.is_dir() and (path / "config.json").is_file()


def _names_in(path: Path) -> bytes:
    """The part of the file that names its tensors."""
    try:
        if path.suffix.lower() != ".safetensors" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                listing = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
                with archive.open(listing) as stream:
                    return stream.read(_HEAD_BYTES)
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except (OSError, StopIteration, zipfile.BadZipFile):
        # A file that cannot be read is refused with its reason when it is loaded.
        return b""
