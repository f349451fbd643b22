"""A labelled cloud as a benchmark publishes it: points in chunks, with the data set's own codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.errors import InvalidInput

NO_CODE = -1
CHUNK_POINTS = 500_000
# What the sets call the same thing; the first that a file has counts.
_INTENSITY = ("intensity", "scalar_intensity", "reflectance", "scalar_reflectance", "amplitude")
_RETURN = ("return_number", "returnnumber", "echonumber", "echo_number", "return_num")
_RETURNS = ("number_of_returns", "numberofreturns", "numberofechos", "number_of_echos")
_RETURNS += ("numberofechoes", "num_returns", "numreturns")
_COLOURS = (("red", "r", "diffuse_red"), ("green", "g", "diffuse_green"))
_COLOURS += (("blue", "b", "diffuse_blue"),)
_LABELS = ("classification", "class", "sem_class", "scalar_classification", "scalar_class")
_LABELS += ("scalar_label", "label", "semantic_label")


@dataclass(frozen=True)
class LabelledChunk:
    """Some points of a cloud, (N,) each: `xyz` float64 (N, 3), `code` int16 (NO_CODE: without a label), `intensity` uint16,
    `returns` uint8 (N, 2) as number and number of, `rgb` uint16 (N, 3); None where the set has none.
    """

    xyz: np.ndarray
    code: np.ndarray
    intensity: np.ndarray | None = None
    returns: np.ndarray | None = None
    rgb: np.ndarray | None = None


@dataclass(frozen=True)
class LabelledCloud:
    """One cloud. `read` opens its files anew each time; `crs_wkt` is "" where nothing is known of it."""

    name: str
    paths: tuple[Path, ...]
    read: Callable[[], Iterable[LabelledChunk]]
    crs_wkt: str = ""

    def chunks(self) -> Iterator[LabelledChunk]:
        """Every point once. Raises InvalidInput where a file is broken."""
        yield from self.read()


def label_field(names: Iterable[str], wanted: tuple[str, ...]) -> str | None:
    """The field that holds the label: the first of `wanted`, or of the usual names where none is wanted."""
    there = {name.lower(): name for name in names}
    return next((there[one.lower()] for one in wanted or _LABELS if one.lower() in there), None)


def chunk_from(
    fields: Mapping[str, np.ndarray], label: str | None, intensity: str = "", code: int = NO_CODE
) -> LabelledChunk:
    """A chunk from columns by name; `code` where the label is not in the file. Raises InvalidInput for coordinates that are none."""
    there = {name.lower(): name for name in fields}
    xyz = np.stack([np.asarray(fields[there[axis]], np.float64) for axis in "xyz"], axis=1)
    if not np.isfinite(xyz).all():
        raise InvalidInput("Some coordinates are no numbers; take those points out first.")
    colours = [_first(there, names) for names in _COLOURS]
    returns = [_first(there, names) for names in (_RETURN, _RETURNS)]
    shine = _first(there, (intensity.lower(), *_INTENSITY))
    return LabelledChunk(
        xyz,
        codes_of(fields[label]) if label is not None else np.full(len(xyz), code, np.int16),
        None if shine is None else _sixteen_bits(fields[shine]),
        None
        if None in returns
        else np.stack([np.clip(fields[str(n)], 0, 15).astype(np.uint8) for n in returns], axis=1),
        None if None in colours else _rgb([np.asarray(fields[str(n)]) for n in colours]),
    )


def codes_of(values: np.ndarray) -> np.ndarray:
    """Labels of any number type as int16 (N,); what is no whole number from 0 to 255 has no code."""
    numbers = np.nan_to_num(np.asarray(values, np.float64), nan=NO_CODE)
    whole = (numbers >= 0) & (numbers <= 255) & (numbers == np.rint(numbers))
    return np.where(whole, numbers, NO_CODE).astype(np.int16)


def _first(there: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((there[name] for name in names if name in there), None)


def _sixteen_bits(values: np.ndarray) -> np.ndarray:
    """Any scale as uint16, the same for every chunk. Only the order counts: it is made into ranks."""
    if np.asarray(values).dtype.kind in "ui":
        return np.clip(values, 0, 65535).astype(np.uint16)
    numbers = np.nan_to_num(np.asarray(values, np.float64))
    # Decibels below nought, shares of one and 16 bits in one scale that is finest round nought.
    return np.clip(32768 + np.sign(numbers) * 2300 * np.log1p(np.abs(numbers)), 0, 65535).astype(
        np.uint16
    )


def _rgb(columns: list[np.ndarray]) -> np.ndarray:
    """8 or 16 bits, or shares of one, as 16 bits."""
    colour = np.stack([np.asarray(one, np.float64) for one in columns], axis=1)
    top = colour.max(initial=0)
    scale = 65535 if 0 < top <= 1 and columns[0].dtype.kind == "f" else 257 if top <= 255 else 1
    return np.clip(colour * scale, 0, 65535).astype(np.uint16)
