"""Instructions that tell objects of one class apart: by colour, roof, shape, size, rank and order."""

from __future__ import annotations

import numpy as np

from inference_backend.language.ontology import Concept
from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.colours import COLOURS, WORDS
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.whole import choose, visible
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World

_COLOURED = frozenset(
    [
        *(
            "building",
            "car",
            "truck",
            "bus",
            "vehicle",
            "container",
            "boat",
            "ship",
            "tank",
            "field",
        ),
        *("tennis court", "basketball court", "sport field", "aircraft", "greenhouse", "train"),
    ]
)
_WITHOUT_OBJECT_PHRASES = frozenset(["road", "railway"])
"""Networks: one instance of them is not what people call one."""
_ORDINAL_WORDS = ("second", "third")
_SIZES_M2 = (5, 10, 15, 20, 30, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 750, 1000)
_SIZES_M2 += (1500, 2000, 3000, 5000)
_OPPOSITE_KEY = {
    **{"largest": "smallest", "smallest": "largest", "left": "right", "right": "left"},
    **{"top": "bottom", "bottom": "top", "brightest": "darkest", "darkest": "brightest"},
}


def groups(world: World, least: int = 2) -> list[Concept]:
    """Concepts of which at least `least` objects can be told apart."""
    found = []
    for of in visible(world):
        if of.name not in _WITHOUT_OBJECT_PHRASES:
            objects = world.objects(of)
            if objects is not None and len(objects) >= least:
                found.append(of)
    return found


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


def attribute(world: World, say: Wording) -> list[Instruction]:
    """Colour, size, roof, material, shape or surface, in even shares of what there is."""
    makers = [_colour, _colour, _size, _size, _described, _described]
    say.rng.shuffle(makers)
    for maker in makers:
        made = maker(world, say)
        if made:
            return made
    return []


def negation(world: World, say: Wording) -> list[Instruction]:
    """ "buildings that are not red", "all buildings except the largest one"."""
    if say.chance(0.5):
        made = _colour(world, say, negated=True)
        if made:
            return made
    for of in choose(groups(world, 3), say):
        objects = _objects(world, of)
        key = say.pick(("largest", "smallest", "left", "right", "top", "bottom"))
        clear = facts.ranking(key_values(objects, key), objects, key in _BY_SIZE)
        if clear is None:
            return []
        one, many = say.pair(of)
        text = say.phrase(*phrases.ALL_BUT_ONE).format(
            many=many, one=one, x=say.phrase(*phrases.SUPERLATIVES[key]).format(one=one, many=many)
        )
        told = np.ones(len(objects), np.int8)
        told[clear[0]] = 0
        return set_instruction(objects, told, text, "negation")
    return []


def _objects(world: World, of: Concept) -> Objects:
    """The objects of a concept that is known to have some."""
    objects = world.objects(of)
    if objects is None:
        raise ValueError(f"'{of.name}' has no objects here")
    return objects


def _colour(world: World, say: Wording, negated: bool = False) -> list[Instruction]:
    for of in choose([known for known in groups(world) if known.name in _COLOURED], say):
        objects = _objects(world, of)
        truths = objects.colours
        usable = np.flatnonzero((truths == 1).any(0) & (truths == 0).any(0))
        if not usable.size:
            return []
        colour = COLOURS[int(say.pick(usable))]
        word = say.pick(WORDS.get(colour, (colour,)))
        told = truths[:, COLOURS.index(colour)]
        if negated:
            told = np.where(told == -1, -1, 1 - told).astype(np.int8)
            frames = phrases.NOT_COLOURED
        else:
            roofed = of.name == "building" and say.chance(0.4)
            frames = phrases.COLOURED_ROOF if roofed else phrases.COLOURED
        one, many = _noun(of, say, without_roof=frames is phrases.COLOURED_ROOF)
        text = say.phrase(*frames).format(colour=word, many=many, one=one)
        kind = "negation" if negated else "attribute"
        return set_instruction(objects, told, _asked(text, say), kind)
    return []


def absent_colour(world: World, say: Wording) -> list[Instruction]:
    """A colour that none of the objects has."""
    for of in choose([known for known in groups(world, 1) if known.name in _COLOURED], say):
        objects = _objects(world, of)
        never = np.flatnonzero((objects.colours == 0).all(0))
        if not never.size or world.unknown_share(of) > 0.02:
            return []
        colour = COLOURS[int(say.pick(never))]
        word = say.pick(WORDS.get(colour, (colour,)))
        _, many = _noun(of, say, without_roof=False)
        text = say.phrase(*phrases.COLOURED).format(colour=word, many=many)
        mask = objects.mask(np.zeros(len(objects), bool))
        return [Instruction(text, "referring", mask, (of.name,), False, "absent")]
    return []


def _noun(of: Concept, say: Wording, without_roof: bool) -> tuple[str, str]:
    """A pair of nouns; none that says "roof" where the phrase says it already."""
    for _ in range(6):
        one, many = say.pair(of)
        if not (without_roof and "roof" in one):
            return one, many
    return of.pairs[0]


def _asked(text: str, say: Wording) -> str:
    return say.phrase(phrases.THOSE, phrases.THOSE_HELD_OUT).format(x=text)


