"""What the shipped network loses when one part of its text half is switched off, without training it anew.

    .venv/bin/python scripts/switch_off.py HELD_OUT

HELD_OUT is what `cityseg train data --held-out` wrote. This says how much the trained network leans on a part; what a network would
do that never had it, say the runs of scripts/ablations.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inference_backend.evaluation.protocols import protocol_named  # noqa: E402
from inference_backend.evaluation.readers.folder import read_folder  # noqa: E402
from inference_backend.evaluation.text_report import summarise  # noqa: E402
from inference_backend.evaluation.text_run import evaluate_texts  # noqa: E402
from inference_backend.evaluation.text_segmenters import model_segmenter  # noqa: E402
from inference_backend.models import registry  # noqa: E402
from inference_backend.models.unigeoseg.text import TextBranch  # noqa: E402


def _without_tate(text: TextBranch) -> None:
    text.tate = None


def _without_memory(text: TextBranch) -> None:
    text.memory = None


VARIANTS: dict[str, tuple[Callable[[TextBranch], None], str, float]] = {
    "all parts and the executor": (lambda text: None, "auto", 0.5),
    "executor off": (lambda text: None, "network", 0.5),
    "executor and presence off": (lambda text: None, "network", 0.0),
    "executor and TATE off": (_without_tate, "network", 0.5),
    "executor and memory off": (_without_memory, "network", 0.5),
}


def main() -> int:
    """A line of JSON a variant."""
    found = read_folder(Path(sys.argv[1]), "auto", None)
    for name, (switch, path, presence) in VARIANTS.items():
        # A fresh one: a model remembers what it made of words.
        registry.release()
        model = registry.get("default-2d", "cpu")
        parts = model.net.decoder.text
        kept = parts.tate, parts.memory
        switch(parts)
        segmenter = model_segmenter(model, path, 0.5, presence)
        report = summarise(evaluate_texts(found.samples, segmenter, protocol_named("lisa")))
        parts.tate, parts.memory = kept
        tasks = {task: round(row["gIoU"], 3) for task, row in report["tasks"].items()}
        row = {"variant": name, "all": round(report["all"]["gIoU"], 3)} | tasks
        row["absent"] = report["all"].get("N_acc")
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
