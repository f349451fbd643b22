"""A folder of `images/` and `masks/` with instance ids, read one image at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from inference_backend.errors import InvalidInput

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".vrt")
_MASK_ENDINGS = ("", "_mask", "_masks", "_label", "_labels", "_instances", "_inst")


@dataclass(frozen=True)
class ImagePair:
    """An image and the mask that goes with it."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class ObjectRecord:
    """One object of a pair: `number` is its id in the array that `read_instances` gives."""

    pair: ImagePair
    number: int
    pixels: int


def find_pairs(folder: Path) -> list[ImagePair]:
    """Images with their masks, by name. Raises InvalidInput that says what is missing."""
    images, masks = folder / "images", folder / "masks"
    for part in (images, masks):
        if not part.is_dir():
            raise InvalidInput(
                f"'{folder}' has no folder '{part.name}'; a data set has images/ and masks/ with the same file names."
            )
    by_stem = {path.stem: path for path in sorted(masks.iterdir()) if _is_image(path)}
    pairs = []
    for image in sorted(path for path in images.iterdir() if _is_image(path)):
        mask = next((by_stem[n] for e in _MASK_ENDINGS if (n := image.stem + e) in by_stem), None)
        if mask is not None:
            pairs.append(ImagePair(image, mask))
    if not pairs:
        raise InvalidInput(
            f"No image in '{images}' has a mask of the same name in '{masks}'; rename them so that they match."
        )
    return pairs


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def read_instances(path: Path, components: bool = False) -> np.ndarray:
    """Ids int32 (H, W), 0 where no object.

    One band holds ids. Three bands hold a colour per object, black none. A mask of two values (0 and another) and,
    with `components`, any mask is split into its connected parts, since one value then stands for many objects.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
        with dataset:
            bands = dataset.read([1, 2, 3] if dataset.count >= 3 else [1])
    except RasterioError as error:
        raise InvalidInput(
            f"The mask '{path}' cannot be read; is it damaged?", str(error)
        ) from error
    if not np.isfinite(bands).all() or (bands < 0).any():
        raise InvalidInput(f"The mask '{path}' has negative or missing values; ids are 0, 1, 2, …")
    bands = bands.astype(np.int64)
    values = bands[0] if len(bands) == 1 else (bands[0] << 16) | (bands[1] << 8) | bands[2]
    names, numbers = np.unique(values, return_inverse=True)
    ids = numbers.reshape(values.shape).astype(np.int32) + (0 if names[0] == 0 else 1)
    binary = len(names) <= 2 and names[-1] in (1, 255, 65_535, 0xFFFFFF)
    return split_components(ids) if components or binary else ids


def split_components(ids: np.ndarray) -> np.ndarray:
    """Every 8-connected part of every id as an id of its own."""
    out = np.zeros(ids.shape, np.int32)
    last = 0
    for number in np.unique(ids[ids > 0]):
        count, parts = cv2.connectedComponents((ids == number).astype(np.uint8), connectivity=8)
        out[parts > 0] = parts[parts > 0] + last
        last += count - 1
    return out


def list_objects(
    pairs: list[ImagePair], least_px: int, most: int | None = None, components: bool = False
) -> list[ObjectRecord]:
    """Objects of at least `least_px` pixels; `most` of them, drawn evenly over the set with a fixed seed, by image."""
    found = []
    for pair in pairs:
        counts = np.bincount(read_instances(pair.mask, components).ravel())
        counts[0] = 0
        found += [
            ObjectRecord(pair, int(number), int(counts[number]))
            for number in np.flatnonzero(counts >= max(least_px, 1))
        ]
    if not found:
        raise InvalidInput(
            f"The masks hold no object of {least_px} pixels or more; check that they are instance masks."
        )
    if most is not None and len(found) > most:
        kept = np.sort(np.random.default_rng(0).permutation(len(found))[:most])
        found = [found[index] for index in kept]
    return found


def by_image(records: list[ObjectRecord]) -> Iterator[tuple[ImagePair, list[ObjectRecord]]]:
    """Records grouped by their pair, in order."""
    groups: dict[ImagePair, list[ObjectRecord]] = {}
    for record in records:
        groups.setdefault(record.pair, []).append(record)
    yield from groups.items()