def _size(world: World, say: Wording) -> list[Instruction]:
    for of in choose(groups(world), say):
        objects = _objects(world, of)
        area = objects.area_px * world.gsd_m**2
        fitting = [n for n in _SIZES_M2 if area.min() * 1.15 < n < area.max() * 0.87]
        if not fitting:
            return []
        limit = say.pick(fitting)
        told = facts.above(area, limit, max(0.07 * limit, 2 * world.gsd_m**2))
        # What the border cuts off may be larger than it looks.
        told[(told == 0) & objects.at_edge] = -1
        _, many = say.pair(of)
        larger = say.chance(0.6)
        if not larger:
            told = np.where(told == -1, -1, 1 - told).astype(np.int8)
        frames = phrases.LARGER if larger else phrases.SMALLER
        text = say.phrase(*frames).format(many=many, n=limit)
        return set_instruction(objects, told, _asked(text, say), "attribute")
    return []


def _described(world: World, say: Wording) -> list[Instruction]:
    """What the generator knows of its objects: form and material of roofs, plan, surface of roads."""
    for of in choose([known for known in world.present if known.name in ("building", "road")], say):
        objects = world.objects(of)
        if objects is None:
            return []
        tables = {
            "roof": phrases.ROOF_FORMS,
            "material": phrases.MATERIALS,
            "shape": phrases.SHAPES,
        }
        if of.name == "road":
            tables = {"surface": phrases.SURFACES}
        key = say.pick(tuple(tables))
        said = [str(known.get(key, "")) for known in objects.attributes]
        values = sorted({value for value in said if value in tables[key]})
        if "" in said or not values:
            return []
        value = say.pick(values)
        told = np.array([1 if known == value else 0 for known in said], np.int8)
        if key == "shape":
            told[objects.at_edge] = -1
        _, many = _noun(of, say, without_roof=key in ("roof", "material"))
        text = say.pick(tables[key][value]).format(many=many)
        return set_instruction(objects, told, _asked(text, say), "attribute", of.name != "road")
    return []


_BY_SIZE = frozenset(["largest", "smallest", "tallest", "longest"])


def key_values(objects: Objects, key: str) -> np.ndarray:
    """float (N,), highest for the one that `key` means. Sizes are positive, places in pixels."""
    side = objects.labels.shape[0]
    x, y = objects.xy.T
    light = objects.rgb @ np.array([0.3, 0.59, 0.11]) * side / 255
    spans = objects.boxes[:, 2:] - objects.boxes[:, :2]
    values = {
        "largest": objects.area_px,
        "smallest": 1 / objects.area_px,
        "left": -x,
        "right": x,
        "top": -y,
        "bottom": y,
        "central": -np.hypot(x - side / 2, y - side / 2),
        "brightest": light,
        "darkest": -light,
        "longest": np.hypot(*spans.T),
    }
    if key == "tallest":
        return np.array([float(known.get("height_m", 0) or 0) for known in objects.attributes])
    return np.asarray(values[key], float)


def superlative(world: World, say: Wording) -> list[Instruction]:
    """ "the largest building", with its twin "the smallest building" where that is clear too."""
    for of in choose(groups(world), say):
        objects = _objects(world, of)
        keys = ["largest", "largest", "smallest", "left", "right", "top", "bottom", "central"]
        keys += ["brightest", "darkest"] if of.name in _COLOURED else []
        keys += (
            ["longest"] if of.name in ("boat", "ship", "hedge", "pier", "bridge", "train") else []
        )
        if all(known.get("height_m") for known in objects.attributes):
            keys.append("tallest")
        key = say.pick(keys)
        one, many = say.pair(of)
        frame = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT)
        number = int(say.rng.integers(8))
        made = []
        for which in (key, _OPPOSITE_KEY.get(key)):
            clear = which and facts.ranking(key_values(objects, which), objects, which in _BY_SIZE)
            if not clear:
                continue
            known = phrases.SUPERLATIVES[which][int(say.held_out)]
            words = known[number % len(known)].format(one=one, many=many)
            made.append(_the_one(objects, clear[0], frame.format(x=words), "superlative"))
        return made
    return []


def ordinal(world: World, say: Wording) -> list[Instruction]:
    """ "the second largest building", "the third car from the left"."""
    for of in choose(groups(world, 3), say):
        objects = _objects(world, of)
        key = say.pick(tuple(phrases.ORDINALS))
        clear = facts.ranking(key_values(objects, key), objects, key in _BY_SIZE)
        if clear is None or len(clear) < 2:
            return []
        nth = int(say.rng.integers(1, len(clear)))
        if objects.area_px[clear[nth]] < LEAST_PX:
            return []
        one, _ = say.pair(of)
        words = say.phrase(phrases.ORDINALS[key], phrases.ORDINALS_HELD_OUT[key])
        words = words.format(nth=_ORDINAL_WORDS[nth - 1], one=one)
        frame = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT)
        return [_the_one(objects, clear[nth], frame.format(x=words), "ordinal")]
    return []


def _the_one(objects: Objects, index: int, text: str, kind: str) -> Instruction:
    yes = np.zeros(len(objects), bool)
    yes[index] = True
    mask = objects.mask(yes)
    return Instruction(text, "referring", mask, (objects.concept.name,), True, kind)
