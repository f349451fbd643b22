"""EarthReason (arXiv 2504.09644): <split>/images, labels and QAs, files of the same name."""

from __future__ import annotations

from pathlib import Path

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.entries import (
    IMAGE_SUFFIXES,
    by_stem,
    fault,
    load_json,
    sentences,
)
from inference_backend.evaluation.text_samples import TextSample, TextSet
from inference_backend.evaluation.truths import MaskFile

FORMAT = "earthreason"
NEEDS = "folders train, val or test, each with images, labels and QAs"
_NESTED = ("", "EarthReason", "RSReasonSeg", "rs_reason_seg/RSReasonSeg")
_SPLITS = ("test", "val", "train")


def root_of(folder: Path) -> Path | None:
    """The folder of the splits, or the one above it as other projects lay it out, or one split."""
    for place in (folder / name for name in _NESTED):
        if any(_is_split(place / split) for split in _SPLITS) or _is_split(place):
            return place
    return None


def _is_split(folder: Path) -> bool:
    return (folder / "QAs").is_dir() and (folder / "images").is_dir()


def read(root: Path, split: str | None) -> TextSet:
    """One sample a question. Raises InvalidInput where the split is not there."""
    wanted = split or ("test" if not _is_split(root) else root.name)
    folder = root if _is_split(root) else root / wanted
    if not _is_split(folder):
        there = [name for name in _SPLITS if _is_split(root / name)]
        raise InvalidInput(
            f"'{root}' has no split '{wanted}'; choose --split {' or '.join(there)}."
        )
    images = by_stem(folder / "images", IMAGE_SUFFIXES)
    labels = by_stem(folder / "labels", (".png", ".tif"))
    found = TextSet(FORMAT, root, wanted)
    for stem, questions in by_stem(folder / "QAs", (".json", ".txt")).items():
        name = f"QAs/{questions.name}"
        try:
            found.samples += _samples(stem, questions, images, labels, name)
        except InvalidInput as error:
            found.faults.append(fault(name, error))
    return found


def _samples(
    stem: str, questions: Path, images: dict[str, Path], labels: dict[str, Path], name: str
) -> list[TextSample]:
    for place, files in (("images", images), ("labels", labels)):
        if stem not in files:
            raise InvalidInput(f"'{place}' has no file '{stem}'")
    content = load_json(questions)
    if not isinstance(content, dict):
        raise InvalidInput("it holds no questions")
    # An image without the thing asked for has an empty list of answers.
    kind = "absent" if content.get("answer") == [] else "present"
    truth = MaskFile(labels[stem])
    return [
        TextSample(images[stem], text, "reasoning", truth, kind, name, number)
        for number, text in enumerate(sentences(content.get("questions")))
    ]
