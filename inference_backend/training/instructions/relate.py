"""Instructions about objects and what is around them: near, on, in, between, beyond, left of, north of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference_backend.language.ontology import Concept, concept
from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.single import (
    group,
    inverse,
    set_instruction,
    the_one,
)
from inference_backend.training.instructions.whole import choose
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World

_LIMITS_M = (3, 5, 8, 10, 15, 20, 25, 30, 40, 50)
_NEXT_M, _NEAR_M, _FAR_M = (2.5, 7.0), (10.0, 22.0), (25.0, 45.0)
"""Metres up to which it surely is, and from which it surely is not; far: surely not, surely."""
_ON = {
    "car": ("road", "parking lot", "bridge"),
    "vehicle": ("road", "parking lot", "bridge"),
    "truck": ("road", "parking lot"),
    "bus": ("road", "parking lot"),
    "boat": ("water", "river", "lake", "sea"),
    "aircraft": ("runway", "taxiway", "paved ground"),
    "solar array": ("building",),
    "train": ("railway",),
}
_IN = {
    "building": ("vegetation", "field", "grass", "bare ground"),
    "tree": ("grass", "field", "bare ground", "paved ground"),
    "pool": ("grass", "lawn", "paved ground"),
    "boat": ("water",),
    "tank": ("bare ground", "paved ground", "grass"),
    "wind turbine": ("field", "grass"),
    "helipad": ("grass", "paved ground"),
    "tennis court": ("grass", "paved ground"),
}


def relation(world: World, say: Wording) -> list[Instruction]:
    """One relation of any sort."""
    makers = [_near, _near, _within, _within, _on_or_in, _beside, _between, _nearest]
    say.rng.shuffle(makers)
    for maker in makers[:4]:
        made = maker(world, say)
        if made:
            return made
    return []


def landmark(world: World, of: Concept, say: Wording) -> Concept | None:
    """Another concept that is here and known well: what objects of `of` can be placed by."""
    found = [
        known
        for known in world.visible
        if not {*known.covers, *known.unsure} & set(of.covers)
        and not set(of.unsure) & set(known.covers)
        and known.name not in ("impervious surface", "open ground", "landing place", "airfield")
        and world.unknown_share(known) < 0.12
        and (world.mask(known) == 1).mean() < 0.4
    ]
    picked = choose(found, say)
    return picked[0] if picked else None


def _gaps(world: World, say: Wording) -> tuple[Objects, Concept, np.ndarray] | None:
    """Objects, another concept that is here, and the metres (N,) between."""
    objects = group(world, say)
    other = None if objects is None else landmark(world, objects.concept, say)
    if objects is None or other is None:
        return None
    return objects, other, facts.gap_m(objects, world.mask(other) == 1, world.gsd_m)


def _near(world: World, say: Wording) -> list[Instruction]:
    """ "buildings next to water", "trees far from the road"."""
    found = _gaps(world, say)
    if found is None:
        return []
    objects, other, gap = found
    frames, (low, high) = say.pick(
        ((phrases.NEXT_TO, _NEXT_M), (phrases.NEAR, _NEAR_M), (phrases.FAR, _FAR_M))
    )
    if frames is phrases.FAR:
        told = facts.verdict(gap > high, gap > low)
    else:
        told = facts.verdict(gap <= low, gap < high)
    return _placed(objects, told, say.phrase(*frames), other, say)


def _within(world: World, say: Wording) -> list[Instruction]:
    """ "cars within 10 m of a building", "houses more than 20 m from a road"."""
    found = _gaps(world, say)
    if found is None:
        return []
    objects, other, gap = found
    slack = 2 * world.gsd_m
    usable = [n for n in _LIMITS_M if (gap < n - slack).any() and (gap > n + slack).any()]
    if not usable:
        return []
    limit = say.pick(usable)
    told = facts.above(gap, limit, max(slack, 0.06 * limit))
    beyond = say.chance(0.35)
    frame = say.phrase(*(phrases.BEYOND if beyond else phrases.WITHIN))
    told = told if beyond else inverse(told)
    return _placed(objects, told, frame.replace("{n}", str(limit)), other, say)


def _placed(
    objects: Objects, told: np.ndarray, frame: str, other: Concept, say: Wording
) -> list[Instruction]:
    """ "{many} next to {ref}", asked for in one of many ways."""
    _, many = say.pair(objects.concept)
    text = f"{many} {frame.format(ref=say.reference(other))}"
    text = say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT).format(x=text)
    made = set_instruction(objects, told, text, "relation")
    return [replace(one, concepts=(objects.concept.name, other.name)) for one in made]


def _on_or_in(world: World, say: Wording) -> list[Instruction]:
    """ "cars on the road", "trees in the meadow"."""
    objects = group(world, say, 1, frozenset([*_ON, *_IN]))
    if objects is None:
        return []
    here = {known.name for known in world.visible}
    name = objects.concept.name
    grounds = [(ground, phrases.ON) for ground in _ON.get(name, ()) if ground in here]
    grounds += [(ground, phrases.IN) for ground in _IN.get(name, ()) if ground in here]
    if not grounds:
        return []
    ground, frames = say.pick(grounds)
    told = facts.stands_on(objects, world.mask(concept(ground)))
    return _placed(objects, told, say.phrase(*frames), concept(ground), say)


def beside(world: World, say: Wording) -> list[Instruction]:
    """ "buildings left of the pool", with its twin "buildings right of the pool"."""
    objects = group(world, say, 1)
    single = None if objects is None else _single(world, objects.concept, say)
    if objects is None or single is None:
        return []
    other, box = single
    one, many = say.pair(other)[0], say.pair(objects.concept)[1]
    frame = say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT)
    direction = say.pick(tuple(phrases.DIRECTIONS))
    number = int(say.rng.integers(8))
    made = []
    for where in (direction, phrases.OPPOSITE_DIRECTION[direction]):
        told = facts.side_of(objects, where, box)
        known = phrases.DIRECTIONS[where][int(say.held_out)]
        text = f"{many} {known[number % len(known)].format(ref='the ' + one)}"
        found = set_instruction(objects, told, frame.format(x=text), "relation")
        made += [replace(told_of, concepts=(objects.concept.name, other.name)) for told_of in found]
    return made


def _beside(world: World, say: Wording) -> list[Instruction]:
    return beside(world, say)[:1]


def _single(
    world: World, of: Concept, say: Wording, without: str = ""
) -> tuple[Concept, np.ndarray] | None:
    """A concept, not `without`, of which there is exactly one, well seen, with its box: a landmark for `of`."""
    found = []
    for known in world.visible:
        if known.name == without or not known.countable or set(known.covers) & set(of.covers):
            continue
        objects = world.objects(known) if world.instance_count(known) == 1 else None
        if objects is None or len(objects) != 1 or objects.area_px[0] < 2 * LEAST_PX:
            continue
        if (objects.boxes[0, 2:] - objects.boxes[0, :2]).max() < 0.5 * world.side:
            found.append((known, objects.boxes[0]))
    return say.pick(found) if found else None


def _between(world: World, say: Wording) -> list[Instruction]:
    """ "the trees between the pool and the tank"."""
    objects = group(world, say)
    first = None if objects is None else _single(world, objects.concept, say)
    if objects is None or first is None:
        return []
    second = _single(world, objects.concept, say, first[0].name)
    if second is None or set(first[0].covers) & set(second[0].covers):
        return []
    middles = [(box[:2] + box[2:]) / 2 for _, box in (first, second)]
    told = facts.between(objects, *middles)
    refs = ["the " + say.pair(known)[0] for known, _ in (first, second)]
    frame = say.phrase(*phrases.BETWEEN).format(ref=refs[0], ref2=refs[1])
    text = f"the {say.pair(objects.concept)[1]} {frame}"
    names = (objects.concept.name, first[0].name, second[0].name)
    made = set_instruction(objects, told, text, "relation")
    return [replace(one, concepts=names) for one in made]


def _nearest(world: World, say: Wording) -> list[Instruction]:
    """ "the building nearest to the water"."""
    found = _gaps(world, say)
    if found is None:
        return []
    objects, other, gap = found
    key = say.pick(("nearest", "farthest"))
    away_px = gap / world.gsd_m
    clear = facts.ranking(away_px if key == "farthest" else -away_px, objects, size=False)
    if clear is None or len(objects) < 2:
        return []
    one, many = say.pair(objects.concept)
    words = say.phrase(*phrases.SUPERLATIVES[key])
    words = words.format(one=one, many=many, ref=say.reference(other))
    text = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT).format(x=words)
    made = the_one(objects, clear[0], text, "relation")
    return [replace(made, concepts=(objects.concept.name, other.name))]
