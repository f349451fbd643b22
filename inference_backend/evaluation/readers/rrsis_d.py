"""RRSIS-D (arXiv 2312.12470, "RMSIN"): expressions in refs(unc), masks in instances.json, images in JPEGImages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.entries import existing, fault, load_json, sentences
from inference_backend.evaluation.readers.plain_values import read_plain_values
from inference_backend.evaluation.text_samples import TextSample, TextSet, Truth
from inference_backend.evaluation.truths import RunLengths, parse_polygons

FORMAT = "rrsis-d"
NEEDS = "rrsisd/instances.json, rrsisd/refs(unc).p (or .json) and images/rrsisd/JPEGImages"
_NESTED = ("", "RRSIS-D", "rs_ref_seg/RRSIS-D")
_EXPRESSIONS = ("refs(unc).json", "refs(unc).p")


def root_of(folder: Path) -> Path | None:
    """The folder of `rrsisd` and `images`, or the one above it, or `rrsisd` itself."""
    places = [folder / name for name in _NESTED]
    if folder.name == "rrsisd":
        places.append(folder.parent)
    return next((p for p in places if (p / "rrsisd" / "instances.json").is_file()), None)


def read(root: Path, split: str | None) -> TextSet:
    """One sample a sentence. Raises InvalidInput for lists that are unreadable or lack the split."""
    wanted = split or "test"
    expressions = _expressions(root / "rrsisd")
    tables = _Tables(root / "rrsisd" / "instances.json")
    found = TextSet(FORMAT, root, wanted)
    splits: set[str] = set()
    for number, entry in enumerate(expressions):
        name = f"expression {number + 1}"
        its_split = str(entry.get("split", "")) if isinstance(entry, dict) else ""
        splits.add(its_split)
        if isinstance(entry, dict) and not its_split.startswith(wanted):
            continue
        try:
            found.samples += _samples(root, entry, tables, name)
        except InvalidInput as error:
            found.faults.append(fault(name, error))
    if not found.samples and not found.faults:
        there = " or ".join(sorted(splits - {""})) or "another"
        raise InvalidInput(f"'{root}' has no split '{wanted}'; choose --split {there}.")
    return found


def _expressions(folder: Path) -> list[Any]:
    path = next((p for name in _EXPRESSIONS if (p := folder / name).is_file()), None)
    if path is None:
        raise InvalidInput(f"'{folder}' has no 'refs(unc).p'; copy it there as it is published.")
    content = load_json(path) if path.suffix == ".json" else read_plain_values(path)
    if not isinstance(content, list):
        raise InvalidInput(f"'{path}' is not a list of expressions.")
    return content


class _Tables:
    """instances.json by its numbers: images, annotations, categories."""

    def __init__(self, path: Path) -> None:
        content = load_json(path)
        if not isinstance(content, dict):
            raise InvalidInput(f"'{path}' is not a COCO file with images and annotations.")
        self.images, self.annotations, self.categories = (
            _by_id(content.get(key)) for key in ("images", "annotations", "categories")
        )


def _by_id(rows: Any) -> dict[Any, dict[str, Any]]:
    if not isinstance(rows, list):
        return {}
    return {
        row["id"]: row
        for row in rows
        if isinstance(row, dict) and type(row.get("id")) in (int, str)
    }


def _samples(root: Path, entry: Any, tables: _Tables, name: str) -> list[TextSample]:
    if not isinstance(entry, dict):
        raise InvalidInput("it is not an expression")
    image_row = tables.images.get(_key(entry, "image_id"), {})
    file_name = image_row.get("file_name") or entry.get("file_name")
    image = existing(file_name, [root / "images" / "rrsisd" / "JPEGImages"])
    annotation = tables.annotations.get(_key(entry, "ann_id"))
    if annotation is None:
        raise InvalidInput("instances.json has no annotation of its number")
    category = tables.categories.get(_key(entry, "category_id"), {})
    said = entry.get("sentences")
    rows = said if isinstance(said, (list, tuple)) else []
    texts = [row.get("raw") or row.get("sent") for row in rows if isinstance(row, dict)]
    truth = _truth(annotation.get("segmentation"))
    return [
        TextSample(image, text, "referring", truth, str(category.get("name", "")), name, number)
        for number, text in enumerate(sentences(texts))
    ]


def _key(entry: dict[str, Any], name: str) -> Any:
    value = entry.get(name)
    return value if isinstance(value, (int, str)) else None


def _truth(segmentation: Any) -> Truth:
    """A list of run lengths, as published, or one of them; or polygons, which COCO's own tools allow."""
    if isinstance(segmentation, dict):
        return RunLengths((segmentation,))
    if isinstance(segmentation, list) and segmentation:
        if all(isinstance(part, dict) for part in segmentation):
            return RunLengths(tuple(segmentation))
        return parse_polygons(segmentation)
    raise InvalidInput("its annotation has no mask")
