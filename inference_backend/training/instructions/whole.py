"""Instructions about whole classes: one, several, all but one, part of the view, a question, and what is not there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference_backend.language.ontology import Concept
from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.crop import LEAST_PX, UNKNOWN, Instruction
from inference_backend.training.instructions.wording import Wording, one_of_many, with_article
from inference_backend.training.instructions.world import World

# Wide concepts are nearly everywhere; asked evenly they would crowd out what people ask for.
_WEIGHT = {
    **{"impervious surface": 0.25, "open ground": 0.35, "landing place": 0.35, "airfield": 0.5},
    **{"vegetation": 0.7, "paved ground": 0.5, "building": 2.0, "road": 1.6, "tree": 1.6},
    **{"solar array": 1.5, "water": 1.2},
}
_SINGULAR_SHARE, _QUESTION_FOR_ABSENT, _NEARLY_ALL = 0.22, 0.25, 0.97


def choose(found: Sequence[Concept], say: Wording, count: int = 1) -> list[Concept]:
    """`count` different concepts, the common words more often; fewer where there are fewer."""
    if not found:
        return []
    weights = np.array([_WEIGHT.get(known.name, 1.0) for known in found])
    picks = say.rng.choice(
        len(found), min(count, len(found)), replace=False, p=weights / weights.sum()
    )
    return [found[int(index)] for index in picks]


def words_for_all(of: Concept, say: Wording) -> str:
    """One of many ways to ask for a class."""
    many, one = say.all_of(of)
    if one is not None and say.chance(_SINGULAR_SHARE):
        frame = say.phrase(phrases.EACH, phrases.EACH_HELD_OUT)
        return frame.format(one=one, a_one=with_article(one))
    # A text for tests has a noun or a phrase that training never says, often both.
    kept_back = say.held_out and (many not in of.held_out or say.chance(0.5))
    frame = say.pick(phrases.ALL_HELD_OUT if kept_back else phrases.ALL)
    if one is None and " are " in frame:
        frame = "{all}"
    return frame.format(all=many)


def class_(world: World, say: Wording) -> list[Instruction]:
    """ "all buildings"."""
    return [
        Instruction(
            words_for_all(of, say), "referring", world.mask(of).copy(), (of.name,), True, "class"
        )
        for of in choose(world.visible, say)
    ]


def several(world: World, say: Wording) -> list[Instruction]:
    """ "cars and trucks": two or three classes that do not contain each other."""
    chosen: list[Concept] = []
    for of in choose(world.visible, say, 6):
        apart = all(not set(of.covers) & {*other.covers, *other.unsure} for other in chosen)
        if apart and len(chosen) < (3 if say.chance(0.25) else 2):
            chosen.append(of)
    if len(chosen) < 2:
        return []
    mask = union([world.mask(of) for of in chosen])
    if (mask == 1).mean() > _NEARLY_ALL:
        return []
    names = [say.all_of(of)[0] for of in chosen]
    text = (
        ", ".join(names) if say.chance(0.2) else one_of_many(names, say.pick(("and", "or", "and")))
    )
    frame = say.phrase(phrases.SEVERAL, phrases.SEVERAL_HELD_OUT)
    return [
        Instruction(
            frame.format(all=text),
            "referring",
            mask,
            tuple(of.name for of in chosen),
            True,
            "several",
        )
    ]


def union(masks: Sequence[np.ndarray]) -> np.ndarray:
    """uint8 (S, S): 1 where any is, else 255 where any may be."""
    yes = np.logical_or.reduce([mask == 1 for mask in masks])
    maybe = np.logical_or.reduce([mask == UNKNOWN for mask in masks])
    return np.where(yes, 1, np.where(maybe, UNKNOWN, 0)).astype(np.uint8)


def all_but(world: World, say: Wording) -> list[Instruction]:
    """ "everything except buildings"."""
    for of in choose(world.visible, say):
        mask = world.mask(of)
        rest = np.where(mask == UNKNOWN, UNKNOWN, 1 - mask.clip(0, 1)).astype(np.uint8)
        if (rest == 1).mean() < 0.05 or world.unknown_share(of) > 0.3:
            return []
        text = say.phrase(*phrases.ALL_BUT).format(all=say.all_of(of)[0])
        return [Instruction(text, "referring", rest, (of.name,), True, "negation")]
    return []


def region(world: World, say: Wording) -> list[Instruction]:
    """ "the trees in the upper left", with its twin of the opposite side."""
    for of in choose(world.visible, say):
        name = say.pick(tuple(facts.REGIONS))
        noun = say.all_of(of)[0]
        frame = say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT)
        number = int(say.rng.integers(8))
        made = []
        for place in (name, facts.OPPOSITE.get(name)):
            mask = _mask_in(world, of, place) if place else None
            if mask is None or (mask == 1).sum() < LEAST_PX:
                continue
            # Lists of opposite sides run parallel: the twin says the same of the other side.
            known = phrases.REGIONS[place][int(say.held_out)]
            text = frame.format(x=f"{noun} {known[number % len(known)]}")
            made.append(Instruction(text, "referring", mask, (of.name,), True, "region"))
        return made
    return []


def _mask_in(world: World, of: Concept, place: str) -> np.ndarray | None:
    """The class within a part of the view; whole objects where it has any. None where nothing is left out."""
    objects = world.objects(of)
    if objects is None or len(objects) < 2:
        mask = facts.region_mask(world.mask(of), place)
    else:
        where = facts.region_verdict(objects, place)
        mask = objects.mask(where == 1, where == -1)
    inside, whole = int((mask == 1).sum()), int((world.mask(of) == 1).sum())
    doubtful = (mask == UNKNOWN).mean() - world.unknown_share(of)
    if whole - inside < LEAST_PX or doubtful * mask.size > inside:
        return None
    return mask


def question(world: World, say: Wording) -> list[Instruction]:
    """A question of the ontology about something that is here."""
    for of in choose([known for known in world.visible if known.questions], say):
        text = say.phrase(of.questions, of.held_out_questions or of.questions)
        mask = world.mask(of).copy()
        return [Instruction(text, "reasoning", mask, (of.name,), True, "question")]
    return []


def absent(world: World, say: Wording) -> list[Instruction]:
    """A class that is surely not here, asked for by name or by a question."""
    if not world.absent:
        return []
    of = say.pick(world.absent)
    mask = np.zeros(world.crop.leaves.shape, np.uint8)
    mask[world.crop.leaves == UNKNOWN] = UNKNOWN
    if of.questions and say.chance(_QUESTION_FOR_ABSENT):
        text = say.phrase(of.questions, of.held_out_questions or of.questions)
        return [Instruction(text, "reasoning", mask, (of.name,), False, "absent")]
    text = words_for_all(of, say)
    if say.chance(0.15):
        name = say.pick(tuple(facts.REGIONS))
        text = f"{say.all_of(of)[0]} {say.phrase(*phrases.REGIONS[name])}"
    return [Instruction(text, "referring", mask, (of.name,), False, "absent")]
