"""Choosing objects of one class, and asking for some of them or for one."""

from __future__ import annotations

import numpy as np

from inference_backend.language.ontology import Concept
from inference_backend.training.instructions import phrases
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.whole import choose
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World


def group(
    world: World, say: Wording, least: int = 2, among: frozenset[str] | None = None
) -> Objects | None:
    """The objects of a concept of which at least `least` can be told apart; None where there is none."""
    found = [
        known
        for known in world.visible
        if known.countable
        and (among is None or known.name in among)
        and world.instance_count(known) >= least
    ]
    for of in choose(found, say, len(found)):
        objects = world.objects(of)
        if objects is not None and len(objects) >= least:
            return objects
    return None


def set_instruction(
    objects: Objects, told: np.ndarray, text: str, kind: str, partial: bool = True
) -> list[Instruction]:
    """The objects of verdict 1, unless none (or, if `partial`, all) of them are, or more are in doubt than sure."""
    yes, maybe = told == 1, told == -1
    sure_px = int(objects.area_px[yes].sum())
    if sure_px < LEAST_PX or int(objects.area_px[maybe].sum()) > 2 * sure_px:
        return []
    if partial and not (told == 0).any():
        return []
    mask = objects.mask(yes, maybe)
    return [Instruction(text, "referring", mask, (objects.concept.name,), True, kind)]


def noun_pair(of: Concept, say: Wording, without_roof: bool) -> tuple[str, str]:
    """A pair of nouns; none that says "roof" where the phrase says it already."""
    for _ in range(6):
        one, many = say.pair(of)
        if not (without_roof and "roof" in one):
            return one, many
    return of.pairs[0]


def those(text: str, say: Wording) -> str:
    """The text as a request for all that it describes."""
    return say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT).format(x=text)


def the_one(objects: Objects, index: int, text: str, kind: str) -> Instruction:
    """An instruction whose target is one object."""
    yes = np.arange(len(objects)) == index
    mask = objects.mask(yes)
    return Instruction(text, "referring", mask, (objects.concept.name,), True, kind)


def inverse(told: np.ndarray) -> np.ndarray:
    """The verdict on the contrary."""
    return np.where(told == -1, -1, 1 - told).astype(np.int8)
