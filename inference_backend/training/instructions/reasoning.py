"""Questions about particular objects: answered from what they are like and what is around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference_backend.language.ontology import concept
from inference_backend.training.instructions import facts
from inference_backend.training.instructions.colours import COLOURS
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.ranks import ranked
from inference_backend.training.instructions.single import inverse, set_instruction
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World

Judge = Callable[[World, Objects], "np.ndarray | None"]


@dataclass(frozen=True)
class Rule:
    """Questions about objects of a concept that `judge` answers with a verdict (N,), or None where it can't."""

    concept: str
    judge: Judge
    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    about: tuple[str, ...] = ()


def _most(key: str) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        if key == "tallest" and not all(known.get("height_m") for known in objects.attributes):
            return None
        clear = ranked(objects, key)
        return None if clear is None or len(objects) < 2 else _only(objects, clear[0])

    return judge


def _only(objects: Objects, index: int) -> np.ndarray:
    return (np.arange(len(objects)) == index).astype(np.int8)


def _gap(world: World, objects: Objects, other: str) -> np.ndarray | None:
    known = concept(other)
    if known not in world.present or world.unknown_share(known) > 0.12:
        return None
    return facts.gap_m(objects, world.mask(known) == 1, world.gsd_m)


def _close_to(other: str, yes_m: float, no_m: float) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        return None if gap is None else facts.verdict(gap <= yes_m, gap < no_m)

    return judge


def _away_from(other: str, no_m: float, yes_m: float) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        return None if gap is None else facts.verdict(gap >= yes_m, gap > no_m)

    return judge


def _nearest_to(other: str) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        if gap is None or len(objects) < 2:
            return None
        clear = facts.ranking(-gap / world.gsd_m, objects, size=False)
        return None if clear is None else _only(objects, clear[0])

    return judge


def _on(other: str) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        known = concept(other)
        return facts.stands_on(objects, world.mask(known)) if known in world.present else None

    return judge


def _coloured(colour: str) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        return objects.colours[:, COLOURS.index(colour)]

    return judge


def _flat_roof(world: World, objects: Objects) -> np.ndarray | None:
    forms = [known.get("roof") for known in objects.attributes]
    return None if None in forms else np.array([form == "flat" for form in forms], np.int8)


def _with_solar(wanted: bool) -> Judge:
    def judge(world: World, objects: Objects) -> np.ndarray | None:
        solar = world.objects(concept("solar array"))
        if solar is None or any("on_building" not in known for known in solar.attributes):
            return None
        share = facts.share_in(objects, solar.labels > 0)
        told = facts.verdict(share > 0.02, share > 0)
        return told if wanted else inverse(told)

    return judge


