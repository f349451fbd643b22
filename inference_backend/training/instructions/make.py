"""From a labelled crop to instructions: kinds are drawn by their shares, and what is not true here is drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inference_backend.training.instructions import relate, single, whole
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
    if kind == "pair":
        return _pair(world, say, room)
    if kind == "absent":
        maker = single.absent_colour if say.chance(0.15) else whole.absent
        return maker(world, say) or whole.absent(world, say)
    if kind == "negation":
        maker = whole.all_but if say.chance(0.4) else single.negation
        return maker(world, say)
    found = _MAKERS[kind](world, say)
    return [found[0]] if found else []


def _pair(world: World, say: Wording, room: int) -> list[Instruction]:
    """Two texts that differ in one word and give different masks; one of them where there is room for one."""
    maker: Maker = say.pick((single.superlative, relate.beside, whole.region))
    twins = maker(world, say)
    if len(twins) < 2 or np.array_equal(twins[0].mask, twins[1].mask):
        return []
    twins = [replace(one, kind="pair") for one in twins]
    return twins if room >= 2 else [say.pick(twins)]


def _typed(one: Instruction, say: Wording) -> Instruction:
    """Some texts begin with a capital letter, as people type."""
    return replace(one, text=sentence(one.text)) if say.chance(_CAPITAL_SHARE) else one


_MAKERS: dict[str, Maker] = {
    "class": whole.class_,
    "several": whole.several,
    "attribute": single.attribute,
    "relation": relate.relation,
    "superlative": single.superlative,
    "ordinal": single.ordinal,
    "region": whole.region,
    "question": whole.question,
    "reasoning": reasoning,
}
