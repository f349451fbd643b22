"""From a labelled crop to instructions: kinds are drawn by their shares, and what is not true here is drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inference_backend.training.instructions import attributes, ranks, relate, whole
from inference_backend.training.instructions.crop import (
    KINDS,
    Instruction,
    InstructionMix,
    LabelledCrop,
)
from inference_backend.training.instructions.reasoning import reasoning
from inference_backend.training.instructions.wording import Wording, sentence
from inference_backend.training.instructions.world import World

Maker = Callable[[World, Wording], list[Instruction]]
_TRIES = 5
_CAPITAL_SHARE = 0.15


def make_instructions(
    crop: LabelledCrop,
    rng: np.random.Generator,
    n: int,
    mix: InstructionMix | None = None,
    held_out: bool = False,
) -> list[Instruction]:
    """At most `n` instructions with different texts, each true of the crop; none where nothing is known of it.

    `held_out` uses the wordings and questions that training never sees. The same arguments give the same instructions.
    """
    world, say = World(crop), Wording(rng, held_out)
    if not world.present and not world.absent:
        return []
    shares = (mix or InstructionMix()).shares()
    made: list[Instruction] = []
    for _ in range(_TRIES * n):
        if len(made) >= n:
            break
        kind = KINDS[int(rng.choice(len(KINDS), p=shares))]
        for one in _made(kind, world, say, n - len(made)):
            if all(one.text != other.text for other in made):
                made.append(one)
    if not made:
        made = whole.class_(world, say) or whole.absent(world, say)
    return [_typed(one, say) for one in made]


def _made(kind: str, world: World, say: Wording, room: int) -> list[Instruction]:
    """Instructions of one kind, at most `room`; what comes out untrue or unclear is tried once more."""
    for _ in range(2):
        made = _pair(world, say) if kind == "pair" else _maker(kind, say)(world, say)
        if made:
            return made[:room] if kind == "pair" else made[:1]
    return []


def _maker(kind: str, say: Wording) -> Maker:
    if kind == "absent":
        return attributes.absent_colour if say.chance(0.15) else whole.absent
    if kind == "negation":
        return say.pick((whole.all_but, ranks.all_but_one, attributes.not_colour))
    return _MAKERS[kind]


def _pair(world: World, say: Wording) -> list[Instruction]:
    """Two texts that differ in one word and give different masks, in random order."""
    maker: Maker = say.pick((ranks.superlative, relate.beside, whole.region))
    twins = maker(world, say)
    if len(twins) < 2 or np.array_equal(twins[0].mask, twins[1].mask):
        return []
    twins = [replace(one, kind="pair") for one in twins]
    return twins if say.chance(0.5) else twins[::-1]


def _typed(one: Instruction, say: Wording) -> Instruction:
    """Some texts begin with a capital letter, as people type."""
    return replace(one, text=sentence(one.text)) if say.chance(_CAPITAL_SHARE) else one


_MAKERS: dict[str, Maker] = {
    "class": whole.class_,
    "several": whole.several,
    "attribute": attributes.attribute,
    "relation": relate.relation,
    "superlative": ranks.superlative,
    "ordinal": ranks.ordinal,
    "region": whole.region,
    "question": whole.question,
    "reasoning": reasoning,
}
