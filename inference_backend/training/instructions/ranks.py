"""Instructions for one object among its like: the largest, the northernmost, the third from the left."""

from __future__ import annotations

import numpy as np

from inference_backend.training.instructions import facts, phrases
from inference_backend.training.instructions.attributes import COLOURED
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.single import group, set_instruction, the_one
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import Objects, World

_ORDINAL_WORDS = ("second", "third")
_OPPOSITE_KEY = {
    **{"largest": "smallest", "smallest": "largest", "left": "right", "right": "left"},
    **{"top": "bottom", "bottom": "top", "brightest": "darkest", "darkest": "brightest"},
}
_BY_SIZE = frozenset(["largest", "smallest", "tallest", "longest"])
_LONG = frozenset(["boat", "ship", "hedge", "pier", "bridge", "train"])
_COMMON_KEYS = ("largest", "largest", "smallest", "left", "right", "top", "bottom", "central")


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


def ranked(objects: Objects, key: str) -> list[int] | None:
    """Indices of the first, second and third by `key`, as far as their order is beyond doubt."""
    clear = facts.ranking(key_values(objects, key), objects, key in _BY_SIZE)
    # What the border cuts off looks smaller than it is.
    if clear is not None and key == "smallest" and objects.at_edge[clear].any():
        return None
    return clear


def superlative(world: World, say: Wording) -> list[Instruction]:
    """ "the largest building", with its twin "the smallest building" where that is clear too."""
    objects = group(world, say)
    if objects is None:
        return []
    key = say.pick(_keys(objects))
    one, many = say.pair(objects.concept)
    frame = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT)
    number = int(say.rng.integers(8))
    made = []
    for which in (key, _OPPOSITE_KEY.get(key)):
        clear = ranked(objects, which) if which else None
        if clear is not None:
            known = phrases.SUPERLATIVES[which][int(say.held_out)]
            words = known[number % len(known)].format(one=one, many=many)
            made.append(the_one(objects, clear[0], frame.format(x=words), "superlative"))
    return made


def _keys(objects: Objects) -> list[str]:
    keys = list(_COMMON_KEYS)
    if objects.concept.name in COLOURED:
        keys += ["brightest", "darkest"]
    if objects.concept.name in _LONG:
        keys += ["longest"]
    if all(known.get("height_m") for known in objects.attributes):
        keys += ["tallest"]
    return keys


def ordinal(world: World, say: Wording) -> list[Instruction]:
    """ "the second largest building", "the third car from the left"."""
    objects = group(world, say, 3)
    if objects is None:
        return []
    key = say.pick(tuple(phrases.ORDINALS))
    clear = ranked(objects, key)
    if clear is None or len(clear) < 2:
        return []
    nth = int(say.rng.integers(1, len(clear)))
    if objects.area_px[clear[nth]] < LEAST_PX:
        return []
    one, _ = say.pair(objects.concept)
    words = say.phrase(phrases.ORDINALS[key], phrases.ORDINALS_HELD_OUT[key])
    words = words.format(nth=_ORDINAL_WORDS[nth - 1], one=one)
    frame = say.phrase(phrases.THE_ONE, phrases.THE_ONE_HELD_OUT)
    return [the_one(objects, clear[nth], frame.format(x=words), "ordinal")]


def all_but_one(world: World, say: Wording) -> list[Instruction]:
    """ "all buildings except the largest one"."""
    objects = group(world, say, 3)
    if objects is None:
        return []
    key = say.pick(("largest", "smallest", "left", "right", "top", "bottom"))
    clear = ranked(objects, key)
    if clear is None:
        return []
    one, many = say.pair(objects.concept)
    words = phrases.SUPERLATIVES[key][int(say.held_out)][0].format(one=one, many=many)
    text = say.phrase(*phrases.ALL_BUT_ONE).format(many=many, one=one, x=words)
    told = (np.arange(len(objects)) != clear[0]).astype(np.int8)
    return set_instruction(objects, told, text, "negation")
