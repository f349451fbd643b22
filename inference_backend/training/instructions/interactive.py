"""Interactive instructions: a click, a box or a scribble on one object, at times with words."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference_backend.training.instructions.crop import Instruction, LabelledCrop
from inference_backend.training.instructions.single import group
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World

_WORDS = ("this {one}", "the {one} here", "this {one} only", "the {one} I point at")
_WORDS_HELD_OUT = ("the {one} under my marker", "exactly this {one}")
_WITH_WORDS = 0.4
_LEAST_PX = 40
_INSIDE = 0.9


@dataclass(frozen=True)
class Pointed:
    """An instruction (task "interactive" in files) with the prompt that goes with it.

    `kind` is point, box or scribble; `xy` pixels of the crop, corners of a box, vertices of a scribble.
    """

    instruction: Instruction
    kind: str
    xy: tuple[tuple[float, float], ...]


def interactive(
    crop: LabelledCrop, rng: np.random.Generator, n: int, held_out: bool = False
) -> list[Pointed]:
    """At most `n` prompts on different objects; the text is empty where there are no words."""
    world, say = World(crop), Wording(rng, held_out)
    made: list[Pointed] = []
    taken: set[bytes] = set()
    for _ in range(3 * n):
        objects = group(world, say, 1)
        if objects is None or len(made) == n:
            break
        index = int(rng.integers(len(objects)))
        if objects.area_px[index] < _LEAST_PX:
            continue
        mask = objects.mask(np.arange(len(objects)) == index)
        if (mask == 1).tobytes() in taken:
            continue
        taken.add((mask == 1).tobytes())
        kind, xy = _prompt(objects, index, mask == 1, say)
        words = ""
        if say.chance(_WITH_WORDS):
            one, _ = say.pair(objects.concept)
            words = say.phrase(_WORDS, _WORDS_HELD_OUT).format(one=one)
        named = (objects.concept.name,)
        made.append(
            Pointed(Instruction(words, "referring", mask, named, True, "interactive"), kind, xy)
        )
    return made


def _prompt(
    objects: Objects, index: int, inside: np.ndarray, say: Wording
) -> tuple[str, tuple[tuple[float, float], ...]]:
    kind = say.pick(("point", "point", "box", "scribble"))
    if kind == "box":
        x0, y0, x1, y1 = (float(value) for value in objects.boxes[index])
        return kind, ((x0, y0), (x1, y1))
    if kind == "scribble":
        line = _scribble(inside, say)
        if line is not None:
            return kind, line
    return "point", (_middle(inside, say, 0.5),)


def _middle(inside: np.ndarray, say: Wording, spread: float) -> tuple[float, float]:
    from inference_backend.training.prompt_simulation import central_click

    x, y = central_click(inside, say.rng, spread)
    return round(x, 1), round(y, 1)


def _scribble(inside: np.ndarray, say: Wording) -> tuple[tuple[float, float], ...] | None:
    """A line of three or four vertices along the object, None where it would leave it."""
    points = [_middle(inside, say, 0.7) for _ in range(int(say.rng.integers(3, 5)))]
    spans = np.ptp(np.array(points), axis=0)
    points.sort(key=lambda point: point[int(spans[1] > spans[0])])
    drawn = np.zeros(inside.shape, np.uint8)
    cv2.polylines(drawn, [np.floor(points).astype(np.int32)], False, 1)
    on_it = inside[drawn > 0].mean()
    return tuple(points) if on_it >= _INSIDE and spans.max() > 3 else None
