"""Instructions that tell objects of one class apart by what they are like: colour, size, roof, plan, surface."""

from __future__ import annotations

import numpy as np

from inference_backend.language.ontology import concept
from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.colours import COLOURS, WORDS
from inference_backend.training.instructions.crop import Instruction
from inference_backend.training.instructions.single import (
    group,
    inverse,
    noun_pair,
    set_instruction,
    those,
)
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import World

COLOURED = frozenset(
    [
        *("building", "car", "truck", "bus", "vehicle", "container", "boat", "ship", "tank"),
        *("tennis court", "basketball court", "sport field", "aircraft", "greenhouse", "train"),
        "field",
    ]
)
"""Concepts whose objects people tell apart by colour."""
_SIZES_M2 = (5, 10, 15, 20, 30, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 750, 1000)
_SIZES_M2 += (1500, 2000, 3000, 5000)
_DESCRIBED = {
    "building": (
        ("roof", phrases.ROOF_FORMS),
        ("material", phrases.MATERIALS),
        ("shape", phrases.SHAPES),
    ),
    "road": (("surface", phrases.SURFACES),),
}
"""What the generator says of its objects, and in which words."""


def attribute(world: World, say: Wording) -> list[Instruction]:
    """Colour, size, roof, material, plan or surface, in even shares of what there is."""
    makers = [colour, _size, _described]
    say.rng.shuffle(makers)
    for maker in makers:
        made = maker(world, say)
        if made:
            return made
    return []


def colour(world: World, say: Wording) -> list[Instruction]:
    """ "red buildings", "cars that are white"."""
    return _by_colour(world, say, negated=False)


def not_colour(world: World, say: Wording) -> list[Instruction]:
    """ "buildings that are not red"."""
    return _by_colour(world, say, negated=True)


def _by_colour(world: World, say: Wording, negated: bool) -> list[Instruction]:
    objects = group(world, say, among=COLOURED)
    if objects is None:
        return []
    truths = objects.colours
    usable = np.flatnonzero((truths == 1).any(0) & (truths == 0).any(0))
    if not usable.size:
        return []
    column = int(say.pick(usable))
    word = say.pick(WORDS.get(COLOURS[column], (COLOURS[column],)))
    frames = phrases.NOT_COLOURED if negated else phrases.COLOURED
    roofed = not negated and objects.concept.name == "building" and say.chance(0.4)
    if roofed:
        frames = phrases.COLOURED_ROOF
    one, many = noun_pair(objects.concept, say, without_roof=roofed)
    text = those(say.phrase(*frames).format(colour=word, many=many, one=one), say)
    told = inverse(truths[:, column]) if negated else truths[:, column]
    return set_instruction(objects, told, text, "negation" if negated else "attribute")


def absent_colour(world: World, say: Wording) -> list[Instruction]:
    """A colour that none of the objects has."""
    objects = group(world, say, 1, COLOURED)
    if objects is None or world.unknown_share(objects.concept) > 0.02:
        return []
    never = np.flatnonzero((objects.colours == 0).all(0))
    if not never.size:
        return []
    name = COLOURS[int(say.pick(never))]
    word = say.pick(WORDS.get(name, (name,)))
    text = say.phrase(*phrases.COLOURED).format(colour=word, many=say.pair(objects.concept)[1])
    mask = objects.mask(np.zeros(len(objects), bool))
    return [Instruction(text, "referring", mask, (objects.concept.name,), False, "absent")]


def _size(world: World, say: Wording) -> list[Instruction]:
    objects = group(world, say)
    if objects is None:
        return []
    area = objects.area_px * world.gsd_m**2
    fitting = [n for n in _SIZES_M2 if area.min() * 1.15 < n < area.max() * 0.87]
    if not fitting:
        return []
    limit = say.pick(fitting)
    told = facts.above(area, limit, max(0.07 * limit, 2 * world.gsd_m**2))
    # What the border cuts off may be larger than it looks.
    told[(told == 0) & objects.at_edge] = -1
    larger = say.chance(0.6)
    frames = phrases.LARGER if larger else phrases.SMALLER
    text = say.phrase(*frames).format(many=say.pair(objects.concept)[1], n=limit)
    told = told if larger else inverse(told)
    return set_instruction(objects, told, those(text, say), "attribute")


def _described(world: World, say: Wording) -> list[Instruction]:
    name = say.pick(tuple(_DESCRIBED))
    objects = world.objects(concept(name))
    if objects is None:
        return []
    key, words = say.pick(_DESCRIBED[name])
    said = [str(known.get(key, "")) for known in objects.attributes]
    values = sorted({value for value in said if value in words})
    if "" in said or not values:
        return []
    value = say.pick(values)
    told = np.array([known == value for known in said], np.int8)
    if key == "shape":
        # The border may hide the other wing.
        told[objects.at_edge] = -1
    _, many = noun_pair(objects.concept, say, without_roof=key in ("roof", "material"))
    text = those(say.pick(words[value]).format(many=many), say)
    return set_instruction(objects, told, text, "attribute", partial=name != "road")
