"""RefSegRS (arXiv 2306.08625): images/ and masks/ of the same number, phrases in output_phrase_<split>.txt."""

from __future__ import annotations

import re
from pathlib import Path

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.entries import IMAGE_SUFFIXES, by_stem, fault
from inference_backend.evaluation.text_samples import TextSample, TextSet
from inference_backend.evaluation.truths import MaskFile

FORMAT = "refsegrs"
NEEDS = "images, masks and output_phrase_test.txt with a number and a phrase a line"
_NESTED = ("", "RefSegRS", "rs_ref_seg/RefSegRS")
_LINE = re.compile(r"(\d+)\s+(\S.*)")


def root_of(folder: Path) -> Path | None:
    """The folder of the phrases, or the one above it as other projects lay it out."""
    places = (folder / name for name in _NESTED)
    return next((place for place in places if any(place.glob("output_phrase_*.txt"))), None)


def read(root: Path, split: str | None) -> TextSet:
    """One sample a line. Raises InvalidInput where the split has no file."""
    wanted = split or "test"
    path = root / f"output_phrase_{wanted}.txt"
    if not path.is_file():
        there = sorted(
            p.stem.removeprefix("output_phrase_") for p in root.glob("output_phrase_*.txt")
        )
        raise InvalidInput(
            f"'{root}' has no split '{wanted}'; choose --split {' or '.join(there)}."
        )
    images, masks = (
        by_stem(root / "images", IMAGE_SUFFIXES),
        by_stem(root / "masks", IMAGE_SUFFIXES),
    )
    found = TextSet(FORMAT, root, wanted)
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name = f"{path.name} line {number}"
        try:
            found.samples.append(_sample(line, images, masks, name))
        except InvalidInput as error:
            found.faults.append(fault(name, error))
    return found


def _sample(line: str, images: dict[str, Path], masks: dict[str, Path], name: str) -> TextSample:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise InvalidInput("it is not a number and a phrase")
    key, phrase = match.groups()
    for place, files in (("images", images), ("masks", masks)):
        if key not in files:
            raise InvalidInput(f"'{place}' has no file '{key}'")
    return TextSample(images[key], phrase.strip(), "referring", MaskFile(masks[key]), "", name)
