"""Instructions about objects and what is around them: near, on, in, between, beyond, left of, north of."""

from __future__ import annotations

import numpy as np

from inference_backend.language.ontology import Concept, concept
from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.single import groups, set_instruction
from inference_backend.training.instructions.whole import choose, visible
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
        for known in visible(world)
        if not {*known.covers, *known.unsure} & set(of.covers)
        and not set(of.unsure) & set(known.covers)
        and known.name not in ("impervious surface", "open ground", "landing place", "airfield")
        and world.unknown_share(known) < 0.12
        and (world.mask(known) == 1).mean() < 0.4
    ]
    picked = choose(found, say)
    return picked[0] if picked else None


def _near(world: World, say: Wording) -> list[Instruction]:
    """ "buildings next to water", "trees far from the road"."""
    for of in choose(groups(world), say):
        other = landmark(world, of, say)
        objects = world.objects(of)
        if other is None or objects is None:
            return []
        gap = facts.gap_m(objects, world.mask(other) == 1, world.gsd_m)
        frames, (low, high) = say.pick(
            ((phrases.NEXT_TO, _NEXT_M), (phrases.NEAR, _NEAR_M), (phrases.FAR, _FAR_M))
        )
        if frames is phrases.FAR:
            told = facts.verdict(gap > high, gap > low)
        else:
            told = facts.verdict(gap <= low, gap < high)
        return _placed(objects, told, say.phrase(*frames), other, say)
    return []


def _within(world: World, say: Wording) -> list[Instruction]:
    """ "cars within 10 m of a building", "houses more than 20 m from a road"."""
    for of in choose(groups(world), say):
        other = landmark(world, of, say)
        objects = world.objects(of)
        if other is None or objects is None:
            return []
        gap = facts.gap_m(objects, world.mask(other) == 1, world.gsd_m)
        slack = 2 * world.gsd_m
        usable = [n for n in _LIMITS_M if (gap < n - slack).any() and (gap > n + slack).any()]
        if not usable:
            return []
        limit = say.pick(usable)
        told = facts.above(gap, limit, max(slack, 0.06 * limit))
        beyond = say.chance(0.35)
        if not beyond:
            told = np.where(told == -1, -1, 1 - told).astype(np.int8)
        frame = say.phrase(*(phrases.BEYOND if beyond else phrases.WITHIN))
        return _placed(objects, told, frame.replace("{n}", str(limit)), other, say)
    return []


def _placed(
    objects: Objects, told: np.ndarray, frame: str, other: Concept, say: Wording
) -> list[Instruction]:
    """ "{many} next to {ref}", asked for in one of many ways."""
    _, many = say.pair(objects.concept)
    text = f"{many} {frame.format(ref=say.reference(other))}"
    text = say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT).format(x=text)
    made = set_instruction(objects, told, text, "relation")
    return [
        Instruction(
            one.text, one.task, one.mask, (objects.concept.name, other.name), True, one.kind
        )
        for one in made
    ]


def _on_or_in(world: World, say: Wording) -> list[Instruction]:
    """ "cars on the road", "trees in the meadow"."""
    here = {known.name for known in visible(world)}
    able = [of for of in groups(world, 1) if of.name in _ON or of.name in _IN]
    for of in choose(able, say):
        grounds = [(name, phrases.ON) for name in _ON.get(of.name, ()) if name in here]
        grounds += [(name, phrases.IN) for name in _IN.get(of.name, ()) if name in here]
        objects = world.objects(of)
        if not grounds or objects is None:
            return []
        name, frames = say.pick(grounds)
        told = facts.stands_on(objects, world.mask(concept(name)))
        return _placed(objects, told, say.phrase(*frames), concept(name), say)
    return []


def beside(world: World, say: Wording) -> list[Instruction]:
    """ "buildings left of the pool", with its twin "buildings right of the pool"."""
    for of in choose(groups(world, 1), say):
        objects = world.objects(of)
        single = _single(world, of, say)
        if objects is None or single is None:
            return []
        other, box = single
        direction = say.pick(tuple(phrases.DIRECTIONS))
        one, _ = say.pair(other)
        _, many = say.pair(of)
        frame = say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT)
        number = int(say.rng.integers(8))
        made = []
        for where in (direction, phrases.OPPOSITE_DIRECTION[direction]):
            told = facts.side_of(objects, where, box)
            known = phrases.DIRECTIONS[where][int(say.held_out)]
            text = f"{many} {known[number % len(known)].format(ref='the ' + one)}"
            for found in set_instruction(objects, told, frame.format(x=text), "relation"):
                names = (of.name, other.name)
                made.append(
                    Instruction(found.text, found.task, found.mask, names, True, found.kind)
                )
        return made
    return []


def _beside(world: World, say: Wording) -> list[Instruction]:
    return beside(world, say)[:1]


def _single(world: World, of: Concept, say: Wording) -> tuple[Concept, np.ndarray] | None:
    """A concept of which there is exactly one, well seen and no network, with its box."""
    found = []
    for known in groups(world, 1):
        objects = world.objects(known)
        if objects is None or len(objects) != 1 or set(known.covers) & set(of.covers):
            continue
        spans = objects.boxes[0, 2:] - objects.boxes[0, :2]
        if objects.area_px[0] >= 2 * LEAST_PX and spans.max() < 0.5 * world.side:
            found.append((known, objects.boxes[0]))
    return say.pick(found) if found else None


def _between(world: World, say: Wording) -> list[Instruction]:
    """ "the trees between the pool and the tank"."""
    for of in choose(groups(world), say):
        objects = world.objects(of)
        first = _single(world, of, say)
        second = _single(world, of, say)
        if objects is None or first is None or second is None or first[0] == second[0]:
            return []
        if set(first[0].covers) & set(second[0].covers):
            return []
        middles = [(box[:2] + box[2:]) / 2 for _, box in (first, second)]
        told = facts.between(objects, *middles)
        refs = ["the " + say.pair(known)[0] for known, _ in (first, second)]
        frame = say.phrase(*phrases.BETWEEN).format(ref=refs[0], ref2=refs[1])
        made = set_instruction(objects, told, f"the {say.pair(of)[1]} {frame}", "relation")
        names = (of.name, first[0].name, second[0].name)
        return [Instruction(one.text, one.task, one.mask, names, True, one.kind) for one in made]
    return []


def _nearest(world: World, say: Wording) -> list[Instruction]:
    """ "the building nearest to the water"."""
    for of in choose(groups(world), say):
        other = landmark(world, of, say)
        objects = world.objects(of)
        if other is None or objects is None:
            return []
        gap_px = facts.gap_m(objects, world.mask(other) == 1, 1.0)
        key = say.pick(("nearest", "farthest"))
        clear = facts.ranking(gap_px if key == "farthest" else -gap_px, objects, size=False)
        if clear is None:
            return []
        one, many = say.pair(of)
        words = say.phrase(*phrases.SUPERLATIVES[key])
        words = words.format(one=one, many=many, ref=say.reference(other))
        text = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT).format(x=words)
        yes = np.arange(len(objects)) == clear[0]
        names = (of.name, other.name)
        return [Instruction(text, "referring", objects.mask(yes), names, True, "relation")]
    return []
