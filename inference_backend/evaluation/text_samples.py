"""One text with the mask it should give, whatever folder it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from inference_backend.errors import InvalidInput

Task = Literal["referring", "reasoning", "interactive"]
TASKS: tuple[Task, ...] = ("referring", "reasoning", "interactive")


class Truth(Protocol):
    """Where the true mask of a sample comes from; nothing is read before it is needed."""

    def read(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        """The mask bool (H, W) of an image of `shape`, and where pixels do not count (bool), if anywhere.

        Raises InvalidInput where the truth is unreadable or does not fit the image.
        """


@dataclass(frozen=True)
class TextSample:
    """A sentence about an image. `sentence` is its number among those of the same object, 0 the first.

    `kind` is a row of the report of its own: a class, a relation, whatever the data set calls it. `name` says in
    messages which entry this is. `gsd_m` is the image's ground resolution where its file does not say it.
    """

    image: Path
    text: str
    task: Task
    truth: Truth
    kind: str = ""
    name: str = ""
    sentence: int = 0
    gsd_m: float | None = None


@dataclass
class TextSet:
    """Samples of one folder. `faults` are the entries that were left out, a sentence each."""

    format: str
    folder: Path
    split: str
    samples: list[TextSample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def of(self, task: Task) -> list[TextSample]:
        """The samples of one task. Raises InvalidInput that says what there is instead."""
        chosen = [sample for sample in self.samples if sample.task == task]
        if chosen:
            return chosen
        if not self.samples:
            why = (
                f" The first of {len(self.faults)} faults: {self.faults[0]}" if self.faults else ""
            )
            raise InvalidInput(
                f"'{self.folder}' ({self.format}, split '{self.split}') holds no usable entry.{why}"
            )
        held = sorted({sample.task for sample in self.samples})
        others = " or ".join(f"'cityseg evaluate {name}'" for name in held)
        raise InvalidInput(
            f"'{self.folder}' ({self.format}) holds nothing for '{task}', only for {' and '.join(held)}; use {others}."
        )


def choose(samples: Sequence[TextSample], most: int | None, first_only: bool) -> list[TextSample]:
    """The samples to measure: first sentences only if asked; of more than `most`, a fixed even draw, in order."""
    kept = [sample for sample in samples if not (first_only and sample.sentence)]
    if most is not None and len(kept) > most:
        drawn = np.sort(np.random.default_rng(0).permutation(len(kept))[:most])
        kept = [kept[index] for index in drawn]
    return kept
