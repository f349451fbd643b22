"""`cityseg train data`: images, labels and instructions in a folder, written so that it can be stopped and gone on with.

Every image has a record under `records/`, written last: an image without one is made again. The lists are joined from
the records at the end, and each is renamed into place. The format is in docs/instruction-data.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.training.instructions.crop import UNKNOWN, Instruction, LabelledCrop
from inference_backend.training.instructions.dataset_readme import readme
from inference_backend.training.instructions.interactive import Pointed, interactive
from inference_backend.training.instructions.make import make_instructions
from inference_backend.training.instructions.records import (
    decode_runs,
    image_row,
    instruction_row,
)
from inference_backend.training.instructions.sheet import write_sheets
from inference_backend.training.instructions.sources import Sample, real_windows, scenes
from inference_backend.training.instructions.weak import image_level

FORMAT = 1
_PLAN, _RECORDS = "plan.json", "records"
_FOLDERS = ("images", "instances", "leaves", "masks", _RECORDS)
_INTERACTIVE_SHARE = 0.25


@dataclass(frozen=True)
class DataPlan:
    """What to write. `held_out`: texts of the split "test" use wordings that training never says.

    `size_px` is the side of an image, `texts` the number of texts an image, a quarter of them prompts on objects.
    """

    scenes: int
    seed: int = 0
    held_out: bool = False
    size_px: int = 384
    texts: int = 12
    data: str | None = None

    def same_images(self) -> dict[str, Any]:
        """All but the number of scenes: more of them may be added to a folder."""
        return {"format": FORMAT, **{k: v for k, v in asdict(self).items() if k != "scenes"}}


def write_dataset(
    out: Path,
    plan: DataPlan,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write (or go on writing) the data set, and return its counts.

    Raises InvalidInput for a plan or a folder that cannot be used, Cancelled with all finished images kept.
    """
    cancel = cancel or CancelToken()
    _check(plan)
    _prepare(out, plan)
    for done, sample in enumerate(_samples(plan), 1):
        cancel.check()
        if not (out / _RECORDS / f"{sample.name}.json").exists():
            _write_sample(out, sample, plan)
        # How many windows the real sets give is known once they are read.
        share = 0.9 * min(done / max(plan.scenes, 1), 1.0)
        progress(share, f"{done} images, the last {sample.name}")
    cancel.check()
    progress(0.92, "joining the lists")
    counts = _join(out, plan)
    progress(0.95, "drawing the sheets")
    write_sheets(out)
    progress(1.0, f"{counts['images']} images, {counts['instructions']} instructions")
    return counts


def _check(plan: DataPlan) -> None:
    if plan.scenes < 0 or (plan.scenes == 0 and plan.data is None):
        raise InvalidInput("There is nothing to write: ask for at least one scene, or give --data.")
    if not 64 <= plan.size_px <= 2048:
        raise InvalidInput(f"Images are 64 to 2048 pixels a side, not {plan.size_px}.")
    if not 1 <= plan.texts <= 60:
        raise InvalidInput(f"An image has 1 to 60 texts, not {plan.texts}.")
    if not 0 <= plan.seed < 2**32:
        raise InvalidInput(f"The seed is a whole number from 0 to 4294967295, not {plan.seed}.")
    if plan.data is not None and not Path(plan.data).is_dir():
        raise InvalidInput(f"'{plan.data}' is no folder; give the folder of the real sets.")


