"""GeoSeg-Bench (arXiv 2511.23332): folders of tasks, each with test.json, images, masks and a JSON of questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.readers.entries import (
    existing,
    fault,
    load_entries,
    load_json,
    sentences,
)
from inference_backend.evaluation.text_samples import Task, TextSample, TextSet
from inference_backend.evaluation.truths import MaskFile

FORMAT = "geoseg-bench"
NEEDS = "folders interactive, ref or reason with test.json, a list of {img, mask, json}"
# Its card says `interactive`, its evaluation code looks for `intera`.
_TASK_OF: dict[str, Task] = {
    "interactive": "interactive",
    "intera": "interactive",
    "ref": "referring",
    "reason": "reasoning",
}


def root_of(folder: Path) -> Path | None:
    """The folder of the tasks, or one task's folder."""
    if any(_lists(folder / name) for name in _TASK_OF):
        return folder
    lists = _lists(folder)
    return folder if lists and _is_list(lists[0]) else None


def _lists(folder: Path) -> list[Path]:
    return [p for name in ("test", "val", "train") if (p := folder / f"{name}.json").is_file()]


def _is_list(path: Path) -> bool:
    """Other formats have a file of that name too."""
    try:
        entries = load_entries(path)
    except InvalidInput:
        return False
    return (
        bool(entries)
        and isinstance(entries[0], dict)
        and {"img", "mask", "json"} <= set(entries[0])
    )


def read(root: Path, split: str | None) -> TextSet:
    """All tasks' entries of one split. Raises InvalidInput where no task has that split."""
    wanted = split or "test"
    found = TextSet(FORMAT, root, wanted)
    folders = [folder for name in _TASK_OF if (folder := root / name).is_dir()] or [root]
    lists = [path for folder in folders if (path := folder / f"{wanted}.json").is_file()]
    if not lists:
        raise InvalidInput(
            f"'{root}' has no {wanted}.json in {' or '.join(f.name for f in folders)}; choose --split by the files there."
        )
    for path in lists:
        for number, entry in enumerate(load_entries(path)):
            name = f"{path.parent.name}/{path.name} entry {number + 1}"
            try:
                found.samples += _samples(path.parent, entry, name)
            except InvalidInput as error:
                found.faults.append(fault(name, error))
    return found


def _samples(folder: Path, entry: Any, name: str) -> list[TextSample]:
    if not isinstance(entry, dict):
        raise InvalidInput("it is not an object with img, mask and json")
    # Names are below the task's folder, or below the folder of all tasks.
    places = [folder, folder.parent, folder.parent.parent]
    image, mask = existing(entry.get("img"), places), existing(entry.get("mask"), places)
    content = load_json(existing(entry.get("json"), places))
    if not isinstance(content, dict):
        raise InvalidInput("its JSON holds no question")
    task = _task(folder, str(entry["img"]))
    return [
        TextSample(image, text, task, MaskFile(mask), "", name, number)
        for number, text in enumerate(sentences(content.get("question")))
    ]


def _task(folder: Path, image: str) -> Task:
    """The task's folder says it, else the image's path, else it is reasoning, as the published code decides."""
    if folder.name in _TASK_OF:
        return _TASK_OF[folder.name]
    parts = Path(image.replace("\\", "/")).parts
    return next((_TASK_OF[part] for part in parts if part in _TASK_OF), "reasoning")