def _alone(world: World, objects: Objects) -> np.ndarray | None:
    """The one whose nearest neighbour is farthest."""
    if not 3 <= len(objects) <= 60:
        return None
    away = np.hypot(*(objects.xy[:, None] - objects.xy[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    clear = facts.ranking(away.min(1), objects, size=False)
    return None if clear is None else _only(objects, clear[0])


RULES = (
    Rule(
        "building",
        _most("largest"),
        (
            "Which building could hold the most solar panels?",
            "The roof that would collect the most rainwater",
            "Which building has room for the most people?",
            "Where would you put the biggest rooftop garden?",
            "Which roof needs the most material to be covered anew?",
        ),
        (
            "Which roof would be the dearest to replace?",
            "On which single roof could the largest solar plant be built?",
        ),
    ),
    Rule(
        "building",
        _most("smallest"),
        (
            "Which building is most likely a shed for tools?",
            "Which roof could be painted in the shortest time?",
            "The building with the least room inside",
        ),
        ("Which roof could be re-covered with the fewest tiles?",),
    ),
    Rule(
        "building",
        _most("tallest"),
        (
            "Which building would give the widest view?",
            "From which roof could one look down on all the others?",
            "Which building throws the longest shadow?",
        ),
        ("Where would the lift take the longest?",),
    ),
    Rule(
        "building",
        _close_to("water", 12, 40),
        (
            "Which houses would be flooded first?",
            "Which homes are at risk when the water rises?",
            "From which houses could one jump straight into a boat?",
        ),
        ("Whose cellar is in danger at high water?",),
        ("water",),
    ),
    Rule(
        "building",
        _close_to("pool", 10, 25),
        ("Which homes have their own pool?", "Whose garden has a place to swim?"),
        ("Which house would invite friends for a swim?",),
        ("pool",),
    ),
    Rule(
        "building",
        _close_to("road", 8, 20),
        (
            "Which houses hear the traffic most?",
            "Which buildings can a visitor reach by car without walking far?",
            "Where would noise from vehicles disturb sleep?",
        ),
        ("Who breathes the most exhaust fumes at home?",),
        ("road",),
    ),
    Rule(
        "building",
        _away_from("road", 20, 40),
        (
            "Which buildings are hardest to reach with a fire engine?",
            "Which houses stand far from any traffic?",
        ),
        ("To which house would a parcel have to be carried a long way?",),
        ("road",),
    ),
    Rule(
        "building",
        _with_solar(True),
        (
            "Which roofs already make their own electricity?",
            "Which buildings produce power on sunny days?",
            "Which homes would still have light if the grid failed at noon?",
        ),
        ("Who is paid for feeding the grid?",),
        ("solar array",),
    ),
    Rule(
        "building",
        _with_solar(False),
        (
            "Which roofs could still get solar panels?",
            "Which buildings do not make use of the sun yet?",
        ),
        ("Where is there still a roof for a new solar plant?",),
        ("solar array",),
    ),
    Rule(
        "building",
        _coloured("light"),
        ("Which roofs stay coolest in the sun?", "Which roofs throw most of the sunlight back?"),
        ("Which roofs help a city against summer heat?",),
    ),
    Rule(
        "building",
        _coloured("dark"),
        ("Which roofs heat up most in the sun?", "From which roofs would snow melt first?"),
        ("Which roofs would burn bare feet in July?",),
    ),
    Rule(
        "building",
        _flat_roof,
        (
            "On which buildings could a roof terrace be laid out?",
            "Which roofs could one walk on without slipping?",
            "Where would rain stand on the roof?",
        ),
        ("On which roofs could a drone land safely?",),
    ),
    Rule(
        "building",
        _alone,
        (
            "Which house has the fewest neighbours?",
            "Where would loud music disturb nobody?",
            "Which home has the most privacy?",
        ),
        ("Which house would a hermit choose?",),
    ),
    Rule(
        "tree",
        _close_to("building", 2, 6),
        (
            "Which trees could fall on a house?",
            "Which trees shade a roof or a wall?",
            "Which trees would fill the gutters with leaves?",
        ),
        ("Which trees should be inspected before a storm because of the homes beside them?",),
        ("building",),
    ),
    Rule(
        "tree",
        _close_to("road", 2.5, 8),
        ("Which trees could block the traffic if they fell?", "Which trees shade the street?"),
        ("Which trees would drop leaves on passing cars?",),
        ("road",),
    ),
    Rule(
        "tree",
        _most("largest"),
        (
            "Which tree is probably the oldest?",
            "Under which tree would the most people find shade?",
        ),
        ("Which tree stores the most wood?",),
    ),
    Rule(
        "car",
        _on("parking lot"),
        ("Which cars have been parked by shoppers?", "Which cars stand in a bay?"),
        ("Which cars wait for their owners to come back from shopping?",),
        ("parking lot",),
    ),
    Rule(
        "car",
        _on("road"),
        (
            "Which cars are on the move or in the way of traffic?",
            "Which cars are out on the street?",
        ),
        ("Which cars would a speed camera see?",),
        ("road",),
    ),
    Rule(
        "car",
        _coloured("white"),
        ("Which cars heat up least in the sun?", "Which cars show dirt most?"),
        ("Which cars are easiest to see at night?",),
    ),
    Rule(
        "boat",
        _close_to("pier", 2, 8),
        ("Which boats are moored?", "Which boats can be boarded on foot?"),
        ("Which boats need no dinghy to get ashore?",),
        ("pier",),
    ),
    Rule(
        "boat",
        _away_from("pier", 8, 20),
        ("Which boats are under way or at anchor?", "Which boats have gone out of the harbour?"),
        ("Whose crew can't step ashore at the moment?",),
        ("pier",),
    ),
    Rule(
        "field",
        _most("largest"),
        ("Which field gives the biggest harvest?", "Which field takes longest to plough?"),
        ("Where would the farmer need the most seed?",),
    ),
    Rule(
        "parking lot",
        _most("largest"),
        (
            "Which car park has room for the most cars?",
            "Where would a stadium send its visitors to park?",
        ),
        ("Which car park would fill up last?",),
    ),
    Rule(
        "tank",
        _close_to("building", 15, 40),
        (
            "Which tanks stand dangerously close to people?",
            "Which tanks would put a house at risk in a fire?",
        ),
        ("Which tanks need a wall to protect those who live next door?",),
        ("building",),
    ),
    Rule(
        "aircraft",
        _on("runway"),
        ("Which plane is about to take off or has just landed?",),
        ("Which plane has clearance from the tower?",),
        ("runway",),
    ),
    Rule(
        "pool",
        _nearest_to("building"),
        ("Which pool is the shortest walk from a door?",),
        ("Which pool could one reach from the house in the fewest steps?",),
        ("building",),
    ),
    Rule(
        "building",
        _nearest_to("road"),
        (
            "Which building would a bus driver pass closest?",
            "At which house does a vehicle pass nearest to the wall?",
        ),
        ("Which house would lose ground first if the street were widened?",),
        ("road",),
    ),
    Rule(
        "building",
        _nearest_to("water"),
        (
            "Which house would the flood reach first?",
            "From which house is it the shortest way to go swimming?",
        ),
        ("Which house has the shortest walk to the shore?",),
        ("water",),
    ),
)


def reasoning(world: World, say: Wording) -> list[Instruction]:
    """A question about some objects of a concept that only their looks and neighbours answer."""
    here = {known.name for known in world.present}
    able = [rule for rule in RULES if {rule.concept, *rule.about} <= here]
    for index in say.rng.permutation(len(able))[:3]:
        rule = able[int(index)]
        objects = world.objects(concept(rule.concept))
        told = None if objects is None else rule.judge(world, objects)
        if objects is None or told is None or (told == 1).sum() == 0:
            continue
        if int(objects.area_px[told == 1].sum()) < LEAST_PX:
            continue
        text = say.phrase(rule.asked, rule.held_out)
        for one in set_instruction(objects, told, text, "reasoning"):
            names = (rule.concept, *rule.about)
            return [Instruction(text, "reasoning", one.mask, names, True, "reasoning")]
    return []