def _prepare(out: Path, plan: DataPlan) -> None:
    """Make the folder, or see that it holds the same data set."""
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"'{out}' is a file; give a folder.")
    known = out / _PLAN
    if known.exists():
        try:
            before = json.loads(known.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidInput(f"'{known}' is damaged; use another folder.", str(error)) from error
        if before != plan.same_images():
            raise InvalidInput(
                f"'{out}' holds a data set made with other options ({_PLAN} says which); use those, or another folder."
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InvalidInput(f"'{out}' holds something else; use an empty or a new folder.")
    for folder in _FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write_text(known, json.dumps(plan.same_images(), indent=1) + "\n")


def _samples(plan: DataPlan) -> Iterator[Sample]:
    real: Iterator[Sample] = iter(())
    if plan.data is not None:
        real = real_windows(Path(plan.data), plan.seed, plan.size_px)
    return chain(scenes(plan.scenes, plan.seed, plan.size_px), real)


def _write_sample(out: Path, sample: Sample, plan: DataPlan) -> None:
    crop, about = sample.crop()
    rng = np.random.default_rng([plan.seed, crc32(sample.name.encode())])
    kept_back = plan.held_out and sample.split == "test"
    known = {"split": sample.split, "source": sample.source, "gsd_m": round(crop.gsd_m, 4)}
    made = _instructions(crop, sample, rng, plan.texts, kept_back)
    _write_png(out / "images" / f"{sample.name}.png", crop.rgb[..., ::-1])
    _write_png(out / "instances" / f"{sample.name}.png", crop.instances.astype(np.uint16))
    _write_png(out / "leaves" / f"{sample.name}.png", crop.leaves)
    rows = [
        instruction_row(number, sample.name, one, known, kept_back)
        for number, one in enumerate(made)
    ]
    for row in rows:
        if sample.split != "train" and row["mask"] is not None:
            _write_png(out / "masks" / f"{row['id'].replace('/', '_')}.png", _mask_of(row))
    record = {"image": image_row(sample.name, crop, {**known, **about}), "instructions": rows}
    _write_text(out / _RECORDS / f"{sample.name}.json", json.dumps(record, ensure_ascii=False))


def _instructions(
    crop: LabelledCrop, sample: Sample, rng: np.random.Generator, count: int, kept_back: bool
) -> list[Instruction | Pointed]:
    present, absent = sample.weak
    made: list[Instruction | Pointed] = [
        *image_level(crop.leaves.shape, present, absent, rng, min(count, 6), kept_back)
    ]
    pointed = interactive(crop, rng, round(count * _INTERACTIVE_SHARE), kept_back)
    made += make_instructions(crop, rng, count - len(pointed) - len(made), held_out=kept_back)
    return made + pointed


def _mask_of(row: dict[str, Any]) -> np.ndarray:
    """uint8 (H, W): 1 target, 255 unknown."""
    mask = decode_runs(row["mask"]).astype(np.uint8)
    if row["ignore"] is not None:
        mask[decode_runs(row["ignore"])] = UNKNOWN
    return mask


def _join(out: Path, plan: DataPlan) -> dict[str, Any]:
    """instructions.jsonl, images.jsonl, annotations.json and README.md from the records."""
    instructions, images, annotations = [], [], []
    counts: dict[str, Counter[str]] = {"split": Counter(), "task": Counter(), "kind": Counter()}
    sources: Counter[str] = Counter()
    for path in sorted((out / _RECORDS).glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        images.append(json.dumps(record["image"], ensure_ascii=False))
        sources[record["image"]["source"]] += 1
        for row in record["instructions"]:
            instructions.append(json.dumps(row, ensure_ascii=False))
            for key, counter in counts.items():
                counter[row[key]] += 1
            if row["split"] != "train" and row["mask"] is not None and row["task"] != "interactive":
                annotations.append(_annotation(row))
    _write_text(out / "instructions.jsonl", "".join(line + "\n" for line in instructions))
    _write_text(out / "images.jsonl", "".join(line + "\n" for line in images))
    _write_text(out / "annotations.json", json.dumps(annotations, ensure_ascii=False, indent=0))
    summary = {
        "images": len(images),
        "instructions": len(instructions),
        "sources": dict(sources),
        **{key: dict(counter.most_common()) for key, counter in counts.items()},
    }
    _write_text(out / "README.md", readme(summary, plan.held_out))
    return summary


def _annotation(row: dict[str, Any]) -> dict[str, Any]:
    """An entry that `cityseg evaluate text` reads."""
    mask = {"mask": f"masks/{row['id'].replace('/', '_')}.png", "value": 1, "ignore": UNKNOWN}
    kept = {key: row[key] for key in ("image", "text", "task", "kind", "split", "gsd_m")}
    return {**kept, **mask}


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _write_png(path: Path, image: np.ndarray) -> None:
    coded, data = cv2.imencode(".png", np.ascontiguousarray(image))
    if not coded:
        raise ResourceProblem(f"'{path}' could not be encoded as PNG.")
    part = path.with_name(path.name + ".part")
    part.write_bytes(data.tobytes())
    part.replace(path)
