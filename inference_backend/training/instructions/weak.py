"""Instructions for images of which only the contents are known, not the places."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from inference_backend.language.ontology import concept
from inference_backend.training.instructions.crop import UNKNOWN, Instruction
from inference_backend.training.instructions.whole import words_for_all
from inference_backend.training.instructions.wording import Wording

_QUESTION_SHARE = 0.25


def image_level(
    shape: tuple[int, int],
    present: Iterable[str],
    absent: Iterable[str],
    rng: np.random.Generator,
    n: int,
    held_out: bool = False,
) -> list[Instruction]:
    """At most `n` instructions, half about what is there (its mask is 255 everywhere), half about what is surely not.

    `present` and `absent` are concept names, `shape` (rows, cols) of the image.
    """
    say = Wording(rng, held_out)
    made = []
    for names, there in ((sorted(present), True), (sorted(absent), False)):
        rng.shuffle(names)
        for name in names[: (n + there) // 2]:
            known = concept(name)
            asked = bool(known.questions) and say.chance(_QUESTION_SHARE)
            text = (
                say.phrase(known.questions, known.held_out_questions or known.questions)
                if asked
                else words_for_all(known, say)
            )
            mask = np.full(shape, UNKNOWN if there else 0, np.uint8)
            task = "reasoning" if asked else "referring"
            made.append(Instruction(text, task, mask, (name,), there, "image"))
    return made
